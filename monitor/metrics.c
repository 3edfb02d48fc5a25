/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/stage.h"

struct metric {
    const char *name;
    const char *type;
    const char *labels; /* as the document shows them */
    void (*write)(FILE *, const struct metric *, const struct weir_snapshot *);
    size_t offset, size; /* of the member that `write` shows, where it shows one */
    bool optional;       /* WEIR_SNAPSHOT_UNKNOWN (or -1) means: leave it out */
    const char *help;
};

/* ---- samples ---- */

static void write_escaped(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", to);
        else
            fprintf(to, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
}

static void write_label(FILE *to, char before, const char *name, const char *value)
{
    fprintf(to, "%c%s=\"", before, name);
    write_escaped(to, value);
    fputc('"', to);
}

static void write_header(FILE *to, const char *name, const char *type, const char *help)
{
    fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
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

static void write_whole(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    if (!left_out(m, s))
        fprintf(to, "%s %" PRIi64 "\n", m->name, read_member(m, s));
}

static void write_ports(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_port *p = s->ports; p < s->ports + s->n_ports; p++) {
        if (left_out(m, p))
            continue;
        fputs(m->name, to);
        write_label(to, '{', "port", p->name);
        write_label(to, ',', "kind", p->kind);
        fprintf(to, "} %" PRIi64 "\n", read_member(m, p));
    }
}

static void write_workers(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_worker *w = s->workers; w < s->workers + s->n_workers; w++) {
        fputs(m->name, to);
        write_label(to, '{', "pool", w->pool);
        fprintf(to, ",worker=\"%u\",cpu=\"%u\"} %" PRIi64 "\n", w->index, w->cpu, read_member(m, w));
    }
}

/* Left open for one more label. The position tells two stages of one name apart. */
static void write_stage_labels(FILE *to, const char *name, const struct weir_snapshot_stage *g)
{
    fputs(name, to);
    write_label(to, '{', "pool", g->pool);
    write_label(to, ',', "stage", g->stage);
    fprintf(to, ",position=\"%u\",worker=\"%u\"", g->position, g->worker);
}

static void write_stages(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_stage *g = s->stages; g < s->stages + s->n_stages; g++) {
        write_stage_labels(to, m->name, g);
        fprintf(to, "} %" PRIi64 "\n", read_member(m, g));
    }
}

static void write_stage_drops(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_stage *g = s->stages; g < s->stages + s->n_stages; g++) {
        for (uint32_t i = 0; i < g->n_drops; i++) {
            write_stage_labels(to, m->name, g);
            write_label(to, ',', "reason", g->drops[i].name);
            fprintf(to, "} %" PRIu64 "\n", g->drops[i].value);
        }
    }
}

static void write_rings(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    for (const struct weir_snapshot_ring *r = s->rings; r < s->rings + s->n_rings; r++) {
        fputs(m->name, to);
        write_label(to, '{', "from", r->from);
        fprintf(to, ",from_worker=\"%u\"", r->from_worker);
        write_label(to, ',', "to", r->to);
        fprintf(to, ",to_worker=\"%u\"} %" PRIi64 "\n", r->to_worker, read_member(m, r));
    }
}

/* Every state of every pool, zero included, so that a graph has no holes. */
static void write_worker_states(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    for (uint32_t i = 0; i < s->n_workers; i++) {
        const char *pool = s->workers[i].pool;
        uint32_t n[WEIR_WORKER_STATES] = {0};
        bool seen = false;
        for (uint32_t k = 0; k < s->n_workers; k++) {
            if (strcmp(s->workers[k].pool, pool) == 0) {
                seen |= k < i;
                n[s->workers[k].state]++;
            }
        }
        for (uint32_t state = 0; state < WEIR_WORKER_STATES && !seen; state++) {
            fputs(m->name, to);
            write_label(to, '{', "pool", pool);
            write_label(to, ',', "state", weir_worker_state_names[state]);
            fprintf(to, "} %u\n", n[state]);
        }
    }
}

static void write_drops(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    for (uint32_t i = 0; i < s->n_drops; i++) {
        fputs(m->name, to);
        write_label(to, '{', "reason", s->drops[i].name);
        fprintf(to, "} %" PRIu64 "\n", s->drops[i].value);
    }
}

static void write_mempool(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    fprintf(to, "%s{state=\"size\"} %" PRIu64 "\n", m->name, s->mempool_size);
    fprintf(to, "%s{state=\"available\"} %" PRIu64 "\n", m->name, s->mempool_available);
}

static void write_build(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    fputs(m->name, to);
    write_label(to, '{', "version", WEIR_VERSION);
    write_label(to, ',', "pipeline", s->name ? s->name : "");
    fputs("} 1\n", to);
}

static void write_running(FILE *to, const struct metric *m, const struct weir_snapshot *s)
{
    if (s->tsc_hz)
        fprintf(to, "%s %.6f\n", m->name, (double)s->running_tsc / (double)s->tsc_hz);
}

static double seconds_of(clockid_t clock)
{
    struct timespec now = {0, 0};
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void write_process_start(FILE *to, const struct metric *m, const struct weir_snapshot *)
{
    /* proc(5): field 22, in ticks since boot; the name, which may hold spaces, ends with ')'. */
    char stat[1024] = "";
    FILE *proc = fopen("/proc/self/stat", "re");
    if (!proc)
        return;
    stat[fread(stat, 1, sizeof(stat) - 1, proc)] = 0;
    fclose(proc);
    const char *name_end = strrchr(stat, ')');
    uint64_t ticks = 0;
    if (name_end &&
        sscanf(name_end + 1,
            " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
            &ticks) == 1)
        fprintf(to, "%s %.2f\n", m->name,
            seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME) +
                (double)ticks / (double)sysconf(_SC_CLK_TCK));
}

static void write_process_memory(FILE *to, const struct metric *m, const struct weir_snapshot *)
{
    uint64_t pages = 0;
    FILE *proc = fopen("/proc/self/statm", "re");
    if (!proc)
        return;
    if (fscanf(proc, "%*s %" SCNu64, &pages) == 1)
        fprintf(to, "%s %" PRIu64 "\n", m->name, pages * (uint64_t)sysconf(_SC_PAGESIZE));
    fclose(proc);
}

/* ---- the table ---- */

#define MEMBER(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member), false
#define IF_KNOWN(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member), true
#define WHOLE(member) "", write_whole, MEMBER(weir_snapshot, member)
#define PORT(member) "port, kind", write_ports, MEMBER(weir_snapshot_port, member)
#define WORKER(member) "pool, worker, cpu", write_workers, MEMBER(weir_snapshot_worker, member)
#define STAGE_LABELS "pool, stage, position, worker"
#define STAGE(member) STAGE_LABELS, write_stages, MEMBER(weir_snapshot_stage, member)
#define RING(member) "from, from_worker, to, to_worker", write_rings, MEMBER(weir_snapshot_ring, member)
/* Written by a function of its own. */
#define OWN(labels, write) labels, write, 0, 0, false
#define COUNTER "counter"
#define GAUGE "gauge"

/* clang-format off */
static const struct metric metrics[] = {
    {"weir_build_info", GAUGE, OWN("version, pipeline", write_build), "Always 1; the labels say what runs."},
    {"weir_running_seconds", GAUGE, OWN("", write_running),
        "Since the pipeline started, up to the signal to drain."},
    {"weir_tsc_hz", GAUGE, WHOLE(tsc_hz), "TSC cycles per second: the unit of all cycle counters."},

    {"weir_workers", GAUGE, OWN("pool, state", write_worker_states), "Workers by state."},
    {"weir_worker_steps_total", COUNTER, WORKER(steps), "Turns of the polling loop."},
    {"weir_worker_busy_cycles_total", COUNTER, WORKER(busy_tsc), "TSC cycles in steps that moved packets."},
    {"weir_worker_idle_cycles_total", COUNTER, WORKER(idle_tsc),
        "TSC cycles in steps that found nothing to do."},
    {"weir_worker_blocked_cycles_total", COUNTER, WORKER(blocked_tsc),
        "TSC cycles spent waiting on a full inbox downstream."},
    {"weir_worker_parked_cycles_total", COUNTER, WORKER(parked_tsc),
        "TSC cycles asleep, until something came."},
    {"weir_worker_parks_total", COUNTER, WORKER(parks), "Times that the worker went to sleep."},
    {"weir_worker_shards", GAUGE, WORKER(shards), "Shards that the worker owns; 0 in pools without shards."},
    {"weir_worker_stash_high_water", GAUGE, WORKER(stash_high_water),
        "Packets of shards on their way to the worker that it kept until they were its, the most ever."},
    {"weir_worker_received_packets_total", COUNTER, WORKER(received), "Packets taken from ports or rings."},
    {"weir_worker_held_packets", GAUGE, WORKER(held), "Packets in hand or waiting for a full ring."},
    {"weir_worker_stuck", GAUGE, WORKER(stuck),
        "1 = no progress although there should be; the log has more."},

    {"weir_stage_packets_in_total", COUNTER, STAGE(in), "Packets that entered the stage."},
    {"weir_stage_packets_out_total", COUNTER, STAGE(out),
        "Packets that left it alive, or reached their end in it."},
    {"weir_stage_dropped_total", COUNTER, OWN(STAGE_LABELS ", reason", write_stage_drops),
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
    {"weir_port_missed_packets_total", COUNTER, "port, kind", write_ports,
        IF_KNOWN(weir_snapshot_port, missed),
        "Packets lost before receive; absent where the driver cannot say."},
    {"weir_port_offered_packets_total", COUNTER, "port, kind", write_ports,
        IF_KNOWN(weir_snapshot_port, offered),
        "Packets that a generator's schedule called for; absent for other ports."},

    {"weir_dropped_packets_total", COUNTER, OWN("reason", write_drops),
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
    {"weir_ledger_leaked_mbufs", GAUGE, "", write_whole, IF_KNOWN(weir_snapshot, ledger.leaked),
        "Packet buffers that did not come home; absent before the end."},
    {"weir_ledger_kept_mbufs", GAUGE, WHOLE(ledger.kept), "Packet buffers kept by drivers."},
    {"weir_mempool_mbufs", GAUGE, OWN("state", write_mempool),
        "Packet buffers: the pool's size, and those free now."},

    {"process_start_time_seconds", GAUGE, OWN("", write_process_start),
        "When the process started, in seconds since 1970-01-01 UTC."},
    {"process_resident_memory_bytes", GAUGE, OWN("", write_process_memory),
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
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", *c))
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

/* Samples of one metric must stand together, so each name is written where it is met first. */
static void write_stage_counter(FILE *to, const struct weir_snapshot *s, uint32_t first, uint32_t i)
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
    write_header(to, name, type, help ? help : counter);
    for (uint32_t k = first; k < s->n_stages; k++) {
        const struct weir_snapshot_stage *g = &s->stages[k];
        const struct weir_named_count *count =
            strcmp(g->stage, stage) == 0 ? find_count(g, counter, 0) : NULL;
        for (; count; count = find_count(g, counter, (uint32_t)(count - g->counts) + 1)) {
            write_stage_labels(to, name, g);
            if (count->of)
                write_label(to, ',', "class", count->of);
            fprintf(to, "} %" PRIu64 "\n", count->value);
        }
    }
}

void weir_metrics_text(const struct weir_snapshot *s, FILE *to)
{
    for (const struct metric *m = metrics; m < metrics + N_METRICS; m++) {
        write_header(to, m->name, m->type, m->help);
        m->write(to, m, s);
    }
    for (uint32_t g = 0; g < s->n_stages; g++)
        for (uint32_t i = 0; i < s->stages[g].n_counts; i++)
            write_stage_counter(to, s, g, i);
}

static void document_counters(FILE *to, const char *stage, const char *const *counters)
{
    for (const char *const *c = counters; c && *c; c += 2) {
        char name[128];
        const char *type = stage_counter(name, sizeof(name), stage, c[0]);
        fprintf(to, "| `%s` | %s | %s |\n", name, type, c[1]);
    }
}

void weir_metrics_document(FILE *to)
{
    fputs("# Metrics\n\n"
          "<!-- Written by weir_metrics_document() from the table in monitor/metrics.c: edit that. -->\n\n"
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
