/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking packets from the pool. Giving back is release.h. */
#pragma once

#include <rte_mbuf.h>

#include "rings/atomic.h"

/* Bytes of one packet segment; a longer frame is a chain. More where a device has a larger MTU and no chains. */
#define WEIR_MBUF_ROOM 2048
/* Around an MTU: the Ethernet header, a tag, and what AF_PACKET puts in front of a frame. */
#define WEIR_MTU_AROUND 84u

#define WEIR_MTU_MAX 16000u /* what a larger interface sends is refused when the port is opened */

static inline uint32_t weir_mbuf_room(uint32_t mtu)
{
    uint32_t room = WEIR_MBUF_ROOM;
    mtu = mtu < WEIR_MTU_MAX ? mtu : WEIR_MTU_MAX;
    while (room < mtu + WEIR_MTU_AROUND)
        room *= 2;
    return room;
}
#define WEIR_MBUF_CACHE 512

/* All n or none. */
static inline bool weir_mbuf_take(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned n)
{
    if (rte_pktmbuf_alloc_bulk(pool, mbufs, n) != 0)
        return false;
    weir_unseen_acquire(pool);
    return true;
}
