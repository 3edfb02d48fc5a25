/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tap.h"

#include <string.h>

#include <pcap/pcap.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

void weir_tap_turn(struct weir_tap *t, struct weir_trash *trash)
{
    uint32_t wanted = weir_word_read(&t->wanted);
    struct weir_view *v = wanted % 2 == 1 ? t->offered : NULL;
    t->view = v != NULL && !v->drops ? v : NULL;
    trash->view = v != NULL && v->drops ? v : NULL;
    weir_word_publish(&t->seen, wanted);
}

static void copy(struct weir_view *v, const struct weir_desc *d, const char *stage, const char *reason)
{
    const struct rte_mbuf *m = d->mbuf;
    uint32_t granted, sees = RTE_MIN(m->pkt_len, (uint32_t)WEIR_VIEW_FLAT);
    const uint8_t *frame = rte_pktmbuf_read(m, 0, sees, v->flat);
    if (v->filter != NULL && bpf_filter(v->filter->bf_insns, frame, d->length, sees) == 0)
        return;
    uint32_t port = m->port < WEIR_PORTS_MAX ? m->port : 0;
    if (weir_ring_room(&v->ring->producer, 1) == 0) {
        weir_counter_add(&v->lost[port], 1);
        weir_counter_add(&v->tap->lost, 1);
        return;
    }
    /* Nothing is reserved: that would fetch all lines of a slot, and most frames need few of them. */
    struct weir_tapped *to = weir_ring_reserve(&v->ring->producer, 0, &granted);
    *to = (struct weir_tapped){.tsc = rte_rdtsc(),
        .reason = reason,
        .stage = stage,
        .port = port,
        .length = d->length > m->pkt_len ? d->length : m->pkt_len,
        .captured = RTE_MIN(sees, v->snap)};
    memcpy(to->frame, frame, to->captured);
    weir_ring_commit(&v->ring->producer, 1);
    weir_counter_add(&v->tap->copied, 1);
}

void weir_view_packets(
    struct weir_view *v, const struct weir_desc *d, uint32_t n, const char *stage, const char *reason)
{
    if (v->reason != NULL && strcmp(v->reason, reason) != 0)
        return;
    for (; v->left < n; v->left += v->every)
        copy(v, &d[v->left], stage, reason);
    v->left -= n;
    weir_ring_publish(&v->ring->producer);
}
