/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/times.h"

#include <stdlib.h>

/* ---- the worker ---- */

/* The schedule of a port says when a packet arrived, however late it is received. */
void weir_times_probe(struct weir_worker *w, const struct weir_port *port, uint32_t n)
{
    uint64_t i = w->until_probe;
    w->batch.n = n;
    for (; w->probe_every != 0 && i < n; i += w->probe_every)
        weir_probe_mark(&w->batch.desc[i],
            port->def->due != NULL ? port->def->due(port, &w->batch, (uint32_t)i) : w->batch.now_tsc);
    w->until_probe = i - n;
}

void weir_times_hand(struct weir_worker *w)
{
    weir_probe_handed(&w->batch);
    weir_probe_handed(&w->copies);
}

/* ---- the snapshot ---- */

const struct weir_quantile weir_quantiles[WEIR_QUANTILES] = {
    {0.5, "p50_ns"}, {0.9, "p90_ns"}, {0.99, "p99_ns"}, {0.999, "p99_9_ns"}, {0.9999, "p99_99_ns"}};

const uint64_t weir_bounds_ns[WEIR_BOUNDS] = {1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000,
    1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000, 200000000, 500000000, 1000000000};

static void distribute(const struct weir_histogram *h, uint64_t tsc_hz, struct weir_distribution *to)
{
    const double ns = 1e9 / (double)tsc_hz;
    to->count = weir_histogram_count(h);
    to->sum_ns = weir_histogram_sum(h) * ns;
    to->max_ns = (uint64_t)((double)weir_histogram_quantile(h, 1) * ns);
    for (uint32_t i = 0; i < WEIR_QUANTILES; i++)
        to->quantiles_ns[i] = (uint64_t)((double)weir_histogram_quantile(h, weir_quantiles[i].part) * ns);
    for (uint32_t i = 0; i < WEIR_BOUNDS; i++)
        to->until[i] = weir_histogram_until(h, (uint64_t)((double)weir_bounds_ns[i] / ns));
}

/* Those of all workers of the pool; without any it has no row. */
static void take_pool(
    const struct weir_runtime *rt, const struct weir_pool *pool, bool hop, struct weir_snapshot *s)
{
    struct weir_histogram all = {0};
    for (uint32_t i = 0; i < pool->n_workers; i++) {
        const struct weir_worker *w = rt->workers[pool->first_worker + i];
        const struct weir_histogram *h = hop ? w->waits : w->stages[w->n_stages - 1].latency;
        if (h != NULL)
            weir_histogram_add(&all, h);
    }
    struct weir_snapshot_latency *to = &s->latencies[s->n_latencies];
    *to = (struct weir_snapshot_latency){.pool = pool->config->name, .hop = hop};
    distribute(&all, rt->tsc_hz, &to->of);
    s->n_latencies += to->of.count != 0;
}

bool weir_times_take(const struct weir_runtime *rt, struct weir_snapshot *s)
{
    s->latencies = calloc(2 * rt->n_pools, sizeof *s->latencies);
    for (uint32_t i = 0; s->latencies != NULL && i < 2 * rt->n_pools; i++)
        take_pool(rt, &rt->pools[i % rt->n_pools], i >= rt->n_pools, s);
    return s->latencies != NULL;
}
