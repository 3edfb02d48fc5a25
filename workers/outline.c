/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration to an outline: parameters, ports, classes and pools as plain things, and the plan; before DPDK. */
#include "workers/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "config/key_table.h"
#include "dataplane/mbuf.h"
#include "dataplane/stages/list.h"
#include "workers/log.h"
#include "workers/plant.h"

static_assert(WEIR_PORTS_MAX == WEIR_PORTS_LIMIT && WEIR_PORTS_MAX == WEIR_TRANSMITTERS_LIMIT &&
                  WEIR_CLASSES_MAX == WEIR_CLASSES_LIMIT + 1,
    "the configuration refuses what the data plane has no room for");
static_assert(WEIR_WEIGHTS_LIMIT <= WEIR_WEIGHTS_MAX, "likewise");

void *weir_take(size_t n, size_t size)
{
    size_t bytes = (n * size / WEIR_CACHE_LINE + 1) * WEIR_CACHE_LINE;
    void *memory = aligned_alloc(WEIR_CACHE_LINE, bytes);
    if (memory == NULL) {
        weir_log(WEIR_LOG_ERROR, "no memory for the configuration");
        exit(WEIR_FAILED_OS);
    }
    return memset(memory, 0, bytes);
}

/* ---- parameters: values of the configuration into the plain struct of a stage or port kind ---- */

static void fill_port_map(struct weir_port_map *map, const struct weir_value *v)
{
    for (uint32_t i = 0; i < WEIR_PORTS_MAX; i++)
        map->to[i] = -1;
    for (uint32_t i = 0; i < v->n_pairs; i++)
        map->to[v->pairs[i].from] = (int16_t)v->pairs[i].to;
}

static void fill_weights(struct weir_weights *w, const struct weir_value *v)
{
    w->n = v->n_members != 0 ? v->n_members : 1;
    for (uint32_t i = 0; i < w->n; i++) {
        const struct weir_value *from = v->n_members != 0 ? &v->members[i] : v;
        w->of[i] =
            (struct weir_weight){from->number, from->high, from->word, v->n_members != 0 ? from->weight : 1};
    }
}

static uint32_t count_params(const struct weir_param *table)
{
    uint32_t n = 0;
    while (table != NULL && table[n].key != NULL)
        n++;
    return n;
}

static void fill_params(const struct weir_config *, uint8_t *plain, const struct weir_param *table,
    const struct weir_value *values);

static void fill_param(
    const struct weir_config *config, uint8_t *plain, const struct weir_param *p, const struct weir_value *v)
{
    void *at = plain + p->offset;
    switch (p->type) {
    case WEIR_PARAM_COUNT:
    case WEIR_PARAM_BYTES:
    case WEIR_PARAM_DURATION:
    case WEIR_PARAM_RATIO:
    case WEIR_PARAM_WORD:
    case WEIR_PARAM_POOL:
        *(uint64_t *)at = v->number;
        break;
    case WEIR_PARAM_STRING:
        *(const char **)at = v->text;
        break;
    case WEIR_PARAM_RATE:
        *(struct weir_rate *)at =
            (struct weir_rate){.per_s = v->number, .packets = v->in_packets, .of_line = v->of_line};
        break;
    case WEIR_PARAM_WEIGHTS:
        fill_weights(at, v);
        break;
    case WEIR_PARAM_MAPS:
        *(uint64_t *)at = v->n_members;
        for (uint32_t i = 0; i < v->n_members; i++)
            fill_params(config, plain + p->offset + sizeof(uint64_t) + i * p->nested_size, p->nested,
                v->members + i * count_params(p->nested));
        break;
    case WEIR_PARAM_PORT_MAP:
        fill_port_map(at, v);
        break;
    case WEIR_PARAM_CLASSES:
        for (uint32_t i = 0; i < v->n_classes; i++)
            ((struct weir_class_set *)at)->bits[v->classes[i] / 64] |= UINT64_C(1) << v->classes[i] % 64;
        break;
    case WEIR_PARAM_EXPORT:
        if (v->set) {
            const struct weir_value *of = config->exports[v->number].values;
            *(struct weir_export *)at = (struct weir_export){.file = of[WEIR_EXPORT_FILE].text,
                .csv = of[WEIR_EXPORT_FORMAT].number == WEIR_RECORDS_CSV,
                .rotate_bytes = of[WEIR_EXPORT_ROTATE].number};
        }
        break;
    }
}

static void fill_params(const struct weir_config *config, uint8_t *plain, const struct weir_param *table,
    const struct weir_value *values)
{
    for (uint32_t i = 0; i < count_params(table); i++)
        fill_param(config, plain, &table[i], &values[i]);
}

static void *plain_params(const struct weir_config *config, const struct weir_param *table, size_t size,
    const struct weir_value *values)
{
    uint8_t *plain = weir_take(1, size);
    fill_params(config, plain, table, values);
    return plain;
}

/* ---- ports, classes, pools ---- */

static const struct weir_port_def *port_kind(const char *kind)
{
    for (const struct weir_port_def *const *d = weir_port_list; *d != NULL; d++)
        if (strcmp((*d)->kind, kind) == 0)
            return *d;
    return NULL;
}

static void new_ports(struct weir_runtime *rt)
{
    const struct weir_config *config = rt->config;
    rt->n_ports = config->n_ports;
    rt->ports = weir_take(rt->n_ports, sizeof *rt->ports);
    rt->port_list = weir_take(rt->n_ports, sizeof *rt->port_list);
    rt->port_params = weir_take(rt->n_ports, sizeof *rt->port_params);
    rt->port_stats = weir_take(rt->n_ports, sizeof *rt->port_stats);
    rt->watches = weir_take(rt->n_ports, sizeof *rt->watches);
    for (uint32_t i = 0; i < rt->n_ports; i++) {
        const struct weir_config_port *from = &config->ports[i];
        struct weir_port *port = &rt->ports[i];
        port->def = port_kind(from->kind->name);
        port->name = from->name;
        port->index = (uint16_t)i;
        port->queues = (uint16_t)from->keys[WEIR_PORT_QUEUES].number;
        port->rx_queues = port->queues != 0 ? port->queues : 1;
        port->tx_queues = 1;
        port->seed = config->seed;
        rt->port_list[i] = port;
        if (from->kind->string)
            rt->port_params[i] = strcpy(weir_take(strlen(from->text) + 1, 1), from->text);
        else
            rt->port_params[i] =
                plain_params(config, port->def->params, port->def->params_size, from->values);
        if (port->def->device != NULL)
            port->def->device(rt->port_params[i], port->device, sizeof port->device);
        const struct weir_value *mtu = &from->keys[WEIR_PORT_MTU];
        port->mtu = mtu->set                 ? (uint32_t)mtu->number
                    : port->def->mtu != NULL ? port->def->mtu(rt->port_params[i])
                                             : 0;
        uint32_t room = weir_mbuf_room(port->mtu);
        rt->mbuf_room = room > rt->mbuf_room ? room : rt->mbuf_room;
        if (port->def->stamped_flows != NULL)
            port->stamped_flows = port->def->stamped_flows(rt->port_params[i]);
    }
}

static void new_classes(struct weir_runtime *rt)
{
    const struct weir_config *config = rt->config;
    rt->n_classes = config->n_classes + 1;
    rt->classes = weir_take(rt->n_classes, sizeof *rt->classes);
    rt->classes[0] = (struct weir_class){.name = WEIR_CLASS_OTHER, .priority = 7};
    for (uint32_t i = 0; i < config->n_classes; i++) {
        const struct weir_value *v = config->classes[i].values;
        rt->classes[i + 1] = (struct weir_class){.name = config->classes[i].name,
            .match = v[WEIR_CLASS_MATCH].text,
            .raw = v[WEIR_CLASS_FRAME].number == WEIR_FRAME_RAW,
            .priority = (uint8_t)v[WEIR_CLASS_PRIORITY].number,
            .rate = {.per_s = v[WEIR_CLASS_RATE].number, .packets = v[WEIR_CLASS_RATE].in_packets},
            .burst = v[WEIR_CLASS_BURST].number};
    }
}

/* The ports that a pool may send to, a bit each. */
static uint64_t tx_ports(const struct weir_runtime *rt, const struct weir_pool *pool)
{
    const struct weir_pool_stage *last = &pool->stages[pool->n_stages - 1];
    const struct weir_port_map *map = last->params;
    uint64_t ports = last->def->sends == WEIR_SENDS_BACK ? pool->config->reach : 0;
    for (uint32_t k = 0; last->def->sends == WEIR_SENDS_AS_MAPPED && k < rt->n_ports; k++)
        if (map->to[k] >= 0)
            ports |= UINT64_C(1) << map->to[k];
    return ports;
}

static void new_pools(struct weir_runtime *rt)
{
    const struct weir_config *config = rt->config;
    rt->pools = weir_take(2 * config->n_pools, sizeof *rt->pools); /* insert_egress() may add as many */
    rt->n_pools = config->n_pools;
    for (uint32_t i = 0; i < rt->n_pools; i++) {
        struct weir_pool *pool = &rt->pools[i];
        pool->config = &config->pools[i];
        pool->tee = pool->config->tee;
        pool->n_workers = pool->config->workers;
        pool->n_active = pool->config->workers_at_start;
        weir_route_spread(&pool->owners, pool->n_active);
        pool->first_worker = rt->n_workers;
        rt->n_workers += pool->n_workers;
        for (uint32_t k = 0; pool->config->by_queue && k < pool->config->n_from; k++)
            rt->ports[pool->config->from[k]].shared = true;
        pool->stages = weir_take(pool->config->n_stages, sizeof *pool->stages);
        for (; pool->n_stages < pool->config->n_stages; pool->n_stages++) {
            const struct weir_config_stage *from = &pool->config->stages[pool->n_stages];
            struct weir_pool_stage *s = &pool->stages[pool->n_stages];
            s->def = weir_stage_find(from->table->name);
            s->params = plain_params(config, s->def->params, s->def->params_size, from->values);
        }
        pool->tx_ports = tx_ports(rt, pool);
        for (uint32_t k = 0; !pool->config->fed_by_ports && k < pool->config->n_from; k++)
            if (rt->pools[pool->config->from[k]].tee != (int32_t)i)
                rt->pools[pool->config->from[k]].feeds |= (weir_pool_set)1 << i;
    }
}

#define EGRESS_DEPTH 1024 /* packets of a ring, as is the default elsewhere */

static void split(struct weir_runtime *rt, uint32_t from, const struct weir_port *port, uint32_t queues)
{
    struct weir_pool *pool = &rt->pools[from], *added = &rt->pools[rt->n_pools];
    struct weir_egress *e = weir_take(1, sizeof *e);
    added->stages = weir_take(1, sizeof *added->stages);
    *e = (struct weir_egress){
        .config = *pool->config, .before = *pool->config, .from = from, .port = port, .queues = queues};
    snprintf(e->name, sizeof e->name, "%s.egress", pool->config->name);
    e->before.n_stages = --pool->n_stages;
    e->config.name = e->name;
    e->config.fed_by_ports = false;
    e->config.from = &e->from;
    e->config.n_from = e->config.workers = e->config.n_stages = 1;
    e->config.tee = added->tee = -1;
    e->config.shard_by = WEIR_SHARD_BY_NONE;
    e->config.on_full = WEIR_ON_FULL_BLOCK;
    e->config.depth = EGRESS_DEPTH;
    e->config.stages += pool->n_stages;
    pool->config = &e->before;
    pool->feeds = (weir_pool_set)1 << rt->n_pools;
    added->config = &e->config;
    added->egress = e;
    added->tx_ports = pool->tx_ports;
    pool->tx_ports = 0;
    added->stages[0] = pool->stages[pool->n_stages];
    added->n_stages = added->n_workers = 1;
    added->first_worker = rt->n_workers++;
    rt->n_pools++;
}

/* By port: a transmit queue has one writer. */
static void count_writers(const struct weir_runtime *rt, uint32_t writers[WEIR_PORTS_MAX])
{
    for (uint32_t i = 0; i < rt->n_pools; i++)
        for (uint64_t to = rt->pools[i].tx_ports; to != 0; to &= to - 1)
            writers[__builtin_ctzll(to)] += rt->pools[i].n_workers;
}

/* Where a port has fewer transmit queues than the workers that send to it, the last stage of their pool
 * moves to one worker, which they feed: a flow, which comes through one of them and so by one ring, keeps its order. */
static void insert_egress(struct weir_runtime *rt)
{
    uint32_t writers[WEIR_PORTS_MAX] = {0};
    const uint32_t written = rt->n_pools;
    count_writers(rt, writers);
    for (uint32_t i = 0; i < written; i++) {
        if (rt->pools[i].n_workers == 1 || rt->n_workers == WEIR_WORKERS_LIMIT)
            continue;
        for (uint64_t to = rt->pools[i].tx_ports; to != 0; to &= to - 1) {
            const struct weir_port *port = &rt->ports[__builtin_ctzll(to)];
            uint32_t has = port->def->tx_queues == NULL
                               ? 0
                               : port->def->tx_queues(rt->port_params[port->index], rt->mbuf_room);
            if (has == 0 || writers[port->index] <= has)
                continue;
            split(rt, i, port, has);
            break;
        }
    }
}

static void count_tx_queues(struct weir_runtime *rt)
{
    uint32_t writers[WEIR_PORTS_MAX] = {0};
    count_writers(rt, writers);
    for (uint32_t i = 0; i < rt->n_ports; i++)
        if (writers[i] != 0)
            rt->ports[i].tx_queues = (uint16_t)writers[i];
}

/* Which ports' packets come to a pool or leave from it. */
static uint64_t ports_seen(const struct weir_runtime *rt, const struct weir_plan_pool *before, uint32_t p)
{
    const struct weir_config_pool *from = rt->pools[p].config;
    uint64_t ports = rt->pools[p].tx_ports;
    for (uint32_t k = 0; k < from->n_from; k++)
        ports |= from->fed_by_ports ? UINT64_C(1) << from->from[k] : before[from->from[k]].ports;
    return ports;
}

static void new_plan(struct weir_runtime *rt)
{
    struct weir_plan_pool *pools = weir_take(rt->n_pools, sizeof *pools);
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        const struct weir_pool *pool = &rt->pools[p];
        pools[p] = (struct weir_plan_pool){.name = pool->config->name,
            .first_worker = pool->first_worker,
            .n_workers = pool->n_workers,
            .feeds = pool->feeds,
            .polled = pool->config->fed_by_ports ? pool->config->from : NULL,
            .n_polled = pool->config->n_from,
            .by_queue = pool->config->by_queue,
            .ports = ports_seen(rt, pools, p)};
    }
    rt->plan = weir_plan_new(rt->topology, pools, rt->n_pools);
    free(pools);
    weir_plan_memory(rt->plan, rt);
}

static bool look_at_machine(struct weir_runtime *rt, const char *file)
{
    char error[512];
    const char *devices[WEIR_PORTS_MAX];
    const struct weir_config *config = rt->config;
    for (uint32_t i = 0; i < rt->n_ports; i++)
        devices[i] = rt->ports[i].device[0] != '\0' ? rt->ports[i].device : NULL;
    const struct weir_topology_question question = {.cpus = config->values[WEIR_TOP_CPUS].text,
        .file = file,
        .devices = devices,
        .n_devices = rt->n_ports};
    rt->topology = weir_topology_load(&question, error, sizeof error);
    if (rt->topology != NULL)
        return true;
    const struct weir_place *place = &config->values[WEIR_TOP_CPUS].place;
    if (place->line != 0)
        weir_log(WEIR_LOG_ERROR, "%s:%u:%u: %s", config->file, place->line, place->column, error);
    else
        weir_log(WEIR_LOG_ERROR, "%s", error); /* the machine, or --set cpus=… */
    return false;
}

struct weir_runtime *weir_runtime_new(
    const struct weir_config *config, const char *topology, enum weir_failure *failed)
{
    *failed = WEIR_FAILED_OS;
    struct weir_runtime *rt = weir_take(1, sizeof *rt);
    rt->config = config;
    rt->leaked = -1;
    pthread_mutex_init(&rt->life, NULL);
    rt->manager = weir_manager_new();
    if (rt->manager == NULL)
        return rt;
    if (getrandom(rt->hash_key, sizeof rt->hash_key, 0) != sizeof rt->hash_key) {
        weir_log(WEIR_LOG_ERROR, "the kernel gives no random bytes for the flow hash: %s", strerror(errno));
        return rt;
    }
    *failed = WEIR_FAILED_CONFIG;
    if (weir_plant_choose() != 0)
        return rt;
    new_ports(rt);
    new_classes(rt);
    new_pools(rt);
    insert_egress(rt);
    if (!look_at_machine(rt, topology))
        return rt;
    new_plan(rt);
    count_tx_queues(rt);
    *failed = WEIR_FINE;
    return rt;
}
