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

#include "workers/runtime.h"

struct weir_manager {
    int fd;

    /* Control thread. */
    struct weir_move move;
    bool under_way;
    uint32_t epoch;
    bool arranging; /* an order is being carried out: the owners of its pool become `want` */
    uint32_t pool, want_active;
    struct weir_route want;
    uint64_t random;

    /* Between who orders and the control thread. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct weir_order *order; /* NULL = none; its owner waits */
    bool given_up, closed;
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
        if (from == to || m->takes[from] || m->gives[to])
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

static bool all_done(const struct weir_runtime *rt, const struct weir_move *m)
{
    for (uint32_t i = 0; i < rt->n_launched; i++) {
        const struct weir_worker *w = rt->workers[i];
        if (has_part(rt, w, m) && weir_word_read(&w->handover.done) != m->epoch && !weir_worker_ended(w))
            return false;
    }
    return true;
}

static void account(struct weir_runtime *rt)
{
    struct weir_manager *g = rt->manager;
    struct weir_pool *pool = &rt->pools[g->pool];
    uint64_t live_tsc = 0;
    for (uint32_t i = 0; i < pool->n_workers; i++)
        if (g->move.takes[i] && g->move.workers[i]->handover.live_tsc > live_tsc)
            live_tsc = g->move.workers[i]->handover.live_tsc;
    uint64_t ns = (uint64_t)((double)(live_tsc - g->move.posted_tsc) * 1e9 / (double)rt->tsc_hz);
    for (uint32_t shard = 0; shard < WEIR_SHARDS; shard++)
        g->order->shards += g->move.from.worker[shard] != g->move.to.worker[shard];
    g->order->moves++;
    g->order->slowest_ns = ns > g->order->slowest_ns ? ns : g->order->slowest_ns;
    pool->owners = g->move.to;
    g->under_way = false;
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
    g->want_active = n;
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
    for (uint32_t i = 0; i < pool->n_workers; i++)
        if (rt->seen[pool->first_worker + i].stuck)
            return refuse(o, "worker %2$u of `%1$s` is stuck, and its shards cannot be taken from it", i, 0);
    g->pool = p;
    g->want = pool->owners;
    g->want_active = pool->n_active;
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
        for (uint32_t shard = 0; shard < WEIR_SHARDS; shard++)
            g->want.worker[shard] = (uint8_t)random_below(g, pool->n_active);
        return true;
    }
    return false;
}

/* ---- the order ---- */

static void finish(struct weir_manager *g, bool done)
{
    g->order->done = done;
    g->order = NULL;
    g->given_up = false;
    g->arranging = false;
    pthread_cond_broadcast(&g->changed);
}

void weir_manager_tick(struct weir_runtime *rt, uint64_t now_tsc)
{
    struct weir_manager *g = rt->manager;
    pthread_mutex_lock(&g->lock);
    bool ends = rt->signal_tsc != 0 || rt->end_tsc != 0 || rt->n_launched < rt->n_workers;
    if (g->order != NULL && !g->arranging && ends)
        snprintf(g->order->error, sizeof g->order->error, "weir is not running, or is about to end");
    if (g->order != NULL && !g->arranging)
        g->arranging = !ends && !g->given_up && understand(rt, g->order);
    if (g->order != NULL && !g->arranging)
        finish(g, false);
    if (g->under_way && all_done(rt, &g->move))
        account(rt);
    if (g->arranging && !g->under_way) {
        if (g->given_up || ends) {
            snprintf(g->order->error, sizeof g->order->error, "%s after %u moves",
                ends ? "weir ends: given up" : "given up: it took too long", g->order->moves);
            finish(g, false);
        } else if (!prepare(rt)) {
            rt->pools[g->pool].n_active = g->want_active;
            finish(g, true);
        } else if (all_have_room(rt, &g->move)) {
            post(rt, now_tsc);
        }
    }
    pthread_mutex_unlock(&g->lock);
}

bool weir_manager_order(struct weir_runtime *rt, struct weir_order *o, int timeout_ms)
{
    struct weir_manager *g = rt->manager;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    o->done = false;
    o->error[0] = '\0';
    pthread_mutex_lock(&g->lock);
    int waited = 0;
    while (g->order != NULL && waited == 0)
        waited = pthread_cond_timedwait(&g->changed, &g->lock, &until);
    if (g->order != NULL || g->closed) {
        snprintf(o->error, sizeof o->error, "%s",
            g->closed ? "weir is not running, or is about to end"
                      : "another order is being carried out; try again");
    } else {
        g->order = o;
        eventfd_write(g->fd, 1);
        while (g->order == o && waited == 0)
            waited = pthread_cond_timedwait(&g->changed, &g->lock, &until);
        g->given_up = g->order == o;
        while (g->order == o) /* it is ours until the control thread lets go of it */
            pthread_cond_wait(&g->changed, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    return o->done;
}

void weir_manager_close(struct weir_runtime *rt)
{
    struct weir_manager *g = rt->manager;
    pthread_mutex_lock(&g->lock);
    g->closed = true;
    if (g->order != NULL) {
        snprintf(g->order->error, sizeof g->order->error, "weir ended after %u moves", g->order->moves);
        finish(g, false);
    }
    pthread_mutex_unlock(&g->lock);
}

bool weir_manager_busy(struct weir_runtime *rt)
{
    struct weir_manager *g = rt->manager;
    pthread_mutex_lock(&g->lock);
    bool busy = g->order != NULL || g->under_way;
    pthread_mutex_unlock(&g->lock);
    return busy;
}

int weir_manager_fd(const struct weir_manager *g)
{
    return g->fd;
}

struct weir_manager *weir_manager_new(void)
{
    struct weir_manager *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
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
