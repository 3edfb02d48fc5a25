/* SPDX-License-Identifier: BSD-3-Clause */
/* What the frames of a generator are. Frame k of a port is a function of seed, port and k alone, and what its flow is of
 * seed, port and the number of the flow: whoever makes a frame, and whenever, it is the same.
 *
 * A flow has a version of IP, a protocol, tags and ports; a frame of it a size, and a stamp at its end, for which it is
 * made longer if need be. A malformed frame has no stamp. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

#include "dataplane/stage.h"
#include "dataplane/stamp.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_FRAME_MIN 60
#define WEIR_SIMPLE_HEADER 42

/* ---- drawing by weight: the alias method of Walker and Vose, one look whatever the number ---- */

struct weir_pick_slot {
    uint32_t below, other; /* this one up to `below` of 2^32, else the other */
};

struct weir_pick {
    uint32_t n;
    struct weir_pick_slot *slots;
};

/* `slots` and `weights` have n entries; the weights are used up. Slow: for set-up. */
void weir_pick_init(struct weir_pick *, struct weir_pick_slot *slots, double *weights, uint32_t n);

static inline uint32_t weir_pick(const struct weir_pick *p, uint64_t random)
{
    unsigned __int128 at = (unsigned __int128)random * p->n;
    const struct weir_pick_slot *slot = &p->slots[(uint64_t)(at >> 64)];
    return (uint32_t)((uint64_t)at >> 32) < slot->below ? (uint32_t)(at >> 64) : slot->other;
}

/* ---- frames ---- */

enum weir_flow_order { WEIR_ORDER_RANDOM, WEIR_ORDER_SEQUENTIAL };
extern const char *const weir_size_words[],
    *const weir_version_words[], *const weir_protocol_words[],
                                     *const weir_vlan_words[],
                                         *const weir_port_words[],
                                             *const weir_malformed_words[]; /* NULL-terminated */

struct weir_frames_params {
    uint64_t flows, order;
    uint64_t skew; /* thousandths: Zipf's exponent */
    struct weir_weights size, versions, protocols, vlans, service_vlans, to_ports, malformed;
};

#define WEIR_CHOICES_MAX (3 * WEIR_WEIGHTS_MAX) /* a word may be three sizes */

/* Ranges, or words, by weight. */
struct weir_choice {
    struct weir_pick pick;
    struct weir_pick_slot slots[WEIR_CHOICES_MAX];
    uint16_t low[WEIR_CHOICES_MAX], more[WEIR_CHOICES_MAX]; /* more: high - low */
};

struct weir_frames {
    uint64_t seed;
    uint16_t port;
    bool simple; /* all are UDP over IPv4 without tags, flows random and lasting: the short way */
    bool sequential, lies;
    uint32_t flows;
    uint64_t churn; /* new flows a frame, in 1 / 2^64 */
    double mean_bytes;
    uint32_t only_size;       /* 0 = there are several */
    struct weir_pick popular; /* flows, where they have weights */
    struct weir_choice size, version, protocol, vlan, service_vlan, to_port, malformed;
    uint8_t header[WEIR_SIMPLE_HEADER]; /* of a simple frame; the first 12 bytes of any */
};

struct weir_frame {
    uint64_t flow;    /* drawn of this: number, and generation above 32 bits */
    uint32_t length;  /* layer-2 bytes without FCS */
    uint32_t lie;     /* how it is malformed, 0 = not; index into weir_malformed_words */
    bool v6;          /* as the next, not read where all frames are `simple` */
    uint8_t protocol; /* index into weir_protocol_words */
    uint16_t tag[2];  /* of the service, of the customer; 0 = none */
};

/* popular: where there is a skew, room for as many slots as there are flows, kept as long as the frames; else NULL.
 * Returns false where memory is short. */
bool weir_frames_init(struct weir_frames *, const struct weir_frames_params *, uint64_t seed, uint16_t port,
    struct weir_pick_slot *popular);

static inline uint64_t weir_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* What frame k is drawn of: a counter, so that no draw depends on another. */
static inline uint64_t weir_frame_random(const struct weir_frames *f, uint64_t k)
{
    return weir_mix(f->seed + k * 0xd1342543de82ef95u);
}

static inline uint32_t weir_choose(const struct weir_choice *c, uint64_t random)
{
    uint32_t i = weir_pick(&c->pick, random);
    if (__builtin_expect(c->more[i] == 0, 1))
        return c->low[i];
    return c->low[i] + (uint32_t)((weir_mix(random) >> 32) * (c->more[i] + 1u) >> 32);
}

void weir_frame_draw_slow(const struct weir_frames *, uint64_t k, struct weir_frame *);

/* Frame k, but for its bytes. */
static inline void weir_frame_draw(
    const struct weir_frames *f, uint64_t k, bool simple, struct weir_frame *to)
{
    if (!simple) {
        weir_frame_draw_slow(f, k, to);
        return;
    }
    uint64_t random = weir_frame_random(f, k);
    to->flow = (random >> 32) * f->flows >> 32;
    to->length = f->only_size != 0 ? f->only_size : weir_choose(&f->size, weir_mix(random));
    to->lie = 0;
}

/* The bytes of a frame; it has room for its length. sequence: of its flow, with the generation, as in the stamp; sent:
 * bytes that its flow has carried before, which TCP numbers. */
void weir_frame_write(
    const struct weir_frames *, const struct weir_frame *, uint64_t sequence, uint32_t sent, uint8_t *to);
/* Bytes that a frame which tells no lie carries behind its headers. */
uint32_t weir_frame_payload(const struct weir_frame *);

/* ---- the short way ---- */

/* What a flow is called, but for what its protocol is. */
struct weir_flow_names {
    uint32_t source, target; /* of IPv4; in IPv6 the end of the address */
    uint16_t source_port, target_port;
};

static inline struct weir_flow_names weir_flow_names_of(const struct weir_frames *f, uint64_t flow)
{
    uint64_t h = weir_mix(flow ^ f->seed);
    return (struct weir_flow_names){0x0a000000u | (uint32_t)flow, 0xac100000u | (uint32_t)(h & 0xfffff),
        (uint16_t)(1024 + (h >> 20) % 64000), (uint16_t)(1024 + (h >> 40) % 64000)};
}

static inline uint16_t weir_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static inline void weir_put16(uint8_t *to, uint32_t value)
{
    uint16_t big = rte_cpu_to_be_16((uint16_t)value);
    memcpy(to, &big, sizeof big);
}

static inline void weir_put32(uint8_t *to, uint32_t value)
{
    uint32_t big = rte_cpu_to_be_32(value);
    memcpy(to, &big, sizeof big);
}

/* As weir_frame_write(), of a frame that is simple. */
static inline void weir_frame_write_simple(
    const struct weir_frames *f, const struct weir_frame *frame, uint64_t sequence, uint8_t *to)
{
    struct weir_flow_names n = weir_flow_names_of(f, frame->flow);
    uint32_t length = frame->length, udp = length - 34;
    uint32_t flow = (uint32_t)frame->flow;

    /* One's complement sums: what is the same in all frames, then what changes. */
    uint32_t addresses = (n.source >> 16) + (n.source & 0xffff) + (n.target >> 16) + (n.target & 0xffff);
    uint32_t sum = weir_fold(WEIR_STAMP_MAGIC + f->port + (flow & 0xffff) + (flow >> 16) +
                             (uint32_t)(sequence & 0xffff) + (uint32_t)(sequence >> 16 & 0xffff) +
                             (uint32_t)(sequence >> 32 & 0xffff) + (uint32_t)(sequence >> 48));
    sum = length % 2 != 0 ? sum : rte_bswap16((uint16_t)sum);
    uint16_t of_udp = (uint16_t)~weir_fold(sum + addresses + 17 + 2 * udp + n.source_port + n.target_port);

    memcpy(to, f->header, WEIR_SIMPLE_HEADER);
    weir_put16(to + 16, length - 14);
    weir_put16(to + 24, (uint16_t)~weir_fold(0x4500 + 0x4011 + addresses + length - 14));
    /* In one piece each: what is put together in memory and read back whole waits for the pieces. */
    uint64_t ends = rte_cpu_to_be_64((uint64_t)n.source << 32 | n.target);
    uint64_t layer4 = rte_cpu_to_be_64((uint64_t)n.source_port << 48 | (uint64_t)n.target_port << 32 |
                                       udp << 16 | (of_udp != 0 ? of_udp : 0xffff));
    uint64_t stamp[] = {WEIR_STAMP_MAGIC | (uint64_t)f->port << 16 | frame->flow << 32, sequence};
    memcpy(to + 26, &ends, 8);
    memcpy(to + 34, &layer4, 8);
    memset(to + WEIR_SIMPLE_HEADER, 0, length - WEIR_SIMPLE_HEADER - sizeof stamp);
    memcpy(to + length - 16, &stamp[0], 8);
    memcpy(to + length - 8, &stamp[1], 8);
}

#ifdef __cplusplus
}
#endif
