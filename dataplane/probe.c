/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/probe.h"

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

/* Written before the first packet, then read only. */
static uint64_t flag;          /* of ol_flags; our own: some drivers set that of timestamps */
static size_t arrived, handed; /* offsets */

int weir_probe_register(void)
{
    static const struct rte_mbuf_dynflag marked = {.name = "weir_dynflag_probe"};
    static const struct rte_mbuf_dynfield when = {
        .name = "weir_dynfield_handed", .size = sizeof(uint64_t), .align = _Alignof(uint64_t)};
    uint64_t timestamp_flag;
    int first = -1, second = -1, bit = -1;
    if (rte_mbuf_dyn_rx_timestamp_register(&first, &timestamp_flag) == 0)
        second = rte_mbuf_dynfield_register(&when);
    if (second >= 0)
        bit = rte_mbuf_dynflag_register(&marked);
    if (bit < 0)
        return -rte_errno;
    arrived = (size_t)first;
    handed = (size_t)second;
    flag = UINT64_C(1) << bit;
    return 0;
}

static uint64_t *arrived_of(struct rte_mbuf *m)
{
    return RTE_MBUF_DYNFIELD(m, arrived, uint64_t *);
}

static uint64_t *handed_of(struct rte_mbuf *m)
{
    return RTE_MBUF_DYNFIELD(m, handed, uint64_t *);
}

void weir_probe_mark(struct weir_desc *d, uint64_t arrived_tsc)
{
    d->key.flags &= (uint8_t)~WEIR_DESC_PLAIN;
    d->mbuf->ol_flags |= flag;
    *arrived_of(d->mbuf) = *handed_of(d->mbuf) = arrived_tsc;
}

bool weir_probe_is(const struct rte_mbuf *m)
{
    return (m->ol_flags & flag) != 0;
}

bool weir_probe_end(struct rte_mbuf *m, uint64_t *arrived_tsc)
{
    if (!weir_probe_is(m))
        return false;
    m->ol_flags &= ~flag;
    *arrived_tsc = *arrived_of(m);
    return true;
}

/* None where the clocks of two cores disagree. */
static uint64_t since(uint64_t then_tsc)
{
    uint64_t now = rte_rdtsc();
    return now > then_tsc ? now - then_tsc : 0;
}

void weir_probe_time(struct weir_histogram *latency, uint64_t arrived_tsc)
{
    if (latency != NULL)
        weir_histogram_record(latency, since(arrived_tsc));
}

void weir_probe_end_now(struct rte_mbuf *m, struct weir_histogram *latency)
{
    uint64_t arrived_tsc;
    if (weir_probe_end(m, &arrived_tsc))
        weir_probe_time(latency, arrived_tsc);
}

static bool is_probe(const struct weir_desc *d)
{
    return (d->key.flags & WEIR_DESC_PLAIN) == 0 && weir_probe_is(d->mbuf);
}

void weir_probe_received(const struct weir_batch *batch, struct weir_histogram *waits)
{
    for (uint32_t i = 0; i < batch->n; i++)
        if (is_probe(&batch->desc[i]))
            weir_histogram_record(waits, since(*handed_of(batch->desc[i].mbuf)));
}

void weir_probe_handed(const struct weir_batch *batch)
{
    uint64_t now = rte_rdtsc();
    for (uint32_t i = 0; i < batch->n; i++)
        if (is_probe(&batch->desc[i]))
            *handed_of(batch->desc[i].mbuf) = now;
}
