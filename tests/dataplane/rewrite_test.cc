/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses and checksums of copies, held against the parser and a sum over the whole packet. */
#include "dataplane/rewrite.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "tests/dataplane/parser.h"
#include "tests/dataplane/frames.h"

namespace {

uint16_t sum_of(const Bytes &b, size_t from, size_t to, uint32_t sum = 0)
{
    for (size_t i = from; i < to; i++)
        sum += (i - from) % 2 == 0 ? b[i] << 8 : b[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
}

void put16(Bytes &b, size_t at, unsigned v)
{
    b[at] = static_cast<uint8_t>(v >> 8);
    b[at + 1] = static_cast<uint8_t>(v);
}

/* A packet with right checksums: `ip` is where its header begins, `layer4` where layer 4 does, `checksum` where that has it
 * (0 = it has none). `target` is that of the pseudo header, if another than the header has. */
struct Packet {
    const char *name;
    Bytes frame;
    size_t ip, layer4, checksum;
    size_t target = 0;

    bool ipv6() const
    {
        return frame[ip] >> 4 == 6;
    }

    uint16_t layer4_sum() const /* 0xffff = right */
    {
        size_t bytes = ipv6() ? 16 : 4, source = ip + (ipv6() ? 8 : 12);
        size_t to = target != 0 ? target : source + bytes, length = frame.size() - layer4;
        uint32_t protocol = checksum - layer4 == 16 ? 6 : checksum - layer4 == 2 ? 58 : 17;
        uint32_t pseudo = sum_of(frame, source, source + bytes) + sum_of(frame, to, to + bytes) + protocol +
                          static_cast<uint32_t>(length);
        return sum_of(frame, layer4, frame.size(), pseudo);
    }

    Packet with_checksums() const
    {
        Packet p = *this;
        if (!ipv6())
            put16(p.frame, ip + 10, static_cast<uint16_t>(~sum_of(frame, ip, ip + (frame[ip] & 15u) * 4)));
        if (checksum != 0)
            put16(p.frame, checksum, static_cast<uint16_t>(~p.layer4_sum()));
        return p;
    }

    Packet copy(uint32_t n) const
    {
        Packet p = *this;
        auto size = static_cast<uint32_t>(frame.size());
        weir_rewrite r = weir_rewrite_find(frame.data(), size, size);
        weir_rewrite_apply(p.frame.data(), &r, n);
        return p;
    }
};

Bytes routing_header(unsigned next, unsigned segments_left, const Bytes &target)
{
    return Bytes{static_cast<uint8_t>(next), 2, 0, static_cast<uint8_t>(segments_left), 0, 0, 0, 0} + target;
}

const Packet packets[] = {
    {"udp", ethernet(0x800) + ipv4({}, udp(1000, 53)), 14, 34, 40},
    {"tcp behind tags", ethernet(0x88a8) + tag(5, 0x8100) + tag(7, 0x800) + ipv4({6}, tcp(1000, 80)), 22, 42,
        58},
    {"odd length, with options", ethernet(0x800) + ipv4({.ihl = 7}, udp(1, 2, -1, 21)), 14, 42, 48},
    {"udp over ipv6", ethernet(0x86dd) + ipv6({}, udp(1000, 53)), 14, 54, 60},
    {"tcp behind destination options", ethernet(0x86dd) + ipv6({60}, extension(6) + tcp(9, 80)), 14, 62, 78},
    {"icmp6", ethernet(0x86dd) + ipv6({58}, Bytes{128, 0, 0, 0, 1, 2, 3, 4}), 14, 54, 56},
    {"udp behind a routing header",
        ethernet(0x86dd) + ipv6({43}, routing_header(17, 1, address6(77)) + udp(1, 2)), 14, 78, 84, 62},
    {"icmp", ethernet(0x800) + ipv4({1}, Bytes{8, 0, 0xf7, 0xff, 0, 0, 0, 0}), 14, 34, 0},
    {"sctp", ethernet(0x800) + ipv4({132}, sctp(1, 2)), 14, 34, 0},
};

constexpr uint64_t KEY[4] = {1, 2, 3, 4};

std::string key_of(const Bytes &frame)
{
    weir_desc d = {};
    auto size = static_cast<uint32_t>(frame.size());
    EXPECT_EQ(weir_parse(frame.data(), size, size, KEY, &d), WEIR_PARSE_OK);
    return std::string(reinterpret_cast<const char *>(&d.key), offsetof(weir_key, flags));
}

TEST(Rewrite, EveryCopyHasRightChecksums)
{
    for (const Packet &raw : packets) {
        Packet original = raw.with_checksums();
        for (uint32_t n : {1u, 2u, 3u, 255u, 256u, 40503u, 65535u}) {
            Packet copy = original.copy(n);
            EXPECT_NE(copy.frame, original.frame) << raw.name;
            if (raw.checksum != 0) {
                EXPECT_EQ(copy.layer4_sum(), 0xffff) << raw.name << " " << n;
            }
            if (!raw.ipv6()) {
                EXPECT_EQ(sum_of(copy.frame, raw.ip, raw.ip + (copy.frame[raw.ip] & 15u) * 4), 0xffff)
                    << raw.name;
            }
            size_t source = raw.ip + (raw.ipv6() ? 8 : 12);
            EXPECT_EQ(copy.frame[source], original.frame[source]) << "its first byte says what kind it is";
            Packet expected = original; /* nothing else changes */
            size_t addresses = raw.ipv6() ? 32 : 8;
            std::copy_n(&copy.frame[source], addresses, &expected.frame[source]);
            if (!raw.ipv6())
                std::copy_n(&copy.frame[raw.ip + 10], 2, &expected.frame[raw.ip + 10]);
            if (raw.checksum != 0)
                std::copy_n(&copy.frame[raw.checksum], 2, &expected.frame[raw.checksum]);
            EXPECT_EQ(copy.frame, expected.frame) << raw.name;
        }
    }
}

TEST(Rewrite, AWrongChecksumStaysWrong)
{
    for (Packet p : packets) {
        if (p.checksum == 0)
            continue;
        p = p.with_checksums();
        p.frame[p.checksum] ^= 1;
        EXPECT_EQ(p.copy(9).layer4_sum(), p.layer4_sum()) << p.name;
    }
}

TEST(Rewrite, EachCopyIsAFlowOfItsOwnAndHasBothDirections)
{
    Ipv4 back{.source = {192, 168, 7, 9}, .target = {10, 0, 0, 1}};
    Packet there = packets[0], again{"", ethernet(0x800, true) + ipv4(back, udp(53, 1000)), 14, 34, 40};
    Packet there6 = packets[3],
           again6{
               "", ethernet(0x86dd, true) + ipv6({17, address6(2), address6(1)}, udp(53, 1000)), 14, 54, 60};
    std::set<std::string> keys;
    for (uint32_t n = 1; n < WEIR_REWRITE_COPIES_MAX; n += 1 + n / 100) {
        ASSERT_TRUE(keys.insert(key_of(there.copy(n).frame)).second) << n;
        ASSERT_EQ(key_of(there.copy(n).frame), key_of(again.copy(n).frame)) << n;
        ASSERT_TRUE(keys.insert(key_of(there6.copy(n).frame)).second) << n;
        ASSERT_EQ(key_of(there6.copy(n).frame), key_of(again6.copy(n).frame)) << n;
    }
}

TEST(Rewrite, ZeroIsNoChecksumOfUdp)
{
    Packet none = packets[0];
    EXPECT_EQ(none.copy(5).frame[40] | none.copy(5).frame[41], 0) << "there was none, there is none";
    Packet some = packets[0].with_checksums();
    for (uint32_t n = 1; n < WEIR_REWRITE_COPIES_MAX; n++) /* among so many, some sums are 0 */
        ASSERT_NE(some.copy(n).frame[40] | some.copy(n).frame[41], 0) << n;
}

TEST(Rewrite, TheFirstFragmentHasTheChecksumAndTheOthersNone)
{
    Packet whole = packets[0].with_checksums(), first = whole, later = whole;
    first.frame[20] = 0x20; /* more fragments */
    first.frame[16] = 0, first.frame[17] = 20 + 24;
    first.frame.resize(14 + 20 + 24);
    later.frame[21] = 3; /* offset 24 */
    Bytes a = whole.copy(7).frame, b = first.copy(7).frame, c = later.copy(7).frame;
    EXPECT_EQ(Bytes(b.begin() + 26, b.begin() + 58), Bytes(a.begin() + 26, a.begin() + 58))
        << "addresses, checksum, data";
    EXPECT_EQ(Bytes(c.begin() + 26, c.begin() + 34), Bytes(a.begin() + 26, a.begin() + 34));
    EXPECT_EQ(Bytes(c.begin() + 34, c.end()), Bytes(whole.frame.begin() + 34, whole.frame.end()));
}

TEST(Rewrite, WhatIsNotIpOrNotValidOrCutOffStays)
{
    Bytes bad = packets[0].frame;
    bad[14] = 0x44;
    for (const Bytes &frame : {ethernet(0x806) + arp(), bad,
             Bytes(packets[0].frame.begin(), packets[0].frame.begin() + 30), Bytes{1, 2, 3}, Bytes(60, 0)}) {
        auto size = static_cast<uint32_t>(frame.size());
        weir_rewrite r = weir_rewrite_find(frame.data(), size, size < 40 ? 80 : size);
        Bytes copy = frame;
        weir_rewrite_apply(copy.data(), &r, 3);
        EXPECT_EQ(copy, frame);
    }
}

} // namespace
