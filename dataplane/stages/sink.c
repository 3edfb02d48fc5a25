/* SPDX-License-Identifier: BSD-3-Clause */
/* sink: the end of a packet's way. `check: order` reads the generator's stamps and says of every flow what is
 * missing, late or there twice.
 *
 * The state of a flow lies where its number says, not in its shard: a flow is always checked by the worker
 * that owns its shard, and by one worker where there are no shards. Packets lost at the end of a flow leave
 * no gap that a sink could see; the ledger finds those. */
#include <rte_mbuf.h>

#include "dataplane/port.h"
#include "dataplane/stages/list.h"
#include "dataplane/stages/sink.h"
#include "dataplane/stamp.h"

enum { CHECK_NONE, CHECK_ORDER };
static const char *const check_words[] = {"none", "order", NULL};

struct sink_params {
    uint64_t check;
};

static const struct weir_param sink_param_table[] = {
    {.key = "check",
        .type = WEIR_PARAM_WORD,
        .offset = offsetof(struct sink_params, check),
        .unset = "none",
        .words = check_words,
        .needs_order = "order",
        .help = "order: read the stamps of generator ports and count what is missing, reordered, duplicated. "
                "Needs one worker or a sharded inbox."},
    {0},
};

enum { CHECKED, UNSTAMPED, MISSING, REORDERED, DUPLICATED };
static const char *const sink_counters[] = {
    WEIR_COUNTER("checked", "Packets whose stamp was read."),
    WEIR_COUNTER("unstamped", "Packets without a stamp of a generator of this pipeline."),
    WEIR_COUNTER("missing", "Sequence numbers that were passed over and have not come since."),
    WEIR_COUNTER("reordered", "Packets that came after a later one of their flow."),
    WEIR_COUNTER("duplicated", "Packets that came more than once."),
    NULL,
};

struct stamped_flow {
    uint64_t next; /* one above the highest sequence number seen */
    uint64_t seen; /* bit i: next - 1 - i was seen */
};

struct sink_worker {
    struct weir_sink_violations first;
    uint32_t n_flows[WEIR_PORTS_MAX]; /* by port */
    size_t start[WEIR_PORTS_MAX];     /* of the port's flows in pool_state */
};

/* ---- one packet ---- */

static void violation_slow(struct weir_stage *s, enum weir_sink_violation_kind kind,
    const struct weir_stamp *stamp, uint64_t expected)
{
    struct weir_sink_violations *all = &((struct sink_worker *)s->worker_state)->first;
    struct weir_sink_violation *first = kind == WEIR_SINK_MISSING ? &all->gap : &all->disorder;
    if (first->seen.value != 0) /* nobody else writes it */
        return;
    first->kind = kind;
    first->port = stamp->port;
    first->flow = stamp->flow;
    first->sequence = stamp->sequence;
    first->expected = expected;
    weir_word_publish(&first->seen, 1); /* the lines above; read by first_violation() in workers/ledger.c */
}

static void ahead_slow(struct weir_stage *s, struct stamped_flow *f, const struct weir_stamp *stamp)
{
    if ((stamp->sequence ^ f->next) >>
        WEIR_STAMP_SEQUENCE_BITS) /* another flow in the place of one that ended */
        *f = (struct stamped_flow){
            .next = stamp->sequence >> WEIR_STAMP_SEQUENCE_BITS << WEIR_STAMP_SEQUENCE_BITS};
    uint64_t gap = stamp->sequence - f->next;
    if (gap != 0)
        violation_slow(s, WEIR_SINK_MISSING, stamp, f->next);
    weir_counter_add(&s->counts[MISSING], gap);
    f->seen = (gap < 63 ? f->seen << (gap + 1) : 0) | 1;
    f->next = stamp->sequence + 1;
}

static void behind_slow(struct weir_stage *s, struct stamped_flow *f, const struct weir_stamp *stamp)
{
    if ((stamp->sequence ^ (f->next - 1)) >> WEIR_STAMP_SEQUENCE_BITS)
        return; /* the last of a flow whose place another has taken: nobody remembers it */
    uint64_t back = f->next - 1 - stamp->sequence;
    uint64_t bit = back < 64 ? UINT64_C(1) << back : 0;
    if (f->seen & bit) {
        violation_slow(s, WEIR_SINK_DUPLICATED, stamp, f->next);
        weir_counter_add(&s->counts[DUPLICATED], 1);
        return;
    }
    violation_slow(s, WEIR_SINK_REORDERED, stamp, f->next);
    weir_counter_add(&s->counts[REORDERED], 1);
    /* So late that nobody remembers whether it came before: late for certain, and it stays missing. */
    if (bit)
        weir_counter_add(&s->counts[MISSING], UINT64_MAX);
    f->seen |= bit;
}

static void check_packet(struct weir_stage *s, struct stamped_flow *f, const struct weir_stamp *stamp)
{
    if (__builtin_expect(stamp->sequence == f->next, 1)) {
        f->next++;
        f->seen = f->seen << 1 | 1;
    } else if (stamp->sequence > f->next) {
        ahead_slow(s, f, stamp);
    } else {
        behind_slow(s, f, stamp);
    }
}

/* ---- one batch ---- */

static struct stamped_flow *stamped_flow_of(
    const struct weir_stage *s, const struct weir_desc *d, struct weir_stamp *stamp)
{
    const struct sink_worker *worker = s->worker_state;
    struct weir_stamp read; /* in registers: what is stored and read back waits */
    if (!weir_stamp_read(d->mbuf, &read) || read.port >= WEIR_PORTS_MAX ||
        read.flow >= worker->n_flows[read.port])
        return NULL;
    *stamp = read;
    return (struct stamped_flow *)s->pool_state + worker->start[read.port] + read.flow;
}

static void check_batch(struct weir_stage *s, const struct weir_batch *batch)
{
    struct weir_stamp stamp[WEIR_BATCH];
    struct stamped_flow *flow[WEIR_BATCH];
    uint32_t n = 0;

    for (uint32_t i = 0; i < batch->n; i++)
        __builtin_prefetch(batch->desc[i].mbuf);
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct rte_mbuf *m = batch->desc[i].mbuf;
        uint32_t last = m->data_len > sizeof stamp[0] ? m->data_len - (uint32_t)sizeof stamp[0] : 0;
        __builtin_prefetch(rte_pktmbuf_mtod_offset(m, const uint8_t *, last));
    }
    for (uint32_t i = 0; i < batch->n; i++) {
        flow[n] = stamped_flow_of(s, &batch->desc[i], &stamp[n]);
        if (__builtin_expect(flow[n] == NULL, 0))
            continue; /* a branch: a sum would have each packet wait for the one before */
        __builtin_prefetch(flow[n++], 1);
    }
    for (uint32_t i = 0; i < n; i++)
        check_packet(s, flow[i], &stamp[i]);
    weir_counter_add(&s->counts[CHECKED], n);
    weir_counter_add(&s->counts[UNSTAMPED], batch->n - n);
}

static void sink_process(struct weir_stage *s, struct weir_batch *batch)
{
    const struct sink_params *params = s->params;
    if (params->check == CHECK_ORDER)
        check_batch(s, batch);
    weir_stage_consume(s, batch);
}

/* ---- set-up ---- */

static size_t sink_worker_size(const void *, const struct weir_stage_env *)
{
    return sizeof(struct sink_worker);
}

static size_t sink_pool_size(const void *params, const struct weir_stage_env *env)
{
    const struct sink_params *sink = params;
    size_t flows = 0;
    for (uint32_t i = 0; sink->check == CHECK_ORDER && i < env->n_ports; i++)
        flows += env->ports[i]->stamped_flows;
    return flows * sizeof(struct stamped_flow);
}

static int sink_init(struct weir_stage *s)
{
    struct sink_worker *worker = s->worker_state;
    size_t start = 0;
    for (uint32_t i = 0; i < s->env->n_ports; i++) {
        worker->start[i] = start;
        worker->n_flows[i] = s->env->ports[i]->stamped_flows;
        start += worker->n_flows[i];
    }
    return 0;
}

const struct weir_sink_violations *weir_sink_violations(const struct weir_stage *s)
{
    return s->def == &weir_stage_sink ? &((const struct sink_worker *)s->worker_state)->first : NULL;
}

const struct weir_stage_def weir_stage_sink = {
    .name = "sink",
    .help = "Consume packets; on request check their order.",
    .params = sink_param_table,
    .params_size = sizeof(struct sink_params),
    .counters = sink_counters,
    .terminal = true,
    .worker_size = sink_worker_size,
    .pool_size = sink_pool_size,
    .init = sink_init,
    .process = sink_process,
};
