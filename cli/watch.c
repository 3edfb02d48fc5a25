/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/wall.h"
#include "monitor/progress.h"

#define RATE(per_s, unit) weir_rate_text((char[32]){0}, 32, per_s, unit)

static json_int_t number(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

static double more(const json_t *before, const json_t *now, const char *key)
{
    json_int_t n = number(now, key) - number(before, key);
    return n > 0 ? (double)n : 0;
}

static void print_line(const json_t *now)
{
    const char *line = json_string_value(json_object_get(now, "line"));
    printf("%s  lost %" PRIi64 "\n", line != NULL ? line : "since the start:", (int64_t)number(now, "lost"));
}

/* ---- tables ---- */

enum kind { TEXT, COUNT, PPS, BPS, SHARE };
struct column {
    const char *heading, *key;
    enum kind kind;
    int width; /* negative: to the left */
};
#define END                                                                                                  \
    {                                                                                                        \
        NULL, NULL, TEXT, 0                                                                                  \
    }
/* clang-format off */
static const struct column ports[] = {{"PORT", "name", TEXT, -16}, {"KIND", "kind", TEXT, -10}, {"LINK", "condition", TEXT, -5},
    {"IN", "received", PPS, 10}, {"OUT", "sent", PPS, 10}, {"IN BITS", "received_bytes", BPS, 10},
    {"OUT BITS", "sent_bytes", BPS, 10}, {"MISSED", "missed", PPS, 10}, END};
static const struct column rings[] = {{"FROM", "from", TEXT, -16}, {"TO", "to", TEXT, -16}, {"PASSED", "pushed", PPS, 10},
    {"REFUSED", "refused", PPS, 10}, {"WAITING", "depth", COUNT, 8}, {"DEEPEST", "high_water", COUNT, 8}, END};
static const struct column workers[] = {{"POOL", "pool", TEXT, -16}, {"WORKER", "index", COUNT, 6}, {"CPU", "cpu", COUNT, 4},
    {"STATE", "state", TEXT, -10}, {"SHARDS", "shards", COUNT, 6}, {"HELD", "held", COUNT, 6}, {"RECEIVED", "received", COUNT, 14},
    {"BUSY%", "busy_tsc", SHARE, 6}, {"BLOCKED%", "blocked_tsc", SHARE, 8}, {"IDLE%", "idle_tsc", SHARE, 6},
    {"PARKED%", "parked_tsc", SHARE, 7}, {"LOST%", "lost_tsc", SHARE, 6}, END};
/* clang-format on */

static void print_cell(const struct column *c, const json_t *was, const json_t *row, double seconds)
{
    static const char *const shares[] = {"busy_tsc", "blocked_tsc", "idle_tsc", "parked_tsc", "lost_tsc"};
    double all = 0;
    char cell[32] = "unknown";
    for (size_t i = 0; c->kind == SHARE && i < sizeof shares / sizeof shares[0]; i++)
        all += more(was, row, shares[i]);
    if (c->kind == TEXT)
        snprintf(cell, sizeof cell, "%s", json_string_value(json_object_get(row, c->key)));
    else if (c->kind == SHARE)
        snprintf(cell, sizeof cell, "%.1f", all > 0 ? 100 * more(was, row, c->key) / all : 0);
    else if (c->kind == COUNT)
        snprintf(cell, sizeof cell, "%" PRIi64, (int64_t)number(row, c->key));
    else if (json_is_integer(json_object_get(row, c->key)))
        weir_rate_text(cell, sizeof cell, (c->kind == BPS ? 8 : 1) * more(was, row, c->key) / seconds,
            c->kind == BPS ? "bps" : "pps");
    printf("%*s ", c->width, cell);
}

/* The parts of a list stand where they stood in the one before. */
static void print_rows(const json_t *before, const json_t *now, double seconds, const struct column *columns)
{
    size_t i;
    json_t *row;
    for (const struct column *c = columns; c->key != NULL && json_array_size(now) > 0; c++)
        printf("%*s%s", c->width, c->heading, c[1].key != NULL ? " " : "\n");
    json_array_foreach(now, i, row)
    {
        for (const struct column *c = columns; c->key != NULL; c++)
            print_cell(c, json_array_get(before, i), row, seconds);
        puts("");
    }
}

void weir_watch_workers(json_t *list)
{
    print_rows(NULL, list, 1, workers);
}

void weir_watch_table(const json_t *before, const json_t *now, double seconds)
{
    static const struct {
        const char *list;
        const struct column *columns;
    } tables[] = {{"ports", ports}, {"rings", rings}, {"workers", workers}};
    print_line(now);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        puts("");
        print_rows(json_object_get(before, tables[i].list), json_object_get(now, tables[i].list), seconds,
            tables[i].columns);
    }
}

/* ---- the stream ---- */

static void show(struct weir_watch *w, const char *event)
{
    json_t *now = json_loads(event, 0, NULL);
    double at = (double)weir_clock_ns(CLOCK_MONOTONIC) * 1e-9;
    double seconds =
        w->before != NULL ? at - w->before_s : json_real_value(json_object_get(now, "running_seconds"));
    w->events += now != NULL;
    if (w->json) {
        fputs(event, stdout);
    } else if (now != NULL && isatty(STDOUT_FILENO)) {
        fputs("\033[H\033[J", stdout);
        weir_watch_table(w->before, now, seconds > 0 ? seconds : 1);
    } else if (now != NULL) {
        print_line(now);
    }
    fflush(stdout);
    json_decref(w->before);
    w->before = now;
    w->before_s = at;
}

static void take_line(struct weir_watch *w)
{
    static const char data[] = "data: ";
    w->line[w->n] = '\0';
    if (strncmp(w->line, data, sizeof data - 1) == 0)
        show(w, w->line + sizeof data - 1);
    else if (*w->line != ':' && *w->line != '\n')
        fputs(w->line, w->rest);
    w->n = 0;
}

size_t weir_watch_take(char *bytes, size_t one, size_t n, void *watch)
{
    struct weir_watch *w = watch;
    char *more_room = realloc(w->line, w->n + n + 1);
    if (more_room == NULL)
        return 0;
    w->line = more_room;
    for (size_t i = 0; i < one * n; i++) {
        w->line[w->n++] = bytes[i];
        if (bytes[i] == '\n')
            take_line(w);
    }
    return ferror(stdout) ? 0 : one * n;
}

void weir_watch_end(struct weir_watch *w)
{
    json_decref(w->before);
    free(w->line);
}
