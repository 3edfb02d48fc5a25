/* SPDX-License-Identifier: BSD-3-Clause */
/* How often each value came: a log-linear histogram (that of HdrHistogram, in its simplest form) of all 64-bit values, in
 * a fixed 15 KiB. Each power of two is cut into 32 equal buckets, so a value told is within 1.6 % of the one recorded, and
 * exact below 64; `max` is exact.
 *
 * Units    whatever is recorded, mostly TSC cycles.
 * Threads  record: the one owner. weir_histogram_add(): anyone, at any time, into one of its own; what it then reads there
 *          agrees with itself. The other readers: of one that nobody writes. */
#pragma once

#include <stdint.h>

#include "rings/counter.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_HISTOGRAM_BITS 5
#define WEIR_HISTOGRAM_BUCKETS ((64 - WEIR_HISTOGRAM_BITS + 1) << WEIR_HISTOGRAM_BITS)

struct weir_histogram { /* all zero = empty */
    struct weir_counter max;
    struct weir_counter buckets[WEIR_HISTOGRAM_BUCKETS];
};

/* The leading bits of the value, and how far they were shifted. */
static inline uint32_t weir_histogram_bucket(uint64_t value)
{
    uint32_t shift = 63 - WEIR_HISTOGRAM_BITS - (uint32_t)__builtin_clzll(value | 1u << WEIR_HISTOGRAM_BITS);
    return (shift << WEIR_HISTOGRAM_BITS) + (uint32_t)(value >> shift);
}

static inline void weir_histogram_record(struct weir_histogram *h, uint64_t value)
{
    if (__builtin_expect(value > h->max.value, 0)) /* before the bucket: whoever sees that sees a max, too */
        weir_counter_set(&h->max, value);
    weir_counter_add(&h->buckets[weir_histogram_bucket(value)], 1);
}

/* What `from` holds now, too. */
void weir_histogram_add(struct weir_histogram *to, const struct weir_histogram *from);

/* A walk through one that nobody writes, from the least value on: what is asked of it rises from question to question, so that
 * all answers take one pass. */
struct weir_histogram_walk {
    const struct weir_histogram *of;
    uint64_t count;  /* how many there are */
    uint64_t passed; /* of these */
    double
        sum; /* of those passed, as exact as the values are; never less than it was before more was recorded */
    uint32_t next; /* bucket */
};
struct weir_histogram_walk weir_histogram_start(const struct weir_histogram *);
/* The least value that at least the part `q` (0 .. 1) of all does not exceed; 1 = max. 0 if there is none. */
uint64_t weir_histogram_quantile(struct weir_histogram_walk *, double q);
/* How many are at most `value`, as exact as that is. */
uint64_t weir_histogram_until(struct weir_histogram_walk *, uint64_t value);

#ifdef __cplusplus
}
#endif
