/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/port.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <dlfcn.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/mbuf.h"
#include "dataplane/generator.h"
#include "dataplane/stamp.h"
#include "tests/volume.h"

/* What the driver answered; a test may falsify it. */
static void (*falsify)(rte_eth_rss_conf *);

extern "C" int rte_eth_dev_rss_hash_conf_get(uint16_t id, rte_eth_rss_conf *conf)
{
    static const auto driver = reinterpret_cast<int (*)(uint16_t, rte_eth_rss_conf *)>(
        dlsym(RTLD_NEXT, "rte_eth_dev_rss_hash_conf_get"));
    int result = driver(id, conf);
    if (falsify != nullptr)
        falsify(conf);
    return result;
}

namespace {

constexpr uint64_t HZ = 1000000007; /* odd: nothing divides */

struct FileParams { /* likewise, of port_file.c */
    const char *path;
    uint64_t speed; /* thousandths */
    weir_rate rate;
    uint64_t loop, multiply, queue;
};

class Port : public testing::Test {
  protected:
    void SetUp() override
    {
        mempool =
            rte_pktmbuf_pool_create("port", 2047, 0, 0, RTE_PKTMBUF_HEADROOM + WEIR_MBUF_ROOM, SOCKET_ID_ANY);
        ASSERT_NE(mempool, nullptr);
        port = static_cast<weir_port *>(std::aligned_alloc(64, sizeof(weir_port)));
    }

    void TearDown() override
    {
        close();
        std::free(port);
        rte_mempool_free(mempool);
    }

    int open(const weir_port_def &def, const void *params, uint16_t index = 0, uint16_t queues = 0)
    {
        close();
        std::memset(static_cast<void *>(port), 0, sizeof *port);
        port->def = &def;
        port->name = "gen";
        port->index = index;
        port->queues = queues;
        port->rx_queues = queues != 0 ? queues : 1;
        port->tx_queues = 1;
        port->mbuf_room = WEIR_MBUF_ROOM;
        port->mempool = mempool;
        port->socket = SOCKET_ID_ANY;
        port->tsc_hz = HZ;
        port->seed = 7;
        int result = def.open(port, params);
        opened = result == 0;
        return opened ? def.start(port, 0) : result;
    }

    int open_file(const std::string &path, FileParams p = {nullptr, 0, {0, false, false}, 1, 1, 4096})
    {
        p.path = path.c_str();
        return open(weir_port_file, &p);
    }

    void close()
    {
        if (opened)
            port->def->close(port);
        opened = false;
    }

    uint32_t receive(uint64_t now)
    {
        batch.now_tsc = now;
        batch.n = port->def->receive(port, 0, &batch);
        return batch.n;
    }

    void release()
    {
        for (uint32_t i = 0; i < batch.n; i++)
            rte_pktmbuf_free(batch.desc[i].mbuf);
    }

    std::string bytes(uint32_t packets)
    {
        std::string all;
        while (packets > 0) {
            uint32_t n = receive(0);
            if (n == 0)
                break;
            for (uint32_t i = 0; i < n; i++) {
                rte_mbuf *m = batch.desc[i].mbuf;
                all.append(rte_pktmbuf_mtod(m, const char *), m->data_len);
            }
            packets -= std::min(n, packets);
            release();
        }
        return all;
    }

    rte_mempool *mempool = nullptr;
    weir_port *port = nullptr;
    bool opened = false;
    weir_batch batch = {};
};

weir_weights drawn(uint64_t low, uint64_t high)
{
    weir_weights w = {};
    w.n = 1;
    w.of[0] = {low, high, 0, 1};
    return w;
}

weir_generator_params params(uint64_t pps, uint64_t count = 0)
{
    weir_generator_params p = {};
    p.frames.flows = 64;
    p.frames.size = drawn(64, 64);
    p.frames.versions = p.frames.protocols = p.frames.vlans = p.frames.service_vlans = p.frames.to_ports =
        p.frames.malformed = drawn(0, 0);
    p.profile.rate = {pps, true, false};
    p.profile.burst = 1;
    p.line.per_s = 1250000000;
    p.count = count;
    p.queue = 4096;
    return p;
}

/* Of a generator that several workers share: what each of its queues makes. */
std::vector<std::string> made(const weir_port *port, weir_batch *batch)
{
    std::vector<std::string> frames;
    bool all = false;
    while (!all) {
        all = true;
        for (uint16_t q = 0; q < port->rx_queues; q++) {
            uint32_t n = port->def->receive(const_cast<weir_port *>(port), q, batch);
            for (uint32_t i = 0; i < n; i++) {
                rte_mbuf *m = batch->desc[i].mbuf;
                frames.emplace_back(rte_pktmbuf_mtod(m, const char *), m->data_len);
                rte_pktmbuf_free(m);
            }
            all &= port->def->ended(port, q);
        }
    }
    return frames;
}

TEST_F(Port, AnyNumberOfQueuesMakesTheSameFrames)
{
    auto p = params(0, 20000);
    p.frames.protocols.n = 2;
    p.frames.protocols.of[1] = {0, 0, 1, 1}; /* TCP, which numbers what its flow has carried */
    p.frames.size = drawn(60, 1514);
    for (int skewed = 0; skewed < 2; skewed++) {
        p.frames.skew = skewed != 0 ? 1500 : 0;
        ASSERT_EQ(open(weir_port_generator, &p), 0);
        auto whole = made(port, &batch);
        ASSERT_EQ(whole.size(), 20000u);
        std::sort(whole.begin(), whole.end());
        EXPECT_EQ(std::unique(whole.begin(), whole.end()), whole.end());
        for (uint16_t queues : {2, 3, 7}) {
            ASSERT_EQ(open(weir_port_generator, &p, 0, queues), 0);
            auto parts = made(port, &batch);
            std::sort(parts.begin(), parts.end());
            EXPECT_TRUE(parts == whole) << queues;
        }
    }
}

TEST_F(Port, TheQueuesOfAPacedGeneratorKeepItsRateTogether)
{
    auto p = params(999983);
    ASSERT_EQ(open(weir_port_generator, &p, 0, 3), 0);
    const uint64_t end = 2 * HZ / EACH_NTH;
    for (uint64_t now = 0; now <= end; now += 10007)
        for (uint16_t q = 0; q < 3; q++) {
            batch.now_tsc = now;
            batch.n = port->def->receive(port, q, &batch);
            release();
        }
    weir_port_stats stats;
    port->def->stats(port, &stats);
    EXPECT_NEAR(static_cast<double>(stats.received), 2 * 999983. / EACH_NTH, 20);
    EXPECT_EQ(stats.missed, 0u);
    uint64_t before = stats.offered;
    for (uint16_t q = 0; q < 3; q++) { /* a second without a look */
        batch.now_tsc = end + HZ;
        batch.n = port->def->receive(port, q, &batch);
        release();
    }
    port->def->stats(port, &stats);
    EXPECT_NEAR(static_cast<double>(stats.missed), 999983. - 4096, 4096);
    EXPECT_GT(stats.offered, before);
}

TEST_F(Port, AContradictionIsRefusedWithItsRemedy)
{
    auto p = params(1000);
    p.profile.n_ramps = 1;
    p.profile.ramp = {{1000, false, false}, 1000000};
    EXPECT_EQ(open(weir_port_generator, &p), -EINVAL);
    EXPECT_NE(std::string(port->error).find("write both in packets"), std::string::npos);
    p.profile.ramp.to.packets = true;
    EXPECT_EQ(open(weir_port_generator, &p), 0);
    p.line = {1000, true, false};
    EXPECT_EQ(open(weir_port_generator, &p), -EINVAL);
    EXPECT_NE(std::string(port->error).find("line: 25Gbps"), std::string::npos);
    p.line = {1250000000, false, false};
    p.n_phases = 1;
    p.timeline[0].for_ns = 1000000000;
    EXPECT_EQ(open(weir_port_generator, &p), -EINVAL);
    EXPECT_NE(std::string(port->error).find("timeline"), std::string::npos);
    p.profile.n_ramps = 0;
    EXPECT_EQ(open(weir_port_generator, &p), 0);
}

TEST_F(Port, SameSeedSameBytes)
{
    auto p = params(0);
    p.frames.size = drawn(60, 1514);
    ASSERT_EQ(open(weir_port_generator, &p), 0);
    std::string first = bytes(3200);
    ASSERT_EQ(open(weir_port_generator, &p), 0);
    EXPECT_EQ(bytes(3200), first);
    ASSERT_EQ(open(weir_port_generator, &p, 1), 0);
    EXPECT_NE(bytes(3200), first) << "another port makes other traffic";
}

TEST_F(Port, FramesAreValidAndStampedInOrder)
{
    auto p = params(0);
    p.frames.size = drawn(0, 0); /* imix */
    ASSERT_EQ(open(weir_port_generator, &p, 3), 0);
    std::vector<uint64_t> next(p.frames.flows);
    for (int round = 0; round < 100; round++) {
        ASSERT_EQ(receive(0), static_cast<uint32_t>(WEIR_BATCH));
        for (uint32_t i = 0; i < batch.n; i++) {
            rte_mbuf *m = batch.desc[i].mbuf;
            auto *frame = rte_pktmbuf_mtod(m, const uint8_t *);
            auto *ip = reinterpret_cast<const rte_ipv4_hdr *>(frame + 14);
            ASSERT_EQ(rte_raw_cksum(ip, 20), 0xffff) << "the header checksum is right";
            ASSERT_EQ(rte_be_to_cpu_16(ip->total_length), m->data_len - 14);
            ASSERT_EQ(batch.desc[i].length, m->pkt_len);
            weir_stamp stamp;
            ASSERT_TRUE(weir_stamp_read(m, &stamp));
            ASSERT_EQ(stamp.port, 3);
            ASSERT_LT(stamp.flow, p.frames.flows);
            ASSERT_EQ(stamp.sequence, next[stamp.flow]++);
        }
        release();
    }
}

TEST_F(Port, TheRateIsExactOverAnOddClock)
{
    auto p = params(999983);
    ASSERT_EQ(open(weir_port_generator, &p), 0);
    uint64_t made = 0;
    for (uint64_t now = 0; now <= 10 * HZ / EACH_NTH; now += 10007) {
        made += receive(now);
        release();
    }
    uint64_t due = 999983 * 10 / EACH_NTH;
    EXPECT_LE(made, due);
    EXPECT_GE(made, due - 20) << "at most what the last step had not reached";
    weir_port_stats stats;
    port->def->stats(port, &stats);
    EXPECT_EQ(stats.missed, 0u);
    EXPECT_EQ(stats.offered, made);
}

TEST_F(Port, WhatThePipelineDoesNotFetchIsMissedExactly)
{
    auto p = params(1000000);
    p.queue = 100;
    ASSERT_EQ(open(weir_port_generator, &p), 0);
    receive(HZ); /* a second without a look: a million due, a hundred queued */
    release();
    weir_port_stats stats;
    port->def->stats(port, &stats);
    EXPECT_EQ(stats.missed, 1000000u - 100);
    EXPECT_EQ(stats.received, static_cast<uint64_t>(WEIR_BATCH));
    uint64_t more = 0;
    while (receive(HZ) != 0) {
        more += batch.n;
        release();
    }
    EXPECT_EQ(more + WEIR_BATCH, 100u);
}

/* At a packet each 100 cycles they are due at 100, 200, … whenever they are fetched, in batches of any size. */
TEST_F(Port, APacketIsDueWhenTheScheduleCalledForIt)
{
    auto p = params(HZ / 100);
    p.frames.size = drawn(60, 1514);
    ASSERT_EQ(open(weir_port_generator, &p), 0);
    uint64_t packets = 0;
    for (uint64_t now : {150u, 1010u, 1011u, 1110u, 20000u, 20000u, 20000u}) {
        receive(now);
        for (uint32_t i = 0; i < batch.n; i++) {
            uint64_t exact = ++packets * HZ / (HZ / 100);
            EXPECT_NEAR(double(port->def->due(port, 0, &batch, i)), double(exact), 2) << packets;
        }
        release();
    }
    EXPECT_EQ(packets, 11u + 3 * WEIR_BATCH);
    /* In bits the one behind a long frame takes longer to come; the first one waits as for one of the mean size. */
    p.profile.rate = {HZ / 100, false, false};
    ASSERT_EQ(open(weir_port_generator, &p), 0);
    uint64_t bytes = 787;
    for (uint64_t now = 1000000; now < 3000000; now += 250000) {
        receive(now);
        for (uint32_t i = 0; i < batch.n; i++) {
            EXPECT_NEAR(double(port->def->due(port, 0, &batch, i)), double(bytes) * 100, 2);
            bytes += batch.desc[i].length;
        }
        release();
    }
    EXPECT_GT(bytes, 787u);
    p.profile.rate = {0, true, false};
    ASSERT_EQ(open(weir_port_generator, &p), 0);
    receive(77);
    EXPECT_EQ(port->def->due(port, 0, &batch, 5), 77u) << "as fast as they are taken: they are due now";
    release();
}

TEST_F(Port, EndsAtItsCount)
{
    auto p = params(0, 100);
    ASSERT_EQ(open(weir_port_generator, &p), 0);
    EXPECT_EQ(bytes(1000).size(), 6400u);
    EXPECT_TRUE(port->def->ended(port, 0));
}

TEST_F(Port, AScheduleThatHasReachedItsCountMissesNothingMore)
{
    auto p = params(1000, 100);
    p.queue = 32;
    ASSERT_EQ(open(weir_port_generator, &p), 0);
    for (uint64_t now = 0; !port->def->ended(port, 0); now += HZ / 100) {
        receive(now);
        release();
    }
    EXPECT_EQ(receive(3600 * HZ), 0u);
    weir_port_stats stats;
    port->def->stats(port, &stats);
    EXPECT_EQ(stats.received, 100u);
    EXPECT_EQ(stats.missed, 0u);
    EXPECT_EQ(stats.offered, 100u);
}

TEST_F(Port, AnEmptyPoolIsMissedNotACrash)
{
    auto p = params(0);
    ASSERT_EQ(open(weir_port_generator, &p), 0);
    std::vector<rte_mbuf *> all(rte_mempool_avail_count(mempool));
    ASSERT_TRUE(weir_mbuf_take(mempool, all.data(), static_cast<unsigned>(all.size())));
    EXPECT_EQ(receive(0), 0u);
    weir_port_stats stats;
    port->def->stats(port, &stats);
    EXPECT_EQ(stats.missed, static_cast<uint64_t>(WEIR_BATCH));
    rte_pktmbuf_free_bulk(all.data(), static_cast<unsigned>(all.size()));
}

/* ---- capture files ---- */

std::string temporary(const std::string &content)
{
    char name[] = "/tmp/weir-test-XXXXXX";
    int fd = mkstemp(name);
    std::ofstream(name, std::ios::binary) << content;
    if (fd >= 0)
        ::close(fd);
    return name;
}

template <typename T> void put(std::string &to, T value)
{
    to.append(reinterpret_cast<const char *>(&value), sizeof value);
}

/* `at_us`: of each frame, the last for all that follow. */
std::string capture(uint32_t link_type, const std::vector<std::pair<uint32_t, uint32_t>> &frames,
    const std::vector<uint32_t> &at_us = {0})
{
    size_t n = 0;
    std::string file;
    put<uint32_t>(file, 0xa1b2c3d4);
    put<uint16_t>(file, 2);
    put<uint16_t>(file, 4);
    put<uint64_t>(file, 0);
    put<uint32_t>(file, 262144);
    put<uint32_t>(file, link_type);
    for (auto [captured, length] : frames) {
        uint32_t us = at_us[std::min(n++, at_us.size() - 1)];
        put<uint32_t>(file, 1700000000 + us / 1000000);
        put<uint32_t>(file, us % 1000000);
        put<uint32_t>(file, captured);
        put<uint32_t>(file, length);
        for (uint32_t i = 0; i < captured; i++)
            file.push_back(static_cast<char>(i * 7));
    }
    return file;
}

TEST_F(Port, AFileGivesEachFrameOnceWithItsOriginalLength)
{
    std::string path = temporary(capture(1, {{0, 60}, {60, 60}, {96, 1514}, {9000, 9000}, {1, 1}}));
    ASSERT_EQ(open_file(path), 0) << port->error;
    ASSERT_EQ(receive(0), 5u);
    EXPECT_EQ(batch.desc[0].length, 60u) << "of which the capture kept nothing";
    EXPECT_EQ(batch.desc[0].mbuf->pkt_len, 0u);
    rte_pktmbuf_free(batch.desc[0].mbuf);
    for (uint32_t i = 0; i < 4; i++)
        batch.desc[i] = batch.desc[i + 1];
    batch.n = 4;
    EXPECT_EQ(batch.desc[1].length, 1514u);
    EXPECT_EQ(batch.desc[1].mbuf->pkt_len, 96u);
    rte_mbuf *jumbo = batch.desc[2].mbuf;
    EXPECT_EQ(jumbo->nb_segs, 5u);
    EXPECT_EQ(batch.desc[2].key.flags & WEIR_DESC_PLAIN, 0) << "a chain is freed link by link";
    std::string copy(9000, 0);
    auto *read = static_cast<const char *>(rte_pktmbuf_read(jumbo, 0, 9000, copy.data()));
    for (uint32_t i = 0; i < 9000; i++)
        ASSERT_EQ(read[i], static_cast<char>(i * 7)) << i;
    release();
    EXPECT_TRUE(port->def->ended(port, 0));
    EXPECT_EQ(rte_mempool_avail_count(mempool), 2047u);
    std::remove(path.c_str());
}

TEST_F(Port, BadFilesAreErrorsThatNameTheCause)
{
    EXPECT_EQ(open_file("/nonexistent/x.pcap"), -ENOENT);
    EXPECT_NE(std::string(port->error).find("/nonexistent/x.pcap"), std::string::npos);

    std::string garbage = temporary("this is no capture at all, only text");
    EXPECT_EQ(open_file(garbage), -EBADMSG);
    std::remove(garbage.c_str());

    std::string wifi = temporary(capture(105, {{60, 60}}));
    EXPECT_EQ(open_file(wifi), -EBADMSG);
    EXPECT_NE(std::string(port->error).find("802_11"), std::string::npos) << port->error;
    std::remove(wifi.c_str());
}

TEST_F(Port, ATruncatedTailIsAWarningAndTheRestIsReplayed)
{
    std::string whole = capture(1, {{60, 60}, {60, 60}});
    std::string path = temporary(whole.substr(0, whole.size() - 10));
    ASSERT_EQ(open_file(path), 0);
    EXPECT_NE(std::string(port->note).find("after frame 1, which is the last"), std::string::npos)
        << port->note;
    EXPECT_EQ(receive(0), 1u);
    release();
    std::remove(path.c_str());
}

/* ---- replay ---- */

class Replay : public Port {
  protected:
    /* How many packets come at each of these times, in microseconds. */
    std::vector<uint32_t> at(const std::vector<uint64_t> &times_us)
    {
        std::vector<uint32_t> counts;
        for (uint64_t us : times_us) {
            counts.push_back(0);
            while (receive((us * HZ + 999999) / 1000000) != 0) {
                counts.back() += batch.n;
                release();
            }
        }
        return counts;
    }

    weir_port_stats stats()
    {
        weir_port_stats s;
        port->def->stats(port, &s);
        return s;
    }
};

using Counts = std::vector<uint32_t>;
const std::vector<std::pair<uint32_t, uint32_t>> four(4, {60, 60});

TEST_F(Replay, TheParameterStructOfThisTestIsTheFiles)
{
    ASSERT_EQ(weir_port_file.params_size, sizeof(FileParams));
    const size_t offsets[] = {offsetof(FileParams, path), offsetof(FileParams, speed),
        offsetof(FileParams, rate), offsetof(FileParams, loop), offsetof(FileParams, multiply),
        offsetof(FileParams, queue)};
    for (size_t i = 0; i < 6; i++)
        EXPECT_EQ(weir_port_file.params[i].offset, offsets[i]);
}

TEST_F(Replay, GapsAreThoseOfTheCaptureScaledBySpeed)
{
    std::string path = temporary(capture(1, four, {0, 1000, 1500, 6000}));
    ASSERT_EQ(open_file(path, {nullptr, 1000, {0, false, false}, 1, 1, 4096}), 0);
    EXPECT_EQ(at({0, 999, 1000, 1499, 1500, 5999, 6000, 100000}), (Counts{1, 0, 1, 0, 1, 0, 1, 0}));
    EXPECT_TRUE(port->def->ended(port, 0));
    EXPECT_EQ(stats().offered, 4u);
    EXPECT_EQ(stats().missed, 0u);
    ASSERT_EQ(open_file(path, {nullptr, 2500, {0, false, false}, 1, 1, 4096}), 0) << "2.5 times as fast";
    EXPECT_EQ(at({0, 399, 400, 599, 600, 2399, 2400}), (Counts{1, 0, 1, 0, 1, 0, 1}));
    std::remove(path.c_str());
}

TEST_F(Replay, APacketThatComesLateIsKnownToBe)
{
    std::string path = temporary(capture(1, four, {0, 1000, 1500, 6000}));
    ASSERT_EQ(open_file(path, {nullptr, 1000, {0, false, false}, 2, 1, 4096}), 0);
    ASSERT_EQ(receive(HZ), 8u);
    const uint64_t due_us[] = {0, 1000, 1500, 6000, 8000, 9000, 9500, 14000};
    for (uint32_t i = 0; i < 8; i++)
        EXPECT_EQ(port->def->due(port, 0, &batch, i), due_us[i] * HZ / 1000000) << i;
    release();
    ASSERT_EQ(open_file(path), 0);
    ASSERT_EQ(receive(HZ), 4u);
    EXPECT_EQ(port->def->due(port, 0, &batch, 3), HZ) << "without a schedule it is due when it comes";
    release();
    std::remove(path.c_str());
}

TEST_F(Replay, PassesAreAMeanGapApart)
{
    std::string path = temporary(capture(1, four, {0, 1000, 1500, 6000})); /* a mean gap of 2 ms */
    ASSERT_EQ(open_file(path, {nullptr, 1000, {0, false, false}, 3, 1, 4096}), 0);
    EXPECT_EQ(at({6000, 7999, 8000, 8999, 9000, 16000, 17000, 22000}), (Counts{4, 0, 1, 0, 1, 3, 1, 2}));
    EXPECT_TRUE(port->def->ended(port, 0));
    std::remove(path.c_str());
}

TEST_F(Replay, AClockThatStepsBackWaitsForItself)
{
    std::string path = temporary(capture(1, four, {5000, 6000, 3000, 7000}));
    ASSERT_EQ(open_file(path, {nullptr, 1000, {0, false, false}, 1, 1, 4096}), 0);
    EXPECT_EQ(at({0, 1000, 1999, 2000}), (Counts{1, 2, 0, 1}));
    std::remove(path.c_str());
}

TEST_F(Replay, ARateIsExactInPacketsAndInBytesOverPassesWithoutEnd)
{
    std::string path = temporary(capture(1, {{60, 60}, {60, 1000}, {60, 100}}, {0, 9000000}));
    for (bool packets : {true, false}) {
        ASSERT_EQ(open_file(path,
                      {nullptr, 0, {packets ? 999983u : 999983 * 1160 / 3, packets, false}, 0, 1, 4096}),
            0);
        uint64_t made = 0;
        for (uint64_t now = 0; now <= 2 * HZ; now += 10007) {
            made += receive(now);
            release();
        }
        EXPECT_NEAR(static_cast<double>(made), 999983 * 2, 20);
        EXPECT_EQ(stats().missed, 0u);
        EXPECT_EQ(stats().offered, made);
    }
    std::remove(path.c_str());
}

TEST_F(Replay, WhatThePipelineDoesNotFetchIsMissedExactly)
{
    std::string path = temporary(capture(1, four, {0, 1000, 1500, 6000}));
    for (uint64_t multiply : {1, 3}) {
        ASSERT_EQ(open_file(path, {nullptr, 1000, {0, false, false}, 0, multiply, 100}), 0);
        /* 1 s: 125 passes of 8 ms, and the first packet of the next one */
        EXPECT_EQ(at({1000000}), (Counts{100}));
        EXPECT_EQ(stats().missed, 500 * multiply + 1 - 100);
        EXPECT_EQ(stats().offered, 500 * multiply + 1);
        EXPECT_EQ(
            at({1000999, 1001000, 1008000}), (Counts(multiply == 1 ? Counts{0, 1, 3} : Counts{2, 1, 9})));
    }
    ASSERT_EQ(open_file(path, {nullptr, 0, {1000000, true, false}, 1000, 1, 32}), 0);
    EXPECT_EQ(at({3600000000}), (Counts{32})) << "the last of 4000";
    EXPECT_TRUE(port->def->ended(port, 0));
    EXPECT_EQ(stats().offered, 4000u);
    std::remove(path.c_str());
}

TEST_F(Replay, WithoutAScheduleAFileWaitsAndMissesNothing)
{
    std::string path = temporary(capture(1, four, {0, 1000, 1500, 6000}));
    ASSERT_EQ(open_file(path, {nullptr, 0, {0, false, false}, 1000, 2, 32}), 0);
    EXPECT_EQ(at({0, 3600000000}), (Counts{8000, 0}));
    EXPECT_EQ(stats().missed, 0u);
    EXPECT_EQ(stats().offered, WEIR_UNKNOWN);
    std::remove(path.c_str());
}

TEST_F(Replay, AnEmptyCaptureEndsAtOnce)
{
    std::string path = temporary(capture(1, {}));
    ASSERT_EQ(open_file(path, {nullptr, 1000, {0, false, false}, 0, 5, 4096}), 0);
    EXPECT_TRUE(port->def->ended(port, 0));
    EXPECT_EQ(at({1000}), (Counts{0}));
    std::remove(path.c_str());
}

/* ---- devices ---- */

TEST_F(Port, ADeviceErrorNamesTheDeviceAndTheCause)
{
    EXPECT_EQ(open(weir_port_vdev, "net_af_packet7,iface=lo,framesz=4096"), -EINVAL);
    EXPECT_NE(std::string(port->error).find("net_af_packet7"), std::string::npos);
    EXPECT_NE(open(weir_port_vdev, "net_nonsense3,foo=bar"), 0);
    EXPECT_NE(std::string(port->error).find("net_nonsense3"), std::string::npos);
    EXPECT_EQ(open(weir_port_vdev, ",x"), -EINVAL);
    EXPECT_STREQ(port->error, "`,x` is no device; allowed: a driver with a number, then its arguments, as in "
                              "net_null0,size=64");
}

TEST_F(Port, SeveralQueuesHaveSymmetricRssInEffect)
{
    ASSERT_EQ(open(weir_port_vdev, "net_null5", 0, 4), 0) << port->error;
    uint16_t id;
    ASSERT_EQ(rte_eth_dev_get_port_by_name("net_null5", &id), 0);
    uint8_t key[40] = {};
    rte_eth_rss_conf conf = {key, sizeof key, 0};
    ASSERT_EQ(rte_eth_dev_rss_hash_conf_get(id, &conf), 0);
    for (size_t i = 0; i < sizeof key; i++)
        EXPECT_EQ(key[i], i % 2 == 0 ? 0x6d : 0x5a) << i;
    EXPECT_NE(conf.rss_hf & RTE_ETH_RSS_TCP, 0u);
    EXPECT_EQ(conf.rss_hf & ~(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP), 0u);
    EXPECT_EQ(port->rx_queues, 4);
}

TEST_F(Port, QueuesWithoutSymmetricRssAreRefusedWithWhatTheDriverAnswered)
{
    falsify = [](rte_eth_rss_conf *conf) { conf->rss_key[conf->rss_key_len - 1] = 0; };
    EXPECT_EQ(open(weir_port_vdev, "net_null6", 0, 2), -ENOTSUP) << "the last byte of the key";
    EXPECT_NE(std::string(port->error).find("write `queues: 1`"), std::string::npos) << port->error;
    falsify = [](rte_eth_rss_conf *conf) { conf->rss_hf = RTE_ETH_RSS_IPV4; };
    EXPECT_EQ(open(weir_port_vdev, "net_null7", 0, 2), -ENOTSUP);
    EXPECT_NE(
        std::string(port->error).find("its driver answers `Success`, 0x4, 6d5a…6d5a"), std::string::npos)
        << port->error;
    EXPECT_EQ(open(weir_port_vdev, "net_null8", 0, 1), 0) << "one queue needs none";
    falsify = nullptr;
    EXPECT_EQ(open(weir_port_vdev, "net_ring9", 0, 2), -ENOTSUP);
    EXPECT_NE(std::string(port->error).find("`Operation not supported`"), std::string::npos) << port->error;
}

TEST_F(Port, ADeviceStringIsCheckedWithoutTheMachine)
{
    const struct {
        const char *device, *said; /* said: a part of it, NULL = fine */
    } cases[] = {
        {"net_null0", nullptr},
        {"net_null0,framesz=9000", nullptr}, /* not this driver's */
        {"net_nonsense3,foo=bar", nullptr},  /* only the machine knows its drivers */
        {"net_af_packet0,iface=eth1", nullptr},
        {"net_af_packet0,iface=eth1,framesz=2048", nullptr},
        {"net_af_packet0,iface=eth1,framesz=152", nullptr},
        {"net_af_packet0,framesz=2049", "framesz=2049 does not fit a packet buffer; allowed: 152 .. 2048"},
        {"eth_af_packet0,framesz=4096,qpairs=2", "device eth_af_packet0: framesz=4096"},
        {"net_af_packet0,framesz=151", "framesz=151"},
        {"net_af_packet0,framesz=", "framesz="},
        {"net_af_packet0,framesz=2k", "framesz=2k"},
        {"net_af_packet0,framesz=99999999999999999999", "framesz=9999"},
        {",", "is no device"},
        {"/dev/eth1", "is no device"},
        {"net_null0 ,size=64", "is no device"},
        {"0123456789012345678901234567890123456789012345678901234567890123", "is no device"},
    };
    for (const auto &c : cases) {
        char said[512] = "";
        FILE *complaint = fmemopen(said, sizeof said, "w");
        EXPECT_EQ(weir_port_vdev.check(c.device, complaint), c.said == nullptr) << c.device;
        fclose(complaint);
        EXPECT_NE(std::string(said).find(c.said != nullptr ? c.said : ""), std::string::npos) << said;
        EXPECT_EQ(said[0] != '\0', c.said != nullptr) << said;
    }
}

} // namespace
