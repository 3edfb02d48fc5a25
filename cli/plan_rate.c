/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a pipeline saturates, from what each step was measured to cost. An estimate: one machine's cycles, flows that
 * spread evenly over the workers, no cost for what shares a CPU. */
#include <stdio.h>
#include <string.h>

#include "cli/costs.h" /* made by meson */
#include "cli/plan.h"

/* docs/bench/costs.json */
static const char measured[] = WEIR_COSTS;

struct costs {
    const json_t *cycles;
    double sum;
    const char *unknown;
};

static void add(struct costs *c, const char *group, const char *name)
{
    const json_t *cost = json_object_get(json_object_get(c->cycles, group), name);
    c->sum += json_number_value(cost);
    if (!json_is_number(cost) && c->unknown == NULL)
        c->unknown = name;
}

static void add_stage(struct costs *c, const struct weir_config_stage *s)
{
    add(c, "stage", s->table->name);
    for (size_t i = 0; s->table->rows != NULL && s->table->rows[i].key != NULL; i++)
        if (strcmp(s->table->rows[i].key, "cycles") == 0)
            c->sum += (double)s->values[i].number;
}

/* Of each packet that the pool sees. */
static struct costs pool_costs(
    const struct weir_runtime *rt, const struct weir_pool *pool, const json_t *cycles)
{
    struct costs c = {.cycles = cycles};
    double dearest = 0;
    for (uint32_t k = 0; pool->config->fed_by_ports && k < pool->config->n_from; k++) {
        struct costs port = {.cycles = cycles};
        add(&port, "receive", rt->ports[pool->config->from[k]].def->kind);
        dearest = port.sum > dearest ? port.sum : dearest;
        c.unknown = c.unknown == NULL ? port.unknown : c.unknown;
    }
    c.sum = dearest;
    if (!pool->config->fed_by_ports)
        add(&c, "ring", "take");
    for (uint32_t k = 0; k < pool->n_stages; k++)
        add_stage(&c, &pool->config->stages[k]);
    if (pool->feeds != 0)
        add(&c, "ring", "put");
    c.sum = c.sum < 1 ? 1 : c.sum; /* nothing is for nothing */
    return c;
}

bool weir_rate_plan_make(
    struct weir_rate_plan *r, const struct weir_runtime *rt, const char *file, double offered_pps)
{
    json_error_t error;
    const char *machine = NULL;
    json_t *cycles = NULL;
    json_t *costs = file != NULL ? json_load_file(file, 0, &error) : json_loads(measured, 0, &error);
    *r = (struct weir_rate_plan){.offered_pps = offered_pps, .known = true};
    if (costs == NULL) {
        fprintf(stderr, "weir plan: --costs %s:%d: %s; `scripts/bench costs --json` writes such a file\n",
            file != NULL ? file : "", error.line, error.text);
        return false;
    }
    if (json_unpack(costs, "{s:{s:s,s:F},s:o}", "machine", "cpu", &machine, "tsc_hz", &r->tsc_hz,
            "cycles_per_packet", &cycles) != 0 ||
        r->tsc_hz <= 0) {
        fprintf(stderr,
            "weir plan: --costs %s: no `machine` with `cpu` and `tsc_hz`, or no `cycles_per_packet`\n",
            file != NULL ? file : "");
        json_decref(costs);
        return false;
    }
    snprintf(r->machine, sizeof r->machine, "%s", machine);
    uint32_t polled = 0;
    for (uint32_t p = 0; p < rt->n_pools; p++)
        polled += rt->pools[p].config->fed_by_ports ? rt->pools[p].config->n_from : 0;
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        const struct weir_pool *pool = &rt->pools[p];
        struct weir_pool_load *l = &r->pools[p];
        struct costs c = pool_costs(rt, pool, cycles);
        for (uint32_t k = 0; k < pool->config->n_from; k++)
            l->share += pool->config->fed_by_ports ? 1.0 / polled : r->pools[pool->config->from[k]].share;
        l->unknown = c.unknown;
        l->cycles = c.sum;
        l->most_pps = r->tsc_hz / c.sum * pool->n_workers / l->share;
        double needed = offered_pps * l->share * c.sum / r->tsc_hz;
        l->workers = needed < 1e9 ? (uint32_t)needed + ((double)(uint32_t)needed < needed) : UINT32_MAX;
        r->known &= c.unknown == NULL;
        if (l->most_pps < r->pools[r->tightest].most_pps)
            r->tightest = p;
    }
    json_decref(costs);
    return true;
}
