/* SPDX-License-Identifier: BSD-3-Clause */
/* transmit: the port a packet came from says through which port it leaves. */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/port.h"
#include "dataplane/stages/list.h"

enum { REASON_UNMAPPED, REASON_ABOVE_MTU, REASON_TX_FULL, REASON_PORT_CLOSED };
static const char *const reasons[] = {"unmapped_port", "above_mtu", "tx_full", "port_closed", NULL};

static const struct weir_param params[] = {
    {.key = "*",
        .type = WEIR_PARAM_PORT_MAP,
        .help = "input port: output port; every port that feeds the pool"},
    {.key = NULL},
};

struct leaving { /* one output port's share of a batch */
    uint32_t n;
    struct rte_mbuf *mbufs[WEIR_BATCH];
    struct weir_desc *desc[WEIR_BATCH];
};

static size_t worker_size(const void *given, const struct weir_stage_env *env)
{
    (void)given;
    return env->n_ports * sizeof(struct leaving);
}

/* The wire takes four bytes more only where they are a tag; the kernel's drivers swallow such a frame otherwise. */
static bool fits_slow(const struct weir_port *port, const struct rte_mbuf *m)
{
    uint16_t ether_type;
    memcpy(&ether_type, rte_pktmbuf_mtod_offset(m, const uint8_t *, 12), sizeof ether_type);
    return m->pkt_len <= port->max_frame + WEIR_VLAN_BYTES && ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN);
}

/* Drop what a full transmit queue leaves rather than wait: waiting here turns one slow port into loss on every
 * port, and the wire's own backpressure has no room for it anyway. */
static void send(struct weir_stage *s, struct leaving *l, struct weir_port *port)
{
    bool closed = (s->env->closed_ports >> port->index & 1) != 0;
    uint32_t taken =
        unlikely(closed) ? 0 : port->def->transmit(port, s->env->tx_queue[port->index], l->mbufs, l->n);
    weir_counter_add(&s->out, taken);
    for (uint32_t i = taken; i < l->n; i++)
        weir_stage_drop(s, l->desc[i], closed ? REASON_PORT_CLOSED : REASON_TX_FULL);
    l->n = 0;
}

static void process(struct weir_stage *s, struct weir_batch *batch)
{
    const struct weir_port_map *map = s->params;
    struct leaving *leaving = s->worker_state;
    for (uint32_t i = 0; i < batch->n; i++)
        rte_prefetch0(batch->desc[i].mbuf);
    for (uint32_t i = 0; i < batch->n; i++) {
        struct weir_desc *d = &batch->desc[i];
        int16_t to = d->mbuf->port < WEIR_PORTS_MAX ? map->to[d->mbuf->port] : -1;
        if (unlikely(to < 0)) {
            weir_stage_drop(s, d, REASON_UNMAPPED);
            continue;
        }
        struct weir_port *port = s->env->ports[to];
        if (unlikely(d->mbuf->pkt_len > port->max_frame) && !fits_slow(port, d->mbuf)) {
            weir_stage_drop(s, d, REASON_ABOVE_MTU);
            continue;
        }
        struct leaving *l = &leaving[to];
        l->mbufs[l->n] = d->mbuf;
        l->desc[l->n++] = d;
    }
    for (uint32_t p = 0; p < s->env->n_ports; p++)
        if (leaving[p].n != 0)
            send(s, &leaving[p], s->env->ports[p]);
    batch->n = 0;
}

const struct weir_stage_def weir_stage_transmit = {
    .name = "transmit",
    .help = "sends each packet through the port that its input port maps to",
    .params = params,
    .params_size = sizeof(struct weir_port_map),
    .reasons = reasons,
    .terminal = true,
    .worker_size = worker_size,
    .process = process,
};
