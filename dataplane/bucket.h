/* SPDX-License-Identifier: BSD-3-Clause */
/* Token bucket with an exact remainder.
 *
 * Credit is kept in tokens times TSC Hz, so that refilling is one multiplication (cycles passed x tokens per
 * second) and nothing is ever rounded: after any number of refills the long-run rate is exact, for odd
 * clocks and odd rates. A token is whatever the owner counts: layer-2 bytes or packets. 64 bits are enough
 * because init refuses a burst whose credit would not fit in 63.
 *
 * Threads  owner worker only.        Memory  no allocation, no system call, no division after init.
 * Source   token bucket of RFC 2697 section 3, one rate. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_bucket {
    uint64_t credit;     /* token x Hz, never above limit */
    uint64_t limit;      /* burst x Hz */
    uint64_t rate_per_s; /* tokens */
    uint64_t fill_tsc;   /* cycles after which an empty bucket is full, rounded up */
    uint64_t last_tsc;   /* latest time seen */
    uint64_t tsc_hz;     /* credit of one token */
    uint64_t inverse;    /* 2^64 / tsc_hz, rounded down */
    uint64_t burst;      /* tokens */
};

/* The bucket starts full.
 *
 * Returns  0, or -EINVAL: a zero rate, burst or clock, or one too large (rate up to 2^62, burst x tsc_hz <
 *          2^63: at 3 GHz a burst of 3 GB). */
int weir_bucket_init(
    struct weir_bucket *, uint64_t rate_per_s, uint64_t burst, uint64_t tsc_hz, uint64_t now_tsc);

/* Take up to `want` tokens.
 *
 * now_tsc  a value older than the last call counts as no time passed.
 * Returns  tokens granted, 0..want; never an error. */
uint64_t weir_bucket_take(struct weir_bucket *, uint64_t now_tsc, uint64_t want);

/* Credit for the time since the last call. Once a batch; weir_bucket_take_all() does not look at the
 * clock. */
static inline void weir_bucket_refill(struct weir_bucket *b, uint64_t now_tsc)
{
    uint64_t passed = now_tsc - b->last_tsc;
    if (__builtin_expect((int64_t)passed <= 0, 0))
        return;
    b->last_tsc = now_tsc;
    /* Below fill_tsc the product is below limit + rate, so neither it nor the sum can overflow. */
    uint64_t room = b->limit - b->credit;
    uint64_t earned = passed >= b->fill_tsc ? room : passed * b->rate_per_s;
    b->credit += earned < room ? earned : room;
}

/* All of `want` or nothing. A want above the burst is never granted. */
static inline bool weir_bucket_take_all(struct weir_bucket *b, uint64_t want)
{
    uint64_t price = want * b->tsc_hz;
    bool granted = (want <= b->burst) & (price <= b->credit);
    b->credit -= granted ? price : 0;
    return granted;
}

#ifdef __cplusplus
}
#endif
