/* SPDX-License-Identifier: BSD-3-Clause */
/* One seed: the pipeline is built as `weir run` builds it, and its workers, its control thread and whoever gives orders
 * are strands of a virtual machine (virtual.h). Whatever a worker does is held against what must be, at once. */
#include "workers/simulate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dataplane/stamp.h"
#include "workers/log.h"
#include "workers/round_trip.h"
#include "workers/runtime.h"

#define PACKETS 4096 /* of the mempool: more than all rings hold */
#define FLOWS 24     /* of a port, at most */
#define NOBODY UINT8_MAX

enum weir_rule weir_rule_broken;

static struct rte_mempool *mempool; /* outlives a seed */
static struct weir_simulation *asked;
static struct weir_runtime *rt;
static uint64_t random_state; /* of traffic, orders and the end: not the schedule's */
static bool ends_itself;      /* the input; else there is a signal */
static bool hurries;          /* what is held is dropped from now on */
/* By pool: is a flow in order there, who owns a shard, the lowest sequence number of a flow that may come. */
static bool ordered[WEIR_POOLS_LIMIT];
static uint8_t owners[WEIR_POOLS_LIMIT][WEIR_SHARDS];
static uint64_t due[WEIR_POOLS_LIMIT][WEIR_PORTS_MAX][FLOWS];

static uint32_t draw(uint32_t below)
{
    return weir_virtual_draw(&random_state, below);
}

static void __attribute__((format(printf, 1, 2))) violated(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(asked->violation, sizeof asked->violation, format, arguments);
    va_end(arguments);
    weir_virtual_stop(WEIR_VIRTUAL_STOPPED);
}

#define NAME_OF(w) rt->pools[(w)->pool].config->name, (w)->index

/* ---- what must be: order at each hop, one owner ---- */

static void wrong_owner(const struct weir_worker *w, const char *what, uint32_t shard)
{
    violated("%s/%u %s shard %u, which is %s", NAME_OF(w), what, shard,
        owners[w->pool][shard] == NOBODY ? "nobody's now" : "another's");
}

void weir_watch_batch(const struct weir_worker *w)
{
    for (uint32_t i = 0; i < w->batch.n; i++) {
        const struct weir_desc *d = &w->batch.desc[i];
        uint32_t shard = d->hash & (WEIR_SHARDS - 1);
        struct weir_stamp stamp;
        if (!weir_stamp_read(d->mbuf, &stamp)) /* malformed on purpose */
            continue;
        uint64_t *next = &due[w->pool][stamp.port][stamp.flow];
        if (ordered[w->pool] && stamp.sequence < *next) {
            asked->found.reordered++;
            violated("%s/%u: packet %lu of flow %u came after packet %lu", NAME_OF(w),
                (unsigned long)stamp.sequence, stamp.flow, (unsigned long)*next - 1);
        }
        *next = stamp.sequence + 1;
        if (weir_pool_is_sharded(&rt->pools[w->pool]) && owners[w->pool][shard] != w->index)
            wrong_owner(w, "has a packet of", shard);
    }
}

void weir_watch_shard(const struct weir_worker *w, uint32_t shard, bool gives)
{
    uint8_t *owner = &owners[w->pool][shard];
    uint32_t first = rt->pools[w->pool].first_worker;
    bool free =
        *owner == NOBODY || weir_word_read(&rt->workers[first + *owner]->state) >= WEIR_WORKER_DISCARDING;
    if (gives ? *owner != w->index : !free)
        wrong_owner(w, gives ? "gives" : "takes", shard);
    *owner = gives ? NOBODY : (uint8_t)w->index;
}

/* ---- what must be: the books, after each step of whoever made it ---- */

static uint64_t sent(const struct weir_worker *w, const struct weir_edge *e)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < e->n_outputs; i++) {
        if ((uint32_t)e->outputs[i].pushed.value != e->outputs[i].ring->tail)
            violated("%s/%u counts other packets than its ring", NAME_OF(w));
        n += e->outputs[i].pushed.value + e->outputs[i].refused.value;
    }
    return n;
}

void weir_watch_step(const struct weir_worker *w, enum weir_step what)
{
    uint64_t in = 0, out = w->held.value + w->discarded.value + sent(w, &w->out) + sent(w, &w->tee);
    for (uint32_t i = 0; i < w->n_inputs; i++)
        in += w->inputs[i].ring != NULL ? w->inputs[i].ring->head
                                        : w->inputs[i].port->queue[w->inputs[i].queue].rx_packets.value;
    for (uint32_t i = 0; i < w->n_stages; i++) {
        out += w->stages[i].def->terminal ? w->stages[i].out.value : 0;
        for (uint32_t k = 0; k < weir_stage_count(w->stages[i].def->reasons, 1); k++)
            out += w->stages[i].drops[k].value;
    }
    if (in != w->received.value || in + w->copied.value != out)
        violated("%s/%u: %lu in, %lu received, %lu copied, %lu out, dropped or held", NAME_OF(w),
            (unsigned long)in, (unsigned long)w->received.value, (unsigned long)w->copied.value,
            (unsigned long)out);
    if (w->handover.high_water.value > WEIR_STASH)
        violated("%s/%u: more packets in the stash than it holds", NAME_OF(w));
    if (what == WEIR_STEP_BUSY || weir_worker_ended(w))
        weir_virtual.progress_at = weir_virtual.points;
    asked->found.steps++;
    asked->found.blocked += what == WEIR_STEP_BLOCKED;
}

/* ---- what must be: between two orders all say the same of who owns what ---- */

static bool agrees(const struct weir_edge *e, uint32_t pool)
{
    const struct weir_route *is = &rt->pools[pool].owners,
                            *said = e->n_outputs != 0 && e->pool == pool ? e->route : is;
    for (uint32_t i = 0; e->fork != NULL && i < e->fork->n; i++)
        said = e->fork->branches[i].pool == pool ? e->fork->branches[i].route : said;
    return memcmp(said, is, sizeof *is) == 0;
}

static void compare_owners(uint32_t pool)
{
    for (uint32_t i = 0; i < rt->n_workers; i++) {
        const struct weir_worker *w = rt->workers[i];
        if (weir_worker_ended(w))
            continue;
        if (!agrees(&w->out, pool) || !agrees(&w->tee, pool))
            violated("%s/%u routes as before the move", NAME_OF(w));
        for (uint32_t shard = 0; w->pool == pool && shard < WEIR_SHARDS; shard++)
            if (rt->pools[pool].owners.worker[shard] == w->index && owners[pool][shard] != w->index)
                wrong_owner(w, "should own", shard);
    }
}

/* ---- whoever gives orders ---- */

static int give_orders(void *)
{
    uint64_t most = UINT64_C(1) << draw(8);
    uint32_t pace = 20u << draw(8);
    asked->limit.orders = most < asked->limit.orders ? most : asked->limit.orders;
    for (uint64_t given = 0; given < asked->limit.orders && rt->end_tsc == 0; given++) {
        uint32_t p = draw(rt->n_pools);
        while (!weir_pool_is_sharded(&rt->pools[p]) || rt->pools[p].n_workers == 1)
            p = (p + 1) % rt->n_pools;
        uint32_t workers = rt->pools[p].n_workers, active = rt->pools[p].n_active;
        struct weir_order o = {.kind = given == 0 ? WEIR_ORDER_RESIZE : (enum weir_order_kind)draw(3),
            .number = draw(WEIR_SHARDS),
            .worker = draw(active)};
        snprintf(o.pool, sizeof o.pool, "%s", rt->pools[p].config->name);
        if (o.kind == WEIR_ORDER_RESIZE)
            o.number = 1 + (active + draw(workers - 1)) % workers; /* another */
        weir_manager_order(rt, &o, draw(16) == 0 && given != 0 ? 0 : 3600000);
        weir_virtual.progress_at = weir_virtual.points;
        asked->found.moves += o.moves;
        asked->found.resizes += o.done && o.kind == WEIR_ORDER_RESIZE;
        if (rt->end_tsc == 0 && !hurries && !weir_manager_busy(rt))
            compare_owners(p);
        weir_virtual_sleep(draw(pace));
    }
    return 0;
}

/* ---- the control thread ---- */

static uint64_t received(void)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < rt->n_ports; i++)
        n += rt->ports[i].queue[0].rx_packets.value;
    return n;
}

static int control(void *)
{
    uint32_t cores = weir_virtual.cores, pace = 50u << draw(5), hurry = draw(3000);
    while (!weir_manager_busy(rt))
        weir_virtual_sleep(10);
    weir_virtual.cores = ends_itself ? 0 : cores; /* the first order comes in time, however short the input */
    if (weir_runtime_start(rt) != WEIR_FINE)
        violated("it does not start");
    while (!weir_runtime_tick(rt, weir_virtual.now)) {
        weir_virtual.cores = cores;
        if (!ends_itself && received() >= asked->limit.packets && asked->found.moves != 0)
            weir_runtime_drain(rt, weir_virtual.now, "signal");
        hurries = hurry < 1000 && rt->signal_tsc != 0 && weir_virtual.now >= rt->signal_tsc + hurry;
        if (hurries && !weir_runtime_discard(rt, "second signal"))
            violated("a worker does not end, though told to drop what it holds");
        if (hurries)
            break;
        weir_virtual_sleep(20 + draw(pace));
    }
    weir_manager_close(rt);
    weir_runtime_finish(rt);
    return 0;
}

/* ---- the end ---- */

static void certify(enum weir_virtual_end end)
{
    struct weir_figures *f = &asked->found;
    pthread_mutex_trylock(&rt->life); /* whoever held it is no more */
    pthread_mutex_unlock(&rt->life);
    struct weir_snapshot *s = weir_snapshot_take(rt);
    if (s == NULL)
        abort();
    const char *what = end == WEIR_VIRTUAL_HANGS    ? "nothing happens any more, and it has not ended"
                       : s->contradiction != NULL   ? s->contradiction
                       : s->first_violation != NULL ? s->first_violation
                       : s->ledger.lost != 0        ? "packets lost"
                       : s->ledger.leaked != 0      ? "mbufs leaked"
                       : s->ledger.held != 0        ? "all have ended, and packets are held"
                                                    : "";
    if (end != WEIR_VIRTUAL_STOPPED)
        snprintf(asked->violation, sizeof asked->violation, "%s", what);
    f->violations = asked->violation[0] != '\0';
    f->packets = s->ledger.accepted;
    f->lost = end == WEIR_VIRTUAL_ENDED ? (uint64_t)llabs(s->ledger.lost) : 0;
    f->reordered += s->reordered;
    f->digest = weir_virtual.digest ^ s->ledger.consumed << 32 ^ s->ledger.dropped;
    for (uint32_t i = 0; i < s->n_workers; i++) {
        f->parks += s->workers[i].parks;
        f->stashed += s->workers[i].stash_high_water != 0;
    }
    f->seeds = 1;
    f->seeds_without_moves = f->moves == 0;
    asked->limit.cuts = weir_virtual.cuts;
    weir_snapshot_free(s);
}

/* ---- set-up ---- */

void weir_round_trips(const struct weir_runtime *)
{
}

struct weir_topology *weir_topology_load(const struct weir_topology_question *q, char *, size_t)
{
    uint32_t n = weir_virtual.cores;
    struct weir_topology *t = calloc(1, sizeof *t + n * sizeof t->cpus[0]);
    if (t == NULL)
        abort();
    t->n_cpus = t->n_cores = n;
    t->n_devices = q->n_devices;
    for (uint32_t i = 0; i < WEIR_DEVICES_MAX; i++)
        t->devices[i].node = -1;
    for (uint32_t i = 0; i < n; i++)
        t->cpus[i] = (struct weir_cpu){.cpu = i, .core = i, .cache = UINT32_MAX, .node = -1};
    return t;
}

void weir_topology_free(struct weir_topology *t)
{
    free(t);
}

static void set(const struct weir_config_port *port, const char *key, uint64_t number)
{
    for (uint32_t i = 0; port->kind->rows[i].key != NULL; i++)
        if (strcmp(port->kind->rows[i].key, key) == 0) {
            port->values[i].number = number;
            port->values[i].in_packets = true;
            port->values[i].of_line = false;
            port->values[i].n_members = 0; /* of a list: empty */
        }
}

static void shrink(struct weir_config *c)
{
    static const char *const profiles[] = {"churn", "spike", "ramp", "on-off", "timeline", NULL};
    bool narrow = draw(2) == 0;
    ends_itself = draw(2) == 0;
    uint64_t *left = &asked->limit.packets, most = 100 + draw(700);
    *left = *left < most ? *left : most;
    weir_virtual_stash = WEIR_BATCH + (narrow ? 0 : draw(8));
    for (uint32_t i = 0; i < c->n_ports; i++) {
        uint64_t part = (*left + i) / c->n_ports;
        set(&c->ports[i], "count", !ends_itself ? 0 : part != 0 ? part : 1);
        set(&c->ports[i], "flows", 1 + draw(FLOWS));
        for (const char *const *profile = profiles; *profile != NULL; profile++)
            set(&c->ports[i], *profile, 0);
        set(&c->ports[i], "rate", draw(2) == 0 ? 0 : VIRTUAL_HZ / (20u << draw(6)));
    }
    for (uint32_t i = 0; i < c->n_pools; i++) {
        c->pools[i].depth = 2u << (narrow ? 0 : draw(5));
        c->pools[i].values[WEIR_POOL_PARK_AFTER].number = 100u << draw(8);
        c->pools[i].values[WEIR_POOL_IDLE_SLEEP].number = draw(2) == 0 ? 0 : 100u << draw(8);
        c->pools[i].values[WEIR_POOL_PROBE_EVERY].number = 3;
        c->pools[i].values[WEIR_POOL_PROBE_AT].number = WEIR_PROBE_HOPS;
    }
}

static void look_at_pools(void)
{
    memset(due, 0, rt->n_pools * sizeof due[0]);
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        const struct weir_config_pool *pool = rt->pools[p].config;
        memcpy(owners[p], rt->pools[p].owners.worker, sizeof owners[p]);
        ordered[p] = pool->fed_by_ports || weir_pool_is_sharded(&rt->pools[p]) || pool->workers == 1;
        for (uint32_t k = 0; !pool->fed_by_ports && k < pool->n_from;
             k++) /* copies overtake what they are of */
            ordered[p] &= ordered[pool->from[k]] && (pool->n_from == 1 || rt->pools[pool->from[k]].tee < 0);
    }
}

static const char *refused(const struct weir_config *c)
{
    bool moves = false;
    for (uint32_t i = 0; i < c->n_ports; i++)
        if (strcmp(c->ports[i].kind->name, "generator") != 0)
            return "only ports of kind `generator` can be simulated";
    for (uint32_t i = 0; i < c->n_pools; i++) {
        const struct weir_config_pool *pool = &c->pools[i];
        moves |= !pool->fed_by_ports && pool->shard_by == WEIR_SHARD_BY_FLOW && pool->workers > 1;
        if (strcmp(pool->stages[pool->n_stages - 1].table->name, "write") == 0 || c->n_exports != 0)
            return "stage `write` and exports cannot be simulated: a disk has its own time; leave them out";
    }
    return moves ? NULL : "no pool can move a shard; give one `shard-by: flow` and `workers: 1-4`";
}

bool weir_simulate(struct weir_config *c, struct weir_simulation *a)
{
    const char *why = refused(c);
    enum weir_failure failed;
    uint32_t cores = 0;
    if (why != NULL)
        fprintf(stderr, "%s: %s\n", c->file, why);
    if (why != NULL)
        return false;
    asked = a;
    random_state = ~a->seed;
    hurries = false;
    weir_log_set_level(WEIR_LOG_ERROR);
    for (uint32_t i = 0; i < c->n_pools; i++)
        cores += c->pools[i].workers;
    cores = 1 + draw(cores);
    weir_virtual_begin(a->seed, a->cores != 0 ? a->cores : cores, a->limit.cuts);
    c->seed = a->seed;
    shrink(c);
    rt = weir_runtime_new(c, NULL, &failed);
    if (failed == WEIR_FINE) {
        for (uint32_t i = 0; i < sizeof rt->hash_key / sizeof rt->hash_key[0]; i++)
            rt->hash_key[i] = (uint64_t)draw(UINT32_MAX) << 32 | draw(UINT32_MAX);
        rt->plan->n_mbufs = PACKETS;
        rt->mempool = mempool;
        failed = weir_runtime_build(rt);
        mempool = rt->mempool;
    }
    if (failed != WEIR_FINE)
        return false;
    look_at_pools();
    weir_virtual_spawn(control, NULL, false);
    weir_virtual_spawn(give_orders, NULL, false);
    certify(weir_virtual_run());
    weir_runtime_free(rt);
    if (a->found.violations != 0) {
        rte_mempool_free(mempool); /* some of its packets are who knows where */
        mempool = NULL;
    }
    return true;
}
