/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/events.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "monitor/workers.h"
#include "workers/log.h"

#define KEPT 64
#define QUIET_NS INT64_C(1000000000) /* without loss for so long: the burst has ended */
#define NOTABLE 0.1                  /* shares of a worker's time below this explain nothing */
#define BUSY 0.9

struct event {
    char place[96], reason[48], machine[384];
    uint64_t packets, most; /* most: in one look */
    int64_t begin_ns, last_ns;
    bool told; /* its end, to the log */
};

struct doing {
    char text[128];
    int64_t since_ns;
};

struct weir_events {
    pthread_mutex_t lock;
    int64_t seen_ns; /* the last look */
    struct doing *doing;
    uint32_t n_doing; /* workers */
    struct event kept[KEPT];
    uint64_t n; /* ever; the i-th is at i modulo KEPT */
    struct weir_log_limit limit;
};

struct weir_events *weir_events_new(void)
{
    struct weir_events *e = calloc(1, sizeof *e);
    if (e)
        pthread_mutex_init(&e->lock, NULL);
    return e;
}

void weir_events_free(struct weir_events *e)
{
    if (!e)
        return;
    pthread_mutex_destroy(&e->lock);
    free(e->doing);
    free(e);
}

/* ---- what the machine did: along the way of what was held up, to whom it waited for ---- */

struct look {
    const struct weir_snapshot *before, *now;
};

static uint32_t worker_of(const struct weir_snapshot *s, const char *pool, uint32_t index)
{
    uint32_t i = 0;
    while (i < s->n_workers && (s->workers[i].index != index || strcmp(s->workers[i].pool, pool) != 0))
        i++;
    return i;
}

static const struct weir_snapshot_ring *fullest(
    const struct weir_snapshot *s, const struct weir_snapshot_worker *w)
{
    const struct weir_snapshot_ring *most = NULL;
    for (const struct weir_snapshot_ring *r = s->rings; r < s->rings + s->n_rings; r++)
        if (r->from_worker == w->index && strcmp(r->from, w->pool) == 0 &&
            (!most || (uint64_t)r->depth * most->capacity > (uint64_t)most->depth * r->capacity))
            most = r;
    return most;
}

/* The stage that took most of the worker's time, of those that were timed, and its share; NULL = none was. */
static const char *slowest_stage(const struct look *l, const struct weir_snapshot_worker *w, double *share)
{
    const char *slowest = NULL;
    double most = 0, all = 0;
    for (uint32_t i = 0; i < l->now->n_stages; i++) {
        const struct weir_snapshot_stage *g = &l->now->stages[i];
        if (g->worker != w->index || strcmp(g->pool, w->pool) != 0)
            continue;
        double took = weir_since(g->timed_tsc, l->before->stages[i].timed_tsc);
        all += took;
        slowest = took > most ? g->stage : slowest;
        most = took > most ? took : most;
    }
    *share = all > 0 ? most / all : 0;
    return slowest;
}

/* Running, and in the whole time between the looks not once round its loop. */
static bool stands(const struct look *l, uint32_t i)
{
    const struct weir_snapshot_worker *w = &l->now->workers[i];
    return w->stuck || (w->steps == l->before->workers[i].steps && w->state == WEIR_WORKER_RUNNING);
}

static void explain(FILE *to, const struct look *l, uint32_t i)
{
    for (uint32_t hops = 0; hops < l->now->n_workers && i < l->now->n_workers; hops++) {
        const struct weir_snapshot_worker *w = &l->now->workers[i];
        const struct weir_shares is = weir_worker_shares(l->before, l->now, i);
        const struct weir_snapshot_ring *r = fullest(l->now, w);
        double share;
        if (w->off_cpu)
            fprintf(to, "; %s.%u did not run: something else has cpu %u", w->pool, w->index, w->cpu);
        else if (stands(l, i))
            fprintf(to,
                w->stuck ? "; %s.%u on cpu %u does not come back from a stage"
                         : "; %s.%u on cpu %u has not come round",
                w->pool, w->index, w->cpu);
        if (is.lost >= NOTABLE)
            fprintf(to, "; %s.%u did not run for %.0f %% of the time: cpu %u had something else to do",
                w->pool, w->index, 100 * is.lost, w->cpu);
        if (is.busy >= BUSY) {
            fprintf(to, "; %s.%u on cpu %u was busy for %.0f %% of the time", w->pool, w->index, w->cpu,
                100 * is.busy);
            const char *stage = slowest_stage(l, w, &share);
            if (stage)
                fprintf(to, ", %.0f %% of it in `%s`", 100 * share, stage);
        }
        if (is.blocked < NOTABLE || !r)
            return;
        fprintf(to, "; %s.%u waited for room in the inbox of %s.%u for %.0f %% of the time", w->pool,
            w->index, r->to, r->to_worker, 100 * is.blocked);
        i = worker_of(l->now, r->to, r->to_worker);
    }
}

/* What it spent most of the time between two looks with. */
static void describe(const struct look *l, uint32_t i, char *text, size_t size)
{
    const struct weir_snapshot_worker *w = &l->now->workers[i];
    const struct weir_snapshot_ring *r = fullest(l->now, w);
    const struct weir_shares is = weir_worker_shares(l->before, l->now, i);
    double share;
    const char *stage = slowest_stage(l, w, &share);
    if (w->off_cpu)
        snprintf(text, size, "has no CPU: something else has cpu %u", w->cpu);
    else if (stands(l, i))
        snprintf(text, size, w->stuck ? "is in a stage and does not come back" : "has not come round");
    else if (is.blocked > is.busy && is.blocked > is.idle && is.blocked > is.parked && is.blocked > is.lost &&
             r)
        snprintf(text, size, "waits for room in the inbox of %s.%u", r->to, r->to_worker);
    else if (is.lost > is.busy && is.lost > is.idle && is.lost > is.parked)
        snprintf(text, size, "mostly has no CPU: something else has cpu %u", w->cpu);
    else if (is.busy > is.idle && is.busy > is.parked)
        snprintf(text, size, stage ? "works, most of it in `%s`" : "works", stage);
    else
        snprintf(
            text, size, is.parked > is.idle ? "sleeps until something comes" : "polls, and little comes");
}

/* Of the workers that poll ports, for nobody feeds them. */
static void explain_receivers(FILE *to, const struct look *l)
{
    for (uint32_t i = 0; i < l->now->n_workers; i++) {
        bool fed = false;
        for (uint32_t k = 0; k < l->now->n_rings; k++)
            fed |= strcmp(l->now->rings[k].to, l->now->workers[i].pool) == 0;
        if (!fed)
            explain(to, l, i);
    }
    if (l->now->mempool_available == 0)
        fputs("; no packet buffer was free", to);
}

/* ---- events ---- */

static char *clock_text(char *text, size_t size, int64_t unix_ns)
{
    struct tm when;
    time_t seconds = unix_ns / 1000000000;
    char second[32];
    strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &when));
    snprintf(text, size, "%s.%03uZ", second, (unsigned)(unix_ns / 1000000 % 1000));
    return text;
}
#define CLOCK(unix_ns) clock_text((char[48]){0}, 48, unix_ns)

static double seconds_of(const struct event *e)
{
    return (double)(e->last_ns - e->begin_ns) * 1e-9;
}

/* The worker UINT32_MAX: those that poll ports. */
static void lose(struct weir_events *all, const struct look *l, const char *place, const char *reason,
    uint64_t packets, uint32_t worker, int64_t unix_ns)
{
    struct event *e = NULL;
    for (uint32_t i = 0; i < KEPT && !e; i++)
        if (all->kept[i].last_ns >= unix_ns - QUIET_NS && strcmp(all->kept[i].place, place) == 0 &&
            strcmp(all->kept[i].reason, reason) == 0)
            e = &all->kept[i];
    bool begins = !e;
    if (begins && all->kept[all->n % KEPT].last_ns >=
                      unix_ns - QUIET_NS) { /* none has ended: what is new shares the newest */
        e = &all->kept[(all->n - 1) % KEPT];
        snprintf(e->place, sizeof e->place, "other places");
        snprintf(e->reason, sizeof e->reason, "several");
        begins = false;
    } else if (begins) {
        e = &all->kept[all->n++ % KEPT];
        *e = (struct event){.begin_ns = unix_ns};
        snprintf(e->place, sizeof e->place, "%s", place);
        snprintf(e->reason, sizeof e->reason, "%s", reason);
    }
    e->packets += packets;
    e->last_ns = unix_ns;
    if (packets >= e->most) { /* as it was at its worst */
        char *machine = NULL;
        size_t size = 0;
        FILE *to = open_memstream(&machine, &size);
        e->most = packets;
        if (to) {
            (worker == UINT32_MAX) ? explain_receivers(to, l) : explain(to, l, worker);
            fclose(to);
            snprintf(e->machine, sizeof e->machine, "%s", size > 2 ? machine + 2 : "");
            free(machine);
        }
    }
    if (begins)
        weir_log_limited(&all->limit, WEIR_LOG_NOTICE, "loss begins: %s, %s%s%s", e->place, e->reason,
            e->machine[0] ? ": " : "", e->machine);
}

static void tell_ends(struct weir_events *all, int64_t unix_ns)
{
    for (struct event *e = all->kept; e < all->kept + KEPT; e++) {
        if (e->packets == 0 || e->told || e->last_ns >= unix_ns - QUIET_NS)
            continue;
        e->told = true;
        weir_log_limited(&all->limit, WEIR_LOG_NOTICE,
            "loss ended: %s, %s, %" PRIu64 " packets in %.1f s%s%s", e->place, e->reason, e->packets,
            seconds_of(e), e->machine[0] ? ": " : "", e->machine);
    }
}

/* ---- where packets are lost ---- */

/* A class that is over its rate has a counter `over_REASON` of its own. */
static void look_at_stage(struct weir_events *e, const struct look *l, uint32_t i, int64_t unix_ns)
{
    const struct weir_snapshot_stage *g = &l->now->stages[i], *b = &l->before->stages[i];
    for (uint32_t k = 0; k < g->n_drops && k < b->n_drops; k++) {
        char place[96];
        uint64_t packets = g->drops[k].value - b->drops[k].value;
        uint32_t worker = worker_of(l->now, g->pool, g->worker);
        bool by_class = false;
        for (uint32_t c = 0; packets > 0 && c < g->n_counts; c++) {
            const struct weir_named_count *count = &g->counts[c];
            uint64_t over = count->value - b->counts[c].value;
            if (!count->of || over == 0 || strncmp(count->name, "over_", 5) != 0 ||
                strcmp(count->name + 5, g->drops[k].name) != 0)
                continue;
            by_class = true;
            snprintf(place, sizeof place, "class %s, stage `%s` of %s", count->of, g->stage, g->pool);
            lose(e, l, place, g->drops[k].name, over, worker, unix_ns);
        }
        snprintf(place, sizeof place, "stage `%s` of %s", g->stage, g->pool);
        if (packets > 0 && !by_class) /* of two numbers that were not read at once there is no rest to tell */
            lose(e, l, place, g->drops[k].name, packets, worker, unix_ns);
    }
}

static void look_at_ring(struct weir_events *e, const struct look *l, uint32_t i, int64_t unix_ns)
{
    const struct weir_snapshot_ring *r = &l->now->rings[i];
    uint64_t packets = r->refused - l->before->rings[i].refused;
    char place[96];
    snprintf(place, sizeof place, "inbox of %s.%u", r->to, r->to_worker);
    if (packets > 0)
        lose(e, l, place, "inbox_full", packets, worker_of(l->now, r->to, r->to_worker), unix_ns);
}

static void look_at_port(struct weir_events *e, const struct look *l, uint32_t i, int64_t unix_ns)
{
    const struct weir_snapshot_port *p = &l->now->ports[i], *b = &l->before->ports[i];
    char place[96];
    snprintf(place, sizeof place, "port %s", p->name);
    if (p->missed != WEIR_SNAPSHOT_UNKNOWN && b->missed != WEIR_SNAPSHOT_UNKNOWN && p->missed > b->missed)
        lose(e, l, place, "missed", p->missed - b->missed, UINT32_MAX, unix_ns);
    if (p->tx_errors > b->tx_errors)
        lose(e, l, place, "port_tx_error", p->tx_errors - b->tx_errors, l->now->n_workers, unix_ns);
}

void weir_events_watch(struct weir_events *e, const struct weir_snapshot *before,
    const struct weir_snapshot *now, int64_t unix_ns)
{
    const struct look l = {before, now};
    pthread_mutex_lock(&e->lock);
    for (uint32_t i = 0; i < now->n_stages; i++)
        look_at_stage(e, &l, i, unix_ns);
    for (uint32_t i = 0; i < now->n_rings; i++)
        look_at_ring(e, &l, i, unix_ns);
    for (uint32_t i = 0; i < now->n_ports; i++)
        look_at_port(e, &l, i, unix_ns);
    tell_ends(e, unix_ns);
    if (!e->doing && (e->doing = calloc(now->n_workers + 1, sizeof *e->doing)) != NULL)
        e->n_doing = now->n_workers;
    for (uint32_t i = 0; i < e->n_doing; i++) {
        struct doing is = {.since_ns = unix_ns};
        describe(&l, i, is.text, sizeof is.text);
        if (strcmp(e->doing[i].text, is.text) != 0)
            e->doing[i] = is;
    }
    e->seen_ns = unix_ns;
    pthread_mutex_unlock(&e->lock);
}

/* ---- views ---- */

static const struct event *kept(const struct weir_events *e, uint64_t back)
{
    return back < KEPT && back < e->n ? &e->kept[(e->n - 1 - back) % KEPT] : NULL;
}

double weir_events_doing(struct weir_events *e, uint32_t worker, char *text, size_t size)
{
    pthread_mutex_lock(&e->lock);
    const struct doing nothing = {.since_ns = e->seen_ns},
                       *is = worker < e->n_doing ? &e->doing[worker] : &nothing;
    double seconds = (double)(e->seen_ns - is->since_ns) * 1e-9;
    snprintf(text, size, "%s", is->text);
    pthread_mutex_unlock(&e->lock);
    return seconds;
}

void weir_events_text(struct weir_events *all, FILE *to)
{
    pthread_mutex_lock(&all->lock);
    const struct event *e;
    for (uint64_t back = 0; (e = kept(all, back)) != NULL; back++)
        fprintf(to, "%s  %8.1f s  %12" PRIu64 "  %s, %s%s%s\n", CLOCK(e->begin_ns), seconds_of(e), e->packets,
            e->place, e->reason, e->machine[0] ? ": " : "", e->machine);
    if (all->n == 0)
        fputs("nothing was lost\n", to);
    pthread_mutex_unlock(&all->lock);
}

json_t *weir_events_json(struct weir_events *all)
{
    json_t *list = json_array();
    pthread_mutex_lock(&all->lock);
    const struct event *e;
    for (uint64_t back = 0; (e = kept(all, back)) != NULL; back++)
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:I,s:f,s:f,s:s}", "place", e->place, "reason", e->reason, "packets",
                      (json_int_t)e->packets, "begin_unix_seconds", (double)e->begin_ns * 1e-9, "seconds",
                      seconds_of(e), "machine", e->machine));
    pthread_mutex_unlock(&all->lock);
    return list;
}
