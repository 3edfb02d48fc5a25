/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that makes its own traffic: stamped UDP/IPv4 frames of many flows at a given rate.
 *
 * It behaves like a NIC: a schedule says how many packets have arrived, a bounded queue holds those that were not
 * received yet, and what does not fit is `missed`. So backpressure shows here as `missed`: exactly, but for a rate in
 * bits and frames of several sizes, where those never drawn count as of the mean size. */
#include "dataplane/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_malloc.h>

#include "dataplane/mbuf.h"
#include "dataplane/stamp.h"

#define HEADER_BYTES 42
#define FRAME_MIN 60

struct generator_params {
    uint64_t flows;
    struct weir_range size;
    struct weir_rate rate;
    uint64_t count;
    uint64_t queue;
};

static const char *const size_words[] = {"imix", NULL};
/* 64, 594 and 1518 bytes on the wire with FCS, 7:4:1. */
static const uint16_t imix[12] = {60, 60, 60, 60, 60, 60, 60, 590, 590, 590, 590, 1514};
#define IMIX_MEAN 358

static const struct weir_param params[] = {
    {.key = "flows",
        .type = WEIR_PARAM_COUNT,
        .offset = offsetof(struct generator_params, flows),
        .unset = "64k",
        .min = 1,
        .max = 1u << 24,
        .help = "number of flows; each packet belongs to one drawn at random"},
    {.key = "size",
        .type = WEIR_PARAM_SIZE,
        .offset = offsetof(struct generator_params, size),
        .unset = "64",
        .min = FRAME_MIN,
        .max = WEIR_MBUF_ROOM,
        .words = size_words,
        .help = "layer-2 bytes of a frame without FCS: one size, a range, or imix (60, 590, 1514 as 7:4:1)"},
    {.key = "rate",
        .type = WEIR_PARAM_RATE,
        .offset = offsetof(struct generator_params, rate),
        .unset = "max",
        .help = "packets or layer-2 bits a second, or max: as fast as the pipeline takes them"},
    {.key = "count",
        .type = WEIR_PARAM_COUNT,
        .offset = offsetof(struct generator_params, count),
        .unset = "0",
        .max = UINT64_MAX,
        .help = "packets to make before the port ends; 0 = no end"},
    {.key = "queue",
        .type = WEIR_PARAM_COUNT,
        .offset = offsetof(struct generator_params, queue),
        .unset = "4096",
        .min = WEIR_BATCH,
        .max = 1u << 20,
        .help = "packets the schedule may run ahead of the pipeline before they count as missed"},
    {.key = NULL},
};

struct generator {
    struct generator_params p;
    /* Pacing: credit in (packets or bytes) x TSC Hz, so that no remainder is lost. */
    unsigned __int128 credit, credit_max;
    uint64_t cost_mean; /* credit of an average frame */
    uint64_t last_tsc;
    uint64_t random;
    uint64_t made;
    uint32_t length; /* of the next frame: drawn before it is due, because its cost depends on it */
    uint8_t header[64];
    uint64_t *sequence; /* next sequence number by flow */
} WEIR_CACHE_ALIGNED;

static inline uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t draw(struct generator *g)
{
    g->random += 0x9e3779b97f4a7c15u;
    return mix(g->random);
}

static uint32_t draw_length(struct generator *g)
{
    if (g->p.size.max == 0)
        return imix[draw(g) % 12];
    if (g->p.size.min == g->p.size.max)
        return (uint32_t)g->p.size.min;
    uint64_t sizes = g->p.size.max - g->p.size.min + 1;
    return (uint32_t)(g->p.size.min + ((draw(g) >> 32) * sizes >> 32));
}

/* ---- receive: what is due, at most a batch ---- */

static inline void write_frame(
    struct generator *g, const struct weir_port *port, struct rte_mbuf *m, uint32_t length, uint32_t flow)
{
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
    uint64_t h = mix(flow ^ port->seed);
    uint32_t source = 0x0a000000u | flow;
    uint32_t destination = 0xac100000u | (uint32_t)(h & 0xfffff);
    uint16_t source_port = (uint16_t)(1024 + (h >> 20) % 64000);
    uint16_t destination_port = (uint16_t)(1024 + (h >> 40) % 64000);
    uint16_t ip_length = (uint16_t)(length - 14);
    uint16_t udp_length = (uint16_t)(length - 34);

    /* One's complement sum of the header: the template's constant words, then the ones that change. */
    uint32_t sum = 0x4500 + 0x4011 + (source >> 16) + (source & 0xffff) + (destination >> 16) +
                   (destination & 0xffff) + ip_length;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);

    memcpy(frame, g->header, HEADER_BYTES);
    const uint16_t words[] = {rte_cpu_to_be_16(ip_length), rte_cpu_to_be_16((uint16_t)~sum),
        rte_cpu_to_be_16(source_port), rte_cpu_to_be_16(destination_port), rte_cpu_to_be_16(udp_length)};
    const uint32_t addresses[] = {rte_cpu_to_be_32(source), rte_cpu_to_be_32(destination)};
    memcpy(frame + 16, &words[0], 2);
    memcpy(frame + 24, &words[1], 2);
    memcpy(frame + 26, addresses, 8);
    memcpy(frame + 34, &words[2], 6);
    const struct weir_stamp stamp = {WEIR_STAMP_MAGIC, port->index, flow, g->sequence[flow]++};
    memcpy(frame + WEIR_STAMP_OFFSET, &stamp, sizeof stamp);
    memset(frame + WEIR_STAMP_OFFSET + sizeof stamp, 0, length - WEIR_STAMP_OFFSET - sizeof stamp);
    m->data_len = (uint16_t)length;
    m->pkt_len = length;
    m->port = port->index;
}

static inline uint64_t cost_of(const struct generator *g, const struct weir_port *port, uint32_t length)
{
    return g->p.rate.packets ? port->tsc_hz : length * port->tsc_hz;
}

static inline uint64_t cost(const struct generator *g, const struct weir_port *port)
{
    return cost_of(g, port, g->length);
}

static void earn(struct generator *g, uint64_t now, struct weir_port_counters *count)
{
    uint64_t elapsed = now > g->last_tsc ? now - g->last_tsc : 0;
    g->last_tsc += elapsed;
    g->credit += (unsigned __int128)elapsed * g->p.rate.per_s;
    if (g->credit > g->credit_max) {
        /* One division a batch, of 64 bits unless the pause was very long, and only while the pipeline is too slow. */
        unsigned __int128 over = g->credit - g->credit_max;
        uint64_t missed = over >> 64 == 0 ? (uint64_t)over / g->cost_mean : (uint64_t)(over / g->cost_mean);
        g->credit -= (unsigned __int128)missed * g->cost_mean;
        weir_counter_add(&count->missed, missed);
        weir_counter_add(&count->offered, missed);
    }
}

static uint32_t receive(struct weir_port *port, uint16_t queue, struct weir_batch *batch)
{
    struct generator *g = port->state;
    struct weir_port_counters *count = &port->queue[queue];
    struct rte_mbuf *mbufs[WEIR_BATCH];
    uint32_t lengths[WEIR_BATCH], flows[WEIR_BATCH];
    uint32_t n = 0;
    uint64_t left = g->p.count == 0 ? WEIR_BATCH : g->p.count - g->made;
    uint32_t most = left < WEIR_BATCH ? (uint32_t)left : WEIR_BATCH;

    if (unlikely(most == 0))
        return 0; /* its schedule has ended, too */
    if (g->p.rate.per_s == 0) {
        for (; n < most; n++)
            lengths[n] = draw_length(g);
    } else {
        earn(g, batch->now_tsc, count);
        while (n < most && g->credit >= cost(g, port)) {
            g->credit -= cost(g, port);
            lengths[n++] = g->length;
            g->length = draw_length(g);
        }
    }
    if (n == 0)
        return 0;
    if (unlikely(!weir_mbuf_take(port->mempool, mbufs, n))) {
        /* An empty pool is what a NIC without descriptors is: these never entered. */
        weir_counter_add(&count->missed, n);
        weir_counter_add(&count->offered, n);
        return 0;
    }
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) { /* of millions of flows the numbers lie in no cache */
        flows[i] = (uint32_t)(((draw(g) >> 32) * g->p.flows) >> 32);
        __builtin_prefetch(&g->sequence[flows[i]], 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        write_frame(g, port, mbufs[i], lengths[i], flows[i]);
        batch->desc[i] = (struct weir_desc){
            .mbuf = mbufs[i], .length = lengths[i] & 0xffffff, .key.flags = WEIR_DESC_PLAIN};
        bytes += lengths[i];
    }
    g->made += n;
    weir_counter_add(&count->rx_packets, n);
    weir_counter_add(&count->rx_bytes, bytes);
    weir_counter_add(&count->offered, n);
    return n;
}

/* The schedule has run on by the credit that is left; back from there, over what came behind. */
static uint64_t due(const struct weir_port *port, const struct weir_batch *batch, uint32_t i)
{
    const struct generator *g = port->state;
    if (g->p.rate.per_s == 0)
        return batch->now_tsc;
    unsigned __int128 since = g->credit;
    for (uint32_t k = batch->n; --k > i;)
        since += cost_of(g, port, batch->desc[k].length);
    return g->last_tsc - (uint64_t)(since / g->p.rate.per_s);
}

static bool ended(const struct weir_port *port, uint16_t)
{
    const struct generator *g = port->state;
    return g->p.count != 0 && g->made == g->p.count;
}

/* ---- set-up ---- */

static int open_generator(struct weir_port *port, const void *given)
{
    struct generator *g = rte_zmalloc_socket("generator", sizeof *g, 64, port->socket);
    if (g == NULL)
        goto no_memory;
    port->state = g;
    g->p = *(const struct generator_params *)given;
    g->sequence = rte_zmalloc_socket("sequences", g->p.flows * sizeof *g->sequence, 64, port->socket);
    if (g->sequence == NULL)
        goto no_memory;
    port->seed = mix(port->seed ^ mix(port->index));
    g->random = port->seed;
    g->length = draw_length(g);
    uint64_t mean = g->p.size.max == 0 ? IMIX_MEAN : (g->p.size.min + g->p.size.max) / 2;
    g->cost_mean = (g->p.rate.packets ? 1 : mean) * port->tsc_hz;
    g->credit_max = (unsigned __int128)g->p.queue * g->cost_mean;

    static const uint8_t header[HEADER_BYTES] = {0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08,
        0, /* locally administered addresses, IPv4 */
        0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17};
    memcpy(g->header, header, sizeof header);
    g->header[4] = g->header[10] = (uint8_t)port->index;
    return 0;

no_memory:
    snprintf(port->error, sizeof port->error, "no memory for the state of %s; lower `flows`", port->name);
    return -ENOMEM;
}

static int start(struct weir_port *port, uint64_t now_tsc)
{
    struct generator *g = port->state;
    g->last_tsc = now_tsc;
    return 0;
}

static void stop(struct weir_port *)
{
}

static void close_generator(struct weir_port *port)
{
    struct generator *g = port->state;
    if (g != NULL)
        rte_free(g->sequence);
    rte_free(g);
    port->state = NULL;
}

static void stats(struct weir_port *port, struct weir_port_stats *s)
{
    const struct weir_port_counters *count = &port->queue[0];
    *s = (struct weir_port_stats){.received = weir_counter_read(&count->rx_packets),
        .received_bytes = weir_counter_read(&count->rx_bytes),
        .missed = weir_counter_read(&count->missed),
        .offered = weir_counter_read(&count->offered)};
}

static uint32_t mbufs_held(const void *, uint32_t)
{
    return 0;
}

static uint32_t stamped_flows(const void *given)
{
    const struct generator_params *p = given;
    return (uint32_t)p->flows;
}

const struct weir_port_def weir_port_generator = {
    .kind = "generator",
    .help = "makes stamped UDP/IPv4 packets of many flows at a rate",
    .params = params,
    .params_size = sizeof(struct generator_params),
    .open = open_generator,
    .start = start,
    .stop = stop,
    .close = close_generator,
    .stats = stats,
    .receive = receive,
    .due = due,
    .ended = ended,
    .mbufs = mbufs_held,
    .stamped_flows = stamped_flows,
};
