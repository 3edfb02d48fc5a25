/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets whose way has ended, on their way back to the pool in bulk. */
#pragma once

#include <stddef.h>

#include "dataplane/descriptor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_TRASH_MAX 256

struct weir_view;

/* One per worker; its thread only. Flushed at the end of every step, so it never holds more than a few batches. */
struct weir_trash {
    uint32_t n_plain;
    uint32_t n_other;
    struct weir_view *view;                 /* of what is dropped; NULL = nobody watches */
    struct rte_mbuf *plain[WEIR_TRASH_MAX]; /* go back with one bulk put */
    struct rte_mbuf *other[WEIR_TRASH_MAX]; /* chained, shared or indirect: freed one by one */
};

void weir_trash_flush(struct weir_trash *);

/* Takes ownership of the packet; it is freed by the next flush. */
static inline void weir_release(struct weir_trash *t, const struct weir_desc *d)
{
    if (d->key.flags & WEIR_DESC_PLAIN)
        t->plain[t->n_plain++] = d->mbuf;
    else
        t->other[t->n_other++] = d->mbuf;
    if (__builtin_expect((t->n_plain == WEIR_TRASH_MAX) | (t->n_other == WEIR_TRASH_MAX), 0))
        weir_trash_flush(t);
}

void weir_view_packets(struct weir_view *, const struct weir_desc *, uint32_t n, const char *stage,
    const char *reason); /* tap.c */

/* The same for a packet that is dropped outside of the stages. */
static inline void weir_drop(struct weir_trash *t, const struct weir_desc *d, const char *reason)
{
    if (__builtin_expect(t->view != NULL, 0))
        weir_view_packets(t->view, d, 1, NULL, reason);
    weir_release(t, d);
}

#ifdef __cplusplus
}
#endif
