/* SPDX-License-Identifier: BSD-3-Clause */
/* One frame in, its flow out: key, hash and whether its headers can be believed.
 *
 * Understood: Ethernet, up to WEIR_PARSE_TAGS VLAN tags (0x8100, 0x88a8, 0x9100), PPPoE, up to WEIR_PARSE_LABELS
 * labels of MPLS, ARP; IPv4 with options and fragments, IPv6 with up to WEIR_PARSE_EXTENSIONS extension headers and
 * fragments; the ports of TCP, UDP and SCTP, the headers of ICMP, IGMP, GRE, ESP and AH; on demand what is inside of
 * GRE, VXLAN, GENEVE, GTP-U and IP in IP. Everything else that Ethernet carries is WEIR_KEY_L2.
 *
 * Checksums are verified on demand only. They cost a pass over the packet, network cards do it, and a box that is
 * transparent on the wire leaves a damaged packet to the host that it is meant for.
 *
 * Source: RFC 791, 792, 826, 1112, 2516, 2675, 2784, 2890, 3032, 4302, 4303, 4443, 6946, 7348, 768, 8200, 8926, 9260,
 * 9293; IEEE 802.1Q; 3GPP TS 29.281. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/descriptor.h"
#include "dataplane/hash.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_PARSE_TAGS 4
#define WEIR_PARSE_LABELS 8
#define WEIR_PARSE_EXTENSIONS 8

/* Why a frame is invalid, what is done with it unless told otherwise, and in words. The rows from IP_VERSION on are of
 * frames that claim to be IP. */
/* clang-format off */
#define WEIR_PARSE_REASONS(row)                                                                                        \
    row(FRAME_SHORT, "frame_short", "drop", "Shorter than an Ethernet header.")                                        \
    row(VLAN_HEADER_SHORT, "vlan_header_short", "drop", "Ends inside a VLAN tag.")                                     \
    row(VLAN_TOO_DEEP, "vlan_too_deep", "drop", "More than 4 VLAN tags.")                                              \
    row(LINK_BEYOND_CAPTURE, "link_beyond_capture", "drop", "A capture cut it off in front of layer 3.")               \
    row(MPLS_HEADER_SHORT, "mpls_header_short", "drop", "Ends inside the label stack of MPLS.")                        \
    row(MPLS_TOO_DEEP, "mpls_too_deep", "drop", "More than 8 labels of MPLS.")                                         \
    row(PPPOE_HEADER_SHORT, "pppoe_header_short", "drop", "Ends inside the header of PPPoE.")                          \
    row(PPPOE_VERSION, "pppoe_version", "drop", "Version and type of PPPoE are not 1 and 1.")                          \
    row(PPPOE_LENGTH_SHORT, "pppoe_length_short", "drop", "PPPoE has no room for the protocol that it carries.")       \
    row(PPPOE_LENGTH_BEYOND_FRAME, "pppoe_length_beyond_frame", "drop", "PPPoE claims more than the frame holds.")     \
    row(ARP_HEADER_SHORT, "arp_header_short", "drop", "Ends inside the header of ARP.")                                \
    row(ARP_ADDRESS_LENGTH, "arp_address_length", "drop", "ARP with Ethernet or IPv4 addresses of another length.")    \
    row(ARP_ADDRESSES_BEYOND_FRAME, "arp_addresses_beyond_frame", "drop", "ARP ends inside its addresses.")            \
    row(IP_VERSION, "ip_version", "drop", "The version of IP is not that of the EtherType.")                           \
    row(HEADER_BEYOND_CAPTURE, "header_beyond_capture", "drop", "A capture cut it off inside its headers.")            \
    row(IPV4_HEADER_SHORT, "ipv4_header_short", "drop", "Ends inside the IPv4 header.")                                \
    row(IHL_SHORT, "ihl_short", "drop", "Length of the IPv4 header below 20.")                                         \
    row(IHL_BEYOND_FRAME, "ihl_beyond_frame", "drop", "IPv4 options beyond the frame.")                                \
    row(TOTAL_LENGTH_SHORT, "total_length_short", "drop", "Total length below that of the IPv4 header.")               \
    row(TOTAL_LENGTH_BEYOND_FRAME, "total_length_beyond_frame", "drop", "IPv4 claims more than the frame holds.")      \
    row(IPV4_OPTIONS_LIE, "ipv4_options_lie", "drop", "An IPv4 option that does not fit the header.")                  \
    row(IPV6_HEADER_SHORT, "ipv6_header_short", "drop", "Ends inside the IPv6 header.")                                \
    row(PAYLOAD_LENGTH_BEYOND_FRAME, "payload_length_beyond_frame", "drop", "IPv6 claims more than the frame holds.")  \
    row(EXT_HEADER_SHORT, "ext_header_short", "drop", "Ends inside an extension header.")                              \
    row(EXT_CHAIN_TOO_LONG, "ext_chain_too_long", "drop", "More than 8 extension headers.")                            \
    row(EXT_HOP_BY_HOP_LATE, "ext_hop_by_hop_late", "drop", "Hop-by-hop options that are not the first extension.")    \
    row(EXT_OPTIONS_LIE, "ext_options_lie", "drop", "An IPv6 option that does not fit its extension header.")          \
    row(FRAGMENT_EMPTY, "fragment_empty", "drop", "A fragment of nothing.")                                            \
    row(FRAGMENT_UNALIGNED, "fragment_unaligned", "drop", "Not the last fragment, and no multiple of 8 bytes.")        \
    row(FRAGMENT_BEYOND_64K, "fragment_beyond_64k", "drop", "A fragment whose packet would pass 65535 bytes.")         \
    row(AH_HEADER_SHORT, "ah_header_short", "drop", "Ends inside an authentication header.")                           \
    row(AH_LENGTH_LIES, "ah_length_lies", "drop", "Length of an authentication header below 12 or beyond the packet.") \
    row(ESP_HEADER_SHORT, "esp_header_short", "drop", "Ends inside the ESP header.")                                   \
    row(TCP_HEADER_SHORT, "tcp_header_short", "drop", "Ends inside the TCP header.")                                   \
    row(DOFF_LIES, "doff_lies", "drop", "Data offset of TCP below 20 or beyond the packet.")                           \
    row(UDP_HEADER_SHORT, "udp_header_short", "drop", "Ends inside the UDP header.")                                   \
    row(UDP_LENGTH_SHORT, "udp_length_short", "drop", "UDP length below 8.")                                           \
    row(UDP_LENGTH_BEYOND_PACKET, "udp_length_beyond_packet", "drop", "UDP claims more than the packet holds.")        \
    row(SCTP_HEADER_SHORT, "sctp_header_short", "drop", "Ends inside the SCTP header.")                                \
    row(ICMP_HEADER_SHORT, "icmp_header_short", "drop", "Ends inside the ICMP header.")                                \
    row(ICMP6_HEADER_SHORT, "icmp6_header_short", "drop", "Ends inside the ICMPv6 header.")                            \
    row(IGMP_HEADER_SHORT, "igmp_header_short", "drop", "Ends inside the IGMP header.")                                \
    row(GRE_HEADER_SHORT, "gre_header_short", "drop", "Ends inside the GRE header.")                                   \
    row(IP_CHECKSUM_BAD, "ip_checksum_bad", "pass", "Checksum of the IPv4 header.")                                    \
    row(L4_CHECKSUM_BAD, "l4_checksum_bad", "pass", "Checksum of TCP, UDP, ICMP or ICMPv6.")
/* clang-format on */

enum weir_parse_reason {
    WEIR_PARSE_OK,
#define WEIR_PARSE_ENUM(NAME, ...) WEIR_PARSE_##NAME,
    WEIR_PARSE_REASONS(WEIR_PARSE_ENUM)
#undef WEIR_PARSE_ENUM
        WEIR_PARSE_REASONS_END
};

enum weir_ip_protocol {
    WEIR_PROTOCOL_ICMP = 1,
    WEIR_PROTOCOL_IGMP = 2,
    WEIR_PROTOCOL_IPV4 = 4,
    WEIR_PROTOCOL_TCP = 6,
    WEIR_PROTOCOL_UDP = 17,
    WEIR_PROTOCOL_IPV6 = 41,
    WEIR_PROTOCOL_GRE = 47,
    WEIR_PROTOCOL_ESP = 50,
    WEIR_PROTOCOL_AH = 51,
    WEIR_PROTOCOL_ICMP6 = 58,
    WEIR_PROTOCOL_SCTP = 132,
};

static inline enum weir_key_kind weir_key_kind_of(const struct weir_key *key)
{
    return (enum weir_key_kind)(key->vlan_kind >> 12);
}

/* IPv4 or IPv6. */
static inline bool weir_key_is_ip(const struct weir_key *key)
{
    unsigned kind = key->vlan_kind >> 12;
    return (kind == WEIR_KEY_IPV4) | (kind == WEIR_KEY_IPV6);
}

/* Does a frame with this outcome count as an IP packet? Invalid ones do. */
static inline bool weir_parse_is_ip(enum weir_parse_reason reason, const struct weir_key *key)
{
    return (reason >= WEIR_PARSE_IP_VERSION) | weir_key_is_ip(key);
}

/* Of a valid packet, the outer one in a tunnel: what verifying its checksums takes. */
struct weir_parse_layer4 {
    uint32_t offset,
        end;         /* from the start of the frame; 0 = there is nothing to verify: not IP, or a fragment */
    uint32_t header; /* where layer 4 begins, of a fragment too; 0 = not IP, or in another fragment */
    uint32_t addresses;    /* where source and target are, 0 = not IP */
    uint8_t address_bytes; /* 4 or 16 each; 0 = the last target is not known: a routing header hides it */
    uint8_t protocol;
    bool ip_checksum_bad; /* of the IPv4 header */
};

/* The general parser: every frame, same answer as weir_parse_quick() below, and more of it.
 *
 * captured  bytes at `frame`; none beyond is read. May be less than `length`: cut capture, first segment.
 * length    layer-2 bytes on the wire. Lengths in headers are judged by it.
 * inner     key and hash are those of the flow inside of a tunnel, one level deep, where it is IP and valid.
 * layer4    written if not NULL.
 * desc      hash and key are written, and key.flags but for WEIR_DESC_PLAIN. Invalid: kind NONE, hash 0.
 * Returns   WEIR_PARSE_OK or why the frame is invalid. */
enum weir_parse_reason weir_parse_slow(const uint8_t *frame, uint32_t captured, uint32_t length,
    const uint64_t hash_key[4], bool inner, struct weir_parse_layer4 *layer4, struct weir_desc *);

/* So far headers may reach; of a chained packet they are gathered for the general parser. */
#define WEIR_PARSE_HEADERS_MAX 1024

struct weir_endpoints { /* the lower one first, network byte order */
    uint8_t address[2][16];
    uint16_t port[2];
};

/* What the key of an IPv6 flow has only a fingerprint of, from the frame that it was made of, with or without `inner`.
 * False: the frame has another key. */
bool weir_parse_endpoints(const uint8_t *frame, uint32_t captured, uint32_t length,
    const uint64_t hash_key[4], const struct weir_key *, struct weir_endpoints *);

/* ---- pieces of the fast path ---- */

static inline uint16_t weir_parse_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t weir_parse_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t weir_parse_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint16_t weir_parse_be16(const uint8_t *p)
{
    return __builtin_bswap16(weir_parse_u16(p));
}

static inline bool weir_parse_is_tag(uint16_t ether_type)
{
    return ether_type == 0x8100 || ether_type == 0x88a8 || ether_type == 0x9100;
}

/* Write key and hash. `addresses`, `ports`: the lower endpoint (or fingerprint bits) in the low half. */
static inline void weir_parse_finish(struct weir_desc *d, const uint64_t hash_key[4], uint64_t addresses,
    uint32_t ports, uint32_t vlan_kind, uint32_t protocol, uint32_t flags)
{
    uint64_t rest = ports | (uint64_t)vlan_kind << 32 | (uint64_t)protocol << 48;
    uint64_t tail = rest | (uint64_t)((d->key.flags & WEIR_DESC_PLAIN) | flags) << 56;
    d->hash = (uint32_t)weir_hash(hash_key, addresses, rest, 0);
    memcpy(&d->key, &addresses, 8);
    memcpy((uint8_t *)&d->key + 8, &tail, 8);
}

/* By IP protocol: where, in a frame of the common case, layer 4 claims a length for itself: TCP of its
 * header, UDP of it all. For any other protocol the claim fails. */
struct weir_parse_claim {
    uint16_t least, mask;
    uint8_t offset, shift;
};
extern const struct weir_parse_claim weir_parse_claims[256];

/* The common case: untagged IPv4 without options, no fragment, TCP or UDP, two different addresses. False:
 * nothing was written, it is for weir_parse_slow() to say.
 *
 * What holds for nearly every packet is tested by branches of its own; protocol and direction change from
 * packet to packet, and a mispredicted branch costs as much as all of this, so a table and a choice of
 * registers do. */
static inline bool weir_parse_quick(
    const uint8_t *frame, uint32_t captured, uint32_t length, const uint64_t hash_key[4], struct weir_desc *d)
{
    const uint32_t least = 14 + 20 + 20;
    if (__builtin_expect(captured < least || length < least, 0))
        return false;
    /* EtherType 08 00, version and header length 45; no more-fragments flag, offset 0. */
    if (__builtin_expect((weir_parse_u32(frame + 12) & 0xffffff) != 0x450008, 0))
        return false;
    uint32_t fragment_ttl_protocol = weir_parse_u32(frame + 20), protocol = fragment_ttl_protocol >> 24;
    if (__builtin_expect((fragment_ttl_protocol & 0xff3f) != 0, 0))
        return false;
    uint32_t payload = weir_parse_be16(frame + 16) - 20u; /* below 20: huge, refused by the next line */
    if (__builtin_expect(payload > length - 34, 0))
        return false;

    const struct weir_parse_claim *claim = &weir_parse_claims[protocol];
    uint32_t claimed = (uint32_t)weir_parse_be16(frame + claim->offset) >> claim->shift & claim->mask;
    if (__builtin_expect(claimed < claim->least || claimed > payload, 0))
        return false;

    /* Source in the low half, target in the high one; turned around if that puts the lower address first. */
    uint64_t addresses = weir_parse_u64(frame + 26), turned = addresses << 32 | addresses >> 32;
    uint32_t ports = weir_parse_u32(frame + 34), ports_turned = ports << 16 | ports >> 16;
    if (__builtin_expect(addresses == turned, 0))
        return false;
    bool reversed = addresses < turned;
    weir_parse_finish(d, hash_key, reversed ? turned : addresses, reversed ? ports_turned : ports,
        WEIR_KEY_IPV4 << 12, protocol,
        (uint32_t)reversed * WEIR_DESC_REVERSED |
            (protocol == WEIR_PROTOCOL_TCP) * WEIR_DESC_TCP(frame[34 + 13]));
    return true;
}

#ifdef __cplusplus
}
#endif
