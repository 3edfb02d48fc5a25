/* SPDX-License-Identifier: BSD-3-Clause */
/* A counter with one writer and any number of readers: no locked instruction, never torn.
 *
 * Units    whatever the name of the field says (packets, bytes, TSC cycles).
 * Threads  add and set: the owner only. read: anyone, at any time; the value may be a step old. */
#ifndef WEIR_RINGS_COUNTER_H
#define WEIR_RINGS_COUNTER_H

#include "rings/atomic.h"

struct weir_counter {
    uint64_t value;
};

static inline void weir_counter_add(struct weir_counter *c, uint64_t n)
{
    /* Relaxed: no other writer, and readers order nothing by it. */
    weir_store_relaxed_u64(&c->value, weir_load_relaxed_u64(&c->value) + n);
}

static inline void weir_counter_set(struct weir_counter *c, uint64_t value)
{
    weir_store_relaxed_u64(&c->value, value);
}

static inline uint64_t weir_counter_read(const struct weir_counter *c)
{
    return weir_load_relaxed_u64(&c->value);
}

#endif
