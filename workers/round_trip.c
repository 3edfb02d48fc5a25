/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/round_trip.h"

#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_pause.h>

#include "rings/word.h"
#include "workers/log.h"
#include "workers/runtime.h"

#define SAMPLES 21
#define TRIPS 64     /* in a sample */
#define PAIRS_MAX 16 /* measured of an edge: all of a matrix of 4 by 4, the diagonal of a larger one */
#define NEAR_NS 250  /* two cores that share a cache take about 100, two that do not 400 and more */

/* The two lcores write the word in turn: who has read the other's turn owns it. */
struct court {
    struct weir_word turn WEIR_CACHE_ALIGNED; /* odd = the ball is with the second */
    struct weir_word apart WEIR_CACHE_ALIGNED;
    uint64_t deadline_tsc, trip[SAMPLES];
    uint32_t samples;
};

static bool wait_for(const struct court *c, uint32_t turn)
{
    while (weir_word_read(&c->turn) != turn)
        if (rte_rdtsc() > c->deadline_tsc) /* the other is not scheduled */
            return false;
    return true;
}

static void trips(struct court *c)
{
    uint32_t turn = 0;
    for (c->samples = 0; c->samples < SAMPLES; c->samples++) {
        uint64_t start = rte_rdtsc();
        for (int i = 0; i < TRIPS; i++) {
            weir_word_publish(&c->turn, turn + 1);
            turn += 2;
            if (!wait_for(c, turn))
                return;
        }
        c->trip[c->samples] = (rte_rdtsc() - start) / TRIPS;
    }
}

static int serve(void *court)
{
    struct court *c = court;
    trips(c);
    weir_unseen_release(c->trip); /* to measure(); EAL does the hand-over */
    return 0;
}

static int answer(void *court)
{
    struct court *c = court;
    for (uint32_t turn = 1; turn < 2 * SAMPLES * TRIPS && wait_for(c, turn); turn += 2)
        weir_word_publish(&c->turn, turn + 1);
    weir_unseen_release(c->trip);
    return 0;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* TSC cycles, or 0 if the two did not meet. */
static uint64_t measure(const struct weir_worker *from, const struct weir_worker *to, uint64_t tsc_hz)
{
    struct court c = {.deadline_tsc = rte_rdtsc() + tsc_hz / 10};
    if (rte_eal_remote_launch(answer, &c, to->lcore) != 0)
        return 0;
    int result = rte_eal_remote_launch(serve, &c, from->lcore);
    rte_eal_wait_lcore(to->lcore);
    if (result != 0)
        return 0;
    rte_eal_wait_lcore(from->lcore);
    weir_unseen_acquire(c.trip);
    qsort(c.trip, c.samples, sizeof c.trip[0], compare);
    return c.trip[c.samples / 2];
}

static const char *name_of(uint64_t trip, uint64_t tsc_hz)
{
    return trip * UINT64_C(1000000000) / tsc_hz <= NEAR_NS ? "near" : "far";
}

static void measure_edge(
    const struct weir_runtime *rt, const struct weir_pool *from, const struct weir_pool *to)
{
    uint64_t least = UINT64_MAX, most = 0;
    uint32_t n = from->n_workers * to->n_workers, step = n > PAIRS_MAX ? to->n_workers + 1 : 1;
    for (uint32_t i = 0, pairs = 0; i < n && pairs < PAIRS_MAX; i += step) {
        const struct weir_worker *a = rt->workers[from->first_worker + i / to->n_workers];
        const struct weir_worker *b = rt->workers[to->first_worker + i % to->n_workers];
        uint64_t trip = a->cpu == b->cpu ? 0 : measure(a, b, rt->tsc_hz);
        if (trip == 0)
            continue;
        least = trip < least ? trip : least;
        most = trip > most ? trip : most;
        pairs++;
    }
    const char *names[] = {from->config->name, to->config->name};
    if (most == 0)
        weir_log(WEIR_LOG_NOTICE, "rings %s → %s: on one CPU, no round trip to measure", names[0], names[1]);
    else if (least == most)
        weir_log(WEIR_LOG_NOTICE, "rings %s → %s: a cache line goes and comes back in %lu TSC cycles (%s)",
            names[0], names[1], (unsigned long)most, name_of(most, rt->tsc_hz));
    else
        weir_log(WEIR_LOG_NOTICE,
            "rings %s → %s: a cache line goes and comes back in %lu (%s) to %lu (%s) TSC cycles", names[0],
            names[1], (unsigned long)least, name_of(least, rt->tsc_hz), (unsigned long)most,
            name_of(most, rt->tsc_hz));
}

void weir_round_trips(const struct weir_runtime *rt)
{
    for (uint32_t p = 0; p < rt->n_pools; p++)
        for (uint32_t q = 0; q < rt->n_pools; q++)
            if (weir_pool_feeds(&rt->pools[p], q))
                measure_edge(rt, &rt->pools[p], &rt->pools[q]);
}
