/* SPDX-License-Identifier: BSD-3-Clause */
/* meter: packets and bytes of every flow, each way. It drops nothing: what cannot be tracked passes,
 * counted. */
#include "dataplane/bucket.h"
#include "dataplane/flow_table.h"
#include "dataplane/parse.h"
#include "dataplane/stages/list.h"

struct meter_params {
    uint64_t max_flows;
    uint64_t idle_ns;
};

static const struct weir_param meter_param_table[] = {
    {.key = "max-flows",
        .type = WEIR_PARAM_COUNT,
        .offset = offsetof(struct meter_params, max_flows),
        .unset = "256k",
        .min = 1,
        .max = 1000000000,
        .help = "Flows that surely find room at once (in one shard or another a few more do); about 110 "
                "bytes each."},
    {.key = "idle",
        .type = WEIR_PARAM_DURATION,
        .offset = offsetof(struct meter_params, idle_ns),
        .unset = "30s",
        .min = 1000000,
        .max = UINT64_C(86400) * 1000000000,
        .help = "A flow without a packet for so long has ended."},
    {0},
};

enum { FLOWS, FLOWS_CREATED, FLOWS_EXPIRED, UNTRACKED, UNKEYED, PACKETS, BYTES };
static const char *const meter_counters[] = {
    "flows",
    "Flows in the table now.",
    "flows_created",
    "Flows seen for the first time, or again after they had expired.",
    "flows_expired",
    "Flows ended by the idle time.",
    "untracked",
    "Packets passed without a flow because the table was full.",
    "unkeyed",
    "Packets passed without a flow because they are not IP.",
    "packets",
    "Packets counted in a flow.",
    "bytes",
    "Layer-2 bytes of those packets.",
    NULL,
};

/* Ageing goes round all buckets this often within `idle`, so that a flow is gone at most a quarter late, … */
#define ROUNDS_PER_IDLE 4
/* … but never looks at more than so many in one step of the worker, and only in one that has packets: with few of them a
 * round takes longer. A flow that is met again after its time starts anew, wherever the round is. */
#define STEPS_MAX 8

struct meter_worker {
    uint32_t n_buckets; /* of every shard, see flow_table.h */
    uint32_t capacity;
    size_t records_at;
    int64_t idle_tsc;
    struct weir_bucket pace; /* tokens: buckets that ageing may look at */
    uint32_t cursor;         /* index into live */
    uint32_t n_live;
    uint32_t live[]; /* shards that hold a flow: this worker inserted it, so it owns them */
};

/* ---- one batch ---- */

static struct weir_flow *create(struct weir_stage *s, const struct weir_desc *d, uint64_t now_tsc)
{
    struct meter_worker *w = s->worker_state;
    struct weir_flow_table *table = weir_stage_shard(s, d->hash);
    struct weir_flow *f = weir_flow_table_insert(table, d->hash, &d->key, now_tsc);
    if (!f)
        return NULL;
    if (table->used == 1)
        w->live[w->n_live++] = d->hash & (s->env->shards - 1);
    weir_counter_add(&s->counts[FLOWS], 1);
    weir_counter_add(&s->counts[FLOWS_CREATED], 1);
    return f;
}

/* The likely record is another flow's, or none: overflowed bucket, equal tags, or a flow not seen before. */
static struct weir_flow *find_slow(struct weir_stage *s, const struct weir_desc *d, uint64_t now_tsc)
{
    struct weir_flow *f = weir_flow_table_find(weir_stage_shard(s, d->hash), d->hash, &d->key);
    return f ? f : create(s, d, now_tsc);
}

/* Its time had passed before this packet came: that flow has ended, this is another one. */
static void restart_slow(struct weir_stage *s, struct weir_flow *f, uint64_t now_tsc)
{
    *f = (struct weir_flow){.key = f->key, .first_tsc = now_tsc};
    weir_counter_add(&s->counts[FLOWS_EXPIRED], 1);
    weir_counter_add(&s->counts[FLOWS_CREATED], 1);
}

static void age(struct weir_stage *s, uint64_t now_tsc)
{
    struct meter_worker *w = s->worker_state;
    uint64_t expired = 0;
    for (uint64_t steps = weir_bucket_take(&w->pace, now_tsc, STEPS_MAX); steps && w->n_live; steps--) {
        if (w->cursor >= w->n_live)
            w->cursor = 0;
        struct weir_flow_table *table = weir_stage_shard(s, w->live[w->cursor]);
        expired += weir_flow_table_age(table, now_tsc, (uint64_t)w->idle_tsc, 1);
        if (table->used == 0)
            w->live[w->cursor] = w->live[--w->n_live];
        else
            w->cursor += table->cursor == 0;
    }
    weir_counter_add(&s->counts[FLOWS], 0 - expired);
    weir_counter_add(&s->counts[FLOWS_EXPIRED], expired);
}

static void meter_process(struct weir_stage *s, struct weir_batch *batch)
{
    struct meter_worker *w = s->worker_state;
    struct weir_desc *keyed[WEIR_BATCH];
    struct weir_flow_table *table[WEIR_BATCH];
    struct weir_flow_bucket *bucket[WEIR_BATCH];
    struct weir_flow *flow[WEIR_BATCH];
    uint32_t n = 0, untracked = 0;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < batch->n; i++) {
        struct weir_desc *d = &batch->desc[i];
        keyed[n] = d;
        table[n] = weir_stage_shard(s, d->hash);
        bucket[n] = weir_flow_home(table[n], w->n_buckets, d->hash);
        __builtin_prefetch(bucket[n]);
        n += weir_key_is_ip(&d->key);
    }
    for (uint32_t i = 0; i < n; i++) {
        flow[i] = weir_flow_likely(table[i], w->records_at, bucket[i], keyed[i]->hash);
        __builtin_prefetch(flow[i], 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct weir_desc *d = keyed[i];
        struct weir_flow *f = flow[i];
        if (__builtin_expect(!weir_flow_is(f, &d->key), 0)) {
            f = find_slow(s, d, batch->now_tsc);
            if (!f) {
                untracked++;
                continue;
            }
        }
        if (__builtin_expect((int64_t)(batch->now_tsc - f->last_tsc) > w->idle_tsc, 0))
            restart_slow(s, f, batch->now_tsc);
        unsigned way = (d->key.flags & WEIR_DESC_REVERSED) != 0;
        f->packets[way]++;
        f->bytes[way] += d->length;
        f->last_tsc = batch->now_tsc;
        bytes += d->length;
    }
    weir_counter_add(&s->counts[UNTRACKED], untracked);
    weir_counter_add(&s->counts[UNKEYED], batch->n - n);
    weir_counter_add(&s->counts[PACKETS], n - untracked);
    weir_counter_add(&s->counts[BYTES], bytes);
    age(s, batch->now_tsc);
}

/* ---- set-up ---- */

static uint64_t square_root(uint64_t x)
{
    uint64_t root = 0;
    while ((root + 1) * (root + 1) <= x)
        root++;
    return root;
}

/* Flows fall on shards as the hash wills: five standard deviations and a little more, so that `max-flows`
 * different flows find room although no shard knows of the others. */
static uint32_t shard_capacity(const struct meter_params *params, const struct weir_stage_env *env)
{
    if (env->shards <= 1)
        return (uint32_t)params->max_flows;
    uint64_t mean = params->max_flows / env->shards + 1;
    uint64_t capacity = mean + 5 * square_root(mean) + 8;
    return (uint32_t)(capacity < params->max_flows ? capacity : params->max_flows);
}

static size_t meter_worker_size(const void *params, const struct weir_stage_env *env)
{
    (void)params;
    return sizeof(struct meter_worker) + env->shards * sizeof(uint32_t);
}

static size_t meter_shard_size(const void *params, const struct weir_stage_env *env)
{
    return weir_flow_table_bytes(shard_capacity(params, env));
}

static int meter_init(struct weir_stage *s)
{
    const struct meter_params *params = s->params;
    struct meter_worker *w = s->worker_state;
    w->capacity = shard_capacity(params, s->env);
    struct weir_flow_shape shape = weir_flow_table_shape(w->capacity);
    w->n_buckets = shape.n_buckets;
    w->records_at = shape.records_at;
    w->idle_tsc = (int64_t)((unsigned __int128)params->idle_ns * s->env->tsc_hz / 1000000000);

    unsigned __int128 round = (unsigned __int128)shape.n_buckets * s->env->shards * ROUNDS_PER_IDLE;
    uint64_t steps_per_s = (uint64_t)(round * 1000000000 / params->idle_ns) + 1;
    return weir_bucket_init(&w->pace, steps_per_s, 8 * STEPS_MAX, s->env->tsc_hz, 0);
}

static int meter_init_shard(struct weir_stage *s, uint32_t shard)
{
    const struct meter_worker *w = s->worker_state;
    weir_flow_table_init(weir_stage_shard(s, shard), w->capacity);
    return 0;
}

const struct weir_stage_def weir_stage_meter = {
    .name = "meter",
    .help = "Count packets and bytes of every flow, each way.",
    .params = meter_param_table,
    .params_size = sizeof(struct meter_params),
    .counters = meter_counters,
    .needs_key = true,
    .keyed = true,
    .worker_size = meter_worker_size,
    .shard_size = meter_shard_size,
    .init = meter_init,
    .init_shard = meter_init_shard,
    .process = meter_process,
};
