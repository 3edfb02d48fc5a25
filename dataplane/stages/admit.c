/* SPDX-License-Identifier: BSD-3-Clause */
/* admit: a token bucket at the entrance. What is over the rate is dropped here, before it costs anything
 * more. */
#include "dataplane/bucket.h"
#include "dataplane/stages/list.h"

static const char *const per_words[] = {"port", NULL};

struct admit_params {
    uint64_t per;
    struct weir_rate rate;
    uint64_t burst;
};

static const struct weir_param admit_param_table[] = {
    {.key = "per",
        .type = WEIR_PARAM_WORD,
        .offset = offsetof(struct admit_params, per),
        .unset = "port",
        .words = per_words,
        .help = "What has a bucket of its own."},
    {.key = "rate",
        .type = WEIR_PARAM_RATE,
        .offset = offsetof(struct admit_params, rate),
        .help = "Layer-2 bits per second without the FCS, or packets per second; max = no limit."},
    {.key = "burst",
        .type = WEIR_PARAM_BYTES,
        .offset = offsetof(struct admit_params, burst),
        .unset = "0",
        .max = UINT64_C(1) << 30,
        .help = "How much may come at once after a pause; 0 = 5 ms of the rate, at least 64KiB. A frame "
                "longer than this never passes. For a rate in packets: one packet per 64 bytes of it, at "
                "least 32."},
    {0},
};

enum { OVER_RATE };
static const char *const admit_reasons[] = {"rate", NULL};

#define BYTES_A_PACKET 64  /* the smallest frame: burst in bytes -> burst in packets */
#define LEAST_PACKETS 32   /* a batch arrives at once, however smooth its sender was */
#define AUTO_PART_OF_S 200 /* 5 ms: what a worker that lost its CPU for a moment has to catch up with */
#define AUTO_LEAST (64u << 10)

/* One bucket a port; all queues of a port are polled by one worker. */
struct admit_worker {
    struct weir_bucket bucket[WEIR_PORTS_MAX];
};

static size_t admit_worker_size(const void *params, const struct weir_stage_env *env)
{
    (void)params;
    (void)env;
    return sizeof(struct admit_worker);
}

/* Tokens: bytes, or packets where the rate counts packets. */
static uint64_t burst_tokens(const struct admit_params *p, uint64_t tsc_hz)
{
    uint64_t token = p->rate.packets ? BYTES_A_PACKET : 1;
    uint64_t least = p->rate.packets ? LEAST_PACKETS : 1;
    uint64_t tokens = p->burst / token;
    if (p->burst == 0) {
        tokens = p->rate.per_s / AUTO_PART_OF_S;
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
    uint64_t burst = burst_tokens(params, s->env->tsc_hz);
    if (params->rate.per_s == 0)
        return 0;
    for (uint32_t i = 0; i < s->env->n_ports; i++) {
        /* It starts full, so it does not matter when. */
        int error = weir_bucket_init(&worker->bucket[i], params->rate.per_s, burst, s->env->tsc_hz, 0);
        if (error)
            return error;
    }
    return 0;
}

/* The batch as a whole is more than the bucket holds: packet by packet. */
static void admit_each_slow(
    struct weir_stage *s, struct weir_batch *batch, struct weir_bucket *bucket, bool packets)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < batch->n; i++) {
        if (weir_bucket_take_all(bucket, packets ? 1 : batch->desc[i].length))
            batch->desc[kept++] = batch->desc[i];
        else
            weir_stage_drop(s, &batch->desc[i], OVER_RATE);
    }
    batch->n = kept;
}

static void admit_process(struct weir_stage *s, struct weir_batch *batch)
{
    const struct admit_params *params = s->params;
    if (params->rate.per_s == 0)
        return;
    struct admit_worker *worker = s->worker_state;
    struct weir_bucket *bucket = &worker->bucket[batch->port];
    weir_bucket_refill(bucket, batch->now_tsc);

    uint64_t want = batch->n;
    if (!params->rate.packets) {
        want = 0;
        for (uint32_t i = 0; i < batch->n; i++)
            want += batch->desc[i].length;
    }
    if (__builtin_expect(!weir_bucket_take_all(bucket, want), 0))
        admit_each_slow(s, batch, bucket, params->rate.packets);
}

const struct weir_stage_def weir_stage_admit = {
    .name = "admit",
    .help = "Hold each port to a rate; drop what is above it.",
    .params = admit_param_table,
    .params_size = sizeof(struct admit_params),
    .reasons = admit_reasons,
    .ports_only = true,
    .worker_size = admit_worker_size,
    .init = admit_init,
    .process = admit_process,
};
