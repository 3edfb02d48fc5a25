/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/workers.h"

#include <string.h>

#include "monitor/registry.h"

double weir_since(uint64_t now, uint64_t before)
{
    return now > before ? (double)(now - before) : 0;
}

struct weir_shares weir_worker_shares(
    const struct weir_snapshot *before, const struct weir_snapshot *now, uint32_t worker)
{
    static const struct weir_snapshot_worker never;
    const struct weir_snapshot_worker *w = &now->workers[worker], *b = before && worker < before->n_workers
                                                                           ? &before->workers[worker]
                                                                           : &never;
    double busy = weir_since(w->busy_tsc, b->busy_tsc), idle = weir_since(w->idle_tsc, b->idle_tsc),
           blocked = weir_since(w->blocked_tsc, b->blocked_tsc),
           parked = weir_since(w->parked_tsc, b->parked_tsc), lost = weir_since(w->lost_tsc, b->lost_tsc);
    double all = busy + idle + blocked + parked + lost, part = all > 0 ? 1 / all : 0;
    return (struct weir_shares){busy * part, idle * part, blocked * part, parked * part, lost * part};
}

static json_t *spread_json(const struct weir_distribution *d)
{
    return json_pack("{s:I,s:I,s:I,s:I}", "samples", d->count, "p50", d->quantiles_ns[0], "p99",
        d->quantiles_ns[2], "max", d->max_ns);
}

static json_t *stages_json(const struct weir_snapshot *s, const struct weir_snapshot_worker *w)
{
    json_t *all = json_array();
    for (const struct weir_snapshot_stage *g = s->stages; g < s->stages + s->n_stages; g++)
        if (g->worker == w->index && strcmp(g->pool, w->pool) == 0)
            json_array_append_new(
                all, json_pack("{s:s,s:o,s:o}", "stage", g->stage, "cycles_per_packet",
                         g->timed ? json_real((double)g->timed_tsc / (double)g->timed) : json_null(),
                         "batch_ns", spread_json(&g->times)));
    return all;
}

static json_t *gaps_json(const struct weir_snapshot_worker *w)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < w->n_recent; i++)
        json_array_append_new(all, json_pack("{s:f,s:f}", "unix_seconds", (double)w->recent[i].unix_ns * 1e-9,
                                       "lost_us", (double)w->recent[i].lost_ns * 1e-3));
    return all;
}

static json_t *worker_json(const struct weir_snapshot *s, uint32_t i)
{
    const struct weir_snapshot_worker *w = &s->workers[i];
    const struct weir_shares share = weir_worker_shares(NULL, s, i);
    json_t *object = json_pack("{s:s,s:i,s:i,s:i,s:s,s:b,s:f,s:f,s:f,s:f,s:f,s:o,s:o,s:o,s:o}", "pool",
        w->pool, "index", w->index, "lcore", w->lcore, "cpu", w->cpu, "state", weir_worker_shows(w),
        "shares_cpu", w->shares_cpu, "busy_percent", 100 * share.busy, "idle_percent", 100 * share.idle,
        "blocked_percent", 100 * share.blocked, "parked_percent", 100 * share.parked, "lost_percent",
        100 * share.lost, "recent_gaps", gaps_json(w), "batch_packets", spread_json(&w->batches),
        "inbox_packets", spread_json(&w->inbox), "stages", stages_json(s, w));
    weir_registry_members(WEIR_REGISTRY_WORKER, w, object);
    return object;
}

json_t *weir_workers_json(const struct weir_snapshot *s)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < s->n_workers; i++)
        json_array_append_new(all, worker_json(s, i));
    return all;
}
