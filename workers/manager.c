/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/manager.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "workers/log.h"
#include "workers/runtime.h"
#include "workers/simulate.h"

#define RESULTS 8      /* of the last orders, for those who wait */
#define LONG_AFTER_S 1 /* a move that takes so long is worth a line */

struct weir_manager {
    int fd;

    /* Control thread. */
    struct weir_move move;
    bool under_way;
    uint32_t epoch;
    bool arranging; /* an order is being carried out: the owners of its pool become `want` */
    bool said;      /* that the move takes long */
    uint32_t pool;
    struct weir_route want;
    uint64_t random;

    /* Between who orders and the control thread. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct weir_order order;
    uint64_t serial, finished; /* of the last order that came, and of the last that ended */
    struct weir_order results[RESULTS];
    bool closed, drains;
};

/* ---- who has a part in a move ---- */

static bool feeds(const struct weir_runtime *rt, const struct weir_worker *w, uint32_t pool)
{
    return weir_pool_feeds(&rt->pools[w->pool], pool);
}

static bool owner_in(const struct weir_worker *w, const struct weir_move *m)
{
    return w->pool == m->pool && (m->gives[w->index] || m->takes[w->index]);
}

static bool has_part(const struct weir_runtime *rt, const struct weir_worker *w, const struct weir_move *m)
{
    return owner_in(w, m) || feeds(rt, w, m->pool);
}

/* ---- one move ---- */

/* As many of the shards that are not where they should be as one move can take along. */
static bool prepare(struct weir_runtime *rt)
{
    struct weir_manager *g = rt->manager;
    struct weir_pool *pool = &rt->pools[g->pool];
    struct weir_move *m = &g->move;
    uint32_t moving = 0;
    *m = (struct weir_move){.epoch = g->epoch + 1,
        .pool = g->pool,
        .workers = &rt->workers[pool->first_worker],
        .n_workers = pool->n_workers,
        .from = pool->owners,
        .to = pool->owners};
    for (uint32_t shard = 0; shard < WEIR_SHARDS; shard++) {
        uint8_t from = m->from.worker[shard], to = g->want.worker[shard];
        if (from == to || ((m->takes[from] || m->gives[to]) && !weir_broken(WEIR_GIVE_AND_TAKE_IN_ONE_BATCH)))
            continue;
        m->gives[from] = m->takes[to] = true;
        m->to.worker[shard] = to;
        moving++;
    }
    return moving != 0;
}

/* The last slots of a command ring are kept for the end. */
static bool all_have_room(const struct weir_runtime *rt, const struct weir_move *m)
{
    for (uint32_t i = 0; i < rt->n_launched; i++) {
        struct weir_worker *w = rt->workers[i];
        if (has_part(rt, w, m) &&
            weir_ring_room(&w->command_ring->producer, WEIR_COMMANDS / 2 + 1) <= WEIR_COMMANDS / 2)
            return false;
    }
    return true;
}

/* The owners first: who gets a packet that was routed by this move has then been told of it. */
static void post(struct weir_runtime *rt, uint64_t now_tsc)
{
    struct weir_manager *g = rt->manager;
    const struct weir_command command = {.kind = WEIR_COMMAND_MOVE, .move = &g->move};
    g->move.posted_tsc = now_tsc;
    g->epoch = g->move.epoch;
    g->under_way = true;
    for (int producers = 0; producers <= 1; producers++)
        for (uint32_t i = 0; i < rt->n_launched; i++) {
            struct weir_worker *w = rt->workers[i];
            if (producers ? feeds(rt, w, g->pool) : owner_in(w, &g->move))
                weir_worker_command(w, &command);
        }
}

static void account(struct weir_runtime *rt)
{
    struct weir_manager *g = rt->manager;
    struct weir_pool *pool = &rt->pools[g->pool];
    struct weir_order *o = &g->order;
    for (uint32_t i = 0; i < pool->n_workers; i++) {
        uint64_t live_tsc = g->move.workers[i]->handover.live_tsc;
        if (!g->move.takes[i] || live_tsc < g->move.posted_tsc) /* it may have ended instead */
            continue;
        uint64_t ns = (uint64_t)((double)(live_tsc - g->move.posted_tsc) * 1e9 / (double)rt->tsc_hz);
        o->slowest_ns = ns > o->slowest_ns ? ns : o->slowest_ns;
    }
    pool->owners = g->move.to;
    pool->n_active = 0;
    for (uint32_t shard = 0; shard < WEIR_SHARDS; shard++) {
        o->shards += g->move.from.worker[shard] != g->move.to.worker[shard];
        if (pool->owners.worker[shard] >= pool->n_active)
            pool->n_active = pool->owners.worker[shard] + 1u;
    }
    o->moves++;
    g->under_way = g->said = false;
}

/* Whom the move that is under way waits for. */
static const struct weir_worker *waited_for(const struct weir_runtime *rt)
{
    const struct weir_move *m = &rt->manager->move;
    for (uint32_t i = 0; i < rt->n_launched; i++) {
        const struct weir_worker *w = rt->workers[i];
        if (has_part(rt, w, m) && weir_word_read(&w->handover.done) != m->epoch && !weir_worker_ended(w))
            return w;
    }
    return NULL;
}

static void say_who_is_slow(struct weir_runtime *rt, uint64_t now_tsc)
{
    struct weir_manager *g = rt->manager;
    const struct weir_worker *w = waited_for(rt);
    if (g->said || w == NULL || now_tsc - g->move.posted_tsc < LONG_AFTER_S * rt->tsc_hz)
        return;
    g->said = true;
    weir_log(WEIR_LOG_WARNING,
        "shards of pool %s have been on their way for %d s: worker %u of %s has not done its part; it, or "
        "who takes its packets, is slow",
        rt->pools[g->pool].config->name, LONG_AFTER_S, w->index, rt->pools[w->pool].config->name);
}

/* ---- what an order wants ---- */

static void want_equal_parts(struct weir_manager *g, const struct weir_pool *pool, uint32_t n)
{
    uint32_t has[WEIR_POOL_WORKERS_MAX] = {0}, next = 0;
    g->want = pool->owners;
    for (int pass = 0; pass <= 1; pass++) {
        for (uint32_t shard = 0; shard < WEIR_SHARDS; shard++) {
            uint8_t *owner = &g->want.worker[shard];
            uint32_t due = *owner < n ? WEIR_SHARDS / n + (*owner < WEIR_SHARDS % n) : 0;
            if (pass == 0 && has[*owner] < due) {
                has[*owner]++; /* it stays */
            } else if (pass == 0) {
                *owner = UINT8_MAX;
            } else if (*owner == UINT8_MAX) {
                while (has[next] == WEIR_SHARDS / n + (next < WEIR_SHARDS % n))
                    next++;
                *owner = (uint8_t)next;
                has[next]++;
            }
        }
    }
}

static uint32_t random_below(struct weir_manager *g, uint32_t n)
{
    g->random = g->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((g->random >> 32) * n >> 32);
}

static bool refuse(struct weir_order *o, const char *format, uint32_t number, uint32_t limit)
{
    snprintf(o->error, sizeof o->error, format, o->pool, number, limit);
    return false;
}

static bool understand(struct weir_runtime *rt, struct weir_order *o)
{
    struct weir_manager *g = rt->manager;
    uint32_t p = 0;
    while (p < rt->n_pools && strcmp(rt->pools[p].config->name, o->pool) != 0)
        p++;
    if (p == rt->n_pools)
        return refuse(o, "there is no pool `%s`", 0, 0);
    const struct weir_pool *pool = &rt->pools[p];
    if (!weir_pool_is_sharded(pool))
        return refuse(
            o, "pool `%s` has no shards; only a pool with `shard-by: flow` can be rearranged", 0, 0);
    for (uint32_t i = 0; i < rt->n_launched; i++) {
        const struct weir_worker *w = rt->workers[i];
        bool concerned = w->pool == p || feeds(rt, w, p) || weir_pool_feeds(pool, w->pool);
        if (concerned && rt->seen[i].stuck) {
            snprintf(o->error, sizeof o->error, "worker %u of `%s` is stuck, and a move would wait for it",
                w->index, rt->pools[w->pool].config->name);
            return false;
        }
    }
    g->pool = p;
    g->want = pool->owners;
    switch (o->kind) {
    case WEIR_ORDER_RESIZE:
        if (o->number < 1 || o->number > pool->n_workers)
            return refuse(o,
                "pool `%s` cannot have %u workers; allowed: 1 .. %u (`workers: A-B` in its configuration)",
                o->number, pool->n_workers);
        want_equal_parts(g, pool, o->number);
        return true;
    case WEIR_ORDER_MOVE:
        if (o->number >= WEIR_SHARDS)
            return refuse(o, "pool `%s` has no shard %u; allowed: 0 .. %u", o->number, WEIR_SHARDS - 1);
        if (o->worker >= pool->n_active)
            return refuse(
                o, "pool `%s` has no worker %u at work; allowed: 0 .. %u", o->worker, pool->n_active - 1);
        g->want.worker[o->number] = (uint8_t)o->worker;
        return true;
    case WEIR_ORDER_SHUFFLE:
        if (pool->n_active < 2)
            return refuse(
                o, "pool `%s` has %u worker with shards, and nothing to shuffle", pool->n_active, 0);
        for (uint32_t shard = 0; shard < WEIR_SHARDS; shard++)
            g->want.worker[shard] = (uint8_t)random_below(g, pool->n_active);
        return true;
    }
    return false;
}

/* ---- the order ---- */

static void finish(struct weir_manager *g, bool done)
{
    g->order.done = done;
    g->arranging = false;
    g->finished = g->serial;
    g->results[g->finished % RESULTS] = g->order;
    pthread_cond_broadcast(&g->changed);
}

static bool somebody_ended(const struct weir_runtime *rt)
{
    for (uint32_t i = 0; i < rt->n_launched; i++)
        if (weir_worker_ended(rt->workers[i]))
            return true;
    return rt->signal_tsc != 0 || rt->n_launched < rt->n_workers;
}

/* The next move of the order, or its end. */
static void go_on(struct weir_runtime *rt, uint64_t now_tsc)
{
    struct weir_manager *g = rt->manager;
    if (!prepare(rt)) {
        finish(g, true);
    } else if (somebody_ended(rt)) {
        snprintf(g->order.error, sizeof g->order.error, "weir ends; done by then: %u moves", g->order.moves);
        finish(g, false);
    } else if (all_have_room(rt, &g->move)) {
        post(rt, now_tsc);
    }
}

void weir_manager_tick(struct weir_runtime *rt, uint64_t now_tsc)
{
    struct weir_manager *g = rt->manager;
    pthread_mutex_lock(&g->lock);
    if (g->under_way && waited_for(rt) == NULL)
        account(rt);
    if (g->under_way)
        say_who_is_slow(rt, now_tsc);
    if (g->serial != g->finished && !g->arranging && !g->under_way) {
        bool ends = somebody_ended(rt);
        if (ends)
            snprintf(g->order.error, sizeof g->order.error, "weir is not running, or is about to end");
        g->arranging = !ends && understand(rt, &g->order);
        if (!g->arranging)
            finish(g, false);
    }
    if (g->arranging && !g->under_way)
        go_on(rt, now_tsc);
    pthread_mutex_unlock(&g->lock);
}

/* False: the time is up. With the lock. */
static bool wait_for(struct weir_manager *g, uint64_t serial, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    int waited = 0;
    while (g->finished < serial && !g->closed && waited == 0)
        waited = pthread_cond_timedwait(&g->changed, &g->lock, &until);
    return g->finished >= serial;
}

bool weir_manager_order(struct weir_runtime *rt, struct weir_order *o, int timeout_ms)
{
    struct weir_manager *g = rt->manager;
    o->done = false;
    pthread_mutex_lock(&g->lock);
    bool free = wait_for(g, g->serial, timeout_ms);
    if (g->closed) {
        snprintf(o->error, sizeof o->error, "weir is not running, or is about to end");
    } else if (!free || g->serial != g->finished) {
        snprintf(o->error, sizeof o->error,
            "another order is being carried out; the log says if somebody holds it up");
    } else {
        uint64_t serial = ++g->serial;
        g->order = *o;
        eventfd_write(g->fd, 1);
        if (wait_for(g, serial, timeout_ms))
            *o = g->results[serial % RESULTS];
        else
            snprintf(o->error, sizeof o->error,
                "still under way after %d s, and goes on; the log says whom it waits for", timeout_ms / 1000);
    }
    pthread_mutex_unlock(&g->lock);
    return o->done;
}

void weir_manager_close(struct weir_runtime *rt)
{
    struct weir_manager *g = rt->manager;
    pthread_mutex_lock(&g->lock);
    g->closed = true;
    if (g->serial != g->finished) {
        snprintf(g->order.error, sizeof g->order.error, "weir ended after %u moves", g->order.moves);
        finish(g, false);
    }
    pthread_mutex_unlock(&g->lock);
}

void weir_manager_drain(struct weir_runtime *rt)
{
    struct weir_manager *g = rt->manager;
    pthread_mutex_lock(&g->lock);
    g->drains = true;
    eventfd_write(g->fd, 1);
    pthread_mutex_unlock(&g->lock);
}

bool weir_manager_drains(struct weir_runtime *rt)
{
    struct weir_manager *g = rt->manager;
    pthread_mutex_lock(&g->lock);
    bool drains = g->drains;
    pthread_mutex_unlock(&g->lock);
    return drains;
}

bool weir_manager_busy(struct weir_runtime *rt)
{
    struct weir_manager *g = rt->manager;
    pthread_mutex_lock(&g->lock);
    bool busy = g->serial != g->finished || g->under_way;
    pthread_mutex_unlock(&g->lock);
    return busy;
}

int weir_manager_fd(const struct weir_manager *g)
{
    return g->fd;
}

struct weir_manager *weir_manager_new(void)
{
    struct weir_manager *g = weir_take(1, sizeof *g);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    g->random = (uint64_t)time(NULL);
    g->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g->fd >= 0)
        return g;
    free(g);
    return NULL;
}

void weir_manager_free(struct weir_manager *g)
{
    if (g == NULL)
        return;
    close(g->fd);
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
