/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/registry.h"

#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/stage.h"
#include "dataplane/wall.h"

struct visit;
struct metric {
    const char *name;
    const char *type;
    const char *labels; /* as the document shows them */
    void (*read)(struct visit *, const struct metric *, const struct weir_snapshot *);
    const char *key;     /* of the member that `read` shows, where it shows one */
    size_t offset, size; /* of that */
    bool optional;       /* WEIR_SNAPSHOT_UNKNOWN (or -1) means: leave it out */
    const char *help;
};

/* ---- samples ---- */

struct visit {
    weir_sample_visitor *visitor;
    void *argument;
    struct weir_sample sample;
    char numbers[WEIR_LABELS_MAX][WEIR_NUMBER_MAX];
};

char *weir_number_text(char text[WEIR_NUMBER_MAX], int64_t number)
{
    char *at = text + WEIR_NUMBER_MAX - 1;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    *at = '\0';
    do
        *--at = (char)('0' + left % 10);
    while ((left /= 10) != 0);
    if (number < 0)
        *--at = '-';
    return at;
}

static void label(struct visit *v, const char *name, const char *value)
{
    v->sample.labels[v->sample.n_labels++] = (struct weir_label){name, value};
}

static void number(struct visit *v, const char *name, uint32_t value)
{
    label(v, name, weir_number_text(v->numbers[v->sample.n_labels], value));
}

/* After its labels. */
static void sample(struct visit *v, int64_t value)
{
    v->sample.value = value;
    v->visitor(v->argument, &v->sample);
    v->sample.n_labels = 0;
    v->sample.first = false;
}

static void sample_real(struct visit *v, double value)
{
    v->sample.is_real = true;
    v->sample.real = value;
    sample(v, (int64_t)value);
    v->sample.is_real = false;
}

/* Signed, because `lost` is; nothing that counts up reaches 2^63. */
static int64_t read_member(const struct metric *m, const void *item)
{
    uint64_t wide = 0;
    uint32_t narrow = 0;
    const char *at = (const char *)item + m->offset;
    if (m->size == sizeof(wide))
        return (int64_t)(memcpy(&wide, at, sizeof(wide)), wide);
    if (m->size == sizeof(narrow))
        return (memcpy(&narrow, at, sizeof(narrow)), narrow);
    return *(const bool *)at;
}

static bool left_out(const struct metric *m, const void *item)
{
    return m->optional && (uint64_t)read_member(m, item) == WEIR_SNAPSHOT_UNKNOWN;
}

static void read_whole(struct visit *v, const struct metric *m, const struct weir_snapshot *s)
{
    if (!left_out(m, s))
        sample(v, read_member(m, s));
}

static void read_ports(struct visit *v, const struct metric *m, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_port *p = s->ports; p < s->ports + s->n_ports; p++) {
        if (left_out(m, p))
            continue;
        label(v, "port", p->name);
        label(v, "kind", p->kind);
        if (strstr(m->name, "_seconds") != NULL) /* the base unit; what is measured is in nanoseconds */
            sample_real(v, (double)read_member(m, p) * 1e-9);
        else
            sample(v, read_member(m, p));
    }
}

static void read_workers(struct visit *v, const struct metric *m, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_worker *w = s->workers; w < s->workers + s->n_workers; w++) {
        label(v, "pool", w->pool);
        number(v, "worker", w->index);
        number(v, "cpu", w->cpu);
        sample(v, read_member(m, w));
    }
}

/* The position tells two stages of one name apart. */
static void label_stage(struct visit *v, const struct weir_snapshot_stage *g)
{
    label(v, "pool", g->pool);
    label(v, "stage", g->stage);
    number(v, "position", g->position);
    number(v, "worker", g->worker);
}

static void read_stages(struct visit *v, const struct metric *m, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_stage *g = s->stages; g < s->stages + s->n_stages; g++) {
        label_stage(v, g);
        sample(v, read_member(m, g));
    }
}

static void read_stage_drops(struct visit *v, const struct metric *, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_stage *g = s->stages; g < s->stages + s->n_stages; g++) {
        for (uint32_t i = 0; i < g->n_drops; i++) {
            label_stage(v, g);
            label(v, "reason", g->drops[i].name);
            sample(v, (int64_t)g->drops[i].value);
        }
    }
}

static void read_rings(struct visit *v, const struct metric *m, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_ring *r = s->rings; r < s->rings + s->n_rings; r++) {
        label(v, "from", r->from);
        number(v, "from_worker", r->from_worker);
        label(v, "to", r->to);
        number(v, "to_worker", r->to_worker);
        sample(v, read_member(m, r));
    }
}

/* Every state of every pool, zero included, so that a graph has no holes. A pool's workers stand together. */
static void read_worker_states(struct visit *v, const struct metric *, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_worker *w = s->workers, *end = w + s->n_workers; w < end;) {
        const char *pool = w->pool;
        uint32_t n[WEIR_WORKER_STATES] = {0};
        while (w < end && strcmp(w->pool, pool) == 0)
            n[w++->state]++;
        for (uint32_t state = 0; state < WEIR_WORKER_STATES; state++) {
            label(v, "pool", pool);
            label(v, "state", weir_worker_state_names[state]);
            sample(v, n[state]);
        }
    }
}

static void read_drops(struct visit *v, const struct metric *, const struct weir_snapshot *s)
{
    for (uint32_t i = 0; i < s->n_drops; i++) {
        label(v, "reason", s->drops[i].name);
        sample(v, (int64_t)s->drops[i].value);
    }
}

static void read_latency(struct visit *v, const struct weir_snapshot_latency *l)
{
    char bound[16];
    v->sample.suffix = "_bucket";
    for (uint32_t i = 0; i <= WEIR_BOUNDS; i++) {
        snprintf(bound, sizeof bound, "%g", i < WEIR_BOUNDS ? (double)weir_bounds_ns[i] * 1e-9 : 0);
        label(v, "pool", l->pool);
        label(v, "le", i < WEIR_BOUNDS ? bound : "+Inf");
        sample(v, (int64_t)(i < WEIR_BOUNDS ? l->of.until[i] : l->of.count));
    }
    v->sample.suffix = "_sum";
    label(v, "pool", l->pool);
    sample_real(v, l->of.sum_ns * 1e-9);
    v->sample.suffix = "_count";
    label(v, "pool", l->pool);
    sample(v, (int64_t)l->of.count);
}

static void read_latencies(struct visit *v, const struct metric *m, const struct weir_snapshot *s)
{
    for (uint32_t i = 0; i < s->n_latencies; i++)
        if (s->latencies[i].hop == (strcmp(m->name, "weir_inbox_wait_seconds") == 0))
            read_latency(v, &s->latencies[i]);
}

static void read_mempool(struct visit *v, const struct metric *, const struct weir_snapshot *s)
{
    label(v, "state", "size");
    sample(v, (int64_t)s->mempool_size);
    label(v, "state", "available");
    sample(v, (int64_t)s->mempool_available);
}

static void read_build(struct visit *v, const struct metric *, const struct weir_snapshot *s)
{
    label(v, "version", WEIR_VERSION);
    label(v, "pipeline", s->name ? s->name : "");
    sample(v, 1);
}

static void read_running(struct visit *v, const struct metric *, const struct weir_snapshot *s)
{
    if (s->tsc_hz)
        sample_real(v, (double)s->running_tsc / (double)s->tsc_hz);
}

static double started;

static __attribute__((constructor)) void start(void)
{
    started = (double)weir_clock_ns(CLOCK_REALTIME) * 1e-9;
}

static void read_process_start(struct visit *v, const struct metric *, const struct weir_snapshot *)
{
    sample_real(v, started);
}

static void read_process_memory(struct visit *v, const struct metric *, const struct weir_snapshot *)
{
    uint64_t pages = 0;
    FILE *proc = fopen("/proc/self/statm", "re");
    if (!proc)
        return;
    if (fscanf(proc, "%*s %" SCNu64, &pages) == 1)
        sample(v, (int64_t)(pages * (uint64_t)sysconf(_SC_PAGESIZE)));
    fclose(proc);
}

/* ---- the table ---- */

#define MEMBER(type, member) #member, offsetof(struct type, member), sizeof(((struct type *)0)->member), false
#define IF_KNOWN(type, member)                                                                               \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member), true
#define WHOLE(member) "", read_whole, MEMBER(weir_snapshot, member)
#define PORT(member) "port, kind", read_ports, MEMBER(weir_snapshot_port, member)
#define WORKER(member) "pool, worker, cpu", read_workers, MEMBER(weir_snapshot_worker, member)
#define STAGE_LABELS "pool, stage, position, worker"
#define STAGE(member) STAGE_LABELS, read_stages, MEMBER(weir_snapshot_stage, member)
#define RING(member) "from, from_worker, to, to_worker", read_rings, MEMBER(weir_snapshot_ring, member)
/* Read by a function of its own. */
#define OWN(labels, read) labels, read, NULL, 0, 0, false
#define COUNTER "counter"
#define GAUGE "gauge"
#define HISTOGRAM "histogram"

/* clang-format off */
static const struct metric metrics[] = {
    {"weir_build_info", GAUGE, OWN("version, pipeline", read_build), "Always 1; the labels say what runs."},
    {"weir_running_seconds", GAUGE, OWN("", read_running),
        "Since the pipeline started, up to the signal to drain."},
    {"weir_tsc_hz", GAUGE, WHOLE(tsc_hz), "TSC cycles per second: the unit of all cycle counters."},

    {"weir_workers", GAUGE, OWN("pool, state", read_worker_states), "Workers by state."},
    {"weir_worker_steps_total", COUNTER, WORKER(steps), "Turns of the polling loop."},
    {"weir_worker_busy_cycles_total", COUNTER, WORKER(busy_tsc), "TSC cycles in steps that moved packets."},
    {"weir_worker_idle_cycles_total", COUNTER, WORKER(idle_tsc),
        "TSC cycles in steps that found nothing to do."},
    {"weir_worker_blocked_cycles_total", COUNTER, WORKER(blocked_tsc),
        "TSC cycles spent waiting on a full inbox downstream."},
    {"weir_worker_parked_cycles_total", COUNTER, WORKER(parked_tsc),
        "TSC cycles asleep, until something came."},
    {"weir_worker_lost_cycles_total", COUNTER, WORKER(lost_tsc),
        "TSC cycles in which it did not run, though it would have: the kernel, an interrupt or the hypervisor had its CPU, "
        "or a stage hung. In none of the above."},
    {"weir_worker_gaps_total", COUNTER, WORKER(gaps), "Times that it lost more than 20 us."},
    {"weir_worker_longest_gap_cycles", GAUGE, WORKER(longest_gap_tsc), "The longest of these, in TSC cycles."},
    {"weir_worker_parks_total", COUNTER, WORKER(parks), "Times that the worker went to sleep."},
    {"weir_worker_shards", GAUGE, WORKER(shards), "Shards that the worker owns; 0 in pools without shards."},
    {"weir_worker_stash_high_water", GAUGE, WORKER(stash_high_water),
        "Packets of shards on their way to the worker that it kept until they were its, the most ever."},
    {"weir_worker_received_packets_total", COUNTER, WORKER(received), "Packets taken from ports or rings."},
    {"weir_worker_captured_packets_total", COUNTER, WORKER(tapped), "Packets copied for `weir ctl capture`."},
    {"weir_worker_capture_lost_packets_total", COUNTER, WORKER(untapped),
        "Packets not copied, because the reader of the capture is slow; the pipeline lost none of them."},
    {"weir_worker_held_packets", GAUGE, WORKER(held), "Packets in hand or waiting for a full ring."},
    {"weir_worker_descheduled", GAUGE, WORKER(off_cpu),
        "1 = no progress, because the kernel gives its CPU to something else."},
    {"weir_worker_stuck", GAUGE, WORKER(stuck),
        "1 = no progress although there should be; the log has more."},

    {"weir_stage_packets_in_total", COUNTER, STAGE(in), "Packets that entered the stage."},
    {"weir_stage_packets_out_total", COUNTER, STAGE(out),
        "Packets that left it alive, or reached their end in it."},
    {"weir_stage_timed_packets_total", COUNTER, STAGE(timed),
        "Packets of those batches, one in 64, that were timed on their way through the stage."},
    {"weir_stage_timed_cycles_total", COUNTER, STAGE(timed_tsc),
        "TSC cycles that the stage took for them: divided by the packets, what one costs."},
    {"weir_stage_dropped_total", COUNTER, OWN(STAGE_LABELS ", reason", read_stage_drops),
        "Packets that the stage dropped, by reason."},

    {"weir_ring_depth", GAUGE, RING(depth), "Packets waiting in the ring."},
    {"weir_ring_capacity", GAUGE, RING(capacity), "Packets the ring can hold."},
    {"weir_ring_high_water", GAUGE, RING(high_water), "The deepest that its producer has seen it."},
    {"weir_ring_pushed_packets_total", COUNTER, RING(pushed), "Packets that entered the ring."},
    {"weir_ring_refused_packets_total", COUNTER, RING(refused),
        "Packets dropped because the ring was full (on-full: drop)."},

    {"weir_port_up", GAUGE, PORT(up), "1 while the port's link is up; 0 while it is down or its device is gone."},
    {"weir_port_reopened_total", COUNTER, PORT(reopened), "Times that the port's device was gone and came back."},
    {"weir_port_queues", GAUGE, PORT(queues), "Receive queues of the port that are polled."},
    {"weir_port_received_packets_total", COUNTER, PORT(received),
        "Packets that the port handed to the pipeline."},
    {"weir_port_received_bytes_total", COUNTER, PORT(received_bytes), "Their layer-2 bytes without the FCS."},
    {"weir_port_sent_packets_total", COUNTER, PORT(sent), "Packets accepted for transmit, less the errors."},
    {"weir_port_sent_bytes_total", COUNTER, PORT(sent_bytes),
        "Layer-2 bytes without the FCS of all packets accepted for transmit, errors included."},
    {"weir_port_tx_errors_total", COUNTER, PORT(tx_errors), "Packets that the driver took and did not send."},
    {"weir_port_missed_packets_total", COUNTER, "port, kind", read_ports,
        IF_KNOWN(weir_snapshot_port, missed),
        "Packets lost before receive; absent where the driver cannot say."},
    {"weir_port_offered_packets_total", COUNTER, "port, kind", read_ports,
        IF_KNOWN(weir_snapshot_port, offered),
        "Packets that a generator's schedule called for; absent for other ports."},
    {"weir_port_late_p50_seconds", GAUGE, "port, kind", read_ports, IF_KNOWN(weir_snapshot_port, late_p50_ns),
        "How late packets of a generator with a rate were received, by its schedule: the jitter of its pacing."},
    {"weir_port_late_p99_seconds", GAUGE, "port, kind", read_ports, IF_KNOWN(weir_snapshot_port, late_p99_ns),
        "Likewise: one in a hundred was later."},
    {"weir_port_late_max_seconds", GAUGE, "port, kind", read_ports, IF_KNOWN(weir_snapshot_port, late_max_ns),
        "Likewise: the latest."},

    {"weir_latency_seconds", HISTOGRAM, OWN("pool, le", read_latencies),
        "From a packet's arrival to its end in the pool, of those that `probe-every` chose."},
    {"weir_inbox_wait_seconds", HISTOGRAM, OWN("pool, le", read_latencies),
        "How long they waited in the pool's inbox, with `probe-at: hops`."},

    {"weir_dropped_packets_total", COUNTER, OWN("reason", read_drops),
        "All drops of the pipeline, by reason."},
    {"weir_ledger_accepted_packets_total", COUNTER, WHOLE(ledger.accepted),
        "Packets that entered through any port."},
    {"weir_ledger_copied_packets_total", COUNTER, WHOLE(ledger.copied), "Packets that a tee made."},
    {"weir_ledger_sent_packets_total", COUNTER, WHOLE(ledger.sent), "Packets transmitted without error."},
    {"weir_ledger_consumed_packets_total", COUNTER, WHOLE(ledger.consumed), "Packets that ended in a stage that keeps them: sink, write."},
    {"weir_ledger_dropped_packets_total", COUNTER, WHOLE(ledger.dropped), "Packets dropped for any reason."},
    {"weir_ledger_held_packets", GAUGE, WHOLE(ledger.held),
        "Packets in rings, remainders and hands: counted, not inferred."},
    {"weir_ledger_abandoned_packets", GAUGE, WHOLE(ledger.abandoned), "Packets left with a stuck worker."},
    {"weir_ledger_lost_packets", GAUGE, WHOLE(ledger.lost),
        "Accepted or copied, not accounted for; negative = counted twice. While packets move, only a "
        "value that stays means something: the counters are read one after the other."},
    {"weir_ledger_leaked_mbufs", GAUGE, "", read_whole, IF_KNOWN(weir_snapshot, ledger.leaked),
        "Packet buffers that did not come home; absent before the end."},
    {"weir_ledger_kept_mbufs", GAUGE, WHOLE(ledger.kept), "Packet buffers kept by drivers."},
    {"weir_mempool_mbufs", GAUGE, OWN("state", read_mempool),
        "Packet buffers: the pool's size, and those free now."},

    {"process_start_time_seconds", GAUGE, OWN("", read_process_start),
        "When the process started, in seconds since 1970-01-01 UTC."},
    {"process_resident_memory_bytes", GAUGE, OWN("", read_process_memory),
        "Memory of the process that is in RAM."},
};
/* clang-format on */
#define N_METRICS (sizeof(metrics) / sizeof(metrics[0]))

/* ---- what stages count: weir_<stage>_<counter> ---- */

/* The few stage counters that also go down. */
static const char *const stage_gauges[][2] = {{"meter", "flows"}, {"sink", "missing"}};

static const char *stage_counter(char *name, size_t size, const char *stage, const char *counter)
{
    const char *type = COUNTER;
    for (size_t i = 0; i < sizeof(stage_gauges) / sizeof(stage_gauges[0]); i++)
        if (strcmp(stage_gauges[i][0], stage) == 0 && strcmp(stage_gauges[i][1], counter) == 0)
            type = GAUGE;
    snprintf(name, size, "weir_%s_%s%s", stage, counter, strcmp(type, COUNTER) == 0 ? "_total" : "");
    for (char *c = name; *c; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c))
            *c = '_';
    return type;
}

/* From `i` on. */
static const struct weir_named_count *find_count(
    const struct weir_snapshot_stage *g, const char *name, uint32_t i)
{
    for (; i < g->n_counts; i++)
        if (strcmp(g->counts[i].name, name) == 0)
            return &g->counts[i];
    return NULL;
}

/* Samples of one metric must stand together, so each name is visited where it is met first. */
static void visit_stage_counter(struct visit *v, const struct weir_snapshot *s, uint32_t first, uint32_t i)
{
    const char *stage = s->stages[first].stage, *counter = s->stages[first].counts[i].name;
    const char *help = s->stages[first].counts[i].help;
    for (uint32_t k = 0; k < first; k++)
        if (strcmp(s->stages[k].stage, stage) == 0 && find_count(&s->stages[k], counter, 0))
            return;
    if (find_count(&s->stages[first], counter, 0) != &s->stages[first].counts[i])
        return;
    char name[128];
    const char *type = stage_counter(name, sizeof(name), stage, counter);
    v->sample = (struct weir_sample){
        .name = name, .type = type, .help = help ? help : counter, .suffix = "", .first = true};
    for (uint32_t k = first; k < s->n_stages; k++) {
        const struct weir_snapshot_stage *g = &s->stages[k];
        const struct weir_named_count *count =
            strcmp(g->stage, stage) == 0 ? find_count(g, counter, 0) : NULL;
        for (; count; count = find_count(g, counter, (uint32_t)(count - g->counts) + 1)) {
            label_stage(v, g);
            if (count->of)
                label(v, "class", count->of);
            sample(v, (int64_t)count->value);
        }
    }
}

void weir_registry_visit(const struct weir_snapshot *s, weir_sample_visitor *visitor, void *argument)
{
    struct visit v = {.visitor = visitor, .argument = argument};
    for (const struct metric *m = metrics; m < metrics + N_METRICS; m++) {
        v.sample = (struct weir_sample){
            .name = m->name, .type = m->type, .help = m->help, .suffix = "", .first = true};
        m->read(&v, m, s);
    }
    for (uint32_t g = 0; g < s->n_stages; g++)
        for (uint32_t i = 0; i < s->stages[g].n_counts; i++)
            visit_stage_counter(&v, s, g, i);
}

void weir_registry_members(enum weir_registry_part part, const void *item, json_t *to)
{
    static void (*const readers[])(struct visit *, const struct metric *, const struct weir_snapshot *) = {
        [WEIR_REGISTRY_PORT] = read_ports, [WEIR_REGISTRY_WORKER] = read_workers};
    for (const struct metric *m = metrics; m < metrics + N_METRICS; m++)
        if (m->read == readers[part])
            json_object_set_new(to, m->key,
                left_out(m, item)         ? json_null()
                : m->size == sizeof(bool) ? json_boolean(read_member(m, item))
                                          : json_integer(read_member(m, item)));
}

static void document_counters(FILE *to, const char *stage, const char *const *counters)
{
    for (const char *const *c = counters; c && *c; c += 2) {
        char name[128];
        const char *type = stage_counter(name, sizeof(name), stage, c[0]);
        fprintf(to, "| `%s` | %s | %s |\n", name, type, c[1]);
    }
}

void weir_registry_document(FILE *to)
{
    fputs("# Metrics\n\n"
          "<!-- Written by weir_registry_document() from the table in monitor/registry.c: edit that. -->\n\n"
          "`GET /metrics` on the address that weir prints at start (`listen:` in the configuration) answers "
          "in the\n"
          "Prometheus text format. Packets are counted by the worker that handles them, and reading stops "
          "nobody.\n"
          "What a driver cannot say is left out, never shown as 0.\n\n"
          "| Name | Type | Labels | Meaning |\n|---|---|---|---|\n",
        to);
    for (const struct metric *m = metrics; m < metrics + N_METRICS; m++)
        fprintf(to, "| `%s` | %s | %s | %s |\n", m->name, m->type, m->labels, m->help);
    fputs("\n## What stages count\n\nLabels: " STAGE_LABELS ".\n\n"
          "| Name | Type | Meaning |\n|---|---|---|\n",
        to);
    for (const struct weir_stage_def *const *stage = weir_stage_list; *stage; stage++)
        document_counters(to, (*stage)->name, (*stage)->counters);
    fputs("\n## What stages count of each class\n\nLabels: " STAGE_LABELS ", class.\n\n"
          "| Name | Type | Meaning |\n|---|---|---|\n",
        to);
    for (const struct weir_stage_def *const *stage = weir_stage_list; *stage; stage++)
        document_counters(to, (*stage)->name, (*stage)->class_counters);
    fputs("\n## Why packets are dropped\n\nValues of the label `reason`.\n\n| Where | Reasons |\n|---|---|\n",
        to);
    for (const struct weir_stage_def *const *stage = weir_stage_list; *stage; stage++) {
        const char *const *reason = (*stage)->reasons;
        if (!reason || !*reason)
            continue;
        fprintf(to, "| stage `%s` | `%s`", (*stage)->name, *reason);
        while (*++reason)
            fprintf(to, ", `%s`", *reason);
        fputs(" |\n", to);
    }
    fputs("| an inbox with `on-full: drop` | `inbox_full` |\n| a port's driver | `port_tx_error` |\n"
          "| the end of `drain-timeout` | `drain_deadline` |\n",
        to);
}
