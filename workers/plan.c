/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/mbuf.h"
#include "dataplane/release.h"
#include "workers/runtime.h"

/* Of a pool element: header, mbuf, private area none, headroom; rounded as the mempool does. The room comes on top. */
#define MBUF_AROUND (sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + 128)
#define MBUFS_LEAST 4095
#define MEMORY_SPARE ((size_t)48 << 20)
#define MEMORY_STEP ((size_t)2 << 20)

const char *const weir_distance_names[WEIR_DISTANCES] = {
    "on one CPU", "in one core", "under one cache", "in one node", "in one package", "across packages"};

enum weir_distance weir_cpu_distance(const struct weir_cpu *a, const struct weir_cpu *b)
{
    if (a->core == b->core)
        return a->cpu == b->cpu ? WEIR_DISTANCE_CPU : WEIR_DISTANCE_CORE;
    if (a->cache == b->cache && a->cache != UINT32_MAX)
        return WEIR_DISTANCE_CACHE;
    if (a->node == b->node && (a->node >= 0 || a->package == b->package))
        return WEIR_DISTANCE_NODE;
    return a->package == b->package ? WEIR_DISTANCE_PACKAGE : WEIR_DISTANCE_MACHINE;
}

/* ---- choosing a CPU ---- */

struct choice {
    struct weir_plan *plan;
    const struct weir_topology *topology;
    uint32_t *load;      /* workers, by index of the CPU in the topology */
    uint64_t placed;     /* devices that are nearer to some CPUs than to others */
    uint32_t first_core; /* the kernel starts on it and keeps its own work there */
};

/* What the worker polls; or what its pool sees and sends. */
static uint64_t ports_of(const struct weir_plan *plan, const struct weir_plan_worker *w)
{
    const struct weir_plan_pool *pool = &plan->pools[w->pool];
    uint64_t ports = 0;
    for (uint32_t k = 0; pool->polled != NULL && k < pool->n_polled; k++)
        if (pool->by_queue || k % pool->n_workers == w->index)
            ports |= UINT64_C(1) << pool->polled[k];
    return pool->polled != NULL ? ports : pool->ports;
}

static uint32_t core_load(const struct choice *c, uint32_t core)
{
    uint32_t load = 0;
    for (uint32_t i = 0; i < c->topology->n_cpus; i++)
        load += c->topology->cpus[i].core == core ? c->load[i] : 0;
    return load;
}

/* Cores without a worker that meet this one in a cache, if the rest of the pipeline fits there; the fewer the better. */
static int64_t cache_room(const struct choice *c, const struct weir_cpu *at, uint32_t left)
{
    int64_t room = 0;
    for (uint32_t i = 0; i < c->topology->n_cpus; i++) {
        const struct weir_cpu *other = &c->topology->cpus[i];
        room += !other->sibling && other->core != c->first_core && c->load[i] == 0 &&
                weir_cpu_distance(at, other) <= WEIR_DISTANCE_CACHE;
    }
    return room >= left ? INT32_MAX - room : room;
}

/* The nearer to those that feed it the better. */
static int64_t homeliness(const struct choice *c, const struct weir_plan_worker *w, const struct weir_cpu *at)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < w->lcore - 1; i++) {
        const struct weir_plan_worker *other = &c->plan->workers[i];
        if (weir_pool_set_has(c->plan->pools[other->pool].feeds, w->pool))
            sum += WEIR_DISTANCES - (int64_t)weir_cpu_distance(other->at, at);
    }
    return sum;
}

enum { LOAD, CORE_LOAD, NEAR, MEMORY, ISOLATED, KIND, NOT_FIRST, HOME, ROOM, CRITERIA };

static void rate(
    const struct choice *c, const struct weir_plan_worker *w, uint32_t i, int64_t score[CRITERIA])
{
    const struct weir_cpu *at = &c->topology->cpus[i];
    uint64_t ports = ports_of(c->plan, w) & c->placed;
    score[LOAD] = -(int64_t)c->load[i];
    score[CORE_LOAD] = -(int64_t)core_load(c, at->core);
    score[NEAR] = 2 * __builtin_popcountll(ports & at->near) + __builtin_popcountll(ports & at->package_near);
    score[MEMORY] = at->node >= 0;
    score[ISOLATED] = at->isolated;
    score[KIND] = at->kind;
    score[NOT_FIRST] = at->core != c->first_core;
    score[HOME] = homeliness(c, w, at);
    score[ROOM] = cache_room(c, at, c->plan->n_workers - (w->lcore - 1));
}

static uint32_t best_cpu(const struct choice *c, const struct weir_plan_worker *w)
{
    uint32_t best = 0;
    int64_t of_best[CRITERIA], score[CRITERIA];
    rate(c, w, 0, of_best);
    for (uint32_t i = 1; i < c->topology->n_cpus; i++) {
        rate(c, w, i, score);
        int k = 0;
        while (k < CRITERIA && score[k] == of_best[k])
            k++;
        if (k < CRITERIA && score[k] > of_best[k]) {
            best = i;
            memcpy(of_best, score, sizeof score);
        }
    }
    return best;
}

/* ---- saying why ---- */

static bool any_cpu(const struct choice *c, uint64_t near, bool isolated, uint32_t above_kind, bool idle)
{
    for (uint32_t i = 0; i < c->topology->n_cpus; i++) {
        const struct weir_cpu *at = &c->topology->cpus[i];
        if ((near == 0 || (at->near & near) != 0) && at->isolated >= isolated && at->kind >= above_kind &&
            (!idle || core_load(c, at->core) == 0))
            return true;
    }
    return false;
}

static void explain_ports(const struct choice *c, const struct weir_plan_worker *w, FILE *to)
{
    for (uint64_t ports = ports_of(c->plan, w) & c->placed; ports != 0; ports &= ports - 1) {
        uint64_t bit = ports & -ports;
        const struct weir_device *d = &c->topology->devices[__builtin_ctzll(ports)];
        fprintf(to, "; %s to %s", (w->at->near & bit) != 0 ? "local" : "not local", d->name);
        if (d->node >= 0)
            fprintf(to, " (node %d)", d->node);
        if ((w->at->near & bit) == 0)
            fputs(!any_cpu(c, bit, false, 0, false)  ? ", none of whose CPUs may be used"
                  : !any_cpu(c, bit, false, 0, true) ? ", whose cores all have workers"
                                                     : ", as it works for several ports",
                to);
    }
}

static void explain_neighbours(const struct choice *c, const struct weir_plan_worker *w, FILE *to)
{
    enum weir_distance farthest = WEIR_DISTANCE_CPU;
    const struct weir_plan_worker *far = NULL;
    for (uint32_t i = 0; i < w->lcore - 1; i++) {
        const struct weir_plan_worker *other = &c->plan->workers[i];
        enum weir_distance distance = weir_cpu_distance(other->at, w->at);
        if (weir_pool_set_has(c->plan->pools[other->pool].feeds, w->pool) && distance >= farthest) {
            farthest = distance;
            far = other;
        }
    }
    if (far == NULL || farthest <= WEIR_DISTANCE_CORE)
        return;
    if (farthest == WEIR_DISTANCE_CACHE)
        fputs("; under one cache with all that feed it", to);
    else
        fprintf(to, "; not under one cache with %s/%u, which feeds it (%s)", c->plan->pools[far->pool].name,
            far->index, weir_distance_names[farthest]);
}

static char *explain(const struct choice *c, const struct weir_plan_worker *w)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL)
        abort(); /* a line of text */
    const struct weir_topology *t = c->topology;
    uint32_t on_cpu = c->load[w->at - t->cpus], on_core = core_load(c, w->at->core);
    if (on_cpu > 1)
        fprintf(to, "shares its CPU and yields: %u workers, %u CPUs%s", c->plan->n_workers, t->n_cpus,
            t->n_siblings != 0 ? "; to use SMT siblings too, name them in `cpus`" : "");
    else if (on_core > 1)
        fprintf(to, "SMT sibling of another worker's CPU, as `cpus` allows: %u workers, %u cores",
            c->plan->n_workers, t->n_cores);
    else
        fputs("a core of its own", to);
    explain_ports(c, w, to);
    if (w->at->node < 0 && c->plan->topology->n_nodes != 0)
        fputs("; without memory of its own: no core that has some is left", to);
    if (w->at->isolated)
        fputs("; isolated", to);
    else if (any_cpu(c, 0, true, 0, false))
        fputs(any_cpu(c, 0, true, 0, true) ? "; not isolated: the isolated cores are not local"
                                           : "; not isolated: the isolated cores all have workers",
            to);
    if (any_cpu(c, 0, false, w->at->kind + 1, false))
        fputs(any_cpu(c, 0, false, w->at->kind + 1, true)
                  ? "; a slower core: the faster ones are not local, or not isolated"
                  : "; a slower core: the faster ones all have workers",
            to);
    explain_neighbours(c, w, to);
    fclose(to);
    return text;
}

/* ---- the plan ---- */

/* Everything that is no worker: on cores without one, and there not where the kernel keeps others away. Who asks for metrics
 * would take the time of a worker otherwise. */
static void place_control(struct weir_plan *plan, const struct choice *c)
{
    static const struct {
        bool spare, isolated, worker_core;
        const char *why;
    } steps[] = {{false, false, false, "apart from the workers"},
        {true, false, false, "apart from the workers, which have every core of `cpus`"},
        {false, true, false, "apart from the workers, on isolated CPUs: there are no others"},
        {false, true, true, "on the workers' CPUs: every core has a worker"}};
    const struct weir_topology *t = c->topology;
    for (size_t s = 0; s < sizeof steps / sizeof steps[0] && plan->n_control_cpus == 0; s++) {
        plan->control_why = steps[s].why;
        for (uint32_t i = 0; i < t->n_cpus + (steps[s].spare ? t->n_spare : 0); i++)
            if ((steps[s].isolated || !t->cpus[i].isolated) &&
                (steps[s].worker_core || core_load(c, t->cpus[i].core) == 0))
                plan->control_cpus[plan->n_control_cpus++] = t->cpus[i].cpu;
    }
}

int weir_compare_cpus(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void list_nodes(struct weir_plan *plan)
{
    for (uint32_t i = 0; i < plan->topology->n_cpus; i++) {
        int32_t node = plan->topology->cpus[i].node;
        uint32_t k = 0;
        while (k < plan->n_nodes && plan->nodes[k].node != node)
            k++;
        if (k == plan->n_nodes && node >= 0)
            plan->nodes[plan->n_nodes++].node = node;
    }
    if (plan->n_nodes == 0)
        plan->nodes[plan->n_nodes++].node = -1;
}

/* Packets lie where most of those are that poll ports. */
static int32_t packets_node(const struct weir_plan *plan)
{
    uint32_t most = 0;
    int32_t node = plan->nodes[0].node;
    for (uint32_t k = 0; k < plan->n_nodes; k++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < plan->n_workers; i++)
            n += plan->pools[plan->workers[i].pool].polled != NULL &&
                 plan->workers[i].node == plan->nodes[k].node;
        if (n > most) {
            most = n;
            node = plan->nodes[k].node;
        }
    }
    return node;
}

static void place(struct weir_plan *plan)
{
    const struct weir_topology *t = plan->topology;
    struct choice c = {.plan = plan, .topology = t, .first_core = t->cpus[0].core};
    uint32_t lowest = UINT32_MAX;
    c.load = weir_take(t->n_cpus, sizeof *c.load);
    for (uint32_t d = 0; d < t->n_devices; d++)
        c.placed |= t->devices[d].placed ? UINT64_C(1) << d : 0;
    for (uint32_t i = 0; i < t->n_cpus; i++) {
        c.first_core = t->cpus[i].cpu < lowest ? t->cpus[i].core : c.first_core;
        lowest = t->cpus[i].cpu < lowest ? t->cpus[i].cpu : lowest;
    }
    for (uint32_t p = 0; p < plan->n_pools; p++) {
        for (uint32_t k = 0; k < plan->pools[p].n_workers; k++) {
            uint32_t number = plan->pools[p].first_worker + k;
            struct weir_plan_worker *w = &plan->workers[number];
            *w = (struct weir_plan_worker){.lcore = number + 1, .pool = p, .index = k};
            uint32_t best = best_cpu(&c, w);
            c.load[best]++;
            w->at = &t->cpus[best];
            w->cpu = w->at->cpu;
            w->node = w->at->node;
        }
    }
    for (uint32_t i = 0; i < plan->n_workers; i++) {
        struct weir_plan_worker *w = &plan->workers[i];
        w->shares_cpu = c.load[w->at - t->cpus] > 1;
        w->why = explain(&c, w);
    }
    place_control(plan, &c);
    qsort(plan->control_cpus, plan->n_control_cpus, sizeof *plan->control_cpus, weir_compare_cpus);
    free(c.load);
}

struct weir_plan *weir_plan_new(
    const struct weir_topology *t, const struct weir_plan_pool *pools, uint32_t n_pools)
{
    struct weir_plan *plan = weir_take(1, sizeof *plan);
    plan->topology = t;
    plan->n_pools = n_pools;
    for (uint32_t p = 0; p < n_pools; p++)
        plan->n_workers += pools[p].n_workers;
    plan->pools = weir_take(n_pools, sizeof *plan->pools);
    plan->workers = weir_take(plan->n_workers, sizeof *plan->workers);
    plan->control_cpus = weir_take(t->n_cpus + t->n_spare, sizeof *plan->control_cpus);
    plan->nodes = weir_take(t->n_cpus, sizeof *plan->nodes);
    memcpy(plan->pools, pools, n_pools * sizeof *pools);
    place(plan);
    list_nodes(plan);
    plan->mbuf_node = packets_node(plan);
    return plan;
}

void weir_plan_free(struct weir_plan *plan)
{
    if (plan == NULL)
        return;
    for (uint32_t i = 0; i < plan->n_workers; i++)
        free(plan->workers[i].why);
    free(plan->pools);
    free(plan->workers);
    free(plan->control_cpus);
    free(plan->nodes);
    free(plan);
}

/* ---- memory ---- */

static void need(struct weir_plan *plan, int32_t node, size_t bytes)
{
    uint32_t k = 0; /* who has no memory near takes it where the first have theirs */
    for (uint32_t i = 0; i < plan->n_nodes; i++)
        k = plan->nodes[i].node == node ? i : k;
    plan->nodes[k].bytes += bytes;
}

/* The state of the stages of one worker; what the pool shares lies with its first. */
static size_t stage_bytes(const struct weir_runtime *rt, const struct weir_pool *pool, bool first)
{
    const struct weir_stage_env env = {
        .shards = WEIR_SHARDS, .workers = pool->n_workers, .ports = rt->port_list, .n_ports = rt->n_ports};
    size_t bytes = sizeof(struct weir_worker) + (2 + pool->n_stages) * sizeof(struct weir_histogram);
    for (uint32_t i = 0; i < pool->n_stages; i++) {
        const struct weir_pool_stage *s = &pool->stages[i];
        if (s->def->worker_size != NULL)
            bytes += s->def->worker_size(s->params, &env) + WEIR_CACHE_LINE;
        if (first && s->def->pool_size != NULL)
            bytes += s->def->pool_size(s->params, &env);
        if (first && s->def->shard_size != NULL)
            bytes += WEIR_SHARDS * (s->def->shard_size(s->params, &env) + WEIR_CACHE_LINE);
    }
    return bytes;
}

/* The rings from one pool to another. Returns the packets that may wait there for each producer. */
static uint64_t need_edge(struct weir_plan *plan, const struct weir_pool *from, const struct weir_pool *to)
{
    uint32_t outputs = to->n_workers;
    for (uint32_t i = 0; i < from->n_workers; i++) {
        need(plan, plan->workers[from->first_worker + i].node, outputs * sizeof(struct weir_output));
        for (uint32_t k = 0; k < outputs; k++) /* a ring lies with its consumer */
            need(plan, plan->workers[to->first_worker + k].node,
                weir_ring_bytes(to->config->depth, sizeof(struct weir_desc)));
    }
    return outputs * (uint64_t)(to->config->depth + WEIR_REMAINDER_MAX);
}

void weir_plan_memory(struct weir_plan *plan, const struct weir_runtime *rt)
{
    uint64_t mbufs = 0, stashes = 0; /* of one pool: shards of one move at a time */
    need(plan, plan->mbuf_node, MEMORY_SPARE);
    for (uint32_t p = 0; p < rt->n_ports; p++) {
        const struct weir_port *port = &rt->ports[p];
        if (port->def->mbufs != NULL)
            mbufs += port->def->mbufs(rt->port_params[p], port->queues);
        need(plan, plan->mbuf_node, port->stamped_flows * sizeof(uint64_t));
    }
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        const struct weir_pool *pool = &rt->pools[p];
        /* A mempool cache grows to half as much again before it spills. */
        uint64_t each = WEIR_MBUF_CACHE * 3 / 2 + WEIR_BATCH + WEIR_TRASH_MAX;
        each += pool->tee < 0 ? 0 : WEIR_BATCH;
        for (uint32_t i = 0; i < pool->n_stages; i++)
            each +=
                pool->stages[i].def->holds != NULL ? pool->stages[i].def->holds(pool->stages[i].params) : 0;
        for (uint32_t i = 0; i < pool->n_workers; i++)
            need(plan, plan->workers[pool->first_worker + i].node, stage_bytes(rt, pool, i == 0));
        for (uint32_t q = 0; q < rt->n_pools; q++)
            if (weir_pool_feeds(pool, q))
                each += need_edge(plan, pool, &rt->pools[q]);
        mbufs += pool->n_workers * each;
        uint64_t stash = weir_pool_moves_shards(pool) ? pool->n_workers * WEIR_STASH : 0;
        stashes = stash > stashes ? stash : stashes;
    }
    mbufs += stashes;
    plan->n_mbufs = mbufs < MBUFS_LEAST ? MBUFS_LEAST : mbufs;
    plan->mbuf_bytes = MBUF_AROUND + rt->mbuf_room + 2 * sizeof(void *);
    need(plan, plan->mbuf_node, (size_t)plan->n_mbufs * plan->mbuf_bytes);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        struct weir_plan_node *n = &plan->nodes[i];
        n->bytes = (n->bytes + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP;
        plan->memory_bytes += n->bytes;
    }
}
