/* SPDX-License-Identifier: BSD-3-Clause */
/* The stamp that a generator writes and the checking sink reads: the last 16 bytes of a frame, so that it is found
 * whatever the headers are, and behind those that somebody on the way adds or removes. Little endian, unaligned. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>

#define WEIR_STAMP_MAGIC 0x5731
/* A flow that ends makes room for another of the same number: the next generation, in the bits above these. */
#define WEIR_STAMP_SEQUENCE_BITS 40

struct weir_stamp {
    uint16_t magic;
    uint16_t port;     /* index of the generator port */
    uint32_t flow;     /* below weir_port.stamped_flows of that port */
    uint64_t sequence; /* of this flow, from 0 */
} __attribute__((packed));

/* False: there is none. */
static inline bool weir_stamp_read(const struct rte_mbuf *m, struct weir_stamp *to)
{
    struct weir_stamp chained;
    const void *at = NULL;
    if (__builtin_expect(m->nb_segs == 1 && m->data_len >= sizeof *to, 1))
        at = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->data_len - sizeof *to);
    else if (m->pkt_len >= sizeof *to)
        at = rte_pktmbuf_read(m, m->pkt_len - (uint32_t)sizeof *to, sizeof *to, &chained);
    if (__builtin_expect(at == NULL, 0))
        return false;
    memcpy(to, at, sizeof *to);
    return to->magic == WEIR_STAMP_MAGIC;
}
