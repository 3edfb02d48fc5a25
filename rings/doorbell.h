/* SPDX-License-Identifier: BSD-3-Clause */
/* Park a consumer that has nothing to do, and wake it when something comes. No wake-up is lost.
 *
 *     producer                           consumer, when its rings are empty
 *     weir_ring_push(…)                  weir_doorbell_arm(bell)
 *     weir_doorbell_ring(bell)           look at all rings again
 *                                        weir_doorbell_wait(bell, …)       only if they are still empty
 *                                        weir_doorbell_disarm(bell)
 *
 * The price is paid by who sleeps: a producer reads one word that hardly ever changes. The consumer's membarrier() makes
 * every producer either see the bell armed after its push, or have its push seen by the second look.
 *
 * Threads  arm, wait, disarm: the one consumer. ring: any number of producers. The counters: anyone.
 * Kernel   wait and a ring of an armed bell are a system call each; arm is one (membarrier, some 2 300 TSC cycles).
 * Without  membarrier (an old kernel, a seccomp filter) weir_doorbell_init() says so and no wait is longer than
 *          WEIR_DOORBELL_BLIND_NS: a wake-up may be late then, never lost. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rings/atomic.h"
#include "rings/counter.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_DOORBELL_BLIND_NS 1000000

struct weir_doorbell {
    uint32_t armed;             /* consumer sets; consumer and producers clear */
    bool blind;                 /* consumer only: no membarrier() here */
    struct weir_counter parks;  /* consumer writes, all read: waits that slept or tried to */
    struct weir_counter rounds; /* consumer writes, all read: times armed */
} __attribute__((aligned(WEIR_APART)));

/* True: the kernel has what it takes. False: blind, timed waits, see above. */
bool weir_doorbell_init(struct weir_doorbell *);

/* ---- producer ---- */

void weir_doorbell_ring_slow(struct weir_doorbell *);

/* After the push, and after the publish, that the consumer must not miss. */
static inline void weir_doorbell_ring(struct weir_doorbell *b)
{
    weir_compiler_barrier(); /* the push stays before the look; weir_doorbell_arm() pays for the processor's part */
    /* Relaxed: the membarrier() of [P1] orders it after the push. */
    if (__builtin_expect(weir_load_relaxed(&b->armed) != 0, 0))
        weir_doorbell_ring_slow(b);
}

/* ---- consumer ---- */

void weir_doorbell_arm(struct weir_doorbell *);
/* Sleep until rung, or timeout_ns have passed (< 0: for ever), or for no reason: the caller looks again. */
void weir_doorbell_wait(struct weir_doorbell *, int64_t timeout_ns);
void weir_doorbell_disarm(struct weir_doorbell *);

#ifdef __cplusplus
}
#endif
