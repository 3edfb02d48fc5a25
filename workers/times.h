/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker times, and what that says, as plain numbers of a snapshot. In a file of its own, so that what is rare does not
 * stand in the way of what is not. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/histogram.h"
#include "workers/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_port;
struct weir_runtime;
struct weir_stage;
struct weir_worker;

/* A loop that polls comes round in microseconds. One that did not was not running: the kernel had another thread on its CPU, an
 * interrupt or the hypervisor had it, or a stage hung. Worker writes, all read. */
struct weir_times {
    struct weir_counter gaps, longest_tsc; /* their time is in cycles[WEIR_STEP_LOST] */
    struct {
        struct weir_counter end_tsc, lost_tsc;
    } last[WEIR_GAPS];             /* the i-th, from 0, at i modulo WEIR_GAPS */
    struct weir_histogram batches; /* packets, of one receive in so many */
    struct weir_histogram inbox;   /* packets that lay there then */
};

#define WEIR_TIMES_EVERY 64 /* batches, of which one is timed */
#define WEIR_GAP_US 20

/* ---- the worker's own ---- */

/* Of the n packets that its batch has from a port now, at least one shall be a probe. */
void weir_times_probe(struct weir_worker *, const struct weir_port *, uint16_t queue, uint32_t n);
/* The probes of its batches are about to be handed over. */
void weir_times_hand(struct weir_worker *);
/* The batch in hand is one of those that are timed; then, how long all and each of the stages took for n packets. */
void weir_times_batch(struct weir_worker *);
void weir_times_learn(struct weir_worker *, uint32_t n, uint64_t took_tsc);
void weir_times_stage(struct weir_worker *, struct weir_stage *, uint32_t n, uint64_t took_tsc);
/* A step took longer than gap_tsc. How much of that it cannot have worked for; 0 = it may have. */
uint64_t weir_times_gap(struct weir_worker *, uint32_t step, uint64_t took_tsc, uint64_t now_tsc);

/* ---- control thread ---- */

/* At most once a second: which workers lost time since. */
void weir_times_tell(struct weir_runtime *, uint64_t now_tsc);

/* The caller of weir_snapshot_take(). False: no memory. */
bool weir_times_take(const struct weir_runtime *, struct weir_snapshot *);
void weir_times_take_worker(
    const struct weir_runtime *, const struct weir_worker *, struct weir_snapshot_worker *);
void weir_times_take_stage(
    const struct weir_runtime *, const struct weir_stage *, struct weir_snapshot_stage *);

#ifdef __cplusplus
}
#endif
