/* SPDX-License-Identifier: BSD-3-Clause */
/* A capture: a tap on each worker that is concerned, and its packets in the order of their time. One at a time.
 * Threads  any one that is neither control nor a worker. */
#pragma once

#include "dataplane/tap.h"
#include "workers/runtime.h"

#define WEIR_CAPTURE_SNAP_MAX WEIR_VIEW_FLAT

struct weir_capture_plan {
    const char *pool;   /* packets as they enter it; NULL = all that are fed by ports */
    bool drops;         /* instead: packets as they are dropped */
    const char *reason; /* of these; NULL = all */
    const char *filter; /* NULL = all packets */
    uint32_t snap, every;
};

struct weir_capture {
    struct weir_runtime *rt;
    struct bpf_program *filter;
    char *reason;
    void *memory;                       /* of views and rings */
    struct weir_ring_consumer *in_hand; /* where the last copy came from */
    bool stopped;                       /* no more copies are wanted */
    bool closed;                        /* and nobody looks at them */
    uint32_t n;
    struct weir_view_of {
        struct weir_worker *worker;
        struct weir_view *view;
    } views[];
};

/* NULL after the complaint, cause and remedy; errno: EINVAL, or EBUSY for what is not possible now. */
struct weir_capture *weir_capture_open(
    struct weir_runtime *, const struct weir_capture_plan *, FILE *complaint);
/* The oldest copy, until the next call; `by`: whose it is. NULL: there is none now. */
const struct weir_tapped *weir_capture_next(struct weir_capture *, const struct weir_worker **by);
/* Waits until no more copies are made, or LET_GO_MS for one that is stuck. A second call does nothing. */
void weir_capture_stop(struct weir_capture *);
/* All workers have ended. */
bool weir_capture_is_over(const struct weir_capture *);
/* Stops it, too. What a stuck worker may still touch stays, and no other capture begins until that one has let go. */
void weir_capture_close(struct weir_capture *);
