/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/leave.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/port.h"

struct leaving { /* one output port's share of a batch */
    uint32_t n;
    struct rte_mbuf *mbufs[WEIR_BATCH];
    struct weir_desc *desc[WEIR_BATCH];
    uint32_t n_probes;
    struct {
        uint32_t at;
        uint64_t arrived_tsc;
    } probes[WEIR_BATCH]; /* once sent, a packet is not ours to look at */
};

size_t weir_leave_size(const void *, const struct weir_stage_env *env)
{
    return env->n_ports * sizeof(struct leaving);
}

/* The wire takes four bytes more only where they are a tag; the kernel's drivers swallow such a frame otherwise. */
static bool fits_slow(const struct weir_port *port, const struct rte_mbuf *m)
{
    uint16_t ether_type;
    if (m->data_len < RTE_ETHER_HDR_LEN)
        return false;
    memcpy(&ether_type, rte_pktmbuf_mtod_offset(m, const uint8_t *, 12), sizeof ether_type);
    return m->pkt_len <= port->max_frame + WEIR_VLAN_BYTES && ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN);
}

static void note_slow(struct leaving *l, struct rte_mbuf *m)
{
    uint64_t arrived_tsc;
    if (!weir_probe_end(m, &arrived_tsc))
        return;
    l->probes[l->n_probes].at = l->n;
    l->probes[l->n_probes++].arrived_tsc = arrived_tsc;
}

static void time_slow(struct weir_stage *s, struct leaving *l, uint32_t taken)
{
    for (uint32_t i = 0; i < l->n_probes && l->probes[i].at < taken; i++)
        weir_probe_time(s->latency, l->probes[i].arrived_tsc);
    l->n_probes = 0;
}

/* Drop what a full transmit queue leaves rather than wait: waiting here turns one slow port into loss on every
 * port, and the wire's own backpressure has no room for it anyway. */
static void send(struct weir_stage *s, struct leaving *l, struct weir_port *port)
{
    uint32_t taken = port->def->transmit(port, s->env->tx_queue[port->index], l->mbufs, l->n);
    weir_counter_add(&s->out, taken);
    if (unlikely(l->n_probes != 0))
        time_slow(s, l, taken);
    for (uint32_t i = taken; i < l->n; i++)
        weir_stage_drop(s, l->desc[i], WEIR_LEAVE_TX_FULL);
    l->n = 0;
}

void weir_leave(struct weir_stage *s, struct weir_batch *batch, const struct weir_port_map *map)
{
    struct leaving *leaving = s->worker_state;
    for (uint32_t i = 0; i < batch->n; i++)
        rte_prefetch0(batch->desc[i].mbuf);
    for (uint32_t i = 0; i < batch->n; i++) {
        struct weir_desc *d = &batch->desc[i];
        uint16_t from = d->mbuf->port;
        int to = map == NULL ? from : from < WEIR_PORTS_MAX ? map->to[from] : -1;
        if (unlikely(to < 0)) {
            weir_stage_drop(s, d, WEIR_LEAVE_UNMAPPED);
            continue;
        }
        if (unlikely((s->env->mute_ports >> to & 1) != 0)) { /* nothing of the port may be looked at */
            weir_stage_drop(s, d, WEIR_LEAVE_PORT_CLOSED);
            continue;
        }
        struct weir_port *port = s->env->ports[to];
        if (unlikely(d->mbuf->pkt_len > port->max_frame) && !fits_slow(port, d->mbuf)) {
            weir_stage_drop(s, d, WEIR_LEAVE_ABOVE_MTU);
            continue;
        }
        struct leaving *l = &leaving[to];
        if (unlikely((d->key.flags & WEIR_DESC_PLAIN) == 0))
            note_slow(l, d->mbuf);
        l->mbufs[l->n] = d->mbuf;
        l->desc[l->n++] = d;
    }
    for (uint32_t p = 0; p < s->env->n_ports; p++)
        if (leaving[p].n != 0)
            send(s, &leaving[p], s->env->ports[p]);
    batch->n = 0;
}
