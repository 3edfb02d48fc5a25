/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames built layer by layer, and one at least for every reason to be invalid. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using Bytes = std::vector<uint8_t>;

inline Bytes operator+(Bytes a, const Bytes &b)
{
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

inline Bytes be16(unsigned v)
{
    return {(uint8_t)(v >> 8), (uint8_t)v};
}

inline Bytes ethernet(unsigned type, bool back = false)
{
    Bytes a = {2, 0, 0, 0, 0, 1}, b = {2, 0, 0, 0, 0, 2};
    return (back ? b + a : a + b) + be16(type);
}

inline Bytes tag(unsigned vlan, unsigned next)
{
    return be16(vlan) + be16(next);
}

struct Ipv4 {
    unsigned protocol = 17;
    Bytes source = {10, 0, 0, 1}, target = {192, 168, 7, 9};
    unsigned version = 4, ihl = 5, fragment = 0;
    int total = -1; /* -1 = as it is */
};

inline Bytes ipv4(const Ipv4 &h, const Bytes &payload)
{
    size_t options = h.ihl > 5 ? (h.ihl - 5) * 4 : 0;
    unsigned total = h.total < 0 ? (unsigned)(20 + options + payload.size()) : (unsigned)h.total;
    return Bytes{(uint8_t)(h.version << 4 | h.ihl), 0} + be16(total) + be16(1) + be16(h.fragment) +
           Bytes{64, (uint8_t)h.protocol, 0, 0} + h.source + h.target + Bytes(options, 1) + payload;
}

inline Bytes address6(uint8_t last)
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

inline Bytes ipv6(const Ipv6 &h, const Bytes &payload)
{
    unsigned length = h.length < 0 ? (unsigned)payload.size() : (unsigned)h.length;
    return Bytes{(uint8_t)(h.version << 4), 0, 0, 0} + be16(length) + Bytes{(uint8_t)h.next, 64} + h.source +
           h.target + payload;
}

inline Bytes udp(unsigned source, unsigned target, int length = -1, size_t body = 20)
{
    return be16(source) + be16(target) + be16(length < 0 ? (unsigned)(8 + body) : (unsigned)length) +
           be16(0) + Bytes(body, 0xee);
}

inline Bytes tcp(unsigned source, unsigned target, unsigned doff = 5, size_t body = 20)
{
    return be16(source) + be16(target) + Bytes(8, 0) + Bytes{(uint8_t)(doff << 4), 0x10} + Bytes(6, 0) +
           Bytes(body, 0xee);
}

inline Bytes sctp(unsigned source, unsigned target)
{
    return be16(source) + be16(target) + Bytes(28, 0);
}

inline Bytes extension(unsigned next, unsigned units = 0)
{
    Bytes e(8 + units * 8, 0);
    e[0] = (uint8_t)next;
    e[1] = (uint8_t)units;
    return e;
}

inline Bytes fragment6(unsigned next, unsigned offset_and_more)
{
    return Bytes{(uint8_t)next, 0} + be16(offset_and_more) + Bytes{0, 0, 0, 1};
}

inline Bytes label(unsigned value, bool bottom)
{
    return Bytes{(uint8_t)(value >> 12), (uint8_t)(value >> 4), (uint8_t)(value << 4 | bottom), 64};
}

/* length: -1 = as it is. */
inline Bytes pppoe(unsigned protocol, const Bytes &payload, int length = -1, uint8_t version = 0x11)
{
    return Bytes{version, 0, 0, 7} + be16(length < 0 ? (unsigned)payload.size() + 2 : (unsigned)length) +
           be16(protocol) + payload;
}

inline Bytes arp(uint8_t hardware = 6, uint8_t protocol = 4)
{
    return be16(1) + be16(0x0800) + Bytes{hardware, protocol} + be16(1) +
           Bytes(2u * (hardware + protocol), 9);
}

inline Bytes gre(unsigned flags, unsigned type, size_t fields = 0)
{
    return be16(flags) + be16(type) + Bytes(fields * 4, 0x5a);
}

/* The rest of UDP behind its ports. */
inline Bytes in_udp(unsigned target, const Bytes &payload)
{
    return be16(40000) + be16(target) + be16((unsigned)(8 + payload.size())) + be16(0) + payload;
}

inline Bytes vxlan(uint8_t flags = 8)
{
    return Bytes{flags, 0, 0, 0, 0, 0, 42, 0};
}

inline Bytes geneve(unsigned type, unsigned option_words = 0, unsigned version = 0)
{
    return Bytes{(uint8_t)(version << 6 | option_words), 0} + be16(type) + Bytes{0, 0, 42, 0} +
           Bytes(option_words * 4, 0);
}

/* extensions: each whole, with its length in front and the next one's type at its end. */
inline Bytes gtpu(uint8_t flags, const Bytes &optional = {}, uint8_t message = 255)
{
    return Bytes{flags, message, 0, 0, 0, 0, 0, 1} + optional;
}

struct ReasonRow {
    std::string reason;
    Bytes frame;
    size_t captured; /* 0 = all */
};

inline std::vector<ReasonRow> reason_rows()
{
    auto v4 = [](Ipv4 h, const Bytes &l4) { return ethernet(0x0800) + ipv4(h, l4); };
    auto v6 = [](Ipv6 h, const Bytes &l4) { return ethernet(0x86dd) + ipv6(h, l4); };
    auto with = [](auto h, auto member, auto value) {
        h.*member = value;
        return h;
    };
    auto protocol = [&](unsigned number) { return with(Ipv4{}, &Ipv4::protocol, number); };
    auto fragment = [&](unsigned field) { return with(Ipv4{}, &Ipv4::fragment, field); };
    auto next = [&](unsigned number) { return with(Ipv6{}, &Ipv6::next, number); };
    /* An IPv4 header whose options are these. */
    auto options4 = [&](const Bytes &options) {
        Bytes f = v4(with(Ipv4{}, &Ipv4::ihl, 5 + (unsigned)(options.size() + 3) / 4), udp(1, 2));
        std::copy(options.begin(), options.end(), f.begin() + 34);
        return f;
    };
    Bytes four_tags = ethernet(0x8100) + tag(1, 0x8100) + tag(2, 0x8100) + tag(3, 0x8100);
    Bytes nine, labels;
    for (int i = 0; i < 9; i++)
        nine = nine + extension(i < 8 ? 60 : 17);
    for (int i = 0; i < 8; i++)
        labels = labels + label(100, false);
    Bytes session = ethernet(0x8864), stack = ethernet(0x8847), ip = ipv4({}, udp(1, 2));

    return {
        {"frame_short", Bytes(13, 0), 0},
        {"frame_short", {}, 0},
        {"vlan_header_short", ethernet(0x8100) + Bytes{0, 1, 8}, 0},
        {"vlan_too_deep", four_tags + tag(4, 0x8100) + tag(5, 0x0800) + ip, 0},
        {"ok", four_tags + tag(4, 0x0800) + ip, 0},
        {"link_beyond_capture", four_tags + tag(4, 0x0800) + ip, 29},
        {"link_beyond_capture", stack + label(1, true) + ip, 17},
        {"link_beyond_capture", stack + label(1, true) + ip, 18},
        {"link_beyond_capture", session + pppoe(0x0021, ip), 19},
        {"link_beyond_capture", session + pppoe(0x0021, ip), 21},
        {"link_beyond_capture", ethernet(0x0806) + arp(), 21},
        {"mpls_header_short", stack + label(1, false) + Bytes(3, 0), 0},
        {"mpls_too_deep", stack + labels + label(1, true) + ip, 0},
        {"ok", stack + Bytes(labels.begin() + 4, labels.end()) + label(1, true) + ip, 0},
        {"pppoe_header_short", session + Bytes{0x11, 0, 0, 1, 0}, 0},
        {"pppoe_header_short", ethernet(0x8863) + Bytes{0x11, 9}, 0},
        {"pppoe_version", session + pppoe(0x0021, ip, -1, 0x12), 0},
        {"pppoe_length_short", session + pppoe(0x0021, ip, 1), 0},
        {"pppoe_length_beyond_frame", session + pppoe(0x0021, ip, (int)ip.size() + 3), 0},
        {"arp_header_short", ethernet(0x0806) + Bytes(7, 0), 0},
        {"arp_address_length", ethernet(0x0806) + arp(7), 0},
        {"arp_address_length", ethernet(0x0806) + arp(6, 16), 0},
        {"arp_addresses_beyond_frame", ethernet(0x0806) + Bytes{0, 6, 8, 0, 8, 4, 0, 1} + Bytes(23, 0), 0},
        {"ok", ethernet(0x0806) + Bytes{0, 6, 8, 0, 8, 4, 0, 1} + Bytes(24, 0), 0},
        {"ip_version", v4(with(Ipv4{}, &Ipv4::version, 6u), udp(1, 2)), 0},
        {"ip_version", v6(with(Ipv6{}, &Ipv6::version, 4u), udp(1, 2)), 0},
        {"ip_version", session + pppoe(0x0057, ip + Bytes(20, 0)), 0},
        {"header_beyond_capture", v6(next(60), extension(17) + udp(1, 2)), 56},
        {"header_beyond_capture", v6(next(60), extension(17, 2) + udp(1, 2)), 70},
        {"header_beyond_capture", options4({1, 1, 1, 1}), 36},
        {"header_beyond_capture", stack + label(1, true) + ip, 40},
        {"ok", v4(protocol(1), Bytes(8, 0)), 37}, /* the key needs nothing of it */
        {"ipv4_header_short", ethernet(0x0800) + Bytes(19, 0x45), 0},
        {"ihl_short", v4(with(Ipv4{}, &Ipv4::ihl, 4u), udp(1, 2)), 0},
        {"ihl_beyond_frame", ethernet(0x0800) + Bytes{0x4f} + Bytes(30, 0), 0},
        {"total_length_short", v4(with(Ipv4{}, &Ipv4::total, 19), udp(1, 2)), 0},
        {"total_length_beyond_frame", v4(with(Ipv4{}, &Ipv4::total, 49), udp(1, 2)), 0},
        {"ok", v4(with(Ipv4{}, &Ipv4::total, 48), udp(1, 2)), 0},
        {"ipv4_options_lie", options4({7, 1, 0, 0}), 0},
        {"ipv4_options_lie", options4({7, 5, 0, 0}), 0},
        {"ipv4_options_lie", options4({1, 1, 1, 7}), 0},
        {"ok", options4({7, 3, 4, 1, 7, 4, 0, 0}), 0},
        {"ok", options4({7, 3, 4, 0, 7, 9, 0, 0}), 0}, /* behind the end of the list */
        {"ipv6_header_short", ethernet(0x86dd) + Bytes(39, 0x60), 0},
        {"payload_length_beyond_frame", v6(with(Ipv6{}, &Ipv6::length, 29), udp(1, 2)), 0},
        {"ext_header_short", v6(next(60), Bytes(7, 0)), 0},
        {"ext_header_short", v6(next(60), Bytes{17, 9} + Bytes(60, 0)), 0},
        {"ext_header_short", v6(next(43), Bytes{17, 9} + Bytes(60, 0)), 0},
        {"ext_chain_too_long", v6(next(60), nine + udp(1, 2)), 0},
        {"ext_hop_by_hop_late", v6(next(60), extension(0) + extension(17) + udp(1, 2)), 0},
        {"ext_options_lie", v6(next(0), Bytes{17, 0, 1, 5, 0, 0, 0, 0} + udp(1, 2)), 0},
        {"ext_options_lie", v6(next(60), Bytes{17, 0, 1, 3, 0, 0, 0, 5} + udp(1, 2)), 0},
        {"ext_options_lie", v6(next(60), Bytes{17, 0, 0, 0, 0, 0, 0, 5} + udp(1, 2)), 0},
        {"ok", v6(next(60), Bytes{17, 0, 1, 2, 0, 0, 0, 0} + udp(1, 2)), 0},
        {"fragment_empty", v4(fragment(100), {}), 0},
        {"fragment_empty", v6(next(44), fragment6(17, 8)), 0},
        {"fragment_unaligned", v4(fragment(0x2000), Bytes(23, 0)), 0},
        {"fragment_unaligned", v6(next(44), fragment6(17, 1) + Bytes(9, 0)), 0},
        {"fragment_beyond_64k", v4(fragment(0x1fff), Bytes(8, 0)), 0},
        {"fragment_beyond_64k", v6(next(44), fragment6(17, 0xfff8) + Bytes(8, 0)), 0},
        {"ok", v6(next(44), fragment6(17, 0xfff8) + Bytes(7, 0)), 0},
        {"ah_header_short", v4(protocol(51), Bytes(11, 4)), 0},
        {"ah_length_lies", v4(protocol(51), Bytes{6, 0} + Bytes(30, 0)), 0},
        {"ah_length_lies", v4(protocol(51), Bytes{6, 7} + Bytes(33, 0)), 0},
        {"ah_length_lies", v6(next(51), Bytes{17, 0} + Bytes(10, 0) + udp(1, 2)), 0},
        {"ah_length_lies", v6(next(51), Bytes{17, 9} + Bytes(10, 0) + udp(1, 2)), 0},
        {"esp_header_short", v4(protocol(50), Bytes(7, 1)), 0},
        {"tcp_header_short", v4(protocol(6), Bytes(19, 0x50)), 0},
        {"doff_lies", v4(protocol(6), tcp(1, 2, 4)), 0},
        {"doff_lies", v4(protocol(6), tcp(1, 2, 11)), 0},
        {"ok", v4(protocol(6), tcp(1, 2, 10)), 0},
        {"udp_header_short", v4({}, Bytes(7, 0)), 0},
        {"udp_header_short", v4({}, Bytes(7, 0)) + Bytes(30, 0), 0}, /* padding is no header */
        {"udp_length_short", v4({}, udp(1, 2, 7)), 0},
        {"udp_length_short", v4({}, udp(1, 2, 0)), 0},
        {"udp_length_beyond_packet", v4({}, udp(1, 2, 29)) + Bytes(30, 0), 0},
        {"ok", v4({}, udp(1, 2, 27)), 0},
        {"sctp_header_short", v4(protocol(132), Bytes(11, 0)), 0},
        {"icmp_header_short", v4(protocol(1), Bytes(7, 8)), 0},
        {"icmp6_header_short", v6(next(58), Bytes(3, 128)), 0},
        {"igmp_header_short", v4(protocol(2), Bytes(7, 0x16)), 0},
        {"gre_header_short", v4(protocol(47), Bytes(3, 0)), 0},
    };
}
