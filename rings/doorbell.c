/* SPDX-License-Identifier: BSD-3-Clause */
#include "rings/doorbell.h"

#ifndef WEIR_SEAM
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- the kernel's part ---- */

static bool weir_membarrier_register(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* 0, or not: a seccomp filter may have come after the registration. */
static int weir_membarrier(void)
{
    return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/* Sleeps only if *word is still `expected`. timeout_ns < 0: no end. */
static void weir_futex_wait(uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    const struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
}

static void weir_futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
#endif

/* ---- producer ---- */

void weir_doorbell_ring_slow(struct weir_doorbell *b)
{
    /* Relaxed: who gets the 1 wakes, and the kernel orders the rest. Of several producers one does. */
    if (weir_exchange_relaxed(&b->armed, 0) != 0)
        weir_futex_wake(&b->armed);
}

/* ---- consumer ---- */

void weir_doorbell_arm(struct weir_doorbell *b)
{
    weir_counter_add(&b->rounds, 1);
    /* Relaxed: ordered by the barrier on the next line. */
    weir_store_relaxed(&b->armed, 1);
    /* [P1] Every producer is now either before its look at `armed`, and will see 1, or after its push, which the
     * caller's next look at the ring sees. Pairs with the compiler barrier in weir_doorbell_ring. */
    if (!b->blind && weir_membarrier() != 0)
        b->blind = true;
}

void weir_doorbell_wait(struct weir_doorbell *b, int64_t timeout_ns)
{
    weir_counter_add(&b->parks, 1);
    if (b->blind && (timeout_ns < 0 || timeout_ns > WEIR_DOORBELL_BLIND_NS))
        timeout_ns = WEIR_DOORBELL_BLIND_NS;
    weir_futex_wait(&b->armed, 1, timeout_ns);
}

void weir_doorbell_disarm(struct weir_doorbell *b)
{
    /* Relaxed: a producer that still sees 1 rings for nothing. */
    weir_store_relaxed(&b->armed, 0);
}

bool weir_doorbell_init(struct weir_doorbell *b)
{
    *b = (struct weir_doorbell){.blind = !weir_membarrier_register()};
    return !b->blind;
}
