/* SPDX-License-Identifier: BSD-3-Clause */
/* What crosses a ring: 32 bytes that spare the next core the packet itself. */
#pragma once

#include <assert.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rte_mbuf;

enum weir_key_kind {
    WEIR_KEY_NONE = 0, /* not parsed, or invalid and passed on */
    WEIR_KEY_L2 = 2,   /* not IP: address and port bytes are a keyed fingerprint of MAC pair and EtherType */
    WEIR_KEY_IPV4 = 4, /* the tuple itself */
    WEIR_KEY_IPV6 = 6, /* address and port bytes are a keyed 96-bit fingerprint of addresses and ports */
};

/* A bidirectional flow: both directions give the same first 15 bytes (the lower endpoint stands first).
 * Later fragments, and any fragment, carry ports 0. Network byte order where it is the tuple. */
struct weir_key {
    uint32_t address[2];
    uint16_t port[2];
    uint16_t
        vlan_kind; /* VLAN id of the innermost tag in bits 0-11 (0 if none), enum weir_key_kind in 12-15 */
    uint8_t protocol;
    uint8_t flags; /* WEIR_DESC_*; not part of the flow's identity */
};

#define WEIR_DESC_PLAIN 0x01    /* one segment, one reference, direct: may go back to its pool in bulk */
#define WEIR_DESC_REVERSED 0x02 /* this packet travels from the higher endpoint to the lower */
#define WEIR_DESC_FRAGMENT 0x04
#define WEIR_DESC_TCP_SHIFT 3 /* from here on the low five flags of TCP, 0 of anything else: */
#define WEIR_TCP_FIN 0x01
#define WEIR_TCP_SYN 0x02
#define WEIR_TCP_RST 0x04
#define WEIR_TCP_ACK 0x10
#define WEIR_DESC_TCP(byte) (((byte)&0x1fu) << WEIR_DESC_TCP_SHIFT)

struct weir_desc {
    struct rte_mbuf *mbuf; /* owned by whoever owns the descriptor */
    uint32_t hash;         /* symmetric keyed hash of the flow; shard = hash & (shards - 1) */
    uint32_t length : 24;  /* layer-2 bytes on the wire without FCS; the original length of a cut capture */
    uint32_t class_id : 8; /* 0 until a classify stage writes it */
    struct weir_key key;
};

static_assert(sizeof(struct weir_key) == 16, "the key is one SIMD register");
static_assert(sizeof(struct weir_desc) == 32, "two descriptors a cache line");

#ifdef __cplusplus
}
#endif
