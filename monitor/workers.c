/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/workers.h"

#include "monitor/registry.h"

static json_t *worker_json(const struct weir_snapshot_worker *w)
{
    double cycles = (double)(w->busy_tsc + w->idle_tsc + w->blocked_tsc + w->parked_tsc);
    double part = cycles > 0 ? 100 / cycles : 0;
    json_t *object = json_pack("{s:s,s:i,s:i,s:i,s:s,s:b,s:f,s:f,s:f,s:f}", "pool", w->pool, "index",
        w->index, "lcore", w->lcore, "cpu", w->cpu, "state", weir_worker_shows(w), "shares_cpu",
        w->shares_cpu, "busy_percent", (double)w->busy_tsc * part, "idle_percent", (double)w->idle_tsc * part,
        "blocked_percent", (double)w->blocked_tsc * part, "parked_percent", (double)w->parked_tsc * part);
    weir_registry_members(WEIR_REGISTRY_WORKER, w, object);
    return object;
}

json_t *weir_workers_json(const struct weir_snapshot *s)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < s->n_workers; i++)
        json_array_append_new(all, worker_json(&s->workers[i]));
    return all;
}
