/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/release.h"

#include <rte_mbuf.h>

#include "rings/atomic.h"

void weir_trash_flush(struct weir_trash *t)
{
    if (t->n_plain != 0) {
        /* Plain packets share the one pool of the process: one bulk put, no look at any of them. */
        struct rte_mempool *pool = t->plain[0]->pool;
        weir_unseen_release(pool);
        rte_mempool_put_bulk(pool, (void **)t->plain, t->n_plain);
        t->n_plain = 0;
    }
    if (t->n_other != 0) {
        weir_unseen_release(t->other[0]->pool);
        rte_pktmbuf_free_bulk(t->other, t->n_other);
        t->n_other = 0;
    }
}
