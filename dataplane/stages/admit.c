/* SPDX-License-Identifier: BSD-3-Clause */
/* admit: token buckets at the entrance. What is over the rate is dropped here, before it costs anything more; or,
 * to see what a rate would do, only counted. */
#include "dataplane/bucket.h"
#include "dataplane/stages/list.h"

enum { PER_PORT, PER_CLASS };
static const char *const per_words[] = {"port", "class", NULL};
enum { ENFORCE, OBSERVE };
static const char *const mode_words[] = {"enforce", "observe", NULL};

struct admit_params {
    uint64_t per, mode;
    struct weir_rate rate;
    uint64_t burst;
    struct weir_class_set except;
};

static const struct weir_param admit_param_table[] = {
    {.key = "per",
        .type = WEIR_PARAM_WORD,
        .offset = offsetof(struct admit_params, per),
        .unset = "port",
        .words = per_words,
        .by_class = "class",
        .help = "What has a bucket of its own: each port, or each class, in this pool."},
    {.key = "mode",
        .type = WEIR_PARAM_WORD,
        .offset = offsetof(struct admit_params, mode),
        .unset = "enforce",
        .words = mode_words,
        .help = "enforce: drop what is over the rate. observe: let it pass, and count it."},
    {.key = "except",
        .type = WEIR_PARAM_CLASSES,
        .offset = offsetof(struct admit_params, except),
        .help = "Classes that pass whatever the rate, and take nothing from it."},
    {.key = "rate",
        .type = WEIR_PARAM_RATE,
        .offset = offsetof(struct admit_params, rate),
        .only_with = {"per", "port"},
        .help = "Layer-2 bits per second without the FCS, or packets per second; max = no limit. Required "
                "with `per: port`; with `per: class` each class says its own."},
    {.key = "burst",
        .type = WEIR_PARAM_BYTES,
        .offset = offsetof(struct admit_params, burst),
        .only_with = {"per", "port"},
        .unset = "0",
        .max = UINT64_C(1) << 30,
        .help =
            "How much may come at once after a pause; 0 = 5 ms of the rate, at least 64KiB. A frame longer "
            "than this never passes. For a rate in packets: one packet per 64 bytes of it, at least 32."},
    {0},
};

enum { OVER_RATE };
static const char *const admit_reasons[] = {"rate", NULL};

enum { WOULD_DROP };
static const char *const admit_counters[] = {
    "would_drop", "Packets over the rate that passed because of `mode: observe`.", NULL};

enum { CLASS_PACKETS, CLASS_BYTES, CLASS_OVER_RATE, CLASS_COUNTERS };
static const char *const admit_class_counters[] = {
    WEIR_COUNTER("passed_packets", "Packets that passed."),
    WEIR_COUNTER("passed_bytes", "Layer-2 bytes of those packets."),
    WEIR_COUNTER("over_rate", "Packets over a rate: dropped, or with `mode: observe` passed."),
    NULL,
};

#define BYTES_A_PACKET 64  /* the smallest frame: burst in bytes -> burst in packets */
#define LEAST_PACKETS 32   /* a batch arrives at once, however smooth its sender was */
#define AUTO_PART_OF_S 200 /* 5 ms: what a worker that lost its CPU for a moment has to catch up with */
#define AUTO_LEAST (64u << 10)

struct limit {
    struct weir_bucket bucket;
    struct weir_rate rate; /* per_s = 0: no limit */
};

/* By port, and all queues of a port are polled by one worker; or by class, and the pool has one worker. */
struct admit_worker {
    bool by_packet; /* the packets of a batch may differ in their limit, or count apart */
    struct limit limits[];
};

static uint32_t count_limits(const struct admit_params *p, const struct weir_stage_env *env)
{
    return p->per == PER_CLASS ? env->n_classes : env->n_ports;
}

static size_t admit_worker_size(const void *params, const struct weir_stage_env *env)
{
    return sizeof(struct admit_worker) + count_limits(params, env) * sizeof(struct limit);
}

/* Tokens: bytes, or packets where the rate counts packets. */
static uint64_t burst_tokens(const struct weir_rate *rate, uint64_t burst, uint64_t tsc_hz)
{
    uint64_t token = rate->packets ? BYTES_A_PACKET : 1;
    uint64_t least = rate->packets ? LEAST_PACKETS : 1;
    uint64_t tokens = burst / token;
    if (burst == 0) {
        tokens = rate->per_s / AUTO_PART_OF_S;
        if (tokens > INT64_MAX / tsc_hz) /* what a bucket can hold */
            tokens = INT64_MAX / tsc_hz;
        least = AUTO_LEAST / token;
    }
    return tokens < least ? least : tokens;
}

static int admit_init(struct weir_stage *s)
{
    const struct admit_params *params = s->params;
    struct admit_worker *worker = s->worker_state;
    bool per_class = params->per == PER_CLASS;
    worker->by_packet = per_class;
    for (uint32_t i = 0; i < s->env->n_classes; i++)
        worker->by_packet |= weir_class_set_has(&params->except, i);
    for (uint32_t i = 0; i < count_limits(params, s->env); i++) {
        struct limit *l = &worker->limits[i];
        l->rate = per_class ? s->env->classes[i].rate : params->rate;
        if (l->rate.per_s == 0)
            continue;
        uint64_t burst =
            burst_tokens(&l->rate, per_class ? s->env->classes[i].burst : params->burst, s->env->tsc_hz);
        /* It starts full, so it does not matter when. */
        int error = weir_bucket_init(&l->bucket, l->rate.per_s, burst, s->env->tsc_hz, 0);
        if (error)
            return error;
    }
    return 0;
}

static bool within(struct limit *l, uint32_t length, uint64_t now_tsc)
{
    if (l->rate.per_s == 0)
        return true;
    weir_bucket_refill(&l->bucket, now_tsc);
    return weir_bucket_take_all(&l->bucket, l->rate.packets ? 1 : length);
}

/* Packet by packet: the batch as a whole is more than the bucket holds, or not all of one limit. */
static void admit_each(struct weir_stage *s, struct weir_batch *batch)
{
    const struct admit_params *params = s->params;
    struct admit_worker *worker = s->worker_state;
    bool per_class = params->per == PER_CLASS;
    uint32_t kept = 0, over = 0;
    for (uint32_t i = 0; i < batch->n; i++) {
        struct weir_desc *d = &batch->desc[i];
        uint32_t class_id = d->class_id;
        bool fine = weir_class_set_has(&params->except, class_id) ||
                    within(&worker->limits[per_class ? class_id : batch->port], d->length, batch->now_tsc);
        bool passes = fine || params->mode == OBSERVE;
        over += !fine;
        if (per_class) {
            struct weir_counter *counts = &s->class_counts[class_id * CLASS_COUNTERS];
            weir_counter_add(&counts[CLASS_PACKETS], passes);
            weir_counter_add(&counts[CLASS_BYTES], passes ? d->length : 0);
            weir_counter_add(&counts[CLASS_OVER_RATE], !fine);
        }
        if (passes)
            batch->desc[kept++] = *d;
        else
            weir_stage_drop(s, d, OVER_RATE);
    }
    batch->n = kept;
    weir_counter_add(&s->counts[WOULD_DROP], params->mode == OBSERVE ? over : 0);
}

static void admit_process(struct weir_stage *s, struct weir_batch *batch)
{
    const struct admit_params *params = s->params;
    struct admit_worker *worker = s->worker_state;
    if (worker->by_packet) {
        admit_each(s, batch);
        return;
    }
    if (params->rate.per_s == 0)
        return;
    struct weir_bucket *bucket = &worker->limits[batch->port].bucket;
    weir_bucket_refill(bucket, batch->now_tsc);

    uint64_t want = batch->n;
    if (!params->rate.packets) {
        want = 0;
        for (uint32_t i = 0; i < batch->n; i++)
            want += batch->desc[i].length;
    }
    if (__builtin_expect(!weir_bucket_take_all(bucket, want), 0))
        admit_each(s, batch);
}

const struct weir_stage_def weir_stage_admit = {
    .name = "admit",
    .help = "Hold each port, or each class, to a rate; drop what is above it.",
    .params = admit_param_table,
    .params_size = sizeof(struct admit_params),
    .reasons = admit_reasons,
    .counters = admit_counters,
    .class_counters = admit_class_counters,
    .ports_only = true,
    .worker_size = admit_worker_size,
    .init = admit_init,
    .process = admit_process,
};
