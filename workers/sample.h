/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers are at, as stacks of native code: each takes its own, in the handler of a signal. A profile is a timer on
 * the CPU time of each worker that sends it, so that each has its true share, asleep, stuck or busy; one look is a
 * single signal. Nobody gets any unless somebody asks for just that.
 *
 * Rejected: libprofiler of gperftools. It samples threads that registered themselves, which a stuck worker never does; their
 * timers go on when the profile has ended; and their handlers wait for each other.
 *
 * Threads  any that is no worker. The handler: the worker's own, without lock, allocation or system call but its return. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "rings/word.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_runtime;
struct weir_worker;

#define WEIR_SAMPLE_DEPTH 48    /* frames of a stack; what lies further out is cut off */
#define WEIR_SAMPLE_NS 10000000 /* of CPU time between two samples */
#define WEIR_SAMPLE_SECONDS_MAX 300

/* Of one worker, which writes from `used` on. */
struct weir_samples {
    const struct weir_worker *worker;
    struct weir_samples *next; /* of those left behind */
    timer_t timer;
    bool timed;
    uint32_t size; /* words */
    struct weir_word used, done;
    /* Of each sample: how often it was seen, how many addresses follow, those, the innermost first. That of the
     * innermost is where it was, the others where they will return to. */
    uintptr_t words[];
};

struct weir_sampling {
    uint32_t n;
    struct weir_samples *of[]; /* by worker */
};

/* seconds  of the longest wait for weir_sampling_end(), up to WEIR_SAMPLE_SECONDS_MAX: a profile. 0: one look.
 * pool     only its workers; NULL = all. Those that have ended or not yet begun are left out.
 * Returns  NULL, and errno: ENOMEM; EAGAIN, the limit of pending signals; ENOENT, no worker. */
struct weir_sampling *weir_sampling_start(const struct weir_runtime *, const char *pool, uint32_t seconds);
/* No more samples, and what came can be read. Waits so long for workers that are off their CPU; of those that did not come
 * by then `done` is 0. */
#define WEIR_SAMPLE_WAIT_MS 500 /* for who has nothing else to do */
void weir_sampling_end(struct weir_sampling *, int wait_ms);
/* NULL is allowed. */
void weir_sampling_free(struct weir_sampling *);

#ifdef __cplusplus
}
#endif
