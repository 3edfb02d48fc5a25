/* SPDX-License-Identifier: BSD-3-Clause */
/* Outline and plan to running things, with DPDK, in the order in which they depend on each other. */
#include "workers/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>

#include "dataplane/mbuf.h"
#include "workers/log.h"

/* ---- memory ---- */

static void *allocate(size_t size, int32_t node)
{
    size = size == 0 ? WEIR_APART : size;
    void *memory = rte_zmalloc_socket("weir", size, WEIR_APART, node);
    return memory != NULL ? memory : rte_zmalloc("weir", size, WEIR_APART);
}

static size_t round_line(size_t size)
{
    return (size + WEIR_CACHE_LINE - 1) & ~(size_t)(WEIR_CACHE_LINE - 1);
}

static enum weir_failure no_memory(const struct weir_runtime *rt, const char *what)
{
    weir_log(WEIR_LOG_ERROR,
        "no memory for %s; the plan asked for %zu MiB. Lower depth, workers or max-flows", what,
        rt->plan->memory_bytes >> 20);
    return WEIR_FAILED_OS;
}

/* As rte_pktmbuf_pool_create(), but packed. Under normal pages that one starts every packet on a page of its own, so
 * that all headers meet in the same few cache sets. We run with virtual addresses as IOVA (eal.c), where what is
 * contiguous for us is contiguous for a device, and the restriction buys nothing. */
static struct rte_mempool *make_mempool(uint64_t n, uint32_t room, int node)
{
    struct rte_pktmbuf_pool_private private = {
        .mbuf_data_room_size = (uint16_t)(RTE_PKTMBUF_HEADROOM + room)};
    unsigned size = (unsigned)sizeof(struct rte_mbuf) + private.mbuf_data_room_size;
    if (n > UINT32_MAX / 2)
        return NULL;
    struct rte_mempool *pool = rte_mempool_create_empty(
        "weir", (unsigned)n, size, WEIR_MBUF_CACHE, sizeof private, node, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
    if (pool == NULL)
        return NULL;
    if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0)
        goto fail;
    rte_pktmbuf_pool_init(pool, &private);
    if (rte_mempool_populate_default(pool) < 0)
        goto fail;
    rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
    return pool;

fail:
    rte_mempool_free(pool);
    return NULL;
}

static enum weir_failure open_ports(struct weir_runtime *rt)
{
    for (; rt->n_opened < rt->n_ports; rt->n_opened++) {
        struct weir_port *port = &rt->ports[rt->n_opened];
        port->mempool = rt->mempool;
        port->mbuf_room = rt->mbuf_room;
        port->socket = rt->topology->devices[rt->n_opened].node;
        port->tsc_hz = rt->tsc_hz;
        unsigned before = rte_mempool_avail_count(rt->mempool);
        int result = port->def->open(port, rt->port_params[rt->n_opened]);
        port->taken = before - rte_mempool_avail_count(rt->mempool);
        if (port->warning[0] != '\0')
            weir_log(WEIR_LOG_WARNING, "port %s: %s", port->name, port->warning);
        port->warning[0] = '\0';
        if (port->note[0] != '\0')
            weir_log(WEIR_LOG_WARNING, "port %s: %s", port->name, port->note);
        if (result == -ENXIO)
            weir_port_await(port);
        if (result == 0 || port->closed)
            continue;
        const struct weir_place *place = &rt->config->ports[rt->n_opened].place;
        weir_log(WEIR_LOG_ERROR, "%s:%u:%u: port %s: %s", rt->config->file, place->line, place->column,
            port->name, port->error);
        return result == -EBADMSG                      ? WEIR_FAILED_BAD_DATA
               : result == -EPERM || result == -EACCES ? WEIR_FAILED_PERMISSION
               : result == -EINVAL                     ? WEIR_FAILED_CONFIG
               : result == -ENOMEM                     ? WEIR_FAILED_OS
                                                       : WEIR_FAILED_PORT;
    }
    return WEIR_FINE;
}

static bool build_inputs_from_ports(struct weir_runtime *rt, const struct weir_pool *pool)
{
    for (uint32_t i = 0; i < pool->n_workers; i++) {
        struct weir_worker *w = rt->workers[pool->first_worker + i];
        uint32_t queues = 0;
        for (uint32_t k = 0; k < pool->config->n_from; k++)
            queues += rt->ports[pool->config->from[k]].rx_queues;
        w->inputs = allocate(queues * sizeof *w->inputs, rt->plan->workers[pool->first_worker + i].node);
        if (w->inputs == NULL)
            return false;
        for (uint32_t k = 0; k < pool->config->n_from; k++) {
            struct weir_port *port = &rt->ports[pool->config->from[k]];
            for (uint16_t q = 0; q < port->rx_queues; q++)
                if ((pool->config->by_queue ? q : k % pool->n_workers) == i)
                    w->inputs[w->n_inputs++] = (struct weir_input){.port = port, .queue = q};
        }
    }
    return true;
}

static bool build_ring(struct weir_runtime *rt, uint32_t from, uint32_t to, uint32_t depth, bool copies)
{
    struct weir_worker *producer = rt->workers[from], *consumer = rt->workers[to];
    void *memory = allocate(weir_ring_bytes(depth, sizeof(struct weir_desc)), rt->plan->workers[to].node);
    if (memory == NULL)
        return false;
    struct weir_ring *ring = weir_ring_init(memory, depth, sizeof(struct weir_desc), 0);
    char names[2][WEIR_RING_OWNER_MAX];
    snprintf(names[0], sizeof names[0], "%.20s/%u", rt->pools[producer->pool].config->name, producer->index);
    snprintf(names[1], sizeof names[1], "%.20s/%u", rt->pools[consumer->pool].config->name, consumer->index);
    weir_ring_name(ring, names[0], names[1]);
    struct weir_edge *edge = copies ? &producer->tee : &producer->out;
    rt->rings[rt->n_rings++] = (struct weir_matrix_ring){
        .from = from, .to = to, .output = edge->n_outputs, .copies = copies, .ring = ring};
    struct weir_output *output = &edge->outputs[edge->n_outputs++];
    output->ring = &ring->producer;
    output->bell = &consumer->bell;
    consumer->inputs[consumer->n_inputs++] =
        (struct weir_input){.ring = &ring->consumer, .fence = &output->fence};
    return true;
}

static uint32_t outputs_of(const struct weir_runtime *rt, const struct weir_pool *pool)
{
    uint32_t n = 0;
    for (uint32_t q = 0; q < rt->n_pools; q++)
        n += weir_pool_set_has(pool->feeds, q) ? rt->pools[q].n_workers : 0;
    return n;
}

/* One of several pools that divide the classes of the producer's. The outputs that come next are its. */
static bool build_branch(struct weir_edge *edge, const struct weir_pool *pool, int32_t node)
{
    const struct weir_value *take = &pool->config->values[WEIR_POOL_TAKE];
    if (edge->fork == NULL)
        edge->fork = allocate(sizeof *edge->fork, node);
    if (edge->fork == NULL)
        return false;
    struct weir_fork *fork = edge->fork;
    fork->branches[fork->n] = (struct weir_branch){.pool = edge->pool,
        .first = edge->n_outputs,
        .n_outputs = pool->n_workers,
        .route = edge->route,
        .deals = edge->deals};
    for (uint32_t i = 0; i < WEIR_CLASSES_MAX && !take->set; i++)
        fork->of_class[i] = fork->taken[i] ? fork->of_class[i] : (uint8_t)fork->n;
    for (uint32_t i = 0; i < take->n_classes; i++) {
        fork->of_class[take->classes[i]] = (uint8_t)fork->n;
        fork->taken[take->classes[i]] = true;
    }
    fork->n++;
    return true;
}

/* The matrix: every worker of every pool that feeds `pool`, times every worker of `pool`. */
static bool build_inputs_from_pools(struct weir_runtime *rt, const struct weir_pool *pool)
{
    uint32_t producers = 0;
    for (uint32_t k = 0; k < pool->config->n_from; k++)
        producers += rt->pools[pool->config->from[k]].n_workers;
    struct weir_matrix_ring *rings =
        realloc(rt->rings, (rt->n_rings + (size_t)producers * pool->n_workers) * sizeof *rings);
    if (rings == NULL)
        return false;
    rt->rings = rings;
    for (uint32_t i = 0; i < pool->n_workers; i++) {
        struct weir_worker *w = rt->workers[pool->first_worker + i];
        w->inputs = allocate(producers * sizeof *w->inputs, rt->plan->workers[pool->first_worker + i].node);
        if (w->inputs == NULL)
            return false;
    }
    for (uint32_t k = 0; k < pool->config->n_from; k++) {
        const struct weir_pool *from = &rt->pools[pool->config->from[k]];
        for (uint32_t p = from->first_worker; p < from->first_worker + from->n_workers; p++) {
            bool copies = from->tee == pool - rt->pools;
            struct weir_edge *edge = copies ? &rt->workers[p]->tee : &rt->workers[p]->out;
            int32_t node = rt->plan->workers[p].node;
            if (edge->outputs == NULL)
                edge->outputs =
                    allocate((copies ? pool->n_workers : outputs_of(rt, from)) * sizeof *edge->outputs, node);
            edge->route = allocate(sizeof *edge->route, node);
            if (edge->outputs == NULL || edge->route == NULL)
                return false;
            *edge->route = pool->owners;
            edge->pool = (uint32_t)(pool - rt->pools);
            edge->deals = pool->config->shard_by == WEIR_SHARD_BY_NONE && pool->n_workers > 1;
            if (!copies && (from->feeds & (from->feeds - 1)) != 0 && !build_branch(edge, pool, node))
                return false;
            for (uint32_t c = 0; c < pool->n_workers; c++) {
                edge->outputs[edge->n_outputs].drop_when_full = pool->config->on_full == WEIR_ON_FULL_DROP;
                if (!build_ring(rt, p, pool->first_worker + c, pool->config->depth, copies))
                    return false;
            }
        }
    }
    return true;
}

static uint64_t tsc_of(const struct weir_runtime *rt, uint64_t ns)
{
    return (uint64_t)((double)ns * 1e-9 * (double)rt->tsc_hz) + 1;
}

/* Of a pool fed by ports. `hops`: which are timed there, too. */
static bool makes_probes(const struct weir_config_pool *pool, bool hops)
{
    return pool->fed_by_ports && pool->values[WEIR_POOL_PROBE_EVERY].number != 0 &&
           (!hops || pool->values[WEIR_POOL_PROBE_AT].number == WEIR_PROBE_HOPS);
}

/* Room for what is timed: any probe may come to any pool. */
static bool new_times(struct weir_histogram **h, const struct weir_runtime *rt, bool hops, int32_t node)
{
    bool wanted = false;
    for (uint32_t p = 0; p < rt->n_pools; p++)
        wanted |= makes_probes(rt->pools[p].config, hops);
    *h = wanted ? allocate(sizeof **h, node) : NULL;
    return !wanted || *h != NULL;
}

static bool build_workers(struct weir_runtime *rt)
{
    rt->workers = weir_take(rt->n_workers, sizeof *rt->workers);
    rt->seen = weir_take(rt->n_workers, sizeof *rt->seen);
    rt->ports_told = weir_take(rt->n_workers, sizeof *rt->ports_told);
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        for (uint32_t i = 0; i < rt->pools[p].n_workers; i++) {
            uint32_t number = rt->pools[p].first_worker + i;
            const struct weir_plan_worker *plan = &rt->plan->workers[number];
            struct weir_worker *w = allocate(sizeof *w, plan->node);
            void *commands =
                allocate(weir_ring_bytes(WEIR_COMMANDS, sizeof(struct weir_command)), plan->node);
            if (w == NULL || commands == NULL)
                return false;
            rt->workers[number] = w;
            w->pool = p;
            w->index = i;
            w->lcore = plan->lcore;
            w->cpu = plan->cpu;
            w->yields = plan->shares_cpu;
            const struct weir_value *values = rt->pools[p].config->values;
            if (rt->pools[p].config->fed_by_ports) {
                w->probe_every = (uint32_t)values[WEIR_POOL_PROBE_EVERY].number;
                w->sleep_tsc = (uint32_t)tsc_of(rt, values[WEIR_POOL_IDLE_SLEEP].number);
            }
            if (!rt->pools[p].config->fed_by_ports || values[WEIR_POOL_IDLE_SLEEP].number != 0)
                w->park_after_tsc = tsc_of(rt, values[WEIR_POOL_PARK_AFTER].number);
            w->command_ring = weir_ring_init(commands, WEIR_COMMANDS, sizeof(struct weir_command), 0);
            w->commands = &w->command_ring->consumer;
            weir_doorbell_init(&w->bell);
            w->gap_tsc = tsc_of(rt, WEIR_GAP_US * 1000);
            w->until_probe = w->probe_every != 0 ? w->probe_every - 1 : UINT64_MAX;
            if (!new_times(&w->waits, rt, true, plan->node))
                return false;
            if (weir_pool_moves_shards(&rt->pools[p])) {
                w->handover.stash = allocate(WEIR_STASH * sizeof *w->handover.stash, plan->node);
                if (w->handover.stash == NULL)
                    return false;
            }
        }
    }
    return true;
}

static bool allocate_state(void **state, size_t (*bytes)(const void *, const struct weir_stage_env *),
    const struct weir_stage *s, int32_t node)
{
    if (bytes != NULL)
        *state = allocate(bytes(s->params, s->env), node);
    return bytes == NULL || *state != NULL;
}

static bool allocate_stage(
    struct weir_runtime *rt, struct weir_worker *w, struct weir_pool_stage *shared, struct weir_stage *s)
{
    const struct weir_stage_def *def = shared->def;
    int32_t node = rt->plan->workers[rt->pools[w->pool].first_worker + w->index].node;
    size_t reasons = weir_stage_count(def->reasons, 1), counters = weir_stage_count(def->counters, 2);
    size_t class_counters = weir_stage_count(def->class_counters, 2);
    s->def = def;
    s->params = shared->params;
    s->env = &w->env;
    s->trash = &w->trash;
    s->drops = allocate(reasons * sizeof *s->drops, node);
    s->counts = allocate(counters * sizeof *s->counts, node);
    s->class_counts = allocate(class_counters * rt->n_classes * sizeof *s->class_counts, node);
    s->times = allocate(sizeof *s->times, node);
    if (s->drops == NULL || s->counts == NULL || s->class_counts == NULL || s->times == NULL)
        return false;
    if (def->terminal && !new_times(&s->latency, rt, false, node))
        return false;
    if (!allocate_state(&s->worker_state, def->worker_size, s, node))
        return false;
    bool first = shared->pool_state == NULL && shared->shard_state == NULL;
    if (first && !allocate_state(&shared->pool_state, def->pool_size, s, node))
        return false;
    if (first && def->shard_size != NULL) {
        shared->shard_stride = round_line(def->shard_size(s->params, s->env));
        shared->shard_state = allocate(WEIR_SHARDS * shared->shard_stride, node);
        if (shared->shard_state == NULL)
            return false;
    }
    s->pool_state = shared->pool_state;
    s->shard_state = shared->shard_state;
    s->shard_stride = shared->shard_stride;
    return true;
}

/* What a stage says with -errno. */
static enum weir_failure failure_of(int result)
{
    static const int of_the_machine[] = {ENOMEM, EAGAIN, EIO, EMFILE, ENFILE, ENOSPC, EDQUOT, EROFS};
    for (size_t i = 0; i < sizeof of_the_machine / sizeof of_the_machine[0]; i++)
        if (result == -of_the_machine[i])
            return WEIR_FAILED_OS;
    return result == -EPERM || result == -EACCES ? WEIR_FAILED_PERMISSION : WEIR_FAILED_CONFIG;
}

static enum weir_failure init_stage(const struct weir_runtime *rt, const struct weir_worker *w,
    struct weir_pool_stage *shared, struct weir_stage *s)
{
    const struct weir_stage_def *def = s->def;
    const struct weir_config_pool *pool = rt->pools[w->pool].config;
    const struct weir_place *place = &pool->stages[s - w->stages].place;
    char error[WEIR_STAGE_ERROR_BYTES] = "";
    s->error = error;
    int result = def->init != NULL ? def->init(s) : 0;
    for (uint32_t shard = 0; result == 0 && def->init_shard != NULL && !shared->ready && shard < WEIR_SHARDS;
         shard++)
        result = def->init_shard(s, shard);
    shared->ready = true;
    s->error = NULL;
    if (result == 0)
        return WEIR_FINE;
    weir_log(WEIR_LOG_ERROR, "%s:%u:%u: pool %s: stage %s%s: %s", rt->config->file, place->line,
        place->column, pool->name, def->name, error[0] != '\0' ? "" : " cannot work with its parameters",
        error[0] != '\0' ? error : strerror(-result));
    return failure_of(result);
}

static enum weir_failure build_stages(struct weir_runtime *rt)
{
    uint16_t next_tx_queue[WEIR_PORTS_MAX] = {0};
    for (uint32_t number = 0; number < rt->n_workers; number++) {
        struct weir_worker *w = rt->workers[number];
        struct weir_pool *pool = &rt->pools[w->pool];
        w->env = (struct weir_stage_env){.tsc_hz = rt->tsc_hz,
            .shards = WEIR_SHARDS,
            .workers = pool->n_workers,
            .ports = rt->port_list,
            .n_ports = rt->n_ports,
            .copies = &w->copies,
            .classes = rt->classes,
            .socket = rt->plan->workers[number].node,
            .n_classes = rt->n_classes};
        memcpy(w->env.hash_key, rt->hash_key, sizeof rt->hash_key);
        for (uint64_t to = pool->tx_ports; to != 0;
             to &= to - 1) /* of every port the next: it has one writer */
            w->env.tx_queue[__builtin_ctzll(to)] = next_tx_queue[__builtin_ctzll(to)]++;
        w->stages = allocate(pool->n_stages * sizeof *w->stages, rt->plan->workers[number].node);
        if (w->stages == NULL)
            return no_memory(rt, "the stages");
        for (; w->n_stages < pool->n_stages; w->n_stages++) {
            if (!allocate_stage(rt, w, &pool->stages[w->n_stages], &w->stages[w->n_stages]))
                return no_memory(rt, "the state of the stages");
            enum weir_failure failed = init_stage(rt, w, &pool->stages[w->n_stages], &w->stages[w->n_stages]);
            if (failed != WEIR_FINE)
                return failed;
        }
    }
    return WEIR_FINE;
}

enum weir_failure weir_runtime_build(struct weir_runtime *rt)
{
    for (uint32_t p = 0; p < rt->n_pools; p++)
        if (rt->pools[p].egress != NULL)
            weir_log(WEIR_LOG_NOTICE, "pool %s: inserted, as port %s has %u transmit queue%s",
                rt->pools[p].config->name, rt->pools[p].egress->port->name, rt->pools[p].egress->queues,
                rt->pools[p].egress->queues == 1 ? "" : "s");
    rt->tsc_hz = rte_get_tsc_hz();
    int registered = weir_probe_register();
    if (registered != 0) {
        weir_log(WEIR_LOG_ERROR,
            "no room for the times of probes in a packet buffer: %s; remedy: `probe-every: 0`",
            strerror(-registered));
        return WEIR_FAILED_OS;
    }
    if (rt->mempool == NULL) /* the simulator keeps one */
        rt->mempool = make_mempool(rt->plan->n_mbufs, rt->mbuf_room, rt->plan->mbuf_node);
    if (rt->mempool == NULL)
        return no_memory(rt, "the packets");
    enum weir_failure failed = open_ports(rt);
    if (failed != WEIR_FINE)
        return failed;
    if (!build_workers(rt))
        return no_memory(rt, "the workers");
    for (uint32_t p = 0; p < rt->n_pools; p++)
        if (!(rt->pools[p].config->fed_by_ports ? build_inputs_from_ports : build_inputs_from_pools)(
                rt, &rt->pools[p]))
            return no_memory(rt, "the rings");
    return build_stages(rt);
}

/* ---- the way back, in reverse ---- */

void weir_runtime_end_stages(struct weir_runtime *rt)
{
    uint64_t from = rt->signal_tsc != 0 ? rt->signal_tsc : rte_rdtsc();
    uint64_t deadline = from + rt->config->drain_timeout_ns / 1000 * rt->tsc_hz / 1000000;
    for (uint32_t i = 0; !rt->stages_ended && rt->workers != NULL && i < rt->n_workers; i++) {
        struct weir_worker *w = rt->workers[i];
        if (w == NULL) /* the building of it came no further */
            break;
        w->env.drain_tsc = deadline;
        for (uint32_t k = 0; k < w->n_stages; k++)
            if (w->stages[k].def->fini != NULL)
                w->stages[k].def->fini(&w->stages[k]);
        weir_trash_flush(&w->trash);
    }
    rt->stages_ended = true;
}

void weir_runtime_close_ports(struct weir_runtime *rt)
{
    for (; rt->n_started > 0; rt->n_started--) {
        struct weir_port *port = &rt->ports[rt->n_started - 1];
        if (!port->closed && port->def->stop != NULL)
            port->def->stop(port);
    }
    for (; rt->n_opened > 0; rt->n_opened--) {
        struct weir_port *port = &rt->ports[rt->n_opened - 1];
        port->def->stats(port, &rt->port_stats[port->index]);
        bool closed = port->closed;
        port->closed = false; /* for good: see close_device() */
        if (!closed || port->state != NULL)
            port->def->close(port);
        port->closed = closed;
    }
}

/* Rings, packets and the state of stages stay: they lie in DPDK's heap, which goes with the process. Giving them back
 * one by one would clear them first, and so touch gigabytes that were never used. */
void weir_runtime_free(struct weir_runtime *rt)
{
    weir_runtime_end_stages(rt);
    weir_runtime_close_ports(rt);
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        for (uint32_t i = 0; i < rt->pools[p].n_stages; i++)
            free(rt->pools[p].stages[i].params);
        free(rt->pools[p].stages);
        free(rt->pools[p].egress);
    }
    for (uint32_t i = 0; rt->port_params != NULL && i < rt->n_ports; i++)
        free(rt->port_params[i]);
    weir_manager_free(rt->manager);
    weir_plan_free(rt->plan);
    weir_topology_free(rt->topology);
    free(rt->workers);
    free(rt->seen);
    free(rt->ports_told);
    free(rt->watches);
    free(rt->rings);
    free(rt->pools);
    free(rt->classes);
    free(rt->port_params);
    free(rt->port_stats);
    free(rt->port_list);
    free(rt->ports);
    pthread_mutex_destroy(&rt->life);
    free(rt);
}
