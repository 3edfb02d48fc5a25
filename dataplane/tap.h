/* SPDX-License-Identifier: BSD-3-Clause */
/* A tap on a worker: copies of its packets for somebody who watches, through a ring of their own. What does not fit is
 * lost to who watches and counted; the packets themselves go their way, and no buffer is taken from their pool.
 *
 * Who watches lays a view out, writes `offered` and publishes the next `wanted`, which is odd; to end, the next one, which is
 * even. The worker looks once a step, and says in `seen` what it has done. The view is the worker's from the first until that
 * is the last, or the worker has ended. */
#pragma once

#include "dataplane/release.h"
#include "dataplane/stage.h"
#include "rings/counter.h"
#include "rings/ring.h"
#include "rings/word.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bpf_program;

struct weir_tapped { /* item of the ring, padded to 8 bytes */
    uint64_t tsc;
    const char *reason, *stage; /* of a drop, else NULL; stage NULL = outside of the stages */
    uint32_t port;              /* index of the one it came from */
    uint32_t length;            /* on the wire */
    uint32_t captured;
    uint8_t frame[]; /* as much of it as is kept */
};

#define WEIR_VIEW_FLAT 65536 /* a filter sees so much of a frame in several segments */

struct weir_view {
    const struct bpf_program *filter; /* NULL = all packets; it sees them as they are, VLAN tags and all */
    bool drops;                       /* what is dropped, not what the worker takes in */
    const char *reason;               /* only these drops; NULL = all */
    uint32_t snap;                    /* bytes of a frame that are kept, at most */
    uint32_t every;                   /* of so many packets one is looked at */
    struct weir_ring *ring;
    struct weir_tap *tap; /* of the worker */
    uint32_t left;        /* worker only: packets until that one */
    uint8_t flat[WEIR_VIEW_FLAT];
    struct weir_counter lost[WEIR_PORTS_MAX]; /* worker writes, all read: packets that found the ring full */
};

struct weir_tap {
    struct weir_view *offered;
    struct weir_word wanted, seen;
    struct weir_view *view;           /* worker only: of what it takes in; NULL = nobody watches */
    struct weir_counter copied, lost; /* worker writes, all read: packets, ever */
};

/* Anyone: the worker has not done yet what is wanted. */
static inline bool weir_tap_is_turned(const struct weir_tap *t)
{
    return weir_word_read(&t->wanted) != weir_word_read(&t->seen);
}

/* The worker, here and below: do what is wanted. */
void weir_tap_turn(struct weir_tap *, struct weir_trash *);

/* Packets that come in; or one that is dropped, with stage and reason. */
void weir_view_packets(
    struct weir_view *, const struct weir_desc *, uint32_t n, const char *stage, const char *reason);

#ifdef __cplusplus
}
#endif
