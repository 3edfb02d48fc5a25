/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/times.h"

#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>

#include "dataplane/wall.h"
#include "workers/log.h"
#include "workers/runtime.h"

/* ---- the worker ---- */

/* The schedule of a port says when a packet arrived, however late it is received. */
void weir_times_probe(struct weir_worker *w, const struct weir_port *port, uint16_t queue, uint32_t n)
{
    uint64_t i = w->until_probe;
    w->batch.n = n;
    for (; w->probe_every != 0 && i < n; i += w->probe_every)
        weir_probe_mark(&w->batch.desc[i],
            port->def->due != NULL ? port->def->due(port, queue, &w->batch, (uint32_t)i) : w->batch.now_tsc);
    w->until_probe = i - n;
}

void weir_times_hand(struct weir_worker *w)
{
    weir_probe_handed(&w->batch);
    weir_probe_handed(&w->copies);
}

#define UNUSUAL 8 /* times the usual, of a full batch: packets differ */

static bool is_gap(const struct weir_worker *w, bool works, uint64_t took_tsc)
{
    return took_tsc > w->gap_tsc + (works ? UNUSUAL * WEIR_BATCH * w->usual_tsc : 0);
}

uint64_t weir_times_gap(struct weir_worker *w, uint32_t step, uint64_t took_tsc, uint64_t now_tsc)
{
    bool works = step == WEIR_STEP_BUSY, gave_away = step == WEIR_STEP_PARKED || (w->yields && !works);
    if (gave_away || !is_gap(w, works, took_tsc))
        return 0;
    struct weir_times *t = &w->times;
    uint64_t lost = took_tsc - (works ? WEIR_BATCH * w->usual_tsc : 0), i = t->gaps.value % WEIR_GAPS;
    weir_counter_set(&t->last[i].end_tsc, now_tsc);
    weir_counter_set(&t->last[i].lost_tsc, lost);
    if (lost > t->longest_tsc.value)
        weir_counter_set(&t->longest_tsc, lost);
    weir_counter_add(&w->cycles[WEIR_STEP_LOST], lost);
    weir_counter_add(&t->gaps, 1);
    return lost;
}

void weir_times_batch(struct weir_worker *w)
{
    uint32_t waits = w->batch.n;
    bool rings = false;
    for (uint32_t i = 0; i < w->n_inputs; i++)
        if (w->inputs[i].ring != NULL) {
            waits += weir_ring_ready(w->inputs[i].ring, UINT32_MAX);
            rings = true;
        }
    w->until_timed = WEIR_TIMES_EVERY - 1;
    weir_histogram_record(&w->times.batches, w->batch.n);
    if (rings)
        weir_histogram_record(&w->times.inbox, waits);
}

/* Towards the median: a step that was cut short counts as one that took too long, however long that was; and another load is
 * learned, in some 30 steps if its packets cost fifty times as much. A mean would take lost time for work, or work for lost. */
void weir_times_learn(struct weir_worker *w, uint32_t n, uint64_t took_tsc)
{
    if (n == 0) /* all went to the stash of a hand-over */
        return;
    uint64_t cost = took_tsc / n, usual = w->usual_tsc;
    if (usual == 0)
        w->usual_tsc = cost;
    else
        w->usual_tsc = cost > usual ? usual + usual / 8 + 1 : usual - usual / 8;
}

/* What it lost is no work of the stage. */
void weir_times_stage(struct weir_worker *w, struct weir_stage *s, uint32_t n, uint64_t took_tsc)
{
    if (s->times == NULL || is_gap(w, true, took_tsc))
        return;
    weir_histogram_record(s->times, took_tsc);
    weir_counter_add(&s->timed_tsc, took_tsc);
    weir_counter_add(&s->timed, n);
}

/* ---- what became of the gaps ---- */

static uint64_t ns_of(const struct weir_runtime *rt, uint64_t tsc)
{
    return (uint64_t)((double)tsc * 1e9 / (double)rt->tsc_hz);
}

/* The newest first. While it is read the worker may write over the oldest: those are left out. */
static uint32_t take_gaps(
    const struct weir_runtime *rt, const struct weir_worker *w, struct weir_gap gaps[WEIR_GAPS])
{
    uint64_t now_ns = (uint64_t)weir_clock_ns(CLOCK_REALTIME), now_tsc = rte_rdtsc();
    uint64_t n = weir_counter_read(&w->times.gaps);
    uint32_t taken = 0;
    for (; taken < WEIR_GAPS && taken < n; taken++) {
        uint64_t at = (n - 1 - taken) % WEIR_GAPS, end = weir_counter_read(&w->times.last[at].end_tsc);
        gaps[taken] = (struct weir_gap){.lost_ns = ns_of(rt, weir_counter_read(&w->times.last[at].lost_tsc)),
            .unix_ns = now_ns - (now_tsc > end ? ns_of(rt, now_tsc - end) : 0)};
    }
    uint64_t newer = weir_counter_read(&w->times.gaps) - n + 1; /* one may be half written */
    uint32_t whole = newer < WEIR_GAPS ? (uint32_t)(WEIR_GAPS - newer) : 0;
    return taken < whole ? taken : whole;
}

void weir_times_tell(struct weir_runtime *rt, uint64_t now_tsc)
{
    if (now_tsc < rt->tell_tsc)
        return;
    rt->tell_tsc = now_tsc + rt->tsc_hz;
    for (uint32_t i = 0; i < rt->n_launched; i++) {
        const struct weir_worker *w = rt->workers[i];
        struct weir_worker_watch *seen = &rt->seen[i];
        struct weir_gap gaps[WEIR_GAPS];
        uint64_t n = weir_counter_read(&w->times.gaps), lost = weir_counter_read(&w->cycles[WEIR_STEP_LOST]);
        if (n == seen->gaps || take_gaps(rt, w, gaps) == 0)
            continue;
        time_t at = (time_t)(gaps[0].unix_ns / 1000000000);
        struct tm when;
        localtime_r(&at, &when);
        weir_log(WEIR_LOG_INFO,
            "worker %u of %s (cpu %u) lost %lu us at %02d:%02d:%02d; %lu times since the last such line, %lu "
            "us together",
            w->index, rt->pools[w->pool].config->name, w->cpu, (unsigned long)gaps[0].lost_ns / 1000,
            when.tm_hour, when.tm_min, when.tm_sec, (unsigned long)(n - seen->gaps),
            (unsigned long)ns_of(rt, lost - seen->lost_tsc) / 1000);
        seen->gaps = n;
        seen->lost_tsc = lost;
    }
}

/* ---- the snapshot ---- */

const struct weir_quantile weir_quantiles[WEIR_QUANTILES] = {
    {0.5, "p50_ns"}, {0.9, "p90_ns"}, {0.99, "p99_ns"}, {0.999, "p99_9_ns"}, {0.9999, "p99_99_ns"}};

const uint64_t weir_bounds_ns[WEIR_BOUNDS] = {1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000,
    1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000, 200000000, 500000000, 1000000000};

/* `hz`: of what was recorded; where that is no time, 1e9 leaves it as it is. */
static void distribute(const struct weir_histogram *h, uint64_t hz, struct weir_distribution *to)
{
    const double ns = 1e9 / (double)hz;
    struct weir_histogram_walk walk = weir_histogram_start(h);
    to->max_ns = (uint64_t)((double)h->max.value * ns);
    for (uint32_t i = 0; i < WEIR_QUANTILES; i++)
        to->quantiles_ns[i] = (uint64_t)((double)weir_histogram_quantile(&walk, weir_quantiles[i].part) * ns);
    to->count = weir_histogram_until(&walk, UINT64_MAX);
    to->sum_ns = walk.sum * ns;
}

/* Those of all workers of the pool; without any it has no row. */
static void take_pool(
    const struct weir_runtime *rt, const struct weir_pool *pool, bool hop, struct weir_snapshot *s)
{
    struct weir_histogram all = {0};
    for (uint32_t i = 0; i < pool->n_workers; i++) {
        const struct weir_worker *w = rt->workers[pool->first_worker + i];
        /* One whose last stage went to an egress may have none. */
        const struct weir_histogram *h = hop                ? w->waits
                                         : w->n_stages != 0 ? w->stages[w->n_stages - 1].latency
                                                            : NULL;
        if (h != NULL)
            weir_histogram_add(&all, h);
    }
    struct weir_snapshot_latency *to = &s->latencies[s->n_latencies];
    *to = (struct weir_snapshot_latency){.pool = pool->config->name, .hop = hop};
    distribute(&all, rt->tsc_hz, &to->of);
    struct weir_histogram_walk walk = weir_histogram_start(&all);
    for (uint32_t i = 0; i < WEIR_BOUNDS; i++)
        to->of.until[i] =
            weir_histogram_until(&walk, (uint64_t)((double)weir_bounds_ns[i] * (double)rt->tsc_hz / 1e9));
    s->n_latencies += to->of.count != 0;
}

bool weir_times_take(const struct weir_runtime *rt, struct weir_snapshot *s)
{
    s->latencies = calloc(2 * rt->n_pools, sizeof *s->latencies);
    for (uint32_t i = 0; s->latencies != NULL && i < 2 * rt->n_pools; i++)
        take_pool(rt, &rt->pools[i % rt->n_pools], i >= rt->n_pools, s);
    return s->latencies != NULL;
}

/* Of one that is written meanwhile. */
static void distribute_copy(const struct weir_histogram *h, uint64_t hz, struct weir_distribution *to)
{
    struct weir_histogram copy = {0};
    weir_histogram_add(&copy, h);
    distribute(&copy, hz, to);
}

void weir_times_take_worker(
    const struct weir_runtime *rt, const struct weir_worker *w, struct weir_snapshot_worker *to)
{
    to->lost_tsc = weir_counter_read(&w->cycles[WEIR_STEP_LOST]);
    to->gaps = weir_counter_read(&w->times.gaps);
    to->longest_gap_tsc = weir_counter_read(&w->times.longest_tsc);
    to->n_recent = take_gaps(rt, w, to->recent);
    distribute_copy(&w->times.batches, 1000000000, &to->batches);
    distribute_copy(&w->times.inbox, 1000000000, &to->inbox);
}

void weir_times_take_stage(
    const struct weir_runtime *rt, const struct weir_stage *stage, struct weir_snapshot_stage *to)
{
    to->timed_tsc = weir_counter_read(&stage->timed_tsc);
    to->timed = weir_counter_read(&stage->timed);
    distribute_copy(stage->times, rt->tsc_hz, &to->times);
}
