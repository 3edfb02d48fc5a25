/* SPDX-License-Identifier: BSD-3-Clause */
/* The books: every counter of the pipeline gathered into one snapshot, and the balance over all of them. */
#include "workers/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mempool.h>

#include "dataplane/stages/sink.h"
#include "workers/runtime.h"
#include "workers/times.h"

static_assert(WEIR_UNKNOWN == WEIR_SNAPSHOT_UNKNOWN, "one word for what a driver cannot say");

const char *const weir_worker_state_names[WEIR_WORKER_STATES] = {
    "starting", "running", "draining", "discarding", "ended"};

uint64_t weir_named_value(const struct weir_named_count *counts, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(counts[i].name, name) == 0)
            return counts[i].value;
    return 0;
}

/* ---- parts ---- */

const char *weir_worker_shows(const struct weir_snapshot_worker *w)
{
    return w->stuck ? "stuck" : w->off_cpu ? "descheduled" : weir_worker_state_names[w->state];
}

static uint32_t shards_of(const struct weir_pool *pool, uint32_t worker)
{
    uint32_t n = 0;
    for (uint32_t shard = 0; weir_pool_is_sharded(pool) && shard < WEIR_SHARDS; shard++)
        n += pool->owners.worker[shard] == worker;
    return n;
}

static void take_worker(const struct weir_runtime *rt, uint32_t i, struct weir_snapshot_worker *to)
{
    const struct weir_worker *w = rt->workers[i];
    *to = (struct weir_snapshot_worker){.pool = rt->pools[w->pool].config->name,
        .index = w->index,
        .lcore = w->lcore,
        .cpu = w->cpu,
        .shares_cpu = w->yields,
        .stuck = rt->seen[i].stuck,
        .off_cpu = rt->seen[i].off_cpu,
        .state = weir_word_read(&w->state),
        .steps = weir_counter_read(&w->steps),
        .busy_tsc = weir_counter_read(&w->cycles[WEIR_STEP_BUSY]),
        .idle_tsc = weir_counter_read(&w->cycles[WEIR_STEP_IDLE]),
        .blocked_tsc = weir_counter_read(&w->cycles[WEIR_STEP_BLOCKED]),
        .parked_tsc = weir_counter_read(&w->cycles[WEIR_STEP_PARKED]),
        .parks = weir_counter_read(&w->bell.parks),
        .stash_high_water = weir_counter_read(&w->handover.high_water),
        .shards = shards_of(&rt->pools[w->pool], w->index),
        .received = weir_counter_read(&w->received),
        .held = weir_counter_read(&w->held),
        .tapped = weir_counter_read(&w->tap.copied),
        .untapped = weir_counter_read(&w->tap.lost),
        .copied = weir_counter_read(&w->copied)};
    weir_times_take_worker(rt, w, to);
}

static struct weir_named_count *take_drops(const struct weir_stage *s, uint32_t *n)
{
    *n = weir_stage_count(s->def->reasons, 1);
    struct weir_named_count *drops = calloc(*n + 1, sizeof *drops);
    for (uint32_t i = 0; drops != NULL && i < *n; i++)
        drops[i] =
            (struct weir_named_count){.name = s->def->reasons[i], .value = weir_counter_read(&s->drops[i])};
    return drops;
}

/* Of the whole stage, then of each class: those of one name and class stand where the next class has them, too. */
static struct weir_named_count *take_counts(
    const struct weir_runtime *rt, const struct weir_stage *s, uint32_t *n)
{
    uint32_t whole = weir_stage_count(s->def->counters, 2),
             of_class = weir_stage_count(s->def->class_counters, 2);
    *n = whole + of_class * rt->n_classes;
    struct weir_named_count *counts = calloc(*n + 1, sizeof *counts);
    for (uint32_t i = 0; counts != NULL && i < *n; i++) {
        uint32_t k = i < whole ? i : i - whole;
        const char *const *name =
            i < whole ? &s->def->counters[k * 2] : &s->def->class_counters[k % of_class * 2];
        counts[i] = (struct weir_named_count){.name = name[0],
            .help = name[1],
            .of = i < whole ? NULL : rt->classes[k / of_class].name,
            .value = weir_counter_read(i < whole ? &s->counts[k] : &s->class_counts[k])};
    }
    return counts;
}

static bool take_stage(const struct weir_runtime *rt, const struct weir_worker *w, uint32_t position,
    struct weir_snapshot_stage *to)
{
    const struct weir_stage *s = &w->stages[position];
    *to = (struct weir_snapshot_stage){.pool = rt->pools[w->pool].config->name,
        .stage = s->def->name,
        .worker = w->index,
        .position = position,
        .consumes = s->def->terminal && s->def->sends == WEIR_SENDS_NOTHING,
        .out = weir_counter_read(&s->out)};
    weir_times_take_stage(rt, s, to);
    to->drops = take_drops(s, &to->n_drops);
    to->counts = take_counts(rt, s, &to->n_counts);
    /* After what left it, so that a running stage never shows more out than in. */
    to->in = weir_counter_read(&s->in);
    return to->drops != NULL && to->counts != NULL;
}

static void take_ring(
    const struct weir_runtime *rt, const struct weir_matrix_ring *r, struct weir_snapshot_ring *to)
{
    const struct weir_worker *from = rt->workers[r->from], *into = rt->workers[r->to];
    const struct weir_output *output = &(r->copies ? &from->tee : &from->out)->outputs[r->output];
    *to = (struct weir_snapshot_ring){.from = rt->pools[from->pool].config->name,
        .to = rt->pools[into->pool].config->name,
        .from_worker = from->index,
        .to_worker = into->index,
        .depth = weir_ring_depth(r->ring),
        .capacity = weir_ring_capacity(r->ring),
        .pushed = weir_counter_read(&output->pushed),
        .refused = weir_counter_read(&output->refused),
        .high_water = weir_ring_high_water(r->ring),
        .copies = r->copies};
}

static const char *const conditions[WEIR_PORT_CONDITIONS] = {"up", "down", "gone"};

static void take_port(const struct weir_runtime *rt, uint32_t i, struct weir_snapshot_port *to)
{
    struct weir_port *port = &rt->ports[i];
    struct weir_port_stats stats = rt->port_stats[i];
    if (!rt->final)
        port->def->stats(port, &stats);
    *to = (struct weir_snapshot_port){.name = port->name,
        .kind = port->def->kind,
        .condition = conditions[port->condition],
        .up = port->condition == WEIR_PORT_UP,
        .reopened = port->reopened,
        .queues = port->rx_queues,
        .note = port->note[0] != '\0' ? port->note : NULL,
        .received = stats.received,
        .received_bytes = stats.received_bytes,
        .sent = stats.accepted - stats.tx_errors,
        .sent_bytes = stats.accepted_bytes,
        .tx_errors = stats.tx_errors,
        .missed = stats.missed,
        .offered = stats.offered,
        .late_p50_ns = stats.late_p50_ns,
        .late_p99_ns = stats.late_p99_ns,
        .late_max_ns = stats.late_max_ns};
}

/* ---- totals ---- */

static bool add_drop(struct weir_snapshot *s, const char *reason, uint64_t packets)
{
    for (uint32_t i = 0; i < s->n_drops; i++) {
        if (strcmp(s->drops[i].name, reason) == 0) {
            s->drops[i].value += packets;
            return true;
        }
    }
    struct weir_named_count *more = realloc(s->drops, (s->n_drops + 1) * sizeof *more);
    if (more == NULL)
        return false;
    s->drops = more;
    s->drops[s->n_drops++] = (struct weir_named_count){.name = reason, .value = packets};
    return true;
}

static bool add_drops(const struct weir_runtime *rt, struct weir_snapshot *s)
{
    bool fine = true;
    for (uint32_t i = 0; i < s->n_stages; i++)
        for (uint32_t k = 0; k < s->stages[i].n_drops; k++)
            fine &= add_drop(s, s->stages[i].drops[k].name, s->stages[i].drops[k].value);
    for (uint32_t i = 0; i < s->n_rings; i++)
        fine &= add_drop(s, "inbox_full", s->rings[i].refused);
    for (uint32_t i = 0; i < s->n_ports; i++)
        fine &= add_drop(s, "port_tx_error", s->ports[i].tx_errors);
    for (uint32_t i = 0; i < rt->n_workers; i++)
        fine &= add_drop(s, "drain_deadline", weir_counter_read(&rt->workers[i]->discarded));
    for (uint32_t i = 0; i < s->n_drops; i++)
        s->ledger.dropped += s->drops[i].value;
    return fine;
}

/* The worst comes first: order broken or a packet twice; a gap is worth naming only where something is missing. */
static char *violation_text(const struct weir_runtime *rt, const struct weir_sink_violation *v)
{
    static const char *const forms[] = {[WEIR_SINK_MISSING] = "flow %u of %s: %lu came where %lu was due",
        [WEIR_SINK_REORDERED] = "flow %u of %s: %lu came late, %lu was due",
        [WEIR_SINK_DUPLICATED] = "flow %u of %s: %lu came again, %lu was due"};
    char *text;
    int length = asprintf(&text, forms[v->kind], v->flow, rt->ports[v->port].name, (unsigned long)v->sequence,
        (unsigned long)v->expected);
    return length < 0 ? NULL : text;
}

static char *first_violation(const struct weir_runtime *rt, bool missing)
{
    const struct weir_sink_violation *worst = NULL;
    for (uint32_t i = 0; i < rt->n_workers; i++) {
        const struct weir_worker *w = rt->workers[i];
        const struct weir_sink_violations *all =
            w->n_stages != 0 ? weir_sink_violations(&w->stages[w->n_stages - 1]) : NULL;
        if (all == NULL)
            continue;
        if (worst == NULL && missing && weir_word_read(&all->gap.seen))
            worst = &all->gap;
        if (weir_word_read(&all->disorder.seen))
            worst = &all->disorder;
    }
    return worst == NULL ? NULL : violation_text(rt, worst);
}

static void add_sinks(struct weir_snapshot *s)
{
    for (uint32_t i = 0; i < s->n_stages; i++) {
        const struct weir_snapshot_stage *stage = &s->stages[i];
        if (!stage->consumes)
            continue;
        s->ledger.consumed += stage->out;
        s->checked += weir_named_value(stage->counts, stage->n_counts, "checked");
        s->unstamped += weir_named_value(stage->counts, stage->n_counts, "unstamped");
        s->missing += weir_named_value(stage->counts, stage->n_counts, "missing");
        s->reordered += weir_named_value(stage->counts, stage->n_counts, "reordered");
        s->duplicated += weir_named_value(stage->counts, stage->n_counts, "duplicated");
    }
}

/* Of the first stage that something went wrong with outside of the pipeline. */
static bool take_failure(const struct weir_runtime *rt, struct weir_snapshot *s)
{
    char text[512];
    for (uint32_t i = 0; i < rt->n_workers; i++) {
        const struct weir_worker *w = rt->workers[i];
        for (uint32_t k = 0; k < w->n_stages; k++) {
            const struct weir_stage *stage = &w->stages[k];
            if (stage->def->trouble == NULL || !stage->def->trouble(stage, text, sizeof text))
                continue;
            char *failure;
            bool fine = asprintf(&failure, "pool %s: %s", rt->pools[w->pool].config->name, text) >= 0;
            s->failure = fine ? failure : NULL;
            return fine;
        }
    }
    return true;
}

/* `held` is counted, ring by ring and worker by worker; never the remainder of a subtraction. From the last worker to
 * the first, and its inbox after what it has in hand, so that a packet which moves on is not met twice; but for the
 * batch that a worker is pushing right now, which is in its hand until the push is over. Exact once all have ended. */
uint64_t weir_runtime_held(const struct weir_runtime *rt)
{
    uint64_t held = 0;
    for (uint32_t i = rt->n_workers; i-- > 0;) {
        held += weir_counter_read(&rt->workers[i]->held);
        for (uint32_t k = 0; k < rt->n_rings; k++)
            if (rt->rings[k].to == i)
                held += weir_ring_depth(rt->rings[k].ring);
    }
    return held;
}

static void balance(const struct weir_runtime *rt, struct weir_snapshot *s)
{
    struct weir_ledger *l = &s->ledger;
    for (uint32_t i = 0; i < s->n_ports; i++) {
        l->accepted += s->ports[i].received;
        l->sent += s->ports[i].sent;
    }
    l->lost = (int64_t)(l->accepted + l->copied - l->sent - l->consumed - l->dropped - l->held);
    if (rt->abandoned) {
        l->abandoned = l->held;
        l->held = 0;
    }
    l->leaked = rt->final ? rt->leaked : -1;
    l->kept = rt->kept;
    l->final = rt->final || rt->abandoned;
}

/* ---- the snapshot ---- */

static bool allocate(const struct weir_runtime *rt, struct weir_snapshot *s)
{
    uint32_t stages = 0;
    for (uint32_t p = 0; p < rt->n_pools; p++)
        stages += rt->pools[p].n_stages * rt->pools[p].n_workers;
    s->ports = calloc(rt->n_ports, sizeof *s->ports);
    s->workers = calloc(rt->n_workers, sizeof *s->workers);
    s->stages = calloc(stages, sizeof *s->stages);
    s->n_stages = s->stages != NULL ? stages : 0;
    s->rings = calloc(rt->n_rings + 1, sizeof *s->rings);
    return s->ports != NULL && s->workers != NULL && s->stages != NULL && s->rings != NULL;
}

/* Kept in the order of the pools, read from the last to the first. */
static bool take_stages(const struct weir_runtime *rt, struct weir_snapshot *s)
{
    struct weir_snapshot_stage *to = s->stages + s->n_stages;
    for (uint32_t p = rt->n_pools; p-- > 0;) {
        const struct weir_pool *pool = &rt->pools[p];
        for (uint32_t position = pool->n_stages; position-- > 0;)
            for (uint32_t i = pool->n_workers; i-- > 0;)
                if (!take_stage(rt, rt->workers[pool->first_worker + i], position, --to))
                    return false;
    }
    return true;
}

static void take_life(const struct weir_runtime *rt, struct weir_snapshot *s)
{
    uint64_t until = rt->signal_tsc != 0 ? rt->signal_tsc : rt->end_tsc != 0 ? rt->end_tsc : s->now_tsc;
    s->running_tsc = rt->start_tsc != 0 ? until - rt->start_tsc : 0;
    s->why_stopped = rt->why_stopped;
    s->held_at_signal = rt->signal_tsc != 0 ? rt->held_at_signal : WEIR_SNAPSHOT_UNKNOWN;
    s->deadline_passed = rt->deadline_passed;
    s->drain_ns = WEIR_SNAPSHOT_UNKNOWN;
    if (rt->signal_tsc != 0 && rt->end_tsc > rt->signal_tsc)
        s->drain_ns = (uint64_t)((double)(rt->end_tsc - rt->signal_tsc) * 1e9 / (double)rt->tsc_hz);
}

static bool take(const struct weir_runtime *rt, struct weir_snapshot *s)
{
    if (!allocate(rt, s))
        return false;
    s->name = rt->config->name;
    s->tsc_hz = rt->tsc_hz;
    s->now_tsc = rte_rdtsc();
    take_life(rt, s);
    /* From the sinks to the sources: a packet that moves meanwhile is seen too often upstream, never too often
     * downstream, so a running ledger shows packets under way and not packets from nowhere. */
    if (!take_stages(rt, s))
        return false;
    for (; s->n_rings < rt->n_rings; s->n_rings++)
        take_ring(rt, &rt->rings[s->n_rings], &s->rings[s->n_rings]);
    for (; s->n_workers < rt->n_workers; s->n_workers++)
        take_worker(rt, s->n_workers, &s->workers[s->n_workers]);
    s->ledger.held = weir_runtime_held(rt);
    /* After what became of them. */
    for (uint32_t i = 0; i < rt->n_workers; i++)
        s->ledger.copied += weir_counter_read(&rt->workers[i]->copied);
    for (; s->n_ports < rt->n_ports; s->n_ports++)
        take_port(rt, s->n_ports, &s->ports[s->n_ports]);
    if (!add_drops(rt, s) || !take_failure(rt, s) || !weir_times_take(rt, s))
        return false;
    add_sinks(s);
    s->first_violation = first_violation(rt, s->missing > s->ledger.dropped);
    balance(rt, s);
    s->mempool_size = rt->plan->n_mbufs;
    s->mempool_available = rte_mempool_avail_count(rt->mempool);
    return true;
}

struct weir_snapshot *weir_snapshot_take(struct weir_runtime *rt)
{
    struct weir_snapshot *s = calloc(1, sizeof *s);
    pthread_mutex_lock(&rt->life);
    bool taken = s != NULL && take(rt, s);
    pthread_mutex_unlock(&rt->life);
    if (!taken) {
        weir_snapshot_free(s);
        return NULL;
    }
    s->contradiction = weir_snapshot_audit(s);
    return s;
}

void weir_snapshot_free(struct weir_snapshot *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->n_stages; i++) {
        free(s->stages[i].drops);
        free(s->stages[i].counts);
    }
    free((char *)s->first_violation);
    free((char *)s->contradiction);
    free((char *)s->failure);
    free(s->stages);
    free(s->ports);
    free(s->workers);
    free(s->rings);
    free(s->drops);
    free(s->latencies);
    free(s);
}
