/* SPDX-License-Identifier: BSD-3-Clause */
/* Shards change their owner while packets flow: what the workers do. The manager (manager.h) says what moves.
 *
 *     manager    posts one move to the old owners, the new owners, and then to every producer of the pool
 *     producer   sets a fence on each of its rings behind all that it ever routed there, then routes anew
 *     old owner  past all fences: waits until the next hop has taken all it wrote (copies apart; a file's writer
 *                for a quarter of a second at most), and gives
 *     new owner  stashes what comes of the shards, in order; all given: plays the stash, and is live
 *
 * No worker both gives and takes in one move, and one move is under way in the pipeline at a time. Nobody waits in a
 * call: each is a few looks at words and indices per step, and a step without a move pays one test.
 * docs/design/005-hand-over.md: why each rule is there, and what happens without it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/descriptor.h"
#include "rings/counter.h"
#include "rings/word.h"
#include "workers/route.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_worker;

/* Packets that a new owner keeps at most; then it takes no more of the shards that come, nor what lies behind them in a
 * ring, and its inboxes do what they do when full. */
#ifndef WEIR_STASH /* smaller in the simulator */
#define WEIR_STASH 1024
#endif

/* Read only while it is under way. */
struct weir_move {
    uint32_t epoch; /* never 0, never the same again */
    uint32_t pool;
    uint64_t posted_tsc;
    struct weir_worker **workers; /* of the pool */
    uint32_t n_workers;
    bool gives[WEIR_POOL_WORKERS_MAX], takes[WEIR_POOL_WORKERS_MAX];
    struct weir_route from, to;
};

/* Every packet of a shard that leaves lies before `position` in this ring. The producer's, read by the consumer. */
struct weir_fence {
    uint32_t position;      /* of what `epoch` publishes */
    struct weir_word epoch; /* of the move */
};

struct weir_handover {
    /* The worker's own. */
    const struct weir_move *move; /* in which it gives or takes, NULL = none */
    bool noted;                   /* past all fences; what the next hop must have taken is known */
    uint64_t noted_tsc;
    bool plays; /* the stash comes before anything new */
    uint32_t n_stashed, played;
    struct weir_desc *stash; /* WEIR_STASH; NULL where no shard can move */
    uint64_t live_tsc;       /* of the last shards taken; published by `done` */

    /* Worker writes, all read. */
    struct weir_word given WEIR_CACHE_ALIGNED; /* epoch: what it had to give is the new owners' */
    struct weir_word done;                     /* epoch: it has no part in that move any more */
    struct weir_counter high_water;            /* packets in the stash, the most ever */
};

/* A move was posted: set the fences and route anew, or begin to give or to take. Between two batches, or with one in
 * hand that is not dispatched. */
void weir_handover_begin(struct weir_worker *, const struct weir_move *);
/* The start of a step: whatever was received is handed over. */
void weir_handover_step(struct weir_worker *, uint64_t now_tsc);
/* In place of the usual receive, where the stash may not have room for a batch: up to the first packet that would not
 * fit. Returns how many are in the batch. */
uint32_t weir_handover_receive(struct weir_worker *);
/* Just received: packets of shards that are not this worker's yet go from the batch to the stash. */
void weir_handover_stash(struct weir_worker *);
/* The next batch of the stash; its size. */
uint32_t weir_handover_play(struct weir_worker *);
/* Everything is dropped: so is the stash, and nobody waits for this worker. Returns how many packets. */
uint32_t weir_handover_discard(struct weir_worker *);

static inline bool weir_handover_has_room(const struct weir_handover *h, uint32_t packets)
{
    return h->n_stashed + packets <= WEIR_STASH;
}

#ifdef __cplusplus
}
#endif
