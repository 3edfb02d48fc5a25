/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/parse.h"

#include <stdbool.h>

const char *const weir_parse_reason_names[WEIR_PARSE_REASONS_END] = {"ok",
#define NAME(reason, text) text,
    WEIR_PARSE_REASONS(NAME)
#undef NAME
};

const struct weir_parse_claim weir_parse_claims[256] = {
    [0 ... WEIR_PROTOCOL_TCP - 1] = {.least = UINT16_MAX},
    [WEIR_PROTOCOL_TCP] = {.least = 20, .mask = 0x3c, .offset = 34 + 12, .shift = 10},
    [WEIR_PROTOCOL_TCP + 1 ... WEIR_PROTOCOL_UDP - 1] = {.least = UINT16_MAX},
    [WEIR_PROTOCOL_UDP] = {.least = 8, .mask = UINT16_MAX, .offset = 34 + 4, .shift = 0},
    [WEIR_PROTOCOL_UDP + 1 ... 255] = {.least = UINT16_MAX},
};

/* What the general parser has learned so far. */
struct walk {
    const uint8_t *frame;
    uint32_t captured; /* bytes that may be read */
    uint32_t end;      /* where the layer in hand ends on the wire, from the start of the frame */
    uint32_t offset;   /* of the header in hand */
    uint32_t vlan, protocol, flags;
    uint16_t port[2]; /* source, target; raw */
};

/* The next `need` bytes: on the wire at all, and in hand. The order matters: a header that the packet cannot
 * hold is a lie of the sender, one that the capture cut off is not. */
static inline enum weir_parse_reason at_hand(
    const struct walk *w, uint32_t need, enum weir_parse_reason if_short, enum weir_parse_reason if_cut)
{
    if (w->end - w->offset < need)
        return if_short;
    return w->captured < w->offset + need ? if_cut : WEIR_PARSE_OK;
}

/* ---- layer 4 ---- */

/* The fixed header of each protocol with ports. */
static const struct layer4 {
    uint8_t protocol;
    uint8_t header;
    enum weir_parse_reason if_short;
} layer4[] = {
    {WEIR_PROTOCOL_TCP, 20, WEIR_PARSE_TCP_HEADER_SHORT},
    {WEIR_PROTOCOL_UDP, 8, WEIR_PARSE_UDP_HEADER_SHORT},
    {WEIR_PROTOCOL_SCTP, 12, WEIR_PARSE_SCTP_HEADER_SHORT},
};

/* jumbo: the length fields of IP did not hold the length, so that of UDP may be 0 too (RFC 2675 section
 * 4). */
static enum weir_parse_reason parse_ports(struct walk *w, bool jumbo)
{
    const struct layer4 *l = layer4, *end = layer4 + sizeof layer4 / sizeof *layer4;
    while (l < end && l->protocol != w->protocol)
        l++;
    if (l == end)
        return WEIR_PARSE_OK;
    enum weir_parse_reason reason = at_hand(w, l->header, l->if_short, WEIR_PARSE_HEADER_BEYOND_CAPTURE);
    if (reason)
        return reason;

    const uint8_t *p = w->frame + w->offset;
    uint32_t room = w->end - w->offset;
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
    }
    w->port[0] = weir_parse_u16(p);
    w->port[1] = weir_parse_u16(p + 2);
    return WEIR_PARSE_OK;
}

/* ---- IPv4 ---- */

/* Endpoints are ordered by the raw words: address, then port. */
static void finish_ipv4(
    const struct walk *w, uint32_t source, uint32_t target, const uint64_t hash_key[4], struct weir_desc *d)
{
    bool reversed = source > target || (source == target && w->port[0] > w->port[1]);
    uint64_t low = reversed ? target : source, high = reversed ? source : target;
    weir_parse_finish(d, hash_key, low | high << 32, w->port[reversed] | (uint32_t)w->port[!reversed] << 16,
        w->vlan | WEIR_KEY_IPV4 << 12, w->protocol, w->flags | (reversed ? WEIR_DESC_REVERSED : 0));
}

static enum weir_parse_reason parse_ipv4(struct walk *w, const uint64_t hash_key[4], struct weir_desc *d)
{
    enum weir_parse_reason reason =
        at_hand(w, 20, WEIR_PARSE_IPV4_HEADER_SHORT, WEIR_PARSE_HEADER_BEYOND_CAPTURE);
    if (reason)
        return reason;
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

    w->end = w->offset + total; /* what follows is padding */
    w->offset += header;
    w->protocol = p[9];
    if (weir_parse_be16(p + 6) & 0x3fff)
        w->flags |= WEIR_DESC_FRAGMENT;
    else if ((reason = parse_ports(w, jumbo)))
        return reason;
    finish_ipv4(w, weir_parse_u32(p + 12), weir_parse_u32(p + 16), hash_key, d);
    return WEIR_PARSE_OK;
}

/* ---- IPv6 ---- */

enum {
    HOP_BY_HOP = 0,
    ROUTING = 43,
    FRAGMENT = 44,
    AUTHENTICATION = 51,
    DESTINATION = 60,
    MOBILITY = 135,
    HIP = 139,
    SHIM6 = 140
};

static bool is_extension(uint32_t protocol)
{
    switch (protocol) {
    case HOP_BY_HOP:
    case ROUTING:
    case FRAGMENT:
    case AUTHENTICATION:
    case DESTINATION:
    case MOBILITY:
    case HIP:
    case SHIM6:
        return true;
    }
    return false;
}

/* Walk to the first header that is no extension, or to a fragment's payload. */
static enum weir_parse_reason skip_extensions(struct walk *w)
{
    for (unsigned n = 0; is_extension(w->protocol) && !(w->flags & WEIR_DESC_FRAGMENT); n++) {
        if (n == WEIR_PARSE_EXTENSIONS)
            return WEIR_PARSE_EXT_CHAIN_TOO_LONG;
        enum weir_parse_reason reason =
            at_hand(w, 8, WEIR_PARSE_EXT_HEADER_SHORT, WEIR_PARSE_HEADER_BEYOND_CAPTURE);
        if (reason)
            return reason;
        const uint8_t *p = w->frame + w->offset;
        uint32_t size = (p[1] + 1u) * 8;
        if (w->protocol == FRAGMENT) {
            size = 8;
            /* Offset or more-fragments. With neither it is a whole packet in a fragment's coat (RFC 6946). */
            if (weir_parse_be16(p + 2) & 0xfff9)
                w->flags |= WEIR_DESC_FRAGMENT;
        } else if (w->protocol == AUTHENTICATION) {
            size = (p[1] + 2u) * 4;
        }
        if (size > w->end - w->offset)
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
static void finish_fingerprint(struct weir_desc *d, const uint64_t hash_key[4], const struct endpoint *low,
    const struct endpoint *high, uint32_t vlan_kind, uint32_t protocol, uint32_t flags)
{
    uint64_t print[2];
    for (unsigned chain = 0; chain < 2; chain++) {
        uint64_t first[4], second[4];
        for (unsigned i = 0; i < 4; i++) {
            first[i] = hash_key[(i + 1 + 2 * chain) & 3];
            second[i] = ~hash_key[(i + 2 * chain) & 3];
        }
        uint64_t h = weir_hash(first, low->address[0], low->address[1], high->address[0]);
        print[chain] = weir_hash(second, h, high->address[1], low->port | high->port << 32);
    }
    weir_parse_finish(d, hash_key, print[0], (uint32_t)print[1], vlan_kind, protocol, flags);
}

static void finish_ipv6(
    const struct walk *w, const uint8_t *addresses, const uint64_t hash_key[4], struct weir_desc *d)
{
    struct endpoint s = {.port = w->port[0]}, t = {.port = w->port[1]};
    memcpy(s.address, addresses, 16);
    memcpy(t.address, addresses + 16, 16);
    int order = memcmp(s.address, t.address, 16);
    bool reversed = order > 0 || (order == 0 && s.port > t.port);
    finish_fingerprint(d, hash_key, reversed ? &t : &s, reversed ? &s : &t, w->vlan | WEIR_KEY_IPV6 << 12,
        w->protocol, w->flags | (reversed ? WEIR_DESC_REVERSED : 0));
}

static enum weir_parse_reason parse_ipv6(struct walk *w, const uint64_t hash_key[4], struct weir_desc *d)
{
    enum weir_parse_reason reason =
        at_hand(w, 40, WEIR_PARSE_IPV6_HEADER_SHORT, WEIR_PARSE_HEADER_BEYOND_CAPTURE);
    if (reason)
        return reason;
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

    w->offset += 40;
    w->end = w->offset + payload; /* what follows is padding */
    if ((reason = skip_extensions(w)))
        return reason;
    if (!(w->flags & WEIR_DESC_FRAGMENT) && (reason = parse_ports(w, jumbo)))
        return reason;
    finish_ipv6(w, p + 8, hash_key, d);
    return WEIR_PARSE_OK;
}

/* ---- layer 2 ---- */

static uint64_t mac(const uint8_t *p)
{
    return (uint64_t)weir_parse_u32(p) | (uint64_t)weir_parse_u16(p + 4) << 32;
}

/* Not IP: the conversation of two stations in one EtherType. */
static void finish_layer2(
    const struct walk *w, uint16_t ether_type, const uint64_t hash_key[4], struct weir_desc *d)
{
    struct endpoint s = {.address = {mac(w->frame + 6), ether_type}};
    struct endpoint t = {.address = {mac(w->frame), ether_type}};
    bool reversed = s.address[0] > t.address[0];
    finish_fingerprint(d, hash_key, reversed ? &t : &s, reversed ? &s : &t, w->vlan | WEIR_KEY_L2 << 12, 0,
        reversed ? WEIR_DESC_REVERSED : 0);
}

static enum weir_parse_reason parse_ethernet(struct walk *w, const uint64_t hash_key[4], struct weir_desc *d)
{
    enum weir_parse_reason reason = at_hand(w, 14, WEIR_PARSE_FRAME_SHORT, WEIR_PARSE_LINK_BEYOND_CAPTURE);
    if (reason)
        return reason;
    uint16_t ether_type = weir_parse_be16(w->frame + 12);
    w->offset = 14;
    for (unsigned tags = 0; weir_parse_is_tag(ether_type); tags++) {
        if (tags == WEIR_PARSE_TAGS)
            return WEIR_PARSE_VLAN_TOO_DEEP;
        reason = at_hand(w, 4, WEIR_PARSE_VLAN_HEADER_SHORT, WEIR_PARSE_LINK_BEYOND_CAPTURE);
        if (reason)
            return reason;
        w->vlan = weir_parse_be16(w->frame + w->offset) & 0xfffu;
        ether_type = weir_parse_be16(w->frame + w->offset + 2);
        w->offset += 4;
    }
    switch (ether_type) {
    case 0x0800:
        return parse_ipv4(w, hash_key, d);
    case 0x86dd:
        return parse_ipv6(w, hash_key, d);
    }
    finish_layer2(w, ether_type, hash_key, d);
    return WEIR_PARSE_OK;
}

enum weir_parse_reason weir_parse_slow(
    const uint8_t *frame, uint32_t captured, uint32_t length, const uint64_t hash_key[4], struct weir_desc *d)
{
    struct walk w = {.frame = frame, .captured = captured < length ? captured : length, .end = length};
    enum weir_parse_reason reason = parse_ethernet(&w, hash_key, d);
    if (reason) {
        d->hash = 0;
        d->key = (struct weir_key){.flags = d->key.flags & WEIR_DESC_PLAIN};
    }
    return reason;
}
