/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that makes its own traffic: what is sent is traffic.h, when is schedule.h.
 *
 * It behaves like a NIC: the schedule says how many packets have arrived, a bounded queue holds those that were not
 * received yet, and what does not fit is `missed`. So backpressure shows here as `missed`: exactly, but for a rate in
 * bits and frames of several sizes, where those never made count as of the mean size. What is missed takes no number: the
 * frames that are made are the same, and one after the other, however many are missed.
 *
 * Of several queues each makes the frames of its own flows. Every one draws them all, so that it knows where in the
 * schedule its own are. */
#include "dataplane/generator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "dataplane/histogram.h"
#include "dataplane/mbuf.h"
#include "dataplane/port.h"
#include "dataplane/stamp.h"

/* ---- parameters ---- */

static const char *const order_words[] = {"random", "sequential", NULL};
static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const of_line[] = {"%", NULL};

#define US UINT64_C(1000)
#define YEAR (UINT64_C(365) * 24 * 3600 * 1000000 * US)

/* clang-format off */
#define TIME(name, S, member, least, text)                                                                             \
    {.key = name, .type = WEIR_PARAM_DURATION, .offset = offsetof(struct S, member), .min = least, .max = YEAR,        \
        .help = text}
/* clang-format on */

static const struct weir_param spike_params[] = {
    TIME("at", weir_spike, at_ns, 0, "when it begins, from the start of the port or of the phase"),
    TIME("for", weir_spike, for_ns, 10 * US, "how long it lasts"),
    {.key = "times",
        .type = WEIR_PARAM_RATIO,
        .offset = offsetof(struct weir_spike, times),
        .max = 1000000,
        .help = "how much the rate is then, as a multiple; 0 = silence"},
    {.key = NULL},
};

static const struct weir_param ramp_params[] = {
    {.key = "to",
        .type = WEIR_PARAM_RATE,
        .offset = offsetof(struct weir_ramp, to),
        .words = of_line,
        .help = "the rate at its end, which then stays; in the unit of `rate`"},
    TIME("for", weir_ramp, for_ns, 10 * US, "how long it takes"),
    {.key = NULL},
};

static const struct weir_param on_off_params[] = {
    TIME("on", weir_on_off, on_ns, 10 * US, "how long it sends, beginning with that"),
    TIME("off", weir_on_off, off_ns, 10 * US, "how long it is silent"),
    {.key = NULL},
};

/* The keys of a phase, in struct `S` at `phase`; the port's own are the phase that lasts for ever. */
/* clang-format off */
#define PHASE(S, phase, ...)                                                                                           \
    {.key = "spike", .type = WEIR_PARAM_MAPS, .offset = offsetof(S, phase n_spikes), .max = WEIR_SPIKES_MAX,           \
        .nested = spike_params, .nested_size = sizeof(struct weir_spike), __VA_ARGS__                                  \
        .help = "times when the rate is a multiple of what it else would be"},                                         \
    {.key = "ramp", .type = WEIR_PARAM_MAPS, .offset = offsetof(S, phase n_ramps), .max = 1,                           \
        .nested = ramp_params, .nested_size = sizeof(struct weir_ramp), __VA_ARGS__                                    \
        .help = "let the rate rise, or fall, evenly"},                                                                 \
    {.key = "on-off", .type = WEIR_PARAM_MAPS, .offset = offsetof(S, phase n_on_offs), .max = 1,                       \
        .nested = on_off_params, .nested_size = sizeof(struct weir_on_off), __VA_ARGS__                                \
        .help = "send and be silent in turn"},                                                                         \
    {.key = "burst", .type = WEIR_PARAM_COUNT, .offset = offsetof(S, phase burst), .unset = "1", .min = 1,             \
        .max = 1u << 20, __VA_ARGS__                                                                                   \
        .help = "frames that come at once, back to back; the rate stays what it is"},                                  \
    {.key = "poisson", .type = WEIR_PARAM_WORD, .offset = offsetof(S, phase poisson), .unset = "no", .words = no_yes,  \
        __VA_ARGS__                                                                                                    \
        .help = "yes: the gaps are random, with an exponential distribution; the rate is their mean"}
/* clang-format on */

static const struct weir_param phase_params[] = {
    TIME("for", weir_phase, for_ns, 10 * US, "how long the phase lasts"),
    {.key = "rate",
        .type = WEIR_PARAM_RATE,
        .offset = offsetof(struct weir_phase, rate),
        .words = of_line,
        .inherits = true,
        .help = "as `rate` of the port, which it is if not written"},
    PHASE(struct weir_phase, ),
    {.key = NULL},
};

#define OFFSET(member) offsetof(struct weir_generator_params, member)
/* clang-format off */
#define DRAWN(name, member, one, most, list, text)                                                                     \
    {.key = name, .type = WEIR_PARAM_WEIGHTS, .offset = OFFSET(frames.member), .unset = one, .min = most != 0,         \
        .max = most, .words = list, .help = text}
/* clang-format on */
#define PACED .never_with = {"rate", "max"},

static const struct weir_param params[] = {
    {.key = "flows",
        .type = WEIR_PARAM_COUNT,
        .offset = OFFSET(frames.flows),
        .unset = "64k",
        .min = 1,
        .max = 1u << 24,
        .help = "number of flows; each packet belongs to one"},
    {.key = "order",
        .type = WEIR_PARAM_WORD,
        .offset = OFFSET(frames.order),
        .unset = "random",
        .words = order_words,
        .help = "random: the flow of each packet is drawn; sequential: they take turns"},
    {.key = "skew",
        .type = WEIR_PARAM_RATIO,
        .offset = OFFSET(frames.skew),
        .unset = "0",
        .max = 10000,
        .never_with = {"order", "sequential"},
        .help = "exponent of Zipf's law for how popular the flows are, flow 0 most; 0 = all alike. Around 1 "
                "is what the Internet has"},
    {.key = "churn",
        .type = WEIR_PARAM_COUNT,
        .offset = OFFSET(churn),
        .unset = "0",
        .max = 1000000000,
        PACED.help =
            "new flows a second at the rate of `rate`, in the place of as many that end, in turn; with the "
            "rate of a profile it rises and falls"},
    {.key = "size",
        .type = WEIR_PARAM_WEIGHTS,
        .offset = OFFSET(frames.size),
        .unset = "64",
        .min = WEIR_FRAME_MIN,
        .max = WEIR_MBUF_ROOM,
        .words = weir_size_words,
        .help = "layer-2 bytes of a frame without FCS; imix: 60, 590, 1514 as 7:4:1. Longer where headers "
                "and stamp need it"},
    DRAWN("versions", versions, "ipv4", 0, weir_version_words,
        "of IP; shares are shares of flows, here and below"),
    DRAWN("protocols", protocols, "udp", 0, weir_protocol_words, "icmp: echo requests, over IPv6 of ICMPv6"),
    DRAWN("vlans", vlans, "none", 4094, weir_vlan_words, "tag of 802.1Q"),
    DRAWN("service-vlans", service_vlans, "none", 4094, weir_vlan_words,
        "tag of 802.1ad, in front of the other"),
    DRAWN("to-ports", to_ports, "any", 65535, weir_port_words,
        "port that a flow of UDP or TCP goes to, so that classes by port have their shares; any: from 1024 "
        "up"),
    DRAWN("malformed", malformed, "valid", 0, weir_malformed_words,
        "share of frames that are wrong, by the reason that `validate` has for it; any: all of them alike. "
        "Such a frame has the length that it takes, and no stamp"),
    {.key = "rate",
        .type = WEIR_PARAM_RATE,
        .offset = OFFSET(profile.rate),
        .unset = "max",
        .words = of_line,
        .help = "packets or layer-2 bits a second, or a share of `line`, or max: as fast as the pipeline "
                "takes them"},
    {.key = "line",
        .type = WEIR_PARAM_RATE,
        .offset = OFFSET(line),
        .unset = "10Gbps",
        .never_with = {"rate", "max"},
        .help = "what 100% is; each frame then counts 24 bytes more: preamble, FCS and gap"},
    PHASE(struct weir_generator_params, profile., PACED),
    {.key = "timeline",
        .type = WEIR_PARAM_MAPS,
        .offset = OFFSET(n_phases),
        .max = WEIR_PHASES_MAX,
        .nested = phase_params,
        .nested_size = sizeof(struct weir_phase),
        PACED.help =
            "phases one after the other, over and over again; in the place of a profile of the port"},
    {.key = "count",
        .type = WEIR_PARAM_COUNT,
        .offset = OFFSET(count),
        .unset = "0",
        .max = UINT64_MAX,
        .help = "packets to make before the port ends; 0 = no end"},
    {.key = "queue",
        .type = WEIR_PARAM_COUNT,
        .offset = OFFSET(queue),
        .unset = "4096",
        .min = WEIR_BATCH,
        .max = 1u << 20,
        .help = "packets the schedule may run ahead of the pipeline before they count as missed"},
    {.key = NULL},
};

/* ---- types ---- */

/* Of one queue; its worker's own. */
struct maker {
    struct weir_schedule schedule;
    uint64_t next;            /* frame of the port */
    uint64_t passed;          /* missed by all queues together, of which a share is this one's */
    uint64_t due[WEIR_BATCH]; /* of the batch received last */
    struct weir_histogram late;
} WEIR_CACHE_ALIGNED;

struct generator {
    struct weir_frames frames;
    struct weir_generator_params p;
    bool paced;
    uint32_t queues;
    uint32_t stride; /* flows of a queue, so that two do not meet in a cache line */
    struct weir_pick_slot *popular;
    uint64_t *sequence; /* next of each flow, with its generation */
    uint32_t *sent;     /* bytes that a flow has carried; NULL = none of it is TCP */
    struct maker *makers;
};

/* ---- receive: what is due, at most a batch ---- */

/* Where a flow's state lies. */
static inline uint32_t place(const struct generator *g, uint32_t flow)
{
    return g->queues == 1 ? flow : flow % g->queues * g->stride + flow / g->queues;
}

/* Frames of this queue, but for their bytes. */
static inline __attribute__((always_inline)) uint32_t draw(const struct generator *g, struct maker *m,
    uint16_t queue, uint64_t now_tsc, bool simple, struct weir_frame frames[WEIR_BATCH])
{
    uint64_t left = g->p.count != 0 ? g->p.count - m->next : UINT64_MAX, most = WEIR_BATCH * g->queues;
    uint32_t n = 0;
    for (most = left < most ? left : most; most > 0 && n < WEIR_BATCH; most--) {
        if (g->paced && !weir_schedule_due(&m->schedule)) {
            weir_schedule_look(&m->schedule, now_tsc);
            if (!weir_schedule_due(&m->schedule))
                break;
        }
        weir_frame_draw(&g->frames, m->next, simple, &frames[n]);
        if (g->paced)
            m->due[n] = weir_schedule_pay(
                &m->schedule, frames[n].length, weir_mix(~weir_frame_random(&g->frames, m->next)));
        m->next++;
        n += simple || (uint32_t)frames[n].flow % g->queues == queue;
    }
    return n;
}

static void miss(const struct generator *g, struct maker *m, uint64_t n, struct weir_port_counters *count)
{
    m->passed += n;
    n = m->passed / g->queues;
    m->passed %= g->queues;
    weir_counter_add(&count->missed, n);
    weir_counter_add(&count->offered, n);
}

static void write_slow(struct generator *g, const struct weir_frame *frame, uint32_t flow, uint8_t *to)
{
    uint64_t first = frame->flow >> 32 << WEIR_STAMP_SEQUENCE_BITS;
    if (frame->lie != 0) {
        weir_frame_write(&g->frames, frame, 0, 0, to);
        return;
    }
    if ((g->sequence[flow] ^ first) >> WEIR_STAMP_SEQUENCE_BITS) { /* another flow has taken the number */
        g->sequence[flow] = first;
        if (g->sent != NULL)
            g->sent[flow] = 0;
    }
    weir_frame_write(&g->frames, frame, g->sequence[flow]++, g->sent != NULL ? g->sent[flow] : 0, to);
    if (g->sent != NULL)
        g->sent[flow] += weir_frame_payload(frame);
}

static uint32_t receive(struct weir_port *port, uint16_t queue, struct weir_batch *batch)
{
    struct generator *g = port->state;
    struct maker *m = &g->makers[queue];
    struct weir_port_counters *count = &port->queue[queue];
    struct rte_mbuf *mbufs[WEIR_BATCH];
    struct weir_frame frames[WEIR_BATCH];
    uint64_t before = m->next, bytes = 0;
    bool simple = g->frames.simple && g->queues == 1;

    if (unlikely(g->p.count != 0 && m->next == g->p.count))
        return 0; /* its schedule has ended, too */
    if (g->paced) {
        weir_schedule_look(&m->schedule, batch->now_tsc);
        uint64_t missed = weir_schedule_skip(&m->schedule, batch->now_tsc, g->p.queue);
        if (missed != 0)
            miss(g, m, missed, count);
    }
    uint32_t n = simple ? draw(g, m, queue, batch->now_tsc, true, frames)
                        : draw(g, m, queue, batch->now_tsc, false, frames);
    if (n == 0)
        return 0;
    if (unlikely(!weir_mbuf_take(port->mempool, mbufs, n))) {
        /* An empty pool is what a NIC without descriptors is: these never entered. */
        m->next = before; /* they are made yet */
        weir_counter_add(&count->missed, n);
        weir_counter_add(&count->offered, n);
        return 0;
    }
    for (uint32_t i = 0; i < n; i++) /* of millions of flows the numbers lie in no cache */
        __builtin_prefetch(&g->sequence[place(g, (uint32_t)frames[i].flow)], 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t flow = place(g, (uint32_t)frames[i].flow), length = frames[i].length;
        uint8_t *to = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
        if (simple)
            weir_frame_write_simple(&g->frames, &frames[i], g->sequence[flow]++, to);
        else
            write_slow(g, &frames[i], flow, to);
        mbufs[i]->data_len = (uint16_t)length;
        mbufs[i]->pkt_len = length;
        mbufs[i]->port = port->index;
        batch->desc[i] =
            (struct weir_desc){.mbuf = mbufs[i], .length = length & 0xffffff, .key.flags = WEIR_DESC_PLAIN};
        bytes += length;
    }
    for (uint32_t i = 0; i < n && g->paced; i++)
        weir_histogram_record(&m->late, batch->now_tsc > m->due[i] ? batch->now_tsc - m->due[i] : 0);
    weir_counter_add(&count->rx_packets, n);
    weir_counter_add(&count->rx_bytes, bytes);
    weir_counter_add(&count->offered, n);
    return n;
}

static uint64_t due(const struct weir_port *port, uint16_t queue, const struct weir_batch *batch, uint32_t i)
{
    const struct generator *g = port->state;
    return g->paced ? g->makers[queue].due[i] : batch->now_tsc;
}

static bool ended(const struct weir_port *port, uint16_t queue)
{
    const struct generator *g = port->state;
    return g->p.count != 0 && g->makers[queue].next == g->p.count;
}

/* ---- set-up ---- */

static bool same_unit(const struct weir_rate *a, const struct weir_rate *b)
{
    return a->packets == b->packets && a->of_line == b->of_line && a->per_s != 0;
}

/* NULL, or what the configuration cannot see to be wrong. */
static const char *contradiction(struct weir_generator_params *p)
{
    const struct weir_phase *own = &p->profile;
    if (p->n_phases != 0 &&
        (own->n_spikes != 0 || own->n_ramps != 0 || own->n_on_offs != 0 || own->burst != 1 || own->poisson))
        return "a `timeline` has the profile in its phases; move spike, ramp, on-off, burst and poisson "
               "there";
    if (p->line.packets || p->line.per_s == 0)
        return "`line` is what a line carries; write it in bits, as in `line: 25Gbps`";
    for (uint64_t i = 0; i <= p->n_phases; i++) {
        struct weir_phase *phase = i < p->n_phases ? &p->timeline[i] : &p->profile;
        if (i < p->n_phases && phase->rate.per_s == 0)
            phase->rate = own->rate;
        if (phase->burst > p->queue)
            return "a `burst` that is longer than `queue` finds no place; raise `queue`, or lower `burst`";
        if (phase->n_ramps != 0 && !same_unit(&phase->ramp.to, &phase->rate))
            return "`to` of a ramp and `rate` count different things; write both in packets, in bits, or in "
                   "%";
    }
    return NULL;
}

static double frames_per_s(const struct generator *g)
{
    const struct weir_rate *rate = &g->p.profile.rate;
    double mean = g->frames.mean_bytes;
    return rate->packets ? (double)rate->per_s
           : rate->of_line
               ? (double)rate->per_s / 100000 * (double)g->p.line.per_s / (mean + WEIR_LINE_OVERHEAD)
               : (double)rate->per_s / mean;
}

static void close_generator(struct weir_port *port)
{
    struct generator *g = port->state;
    if (g != NULL) {
        rte_free(g->popular);
        rte_free(g->sequence);
        rte_free(g->sent);
        rte_free(g->makers);
    }
    rte_free(g);
    port->state = NULL;
}

static int open_generator(struct weir_port *port, const void *given)
{
    struct generator *g = rte_zmalloc_socket("generator", sizeof *g, 64, port->socket);
    port->state = g;
    if (g == NULL)
        goto no_memory;
    g->p = *(const struct weir_generator_params *)given;
    const char *wrong = contradiction(&g->p);
    if (wrong != NULL) {
        close_generator(port);
        return weir_port_refuse(port, -EINVAL, "%s", wrong);
    }
    g->paced = g->p.profile.rate.per_s != 0;
    g->queues = port->rx_queues;
    g->stride = ((uint32_t)g->p.frames.flows / g->queues + 16) & ~15u;
    uint64_t places = g->queues == 1 ? g->p.frames.flows : (uint64_t)g->stride * g->queues;
    bool fine = true;
    if (g->p.frames.skew != 0) {
        g->popular = rte_malloc_socket("popular", g->p.frames.flows * sizeof *g->popular, 64, port->socket);
        fine = g->popular != NULL;
    }
    fine = fine && weir_frames_init(&g->frames, &g->p.frames, port->seed, port->index, g->popular);
    g->sequence = rte_zmalloc_socket("sequences", places * sizeof *g->sequence, 64, port->socket);
    g->makers = rte_zmalloc_socket("makers", g->queues * sizeof *g->makers, 64, port->socket);
    bool tcp = false;
    for (uint32_t i = 0; i < g->p.frames.protocols.n; i++)
        tcp |= strcmp(weir_protocol_words[g->p.frames.protocols.of[i].word], "tcp") == 0;
    if (tcp)
        g->sent = rte_zmalloc_socket("sent", places * sizeof *g->sent, 64, port->socket);
    if (!fine || g->sequence == NULL || g->makers == NULL || (tcp && g->sent == NULL))
        goto no_memory;
    if (g->p.churn != 0) {
        double share = (double)g->p.churn / frames_per_s(g);
        g->frames.churn = share < 1 ? (uint64_t)(share * 0x1p64) : UINT64_MAX;
        g->frames.simple = false;
    }
    return 0;

no_memory:
    close_generator(port);
    return weir_port_refuse(port, -ENOMEM, "no memory for the state of %s; lower `flows`", port->name);
}

static int start(struct weir_port *port, uint64_t now_tsc)
{
    struct generator *g = port->state;
    for (uint32_t i = 0; i < g->queues && g->paced; i++)
        weir_schedule_start(&g->makers[i].schedule, g->p.n_phases != 0 ? g->p.timeline : &g->p.profile,
            g->p.n_phases != 0 ? (uint32_t)g->p.n_phases : 1, g->p.line.per_s, g->frames.mean_bytes,
            port->tsc_hz, now_tsc);
    return 0;
}

static uint64_t in_ns(const struct weir_port *port, uint64_t tsc)
{
    return (uint64_t)((double)tsc * 1e9 / (double)port->tsc_hz);
}

static void stats(struct weir_port *port, struct weir_port_stats *s)
{
    const struct generator *g = port->state;
    struct weir_histogram late = {0};
    *s = (struct weir_port_stats){WEIR_NOT_LATE};
    for (uint16_t q = 0; q < port->rx_queues; q++) {
        const struct weir_port_counters *count = &port->queue[q];
        s->received += weir_counter_read(&count->rx_packets);
        s->received_bytes += weir_counter_read(&count->rx_bytes);
        s->missed += weir_counter_read(&count->missed);
        s->offered += weir_counter_read(&count->offered);
        if (g != NULL && g->paced)
            weir_histogram_add(&late, &g->makers[q].late);
    }
    if (g != NULL && g->paced) {
        struct weir_histogram_walk walk = weir_histogram_start(&late);
        s->late_p50_ns = in_ns(port, weir_histogram_quantile(&walk, 0.5));
        s->late_p99_ns = in_ns(port, weir_histogram_quantile(&walk, 0.99));
        s->late_max_ns = in_ns(port, late.max.value);
    }
}

static uint32_t stamped_flows(const void *given)
{
    const struct weir_generator_params *p = given;
    return (uint32_t)(p->churn != 0 ? 2 : 1) * (uint32_t)p->frames.flows;
}

const struct weir_port_def weir_port_generator = {
    .kind = "generator",
    .help = "makes packets of many flows, at a rate, by the top-level `seed`; docs/design/007-generator.md",
    .params = params,
    .params_size = sizeof(struct weir_generator_params),
    .rss = true,
    .open = open_generator,
    .start = start,
    .close = close_generator,
    .stats = stats,
    .receive = receive,
    .due = due,
    .ended = ended,
    .stamped_flows = stamped_flows,
};
