/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/parse.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;

const uint64_t hash_key[4] = {0x9d3f1c5ab7e80246, 0x51c0ffee12345679, 0xa5a5f00d7b1e5eed, 0x0123456789abcdef};

/* ---- building frames ---- */

Bytes operator+(Bytes a, const Bytes &b)
{
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Bytes be16(unsigned v)
{
    return {(uint8_t)(v >> 8), (uint8_t)v};
}

Bytes ethernet(unsigned type, bool back = false)
{
    Bytes a = {2, 0, 0, 0, 0, 1}, b = {2, 0, 0, 0, 0, 2};
    return (back ? b + a : a + b) + be16(type);
}

Bytes tag(unsigned vlan, unsigned next)
{
    return be16(vlan) + be16(next);
}

struct Ipv4 {
    unsigned protocol = 17;
    Bytes source = {10, 0, 0, 1}, target = {192, 168, 7, 9};
    unsigned version = 4, ihl = 5, fragment = 0;
    int total = -1; /* -1 = as it is */
};

Bytes ipv4(const Ipv4 &h, const Bytes &payload)
{
    size_t options = h.ihl > 5 ? (h.ihl - 5) * 4 : 0;
    unsigned total = h.total < 0 ? (unsigned)(20 + options + payload.size()) : (unsigned)h.total;
    return Bytes{(uint8_t)(h.version << 4 | h.ihl), 0} + be16(total) + be16(1) + be16(h.fragment) +
           Bytes{64, (uint8_t)h.protocol, 0, 0} + h.source + h.target + Bytes(options, 1) + payload;
}

Bytes address6(uint8_t last)
{
    Bytes a(16, 0);
    a[0] = 0x20;
    a[15] = last;
    return a;
}

struct Ipv6 {
    unsigned next = 17;
    Bytes source = address6(1), target = address6(2);
    unsigned version = 6;
    int length = -1;
};

Bytes ipv6(const Ipv6 &h, const Bytes &payload)
{
    unsigned length = h.length < 0 ? (unsigned)payload.size() : (unsigned)h.length;
    return Bytes{(uint8_t)(h.version << 4), 0, 0, 0} + be16(length) + Bytes{(uint8_t)h.next, 64} + h.source +
           h.target + payload;
}

Bytes udp(unsigned source, unsigned target, int length = -1, size_t body = 20)
{
    return be16(source) + be16(target) + be16(length < 0 ? (unsigned)(8 + body) : (unsigned)length) +
           be16(0) + Bytes(body, 0xee);
}

Bytes tcp(unsigned source, unsigned target, unsigned doff = 5, size_t body = 20)
{
    return be16(source) + be16(target) + Bytes(8, 0) + Bytes{(uint8_t)(doff << 4), 0x10} + Bytes(6, 0) +
           Bytes(body, 0xee);
}

Bytes sctp(unsigned source, unsigned target)
{
    return be16(source) + be16(target) + Bytes(28, 0);
}

Bytes extension(unsigned next, unsigned units = 0)
{
    Bytes e(8 + units * 8, 0);
    e[0] = (uint8_t)next;
    e[1] = (uint8_t)units;
    return e;
}

Bytes fragment6(unsigned next, unsigned offset_and_more)
{
    return Bytes{(uint8_t)next, 0} + be16(offset_and_more) + Bytes{0, 0, 0, 1};
}

/* ---- parsing them ---- */

struct Parsed {
    weir_parse_reason reason;
    weir_desc d;
    std::string name() const
    {
        return weir_parse_reason_names[reason];
    }
    unsigned kind() const
    {
        return d.key.vlan_kind >> 12;
    }
    unsigned vlan() const
    {
        return d.key.vlan_kind & 0xfffu;
    }
    bool ported() const
    {
        return d.key.port[0] || d.key.port[1];
    }
};

/* The bytes stand alone on the heap, so that a sanitizer sees any read beyond. Both parsers must agree. */
Parsed parse(const Bytes &frame, size_t captured, uint32_t length)
{
    std::unique_ptr<uint8_t[]> copy(new uint8_t[captured]);
    std::copy_n(frame.begin(), captured, copy.get());
    Parsed slow{}, p{};
    slow.d.key.flags = p.d.key.flags = WEIR_DESC_PLAIN | WEIR_DESC_REVERSED | WEIR_DESC_FRAGMENT;
    slow.reason = weir_parse_slow(copy.get(), (uint32_t)captured, length, hash_key, &slow.d);
    p.reason = weir_parse(copy.get(), (uint32_t)captured, length, hash_key, &p.d);
    EXPECT_EQ(p.reason, slow.reason);
    EXPECT_EQ(p.d.hash, slow.d.hash);
    EXPECT_EQ(memcmp(&p.d.key, &slow.d.key, sizeof p.d.key), 0);
    EXPECT_TRUE(p.d.key.flags & WEIR_DESC_PLAIN);
    if (p.reason) {
        EXPECT_EQ(p.kind(), WEIR_KEY_NONE);
        EXPECT_EQ(p.d.hash, 0u);
    }
    return p;
}

Parsed parse(const Bytes &frame)
{
    return parse(frame, frame.size(), (uint32_t)frame.size());
}

void expect_same_flow(const Parsed &a, const Parsed &b)
{
    EXPECT_EQ(a.reason, WEIR_PARSE_OK);
    EXPECT_EQ(b.reason, WEIR_PARSE_OK);
    EXPECT_EQ(a.d.hash, b.d.hash);
    EXPECT_EQ(memcmp(&a.d.key, &b.d.key, 15), 0);
}

void expect_two_ways(const Parsed &a, const Parsed &b)
{
    expect_same_flow(a, b);
    EXPECT_NE(a.d.key.flags & WEIR_DESC_REVERSED, b.d.key.flags & WEIR_DESC_REVERSED);
}

void expect_different(const Parsed &a, const Parsed &b)
{
    EXPECT_NE(a.d.hash, b.d.hash);
    EXPECT_NE(memcmp(&a.d.key, &b.d.key, 15), 0);
}

/* ---- keys ---- */

TEST(Parse, KeyOfIpv4IsTheTuple)
{
    Parsed p = parse(ethernet(0x0800) + ipv4({}, udp(1000, 53)));
    EXPECT_EQ(p.reason, WEIR_PARSE_OK);
    EXPECT_EQ(p.kind(), WEIR_KEY_IPV4);
    EXPECT_EQ(p.vlan(), 0u);
    EXPECT_EQ(p.d.key.protocol, 17);
    Bytes low = {10, 0, 0, 1}, high = {192, 168, 7, 9}, low_port = be16(1000), high_port = be16(53);
    bool reversed = p.d.key.flags & WEIR_DESC_REVERSED;
    EXPECT_EQ(memcmp(&p.d.key.address[reversed], low.data(), 4), 0);
    EXPECT_EQ(memcmp(&p.d.key.address[!reversed], high.data(), 4), 0);
    EXPECT_EQ(memcmp(&p.d.key.port[reversed], low_port.data(), 2), 0);
    EXPECT_EQ(memcmp(&p.d.key.port[!reversed], high_port.data(), 2), 0);
}

TEST(Parse, BothDirectionsOfAFlowHaveOneKeyAndHash)
{
    std::mt19937 random(3);
    for (int i = 0; i < 2000; i++) {
        unsigned a = random() % 4, b = random() % 4; /* equal ports and addresses are frequent */
        Ipv4 go, back;
        go.source[3] = (uint8_t)(random() % 3);
        go.target = {10, 0, 0, (uint8_t)(random() % 3)};
        back.source = go.target;
        back.target = go.source;
        go.protocol = back.protocol = random() % 2 ? 6 : 17;
        auto body = [&](unsigned s, unsigned t) { return go.protocol == 6 ? tcp(s, t) : udp(s, t); };
        Parsed p = parse(ethernet(0x0800) + ipv4(go, body(a, b)));
        Parsed q = parse(ethernet(0x0800) + ipv4(back, body(b, a)));
        if (a == b && go.source == go.target)
            expect_same_flow(p, q);
        else
            expect_two_ways(p, q);
    }
    for (Bytes target : {address6(1), address6(2), address6(0)}) {
        Ipv6 go, back;
        go.target = back.source = target;
        back.target = go.source;
        expect_two_ways(
            parse(ethernet(0x86dd) + ipv6(go, udp(5, 6))), parse(ethernet(0x86dd) + ipv6(back, udp(6, 5))));
    }
}

TEST(Parse, WhatMakesAnotherFlow)
{
    auto frame = [](Ipv4 h, const Bytes &l4, Bytes link = ethernet(0x0800)) {
        return parse(link + ipv4(h, l4));
    };
    Ipv4 other_source, other_target, as_tcp;
    other_source.source[3]++;
    other_target.target[0]++;
    as_tcp.protocol = 6;
    Parsed p = frame({}, udp(1, 2));
    expect_different(p, frame(other_source, udp(1, 2)));
    expect_different(p, frame(other_target, udp(1, 2)));
    expect_different(p, frame(as_tcp, tcp(1, 2)));
    expect_different(p, frame({}, udp(2, 1)));
    expect_different(p, frame({}, udp(1, 3)));
    expect_different(p, frame({}, udp(1, 2), ethernet(0x8100) + tag(9, 0x0800)));

    auto frame6 = [](Ipv6 h, const Bytes &l4, Bytes link = ethernet(0x86dd)) {
        return parse(link + ipv6(h, l4));
    };
    Parsed p6 = frame6({}, udp(1, 2));
    for (unsigned byte = 0; byte < 16; byte++) {
        Ipv6 h;
        h.source[byte]++;
        expect_different(p6, frame6(h, udp(1, 2)));
        h = {};
        h.target[byte] ^= 0x80;
        expect_different(p6, frame6(h, udp(1, 2)));
    }
    expect_different(p6, frame6({}, udp(2, 1)));
    expect_different(p6, frame6({}, udp(1, 2), ethernet(0x8100) + tag(9, 0x86dd)));
}

TEST(Parse, AnotherKeyGivesAnotherHash)
{
    Bytes f = ethernet(0x0800) + ipv4({}, udp(1, 2));
    uint64_t other[4] = {hash_key[0] + 1, hash_key[1], hash_key[2], hash_key[3]};
    weir_desc a{}, b{};
    weir_parse(f.data(), (uint32_t)f.size(), (uint32_t)f.size(), hash_key, &a);
    weir_parse(f.data(), (uint32_t)f.size(), (uint32_t)f.size(), other, &b);
    EXPECT_NE(a.hash, b.hash);
}

TEST(Parse, HashSpreadsNeighboursOverShardsEvenly)
{
    std::vector<unsigned> shard(256);
    for (unsigned i = 0; i < 25600; i++) {
        Ipv4 h;
        h.source = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};
        shard[parse(ethernet(0x0800) + ipv4(h, udp(1000, 53))).d.hash & 255]++;
    }
    for (unsigned n : shard)
        EXPECT_NEAR(n, 100, 60);
}

/* ---- layers ---- */

TEST(Parse, InnermostTagCountsAndEveryTagTypeIsUnderstood)
{
    Bytes ip = ipv4({}, udp(1, 2));
    Parsed p = parse(ethernet(0x88a8) + tag(100, 0x9100) + tag(200, 0x8100) + tag(0xe000 | 42, 0x0800) + ip);
    EXPECT_EQ(p.reason, WEIR_PARSE_OK);
    EXPECT_EQ(p.vlan(), 42u) << "without priority bits";
    EXPECT_EQ(p.kind(), WEIR_KEY_IPV4);
    expect_same_flow(p, parse(ethernet(0x8100) + tag(42, 0x0800) + ip));
}

TEST(Parse, OptionsAndPaddingDoNotChangeTheFlow)
{
    Ipv4 options;
    options.ihl = 15;
    Parsed p = parse(ethernet(0x0800) + ipv4({}, udp(1, 2)));
    expect_same_flow(p, parse(ethernet(0x0800) + ipv4(options, udp(1, 2))));
    expect_same_flow(p, parse(ethernet(0x0800) + ipv4({}, udp(1, 2)) + Bytes(60, 0xff)));
    expect_same_flow(p, parse(ethernet(0x0800) + ipv4({}, udp(1, 2, 8, 0)) + Bytes(18, 0xff)));
    Parsed p6 = parse(ethernet(0x86dd) + ipv6({}, udp(1, 2)));
    expect_same_flow(p6, parse(ethernet(0x86dd) + ipv6({}, udp(1, 2)) + Bytes(60, 0xff)));
}

TEST(Parse, ExtensionsDoNotChangeTheFlow)
{
    Parsed p = parse(ethernet(0x86dd) + ipv6({}, udp(1, 2)));
    Bytes chain = extension(60, 2) + extension(43) + extension(51, 1) + Bytes{135, 2} + Bytes(14, 0) /* AH */
                  + extension(139) + extension(140) + extension(17);
    Ipv6 h;
    h.next = 0;
    expect_same_flow(p, parse(ethernet(0x86dd) + ipv6(h, chain + udp(1, 2))));
    h.next = 44;
    expect_same_flow(p, parse(ethernet(0x86dd) + ipv6(h, fragment6(17, 0) + udp(1, 2))));
}

TEST(Parse, FragmentsOfAPacketShareAKeyWithoutPorts)
{
    Ipv4 first, last;
    first.fragment = 0x2000;
    last.fragment = 100;
    Parsed p = parse(ethernet(0x0800) + ipv4(first, udp(1, 2))),
           q = parse(ethernet(0x0800) + ipv4(last, {1, 2, 3}));
    expect_same_flow(p, q);
    EXPECT_FALSE(p.ported());
    EXPECT_TRUE(p.d.key.flags & WEIR_DESC_FRAGMENT);
    EXPECT_TRUE(q.d.key.flags & WEIR_DESC_FRAGMENT);

    Ipv4 dont_fragment;
    dont_fragment.fragment = 0x4000;
    p = parse(ethernet(0x0800) + ipv4(dont_fragment, udp(1, 2)));
    EXPECT_TRUE(p.ported());
    EXPECT_FALSE(p.d.key.flags & WEIR_DESC_FRAGMENT);

    Ipv6 h;
    h.next = 44;
    p = parse(ethernet(0x86dd) + ipv6(h, fragment6(17, 1) + udp(1, 2)));
    q = parse(ethernet(0x86dd) + ipv6(h, fragment6(17, 8) + Bytes{0}));
    expect_same_flow(p, q);
    EXPECT_TRUE(p.d.key.flags & WEIR_DESC_FRAGMENT);
    expect_different(p, parse(ethernet(0x86dd) + ipv6({}, udp(1, 2))));
}

TEST(Parse, ProtocolsWithoutPortsAreFlowsOfTheirAddresses)
{
    for (unsigned protocol : {1u, 2u, 47u, 50u, 51u, 89u, 255u, 0u}) {
        Ipv4 h;
        h.protocol = protocol;
        Parsed p = parse(ethernet(0x0800) + ipv4(h, Bytes(30, 7)));
        EXPECT_EQ(p.reason, WEIR_PARSE_OK) << protocol;
        EXPECT_EQ(p.d.key.protocol, protocol);
        EXPECT_FALSE(p.ported());
    }
    Ipv4 h;
    h.protocol = 132;
    EXPECT_TRUE(parse(ethernet(0x0800) + ipv4(h, sctp(7, 8))).ported());
}

TEST(Parse, NotIpIsOneFlowPerStationsAndEtherType)
{
    Parsed p = parse(ethernet(0x0806) + Bytes(46, 1)), back = parse(ethernet(0x0806, true) + Bytes(46, 2));
    EXPECT_EQ(p.kind(), WEIR_KEY_L2);
    EXPECT_FALSE(weir_parse_is_ip(p.reason, &p.d.key));
    expect_two_ways(p, back);
    expect_different(p, parse(ethernet(0x88cc) + Bytes(46, 1)));
    expect_different(p, parse(ethernet(0x8100) + tag(3, 0x0806) + Bytes(46, 1)));
    EXPECT_EQ(parse(ethernet(38) + Bytes(46, 1)).kind(), WEIR_KEY_L2) << "802.3 length";
}

TEST(Parse, PacketsLongerThanTheirLengthFieldAreLegal)
{
    Ipv4 h;
    h.total = 0;
    Bytes big = ethernet(0x0800) + ipv4(h, udp(1, 2, 0, 70000)),
          small = ethernet(0x0800) + ipv4(h, udp(1, 2));
    EXPECT_EQ(parse(big).name(), "ok");
    EXPECT_EQ(parse(small).name(), "total_length_short");

    Ipv6 h6;
    h6.length = 0;
    EXPECT_EQ(parse(ethernet(0x86dd) + ipv6(h6, udp(1, 2, 0, 70000))).name(), "ok");
    h6.next = 0;
    EXPECT_EQ(parse(ethernet(0x86dd) + ipv6(h6, extension(6) + tcp(1, 2, 5, 70000))).name(), "ok");
    h6.next = 59;
    EXPECT_EQ(parse(ethernet(0x86dd) + ipv6(h6, {})).name(), "ok");
}

TEST(Parse, LengthsAreJudgedByTheWireAndBytesByTheCapture)
{
    Bytes f = ethernet(0x0800) + ipv4({}, udp(1, 2, -1, 1400));
    expect_same_flow(parse(f), parse(f, 64, (uint32_t)f.size()));
    expect_same_flow(parse(f), parse(f, 42, (uint32_t)f.size()));
    EXPECT_EQ(parse(f, 41, (uint32_t)f.size()).name(), "header_beyond_capture");
    EXPECT_EQ(parse(f, 33, (uint32_t)f.size()).name(), "header_beyond_capture");
    EXPECT_EQ(parse(f, 13, (uint32_t)f.size()).name(), "link_beyond_capture");
    EXPECT_EQ(parse(f, 64, (uint32_t)f.size() - 1).name(), "total_length_beyond_frame");
    EXPECT_EQ(parse(f, f.size(), 100).name(), "total_length_beyond_frame")
        << "captured more than was on the wire";
    EXPECT_EQ(parse(f, f.size(), 10).name(), "frame_short");
}

/* ---- reasons ---- */

TEST(Parse, EveryReasonHasAFrame)
{
    auto v4 = [](Ipv4 h, const Bytes &l4) { return ethernet(0x0800) + ipv4(h, l4); };
    auto v6 = [](Ipv6 h, const Bytes &l4) { return ethernet(0x86dd) + ipv6(h, l4); };
    auto with = [](auto h, auto member, auto value) {
        h.*member = value;
        return h;
    };
    Ipv4 as_tcp = with(Ipv4{}, &Ipv4::protocol, 6u), as_sctp = with(Ipv4{}, &Ipv4::protocol, 132u);
    Bytes four_tags = ethernet(0x8100) + tag(1, 0x8100) + tag(2, 0x8100) + tag(3, 0x8100);
    Bytes nine;
    for (int i = 0; i < 9; i++)
        nine = nine + extension(i < 8 ? 60 : 17);
    Ipv6 options = with(Ipv6{}, &Ipv6::next, 60u);

    struct Row {
        const char *reason;
        Bytes frame;
        size_t captured; /* 0 = all */
    } rows[] = {
        {"frame_short", Bytes(13, 0), 0},
        {"frame_short", {}, 0},
        {"vlan_header_short", ethernet(0x8100) + Bytes{0, 1, 8}, 0},
        {"vlan_too_deep", four_tags + tag(4, 0x8100) + tag(5, 0x0800) + ipv4({}, udp(1, 2)), 0},
        {"ok", four_tags + tag(4, 0x0800) + ipv4({}, udp(1, 2)), 0},
        {"link_beyond_capture", four_tags + tag(4, 0x0800) + ipv4({}, udp(1, 2)), 29},
        {"ip_version", v4(with(Ipv4{}, &Ipv4::version, 6u), udp(1, 2)), 0},
        {"ip_version", v6(with(Ipv6{}, &Ipv6::version, 4u), udp(1, 2)), 0},
        {"header_beyond_capture", v6(options, extension(17) + udp(1, 2)), 56},
        {"ipv4_header_short", ethernet(0x0800) + Bytes(19, 0x45), 0},
        {"ihl_short", v4(with(Ipv4{}, &Ipv4::ihl, 4u), udp(1, 2)), 0},
        {"ihl_beyond_frame", ethernet(0x0800) + Bytes{0x4f} + Bytes(30, 0), 0},
        {"total_length_short", v4(with(Ipv4{}, &Ipv4::total, 19), udp(1, 2)), 0},
        {"total_length_beyond_frame", v4(with(Ipv4{}, &Ipv4::total, 49), udp(1, 2)), 0},
        {"ok", v4(with(Ipv4{}, &Ipv4::total, 48), udp(1, 2)), 0},
        {"ipv6_header_short", ethernet(0x86dd) + Bytes(39, 0x60), 0},
        {"payload_length_beyond_frame", v6(with(Ipv6{}, &Ipv6::length, 29), udp(1, 2)), 0},
        {"ext_header_short", v6(options, Bytes(7, 0)), 0},
        {"ext_header_short", v6(options, Bytes{17, 9} + Bytes(60, 0)), 0},
        {"ext_chain_too_long", v6(options, nine + udp(1, 2)), 0},
        {"tcp_header_short", v4(as_tcp, Bytes(19, 0x50)), 0},
        {"doff_lies", v4(as_tcp, tcp(1, 2, 4)), 0},
        {"doff_lies", v4(as_tcp, tcp(1, 2, 11)), 0},
        {"ok", v4(as_tcp, tcp(1, 2, 10)), 0},
        {"udp_header_short", v4({}, Bytes(7, 0)), 0},
        {"udp_header_short", v4({}, Bytes(7, 0)) + Bytes(30, 0), 0}, /* padding is no header */
        {"udp_length_short", v4({}, udp(1, 2, 7)), 0},
        {"udp_length_short", v4({}, udp(1, 2, 0)), 0},
        {"udp_length_beyond_packet", v4({}, udp(1, 2, 29)) + Bytes(30, 0), 0},
        {"ok", v4({}, udp(1, 2, 27)), 0},
        {"sctp_header_short", v4(as_sctp, Bytes(11, 0)), 0},
    };
    std::vector<bool> seen(WEIR_PARSE_REASONS_END);
    for (const Row &row : rows) {
        Parsed p =
            parse(row.frame, row.captured ? row.captured : row.frame.size(), (uint32_t)row.frame.size());
        EXPECT_EQ(p.name(), row.reason);
        seen[p.reason] = true;
        bool link = p.reason && p.reason < WEIR_PARSE_IP_VERSION;
        EXPECT_EQ(weir_parse_is_ip(p.reason, &p.d.key), !link) << row.reason;
    }
    for (unsigned reason = 0; reason < WEIR_PARSE_REASONS_END; reason++)
        EXPECT_TRUE(seen[reason]) << weir_parse_reason_names[reason] << " has no frame here";
}

/* ---- damage ---- */

TEST(Parse, CutAndDamagedFramesAreNeverReadBeyondTheirEnd)
{
    Ipv6 options;
    options.next = 0;
    Ipv4 as_tcp;
    as_tcp.protocol = 6;
    const struct {
        Bytes frame;
        size_t headers; /* what must be in hand */
    } seeds[] = {
        {ethernet(0x0800) + ipv4({}, udp(1, 2)), 14 + 20 + 8},
        {ethernet(0x0800) + ipv4(as_tcp, tcp(1, 2)), 14 + 20 + 20},
        {ethernet(0x88a8) + tag(1, 0x8100) + tag(2, 0x0800) + ipv4(as_tcp, tcp(1, 2)), 14 + 8 + 20 + 20},
        {ethernet(0x86dd) +
                ipv6(options, extension(44) + fragment6(51, 0) + Bytes{132, 1} + Bytes(10, 0) + sctp(1, 2)),
            14 + 40 + 8 + 8 + 12 + 12},
    };
    std::mt19937 random(11);
    unsigned valid = 0, invalid = 0;
    for (const auto &[seed, headers] : seeds) {
        for (size_t captured = 0; captured <= seed.size(); captured++) {
            parse(seed, captured, (uint32_t)captured);
            auto reason = parse(seed, captured, (uint32_t)seed.size()).reason;
            EXPECT_EQ(reason == WEIR_PARSE_OK, captured >= headers) << captured;
            EXPECT_TRUE(reason == WEIR_PARSE_OK || reason == WEIR_PARSE_LINK_BEYOND_CAPTURE ||
                        reason == WEIR_PARSE_HEADER_BEYOND_CAPTURE)
                << captured;
        }
        for (int i = 0; i < 20000; i++) {
            Bytes f = seed;
            for (unsigned n = 1 + random() % 3; n; n--)
                f[12 + random() % (f.size() - 12)] = (uint8_t)random();
            bool ok = parse(f, random() % (f.size() + 1), (uint32_t)f.size()).reason == WEIR_PARSE_OK;
            (ok ? valid : invalid)++;
        }
    }
    EXPECT_GT(valid, 1000u);
    EXPECT_GT(invalid, 1000u);
}

} // namespace
