/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/traffic.h"
#include "dataplane/stages/list.h"
#include "tests/dataplane/parser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

const uint64_t hash_key[4] = {1, 2, 3, 4};

weir_weights one(uint64_t word)
{
    weir_weights w = {};
    w.n = 1;
    w.of[0] = {0, 0, word, 1};
    return w;
}

weir_weights several(std::initializer_list<weir_weights::weir_weight> of)
{
    weir_weights w = {};
    for (const weir_weights::weir_weight &x : of)
        w.of[w.n++] = x;
    return w;
}

weir_frames_params plain(uint64_t flows = 1000)
{
    weir_frames_params p = {};
    p.flows = flows;
    p.size = several({{60, 60, 0, 1}});
    p.versions = p.protocols = p.vlans = p.service_vlans = p.to_ports = p.malformed = one(0);
    return p;
}

weir_frames_params mixed()
{
    weir_frames_params p = plain(5000);
    p.size = several({{60, 1514, 0, 3}, {0, 0, 0, 1}});
    p.versions = several({{0, 0, 0, 9}, {0, 0, 1, 1}});
    p.protocols = several({{0, 0, 0, 7}, {0, 0, 1, 2}, {0, 0, 2, 1}});
    p.vlans = several({{0, 0, 0, 3}, {100, 100, 0, 1}});
    p.service_vlans = several({{0, 0, 0, 3}, {200, 210, 0, 1}});
    p.to_ports = several({{53, 53, 0, 3}, {443, 443, 0, 5}});
    return p;
}

class Frames {
  public:
    explicit Frames(const weir_frames_params &p, uint64_t seed = 7, uint16_t port = 3)
    {
        popular.resize(p.flows);
        EXPECT_TRUE(weir_frames_init(&f, &p, seed, port, p.skew != 0 ? popular.data() : nullptr));
    }
    Frames(const Frames &) = delete;
    weir_frame draw(uint64_t k)
    {
        weir_frame frame = {};
        weir_frame_draw(&f, k, f.simple, &frame);
        return frame;
    }
    std::vector<uint8_t> bytes(const weir_frame &frame, uint64_t sequence = 0, uint32_t sent = 0)
    {
        std::vector<uint8_t> to(frame.length); /* alone on the heap: a byte beyond shows */
        weir_frame_write(&f, &frame, sequence, sent, to.data());
        return to;
    }
    weir_frames f;
    std::vector<weir_pick_slot> popular;
};

struct Parsed {
    weir_parse_reason reason;
    weir_desc d;
    weir_parse_layer4 layer4;
};

Parsed parse(const std::vector<uint8_t> &frame)
{
    Parsed p = {};
    auto n = static_cast<uint32_t>(frame.size());
    p.reason = weir_parse_slow(frame.data(), n, n, hash_key, false, &p.layer4, &p.d);
    weir_desc quick = {};
    EXPECT_EQ(weir_parse(frame.data(), n, n, hash_key, &quick), p.reason);
    return p;
}

uint32_t sum(const uint8_t *p, size_t n, uint32_t from = 0)
{
    for (size_t i = 0; i < n; i++)
        from += i % 2 ? p[i] : p[i] * 256u;
    while (from >> 16)
        from = (from & 0xffff) + (from >> 16);
    return from;
}

/* As who receives it does: over all of layer 4, nothing taken for zero. */
bool layer4_sums_up(const std::vector<uint8_t> &frame, const weir_parse_layer4 &l)
{
    uint32_t pseudo =
        l.protocol == 1 ? 0 : sum(&frame[l.addresses], 2u * l.address_bytes, l.protocol + (l.end - l.offset));
    return sum(&frame[l.offset], l.end - l.offset, pseudo) == 0xffff;
}

/* ---- draws ---- */

TEST(Pick, EachComesAsOftenAsItsWeightSays)
{
    for (const std::vector<double> &weights : {std::vector<double>{1}, {7, 4, 1}, {0, 1, 0, 3},
             {1, 1, 1, 1, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 1000}, {1000, 0, 1}, {3, 2, 1, 2, 3}}) {
        auto n = static_cast<uint32_t>(weights.size());
        std::vector<double> used = weights, share(n);
        std::vector<weir_pick_slot> slots(n);
        struct weir_pick pick;
        double all = 0;
        for (double w : weights)
            all += w;
        weir_pick_init(&pick, slots.data(), used.data(), n);
        for (uint32_t i = 0; i < n; i++) { /* exactly, not by chance */
            double below = slots[i].other == i ? 1 : slots[i].below * 0x1p-32;
            share[i] += below / n;
            share[slots[i].other] += (1 - below) / n;
        }
        for (uint32_t i = 0; i < n; i++)
            EXPECT_NEAR(share[i], weights[i] / all, 1e-9) << i << " of " << n;
        for (uint64_t r : {UINT64_C(0), UINT64_MAX})
            EXPECT_LT(weir_pick(&pick, r), n);
    }
}

TEST(Frames, AreAFunctionOfSeedPortAndNumber)
{
    for (const auto &p : {plain(), mixed()}) {
        Frames a(p), b(p), other_seed(p, 8), other_port(p, 7, 4);
        unsigned same_seed = 0, same_port = 0;
        for (uint64_t k = 2000; k-- > 0;) { /* in another order than it is sent */
            auto frame = a.bytes(a.draw(k));
            EXPECT_EQ(frame, b.bytes(b.draw(k)));
            same_seed += frame == other_seed.bytes(other_seed.draw(k));
            same_port += frame == other_port.bytes(other_port.draw(k));
        }
        EXPECT_LT(same_seed + same_port, 4u);
    }
}

TEST(Frames, TheShortWayMakesTheSame)
{
    auto p = plain();
    p.size = several({{60, 1514, 0, 3}, {0, 0, 0, 1}});
    Frames f(p);
    ASSERT_TRUE(f.f.simple);
    for (uint64_t k = 0; k < 5000; k++) {
        weir_frame quick = {}, slow = {};
        uint64_t sequence = k * 0x1234567;
        weir_frame_draw(&f.f, k, true, &quick);
        weir_frame_draw(&f.f, k, false, &slow);
        ASSERT_EQ(quick.flow, slow.flow);
        ASSERT_EQ(quick.length, slow.length);
        std::vector<uint8_t> bytes(quick.length);
        weir_frame_write_simple(&f.f, &quick, sequence, bytes.data());
        ASSERT_EQ(bytes, f.bytes(slow, sequence)) << k;
    }
}

TEST(Frames, AreValidWithEveryChecksumRight)
{
    Frames f(mixed());
    std::map<std::pair<unsigned, unsigned>, unsigned> kinds;
    for (uint64_t k = 0; k < 20000; k++) {
        weir_frame frame = f.draw(k);
        auto bytes = f.bytes(frame, k, static_cast<uint32_t>(k));
        Parsed p = parse(bytes);
        ASSERT_EQ(p.reason, WEIR_PARSE_OK) << weir_parse_reason_names[p.reason];
        ASSERT_TRUE(weir_key_is_ip(&p.d.key));
        ASSERT_FALSE(p.layer4.ip_checksum_bad);
        ASSERT_EQ(p.layer4.end, bytes.size()) << "no padding that a header does not know of";
        ASSERT_TRUE(layer4_sums_up(bytes, p.layer4)) << k;
        kinds[{weir_key_kind_of(&p.d.key), p.layer4.protocol}]++;
        weir_stamp stamp;
        memcpy(&stamp, &bytes[bytes.size() - sizeof stamp], sizeof stamp);
        ASSERT_EQ(stamp.magic, WEIR_STAMP_MAGIC);
        ASSERT_EQ(stamp.port, 3);
        ASSERT_EQ(stamp.sequence, k);
        ASSERT_EQ(stamp.flow, frame.flow);
    }
    EXPECT_EQ(kinds.size(), 6u) << "two versions, three protocols";
    EXPECT_NEAR(kinds[std::make_pair(4u, 17u)], 20000 * 0.9 * 0.7, 800);
}

TEST(Frames, AFlowHasOneKindOneTagAndOneTuple)
{
    Frames f(mixed());
    std::map<uint64_t, std::pair<uint32_t, std::string>> seen;
    std::set<std::string> keys;
    for (uint64_t k = 0; k < 20000; k++) {
        weir_frame frame = f.draw(k);
        Parsed p = parse(f.bytes(frame));
        std::string key(reinterpret_cast<const char *>(&p.d.key), 15);
        auto [at, fresh] = seen.insert({frame.flow, {p.d.hash, key}});
        ASSERT_EQ(at->second.second, key);
        keys.insert(key);
        if (weir_key_kind_of(&p.d.key) == WEIR_KEY_IPV4 && p.layer4.protocol != 1) {
            uint16_t to = weir_parse_be16(&f.bytes(frame)[p.layer4.offset + 2]);
            ASSERT_TRUE(to == 53 || to == 443) << to;
        }
    }
    EXPECT_EQ(keys.size(), seen.size()) << "and no other has it";
}

TEST(Frames, AreAsLongAsTheirHeadersAndStampNeed)
{
    auto p = mixed();
    p.size = several({{60, 60, 0, 1}});
    Frames f(p);
    std::set<uint32_t> lengths;
    for (uint64_t k = 0; k < 20000; k++)
        lengths.insert(f.draw(k).length);
    EXPECT_EQ(*lengths.begin(), 60u);
    EXPECT_EQ(*lengths.rbegin(), 14u + 8 + 40 + 20 + 16) << "TCP over IPv6 behind two tags";
    EXPECT_TRUE(lengths.count(70)) << "TCP over IPv4";
    EXPECT_TRUE(lengths.count(64)) << "UDP over IPv4 behind a tag, which may be taken off";
}

TEST(Frames, EveryKindOfMalformedIsWhatItsNameSays)
{
    std::set<std::string> made;
    for (uint64_t lie = 2; weir_malformed_words[lie] != nullptr; lie++) {
        auto p = mixed();
        p.malformed = one(lie);
        Frames f(p);
        std::string name = weir_malformed_words[lie];
        made.insert(name);
        for (uint64_t k = 0; k < 300; k++) {
            auto bytes = f.bytes(f.draw(k));
            Parsed parsed = parse(bytes);
            if (name == "ip_checksum_bad" || name == "l4_checksum_bad") {
                ASSERT_EQ(parsed.reason, WEIR_PARSE_OK) << name;
                ASSERT_EQ(parsed.layer4.ip_checksum_bad, name == "ip_checksum_bad");
                ASSERT_EQ(layer4_sums_up(bytes, parsed.layer4), name != "l4_checksum_bad");
                continue;
            }
            ASSERT_EQ(weir_parse_reason_names[parsed.reason], name);
            if (bytes.size() > 34 && bytes[12] == 8 && bytes[13] == 0) {
                size_t header = bytes[14] == 0x46 ? 24 : 20;
                ASSERT_EQ(sum(&bytes[14], header), 0xffffu) << name << ": no other lie";
            }
        }
    }
    /* What only a capture can do. */
    for (int reason = 1; reason < WEIR_PARSE_REASONS_END; reason++) {
        std::string name = weir_parse_reason_names[reason];
        EXPECT_EQ(made.count(name), name != "link_beyond_capture" && name != "header_beyond_capture") << name;
    }
}

TEST(Frames, MalformedOnesHaveTheirShareAndNoStamp)
{
    auto p = plain();
    p.malformed = several({{0, 0, 0, 97}, {0, 0, 1, 3}}); /* any */
    Frames f(p);
    std::map<uint32_t, unsigned> lies;
    unsigned wrong = 0;
    for (uint64_t k = 0; k < 100000; k++) {
        weir_frame frame = f.draw(k);
        wrong += frame.lie != 0;
        lies[frame.lie]++;
        auto bytes = f.bytes(frame);
        weir_stamp stamp = {};
        if (bytes.size() >= sizeof stamp)
            memcpy(&stamp, &bytes[bytes.size() - sizeof stamp], sizeof stamp);
        ASSERT_EQ(stamp.magic == WEIR_STAMP_MAGIC, frame.lie == 0);
    }
    EXPECT_NEAR(wrong, 3000, 300);
    EXPECT_EQ(lies.size(), 1 + 43u);
}

TEST(Frames, FlowsAreUniformSkewedOrInTurn)
{
    auto p = plain(100);
    std::vector<double> uniform(100), zipf(100);
    p.skew = 1100;
    Frames skewed(p);
    p.skew = 0;
    Frames random(p);
    p.order = WEIR_ORDER_SEQUENTIAL;
    Frames turns(p);
    const unsigned n = 200000;
    for (uint64_t k = 0; k < n; k++) {
        uniform[random.draw(k).flow]++;
        zipf[skewed.draw(k).flow]++;
        ASSERT_EQ(turns.draw(k).flow, k % 100);
    }
    double all = 0;
    for (int i = 0; i < 100; i++)
        all += std::pow(i + 1, -1.1);
    for (int i = 0; i < 100; i++) {
        double expected = n * std::pow(i + 1, -1.1) / all;
        EXPECT_NEAR(uniform[static_cast<size_t>(i)], n / 100., 6 * std::sqrt(n / 100.));
        EXPECT_NEAR(zipf[static_cast<size_t>(i)], expected, 6 * std::sqrt(expected)) << i;
    }
}

TEST(Frames, ChurnEndsFlowsInTurn)
{
    Frames f(plain(10));
    f.f.churn = static_cast<uint64_t>(0x1p64 / 100); /* one in a hundred frames */
    f.f.simple = false;
    std::map<uint32_t, uint64_t> generation;
    std::set<std::string> keys;
    std::set<uint64_t> flows;
    for (uint64_t k = 0; k < 100000; k++) {
        weir_frame frame = f.draw(k);
        auto slot = static_cast<uint32_t>(frame.flow);
        ASSERT_LT(slot, 10u);
        ASSERT_GE(frame.flow >> 32, generation[slot]) << "it does not come back";
        generation[slot] = frame.flow >> 32;
        ASSERT_LE(frame.flow >> 32, k / 1000 + 1);
        flows.insert(frame.flow);
        if (k % 10 == 0) {
            weir_key key = parse(f.bytes(frame)).d.key;
            keys.insert(std::string(reinterpret_cast<const char *>(&key), 15));
        }
    }
    EXPECT_NEAR(flows.size(), 1000 + 10, 10);
    EXPECT_GT(keys.size(), 950u) << "each has a tuple of its own";
}

} // namespace
