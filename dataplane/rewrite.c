/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/rewrite.h"

#include <string.h>

#include "dataplane/parse.h"

/* Protocols whose checksum covers the addresses, and where in their header it stands. ICMPv6 is one only in IPv6. */
#define DCCP 33
#define UDP_LITE 136
#define ICMP6_CHECKSUM 2
static const uint8_t checksums[256] = {
    [WEIR_PROTOCOL_TCP] = 16, [WEIR_PROTOCOL_UDP] = 6, [UDP_LITE] = 6, [DCCP] = 6};

struct weir_rewrite weir_rewrite_find(const uint8_t *frame, uint32_t captured, uint32_t length)
{
    static const uint64_t no_key[4];
    struct weir_desc d = {.length = 0};
    struct weir_parse_layer4 l;
    captured = captured < WEIR_PARSE_HEADERS_MAX ? captured : WEIR_PARSE_HEADERS_MAX;
    if (weir_parse_slow(frame, captured, length, no_key, false, &l, &d) != WEIR_PARSE_OK || l.addresses == 0)
        return (struct weir_rewrite){.addresses = 0};
    struct weir_rewrite r = {.addresses = (uint16_t)l.addresses,
        .ipv6 = weir_key_kind_of(&d.key) == WEIR_KEY_IPV6,
        .udp = l.protocol == WEIR_PROTOCOL_UDP || l.protocol == UDP_LITE,
        .hidden_target = l.address_bytes == 0};
    uint32_t at =
        l.header + (r.ipv6 && l.protocol == WEIR_PROTOCOL_ICMP6 ? ICMP6_CHECKSUM : checksums[l.protocol]);
    if (l.header != 0 && at != l.header && at + 2 <= captured && !(r.udp && weir_parse_u16(frame + at) == 0))
        r.checksum = (uint16_t)at;
    return r;
}

static void correct(uint8_t *checksum, uint32_t difference, bool never_0)
{
    uint32_t sum = (uint16_t)~weir_parse_u16(checksum) + difference;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    uint16_t corrected = (uint16_t)~sum;
    if (corrected == 0 && never_0)
        corrected = 0xffff;
    memcpy(checksum, &corrected, sizeof corrected);
}

void weir_rewrite_apply(uint8_t *frame, const struct weir_rewrite *r, uint32_t copy)
{
    /* Bits that look random: what is added to neighbours of a capture should not lead to other neighbours of it. The
     * factor is odd, so no two copies have the same. */
    uint32_t mask = __builtin_bswap32(copy * 0x9e3779b1u & (r->ipv6 ? ~0u : 0xffffffu));
    uint8_t *at = frame + r->addresses + (r->ipv6 ? 4 : 0);
    uint32_t all = 0, covered = 0;
    if (r->addresses == 0)
        return;
    for (unsigned side = 0; side < 2; side++, at += r->ipv6 ? 16 : 4) {
        uint32_t before = weir_parse_u32(at), after = before ^ mask;
        memcpy(at, &after, sizeof after);
        uint32_t difference = (~before >> 16) + (~before & 0xffff) + (after >> 16) + (after & 0xffff);
        all += difference;
        covered += side == 1 && r->hidden_target ? 0 : difference;
    }
    if (!r->ipv6)
        correct(frame + r->addresses - 2, all, false);
    if (r->checksum != 0)
        correct(frame + r->checksum, covered, r->udp);
}
