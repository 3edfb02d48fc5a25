/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/workers.h"

#include <string.h>

#include "monitor/registry.h"

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

static json_t *worker_json(const struct weir_snapshot *s, const struct weir_snapshot_worker *w)
{
    double cycles = (double)(w->busy_tsc + w->idle_tsc + w->blocked_tsc + w->parked_tsc + w->lost_tsc);
    double part = cycles > 0 ? 100 / cycles : 0;
    json_t *object = json_pack("{s:s,s:i,s:i,s:i,s:s,s:b,s:f,s:f,s:f,s:f,s:f,s:o,s:o,s:o,s:o}", "pool",
        w->pool, "index", w->index, "lcore", w->lcore, "cpu", w->cpu, "state", weir_worker_shows(w),
        "shares_cpu", w->shares_cpu, "busy_percent", (double)w->busy_tsc * part, "idle_percent",
        (double)w->idle_tsc * part, "blocked_percent", (double)w->blocked_tsc * part, "parked_percent",
        (double)w->parked_tsc * part, "lost_percent", (double)w->lost_tsc * part, "recent_gaps", gaps_json(w),
        "batch_packets", spread_json(&w->batches), "inbox_packets", spread_json(&w->inbox), "stages",
        stages_json(s, w));
    weir_registry_members(WEIR_REGISTRY_WORKER, w, object);
    return object;
}

json_t *weir_workers_json(const struct weir_snapshot *s)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < s->n_workers; i++)
        json_array_append_new(all, worker_json(s, &s->workers[i]));
    return all;
}
