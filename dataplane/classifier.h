/* SPDX-License-Identifier: BSD-3-Clause */
/* Which class a frame belongs to: the first whose expression matches it, as libpcap understands expressions.
 *
 * Simple expressions (alternatives of EtherType, IP protocol and port) fill one table that answers for all of them at
 * once. The others are joined, in their order, into one program for libpcap's interpreter. A packet runs through it at
 * most once, and not at all where the table has found an earlier class. Frames in segments, those whose headers are cut
 * off, and what the joined program gives up on, go through the programs class by class.
 *
 * Not rte_bpf_convert() and DPDK's compiler: of 22.11 the converter adds the wrong register to the offset of indirect
 * bytes and words, and the x86 compiler writes masks below 128 short (`tcp[tcpflags] & tcp-syn`), and stops as soon as two
 * passes give one size, whether or not the targets of its jumps have settled: `udp and less 600` behind another class
 * jumped into the middle of an instruction.
 *
 * Expressions see the frame as if it had no VLAN tags, unless the class is `raw`.
 *
 * Threads  init and free: control. weir_classify(): any number at once; nothing is written.
 * Memory   allocates in init only. */
#pragma once

#include <stdio.h>

#include <rte_mbuf.h>

#include "dataplane/parse.h"
#include "dataplane/stage.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bpf_insn;
struct bpf_program;

/* Where weir_classify() gathers a frame in segments, or takes its tags off; longer frames count as cut here. */
#define WEIR_CLASSIFY_BYTES (1u << 16)

/* class_id - 1, so that the least is the first match and none is the greatest. */
#define WEIR_CLASSIFY_NONE 255u

struct weir_classifier {
    uint32_t n_classes;    /* without `other` */
    uint32_t first_joined; /* - 1 */
    bool any_raw;          /* a program sees the tags */
    bool raw[WEIR_CLASSIFY_NONE];
    struct bpf_program *programs; /* of each class */
    struct bpf_insn *joined;      /* of those that the table does not hold */
    uint8_t transport[256];       /* by protocol: 1 .. 3 = has ports that expressions know */
    uint8_t protocol[2][256];     /* of IPv4, of IPv6 */
    uint8_t ether_type[1 << 16];
    uint64_t ports[(1 << 16) /
                   64]; /* a bit each that stands in `port`: this fits the first cache, that does not */
    uint8_t port[4][2][1 << 16]; /* by transport, source and target */
};

/* An expression for the frame as it is. `what` it is called. NULL after the complaint, with cause and remedy;
 * weir_match_free() it. */
struct bpf_program *weir_match_compile(const char *what, const char *text, FILE *complaint);
void weir_match_free(struct bpf_program *);

/* Does it compile? False after the complaint, with cause and remedy. */
bool weir_match_check(const char *text, FILE *complaint);

/* classes   by class_id; [0] is `other`. Zeroed memory before.
 * Returns   0 or -errno: -EINVAL for what weir_match_check() refuses. */
int weir_classifier_init(struct weir_classifier *, const struct weir_class *classes, uint32_t n);
void weir_classifier_free(struct weir_classifier *);

uint8_t weir_classify_joined(const struct weir_classifier *, const struct weir_desc *, uint32_t found,
    uint32_t tag_bytes, uint8_t *scratch);
uint8_t weir_classify_slow(const struct weir_classifier *, const struct weir_desc *, uint8_t *scratch);

static inline uint32_t weir_classify_less(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* scratch  WEIR_CLASSIFY_BYTES of the caller.
 * Returns  the class_id, 0 = `other`. */
static inline uint8_t weir_classify(
    const struct weir_classifier *c, const struct weir_desc *d, uint8_t *scratch)
{
    const uint8_t *frame = rte_pktmbuf_mtod(d->mbuf, const uint8_t *);
    uint32_t captured = d->mbuf->data_len, at = 12;
    if (__builtin_expect(captured < 14, 0))
        return weir_classify_slow(c, d, scratch);
    uint16_t type = weir_parse_be16(frame + at);
    while (__builtin_expect(weir_parse_is_tag(type), 0) && at < 12 + 4 * WEIR_PARSE_TAGS) {
        at += 4;
        if (captured < at + 2)
            return weir_classify_slow(c, d, scratch);
        type = weir_parse_be16(frame + at);
    }
    const uint8_t *ip = frame + at + 2;
    uint32_t room = captured - at - 2, found = c->ether_type[type];
    if (type == 0x0800 || type == 0x86dd) {
        bool v6 = type != 0x0800;
        if (__builtin_expect(room < (v6 ? 44 : 20), 0))
            return weir_classify_slow(c, d, scratch);
        uint32_t protocol = v6 ? ip[6] : ip[9];
        found = weir_classify_less(found, c->protocol[v6][protocol]);
        if (v6 && protocol == 44) /* libpcap looks behind a fragment header, for the protocol only */
            found = weir_classify_less(found, c->protocol[v6][ip[40]]);
        uint32_t ports = v6 ? 40 : (ip[0] & 0xfu) * 4;
        bool later = !v6 && (weir_parse_be16(ip + 6) & 0x1fff) != 0;
        uint32_t transport = later ? 0 : c->transport[protocol];
        if (transport != 0) {
            if (__builtin_expect(room < ports + 4, 0))
                return weir_classify_slow(c, d, scratch);
            uint32_t source = weir_parse_be16(ip + ports), target = weir_parse_be16(ip + ports + 2);
            if ((c->ports[source / 64] >> source % 64 | c->ports[target / 64] >> target % 64) & 1) {
                found = weir_classify_less(found, c->port[transport][0][source]);
                found = weir_classify_less(found, c->port[transport][1][target]);
            }
        }
    }
    if (c->first_joined < found)
        return weir_classify_joined(c, d, found, at - 12, scratch);
    return (uint8_t)(found + 1);
}

#ifdef __cplusplus
}
#endif
