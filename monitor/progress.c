/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/workers.h"

/* Shares below this are noise, not worth a word. */
#define BLOCKED_SHOWN 0.005

char *weir_rate_text(char *text, size_t size, double per_s, const char *unit)
{
    static const char *const scales[] = {"", "k", "M", "G", "T"};
    size_t scale = 0;
    /* 999.5 would be printed as 1e+03. */
    for (; per_s >= 999.5 && scale + 1 < sizeof(scales) / sizeof(scales[0]); scale++)
        per_s /= 1000;
    snprintf(text, size, "%.3g %s%s", per_s, scales[scale], unit);
    return text;
}
#define RATE(per_s, unit) weir_rate_text((char[32]){0}, 32, per_s, unit)

static uint64_t received_bytes(const struct weir_snapshot *s)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; s && i < s->n_ports; i++)
        sum += s->ports[i].received_bytes;
    return sum;
}

static void add_drops(
    FILE *to, const struct weir_snapshot *before, const struct weir_snapshot *now, double seconds)
{
    const char *separator = "  drop ";
    for (uint32_t i = 0; i < now->n_drops; i++) {
        double packets = weir_since(now->drops[i].value,
            before == NULL ? 0 : weir_named_value(before->drops, before->n_drops, now->drops[i].name));
        if (packets > 0) {
            fprintf(to, "%s%s %s", separator, RATE(packets / seconds, "pps"), now->drops[i].name);
            separator = ", ";
        }
    }
}

static void add_fullest_ring(FILE *to, const struct weir_snapshot *now)
{
    const struct weir_snapshot_ring *fullest = NULL;
    for (const struct weir_snapshot_ring *r = now->rings; r < now->rings + now->n_rings; r++)
        if (!fullest || (uint64_t)r->depth * fullest->capacity > (uint64_t)fullest->depth * r->capacity)
            fullest = r;
    if (fullest)
        fprintf(to, "  ring %s>%s %u/%u", fullest->from, fullest->to, fullest->depth, fullest->capacity);
}

/* `busy ingress 98 %, work 43 41 %`: one number a worker, grouped by pool. */
static void add_busy(FILE *to, const struct weir_snapshot *before, const struct weir_snapshot *now)
{
    const char *pool = "";
    for (uint32_t i = 0; i < now->n_workers; i++) {
        if (strcmp(now->workers[i].pool, pool) != 0)
            fprintf(to, "%s%s", i ? " %, " : "  busy ", now->workers[i].pool);
        pool = now->workers[i].pool;
        fprintf(to, " %.0f", 100 * weir_worker_shares(before, now, i).busy);
    }
    fputs(now->n_workers ? " %" : "", to);
}

static void add_blocked(FILE *to, const struct weir_snapshot *before, const struct weir_snapshot *now)
{
    const char *separator = "  blocked ";
    for (uint32_t i = 0; i < now->n_workers; i++) {
        double share = weir_worker_shares(before, now, i).blocked;
        if (share >= BLOCKED_SHOWN) {
            fprintf(
                to, "%s%s.%u %.0f %%", separator, now->workers[i].pool, now->workers[i].index, 100 * share);
            separator = ", ";
        }
    }
}

size_t weir_progress_line(const struct weir_snapshot *before, const struct weir_snapshot *now, char *text,
    size_t size, size_t columns)
{
    char *line = NULL;
    size_t length = 0;
    FILE *to = size == 0 ? NULL : open_memstream(&line, &length);
    if (to == NULL)
        return 0;
    double hz = now->tsc_hz ? (double)now->tsc_hz : 1;
    double seconds =
        weir_since(now->now_tsc, before ? before->now_tsc : now->now_tsc - now->running_tsc) / hz;
    if (seconds <= 0)
        seconds = 1 / hz;
    const struct weir_ledger *at = &now->ledger, none = {0}, *was = before ? &before->ledger : &none;

    fprintf(to, "%.1f s%s", (double)now->running_tsc / hz, now->why_stopped ? " draining" : "");
    fprintf(to, "  in %s %s", RATE(weir_since(at->accepted, was->accepted) / seconds, "pps"),
        RATE(8 * weir_since(received_bytes(now), received_bytes(before)) / seconds, "bps"));
    fprintf(to, "  out %s",
        RATE(weir_since(at->sent + at->consumed, was->sent + was->consumed) / seconds, "pps"));
    add_drops(to, before, now, seconds);
    add_fullest_ring(to, now);
    add_busy(to, before, now);
    add_blocked(to, before, now);
    fclose(to);
    snprintf(text, columns && columns + 1 < size ? columns + 1 : size, "%s", line);
    free(line);
    return strlen(text);
}
