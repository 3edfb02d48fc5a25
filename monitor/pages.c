/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/pages.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/capture.h"
#include "monitor/certificate.h"
#include "monitor/events.h"
#include "monitor/metrics.h"
#include "monitor/profile.h"
#include "monitor/stream.h"
#include "monitor/workers.h"

/* ---- what a snapshot shows ---- */

unsigned weir_page_json(json_t *json, unsigned status, FILE *to)
{
    bool fine = json && json_dumpf(json, to, JSON_COMPACT | JSON_ESCAPE_SLASH) == 0;
    if (fine)
        fputc('\n', to);
    json_decref(json);
    return fine ? status : MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* Ready: every worker comes back from its stages and receives, every port has its device and a link. */
static unsigned write_ready(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    const struct weir_http_source *from = weir_http_source_of(h);
    struct weir_snapshot *s = from->take(from->argument);
    if (!s)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    unsigned status = MHD_HTTP_OK;
    for (const struct weir_snapshot_worker *w = s->workers; w < s->workers + s->n_workers; w++) {
        if (!w->stuck && w->state == WEIR_WORKER_RUNNING)
            continue;
        fprintf(to, "worker %u of %s: %s\n", w->index, w->pool, weir_worker_shows(w));
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    for (const struct weir_snapshot_port *p = s->ports; p < s->ports + s->n_ports; p++) {
        if (p->up)
            continue;
        fprintf(to, "port %s: %s\n", p->name, p->condition);
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    if (status == MHD_HTTP_OK)
        fputs("ready\n", to);
    from->release(s);
    return status;
}

/* ---- the rest ---- */

static unsigned write_config(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    weir_http_source_of(h)->write_config(weir_http_source_of(h)->argument, to);
    return MHD_HTTP_OK;
}

static unsigned write_healthy(const struct weir_http *, struct MHD_Connection *, FILE *to)
{
    fputs("weir answers\n", to);
    return MHD_HTTP_OK;
}

static unsigned write_workers(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    const struct weir_http_source *from = weir_http_source_of(h);
    struct weir_snapshot *s = from->take(from->argument);
    json_t *all = s ? weir_workers_json(s) : NULL, *w;
    size_t i;
    json_array_foreach(all, i, w)
    {
        char text[128];
        double seconds = from->events ? weir_events_doing(from->events, (uint32_t)i, text, sizeof text) : 0;
        if (from->events)
            json_object_update_new(w, json_pack("{s:s,s:f}", "doing", text, "doing_seconds", seconds));
    }
    if (s)
        from->release(s);
    return weir_page_json(all, MHD_HTTP_OK, to);
}

static unsigned write_events(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    struct weir_events *events = weir_http_source_of(h)->events;
    if (!events)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    weir_events_text(events, to);
    return MHD_HTTP_OK;
}

static unsigned write_events_json(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    struct weir_events *events = weir_http_source_of(h)->events;
    return weir_page_json(events ? weir_events_json(events) : NULL, MHD_HTTP_OK, to);
}

/* ---- orders ---- */

#define ORDER_TIMEOUT_S 30u /* more than an order waits for the one before it and for itself */

/* A number of the query; false where there is none. */
static bool number_of(struct MHD_Connection *c, const char *key, uint32_t *number)
{
    const char *text = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, key);
    size_t digits = text ? strspn(text, "0123456789") : 0;
    *number = digits ? (uint32_t)strtoul(text, NULL, 10) : 0;
    return digits > 0 && digits < 10 && !text[digits];
}

static unsigned carry_out(const struct weir_http *h, struct MHD_Connection *c, enum weir_order_kind kind,
    bool understood, struct weir_order *o, FILE *to)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const struct weir_http_source *from = weir_http_source_of(h);
    const char *pool = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "pool");
    o->kind = kind;
    if (pool)
        snprintf(o->pool, sizeof(o->pool), "%s", pool);
    if (!pool || pool[strspn(pool, name)] || !understood)
        return weir_page_json(json_pack("{s:s}", "error", "the query lacks the name of a pool, or a number"),
            MHD_HTTP_BAD_REQUEST, to);
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, ORDER_TIMEOUT_S);
    if (!from->order(from->argument, o))
        return weir_page_json(json_pack("{s:s}", "error", o->error), MHD_HTTP_CONFLICT, to);
    return weir_page_json(json_pack("{s:i,s:i,s:I}", "moves", o->moves, "shards", o->shards, "slowest_ns",
                              (json_int_t)o->slowest_ns),
        MHD_HTTP_OK, to);
}

static unsigned order_resize(const struct weir_http *h, struct MHD_Connection *c, FILE *to)
{
    struct weir_order o = {0};
    bool understood = number_of(c, "workers", &o.number);
    return carry_out(h, c, WEIR_ORDER_RESIZE, understood, &o, to);
}

static unsigned order_move(const struct weir_http *h, struct MHD_Connection *c, FILE *to)
{
    struct weir_order o = {0};
    bool understood = number_of(c, "shard", &o.number) && number_of(c, "worker", &o.worker);
    return carry_out(h, c, WEIR_ORDER_MOVE, understood, &o, to);
}

static unsigned order_shuffle(const struct weir_http *h, struct MHD_Connection *c, FILE *to)
{
    struct weir_order o = {0};
    return carry_out(h, c, WEIR_ORDER_SHUFFLE, true, &o, to);
}

static unsigned order_drain(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    weir_http_source_of(h)->drain(weir_http_source_of(h)->argument);
    return weir_page_json(json_pack("{s:b}", "draining", 1), MHD_HTTP_OK, to);
}

static weir_page_writer write_index;

#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"
#define BYTES "application/octet-stream"

/* clang-format off */
const struct weir_page weir_pages[] = {
    {"/", TEXT, "this list", .write = write_index},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", "for Prometheus", .show = weir_metrics_text},
    {"/healthz", TEXT, "200: it answers", .write = write_healthy},
    {"/readyz", TEXT, "200: every worker works and every port is up; else 503, and which is not", .write = write_ready},
    {"/debug/vars", JSON, "every metric: name to value, or to a list with labels", .tree = weir_metrics_json},
    {"/debug/ledger", TEXT, "the books as they stand, as in the certificate", .show = weir_certificate_text},
    {"/debug/config", TEXT, "the whole configuration, and where each value comes from", .write = write_config},
    {"/debug/workers", TEXT, "what each worker does; ?stack=1: and its native stack, for which it gets a signal", .write = weir_profile_workers},
    {"/debug/events", TEXT, "the last losses: where, why, when, how many, and what the machine did", .write = write_events},
    {"/debug/mempool", TEXT, "packet buffers by who has them", .write = weir_profile_mempool},
    {"/debug/pprof/", TEXT, "this list", .write = write_index},
    {"/debug/pprof/profile", BYTES, "?seconds=30&pool=NAME: CPU time, for `go tool pprof` and `google-pprof`", .write = weir_profile_cpu},
    {"/debug/pprof/block", BYTES, "time that pools waited for a full inbox; ?debug=1: as text", .write = weir_profile_block},
    {"/debug/pprof/symbol", TEXT, "names of addresses, for both programs", .write = weir_profile_symbol, .takes_body = true},
    {"/debug/pprof/cmdline", TEXT, "how weir was started", .write = weir_profile_cmdline},
    {"/api/v1/stats", JSON, "the books for programs", .tree = weir_certificate_tree},
    {"/api/v1/workers", JSON, "what each worker does", .write = write_workers},
    {"/api/v1/events", JSON, "losses for programs", .write = write_events_json},
    {"/api/v1/stream", "text/event-stream", "?every=1s: the same as /api/v1/stats, again and again", .write = weir_stream_write},
    {"/control/resize", JSON, "?pool=NAME&workers=N", .write = order_resize, .changes = true},
    {"/control/move", JSON, "?pool=NAME&shard=N&worker=N", .write = order_move, .changes = true},
    {"/control/shuffle", JSON, "?pool=NAME", .write = order_shuffle, .changes = true},
    {"/control/capture", JSON, "?at=POOL|drop|drop:REASON&filter=…&snap=N&every=N&count=N: pcapng", .write = weir_capture_serve, .changes = true},
    {"/control/drain", JSON, "stop as after SIGTERM", .write = order_drain, .changes = true},
    {.url = NULL},
};
/* clang-format on */

/* What google-pprof looks for lies one folder higher. */
static bool is_named(const struct weir_page *p, const char *url)
{
    static const char twins[] = "/debug/pprof/";
    return strcmp(p->url, url) == 0 ||
           (strncmp(p->url, twins, sizeof twins - 1) == 0 && strcmp(p->url + strlen("/debug"), url) == 0);
}

const struct weir_page *weir_page_find(const struct weir_http_source *from, const char *url)
{
    const struct weir_page *p = weir_pages;
    while (p->url && (!is_named(p, url) || (p->changes && !from->order)))
        p++;
    return p->url ? p : NULL;
}

static unsigned write_index(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    fputs("weir " WEIR_VERSION "\n\n", to);
    for (const struct weir_page *p = weir_pages; p->url; p++)
        if (weir_page_find(weir_http_source_of(h), p->url))
            fprintf(to, "%-4s %-20s %s\n", p->changes ? "POST" : "GET", p->url, p->help);
    return MHD_HTTP_OK;
}
