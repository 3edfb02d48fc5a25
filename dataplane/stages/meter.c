/* SPDX-License-Identifier: BSD-3-Clause */
/* meter: packets and bytes of every flow, each way. It drops nothing: what cannot be tracked passes,
 * counted. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/bucket.h"
#include "dataplane/record.h"
#include "dataplane/stages/list.h"
#include "dataplane/writer.h"

struct meter_params {
    uint64_t max_flows;
    uint64_t idle_ns, active_ns, tcp_end_ns;
    struct weir_export records;
};

/* clang-format off */
#define TIME(name, member, usual, text)                                                                                \
    {.key = name, .type = WEIR_PARAM_DURATION, .offset = offsetof(struct meter_params, member), .unset = usual,        \
        .min = 1000000, .max = UINT64_C(86400) * 1000000000, .help = text}
/* clang-format on */

static const struct weir_param meter_param_table[] = {
    {.key = "max-flows",
        .type = WEIR_PARAM_COUNT,
        .offset = offsetof(struct meter_params, max_flows),
        .unset = "256k",
        .min = 1,
        .max = 1000000000,
        .help = "Flows of the pool at once, about 100 bytes each. At the limit a new flow takes the place of "
                "one near it that was silent for longest, counted as flows_evicted."},
    TIME("idle", idle_ns, "30s", "A flow without a packet for so long has ended."),
    TIME("active", active_ns, "60s",
        "A flow that goes on for so long gets a record, and the next one begins with its next packet."),
    TIME("tcp-end", tcp_end_ns, "1s",
        "After the end of TCP (FIN both ways, or RST) a flow without a packet for so long has ended."),
    {.key = "records",
        .type = WEIR_PARAM_EXPORT,
        .offset = offsetof(struct meter_params, records),
        .help =
            "Where a record of each flow goes when it ends, or is cut by `active`; when weir stops, of all. "
            "Takes 36 bytes more a flow."},
    {0},
};

/* The rows of SWEEPS_1 … count steps of the worker by how many buckets ageing looked at. */
enum {
    FLOWS,
    FLOWS_CREATED,
    FLOWS_EXPIRED, /* from here on in the order of enum weir_flow_end */
    FLOWS_CUT,
    FLOWS_TCP_END,
    FLOWS_EVICTED,
    UNTRACKED,
    UNKEYED,
    PACKETS,
    BYTES,
    SWEEPS_1,
    RECORDS_LOST = SWEEPS_1 + 4,
    RECORDS, /* the writer's, in the order of its counters */
};
static const char *const meter_counters[] = {
    WEIR_COUNTER("flows", "Flows in the table now."),
    WEIR_COUNTER("flows_created", "Flows seen for the first time, or again after they had ended."),
    WEIR_COUNTER("flows_expired", "Flows ended by the idle time."),
    WEIR_COUNTER("flows_cut", "Flows that went on for the active time: another record of the same flow."),
    WEIR_COUNTER("flows_tcp_end", "Flows ended by FIN both ways, or RST."),
    WEIR_COUNTER("flows_evicted", "Flows ended because the pool was at its limit and a new one came."),
    WEIR_COUNTER("untracked", "Packets passed without a flow because the table was full."),
    WEIR_COUNTER("unkeyed", "Packets passed without a flow because they are not IP."),
    WEIR_COUNTER("packets", "Packets counted in a flow."),
    WEIR_COUNTER("bytes", "Layer-2 bytes of those packets."),
    WEIR_COUNTER("sweeps_1", "Steps of a worker in which ageing looked at 1 bucket."),
    WEIR_COUNTER("sweeps_2", "The same, at 2."),
    WEIR_COUNTER("sweeps_4", "The same, at 3 or 4."),
    WEIR_COUNTER("sweeps_8", "The same, at 5 to 8, which is the bound."),
    WEIR_COUNTER("records_lost",
        "Records of flows that the writer was too slow for; when weir stops, until the deadline."),
    WEIR_COUNTER("records", "Records of flows in the file."),
    WEIR_COUNTER("records_bytes", "Bytes that they take there."),
    WEIR_COUNTER("records_failed", "Records of flows that could not be written."),
    NULL,
};

/* Ageing goes round all buckets this often within `idle`, so that a flow is gone at most a quarter late, … */
#define ROUNDS_PER_IDLE 4
/* … but never looks at more than so many in one step of the worker: under high load a round takes longer. A flow that
 * is met again after its time starts anew, wherever the round is. */
#define STEPS_MAX 8
#define PACE_MAX (1 << 20) /* what it may be behind */
/* Records of a worker that may wait for the disk: at 10 million new flows a minute 400 ms of them. */
#define RECORDS_WAITING 65536

struct meter_worker {
    struct weir_flow_store store; /* first, where the tests find it */
    uint32_t n_buckets;           /* of every shard, see flow_table.h */
    struct weir_flow_times times;
    struct weir_bucket pace;   /* tokens: buckets that ageing may look at */
    struct weir_ring *records; /* to the writer; NULL = there is none */
    struct weir_ring *chunks;  /* from the worker before */
    struct weir_flow *part;    /* of the records of the pool; where records leave, their endpoints follow */
    uint32_t share;            /* how many they are */
    uint32_t cursor;           /* index into live */
    uint32_t n_live;
    uint32_t live[]; /* shards that hold a flow: this worker inserted it, so it owns them */
};

struct meter_pool { /* before the workers start */
    struct weir_writer *writer;
    struct weir_word failed; /* the writer writes, anyone reads: errno, 0 = fine */
    uint32_t n;
    struct meter_worker *worker[];
};

/* ---- one batch ---- */

/* The endpoints of a flow, in whoever's part its record is: it has moved here, or taken from another's chunk. */
static struct weir_endpoints *endpoints_of(const struct weir_stage *s, const struct weir_flow *f)
{
    const struct meter_worker *w = s->worker_state;
    const struct meter_pool *pool = s->pool_state;
    size_t part_at = (size_t)((uintptr_t)w->part - (uintptr_t)w), at = (uintptr_t)f - (uintptr_t)w->part;
    uint8_t *part = (uint8_t *)w->part;
    for (uint32_t i = 0; at >= weir_flow_store_bytes(w->share); i++) {
        part = (uint8_t *)pool->worker[i] + part_at;
        at = (uintptr_t)f - (uintptr_t)part;
    }
    return (struct weir_endpoints *)(part + weir_flow_store_bytes(w->share)) + at / sizeof *f;
}

static void note_endpoints(const struct weir_stage *s, const struct weir_flow *f, const struct weir_desc *d)
{
    uint8_t headers[WEIR_PARSE_HEADERS_MAX];
    uint32_t bytes = d->mbuf->pkt_len < sizeof headers ? d->mbuf->pkt_len : (uint32_t)sizeof headers;
    struct weir_endpoints *ends = endpoints_of(s, f);
    if (!weir_parse_endpoints(
            rte_pktmbuf_read(d->mbuf, 0, bytes, headers), bytes, d->length, s->env->hash_key, &d->key, ends))
        *ends = (struct weir_endpoints){.port = {0}};
}

static uint32_t record(struct weir_stage *s, const struct weir_flow *f, enum weir_flow_end end)
{
    struct meter_worker *w = s->worker_state;
    struct weir_record leaves = {.flow = *f};
    leaves.flow.end = (uint16_t)end;
    if (weir_key_kind_of(&f->key) == WEIR_KEY_IPV6)
        leaves.endpoints = *endpoints_of(s, f);
    return weir_ring_append_sized(&w->records->producer, &leaves, 1, sizeof leaves);
}

static void ended(void *stage, const struct weir_flow *f, enum weir_flow_end end)
{
    struct weir_stage *s = stage;
    struct meter_worker *w = s->worker_state;
    if (w->records != NULL)
        weir_counter_add(&s->counts[RECORDS_LOST], 1 - record(s, f, end));
    weir_counter_add(&s->counts[FLOWS_EXPIRED + (end - WEIR_FLOW_IDLE)], 1);
    weir_counter_add(&s->counts[FLOWS], end == WEIR_FLOW_ACTIVE ? 0 : UINT64_MAX);
}

static struct weir_flow *create(struct weir_stage *s, const struct weir_desc *d, uint64_t now_tsc)
{
    struct meter_worker *w = s->worker_state;
    struct weir_flow_table *table = weir_stage_shard(s, d->hash);
    bool live = table->used != 0;
    struct weir_flow *f = weir_flow_table_insert(table, &w->store, d->hash, &d->key, now_tsc);
    /* At the limit one makes room; unless records came in just now. */
    if (!f &&
        (!weir_flow_store_empty(&w->store) || weir_flow_table_evict(table, &w->store, d->hash, ended, s)))
        f = weir_flow_table_insert(table, &w->store, d->hash, &d->key, now_tsc);
    if (!f)
        return NULL;
    if (!live)
        w->live[w->n_live++] = d->hash & (s->env->shards - 1);
    if (w->records != NULL && weir_key_kind_of(&d->key) == WEIR_KEY_IPV6)
        note_endpoints(s, f, d);
    weir_counter_add(&s->counts[FLOWS], 1);
    weir_counter_add(&s->counts[FLOWS_CREATED], 1);
    return f;
}

/* The likely record is another flow's, or none: overflowed bucket, equal tags, or a flow not seen before. */
static struct weir_flow *find_slow(struct weir_stage *s, const struct weir_desc *d, uint64_t now_tsc)
{
    struct meter_worker *w = s->worker_state;
    struct weir_flow *f =
        weir_flow_table_find(weir_stage_shard(s, d->hash), w->store.records, d->hash, &d->key);
    return f ? f : create(s, d, now_tsc);
}

/* Its time had passed before this packet came, or TCP begins again: that flow has ended, this is another one.
 * Else it goes on for long and gets its next record. */
static void turn_slow(
    struct weir_stage *s, struct weir_flow *f, const struct weir_key *key, bool opens, uint64_t now_tsc)
{
    const struct meter_worker *w = s->worker_state;
    enum weir_flow_end end = weir_flow_due(f, &w->times, now_tsc);
    if (end == WEIR_FLOW_GOES_ON && opens && weir_flow_is_over(f))
        end = WEIR_FLOW_TCP_END;
    if (end != WEIR_FLOW_GOES_ON) {
        ended(s, f, end);
        *f = (struct weir_flow){.key = *key, .first_tsc = now_tsc, .last_tsc = now_tsc};
        f->key.flags &= WEIR_DESC_REVERSED;
        weir_counter_add(&s->counts[FLOWS], 1);
        weir_counter_add(&s->counts[FLOWS_CREATED], 1);
    } else if ((int64_t)(now_tsc - f->first_tsc) > w->times.active || (f->packets[0] | f->packets[1]) >> 31) {
        ended(s, f, WEIR_FLOW_ACTIVE);
        *f = (struct weir_flow){.key = f->key,
            .first_tsc = now_tsc,
            .last_tsc = now_tsc,
            .sequence = f->sequence + 1,
            .tcp_flags = {f->tcp_flags[0], f->tcp_flags[1]}};
    }
}

static bool age(struct weir_stage *s, uint64_t now_tsc)
{
    struct meter_worker *w = s->worker_state;
    uint64_t steps = w->n_live == 0 ? 0 : weir_bucket_take(&w->pace, now_tsc, STEPS_MAX);
    weir_flow_store_exchange(&w->store, w->n_live != 0);
    if (w->records != NULL)
        weir_ring_publish(&w->records->producer);
    if (steps == 0)
        return false;
    bool more = steps == STEPS_MAX;
    weir_counter_add(&s->counts[SWEEPS_1 + (steps > 1) + (steps > 2) + (steps > 4)], 1);
    for (; steps && w->n_live; steps--) {
        if (w->cursor >= w->n_live)
            w->cursor = 0;
        struct weir_flow_table *table = weir_stage_shard(s, w->live[w->cursor]);
        weir_flow_table_age(table, &w->store, &w->times, now_tsc, 1, ended, s);
        if (table->used == 0)
            w->live[w->cursor] = w->live[--w->n_live];
        else
            w->cursor += table->cursor == 0;
    }
    return more;
}

/* A worker without packets sleeps soon: the others may have all that it does not use, at once. */
static bool meter_tick(struct weir_stage *s, uint64_t now_tsc)
{
    struct meter_worker *w = s->worker_state;
    for (uint32_t i = 0; i < WEIR_FLOW_CHUNKS && weir_flow_store_exchange(&w->store, w->n_live != 0); i++) {
    }
    return age(s, now_tsc);
}

static void meter_process(struct weir_stage *s, struct weir_batch *batch)
{
    struct meter_worker *w = s->worker_state;
    struct weir_desc *keyed[WEIR_BATCH];
    struct weir_flow_bucket *bucket[WEIR_BATCH];
    struct weir_flow *flow[WEIR_BATCH];
    uint32_t n = 0, untracked = 0;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < batch->n; i++) {
        struct weir_desc *d = &batch->desc[i];
        keyed[n] = d;
        bucket[n] = weir_flow_home(weir_stage_shard(s, d->hash), w->n_buckets, d->hash);
        __builtin_prefetch(bucket[n]);
        n += weir_key_is_ip(&d->key);
    }
    for (uint32_t i = 0; i < n; i++) {
        flow[i] = weir_flow_likely(w->store.records, bucket[i], keyed[i]->hash);
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
        unsigned way = (d->key.flags & WEIR_DESC_REVERSED) != 0, tcp = d->key.flags >> WEIR_DESC_TCP_SHIFT;
        bool opens = (tcp & (WEIR_TCP_SYN | WEIR_TCP_ACK)) == WEIR_TCP_SYN;
        if (__builtin_expect(opens | ((int64_t)(batch->now_tsc - f->last_tsc) > w->times.idle) |
                                 ((int64_t)(batch->now_tsc - f->first_tsc) > w->times.active) |
                                 (f->packets[way] >> 31),
                0))
            turn_slow(s, f, &d->key, opens, batch->now_tsc);
        f->packets[way]++;
        f->bytes[way] += d->length;
        f->last_tsc = batch->now_tsc;
        f->tcp_flags[way] |= (uint8_t)tcp;
        bytes += d->length;
    }
    weir_counter_add(&s->counts[UNTRACKED], untracked);
    weir_counter_add(&s->counts[UNKEYED], batch->n - n);
    weir_counter_add(&s->counts[PACKETS], n - untracked);
    weir_counter_add(&s->counts[BYTES], bytes);
    age(s, batch->now_tsc);
}

/* ---- hand-over: the list of shards that hold a flow is the worker's own, and so is the count ---- */

static void meter_export_shard(struct weir_stage *s, uint32_t shard)
{
    struct meter_worker *w = s->worker_state;
    const struct weir_flow_table *table = weir_stage_shard(s, shard);
    for (uint32_t i = 0; i < w->n_live; i++)
        if (w->live[i] == shard)
            w->live[i--] = w->live[--w->n_live];
    weir_counter_add(&s->counts[FLOWS], 0 - (uint64_t)table->used);
}

static void meter_import_shard(struct weir_stage *s, uint32_t shard)
{
    struct meter_worker *w = s->worker_state;
    const struct weir_flow_table *table = weir_stage_shard(s, shard);
    if (table->used != 0)
        w->live[w->n_live++] = shard;
    weir_counter_add(&s->counts[FLOWS], table->used);
}

static struct weir_ring_producer *meter_way_out(const struct weir_stage *s)
{
    const struct meter_worker *w = s->worker_state;
    return w->records != NULL ? &w->records->producer : NULL;
}

/* ---- set-up ---- */

static int64_t cycles(const struct weir_stage *s, uint64_t ns)
{
    return (int64_t)((unsigned __int128)ns * s->env->tsc_hz / 1000000000);
}

static uint64_t square_root(uint64_t x)
{
    uint64_t root = 0;
    while ((root + 1) * (root + 1) <= x)
        root++;
    return root;
}

/* Flows fall on shards as the hash wills, and records are the pool's. With a standard deviation and a little more than
 * the mean, the places, twice as many, are more than ten deviations away; each line saved stays in the cache. */
static uint32_t shard_capacity(const struct meter_params *params, const struct weir_stage_env *env)
{
    if (env->shards <= 1)
        return (uint32_t)params->max_flows;
    uint64_t mean = params->max_flows / env->shards + 1;
    uint64_t capacity = mean + square_root(mean) + 4;
    return (uint32_t)(capacity < params->max_flows ? capacity : params->max_flows);
}

/* The records that a worker starts with. */
static uint32_t share(const struct meter_params *params, const struct weir_stage_env *env)
{
    return (uint32_t)((params->max_flows + env->workers - 1) / env->workers);
}

static size_t round_apart(size_t bytes)
{
    return (bytes + WEIR_APART - 1) / WEIR_APART * WEIR_APART;
}

static size_t chunks_at(const struct weir_stage_env *env)
{
    return round_apart(sizeof(struct meter_worker) + env->shards * sizeof(uint32_t));
}

static size_t records_at(const struct weir_stage_env *env)
{
    return chunks_at(env) + round_apart(weir_ring_bytes(WEIR_FLOW_CHUNKS, sizeof(uint32_t)));
}

static size_t part_at(const struct meter_params *params, const struct weir_stage_env *env)
{
    size_t ring =
        params->records.file == NULL ? 0 : weir_ring_bytes(RECORDS_WAITING, sizeof(struct weir_record));
    return records_at(env) + round_apart(ring);
}

static size_t meter_worker_size(const void *params, const struct weir_stage_env *env)
{
    const struct meter_params *p = params;
    uint32_t n = share(p, env);
    size_t endpoints = p->records.file == NULL ? 0 : (n + (size_t)1) * sizeof(struct weir_endpoints);
    return part_at(p, env) + weir_flow_store_bytes(n) + endpoints;
}

static size_t meter_pool_size(const void *, const struct weir_stage_env *env)
{
    return sizeof(struct meter_pool) + env->workers * sizeof(struct meter_worker *);
}

static size_t meter_shard_size(const void *params, const struct weir_stage_env *env)
{
    return weir_flow_table_bytes(shard_capacity(params, env));
}

/* Records are numbered over the parts of all workers, and chunks of them go round from each worker to the next. */
static int join_pool(struct weir_stage *s, struct meter_pool *pool)
{
    void *lowest = pool->worker[0]->part;
    for (uint32_t i = 1; i < pool->n; i++)
        if ((uintptr_t)pool->worker[i]->part < (uintptr_t)lowest)
            lowest = pool->worker[i]->part;
    for (uint32_t i = 0; i < pool->n; i++) {
        struct meter_worker *w = pool->worker[i], *next = pool->worker[i + 1 == pool->n ? 0 : i + 1];
        if (!weir_flow_store_init(&w->store, w->part, lowest, w->share)) {
            snprintf(s->error, WEIR_STAGE_ERROR_BYTES,
                "the records of its workers lie more than 256 GiB apart; lower max-flows, or put the pool on "
                "one NUMA node");
            return -ENOMEM;
        }
        if (pool->n > 1) {
            w->store.from = &w->chunks->consumer;
            w->store.to = &next->chunks->producer;
        }
    }
    return 0;
}

static int open_records(struct weir_stage *s, const struct weir_export *to)
{
    struct meter_worker *w = s->worker_state;
    struct meter_pool *pool = s->pool_state;
    const struct weir_writer_plan plan = {.file = to->file,
        .format = to->csv ? WEIR_WRITER_CSV : WEIR_WRITER_JSONL,
        .limit_bytes = to->rotate_bytes,
        .tsc_hz = s->env->tsc_hz,
        .rings = s->env->workers,
        .failed = &pool->failed};
    int result = weir_writer_open(&pool->writer, &plan, s->error, WEIR_STAGE_ERROR_BYTES);
    if (result != 0)
        return result;
    w->records =
        weir_ring_init((uint8_t *)w + records_at(s->env), RECORDS_WAITING, sizeof(struct weir_record), 0);
    return weir_writer_add(pool->writer, &w->records->consumer, s->counts + RECORDS);
}

static int meter_init(struct weir_stage *s)
{
    const struct meter_params *params = s->params;
    struct meter_worker *w = s->worker_state;
    struct meter_pool *pool = s->pool_state;
    uint64_t linger_ns = params->tcp_end_ns < params->idle_ns ? params->tcp_end_ns : params->idle_ns;
    w->n_buckets = weir_flow_table_buckets(shard_capacity(params, s->env));
    w->times = (struct weir_flow_times){.idle = cycles(s, params->idle_ns),
        .active = cycles(s, params->active_ns),
        .linger = cycles(s, linger_ns)};
    w->chunks = weir_ring_init((uint8_t *)w + chunks_at(s->env), WEIR_FLOW_CHUNKS, sizeof(uint32_t), 0);
    w->share = share(params, s->env);
    w->part = (struct weir_flow *)((uint8_t *)w + part_at(params, s->env));
    pool->worker[pool->n++] = w;

    unsigned __int128 round = (unsigned __int128)w->n_buckets * s->env->shards * ROUNDS_PER_IDLE;
    uint64_t steps_per_s = (uint64_t)(round * 1000000000 / params->idle_ns) + 1;
    uint64_t asleep = steps_per_s / 10 < PACE_MAX ? steps_per_s / 10 : PACE_MAX; /* of a worker that parks */
    int result = weir_bucket_init(&w->pace, steps_per_s, asleep + 8 * STEPS_MAX, s->env->tsc_hz, 0);
    if (result == 0)
        result = join_pool(s, pool);
    return result != 0 || params->records.file == NULL ? result : open_records(s, &params->records);
}

/* All workers have ended, and the first to come here has the ring of its own and the shards of all. */
static void end_records(struct weir_stage *s)
{
    static const struct timespec a_while = {.tv_nsec = 100000};
    struct meter_pool *pool = s->pool_state;
    struct meter_worker *w = s->worker_state;
    for (uint32_t shard = 0; w->records != NULL && shard < s->env->shards; shard++) {
        const struct weir_flow *f;
        uint64_t at = 0;
        while ((f = weir_flow_table_next(weir_stage_shard(s, shard), w->store.records, &at)) != NULL) {
            while (record(s, f, WEIR_FLOW_DRAIN) == 0) {
                if (rte_rdtsc() >= s->env->drain_tsc) {
                    weir_counter_add(&s->counts[RECORDS_LOST], 1);
                    break;
                }
                nanosleep(&a_while, NULL);
            }
        }
    }
    for (uint32_t i = 0; i < pool->n; i++) /* what ageing ended in a worker's last step was not told yet */
        if (pool->worker[i]->records != NULL)
            weir_ring_publish(&pool->worker[i]->records->producer);
    weir_writer_close(pool->writer, s->env->drain_tsc);
    pool->writer = NULL;
}

static void meter_fini(struct weir_stage *s)
{
    struct meter_pool *pool = s->pool_state;
    struct meter_worker *w = s->worker_state;
    if (pool->writer != NULL)
        end_records(s);
    if (w->records != NULL)
        weir_counter_add(&s->counts[RECORDS_LOST], weir_ring_depth(w->records));
}

static bool meter_trouble(const struct weir_stage *s, char *text, size_t size)
{
    const struct meter_params *p = s->params;
    uint32_t error = weir_word_read(&((const struct meter_pool *)s->pool_state)->failed);
    if (error & WEIR_WRITER_NO_NEXT)
        snprintf(text, size,
            "%s grew beyond its length: the file after it could not begin: %s; no record is missing",
            p->records.file, weir_writer_says(error));
    else if (error != 0)
        snprintf(text, size,
            "records are missing in %s: %s; they are counted as records_failed or records_lost",
            p->records.file, weir_writer_says(error));
    return error != 0;
}

static int meter_init_shard(struct weir_stage *s, uint32_t shard)
{
    weir_flow_table_init(weir_stage_shard(s, shard), shard_capacity(s->params, s->env));
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
    .pool_size = meter_pool_size,
    .shard_size = meter_shard_size,
    .init = meter_init,
    .init_shard = meter_init_shard,
    .process = meter_process,
    .tick = meter_tick,
    .fini = meter_fini,
    .trouble = meter_trouble,
    .export_shard = meter_export_shard,
    .import_shard = meter_import_shard,
    .way_out = meter_way_out,
};
