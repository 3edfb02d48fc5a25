/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/frames.h"
#include "tests/dataplane/parser.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

const uint64_t hash_key[4] = {0x9d3f1c5ab7e80246, 0x51c0ffee12345679, 0xa5a5f00d7b1e5eed, 0x0123456789abcdef};

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
    slow.reason = weir_parse_slow(copy.get(), (uint32_t)captured, length, hash_key, false, nullptr, &slow.d);
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
    Parsed p = parse(ethernet(0x0800) + ipv4(first, udp(1, 2, -1, 24))),
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
    p = parse(ethernet(0x86dd) + ipv6(h, fragment6(17, 1) + udp(1, 2, -1, 24)));
    q = parse(ethernet(0x86dd) + ipv6(h, fragment6(17, 8) + Bytes{0}));
    expect_same_flow(p, q);
    EXPECT_TRUE(p.d.key.flags & WEIR_DESC_FRAGMENT);
    expect_different(p, parse(ethernet(0x86dd) + ipv6({}, udp(1, 2))));
}

TEST(Parse, WhereLayer4IsAndWhatCanBeVerified)
{
    Ipv4 whole, first, later;
    first.fragment = 0x2000;
    later.fragment = 100;
    Ipv6 h;
    h.next = 44;
    const struct {
        const char *name;
        Bytes frame;
        uint32_t offset, end, header, addresses, address_bytes;
    } cases[] = {{"IPv4", ethernet(0x0800) + ipv4(whole, udp(1, 2)), 34, 62, 34, 26, 4},
        {"IPv4, first", ethernet(0x0800) + ipv4(first, udp(1, 2, -1, 24)), 0, 0, 34, 26, 4},
        {"IPv4, later", ethernet(0x0800) + ipv4(later, {1, 2, 3}), 0, 0, 0, 26, 4},
        {"IPv6", ethernet(0x86dd) + ipv6({}, udp(1, 2)), 54, 82, 54, 22, 16},
        {"IPv6, first", ethernet(0x86dd) + ipv6(h, fragment6(17, 1) + udp(1, 2, -1, 24)), 0, 0, 62, 22, 16},
        {"IPv6, later", ethernet(0x86dd) + ipv6(h, fragment6(17, 8) + Bytes{0}), 0, 0, 0, 22, 16},
        {"not IP", ethernet(0x88cc) + Bytes(46, 0), 0, 0, 0, 0, 0}};
    for (const auto &c : cases)
        for (bool inner : {false, true}) {
            weir_parse_layer4 l = {};
            weir_desc d = {};
            uint32_t n = (uint32_t)c.frame.size();
            EXPECT_EQ(weir_parse_slow(c.frame.data(), n, n, hash_key, inner, &l, &d), WEIR_PARSE_OK)
                << c.name;
            EXPECT_EQ(l.offset, c.offset) << c.name;
            EXPECT_EQ(l.end, c.end) << c.name;
            EXPECT_EQ(l.header, c.header) << c.name;
            EXPECT_EQ(l.addresses, c.addresses) << c.name;
            EXPECT_EQ(l.address_bytes, c.address_bytes) << c.name;
        }
}

TEST(Parse, ProtocolsWithoutPortsAreFlowsOfTheirAddresses)
{
    for (unsigned protocol : {1u, 2u, 47u, 50u, 51u, 89u, 255u, 0u}) {
        Ipv4 h;
        h.protocol = protocol;
        Parsed p = parse(ethernet(0x0800) + ipv4(h, Bytes(36, 7)));
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

TEST(Parse, IpIsFoundBehindPppoeAndMpls)
{
    Bytes ip = ipv4({}, udp(1, 2)), ip6 = ipv6({}, udp(1, 2));
    Parsed p = parse(ethernet(0x0800) + ip), p6 = parse(ethernet(0x86dd) + ip6);
    expect_same_flow(p, parse(ethernet(0x8864) + pppoe(0x0021, ip) + Bytes(10, 0)));
    expect_same_flow(p6, parse(ethernet(0x8864) + pppoe(0x0057, ip6)));
    for (unsigned type : {0x8847u, 0x8848u}) {
        expect_same_flow(p, parse(ethernet(type) + label(99, true) + ip));
        expect_same_flow(p6, parse(ethernet(type) + label(99, false) + label(3, true) + ip6));
    }
    Parsed tagged = parse(ethernet(0x8100) + tag(9, 0x0800) + ip);
    expect_same_flow(tagged, parse(ethernet(0x8100) + tag(9, 0x8864) + pppoe(0x0021, ip)));
    expect_same_flow(tagged, parse(ethernet(0x8100) + tag(9, 0x8847) + label(1, true) + ip));
}

TEST(Parse, WhatElseTheyCarryIsLayer2)
{
    Bytes lie = ipv4({}, udp(1, 2, 7));
    for (const Bytes &frame : {ethernet(0x8864) + pppoe(0xc021, Bytes(20, 1)),
             ethernet(0x8863) + pppoe(0, Bytes(20, 1)), ethernet(0x8847) + label(1, true),
             ethernet(0x8847) + label(1, true) + Bytes(4, 0) + ethernet(0x0800) + ipv4({}, udp(1, 2)),
             ethernet(0x8847) + label(1, true) + Bytes(30, 0x60), ethernet(0x8847) + label(1, true) + lie,
             ethernet(0x0806) + arp(), ethernet(0x6558) + ethernet(0x0800) + ipv4({}, udp(1, 2))}) {
        Parsed p = parse(frame);
        EXPECT_EQ(p.name(), "ok");
        EXPECT_EQ(p.kind(), WEIR_KEY_L2);
    }
}

/* ---- tunnels ---- */

Parsed parse_inner(const Bytes &frame, size_t captured)
{
    std::unique_ptr<uint8_t[]> copy(new uint8_t[captured]);
    std::copy_n(frame.begin(), captured, copy.get());
    Parsed p{};
    p.d.key.flags = WEIR_DESC_PLAIN;
    p.reason = weir_parse_slow(
        copy.get(), (uint32_t)captured, (uint32_t)frame.size(), hash_key, true, nullptr, &p.d);
    EXPECT_TRUE(p.d.key.flags & WEIR_DESC_PLAIN);
    return p;
}

/* The start of a frame, and what is between it and the packet inside. */
struct Tunnel {
    const char *name;
    unsigned protocol;
    Bytes header;
    bool udp;
    unsigned target;
    bool bridged;
};

Bytes tunnelled(const Tunnel &t, const Bytes &packet)
{
    Ipv4 h;
    h.protocol = t.protocol;
    Bytes inside = t.header + (t.bridged ? ethernet(0x8100) + tag(0, 0x0800) : Bytes{}) + packet;
    return ethernet(0x0800) + ipv4(h, t.udp ? in_udp(t.target, inside) : inside);
}

const Tunnel tunnels[] = {
    {"IP in IP", 4, {}, false, 0, false},
    {"GRE", 47, gre(0, 0x0800), false, 0, false},
    {"GRE with a checksum, a key and a number", 47, gre(0xb000, 0x0800, 3), false, 0, false},
    {"GRE with a key", 47, gre(0x2000, 0x0800, 1), false, 0, false},
    {"GRE of Ethernet", 47, gre(0, 0x6558), false, 0, true},
    {"GRE of MPLS", 47, gre(0, 0x8847) + label(7, true), false, 0, false},
    {"VXLAN", 17, vxlan(), true, 4789, true},
    {"GENEVE", 17, geneve(0x6558), true, 6081, true},
    {"GENEVE with options", 17, geneve(0x6558, 5), true, 6081, true},
    {"GENEVE of IP", 17, geneve(0x0800, 1), true, 6081, false},
    {"GTP-U", 17, gtpu(0x30), true, 2152, false},
    {"GTP-U with a number", 17, gtpu(0x32, {0, 1, 0, 0x85}), true, 2152, false},
    {"GTP-U with extensions", 17, gtpu(0x34, {0, 0, 0, 0x85, 1, 9, 9, 0xc0, 2, 0, 0, 0, 0, 0, 0, 0}), true,
        2152, false},
};

TEST(Parse, KeyOfATunnelIsTheOuterOrTheInnerFlow)
{
    Ipv4 h;
    h.source = {172, 16, 0, 1};
    Bytes packet = ipv4(h, udp(1000, 53));
    Parsed inner = parse(ethernet(0x0800) + packet);
    for (const Tunnel &t : tunnels) {
        SCOPED_TRACE(t.name);
        Bytes frame = tunnelled(t, packet);
        Parsed outer = parse(frame);
        EXPECT_EQ(outer.d.key.protocol, t.protocol);
        expect_same_flow(parse_inner(frame, frame.size()), inner);
        expect_different(outer, inner);
        /* Not understood, or cut: outer. No byte beyond is read. */
        size_t header = frame.size() - packet.size(), least = 14 + 20 + (t.udp ? 8 : 0);
        for (size_t captured = least; captured < header + 28; captured++)
            expect_same_flow(parse_inner(frame, captured), outer);
        expect_same_flow(parse_inner(frame, header + 28), inner);
        expect_same_flow(
            parse_inner(tunnelled(t, Bytes(20, 0x55)), tunnelled(t, Bytes(20, 0x55)).size()), outer);
    }
    Ipv6 h6;
    h6.next = 41;
    Bytes six = ipv6({}, udp(1, 2)), frame = ethernet(0x86dd) + ipv6(h6, six);
    expect_same_flow(parse_inner(frame, frame.size()), parse(ethernet(0x86dd) + six));
}

TEST(Parse, EndpointsOfIpv6AreThoseThatTheKeyWasMadeOf)
{
    Ipv6 h, back, icmp, tunnel;
    std::swap(back.source, back.target);
    icmp.next = 58;
    tunnel.next = 41;
    tunnel.source = address6(9);
    Ipv6 options = h, fragment = h;
    options.next = 60;
    fragment.next = 44;
    struct {
        Bytes frame;
        bool inner;
        Ipv6 ip;
        unsigned port[2];
    } cases[] = {
        {ethernet(0x86dd) + ipv6(h, udp(1000, 53)), false, h, {1000, 53}},
        {ethernet(0x86dd) + ipv6(back, udp(53, 1000)), false, back, {53, 1000}},
        {ethernet(0x8100) + tag(5, 0x86dd) + ipv6(h, udp(7, 8)), true, h, {7, 8}},
        {ethernet(0x86dd) + ipv6(icmp, Bytes(8, 1)), false, icmp, {0, 0}},
        {ethernet(0x86dd) + ipv6(options, extension(17) + udp(9, 10)), false, options, {9, 10}},
        {ethernet(0x86dd) + ipv6(fragment, fragment6(17, 1) + udp(9, 10, 100, 24)), false, fragment, {0, 0}},
        {ethernet(0x86dd) + ipv6(tunnel, ipv6(back, udp(53, 1000))), true, back, {53, 1000}},
        {ethernet(0x86dd) + ipv6(tunnel, ipv6(back, udp(53, 1000))), false, tunnel, {0, 0}},
    };
    for (const auto &c : cases) {
        weir_desc d{};
        weir_endpoints e;
        uint32_t n = (uint32_t)c.frame.size();
        ASSERT_EQ(weir_parse_slow(c.frame.data(), n, n, hash_key, c.inner, nullptr, &d), WEIR_PARSE_OK);
        ASSERT_TRUE(weir_parse_endpoints(c.frame.data(), n, n, hash_key, &d.key, &e));
        unsigned source = d.key.flags & WEIR_DESC_REVERSED ? 1 : 0;
        EXPECT_EQ(memcmp(e.address[source], c.ip.source.data(), 16), 0);
        EXPECT_EQ(memcmp(e.address[!source], c.ip.target.data(), 16), 0);
        for (unsigned i = 0; i < 2; i++)
            EXPECT_EQ(e.port[i ^ source], __builtin_bswap16((uint16_t)c.port[i]));
        d.key.address[0] ^= 1;
        EXPECT_FALSE(weir_parse_endpoints(c.frame.data(), n, n, hash_key, &d.key, &e)) << "another flow's";
    }
}

TEST(Parse, WhatIsNoTunnelHasItsOwnFlow)
{
    Bytes packet = ipv4({}, udp(1000, 53));
    const Tunnel none[] = {
        {"GRE with routing", 47, gre(0x4000, 0x0800), false, 0, false},
        {"GRE version 1", 47, gre(1, 0x0800), false, 0, false},
        {"GRE of something", 47, gre(0, 0x88cc), false, 0, false},
        {"VXLAN without a network", 17, vxlan(0), true, 4789, true},
        {"GENEVE version 1", 17, geneve(0x0800, 0, 1), true, 6081, false},
        {"GTP-U version 0", 17, gtpu(0x10), true, 2152, false},
        {"GTP-U echo", 17, gtpu(0x30, {}, 1), true, 2152, false},
        {"GTP-U with an extension of no length", 17, gtpu(0x34, {0, 0, 0, 0x85, 0, 0, 0, 0}), true, 2152,
            false},
        {"another port", 17, vxlan(), true, 4790, true},
        {"another protocol", 99, {}, false, 0, false},
    };
    for (const Tunnel &t : none) {
        SCOPED_TRACE(t.name);
        Bytes frame = tunnelled(t, packet);
        expect_same_flow(parse_inner(frame, frame.size()), parse(frame));
    }
    /* One deep. */
    Bytes deep = tunnelled(tunnels[0], packet),
          once = tunnelled(tunnels[0], Bytes(deep.begin() + 14, deep.end()));
    expect_same_flow(parse_inner(once, once.size()), parse(deep));
    /* The first fragment of a tunnel's packet is no tunnel. */
    Ipv4 h;
    h.protocol = 4;
    h.fragment = 0x2000;
    Bytes first = ethernet(0x0800) + ipv4(h, ipv4({}, udp(1, 2)));
    expect_same_flow(parse_inner(first, first.size()), parse(first));
}

/* ---- reasons ---- */

TEST(Parse, EveryReasonHasAFrame)
{
    std::vector<bool> seen(WEIR_PARSE_REASONS_END);
    for (const ReasonRow &row : reason_rows()) {
        Parsed p =
            parse(row.frame, row.captured ? row.captured : row.frame.size(), (uint32_t)row.frame.size());
        EXPECT_EQ(p.name(), row.reason);
        seen[p.reason] = true;
        bool link = p.reason && p.reason < WEIR_PARSE_IP_VERSION;
        EXPECT_TRUE(!p.reason || weir_parse_is_ip(p.reason, &p.d.key) == !link) << row.reason;
    }
    /* The two of checksums are validate's, see stages_test.cc. */
    for (unsigned reason = 0; reason < WEIR_PARSE_IP_CHECKSUM_BAD; reason++)
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
    std::vector<Bytes> more;
    for (const ReasonRow &row : reason_rows())
        more.push_back(row.frame);
    for (const Tunnel &tunnel : tunnels)
        more.push_back(tunnelled(tunnel, ipv6({}, udp(1, 2))));
    for (const Bytes &seed : more) {
        for (int i = 0; i < 500 && seed.size() > 12; i++) {
            Bytes f = seed;
            for (unsigned n = random() % 4; n; n--)
                f[12 + random() % (f.size() - 12)] = (uint8_t)random();
            size_t captured = random() % (f.size() + 1);
            auto outer = parse(f, captured, (uint32_t)f.size()).reason;
            EXPECT_EQ(parse_inner(f, captured).reason, outer) << "the inner packet is not judged";
        }
    }
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
