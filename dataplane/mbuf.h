/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking packets from the pool. Giving back is release.h. */
#ifndef WEIR_DATAPLANE_MBUF_H
#define WEIR_DATAPLANE_MBUF_H

#include <rte_mbuf.h>

#include "rings/atomic.h"

/* Bytes of one packet segment; a longer frame is a chain. */
#define WEIR_MBUF_ROOM 2048
#define WEIR_MBUF_CACHE 512

/* All n or none. */
static inline bool weir_mbuf_take(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned n)
{
    if (rte_pktmbuf_alloc_bulk(pool, mbufs, n) != 0)
        return false;
    weir_unseen_acquire(pool);
    return true;
}

#endif
