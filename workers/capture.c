/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>

#include "dataplane/classifier.h"

#define MEMORY_BYTES (UINT32_C(32) << 20) /* of all rings of a capture, about */
#define SLOTS_MIN 64u
#define SLOTS_MAX 65536u
#define LET_GO_MS 2000     /* for a worker to come back from its stages; one that sleeps does each 50 ms */
#define SETTLED_PARTS 500u /* of a second: so old, and the copies of all workers are there */

/* ---- copies ---- */

bool weir_capture_is_over(const struct weir_capture *c)
{
    uint32_t ended = 0;
    while (ended < c->rt->n_workers && weir_worker_ended(c->rt->workers[ended]))
        ended++;
    return ended == c->rt->n_workers;
}

const struct weir_tapped *weir_capture_next(struct weir_capture *c, const struct weir_worker **by)
{
    const struct weir_tapped *oldest = NULL;
    uint64_t settled = c->stopped ? UINT64_MAX : rte_rdtsc() - c->rt->tsc_hz / SETTLED_PARTS;
    if (c->in_hand != NULL)
        weir_ring_release(c->in_hand, 1);
    c->in_hand = NULL;
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t granted;
        struct weir_ring_consumer *ring = &c->views[i].view->ring->consumer;
        const struct weir_tapped *first = weir_ring_peek(ring, 1, &granted);
        if (granted == 0 || first->tsc > settled || (oldest != NULL && first->tsc >= oldest->tsc))
            continue;
        oldest = first;
        c->in_hand = ring;
        *by = c->views[i].worker;
    }
    return oldest;
}

/* ---- begin ---- */

static bool is_concerned(
    const struct weir_worker *w, const struct weir_capture_plan *plan, const struct weir_runtime *rt)
{
    const struct weir_config_pool *pool = rt->pools[w->pool].config;
    return plan->drops || (plan->pool == NULL ? pool->fed_by_ports : strcmp(plan->pool, pool->name) == 0);
}

static bool build(struct weir_capture *c, const struct weir_capture_plan *plan)
{
    uint32_t item = ((uint32_t)sizeof(struct weir_tapped) + plan->snap + 7) & ~7u, slots = SLOTS_MAX;
    for (uint32_t i = 0; i < c->rt->n_workers; i++)
        if (is_concerned(c->rt->workers[i], plan, c->rt))
            c->views[c->n++].worker = c->rt->workers[i];
    while (slots > SLOTS_MIN && (uint64_t)slots * item * c->n > MEMORY_BYTES)
        slots /= 2;
    size_t view = (sizeof(struct weir_view) + WEIR_APART - 1) & ~(size_t)(WEIR_APART - 1);
    size_t each = view + ((weir_ring_bytes(slots, item) + WEIR_APART - 1) & ~(size_t)(WEIR_APART - 1));
    uint8_t *memory = c->memory = aligned_alloc(WEIR_APART, each * c->n);
    for (uint32_t i = 0; memory != NULL && i < c->n; i++, memory += each) {
        memset(memory, 0, each); /* no worker is to meet a page fault */
        c->views[i].view = (struct weir_view *)memory;
        *c->views[i].view = (struct weir_view){.filter = c->filter,
            .drops = plan->drops,
            .reason = c->reason,
            .snap = plan->snap,
            .every = plan->every,
            .ring = weir_ring_init(memory + view, slots, item, 0),
            .tap = &c->views[i].worker->tap};
    }
    return c->memory != NULL;
}

static bool knows_reason(struct weir_runtime *rt, const char *reason)
{
    struct weir_snapshot *s = weir_snapshot_take(rt);
    bool known = false;
    for (uint32_t i = 0; s != NULL && i < s->n_drops; i++)
        known |= strcmp(s->drops[i].name, reason) == 0;
    weir_snapshot_free(s);
    return known;
}

static int refuse(int cause, FILE *complaint, const char *format, const char *what)
{
    fprintf(complaint, format, what);
    return cause;
}

static int understand(struct weir_capture *c, const struct weir_capture_plan *plan, FILE *complaint)
{
    if (plan->filter != NULL && (c->filter = weir_match_compile("filter", plan->filter, complaint)) == NULL)
        return EINVAL;
    if (plan->reason != NULL && !knows_reason(c->rt, plan->reason))
        return refuse(EINVAL, complaint,
            "nothing here drops packets for the reason `%.32s`; weir_dropped_packets_total in /metrics lists "
            "the reasons",
            plan->reason);
    c->reason = plan->reason != NULL ? strdup(plan->reason) : NULL;
    bool built = build(c, plan);
    if (c->n == 0)
        return refuse(EINVAL, complaint, "there is no pool `%.32s`", plan->pool);
    return built ? 0 : refuse(ENOMEM, complaint, "no memory for it; a smaller `%s` needs less", "snap");
}

static void free_capture(struct weir_capture *c)
{
    weir_match_free(c->filter);
    free(c->reason);
    free(c->memory);
    free(c);
}

static bool all_let_go(const struct weir_capture *c)
{
    bool all = true;
    for (uint32_t i = 0; i < c->n; i++)
        all &= !weir_tap_is_turned(&c->views[i].worker->tap) || weir_worker_ended(c->views[i].worker);
    return all;
}

/* With the lock: one that has ended makes room. */
static bool make_room(struct weir_runtime *rt)
{
    if (rt->capture != NULL && rt->capture->closed && all_let_go(rt->capture)) {
        free_capture(rt->capture);
        rt->capture = NULL;
    }
    return rt->capture == NULL;
}

static int begin(struct weir_capture *c, FILE *complaint)
{
    struct weir_runtime *rt = c->rt;
    if (weir_capture_is_over(c) || !make_room(rt))
        return refuse(EBUSY, complaint, "%s",
            weir_capture_is_over(c) ? "weir is about to end"
            : !rt->capture->closed  ? "another capture is under way; it ends when its client does"
                                    : "a worker is stuck and has not let go of the capture before");
    rt->capture = c;
    for (uint32_t i = 0; i < c->n; i++) {
        struct weir_tap *tap = &c->views[i].worker->tap;
        tap->offered = c->views[i].view;
        weir_word_publish(&tap->wanted, tap->wanted.value + 1);
    }
    return 0;
}

struct weir_capture *weir_capture_open(
    struct weir_runtime *rt, const struct weir_capture_plan *plan, FILE *complaint)
{
    struct weir_capture *c = calloc(1, sizeof *c + rt->n_workers * sizeof c->views[0]);
    if (c == NULL)
        return NULL;
    c->rt = rt;
    int cause = understand(c, plan, complaint);
    pthread_mutex_lock(&rt->life);
    cause = cause != 0 ? cause : begin(c, complaint);
    pthread_mutex_unlock(&rt->life);
    if (cause == 0)
        return c;
    free_capture(c);
    errno = cause;
    return NULL;
}

/* ---- end ---- */

void weir_capture_stop(struct weir_capture *c)
{
    static const struct timespec millisecond = {.tv_nsec = 1000000};
    for (uint32_t i = 0; !c->stopped && i < c->n; i++)
        weir_word_publish(&c->views[i].worker->tap.wanted, c->views[i].worker->tap.wanted.value + 1);
    for (int ms = 0; !c->stopped && ms < LET_GO_MS && !all_let_go(c); ms++)
        nanosleep(&millisecond, NULL);
    c->stopped = true;
}

void weir_capture_close(struct weir_capture *c)
{
    struct weir_runtime *rt = c->rt;
    weir_capture_stop(c);
    pthread_mutex_lock(&rt->life);
    c->closed = true;
    make_room(rt);
    pthread_mutex_unlock(&rt->life);
}
