/* SPDX-License-Identifier: BSD-3-Clause */
/* A counter with one writer and any number of readers: no locked instruction, never torn.
 *
 * A counter carries an order: whoever reads a value also sees every counter that its writer, or anyone whose ring the
 * writer popped before, had added to until then. So a reader that goes against the stream (what left first, what
 * entered last) sees packets under way and never packets from nowhere. On x86 the order costs nothing.
 *
 * Units    whatever the name of the field says (packets, bytes, TSC cycles).
 * Threads  add and set: the owner only. read: anyone, at any time; the value may be a step old. */
#pragma once

#include "rings/atomic.h"

struct weir_counter {
    uint64_t value;
};

static inline void weir_counter_set(struct weir_counter *c, uint64_t value)
{
    /* [C1] with all that was counted before; pairs with [D1] in weir_counter_read. */
    weir_store_release_u64(&c->value, value);
}

static inline void weir_counter_add(struct weir_counter *c, uint64_t n)
{
    weir_counter_set(c, c->value + n); /* nobody else writes it */
}

static inline uint64_t weir_counter_read(const struct weir_counter *c)
{
    /* [D1] pairs with [C1] in weir_counter_set. */
    return weir_load_acquire_u64(&c->value);
}
