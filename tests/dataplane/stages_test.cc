/* SPDX-License-Identifier: BSD-3-Clause */
/* The stages without EAL: mbufs are built by hand, and the trash is looked at instead of flushed. */
#include "dataplane/stages/list.h"
#include "dataplane/flow_table.h"
#include "dataplane/port.h"
#include "dataplane/stages/sink.h"
#include "dataplane/stamp.h"
#include "tests/dataplane/frames.h"
#include "tests/dataplane/parser.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_net.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace {

/* ---- packets ---- */

struct Packet {
    alignas(64) rte_mbuf mbuf{};
    std::vector<uint8_t> bytes;
};

class Packets {
  public:
    rte_mbuf *make(std::vector<uint8_t> bytes)
    {
        all.push_back(std::make_unique<Packet>());
        Packet &p = *all.back();
        p.bytes = std::move(bytes);
        p.mbuf.buf_addr = p.bytes.data();
        p.mbuf.data_len = (uint16_t)p.bytes.size();
        p.mbuf.pkt_len = (uint32_t)p.bytes.size();
        p.mbuf.nb_segs = 1;
        return &p.mbuf;
    }
    /* The same bytes in segments of `size`. */
    rte_mbuf *make_chain(const std::vector<uint8_t> &bytes, size_t size)
    {
        rte_mbuf *first = nullptr, *last = nullptr;
        for (size_t at = 0; at < bytes.size(); at += size) {
            size_t end = std::min(at + size, bytes.size());
            rte_mbuf *m = make({bytes.begin() + (long)at, bytes.begin() + (long)end});
            if (last) {
                last->next = m;
                first->nb_segs++;
            } else {
                first = m;
            }
            last = m;
        }
        first->pkt_len = (uint32_t)bytes.size();
        return first;
    }
    std::vector<std::unique_ptr<Packet>> all;
};

/* UDP over IPv4, 60 bytes, stamped if asked. */
std::vector<uint8_t> frame(uint32_t flow, bool back = false, const weir_stamp *stamp = nullptr)
{
    std::vector<uint8_t> f(60);
    f[12] = 8;
    f[14] = 0x45;
    f[17] = 46;
    f[23] = 17;
    uint32_t here = 10 | flow << 8, there = 20;
    memcpy(&f[back ? 30 : 26], &here, 4);
    memcpy(&f[back ? 26 : 30], &there, 4);
    f[39] = 26;
    if (stamp)
        memcpy(&f[f.size() - sizeof *stamp], stamp, sizeof *stamp);
    return f;
}

std::vector<uint8_t> arp_frame()
{
    return ethernet(0x0806) + arp();
}

/* ---- a port that takes only so many ---- */

struct Sent {
    uint16_t port, queue;
    rte_mbuf *mbuf;
};
std::vector<Sent> on_the_wire; /* by the batch in hand */
uint32_t wire_takes;

uint32_t to_wire(weir_port *port, uint16_t queue, rte_mbuf **mbufs, uint32_t n)
{
    uint32_t taken = std::min(n, wire_takes);
    for (uint32_t i = 0; i < taken; i++)
        on_the_wire.push_back({port->index, queue, mbufs[i]});
    return taken;
}

const weir_port_def wire = [] {
    weir_port_def d{};
    d.kind = "wire";
    d.transmit = to_wire;
    return d;
}();

/* ---- a stage at work ---- */

class Stage {
  public:
    explicit Stage(const weir_stage_def &def, uint32_t shards = 1)
    {
        for (uint16_t i = 0; i < 2; i++) {
            port[i].def = &wire;
            port[i].max_frame = 1514;
            port[i].index = i;
            port[i].stamped_flows = i * 4u; /* port 0 is no generator, port 1 numbers four flows */
            ports[i] = &port[i];
        }
        env.tsc_hz = 1000000000;
        env.hash_key[0] = 0x9d3f1c5ab7e80247;
        env.hash_key[1] = 0x51c0ffee12345679;
        env.hash_key[2] = 0xa5a5f00d7b1e5eed;
        env.hash_key[3] = 0x0123456789abcdef;
        env.shards = shards;
        env.workers = 1;
        env.ports = ports;
        env.n_ports = 2;
        s.def = &def;
        s.env = &env;
        s.trash = &trash;
        params.assign(def.params_size / 8 + 1, 0);
        s.params = params.data();
        drops.resize(64);
        counts.resize(64);
        s.drops = drops.data();
        s.counts = counts.data();
        class_counts.resize(64);
        s.class_counts = class_counts.data();
    }
    Stage &with_classes(const std::vector<weir_class> &classes)
    {
        env.classes = classes.data();
        env.n_classes = (uint32_t)classes.size();
        return *this;
    }
    ~Stage()
    {
        for (void *p : blocks)
            free(p);
    }
    template <class T> Stage &set(const char *key, T value)
    {
        const weir_param *p = s.def->params;
        while (p->key && std::string(p->key) != key)
            p++;
        EXPECT_TRUE(p->key) << key;
        memcpy(reinterpret_cast<char *>(params.data()) + p->offset, &value, sizeof value);
        return *this;
    }
    int start()
    {
        auto size = [&](auto *sizer) { return sizer ? sizer(s.params, &env) : 0; };
        s.worker_state = zeroed(size(s.def->worker_size));
        s.pool_state = zeroed(size(s.def->pool_size));
        s.shard_stride = (size(s.def->shard_size) + 63) / 64 * 64;
        s.shard_state = static_cast<uint8_t *>(zeroed(s.shard_stride * env.shards));
        int error = s.def->init ? s.def->init(&s) : 0;
        for (uint32_t i = 0; !error && s.def->init_shard && i < env.shards; i++)
            error = s.def->init_shard(&s, i);
        return error;
    }
    /* One batch; the packets that stay are in `batch`, the others in `trash`. */
    uint32_t run(const std::vector<rte_mbuf *> &in, uint64_t now = 1, bool parsed = false)
    {
        trash.n_plain = trash.n_other = 0;
        on_the_wire.clear();
        batch = {};
        batch.n = (uint32_t)in.size();
        batch.now_tsc = now;
        for (uint32_t i = 0; i < batch.n; i++) {
            weir_desc &d = batch.desc[i];
            d.mbuf = in[i];
            d.length = (wire_length ? wire_length : in[i]->pkt_len) & 0xffffff;
            d.class_id = class_id;
            d.key.flags = in[i]->nb_segs == 1 ? WEIR_DESC_PLAIN : 0;
            if (parsed)
                weir_parse(
                    rte_pktmbuf_mtod(in[i], const uint8_t *), in[i]->data_len, d.length, env.hash_key, &d);
        }
        wire_length = 0;
        s.def->process(&s, &batch);
        EXPECT_EQ(batch.n + trash.n_plain + trash.n_other + on_the_wire.size(), in.size())
            << "every packet has one place";
        return batch.n;
    }
    uint64_t count(const std::string &name) const
    {
        for (unsigned i = 0; s.def->counters && s.def->counters[2 * i]; i++)
            if (name == s.def->counters[2 * i])
                return weir_counter_read(&counts[i]);
        ADD_FAILURE() << "no counter " << name;
        return 0;
    }
    uint64_t count_of_class(uint8_t which, const std::string &name) const
    {
        unsigned n = 0, found = UINT32_MAX;
        for (; s.def->class_counters && s.def->class_counters[2 * n]; n++)
            found = name == s.def->class_counters[2 * n] ? n : found;
        EXPECT_NE(found, UINT32_MAX) << name;
        return weir_counter_read(&class_counts[which * n + found]);
    }
    uint64_t dropped(const std::string &name) const
    {
        for (unsigned i = 0; s.def->reasons && s.def->reasons[i]; i++)
            if (name == s.def->reasons[i])
                return weir_counter_read(&drops[i]);
        ADD_FAILURE() << "no reason " << name;
        return 0;
    }

    weir_stage s{};
    weir_stage_env env{};
    weir_batch batch{};
    weir_trash trash{};

    weir_port port[2]{};
    uint8_t class_id = 0;     /* of the packets of run() */
    uint32_t wire_length = 0; /* of those of the next run(), if a capture cut them */

  private:
    void *zeroed(size_t bytes)
    {
        bytes = bytes / WEIR_APART * WEIR_APART + WEIR_APART;
        blocks.push_back(aligned_alloc(WEIR_APART, bytes));
        return memset(blocks.back(), 0, bytes);
    }
    weir_port *ports[2];
    std::vector<uint64_t> params;
    std::vector<weir_counter> drops, counts, class_counts;
    std::vector<void *> blocks;
};

/* ---- the list ---- */

TEST(Stages, AreFoundByName)
{
    EXPECT_EQ(weir_stage_find("meter"), &weir_stage_meter);
    EXPECT_EQ(weir_stage_find("metre"), nullptr);
    EXPECT_EQ(weir_stage_find(""), nullptr);
}

TEST(Stages, EveryParameterLiesInItsStructAndHasHelp)
{
    for (auto def = weir_stage_list; *def; def++) {
        EXPECT_NE((*def)->help, nullptr);
        for (const weir_param *p = (*def)->params; p && p->key; p++) {
            EXPECT_LT(p->offset, (*def)->params_size) << (*def)->name << " " << p->key;
            EXPECT_NE(p->help, nullptr) << (*def)->name << " " << p->key;
            EXPECT_EQ(p->words != nullptr, p->type == WEIR_PARAM_WORD) << (*def)->name << " " << p->key;
        }
    }
}

/* ---- validate ---- */

TEST(Validate, WritesKeysAndDropsLiarsByName)
{
    Stage v(weir_stage_validate);
    ASSERT_EQ(v.start(), 0);
    Packets p;
    auto liar = frame(1);
    liar[14] = 0x43;
    auto first = p.make(frame(0)), second = p.make(frame(1)), third = p.make(arp_frame());
    EXPECT_EQ(v.run({first, p.make(liar), second, p.make({1, 2}), third}), 3u);
    EXPECT_EQ(v.dropped("ihl_short"), 1u);
    EXPECT_EQ(v.dropped("frame_short"), 1u);
    EXPECT_EQ(v.batch.desc[0].mbuf, first);
    EXPECT_EQ(v.batch.desc[1].mbuf, second);
    EXPECT_EQ(v.batch.desc[2].mbuf, third);
    EXPECT_EQ(weir_key_kind_of(&v.batch.desc[1].key), WEIR_KEY_IPV4);
    EXPECT_EQ(weir_key_kind_of(&v.batch.desc[2].key), WEIR_KEY_L2);
    EXPECT_NE(v.batch.desc[0].hash, v.batch.desc[1].hash);
    EXPECT_EQ(v.count("ip_packets"), 3u) << "the invalid one is an IP packet too";
    EXPECT_EQ(v.count("ip_bytes"), 180u);
}

TEST(Validate, NonIpPassesOrIsDroppedAsConfigured)
{
    Packets p;
    Stage pass(weir_stage_validate), drop(weir_stage_validate);
    drop.set("non-ip", UINT64_C(1));
    ASSERT_EQ(pass.start() | drop.start(), 0);
    EXPECT_EQ(pass.run({p.make(arp_frame()), p.make(frame(0))}), 2u);
    EXPECT_EQ(drop.run({p.make(arp_frame()), p.make(frame(0))}), 1u);
    EXPECT_EQ(drop.dropped("non_ip"), 1u);
    EXPECT_EQ(weir_key_kind_of(&drop.batch.desc[0].key), WEIR_KEY_IPV4);
}

TEST(Validate, SegmentsMakeNoDifference)
{
    Packets p;
    Stage v(weir_stage_validate);
    ASSERT_EQ(v.start(), 0);
    v.run({p.make(frame(3))});
    weir_desc whole = v.batch.desc[0];
    for (size_t size : {1u, 7u, 14u, 33u, 41u, 54u, 59u}) {
        ASSERT_EQ(v.run({p.make_chain(frame(3), size)}), 1u) << size;
        EXPECT_EQ(v.batch.desc[0].hash, whole.hash);
        EXPECT_EQ(memcmp(&v.batch.desc[0].key, &whole.key, 15), 0);
    }
    auto liar = frame(3);
    liar[39] = 27;
    EXPECT_EQ(v.run({p.make_chain(liar, 10)}), 0u);
    EXPECT_EQ(v.dropped("udp_length_beyond_packet"), 1u);
    EXPECT_EQ(v.trash.n_other, 1u) << "a chain does not go back in bulk";
}

/* Bytes right behind each segment are not the frame's: what is read of them shows under AddressSanitizer. */
TEST(Validate, EveryReasonDropsInOneAndInSeveralSegmentsOrPasses)
{
    Packets p;
    Stage drop(weir_stage_validate), pass(weir_stage_validate);
    for (unsigned i = 1; i < WEIR_PARSE_REASONS_END; i++)
        pass.set(weir_parse_reason_names[i], UINT64_C(1));
    drop.set("checksums", UINT64_C(1));
    pass.set("checksums", UINT64_C(1));
    ASSERT_EQ(drop.start() | pass.start(), 0);

    auto rows = reason_rows();
    Bytes bad = frame(1), bad_tcp = ethernet(0x0800) + ipv4(
                                                           [] {
                                                               Ipv4 h;
                                                               h.protocol = 6;
                                                               return h;
                                                           }(),
                                                           tcp(1, 2));
    rows.push_back({"ip_checksum_bad", bad, 0});
    auto header = reinterpret_cast<rte_ipv4_hdr *>(&bad_tcp[14]);
    header->hdr_checksum = rte_ipv4_cksum(header);
    rows.push_back({"l4_checksum_bad", bad_tcp, 0});

    std::vector<bool> seen(WEIR_PARSE_REASONS_END);
    for (const ReasonRow &row : rows) {
        if (row.reason == "ok")
            continue;
        Bytes captured = row.frame;
        if (row.captured)
            captured.resize(row.captured);
        for (size_t size : {SIZE_MAX, size_t{1}, size_t{13}, size_t{20}}) {
            for (Stage *v : {&drop, &pass}) {
                rte_mbuf *m =
                    captured.empty() || size == SIZE_MAX ? p.make(captured) : p.make_chain(captured, size);
                uint64_t before = v == &drop ? v->dropped(row.reason) : v->count("passed_" + row.reason);
                v->wire_length = (uint32_t)row.frame.size();
                EXPECT_EQ(v->run({m}), v == &drop ? 0u : 1u) << row.reason << " " << size;
                EXPECT_EQ(v == &drop ? v->dropped(row.reason) : v->count("passed_" + row.reason), before + 1)
                    << row.reason << " " << size;
            }
            bool keyed = row.reason.find("checksum") != std::string::npos;
            EXPECT_EQ(weir_key_kind_of(&pass.batch.desc[0].key), keyed ? WEIR_KEY_IPV4 : WEIR_KEY_NONE);
        }
        for (unsigned i = 1; i < WEIR_PARSE_REASONS_END; i++)
            seen[i] = seen[i] || row.reason == weir_parse_reason_names[i];
    }
    for (unsigned i = 1; i < WEIR_PARSE_REASONS_END; i++)
        EXPECT_TRUE(seen[i]) << weir_parse_reason_names[i] << " has no frame here";
}

/* Frames with all their checksums right, and what DPDK's own library says of them. */
std::vector<Bytes> right_frames()
{
    std::vector<Bytes> frames;
    for (unsigned protocol : {6u, 17u, 1u, 132u, 58u}) {
        for (bool v6 : {false, true}) {
            if (protocol == (v6 ? 1u : 58u))
                continue;
            for (size_t body : {20u, 21u}) {
                Bytes l4 = protocol == 6    ? tcp(1, 2, 5, body)
                           : protocol == 17 ? udp(3, 4, -1, body)
                                            : sctp(5, 6);
                if (protocol == 1 || protocol == 58)
                    l4 = Bytes{8, 0, 0, 0} + Bytes(body, 0x77);
                Ipv4 h;
                Ipv6 h6;
                h.protocol = h6.next = protocol;
                Bytes f = v6 ? ethernet(0x86dd) + ipv6(h6, l4) : ethernet(0x0800) + ipv4(h, l4);
                uint8_t *ip = &f[14], *at = ip + (v6 ? 40 : 20);
                if (!v6)
                    reinterpret_cast<rte_ipv4_hdr *>(ip)->hdr_checksum =
                        rte_ipv4_cksum(reinterpret_cast<rte_ipv4_hdr *>(ip));
                uint16_t sum = v6 ? rte_ipv6_udptcp_cksum(reinterpret_cast<rte_ipv6_hdr *>(ip), at)
                                  : rte_ipv4_udptcp_cksum(reinterpret_cast<rte_ipv4_hdr *>(ip), at);
                if (protocol == 1)
                    sum = (uint16_t)~rte_raw_cksum(at, l4.size());
                if (protocol != 132)
                    memcpy(at + (protocol == 6 ? 16 : protocol == 17 ? 6 : 2), &sum, 2);
                frames.push_back(f + Bytes(7, 0xff)); /* padding is not part of the sum */
            }
        }
    }
    return frames;
}

TEST(Validate, ChecksumsAreVerifiedOnDemandInAnySegments)
{
    Packets p;
    Stage v(weir_stage_validate), card(weir_stage_validate);
    v.set("checksums", UINT64_C(1));
    ASSERT_EQ(v.start() | card.start(), 0);
    unsigned damaged = 0;
    for (const Bytes &right : right_frames()) {
        for (size_t size : {SIZE_MAX, size_t{1}, size_t{9}, size_t{35}}) {
            auto made = [&](const Bytes &f) { return size == SIZE_MAX ? p.make(f) : p.make_chain(f, size); };
            EXPECT_EQ(v.run({made(right)}), 1u)
                << (right[12] == 8 ? right[23] : right[20]) << " " << right.size() << " " << size;
            Bytes f = right;
            bool sctp = f[f[12] == 8 ? 23 : 20] == 132;
            f[f.size() - 9] ^= 4; /* in the payload */
            EXPECT_EQ(v.run({made(f)}), sctp ? 1u : 0u) << "SCTP has no sum of this kind";
            EXPECT_EQ(card.run({made(f)}), 1u) << "not asked";
            damaged += !sctp;
            f = right;
            f[f[12] == 8 ? 26 : 23] ^= 1; /* source, or the end of the next header's address */
            if (f[12] == 8) {
                EXPECT_EQ(v.run({made(f)}), 0u);
                EXPECT_GT(v.dropped("ip_checksum_bad"), 0u);
            }
        }
    }
    EXPECT_EQ(v.dropped("l4_checksum_bad"), damaged);

    /* Nothing to verify: UDP without a checksum, a cut capture, a fragment, a target that a routing header hides. */
    Ipv4 h;
    Bytes none = ethernet(0x0800) + ipv4(h, udp(1, 2));
    h.fragment = 0x2000;
    Bytes fragment = ethernet(0x0800) + ipv4(h, Bytes(24, 1));
    for (Bytes *f : {&none, &fragment}) {
        auto header = reinterpret_cast<rte_ipv4_hdr *>(&(*f)[14]);
        header->hdr_checksum = rte_ipv4_cksum(header);
    }
    Ipv6 h6;
    h6.next = 43;
    Bytes routed = extension(6);
    routed[3] = 1;
    routed = ethernet(0x86dd) + ipv6(h6, routed + tcp(1, 2));
    EXPECT_EQ(v.run({p.make(none), p.make(fragment), p.make(routed)}), 3u);
    Bytes cut = right_frames()[0];
    v.wire_length = (uint32_t)cut.size();
    cut.resize(60);
    EXPECT_EQ(v.run({p.make(cut)}), 1u);
}

TEST(Validate, TheCardsWordOnChecksumsIsHeeded)
{
    Packets p;
    Stage v(weir_stage_validate);
    ASSERT_EQ(v.start(), 0);
    auto flagged = [&](uint64_t flags, bool odd) {
        rte_mbuf *m = p.make(odd ? ethernet(0x86dd) + ipv6({}, udp(1, 2)) : frame(1));
        m->ol_flags = flags;
        return m;
    };
    for (bool odd : {false, true}) {
        EXPECT_EQ(v.run({flagged(RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD, odd),
                      flagged(RTE_MBUF_F_RX_IP_CKSUM_BAD, odd), flagged(RTE_MBUF_F_RX_L4_CKSUM_BAD, odd),
                      flagged(RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD, odd),
                      flagged(RTE_MBUF_F_RX_L4_CKSUM_NONE, odd), flagged(RTE_MBUF_F_RX_IP_CKSUM_NONE, odd)}),
            3u);
        EXPECT_EQ(v.dropped("ip_checksum_bad"), odd ? 4u : 2u);
        EXPECT_EQ(v.dropped("l4_checksum_bad"), odd ? 2u : 1u);
    }
    EXPECT_EQ(v.count("ip_packets"), 12u);
}

/* What a card would write into packet_type: weir reads the headers for the key all the same. */
TEST(Validate, AgreesWithThePacketTypeThatDpdkFinds)
{
    Packets p;
    Stage v(weir_stage_validate);
    ASSERT_EQ(v.start(), 0);
    auto frames = right_frames();
    frames.push_back(arp_frame());
    frames.push_back(ethernet(0x8100) + tag(3, 0x0800) + ipv4({}, udp(1, 2)));
    frames.push_back(ethernet(0x88cc) + Bytes(46, 0));
    for (const Bytes &f : frames) {
        rte_mbuf *m = p.make(f);
        m->buf_len = m->data_len;
        uint32_t type = rte_net_get_ptype(m, nullptr, RTE_PTYPE_ALL_MASK);
        ASSERT_EQ(v.run({m}), 1u);
        const weir_key &key = v.batch.desc[0].key;
        EXPECT_EQ(RTE_ETH_IS_IPV4_HDR(type) != 0, weir_key_kind_of(&key) == WEIR_KEY_IPV4);
        EXPECT_EQ(RTE_ETH_IS_IPV6_HDR(type) != 0, weir_key_kind_of(&key) == WEIR_KEY_IPV6);
        uint32_t l4 = type & RTE_PTYPE_L4_MASK;
        EXPECT_EQ(l4 == RTE_PTYPE_L4_TCP, key.protocol == 6);
        EXPECT_EQ(l4 == RTE_PTYPE_L4_UDP, key.protocol == 17);
        EXPECT_EQ(l4 == RTE_PTYPE_L4_SCTP, key.protocol == 132);
    }
}

TEST(Validate, AFullBatchOfOddPacketsIsHandled)
{
    Packets p;
    Stage v(weir_stage_validate);
    ASSERT_EQ(v.start(), 0);
    EXPECT_EQ(v.run(std::vector<rte_mbuf *>(WEIR_BATCH, p.make({}))), 0u);
    EXPECT_EQ(v.dropped("frame_short"), (uint64_t)WEIR_BATCH);
    EXPECT_EQ(v.run({}), 0u);
}

/* ---- admit ---- */

TEST(Admit, HoldsAPortToItsRateInBytes)
{
    Packets p;
    Stage a(weir_stage_admit);
    a.set("rate", weir_rate{60000, false, false}).set("burst", UINT64_C(1800));
    ASSERT_EQ(a.start(), 0);
    std::vector<rte_mbuf *> batch(WEIR_BATCH, p.make(frame(0)));
    EXPECT_EQ(a.run(batch), 30u) << "the burst";
    EXPECT_EQ(a.dropped("rate"), 2u);
    EXPECT_EQ(a.run(batch, 1 + 999999), 0u) << "a nanosecond before a frame's worth";
    EXPECT_EQ(a.run(batch, 1 + 1000000), 1u);
    uint64_t passed = 0;
    for (uint64_t ms = 2; ms <= 1001; ms++)
        passed += a.run({batch[0], batch[0]}, 1 + ms * 1000000);
    EXPECT_EQ(passed, 1000u);
}

TEST(Admit, PortsDoNotShareABucket)
{
    Packets p;
    Stage a(weir_stage_admit);
    a.set("rate", weir_rate{1, false, false}).set("burst", UINT64_C(1800));
    ASSERT_EQ(a.start(), 0);
    std::vector<rte_mbuf *> batch(30, p.make(frame(0)));
    EXPECT_EQ(a.run(batch), 30u);
    EXPECT_EQ(a.run(batch), 0u);
    a.batch.n = 30;
    a.batch.port = 1;
    a.s.def->process(&a.s, &a.batch);
    EXPECT_EQ(a.batch.n, 30u);
}

TEST(Admit, PacketRatesTakeTheBurstAtSixtyFourBytesAPacket)
{
    Packets p;
    std::vector<rte_mbuf *> batch(WEIR_BATCH, p.make(std::vector<uint8_t>(1500)));
    Stage a(weir_stage_admit), least(weir_stage_admit);
    a.set("rate", weir_rate{1000, true, false}).set("burst", UINT64_C(6400));
    least.set("rate", weir_rate{1000, true, false}).set("burst", UINT64_C(1518));
    ASSERT_EQ(a.start() | least.start(), 0);
    uint32_t passed = 0;
    for (int i = 0; i < 5; i++)
        passed += a.run(batch);
    EXPECT_EQ(passed, 100u);
    EXPECT_EQ(a.dropped("rate"), 60u);
    EXPECT_EQ(least.run(batch), 32u);
    EXPECT_EQ(least.run(batch), 0u);
}

TEST(Admit, NoRateIsNoLimit)
{
    Packets p;
    Stage a(weir_stage_admit);
    a.set("burst", UINT64_C(1518));
    ASSERT_EQ(a.start(), 0);
    EXPECT_EQ(a.run(std::vector<rte_mbuf *>(WEIR_BATCH, p.make(std::vector<uint8_t>(9000)))), 32u);
}

const std::vector<weir_class> three_classes = [] {
    std::vector<weir_class> c(3);
    c[0].name = "other", c[1].name = "slow", c[2].name = "fast";
    c[1].rate = {60000, false, false}, c[1].burst = 1800;
    c[2].rate = {1000, true, false}, c[2].burst = 6400;
    return c;
}();

uint64_t per_class = 1, observe = 1;

TEST(Admit, EachClassHasItsOwnRateAndOneWithoutARateHasNone)
{
    Packets p;
    Stage a(weir_stage_admit);
    a.with_classes(three_classes).set("per", per_class);
    ASSERT_EQ(a.start(), 0);
    std::vector<rte_mbuf *> batch(WEIR_BATCH, p.make(frame(0)));
    uint64_t passed[3] = {0, 0, 0};
    for (uint64_t ms = 0; ms <= 10000; ms++)
        for (a.class_id = 0; a.class_id < 3; a.class_id++)
            passed[a.class_id] += a.run({batch[0], batch[0]}, 1 + ms * 1000000);
    EXPECT_EQ(passed[0], 20002u);
    EXPECT_EQ(passed[1], 30u + 10000u) << "the burst, and a packet a millisecond";
    EXPECT_EQ(passed[2], 100u + 10000u);
    EXPECT_EQ(a.count_of_class(1, "passed_packets"), passed[1]);
    EXPECT_EQ(a.count_of_class(1, "passed_bytes"), passed[1] * 60);
    EXPECT_EQ(a.count_of_class(1, "over_rate"), 20002 - passed[1]);
    EXPECT_EQ(a.dropped("rate"), 40004 - passed[1] - passed[2]);
    EXPECT_EQ(a.count("would_drop"), 0u);
}

TEST(Admit, ToObserveDropsNothingAndCountsTheSame)
{
    Packets p;
    Stage enforced(weir_stage_admit), observed(weir_stage_admit);
    for (Stage *a : {&enforced, &observed})
        a->set("rate", weir_rate{60000, false, false}).set("burst", UINT64_C(1800));
    observed.set("mode", observe);
    ASSERT_EQ(enforced.start() | observed.start(), 0);
    std::vector<rte_mbuf *> batch(WEIR_BATCH, p.make(frame(0)));
    for (uint64_t step = 0; step < 1000; step++) {
        enforced.run(batch, 1 + step * 777777);
        EXPECT_EQ(observed.run(batch, 1 + step * 777777), 32u);
    }
    EXPECT_GT(enforced.dropped("rate"), 1000u);
    EXPECT_EQ(observed.count("would_drop"), enforced.dropped("rate"));
    EXPECT_EQ(observed.dropped("rate"), 0u);
}

TEST(Admit, AnExceptedClassPassesAndTakesNothing)
{
    Packets p;
    std::vector<rte_mbuf *> batch(30, p.make(frame(0)));
    for (uint64_t per : {UINT64_C(0), per_class}) {
        Stage a(weir_stage_admit);
        weir_class_set except = {};
        except.bits[0] = per == per_class ? 2 : 4;
        a.with_classes(three_classes).set("per", per).set("except", except);
        a.set("rate", weir_rate{60, false, false}).set("burst", UINT64_C(1800));
        ASSERT_EQ(a.start(), 0);
        a.class_id = per == per_class ? 1 : 2;
        for (int i = 0; i < 10; i++)
            EXPECT_EQ(a.run(batch), 30u);
        if (per == per_class)
            continue;
        a.class_id = 1;
        EXPECT_EQ(a.run(batch), 30u) << "the whole burst is still there";
        EXPECT_EQ(a.run(batch), 0u);
    }
}

/* ---- meter ---- */

Stage &with_meter(Stage &m, uint64_t max_flows, uint64_t idle_ns = 1000000000)
{
    m.set("max-flows", max_flows).set("idle", idle_ns).set("active", UINT64_C(3600000000000));
    EXPECT_EQ(m.start(), 0);
    return m;
}

const weir_flow *flow_of(const Stage &m, unsigned at = 0)
{
    const weir_desc &d = m.batch.desc[at];
    auto *table = static_cast<weir_flow_table *>(weir_stage_shard(&m.s, d.hash));
    /* Its one worker has all records, from the lowest on. */
    auto *store = static_cast<weir_flow_store *>(m.s.worker_state);
    return weir_flow_table_find(table, store->records, d.hash, &d.key);
}

TEST(Meter, CountsBothWaysOfAFlowInOneRecord)
{
    Packets p;
    Stage m(weir_stage_meter, 16);
    with_meter(m, 1000);
    EXPECT_EQ(
        m.run({p.make(frame(1)), p.make(frame(1, true)), p.make(frame(1)), p.make(frame(2))}, 7, true), 4u);
    EXPECT_EQ(m.count("flows"), 2u);
    EXPECT_EQ(m.count("flows_created"), 2u);
    EXPECT_EQ(m.count("packets"), 4u);
    EXPECT_EQ(m.count("bytes"), 240u);
    const weir_desc &d = m.batch.desc[0];
    const weir_flow *f = flow_of(m);
    ASSERT_NE(f, nullptr);
    unsigned way = d.key.flags & WEIR_DESC_REVERSED ? 1 : 0;
    EXPECT_EQ(f->packets[way], 2u);
    EXPECT_EQ(f->packets[!way], 1u);
    EXPECT_EQ(f->bytes[way], 120u);
    EXPECT_EQ(f->bytes[!way], 60u);
    EXPECT_EQ(f->last_tsc, 7u);
}

TEST(Meter, WhatIsNotIpPassesUnkeyed)
{
    Packets p;
    Stage m(weir_stage_meter, 16);
    with_meter(m, 1000);
    EXPECT_EQ(m.run({p.make(arp_frame()), p.make(frame(1)), p.make({1})}, 1, true), 3u);
    EXPECT_EQ(m.count("unkeyed"), 2u);
    EXPECT_EQ(m.count("packets"), 1u);
}

TEST(Meter, AtTheLimitANewFlowTakesAPlaceNearItOrIsUntracked)
{
    Packets p;
    Stage m(weir_stage_meter, 1);
    with_meter(m, 10);
    for (uint32_t i = 0; i < 10; i++)
        EXPECT_EQ(m.run({p.make(frame(i))}, 1 + i, true), 1u);
    EXPECT_EQ(m.count("flows_evicted"), 0u);
    for (uint32_t i = 10; i < 15; i++)
        EXPECT_EQ(m.run({p.make(frame(i))}, 1 + i, true), 1u);
    EXPECT_EQ(m.count("flows"), 10u);
    EXPECT_EQ(m.count("flows_evicted") + m.count("untracked"), 5u);
    EXPECT_GT(m.count("flows_evicted"), 0u);
    EXPECT_EQ(m.count("packets") + m.count("untracked"), 15u);
}

TEST(Meter, UniformFlowsUpToTheLimitFindRoomInTheirShards)
{
    Packets p;
    Stage m(weir_stage_meter, 64);
    const uint32_t limit = 20000;
    with_meter(m, limit);
    for (uint32_t i = 0; i < limit; i++)
        m.run({p.make(frame(i))}, 1, true), p.all.clear();
    EXPECT_EQ(m.count("flows"), limit);
    EXPECT_EQ(m.count("untracked"), 0u);
    EXPECT_EQ(m.count("flows_evicted"), 0u);
}

/* Whatever segments the headers lie in, and inside of a tunnel. */
TEST(Meter, RecordsOfIpv6HaveItsAddresses)
{
    char file[] = "/tmp/weir-records-XXXXXX";
    close(mkstemp(file));
    Ipv6 h, outer;
    h.source = address6(9);
    outer.next = 41;
    Bytes packet = ipv6(h, udp(1000, 53));
    for (bool inner : {false, true}) {
        Bytes bytes = ethernet(0x8100) + tag(5, 0x86dd) + (inner ? ipv6(outer, packet) : packet);
        Packets p;
        Stage m(weir_stage_meter, 16);
        m.set("records", weir_export{file, 1, 0});
        with_meter(m, 1000);
        m.batch.n = 1;
        weir_desc &d = m.batch.desc[0];
        d.mbuf = p.make_chain(bytes, 7);
        d.length = (uint32_t)bytes.size() & 0xffffff;
        ASSERT_EQ(weir_parse_slow(bytes.data(), d.length, d.length, m.env.hash_key, inner, nullptr, &d),
            WEIR_PARSE_OK);
        m.s.def->process(&m.s, &m.batch);
        m.env.drain_tsc = UINT64_MAX;
        m.s.def->fini(&m.s);
        EXPECT_EQ(m.count("records"), 1u);
    }
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    for (int i = 0; i < 2; i++) {
        std::getline(in, line);
        EXPECT_NE(line.find(",6,5,17,2000::9,2000::2,1000,53,1,0,"), std::string::npos) << line;
    }
    unlink(file);
}

/* TCP, 60 bytes. */
std::vector<uint8_t> segment(uint32_t flow, uint8_t flags, bool back = false)
{
    std::vector<uint8_t> f = frame(flow, back);
    f[23] = 6;
    f[46] = 0x50;
    f[47] = flags;
    return f;
}

TEST(Meter, TcpEndsAndBeginsAgain)
{
    Packets p;
    Stage m(weir_stage_meter, 16);
    const uint64_t second = 1000000000;
    with_meter(m, 500, 30 * second);
    m.run({p.make(segment(1, WEIR_TCP_SYN)), p.make(segment(1, WEIR_TCP_SYN | WEIR_TCP_ACK, true)),
              p.make(segment(1, WEIR_TCP_SYN))},
        1, true);
    EXPECT_EQ(m.count("flows_created"), 1u) << "a SYN sent again is the same flow";
    m.run({p.make(segment(1, WEIR_TCP_FIN | WEIR_TCP_ACK)),
              p.make(segment(1, WEIR_TCP_FIN | WEIR_TCP_ACK, true)), p.make(segment(1, WEIR_TCP_ACK))},
        2, true);
    EXPECT_EQ(m.count("flows_tcp_end"), 0u) << "what is under way still belongs to it";
    const weir_flow *f = flow_of(m);
    ASSERT_NE(f, nullptr);
    EXPECT_EQ(f->packets[0] + f->packets[1], 6u);
    EXPECT_EQ(f->tcp_flags[0] | f->tcp_flags[1], WEIR_TCP_SYN | WEIR_TCP_FIN | WEIR_TCP_ACK);
    m.run({p.make(segment(1, WEIR_TCP_SYN))}, 3, true);
    EXPECT_EQ(m.count("flows_tcp_end"), 1u);
    EXPECT_EQ(m.count("flows_created"), 2u);
    EXPECT_EQ(m.count("flows"), 1u);
    f = flow_of(m);
    EXPECT_EQ(f->packets[0] + f->packets[1], 1u);
    EXPECT_EQ(f->sequence, 0u);
    m.run({p.make(segment(1, WEIR_TCP_RST, true))}, 4, true);
    for (uint64_t ms = 1; ms <= 11000; ms++) /* no packets: ageing goes on by itself */
        m.s.def->tick(&m.s, 4 + ms * (second / 1000));
    EXPECT_EQ(m.count("flows"), 0u);
    EXPECT_EQ(m.count("flows_tcp_end"), 2u);
    EXPECT_EQ(m.count("flows_expired"), 0u);
}

TEST(Meter, ALongFlowIsCutAndNumbered)
{
    Packets p;
    Stage m(weir_stage_meter, 16);
    const uint64_t second = 1000000000;
    m.set("active", 5 * second).set("max-flows", UINT64_C(500)).set("idle", 2 * second);
    ASSERT_EQ(m.start(), 0);
    for (uint64_t ms = 0; ms <= 17000; ms += 500)
        m.run({p.make(frame(1))}, 1 + ms * (second / 1000), true);
    EXPECT_EQ(m.count("flows_created"), 1u);
    EXPECT_EQ(m.count("flows_cut"), 3u);
    EXPECT_EQ(m.count("flows"), 1u);
    const weir_flow *f = flow_of(m);
    ASSERT_NE(f, nullptr);
    EXPECT_EQ(f->sequence, 3u);
    EXPECT_EQ(f->first_tsc, 1 + 16500 * (second / 1000)) << "cut at 5.5, 11 and 16.5 s";
    EXPECT_EQ(f->packets[0] + f->packets[1], 2u);
}

TEST(Meter, TheWorkOfAgeingIsBoundedAndCounted)
{
    Packets p;
    Stage m(weir_stage_meter, 16);
    const uint64_t second = 1000000000;
    with_meter(m, 20000, second);
    for (uint32_t i = 0; i < 20000; i++)
        m.run({p.make(frame(i))}, 1, true), p.all.clear();
    uint64_t steps = 0, before = m.count("flows");
    for (; m.count("flows") > 0 && steps < 1000000; steps++) {
        m.s.def->tick(&m.s, 2 * second + steps * 1000);
        EXPECT_LE(before - m.count("flows"), 8u * WEIR_FLOW_PLACES);
        before = m.count("flows");
    }
    EXPECT_EQ(m.count("flows"), 0u);
    EXPECT_EQ(m.count("flows_expired"), 20000u);
    uint64_t sweeps = m.count("sweeps_1") + m.count("sweeps_2") + m.count("sweeps_4") + m.count("sweeps_8");
    EXPECT_GT(sweeps, 0u);
    EXPECT_LE(sweeps, steps + 20000);
}

TEST(Meter, AgeingCatchesUpWithASleepOfItsWorker)
{
    Packets p;
    Stage m(weir_stage_meter, 16);
    const uint64_t second = 1000000000;
    with_meter(m, 20000, second);
    for (uint32_t i = 0; i < 20000; i++)
        m.run({p.make(frame(i))}, 1, true), p.all.clear();
    while (m.s.def->tick(&m.s, 1)) {
    }
    for (uint64_t at = second / 20; at <= 3 * second;
         at += second / 20) /* it wakes, does what is due, and sleeps */
        for (int i = 0; m.s.def->tick(&m.s, at); i++)
            ASSERT_LT(i, 1000) << "the work of 50 ms has an end";
    EXPECT_EQ(m.count("flows"), 0u);
}

TEST(Meter, IdleFlowsEndAndBusyOnesStay)
{
    Packets p;
    Stage m(weir_stage_meter, 16);
    const uint64_t second = 1000000000;
    with_meter(m, 500, second);
    for (uint32_t i = 0; i < 300; i++)
        m.run({p.make(frame(i))}, 1, true);
    EXPECT_EQ(m.count("flows"), 300u);
    /* Flow 0 goes on for two idle times; a step every millisecond. */
    for (uint64_t ms = 1; ms <= 2000; ms++) {
        m.run({p.make(frame(0))}, 1 + ms * (second / 1000), true);
        if (ms == 999) {
            EXPECT_EQ(m.count("flows_expired"), 0u);
        }
    }
    EXPECT_EQ(m.count("flows"), 1u);
    EXPECT_EQ(m.count("flows_expired"), 299u);
    EXPECT_EQ(m.count("flows_created"), 300u);
    m.run({p.make(frame(5))}, 3 * second, true);
    EXPECT_EQ(m.count("flows_created"), 301u) << "seen again";
}

TEST(Meter, AFlowThatComesBackAfterItsTimeIsAnotherOneHoweverLateAgeingIs)
{
    Packets p;
    Stage m(weir_stage_meter, 16);
    const uint64_t second = 1000000000;
    with_meter(m, 500, second);
    m.run({p.make(frame(0))}, 1, true);
    m.run({p.make(frame(0))}, 1 + second, true); /* just in time */
    EXPECT_EQ(m.count("flows_created"), 1u);
    EXPECT_EQ(m.count("flows_expired"), 0u);
    m.run({p.make(frame(0))}, 2 + second + second, true);
    EXPECT_EQ(m.count("flows_created"), 2u);
    EXPECT_EQ(m.count("flows_expired"), 1u);
    EXPECT_EQ(m.count("flows"), 1u);
}

/* ---- transmit ---- */

class Transmit : public ::testing::Test {
  protected:
    Transmit() : s(weir_stage_transmit)
    {
        weir_port_map map;
        std::fill(std::begin(map.to), std::end(map.to), (int16_t)-1);
        map.to[0] = 1;
        memcpy(const_cast<void *>(s.s.params), &map, sizeof map);
        s.env.tx_queue[1] = 5;
        wire_takes = WEIR_BATCH;
        EXPECT_EQ(s.start(), 0);
    }
    rte_mbuf *from(uint16_t port, size_t size = 60, uint16_t ether_type = 0x0800)
    {
        std::vector<uint8_t> f(size);
        f[12] = (uint8_t)(ether_type >> 8), f[13] = (uint8_t)ether_type;
        rte_mbuf *m = p.make(f);
        m->port = port;
        return m;
    }
    Packets p;
    Stage s;
};

TEST_F(Transmit, GoesToTheMappedPortThroughTheWorkersQueueInOrder)
{
    rte_mbuf *first = from(0), *second = from(0);
    s.run({first, second});
    ASSERT_EQ(on_the_wire.size(), 2u);
    EXPECT_EQ(on_the_wire[0].mbuf, first);
    EXPECT_EQ(on_the_wire[1].mbuf, second);
    EXPECT_EQ(on_the_wire[0].port, 1);
    EXPECT_EQ(on_the_wire[0].queue, 5);
    EXPECT_EQ(weir_counter_read(&s.s.out), 2u);
}

TEST_F(Transmit, WhatTheQueueDoesNotTakeIsDroppedByName)
{
    wire_takes = 3;
    s.run({from(0), from(0), from(0), from(0), from(0)});
    EXPECT_EQ(weir_counter_read(&s.s.out), 3u);
    EXPECT_EQ(s.dropped("tx_full"), 2u);
    EXPECT_EQ(s.trash.n_plain, 2u);
}

TEST_F(Transmit, APortWithoutAWayOutIsDroppedByName)
{
    s.run({from(1), from(0), from(UINT16_MAX)});
    EXPECT_EQ(s.dropped("unmapped_port"), 2u);
    EXPECT_EQ(on_the_wire.size(), 1u);
}

TEST_F(Transmit, ATagMayMakeAFrameFourBytesLongerAndNothingElseMay)
{
    s.run({from(0, 1514), from(0, 1515), from(0, 1518), from(0, 1518, 0x8100), from(0, 1519, 0x8100)});
    EXPECT_EQ(s.dropped("above_mtu"), 3u);
    EXPECT_EQ(on_the_wire.size(), 2u);
}

TEST_F(Transmit, AChainOfSegmentsLeavesWholeAndIsMeasuredWhole)
{
    s.port[1].max_frame = 9014;
    rte_mbuf *fits = p.make_chain(std::vector<uint8_t>(9014), 2048);
    rte_mbuf *longer = p.make_chain(std::vector<uint8_t>(9015), 2048);
    s.run({fits, longer});
    ASSERT_EQ(on_the_wire.size(), 1u);
    EXPECT_EQ(on_the_wire[0].mbuf, fits);
    EXPECT_EQ(fits->nb_segs, 5);
    EXPECT_EQ(s.dropped("above_mtu"), 1u);
    EXPECT_EQ(s.trash.n_other, 1u) << "a chain goes back segment by segment";
}

/* ---- reflect ---- */

class Reflect : public ::testing::Test {
  protected:
    Reflect() : s(weir_stage_reflect)
    {
        s.env.tx_queue[1] = 3;
        wire_takes = WEIR_BATCH;
        EXPECT_EQ(s.start(), 0);
    }
    /* Each byte says where it was: what moved shows. Byte 12 on is `from_12`. */
    rte_mbuf *numbered(const std::vector<uint8_t> &from_12, size_t size = 80)
    {
        std::vector<uint8_t> f(size);
        for (size_t i = 0; i < size; i++)
            f[i] = (uint8_t)i;
        std::copy(from_12.begin(), from_12.end(), f.begin() + 12);
        rte_mbuf *m = p.make(f);
        m->port = 1;
        return m;
    }
    /* Where two ranges of `n` bytes stand as the other did before, and all else as it did. */
    static std::vector<uint8_t> swapped(
        std::vector<uint8_t> f, std::initializer_list<std::pair<size_t, size_t>> ranges)
    {
        for (auto [at, n] : ranges)
            std::swap_ranges(f.begin() + (long)at, f.begin() + (long)(at + n), f.begin() + (long)(at + n));
        return f;
    }
    void check(const std::vector<uint8_t> &from_12, std::initializer_list<std::pair<size_t, size_t>> ranges)
    {
        rte_mbuf *m = numbered(from_12);
        auto expected = swapped(p.all.back()->bytes, ranges);
        s.run({m});
        EXPECT_EQ(p.all.back()->bytes, expected);
    }
    static std::vector<uint8_t> ipv4(uint8_t version, uint8_t protocol, uint8_t offset = 0)
    {
        return {8, 0, version, 0, 0, 60, 0, 0, 0, offset, 64, protocol};
    }
    Packets p;
    Stage s;
};

TEST_F(Reflect, GoesBackThroughItsOwnPortWithTheMacAddressesSwappedAndNothingElse)
{
    check(ipv4(0x45, 17), {{0, 6}});
    ASSERT_EQ(on_the_wire.size(), 1u);
    EXPECT_EQ(on_the_wire[0].port, 1);
    EXPECT_EQ(on_the_wire[0].queue, 3);
    EXPECT_EQ(weir_counter_read(&s.s.out), 1u);
}

TEST_F(Reflect, AddressesAndPortsAreSwappedWhereTheyAre)
{
    s.set("swap", UINT64_C(1));
    check(ipv4(0x45, 17), {{0, 6}, {26, 4}, {34, 2}});
    check(ipv4(0x46, 6), {{0, 6}, {26, 4}, {38, 2}});  /* with options */
    check(ipv4(0x45, 1), {{0, 6}, {26, 4}});           /* ICMP has no ports */
    check(ipv4(0x45, 17, 9), {{0, 6}, {26, 4}});       /* a later fragment has none either */
    check(ipv4(0x4f, 17), {{0, 6}, {26, 4}, {74, 2}}); /* the longest header, 80 bytes hold it */
    check({0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6}, {{0, 6}, {22, 16}, {54, 2}});
    check({0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 0}, {{0, 6}, {22, 16}}); /* an extension header comes first */
    check({0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17},
        {{0, 6}, {34, 4}, {42, 2}});
    check({8, 6}, {{0, 6}});
}

TEST_F(Reflect, NothingIsReadBehindTheEnd)
{
    s.set("swap", UINT64_C(1));
    for (size_t size = 0; size <= 40; size++) {
        std::vector<uint8_t> f(size);
        std::vector<uint8_t> head = size % 2 ? std::vector<uint8_t>{0x81, 0, 0, 1, 0x81, 0} : ipv4(0x45, 17);
        for (size_t i = 12; i < size && i - 12 < head.size(); i++)
            f[i] = head[i - 12];
        rte_mbuf *m = p.make(f);
        m->port = 0;
        s.run({m});
    }
    EXPECT_EQ(s.dropped("too_short"), 12u);
    EXPECT_EQ(weir_counter_read(&s.s.out), 29u);
}

TEST_F(Reflect, WhatDoesNotFitOrIsNotTakenIsDroppedByName)
{
    wire_takes = 1;
    s.run({numbered({8, 0}), numbered({8, 0}), numbered({8, 0}, 1515)});
    EXPECT_EQ(s.dropped("tx_full"), 1u);
    EXPECT_EQ(s.dropped("above_mtu"), 1u);
    EXPECT_EQ(weir_counter_read(&s.s.out), 1u);
}

/* ---- write ---- */

struct Read { /* one packet of a capture */
    uint32_t captured, length;
    int64_t ns;
    std::vector<uint8_t> bytes;
    bool operator==(const std::vector<uint8_t> &other) const
    {
        return bytes == other && captured == bytes.size();
    }
};

class Write : public ::testing::TestWithParam<const char *> {
  protected:
    Write() : s(weir_stage_write), path("/tmp/weir-write-" + std::to_string(getpid()) + GetParam())
    {
        s.port[0].name = "left", s.port[1].name = "right";
        s.env.drain_tsc = UINT64_MAX; /* whatever else the machine does */
        s.set("file", path.c_str()).set("snap", UINT64_C(262144)).set("queue", UINT64_C(64));
        s.s.error = error;
    }
    ~Write() override
    {
        unlink(path.c_str());
    }
    /* To the file; all packets wait in the ring or are in the trash afterwards. */
    void hand_over(const std::vector<rte_mbuf *> &in, uint32_t length = 0)
    {
        weir_batch b = {};
        b.now_tsc = rte_rdtsc();
        for (rte_mbuf *m : in) {
            weir_desc &d = b.desc[b.n++];
            d.mbuf = m;
            d.length = (length ? length : m->pkt_len) & 0xffffff;
            d.key.flags = m->nb_segs == 1 ? WEIR_DESC_PLAIN : 0;
        }
        s.s.def->process(&s.s, &b);
        EXPECT_EQ(b.n, 0u);
    }
    void finish()
    {
        s.s.def->fini(&s.s);
    }
    std::vector<Read> read()
    {
        std::vector<Read> all;
        char why[PCAP_ERRBUF_SIZE];
        pcap_t *file = pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, why);
        EXPECT_NE(file, nullptr) << why;
        if (!file)
            return all;
        pcap_pkthdr *head;
        const u_char *bytes;
        int got;
        while ((got = pcap_next_ex(file, &head, &bytes)) == 1)
            all.push_back({head->caplen, head->len, head->ts.tv_sec * INT64_C(1000000000) + head->ts.tv_usec,
                {bytes, bytes + head->caplen}});
        EXPECT_EQ(got, PCAP_ERROR_BREAK) << pcap_geterr(file);
        EXPECT_EQ(pcap_datalink(file), DLT_EN10MB);
        pcap_close(file);
        return all;
    }
    static std::vector<uint8_t> bytes(size_t n, uint8_t seed)
    {
        std::vector<uint8_t> b(n);
        for (size_t i = 0; i < n; i++)
            b[i] = (uint8_t)(seed + i * 7 + i / 256);
        return b;
    }
    Packets p;
    Stage s;
    std::string path;
    char error[WEIR_STAGE_ERROR_BYTES];
};

INSTANTIATE_TEST_SUITE_P(Format, Write, testing::Values(".pcap", ".pcapng"),
    [](const testing::TestParamInfo<const char *> &info) { return std::string(info.param + 1); });

TEST_P(Write, WhatIsReadBackIsWhatCame)
{
    ASSERT_EQ(s.start(), 0) << error;
    for (size_t n : {60, 61, 62, 63, 1514, 1})
        hand_over({p.make(bytes(n, (uint8_t)n))});
    hand_over({p.make_chain(bytes(9000, 3), 2048)});
    finish();
    auto all = read();
    ASSERT_EQ(all.size(), 7u);
    size_t at = 0;
    for (size_t n : {60, 61, 62, 63, 1514, 1}) {
        EXPECT_EQ(all[at], bytes(n, (uint8_t)n));
        EXPECT_EQ(all[at++].length, n);
    }
    EXPECT_EQ(all[6], bytes(9000, 3)) << "a chain is flat in the file";
    EXPECT_EQ(s.count("written"), 7u);
    EXPECT_EQ(weir_counter_read(&s.s.out), 7u);
    EXPECT_EQ(s.trash.n_plain + s.trash.n_other, 7u) << "all came back";
    EXPECT_EQ(s.trash.n_other, 1u);
}

TEST_P(Write, KeepsTheLengthOfWhatItCuts)
{
    s.set("snap", UINT64_C(100));
    ASSERT_EQ(s.start(), 0) << error;
    hand_over({p.make(bytes(200, 1))});
    hand_over({p.make(bytes(50, 1))}, 1400); /* a capture had cut it before */
    hand_over({p.make_chain(bytes(300, 1), 64)});
    finish();
    auto all = read();
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(std::make_pair(all[0].captured, all[0].length), std::make_pair(100u, 200u));
    EXPECT_EQ(std::make_pair(all[1].captured, all[1].length), std::make_pair(50u, 1400u));
    EXPECT_EQ(std::make_pair(all[2].captured, all[2].length), std::make_pair(100u, 300u));
}

TEST_P(Write, TheFileStaysWithinItsLimitAndTheRestIsCounted)
{
    s.set("limit", UINT64_C(1000));
    ASSERT_EQ(s.start(), 0) << error;
    for (int i = 0; i < 20; i++)
        hand_over({p.make(bytes(100, (uint8_t)i))});
    hand_over({p.make(bytes(1, 0))}); /* would fit: but nothing comes after what did not */
    finish();
    auto all = read();
    EXPECT_EQ(all.size(), s.count("written"));
    EXPECT_EQ(s.count("written") + s.count("over_limit"), 21u);
    struct stat about;
    ASSERT_EQ(stat(path.c_str(), &about), 0);
    EXPECT_LE(about.st_size, 1000);
    EXPECT_GT(about.st_size, 1000 - 132);
    EXPECT_EQ(weir_counter_read(&s.s.out), 21u);
}

TEST_P(Write, AFullQueueHoldsUpNobody)
{
    s.env.workers = 2; /* the writer begins with the second: until then nobody empties the queue */
    ASSERT_EQ(s.start(), 0) << error;
    for (int i = 0; i < 100; i++)
        hand_over({p.make(bytes(60, 0))});
    EXPECT_EQ(s.count("not_written"), 36u);
    EXPECT_EQ(s.trash.n_plain, 36u);
    EXPECT_EQ(weir_counter_read(&s.s.out), 100u);
    finish();
    EXPECT_EQ(s.trash.n_plain, 100u);
}

TEST_P(Write, WhatIsLeftAtTheDeadlineIsCountedAndTheFileIsWhole)
{
    s.env.drain_tsc = 0;
    s.env.tsc_hz = 1000; /* a tenth of a second is soon over */
    uint64_t left = 0;
    s.set("queue", UINT64_C(128));
    for (int tries = 0; tries < 50 && left == 0; tries++) { /* mostly the writer sleeps while this happens */
        std::fill_n(s.s.counts, 64, weir_counter{});
        s.trash.n_plain = 0;
        ASSERT_EQ(s.start(), 0) << error;
        for (int i = 0; i < 100; i++)
            hand_over({p.make(bytes(60, 0))});
        finish();
        left = s.count("not_written");
        EXPECT_EQ(s.count("written") + left, 100u);
        EXPECT_EQ(read().size(), s.count("written"));
        EXPECT_EQ(s.trash.n_plain, 100u) << "all came back";
        char text[512] = "";
        EXPECT_EQ(weir_stage_write.trouble(&s.s, text, sizeof text), left != 0);
        EXPECT_EQ(std::string(text).find("too slow for `drain-timeout`") != std::string::npos, left != 0)
            << text;
    }
    EXPECT_GT(left, 0u);
}

TEST_P(Write, WhatCannotBeWrittenIsSaidAtTheStart)
{
    const struct {
        const char *file;
        int result;
        const char *says;
    } wrong[] = {{"/nosuch/file", -ENOENT, "cannot write /nosuch/file: No such file or directory"},
        {"/tmp", -EISDIR, "cannot write /tmp: Is a directory"},
        {"/dev/full", -ENOSPC, "cannot write /dev/full: No space left on device"}};
    for (auto &w : wrong) {
        EXPECT_EQ(s.set("file", w.file).start(), w.result);
        EXPECT_STREQ(error, w.says);
    }
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(s.set("file", path.c_str()).start(), -ESPIPE);
    EXPECT_NE(std::string(error).find("it is a pipe"), std::string::npos) << error;
}

TEST_P(Write, NoTwoWriteOneFile)
{
    ASSERT_EQ(s.start(), 0) << error;
    Stage other(weir_stage_write);
    char why[WEIR_STAGE_ERROR_BYTES];
    other.s.error = why;
    other.port[0].name = other.port[1].name = "p";
    other.set("file", path.c_str()).set("snap", UINT64_C(64)).set("queue", UINT64_C(64));
    EXPECT_EQ(other.start(), -EINVAL);
    EXPECT_NE(std::string(why).find("name another file"), std::string::npos) << why;
    finish();
    EXPECT_EQ(read().size(), 0u) << "an empty capture is one, too";
}

/* ---- burn ---- */

TEST(Burn, PassesEverythingAndStallsOnce)
{
    Packets p;
    Stage b(weir_stage_burn);
    b.set("cycles", UINT64_C(10)).set("stall-at", UINT64_C(1000)).set("stall-for", UINT64_C(1));
    ASSERT_EQ(b.start(), 0);
    rte_mbuf *m = p.make(frame(0));
    EXPECT_EQ(b.run({m, m}, 5000), 2u);
    EXPECT_EQ(b.count("stalls"), 0u);
    EXPECT_EQ(b.run({m}, 5999), 1u);
    EXPECT_EQ(b.count("stalls"), 0u);
    EXPECT_EQ(b.run({m}, 6000), 1u);
    EXPECT_EQ(b.count("stalls"), 1u);
    EXPECT_EQ(b.run({m}, 90000), 1u);
    EXPECT_EQ(b.count("stalls"), 1u);
}

TEST(Burn, NeverStallsUnlessTold)
{
    Packets p;
    Stage b(weir_stage_burn);
    ASSERT_EQ(b.start(), 0);
    b.run({p.make(frame(0))}, 1);
    b.run({p.make(frame(0))}, UINT64_C(1) << 50);
    EXPECT_EQ(b.count("stalls"), 0u);
}

/* ---- sink ---- */

class Order : public ::testing::Test {
  protected:
    Order() : s(weir_stage_sink)
    {
        s.set("check", UINT64_C(1));
        EXPECT_EQ(s.start(), 0);
    }
    void arrive(std::initializer_list<uint64_t> sequence, uint32_t flow = 0)
    {
        for (uint64_t n : sequence) {
            weir_stamp stamp = {WEIR_STAMP_MAGIC, 1, flow, n};
            Packets p;
            EXPECT_EQ(s.run({p.make(frame(flow, false, &stamp))}), 0u);
            EXPECT_EQ(s.trash.n_plain, 1u);
        }
    }
    void expect(uint64_t missing, uint64_t reordered, uint64_t duplicated)
    {
        EXPECT_EQ(s.count("missing"), missing);
        EXPECT_EQ(s.count("reordered"), reordered);
        EXPECT_EQ(s.count("duplicated"), duplicated);
    }
    Stage s;
};

TEST_F(Order, InOrderIsNoViolationForEachFlowByItself)
{
    arrive({0, 1, 2}, 0);
    arrive({0, 1}, 3);
    arrive({3, 4}, 0);
    expect(0, 0, 0);
    EXPECT_EQ(s.count("checked"), 7u);
    EXPECT_EQ(
        weir_sink_violations(&s.s)->gap.seen.value + weir_sink_violations(&s.s)->disorder.seen.value, 0u);
}

TEST_F(Order, AGapIsMissing)
{
    arrive({0, 1, 5, 6});
    expect(3, 0, 0);
}

TEST_F(Order, TheLateOneIsReorderedAndNoLongerMissing)
{
    arrive({0, 2, 1, 3});
    expect(0, 1, 0);
}

TEST_F(Order, TheFirstPacketOfAFlowCountsToo)
{
    arrive({1, 0});
    expect(0, 1, 0);
    arrive({2, 3}, 1);
    expect(2, 1, 0);
}

TEST_F(Order, TheSecondCopyIsDuplicatedHoweverItComes)
{
    arrive({0, 0, 1, 2, 3, 1, 4});
    expect(0, 0, 2);
    arrive({6, 5, 5, 7});
    expect(0, 1, 3);
}

TEST_F(Order, MemoryOfAFlowIsSixtyFourNumbers)
{
    arrive({0, 70, 8, 7, 6});
    EXPECT_EQ(s.count("reordered"), 3u);
    EXPECT_EQ(s.count("missing"), 69u - 2u) << "8 and 7 are within memory, 6 is beyond";
    arrive({7, 70});
    EXPECT_EQ(s.count("duplicated"), 2u);
    arrive({71 + 63, 71 + 63 - 1, 71});
    EXPECT_EQ(s.count("duplicated"), 2u);
    EXPECT_EQ(s.count("reordered"), 5u);
    arrive({0, 40, 0, 10}, 1);
    EXPECT_EQ(s.count("duplicated"), 3u) << "a gap within memory forgets nothing";
    EXPECT_EQ(s.count("reordered"), 6u);
}

TEST_F(Order, TheFirstGapAndTheFirstDisorderAreRemembered)
{
    arrive({0, 1}, 2);
    arrive({4}, 2);
    const struct weir_sink_violations *first = weir_sink_violations(&s.s);
    EXPECT_EQ(first->disorder.seen.value, 0u) << "a gap is no disorder yet";
    arrive({3, 3, 9}, 2);
    arrive({5, 0}, 1);
    EXPECT_EQ(first->gap.seen.value, 1u);
    EXPECT_EQ(first->gap.kind, WEIR_SINK_MISSING);
    EXPECT_EQ(first->gap.port, 1u);
    EXPECT_EQ(first->gap.flow, 2u);
    EXPECT_EQ(first->gap.sequence, 4u);
    EXPECT_EQ(first->gap.expected, 2u);
    EXPECT_EQ(first->disorder.seen.value, 1u);
    EXPECT_EQ(first->disorder.kind, WEIR_SINK_REORDERED);
    EXPECT_EQ(first->disorder.flow, 2u);
    EXPECT_EQ(first->disorder.sequence, 3u);
    EXPECT_EQ(first->disorder.expected, 5u);
}

TEST_F(Order, TheNextGenerationOfAFlowBeginsAnew)
{
    const uint64_t second = UINT64_C(1) << WEIR_STAMP_SEQUENCE_BITS, third = 2 * second;
    arrive({0, 1, second, second + 1});
    expect(0, 0, 0);
    arrive({third + 2, third + 1, third + 3});
    expect(1, 1, 0);
    arrive({second + 2}); /* of a flow that has ended, perhaps by another way: nobody remembers it */
    expect(1, 1, 0);
    arrive({third + 4});
    expect(1, 1, 0);
}

TEST_F(Order, AStampIsFoundInAChain)
{
    Packets p;
    weir_stamp stamp = {WEIR_STAMP_MAGIC, 1, 0, 0};
    for (uint32_t cut : {30u, 50u}) {
        s.run({p.make_chain(frame(0, false, &stamp), cut)});
        stamp.sequence++;
    }
    EXPECT_EQ(s.count("checked"), 2u);
    expect(0, 0, 0);
}

TEST_F(Order, WhatCarriesNoStampOfOursIsCountedNotChecked)
{
    Packets p;
    weir_stamp wrong_magic = {1, 1, 0, 0}, no_generator = {WEIR_STAMP_MAGIC, 0, 0, 0},
               no_port = {WEIR_STAMP_MAGIC, 999, 0, 0}, no_flow = {WEIR_STAMP_MAGIC, 1, 4, 0},
               good = {WEIR_STAMP_MAGIC, 1, 3, 0};
    auto cut = frame(0, false, &good);
    cut.resize(57);
    EXPECT_EQ(s.run({p.make(frame(0, false, &wrong_magic)), p.make(frame(0, false, &no_generator)),
                  p.make(frame(0, false, &no_port)), p.make(frame(0, false, &no_flow)), p.make(cut),
                  p.make({}), p.make(frame(0, false, &good))}),
        0u);
    EXPECT_EQ(s.count("unstamped"), 6u);
    EXPECT_EQ(s.count("checked"), 1u);
    expect(0, 0, 0);
}

TEST(Sink, WithoutCheckConsumesAndLooksAtNothing)
{
    Packets p;
    Stage s(weir_stage_sink);
    ASSERT_EQ(s.start(), 0);
    EXPECT_EQ(s.run({p.make(frame(0)), p.make_chain(frame(1), 30)}), 0u);
    EXPECT_EQ(s.trash.n_plain, 1u);
    EXPECT_EQ(s.trash.n_other, 1u);
    EXPECT_EQ(s.count("checked") + s.count("unstamped"), 0u);
    EXPECT_NE(weir_sink_violations(&s.s), nullptr);
    Stage m(weir_stage_meter);
    EXPECT_EQ(weir_sink_violations(&m.s), nullptr);
}

} // namespace
