/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/parse.h"

#include <stdbool.h>

const struct weir_parse_claim weir_parse_claims[256] = {
    [0 ... WEIR_PROTOCOL_TCP - 1] = {.least = UINT16_MAX},
    [WEIR_PROTOCOL_TCP] = {.least = 20, .mask = 0x3c, .offset = 34 + 12, .shift = 10},
    [WEIR_PROTOCOL_TCP + 1 ... WEIR_PROTOCOL_UDP - 1] = {.least = UINT16_MAX},
    [WEIR_PROTOCOL_UDP] = {.least = 8, .mask = UINT16_MAX, .offset = 34 + 4, .shift = 0},
    [WEIR_PROTOCOL_UDP + 1 ... 255] = {.least = UINT16_MAX},
};

enum { IPV4 = 0x0800, ARP = 0x0806, BRIDGED = 0x6558, IPV6 = 0x86dd };
enum { MPLS = 0x8847, MPLS_UPSTREAM = 0x8848, PPPOE_DISCOVERY = 0x8863, PPPOE_SESSION = 0x8864 };
enum { PORT_GTPU = 2152, PORT_VXLAN = 4789, PORT_GENEVE = 6081 };

/* What the general parser has learned so far. */
struct walk {
    const uint8_t *frame;
    uint32_t captured; /* bytes that may be read */
    uint32_t end;      /* where the layer in hand ends on the wire, from the start of the frame */
    uint32_t offset;   /* of the header in hand */
    uint32_t vlan, protocol, flags;
    uint16_t port[2];   /* source, target; raw */
    bool inner;         /* look into a tunnel */
    bool later;         /* a fragment, and not the first */
    bool hidden_target; /* a routing header names the last one */
    uint16_t ether_type;
    enum weir_parse_reason reason;
    struct weir_parse_layer4 *layer4;
    struct weir_endpoints *endpoints; /* of IPv6, the last that was finished; NULL = not asked */
    const uint64_t *hash_key;
    struct weir_desc *desc;
};

static enum weir_parse_reason parse_inside(struct walk *);
static enum weir_parse_reason parse_ethernet(struct walk *);

/* The next `need` bytes: on the wire at all, and in hand. The order matters: a header that the packet cannot
 * hold is a lie of the sender, one that the capture cut off is not. */
static inline bool lacks(
    struct walk *w, uint32_t need, enum weir_parse_reason if_short, enum weir_parse_reason if_cut)
{
    w->reason = w->end - w->offset < need        ? if_short
                : w->captured < w->offset + need ? if_cut
                                                 : WEIR_PARSE_OK;
    return w->reason != WEIR_PARSE_OK;
}

/* ---- layer 4 ---- */

/* The fixed header of each protocol that is looked at. */
static const struct fixed_header {
    uint8_t protocol;
    uint8_t header;
    bool ports;
    enum weir_parse_reason if_short;
} fixed_headers[] = {
    {WEIR_PROTOCOL_TCP, 20, true, WEIR_PARSE_TCP_HEADER_SHORT},
    {WEIR_PROTOCOL_UDP, 8, true, WEIR_PARSE_UDP_HEADER_SHORT},
    {WEIR_PROTOCOL_ICMP, 8, false, WEIR_PARSE_ICMP_HEADER_SHORT},
    {WEIR_PROTOCOL_ICMP6, 4, false, WEIR_PARSE_ICMP6_HEADER_SHORT},
    {WEIR_PROTOCOL_SCTP, 12, true, WEIR_PARSE_SCTP_HEADER_SHORT},
    {WEIR_PROTOCOL_IGMP, 8, false, WEIR_PARSE_IGMP_HEADER_SHORT},
    {WEIR_PROTOCOL_GRE, 4, false, WEIR_PARSE_GRE_HEADER_SHORT},
    {WEIR_PROTOCOL_ESP, 8, false, WEIR_PARSE_ESP_HEADER_SHORT},
    {WEIR_PROTOCOL_AH, 12, false, WEIR_PARSE_AH_HEADER_SHORT},
};

/* jumbo: the length fields of IP did not hold the length, so that of UDP may be 0 too (RFC 2675 section
 * 4). */
static enum weir_parse_reason parse_layer4(struct walk *w, bool jumbo)
{
    const struct fixed_header *l = fixed_headers, *end = l + sizeof fixed_headers / sizeof *l;
    while (l < end && l->protocol != w->protocol)
        l++;
    if (l == end)
        return WEIR_PARSE_OK;
    const uint8_t *p = w->frame + w->offset;
    uint32_t room = w->end - w->offset;
    if (room < l->header)
        return l->if_short;
    if (w->captured < w->offset + l->header) /* the key needs nothing of it but ports */
        return l->ports ? WEIR_PARSE_HEADER_BEYOND_CAPTURE : WEIR_PARSE_OK;
    if (w->protocol == WEIR_PROTOCOL_TCP) {
        uint32_t header = (uint32_t)p[12] >> 4 << 2;
        if (header < 20 || header > room)
            return WEIR_PARSE_DOFF_LIES;
        w->flags |= WEIR_DESC_TCP(p[13]);
    } else if (w->protocol == WEIR_PROTOCOL_UDP) {
        uint32_t length = weir_parse_be16(p + 4);
        if (length < 8 && !(jumbo && length == 0))
            return WEIR_PARSE_UDP_LENGTH_SHORT;
        if (length > room)
            return WEIR_PARSE_UDP_LENGTH_BEYOND_PACKET;
    } else if (w->protocol == WEIR_PROTOCOL_AH) {
        uint32_t header = (p[1] + 2u) * 4;
        if (header < 12 || header > room)
            return WEIR_PARSE_AH_LENGTH_LIES;
    }
    if (l->ports) {
        w->port[0] = weir_parse_u16(p);
        w->port[1] = weir_parse_u16(p + 2);
    }
    return WEIR_PARSE_OK;
}

/* ---- what IPv4 and IPv6 share ---- */

/* Options of one header, each with its kind and its length: of itself in IPv4, of what follows in IPv6. */
static bool options_fit(const uint8_t *p, uint32_t n, bool v6)
{
    uint32_t least = v6 ? 0 : 2, more = 2 - least;
    for (uint32_t at = 0; at < n;) {
        if (!v6 && p[at] == 0) /* the end of the list; in IPv6 one byte of padding, as 1 in IPv4 */
            return true;
        if (p[at] == !v6) {
            at++;
            continue;
        }
        if (n - at < 2 || p[at + 1] < least || p[at + 1] + more > n - at)
            return false;
        at += p[at + 1] + more;
    }
    return true;
}

/* offset: of the payload in its packet. before: what the packet's length counts in front of it. */
static enum weir_parse_reason check_fragment(
    uint32_t offset, bool more, uint32_t before, uint32_t payload, struct walk *w)
{
    w->flags |= WEIR_DESC_FRAGMENT;
    w->later = offset != 0;
    if (payload == 0)
        return WEIR_PARSE_FRAGMENT_EMPTY;
    if (more && payload % 8 != 0)
        return WEIR_PARSE_FRAGMENT_UNALIGNED;
    return before + offset + payload > UINT16_MAX ? WEIR_PARSE_FRAGMENT_BEYOND_64K : WEIR_PARSE_OK;
}

/* The key is written: now what only few ask for. */
static enum weir_parse_reason look_further(const struct walk *w, uint32_t addresses, uint8_t address_bytes)
{
    bool fragment = w->flags & WEIR_DESC_FRAGMENT;
    if (w->layer4 != NULL) {
        w->layer4->offset = fragment ? 0 : w->offset;
        w->layer4->end = fragment ? 0 : w->end;
        w->layer4->header = w->later ? 0 : w->offset;
        w->layer4->addresses = addresses;
        w->layer4->address_bytes = w->hidden_target ? 0 : address_bytes;
        w->layer4->protocol = (uint8_t)w->protocol;
    }
    if (!w->inner || fragment)
        return WEIR_PARSE_OK;
    struct weir_desc found = *w->desc;
    struct walk inside = *w;
    inside.inner = false;
    inside.layer4 = NULL;
    inside.desc = &found;
    if (parse_inside(&inside) == WEIR_PARSE_OK && weir_key_is_ip(&found.key))
        *w->desc = found;
    return WEIR_PARSE_OK;
}

/* ---- IPv4 ---- */

/* Endpoints are ordered by the raw words: address, then port. */
static void finish_ipv4(const struct walk *w, uint32_t source, uint32_t target)
{
    bool reversed = source > target || (source == target && w->port[0] > w->port[1]);
    uint64_t low = reversed ? target : source, high = reversed ? source : target;
    weir_parse_finish(w->desc, w->hash_key, low | high << 32,
        w->port[reversed] | (uint32_t)w->port[!reversed] << 16, w->vlan | WEIR_KEY_IPV4 << 12, w->protocol,
        w->flags | (reversed ? WEIR_DESC_REVERSED : 0));
}

static bool sums_up(const uint8_t *p, uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i += 2)
        sum += weir_parse_be16(p + i);
    return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

static enum weir_parse_reason parse_ipv4(struct walk *w)
{
    if (lacks(w, 20, WEIR_PARSE_IPV4_HEADER_SHORT, WEIR_PARSE_HEADER_BEYOND_CAPTURE))
        return w->reason;
    const uint8_t *p = w->frame + w->offset;
    uint32_t header = (p[0] & 0xfu) << 2, total = weir_parse_be16(p + 2), room = w->end - w->offset;
    /* A packet from segmentation offload may be longer than its length field can say; it then says 0. */
    bool jumbo = total == 0 && room > UINT16_MAX;
    if (jumbo)
        total = room;
    if (p[0] >> 4 != 4)
        return WEIR_PARSE_IP_VERSION;
    if (header < 20)
        return WEIR_PARSE_IHL_SHORT;
    if (header > room)
        return WEIR_PARSE_IHL_BEYOND_FRAME;
    if (total < header)
        return WEIR_PARSE_TOTAL_LENGTH_SHORT;
    if (total > room)
        return WEIR_PARSE_TOTAL_LENGTH_BEYOND_FRAME;

    if (lacks(w, header, WEIR_PARSE_IHL_BEYOND_FRAME, WEIR_PARSE_HEADER_BEYOND_CAPTURE))
        return w->reason;
    if (!options_fit(p + 20, header - 20, false))
        return WEIR_PARSE_IPV4_OPTIONS_LIE;

    uint32_t addresses = w->offset + 12, fragment = weir_parse_be16(p + 6);
    w->end = w->offset + total; /* what follows is padding */
    w->offset += header;
    w->protocol = p[9];
    enum weir_parse_reason reason = fragment & 0x3fff ? check_fragment((fragment & 0x1fff) * 8,
                                                            fragment & 0x2000, header, total - header, w)
                                                      : parse_layer4(w, jumbo);
    if (reason)
        return reason;
    finish_ipv4(w, weir_parse_u32(p + 12), weir_parse_u32(p + 16));
    if (w->layer4 != NULL)
        w->layer4->ip_checksum_bad = !sums_up(p, header);
    return look_further(w, addresses, 4);
}

/* ---- IPv6 ---- */

enum {
    HOP_BY_HOP = 0,
    ROUTING = 43,
    FRAGMENT = 44,
    DESTINATION = 60,
    MOBILITY = 135,
    HIP = 139,
    SHIM6 = 140
};

static const bool is_extension[256] = {[HOP_BY_HOP] = true,
    [ROUTING] = true,
    [FRAGMENT] = true,
    [WEIR_PROTOCOL_AH] = true,
    [DESTINATION] = true,
    [MOBILITY] = true,
    [HIP] = true,
    [SHIM6] = true};

/* Walk to the first header that is no extension, or to a fragment's payload. */
static enum weir_parse_reason skip_extensions(struct walk *w)
{
    uint32_t first = w->offset;
    for (unsigned n = 0; is_extension[w->protocol] && !(w->flags & WEIR_DESC_FRAGMENT); n++) {
        if (n == WEIR_PARSE_EXTENSIONS)
            return WEIR_PARSE_EXT_CHAIN_TOO_LONG;
        if (w->protocol == HOP_BY_HOP && n != 0)
            return WEIR_PARSE_EXT_HOP_BY_HOP_LATE;
        if (lacks(w, 8, WEIR_PARSE_EXT_HEADER_SHORT, WEIR_PARSE_HEADER_BEYOND_CAPTURE))
            return w->reason;
        const uint8_t *p = w->frame + w->offset;
        uint32_t size = (p[1] + 1u) * 8, room = w->end - w->offset;
        if (w->protocol == WEIR_PROTOCOL_AH) {
            size = (p[1] + 2u) * 4;
            if (size < 12 || size > room)
                return WEIR_PARSE_AH_LENGTH_LIES;
        } else if (w->protocol == FRAGMENT) {
            size = 8;
            uint32_t field = weir_parse_be16(p + 2);
            /* Offset or more-fragments. With neither it is a whole packet in a fragment's coat (RFC 6946). */
            if (field & 0xfff9)
                w->reason = check_fragment(field & 0xfff8, field & 1, w->offset - first, room - 8, w);
            if (w->reason)
                return w->reason;
        } else if (w->protocol == HOP_BY_HOP || w->protocol == DESTINATION) {
            if (lacks(w, size, WEIR_PARSE_EXT_HEADER_SHORT, WEIR_PARSE_HEADER_BEYOND_CAPTURE))
                return w->reason;
            if (!options_fit(p + 2, size - 2, true))
                return WEIR_PARSE_EXT_OPTIONS_LIE;
        }
        w->hidden_target |= w->protocol == ROUTING && p[3] != 0; /* segments left */
        if (size > room)
            return WEIR_PARSE_EXT_HEADER_SHORT;
        w->offset += size;
        w->protocol = p[0];
    }
    return WEIR_PARSE_OK;
}

struct endpoint {
    uint64_t address[2];
    uint64_t port;
};

/* 96 bits of endpoints under the key: two chains that share no intermediate value, so that 64 bits that meet
 * by chance do not make two flows one. */
static void finish_fingerprint(const struct walk *w, const struct endpoint *source,
    const struct endpoint *target, bool reversed, uint32_t kind, uint32_t protocol)
{
    const struct endpoint *low = reversed ? target : source, *high = reversed ? source : target;
    uint64_t print[2];
    for (unsigned chain = 0; chain < 2; chain++) {
        uint64_t first[4], second[4];
        for (unsigned i = 0; i < 4; i++) {
            first[i] = w->hash_key[(i + 1 + 2 * chain) & 3];
            second[i] = ~w->hash_key[(i + 2 * chain) & 3];
        }
        uint64_t h = weir_hash(first, low->address[0], low->address[1], high->address[0]);
        print[chain] = weir_hash(second, h, high->address[1], low->port | high->port << 32);
    }
    weir_parse_finish(w->desc, w->hash_key, print[0], (uint32_t)print[1], w->vlan | kind << 12, protocol,
        w->flags | (reversed ? WEIR_DESC_REVERSED : 0));
}

static void finish_ipv6(const struct walk *w, const uint8_t *addresses)
{
    struct endpoint s = {.port = w->port[0]}, t = {.port = w->port[1]};
    memcpy(s.address, addresses, 16);
    memcpy(t.address, addresses + 16, 16);
    int order = memcmp(s.address, t.address, 16);
    bool reversed = order > 0 || (order == 0 && s.port > t.port);
    if (w->endpoints != NULL)
        for (unsigned i = 0; i < 2; i++) {
            memcpy(w->endpoints->address[i ^ reversed], addresses + 16 * i, 16);
            w->endpoints->port[i ^ reversed] = w->port[i];
        }
    finish_fingerprint(w, &s, &t, reversed, WEIR_KEY_IPV6, w->protocol);
}

static enum weir_parse_reason parse_ipv6(struct walk *w)
{
    if (lacks(w, 40, WEIR_PARSE_IPV6_HEADER_SHORT, WEIR_PARSE_HEADER_BEYOND_CAPTURE))
        return w->reason;
    const uint8_t *p = w->frame + w->offset;
    if (p[0] >> 4 != 6)
        return WEIR_PARSE_IP_VERSION;
    uint32_t payload = weir_parse_be16(p + 4), room = w->end - w->offset - 40;
    w->protocol = p[6];
    /* Jumbo payload option, or a segmentation-offload packet whose option was taken off: the frame says how
     * long. */
    bool jumbo = payload == 0 && (w->protocol == HOP_BY_HOP || room > UINT16_MAX);
    if (jumbo)
        payload = room;
    if (payload > room)
        return WEIR_PARSE_PAYLOAD_LENGTH_BEYOND_FRAME;

    uint32_t addresses = w->offset + 8;
    w->offset += 40;
    w->end = w->offset + payload; /* what follows is padding */
    enum weir_parse_reason reason = skip_extensions(w);
    if (!reason && !(w->flags & WEIR_DESC_FRAGMENT))
        reason = parse_layer4(w, jumbo);
    if (reason)
        return reason;
    finish_ipv6(w, p + 8);
    return look_further(w, addresses, 16);
}

/* ---- layer 2 ---- */

static uint64_t mac(const uint8_t *p)
{
    return (uint64_t)weir_parse_u32(p) | (uint64_t)weir_parse_u16(p + 4) << 32;
}

/* Not IP: the conversation of two stations in one EtherType. */
static enum weir_parse_reason finish_layer2(const struct walk *w)
{
    struct endpoint s = {.address = {mac(w->frame + 6), w->ether_type}};
    struct endpoint t = {.address = {mac(w->frame), w->ether_type}};
    finish_fingerprint(w, &s, &t, s.address[0] > t.address[0], WEIR_KEY_L2, 0);
    return WEIR_PARSE_OK;
}

/* Who does not say what is inside: the first nibble does, if it is IP. */
static enum weir_parse_reason parse_by_nibble(struct walk *w)
{
    if (lacks(w, 1, WEIR_PARSE_IP_VERSION, WEIR_PARSE_LINK_BEYOND_CAPTURE))
        return w->reason;
    switch (w->frame[w->offset] >> 4) {
    case 4:
        return parse_ipv4(w);
    case 6:
        return parse_ipv6(w);
    }
    return WEIR_PARSE_IP_VERSION;
}

/* What is no valid IP is not invalid but something else, such as Ethernet: nobody says that it is IP. */
static enum weir_parse_reason parse_mpls(struct walk *w)
{
    for (unsigned labels = 0, bottom = 0; !bottom; labels++) {
        if (labels == WEIR_PARSE_LABELS)
            return WEIR_PARSE_MPLS_TOO_DEEP;
        if (lacks(w, 4, WEIR_PARSE_MPLS_HEADER_SHORT, WEIR_PARSE_LINK_BEYOND_CAPTURE))
            return w->reason;
        bottom = w->frame[w->offset + 2] & 1;
        w->offset += 4;
    }
    struct walk inside = *w;
    enum weir_parse_reason reason = parse_by_nibble(&inside);
    if (reason == WEIR_PARSE_OK || reason == WEIR_PARSE_LINK_BEYOND_CAPTURE ||
        reason == WEIR_PARSE_HEADER_BEYOND_CAPTURE)
        return reason;
    return finish_layer2(w);
}

static enum weir_parse_reason parse_pppoe(struct walk *w)
{
    if (lacks(w, 6, WEIR_PARSE_PPPOE_HEADER_SHORT, WEIR_PARSE_LINK_BEYOND_CAPTURE))
        return w->reason;
    const uint8_t *p = w->frame + w->offset;
    uint32_t length = weir_parse_be16(p + 4);
    w->offset += 6;
    if (p[0] != 0x11)
        return WEIR_PARSE_PPPOE_VERSION;
    if (length > w->end - w->offset)
        return WEIR_PARSE_PPPOE_LENGTH_BEYOND_FRAME;
    if (w->ether_type == PPPOE_SESSION) {
        w->end = w->offset + length;
        if (lacks(w, 2, WEIR_PARSE_PPPOE_LENGTH_SHORT, WEIR_PARSE_LINK_BEYOND_CAPTURE))
            return w->reason;
        uint16_t protocol = weir_parse_be16(p + 6);
        w->offset += 2;
        if (protocol == 0x0021)
            return parse_ipv4(w);
        if (protocol == 0x0057)
            return parse_ipv6(w);
    }
    return finish_layer2(w);
}

static enum weir_parse_reason parse_arp(struct walk *w)
{
    if (lacks(w, 8, WEIR_PARSE_ARP_HEADER_SHORT, WEIR_PARSE_LINK_BEYOND_CAPTURE))
        return w->reason;
    const uint8_t *p = w->frame + w->offset;
    if ((weir_parse_be16(p) == 1 && p[4] != 6) || (weir_parse_be16(p + 2) == IPV4 && p[5] != 4))
        return WEIR_PARSE_ARP_ADDRESS_LENGTH;
    if (w->end - w->offset < 8 + 2u * p[4] + 2u * p[5])
        return WEIR_PARSE_ARP_ADDRESSES_BEYOND_FRAME;
    return finish_layer2(w);
}

static enum weir_parse_reason parse_payload(struct walk *w)
{
    switch (w->ether_type) {
    case IPV4:
        return parse_ipv4(w);
    case IPV6:
        return parse_ipv6(w);
    case MPLS:
    case MPLS_UPSTREAM:
        return parse_mpls(w);
    case PPPOE_DISCOVERY:
    case PPPOE_SESSION:
        return parse_pppoe(w);
    case ARP:
        return parse_arp(w);
    }
    return finish_layer2(w);
}

static enum weir_parse_reason parse_ethernet(struct walk *w)
{
    if (lacks(w, 14, WEIR_PARSE_FRAME_SHORT, WEIR_PARSE_LINK_BEYOND_CAPTURE))
        return w->reason;
    w->ether_type = weir_parse_be16(w->frame + w->offset + 12);
    w->offset += 14;
    for (unsigned tags = 0; weir_parse_is_tag(w->ether_type); tags++) {
        if (tags == WEIR_PARSE_TAGS)
            return WEIR_PARSE_VLAN_TOO_DEEP;
        if (lacks(w, 4, WEIR_PARSE_VLAN_HEADER_SHORT, WEIR_PARSE_LINK_BEYOND_CAPTURE))
            return w->reason;
        w->vlan = weir_parse_be16(w->frame + w->offset) & 0xfffu;
        w->ether_type = weir_parse_be16(w->frame + w->offset + 2);
        w->offset += 4;
    }
    return parse_payload(w);
}

/* ---- tunnels ---- */

/* Step over the header of a tunnel, if the packet can hold it. */
static bool enter(struct walk *w, uint32_t header)
{
    if (lacks(w, header, WEIR_PARSE_FRAME_SHORT, WEIR_PARSE_FRAME_SHORT))
        return false;
    w->offset += header;
    return true;
}

static enum weir_parse_reason parse_carried(struct walk *w, uint16_t ether_type)
{
    w->ether_type = ether_type;
    return ether_type == BRIDGED ? parse_ethernet(w) : parse_payload(w);
}

/* To the packet inside of GTP-U: of its extension headers only the way past them is of interest. */
static bool enter_gtpu(struct walk *w)
{
    const uint8_t *p = w->frame + w->offset;
    if (!enter(w, 8) || (p[0] & 0xf0) != 0x30 || p[1] != 255) /* version 1, a user's packet */
        return false;
    if ((p[0] & 7) == 0)
        return true;
    if (!enter(w, 4))
        return false;
    uint8_t next = p[0] & 4 ? p[11] : 0;
    for (unsigned n = 0; next != 0; n++) {
        uint32_t size = n < WEIR_PARSE_EXTENSIONS && w->offset < w->captured ? w->frame[w->offset] * 4u : 0;
        if (size == 0 || !enter(w, size))
            return false;
        next = w->frame[w->offset - 1];
    }
    return true;
}

/* Any reason: it is no tunnel, or what is inside is not understood. */
static enum weir_parse_reason parse_inside(struct walk *w)
{
    const uint8_t *p = w->frame + w->offset;
    uint16_t target = __builtin_bswap16(w->port[1]);
    w->port[0] = w->port[1] = 0;
    if (w->protocol == WEIR_PROTOCOL_IPV4)
        return parse_ipv4(w);
    if (w->protocol == WEIR_PROTOCOL_IPV6)
        return parse_ipv6(w);
    if (w->protocol == WEIR_PROTOCOL_GRE) {
        /* No routing, version 0; checksum, key and sequence number take four bytes each. */
        if (enter(w, 4) && !(p[0] & 0x40 || p[1] & 7) &&
            enter(w, 4u * (uint32_t)__builtin_popcount(p[0] & 0xb0)))
            return parse_carried(w, weir_parse_be16(p + 2));
    } else if (w->protocol == WEIR_PROTOCOL_UDP && enter(w, 8)) {
        p += 8;
        if (target == PORT_VXLAN && enter(w, 8) && p[0] & 8)
            return parse_ethernet(w);
        if (target == PORT_GENEVE && enter(w, 8) && p[0] >> 6 == 0 && enter(w, (p[0] & 0x3fu) * 4))
            return parse_carried(w, weir_parse_be16(p + 2));
        if (target == PORT_GTPU && enter_gtpu(w))
            return parse_by_nibble(w);
    }
    return WEIR_PARSE_IP_VERSION;
}

enum weir_parse_reason weir_parse_slow(const uint8_t *frame, uint32_t captured, uint32_t length,
    const uint64_t hash_key[4], bool inner, struct weir_parse_layer4 *layer4, struct weir_desc *d)
{
    struct walk w = {.frame = frame,
        .captured = captured < length ? captured : length,
        .end = length,
        .inner = inner,
        .layer4 = layer4,
        .hash_key = hash_key,
        .desc = d};
    if (layer4 != NULL)
        *layer4 = (struct weir_parse_layer4){.offset = 0};
    enum weir_parse_reason reason = parse_ethernet(&w);
    if (reason) {
        d->hash = 0;
        d->key = (struct weir_key){.flags = d->key.flags & WEIR_DESC_PLAIN};
    }
    return reason;
}

bool weir_parse_endpoints(const uint8_t *frame, uint32_t captured, uint32_t length,
    const uint64_t hash_key[4], const struct weir_key *key, struct weir_endpoints *endpoints)
{
    for (int inner = 0; inner < 2; inner++) {
        struct weir_desc found = {.length = 0};
        struct walk w = {.frame = frame,
            .captured = captured < length ? captured : length,
            .end = length,
            .inner = inner,
            .endpoints = endpoints,
            .hash_key = hash_key,
            .desc = &found};
        if (parse_ethernet(&w) == WEIR_PARSE_OK &&
            memcmp(&found.key, key, offsetof(struct weir_key, flags)) == 0)
            return true;
    }
    return false;
}
