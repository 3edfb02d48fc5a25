/* SPDX-License-Identifier: BSD-3-Clause */
/* A word that says that something else is ready: a state, a flag. One writer, any number of readers.
 *
 * Whoever reads a value also sees all that the writer wrote before it, in plain memory, too.
 * Threads  publish: the owner only. read: anyone, at any time. */
#pragma once

#include "rings/atomic.h"

struct weir_word {
    uint32_t value;
};

static inline void weir_word_publish(struct weir_word *w, uint32_t value)
{
    /* [W1] all that was written before; pairs with [X1] in weir_word_read. */
    weir_store_release(&w->value, value);
}

static inline uint32_t weir_word_read(const struct weir_word *w)
{
    /* [X1] pairs with [W1] in weir_word_publish. */
    return weir_load_acquire(&w->value);
}
