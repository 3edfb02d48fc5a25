/* SPDX-License-Identifier: BSD-3-Clause */
/* The snapshot becomes one JSON tree, and the text prints its tables from it: the two cannot disagree. */
#include "monitor/certificate.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <sysexits.h>

#include "monitor/progress.h"
#include "monitor/registry.h"
#include "monitor/workers.h"

#define WRAP_COLUMN 96

/* ---- what the numbers mean ---- */

static uint64_t at_deadline(const struct weir_snapshot *s)
{
    return weir_named_value(s->drops, s->n_drops, "drain_deadline");
}

static uint64_t left_well(const struct weir_snapshot *s)
{
    return s->ledger.sent + s->ledger.consumed;
}

static bool was_cut_short(const struct weir_snapshot *s)
{
    bool left_behind = s->ledger.final && s->ledger.leaked < 0; /* a worker, even if it held nothing */
    return s->ledger.abandoned > 0 || left_behind || at_deadline(s) > 0;
}

int weir_certificate_exit_code(const struct weir_snapshot *s)
{
    bool contradicts = s->ledger.final && s->contradiction != NULL;
    if (s->ledger.lost != 0 || s->ledger.leaked > 0 || contradicts || s->reordered > 0 || s->duplicated > 0)
        return EX_SOFTWARE;
    return was_cut_short(s) ? EX_TEMPFAIL : s->failure != NULL ? EX_OSERR : 0;
}

static double running_seconds(const struct weir_snapshot *s)
{
    return s->tsc_hz ? (double)s->running_tsc / (double)s->tsc_hz : 0;
}

static double per_second(const struct weir_snapshot *s, uint64_t packets)
{
    return s->running_tsc ? (double)packets / running_seconds(s) : 0;
}

/* Of all workers, idle and blocked cycles included; 0 = nothing left, so there is no such number. */
static double cycles_per_packet(const struct weir_snapshot *s)
{
    return left_well(s) ? (double)s->n_workers * (double)s->running_tsc / (double)left_well(s) : 0;
}

/* ---- numbers as text ---- */

/* 81 234 567 */
static char *grouped(char text[32], int64_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%" PRIi64, value), at = 0;
    for (int i = 0; i < n; i++) {
        if (i && digits[i - 1] != '-' && (n - i) % 3 == 0)
            text[at++] = ' ';
        text[at++] = digits[i];
    }
    text[at] = 0;
    return text;
}
#define GROUPED(value) grouped((char[32]){0}, (int64_t)(value))
#define RATE(per_s) weir_rate_text((char[32]){0}, 32, per_s, "pps")

static char *duration(char text[48], uint64_t ns)
{
    if (ns < 1000000)
        snprintf(text, 48, "%" PRIu64 " us", ns / 1000);
    else if (ns < 10000000000)
        snprintf(text, 48, "%s ms", GROUPED(ns / 1000000));
    else
        snprintf(text, 48, "%.1f s", (double)ns * 1e-9);
    return text;
}

/* ---- trouble, in plain words ---- */

__attribute__((format(printf, 3, 4))) static void tell(json_t *list, bool happened, const char *format, ...)
{
    char text[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (happened)
        json_array_append_new(list, json_string(text));
}

static json_t *trouble_tree(const struct weir_snapshot *s)
{
    const struct weir_ledger *l = &s->ledger;
    json_t *list = json_array();
    tell(list, s->contradiction != NULL, "the books do not balance: %s", s->contradiction);
    for (const struct weir_snapshot_port *p = s->ports; p < s->ports + s->n_ports; p++)
        tell(list, p->note != NULL, "port %s: %s", p->name, p->note);
    tell(list, s->failure != NULL, "%s", s->failure);
    tell(list, l->lost > 0, "lost %s: accepted or copied, but neither sent, dropped nor held",
        GROUPED(l->lost));
    tell(list, l->lost < 0, "counted twice: %s; more packets were sent, dropped or held than were accepted",
        GROUPED(-l->lost));
    tell(list, l->leaked > 0, "leaked %s mbufs: neither back in the pool nor kept by a driver",
        GROUPED(l->leaked));
    tell(list, s->reordered > 0, "reordered %s: came after a later packet of their flow",
        GROUPED(s->reordered));
    tell(list, s->duplicated > 0, "duplicated %s: came more than once", GROUPED(s->duplicated));
    tell(list, s->first_violation, "first violation: %s", s->first_violation ? s->first_violation : "");
    tell(list, at_deadline(s) > 0,
        s->deadline_passed ? "dropped %s at the drain deadline: a longer drain-timeout, or a faster last "
                             "stage, lets them out"
                           : "dropped %s because a second signal cut the drain short",
        GROUPED(at_deadline(s)));
    tell(list, l->abandoned > 0, "abandoned %s: held by a worker that did not end; not touched",
        GROUPED(l->abandoned));
    for (const struct weir_snapshot_worker *w = s->workers; w < s->workers + s->n_workers; w++)
        tell(list, w->stuck, "worker %s.%u on cpu %u is stuck", w->pool, w->index, w->cpu);
    return list;
}

/* ---- the tree ---- */

static json_t *known(uint64_t value)
{
    return value == WEIR_SNAPSHOT_UNKNOWN ? json_null() : json_integer((json_int_t)value);
}

static void add(json_t *sums, const char *key, uint64_t value)
{
    json_int_t before = json_integer_value(json_object_get(sums, key));
    json_object_set_new(sums, key, json_integer(before + (json_int_t)value));
}

static void add_counts(json_t *sums, const struct weir_named_count *counts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!counts[i].of)
            add(sums, counts[i].name, counts[i].value);
}

/* {class: {counter: value}} */
static void add_class_counts(json_t *classes, const struct weir_named_count *counts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!counts[i].of)
            continue;
        if (!json_object_get(classes, counts[i].of))
            json_object_set_new(classes, counts[i].of, json_object());
        add(json_object_get(classes, counts[i].of), counts[i].name, counts[i].value);
    }
}

static json_t *port_tree(const struct weir_snapshot *s)
{
    json_t *list = json_array();
    for (const struct weir_snapshot_port *p = s->ports; p < s->ports + s->n_ports; p++) {
        json_t *port =
            json_pack("{s:s, s:s, s:s}", "name", p->name, "kind", p->kind, "condition", p->condition);
        weir_registry_members(WEIR_REGISTRY_PORT, p, port);
        json_array_append_new(list, port);
    }
    return list;
}

/* The workers of a stage together: their rows stand one after the other. */
static json_t *stage_tree(const struct weir_snapshot *s)
{
    json_t *list = json_array(), *sums = NULL;
    for (const struct weir_snapshot_stage *g = s->stages; g < s->stages + s->n_stages; g++) {
        if (g == s->stages || g->position != g[-1].position || strcmp(g->pool, g[-1].pool) != 0) {
            sums = json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:{}, s:{}, s:{}}", "pool", g->pool, "stage",
                g->stage, "position", g->position, "workers", 0, "in", (json_int_t)0, "out", (json_int_t)0,
                "drops", "counters", "classes");
            json_array_append_new(list, sums);
        }
        add(sums, "workers", 1);
        add(sums, "in", g->in);
        add(sums, "out", g->out);
        add_counts(json_object_get(sums, "drops"), g->drops, g->n_drops);
        add_counts(json_object_get(sums, "counters"), g->counts, g->n_counts);
        add_class_counts(json_object_get(sums, "classes"), g->counts, g->n_counts);
    }
    return list;
}

/* All rings between two pools together; `deepest` and `capacity` are those of one ring. */
static json_t *ring_tree(const struct weir_snapshot *s)
{
    json_t *list = json_array(), *sums = NULL;
    size_t i;
    for (const struct weir_snapshot_ring *r = s->rings; r < s->rings + s->n_rings; r++) {
        json_array_foreach(list, i, sums)
        {
            if (strcmp(json_string_value(json_object_get(sums, "from")), r->from) == 0 &&
                strcmp(json_string_value(json_object_get(sums, "to")), r->to) == 0)
                break;
        }
        if (i == json_array_size(list)) {
            sums = json_pack("{s:s, s:s, s:i}", "from", r->from, "to", r->to, "capacity", r->capacity);
            json_array_append_new(list, sums);
        }
        add(sums, "rings", 1);
        add(sums, "pushed", r->pushed);
        add(sums, "refused", r->refused);
        add(sums, "depth", r->depth);
        if (r->high_water >= json_integer_value(json_object_get(sums, "high_water")))
            json_object_set_new(sums, "high_water", json_integer(r->high_water));
    }
    return list;
}

static json_t *latency_tree(const struct weir_snapshot *s, bool hop)
{
    json_t *list = json_array();
    for (const struct weir_snapshot_latency *l = s->latencies; l < s->latencies + s->n_latencies; l++) {
        if (l->hop != hop)
            continue;
        json_t *row = json_pack("{s:s, s:I, s:I, s:I}", "pool", l->pool, "count", l->of.count, "mean_ns",
            (json_int_t)(l->of.sum_ns / (double)l->of.count), "max_ns", l->of.max_ns);
        for (uint32_t i = 0; i < WEIR_QUANTILES; i++)
            json_object_set_new(row, weir_quantiles[i].name, json_integer((json_int_t)l->of.quantiles_ns[i]));
        json_array_append_new(list, row);
    }
    return list;
}

json_t *weir_certificate_tree(const struct weir_snapshot *s)
{
    const struct weir_ledger *l = &s->ledger;
    json_t *root = json_pack("{s:s?, s:s, s:i, s:s?, s:b, s:b, s:o, s:o, s:f, s:I, s:I}", "name", s->name,
        "version", WEIR_VERSION, "exit_code", weir_certificate_exit_code(s), "why_stopped", s->why_stopped,
        "final", l->final, "deadline_passed", s->deadline_passed, "held_at_signal", known(s->held_at_signal),
        "drain_ns", known(s->drain_ns), "running_seconds", running_seconds(s), "running_tsc", s->running_tsc,
        "tsc_hz", s->tsc_hz);
    json_t *drops = json_object();
    add_counts(drops, s->drops, s->n_drops);
    json_object_update_new(
        root, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:o, s:I, s:I, s:I}", "accepted",
                  l->accepted, "copied", l->copied, "sent", left_well(s), "transmitted", l->sent, "consumed",
                  l->consumed, "dropped", l->dropped, "drops", drops, "held", l->held, "abandoned",
                  l->abandoned, "lost", l->lost, "leaked", known((uint64_t)l->leaked), "kept", l->kept,
                  "mempool_size", s->mempool_size, "mempool_available", s->mempool_available));
    json_object_update_new(
        root, json_pack("{s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:s?}, s:o}",
                  "accepted_pps", per_second(s, l->accepted), "sent_pps", per_second(s, left_well(s)),
                  "cycles_per_packet", left_well(s) ? json_real(cycles_per_packet(s)) : json_null(), "ports",
                  port_tree(s), "stages", stage_tree(s), "rings", ring_tree(s), "workers",
                  weir_workers_json(s), "checker", "checked", s->checked, "unstamped", s->unstamped,
                  "missing", s->missing, "reordered", s->reordered, "duplicated", s->duplicated,
                  "first_violation", s->first_violation, "trouble", trouble_tree(s)));
    json_object_update_new(
        root, json_pack("{s:o, s:o}", "latency", latency_tree(s, false), "hops", latency_tree(s, true)));
    return root;
}

int weir_certificate_json(const struct weir_snapshot *s, FILE *to)
{
    json_t *root = weir_certificate_tree(s);
    if (!root)
        return -ENOMEM;
    int failed = json_dumpf(root, to, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(root);
    fputc('\n', to);
    return ferror(to) ? -EIO : failed ? -ENOMEM : 0;
}

/* ---- the text ---- */

struct column {
    const char *heading, *key;
};

static const char *cell(char text[32], const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_real(value))
        snprintf(text, 32, "%.1f %%", json_real_value(value));
    else
        snprintf(text, 32, "%s", json_is_integer(value) ? GROUPED(json_integer_value(value)) : "unknown");
    return text;
}

/* Names and values of a map, wrapped, below the row they belong to. */
static void print_counts(const char *what, json_t *counts, FILE *to)
{
    const char *name;
    json_t *value;
    int column = 0;
    json_object_foreach(counts, name, value)
    {
        if (json_integer_value(value) == 0)
            continue;
        int width = (int)(strlen(name) + strlen(GROUPED(json_integer_value(value))));
        if (column == 0 || column + width + 3 > WRAP_COLUMN)
            column = fprintf(to, "%s      %s", column ? ",\n" : "", column ? "" : what);
        else
            column += fprintf(to, ", ");
        column += fprintf(to, "%s %s", name, GROUPED(json_integer_value(value)));
    }
    fputs(column ? "\n" : "", to);
}

/* Text to the left, numbers to the right: the first row decides. */
static void print_table(const json_t *rows, const struct column *columns, FILE *to)
{
    json_t *row;
    size_t i;
    char text[32];
    const char *name;
    json_t *counts;
    for (size_t line = 0; json_array_size(rows) && line <= json_array_size(rows); line++) {
        const json_t *here = line ? json_array_get(rows, line - 1) : NULL;
        int spaces = 2;
        fputs(line ? "" : "\n", to);
        for (const struct column *c = columns; c->key; c++) {
            int width = (int)strlen(c->heading);
            json_array_foreach(rows, i, row)
            {
                int wanted = (int)strlen(cell(text, row, c->key));
                width = wanted > width ? wanted : width;
            }
            const char *shown = here ? cell(text, here, c->key) : c->heading;
            int pad = width - (int)strlen(shown);
            bool right = !json_is_string(json_object_get(json_array_get(rows, 0), c->key));
            fprintf(to, "%*s%s", spaces + (right ? pad : 0), "", shown);
            spaces = 2 + (right ? 0 : pad); /* none at the end of a line */
        }
        fputc('\n', to);
        print_counts("dropped: ", json_object_get(here, "drops"), to);
        print_counts("", json_object_get(here, "counters"), to);
        json_object_foreach(json_object_get(here, "classes"), name, counts)
        {
            snprintf(text, sizeof text, "%.28s: ", name);
            print_counts(text, counts, to);
        }
    }
}

static const struct column port_columns[] = {{"port", "name"}, {"kind", "kind"}, {"link", "condition"},
    {"queues", "queues"}, {"received", "received"}, {"sent", "sent"}, {"send errors", "tx_errors"},
    {"missed", "missed"}, {NULL, NULL}};
static const struct column stage_columns[] = {
    {"pool", "pool"}, {"stage", "stage"}, {"in", "in"}, {"out", "out"}, {NULL, NULL}};
static const struct column ring_columns[] = {{"from pool", "from"}, {"to pool", "to"}, {"rings", "rings"},
    {"passed", "pushed"}, {"refused", "refused"}, {"deepest", "high_water"}, {"capacity", "capacity"},
    {NULL, NULL}};
static const struct column worker_columns[] = {{"pool", "pool"}, {"worker", "index"}, {"cpu", "cpu"},
    {"busy", "busy_percent"}, {"blocked", "blocked_percent"}, {"idle", "idle_percent"},
    {"asleep", "parked_percent"}, {"not run", "lost_percent"}, {"state", "state"}, {NULL, NULL}};

#define LATENCY_COLUMNS                                                                                      \
    {"probes", "count"}, {"mean ns", "mean_ns"}, {"p50", "p50_ns"}, {"p90", "p90_ns"}, {"p99", "p99_ns"},    \
        {"p99.9", "p99_9_ns"}, {"p99.99", "p99_99_ns"}, {"max", "max_ns"},                                   \
    {                                                                                                        \
        NULL, NULL                                                                                           \
    }
static const struct column latency_columns[] = {{"latency, until its end in", "pool"}, LATENCY_COLUMNS},
                           hop_columns[] = {{"wait, in the inbox of", "pool"}, LATENCY_COLUMNS};

static void print_headline(const struct weir_snapshot *s, FILE *to)
{
    const struct weir_ledger *l = &s->ledger;
    if (!s->why_stopped)
        fprintf(to, "running for %.1f s", running_seconds(s));
    else if (s->drain_ns == WEIR_SNAPSHOT_UNKNOWN)
        fputs("ended", to);
    else
        fprintf(to, "%s in %s", was_cut_short(s) ? "not drained" : "drained",
            duration((char[48]){0}, s->drain_ns));
    fprintf(to, ": accepted %s", GROUPED(l->accepted));
    if (l->copied)
        fprintf(to, ", copied %s", GROUPED(l->copied));
    fprintf(to, ", sent %s, dropped %s", GROUPED(left_well(s)), GROUPED(l->dropped));
    const char *separator = " (";
    for (uint32_t i = 0; i < s->n_drops; i++) {
        if (s->drops[i].value) {
            fprintf(to, "%s%s %s", separator, s->drops[i].name, GROUPED(s->drops[i].value));
            separator = ", ";
        }
    }
    fputs(*separator == ',' ? ")" : "", to);
    if (l->held)
        fprintf(to, ", held %s", GROUPED(l->held));
    if (l->abandoned)
        fprintf(to, ", abandoned %s", GROUPED(l->abandoned));
    fprintf(to, ", lost %s, mbufs leaked %s\n\n", GROUPED(l->lost),
        l->leaked == -1 ? "not measured" : GROUPED(l->leaked));
}

/* Offered and achieved, and how evenly. */
static void print_offer(const struct weir_snapshot *s, const struct weir_snapshot_port *p, FILE *to)
{
    fprintf(to, "  offered      %s packets by the schedule of port %s, %s", GROUPED(p->offered), p->name,
        RATE(per_second(s, p->offered)));
    if (p->offered != 0)
        fprintf(to, "; achieved %.3f %%", 100 * (double)p->received / (double)p->offered);
    fputc('\n', to);
    if (p->late_p50_ns != WEIR_SNAPSHOT_UNKNOWN)
        fprintf(to, "  jitter       p50 %.1f us, p99 %.1f us, at most %.1f us late by it\n",
            (double)p->late_p50_ns / 1e3, (double)p->late_p99_ns / 1e3, (double)p->late_max_ns / 1e3);
}

static void print_run(const struct weir_snapshot *s, FILE *to)
{
    if (s->why_stopped)
        fprintf(to, "  stopped by   %s, after %.1f s", s->why_stopped, running_seconds(s));
    if (s->why_stopped && s->held_at_signal != WEIR_SNAPSHOT_UNKNOWN)
        fprintf(to, "; held at signal: %s packets", GROUPED(s->held_at_signal));
    fputs(s->why_stopped ? "\n" : "", to);
    fprintf(to, "  sent         %s transmitted + %s consumed\n", GROUPED(s->ledger.sent),
        GROUPED(s->ledger.consumed));
    fprintf(to, "  rate         in %s, out %s", RATE(per_second(s, s->ledger.accepted)),
        RATE(per_second(s, left_well(s))));
    if (left_well(s))
        fprintf(to, "; %.0f TSC cycles a packet, all workers, idle included", cycles_per_packet(s));
    fputc('\n', to);
    for (const struct weir_snapshot_port *p = s->ports; p < s->ports + s->n_ports; p++)
        if (p->offered != WEIR_SNAPSHOT_UNKNOWN)
            print_offer(s, p, to);
    if (s->checked || s->unstamped)
        fprintf(to,
            "  order check  %s checked, %s missing, %s reordered, %s duplicated, %s without a stamp\n",
            GROUPED(s->checked), GROUPED(s->missing), GROUPED(s->reordered), GROUPED(s->duplicated),
            GROUPED(s->unstamped));
    fprintf(to, "  mbufs        %s in the pool, %s free, %s kept by drivers\n", GROUPED(s->mempool_size),
        GROUPED(s->mempool_available), GROUPED(s->ledger.kept));
}

void weir_certificate_text(const struct weir_snapshot *s, FILE *to)
{
    json_t *root = weir_certificate_tree(s), *line;
    size_t i;
    print_headline(s, to);
    print_run(s, to);
    print_table(json_object_get(root, "ports"), port_columns, to);
    print_table(json_object_get(root, "stages"), stage_columns, to);
    print_table(json_object_get(root, "rings"), ring_columns, to);
    print_table(json_object_get(root, "hops"), hop_columns, to);
    print_table(json_object_get(root, "latency"), latency_columns, to);
    print_table(json_object_get(root, "workers"), worker_columns, to);
    json_array_foreach(json_object_get(root, "trouble"), i, line)
    {
        fprintf(to, "%s  ! %s\n", i ? "" : "\n", json_string_value(line));
    }
    if (weir_certificate_exit_code(s))
        fprintf(to, "  exit code %d\n", weir_certificate_exit_code(s));
    json_decref(root);
}
