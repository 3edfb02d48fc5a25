/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/plan.h"

#include "dataplane/mbuf.h"
#include "dataplane/release.h"
#include "workers/runtime.h"

/* A pool element: header, mbuf, private area none, headroom and room; rounded as the mempool does. */
#define MBUF_BYTES (sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + WEIR_MBUF_ROOM + 128)
#define MBUFS_LEAST 4095
#define MEMORY_SPARE ((size_t)48 << 20)
#define MEMORY_STEP ((size_t)2 << 20)

void weir_plan_cpus(struct weir_plan *plan, const struct weir_topology *t)
{
    uint32_t n = plan->n_workers;
    bool apart = t->n_cpus > n; /* a CPU is left for the control thread */
    uint32_t first = apart ? 1 : 0;
    uint32_t usable = t->n_cpus - first;
    for (uint32_t i = 0; i < n; i++) {
        const struct weir_cpu *c = &t->cpus[first + i % usable];
        bool shares = i % usable + usable < n; /* another worker comes round to the same CPU */
        plan->workers[i] =
            (struct weir_plan_worker){.lcore = i + 1, .cpu = c->cpu, .node = c->node, .shares_cpu = shares};
    }
    plan->n_control_cpus = 0;
    for (uint32_t i = 0; i < t->n_cpus; i++)
        if (!apart || i == 0 || i > n)
            plan->control_cpus[plan->n_control_cpus++] = t->cpus[i].cpu;
}

static size_t stage_bytes(const struct weir_runtime *rt, const struct weir_pool *pool)
{
    const struct weir_stage_env env = {
        .shards = WEIR_SHARDS, .workers = pool->n_workers, .ports = rt->port_list, .n_ports = rt->n_ports};
    size_t bytes = 0;
    for (uint32_t i = 0; i < pool->n_stages; i++) {
        const struct weir_pool_stage *s = &pool->stages[i];
        if (s->def->worker_size != NULL)
            bytes += pool->n_workers * (s->def->worker_size(s->params, &env) + WEIR_CACHE_LINE);
        if (s->def->pool_size != NULL)
            bytes += s->def->pool_size(s->params, &env);
        if (s->def->shard_size != NULL)
            bytes += WEIR_SHARDS * (s->def->shard_size(s->params, &env) + WEIR_CACHE_LINE);
    }
    return bytes;
}

void weir_plan_memory(struct weir_plan *plan, const struct weir_runtime *rt)
{
    uint64_t mbufs = 0;
    size_t bytes = MEMORY_SPARE;
    for (uint32_t p = 0; p < rt->n_ports; p++) {
        const struct weir_port *port = &rt->ports[p];
        mbufs += port->def->mbufs(rt->port_params[p]);
        bytes += port->stamped_flows * sizeof(uint64_t);
    }
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        const struct weir_pool *pool = &rt->pools[p];
        uint32_t outputs = pool->next < 0 ? 0 : rt->pools[pool->next].n_workers;
        uint64_t queued = outputs == 0 ? 0 : rt->pools[pool->next].config->depth + WEIR_REMAINDER_MAX;
        /* A mempool cache grows to half as much again before it spills. */
        uint64_t each = WEIR_MBUF_CACHE * 3 / 2 + WEIR_BATCH + WEIR_TRASH_MAX + outputs * queued;
        mbufs += pool->n_workers * each;
        bytes += pool->n_workers * outputs *
                 (weir_ring_bytes(
                      outputs == 0 ? 2 : rt->pools[pool->next].config->depth, sizeof(struct weir_desc)) +
                     sizeof(struct weir_output));
        bytes += stage_bytes(rt, pool);
    }
    plan->n_mbufs = mbufs < MBUFS_LEAST ? MBUFS_LEAST : mbufs;
    bytes += (size_t)plan->n_mbufs * (MBUF_BYTES + 2 * sizeof(void *));
    plan->memory_bytes = (bytes + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP;
}
