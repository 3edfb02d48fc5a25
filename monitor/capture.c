/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/capture.h"

#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "config/quantity.h"
#include "dataplane/pcapng.h"
#include "dataplane/wall.h"
#include "monitor/pages.h"
#include "workers/capture.h"

#define BLOCK_BYTES 32768 /* in one go, and what the last packet of them is longer */
#define LOOK_MS 10        /* for packets, where there were none */

struct stream {
    struct weir_capture *capture;
    struct MHD_Response *response; /* its own, for the trailer */
    int client;
    FILE *to;
    char *block;
    size_t size, given; /* of the block */
    struct weir_wall wall;
    uint64_t captured, cut, limit, end_ns;
    bool ended;
};

/* ---- the file ---- */

static void write_packet(struct stream *s, const struct weir_tapped *p, const struct weir_worker *by)
{
    char comment[256];
    const char *pool = s->capture->rt->pools[by->pool].config->name;
    if (p->stage)
        snprintf(comment, sizeof(comment), "dropped: %s by %s in pool %s", p->reason, p->stage, pool);
    else if (p->reason)
        snprintf(comment, sizeof(comment), "dropped: %s on the way out of pool %s", p->reason, pool);
    const struct weir_pcapng_packet packet = {.ns = weir_wall_ns(&s->wall, p->tsc),
        .interface = p->port,
        .captured = p->captured,
        .length = p->length,
        .frame = p->frame,
        .comment = p->reason ? comment : NULL};
    weir_pcapng_packet(s->to, &packet);
    s->captured++;
    s->cut += p->captured < p->length;
}

/* What is missing, for the file and for people. */
static void finish(struct stream *s)
{
    char text[128];
    uint64_t all_lost = 0;
    weir_capture_stop(s->capture);
    for (uint32_t port = 0; port < s->capture->rt->n_ports; port++) {
        uint64_t lost = 0;
        for (uint32_t i = 0; i < s->capture->n; i++)
            lost += weir_counter_read(&s->capture->views[i].view->lost[port]);
        weir_pcapng_missing(s->to, port, weir_wall_ns(&s->wall, s->wall.tsc), lost);
        all_lost += lost;
    }
    snprintf(text, sizeof(text), "%lu captured, %lu lost, %lu cut", s->captured, all_lost, s->cut);
    MHD_add_response_footer(s->response, "Weir-Capture", text);
    weir_capture_close(s->capture); /* now: whoever has seen the end may want another */
    s->capture = NULL;
    s->ended = true;
}

/* The next block. Who only sends does not hear that the client is gone, so it is looked at. */
static void fill(struct stream *s)
{
    const struct weir_tapped *p = NULL;
    const struct weir_worker *by;
    struct pollfd client = {.fd = s->client, .events = POLLRDHUP};
    bool ends = poll(&client, 1, s->size == 0 ? LOOK_MS : 0) > 0 ||
                (uint64_t)weir_clock_ns(CLOCK_MONOTONIC) > s->end_ns;
    if (ends || weir_capture_is_over(s->capture))
        weir_capture_stop(s->capture);
    weir_wall_look(&s->wall);
    rewind(s->to);
    while (ftello(s->to) < BLOCK_BYTES && s->captured < s->limit && (p = weir_capture_next(s->capture, &by)))
        write_packet(s, p, by);
    if (s->captured == s->limit || (s->capture->stopped && !p))
        finish(s);
    fflush(s->to);
    s->size = (size_t)ftello(s->to);
    s->given = 0;
}

static ssize_t give(void *argument, uint64_t, char *to, size_t max)
{
    struct stream *s = argument;
    while (s->given == s->size && !s->ended)
        fill(s);
    size_t n = s->size - s->given < max ? s->size - s->given : max;
    memcpy(to, s->block + s->given, n);
    s->given += n;
    return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void end(void *argument)
{
    struct stream *s = argument;
    if (s->capture)
        weir_capture_close(s->capture);
    if (s->to)
        fclose(s->to);
    free(s->block);
    free(s);
}

/* ---- the order ---- */

/* False after the complaint. `unset` is the value where there is none. */
static bool read_number(struct MHD_Connection *c, const char *key, enum weir_key_type type, uint64_t unset,
    uint64_t max, uint64_t *number, FILE *complaint)
{
    const char *text = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, key);
    struct weir_quantity q = {.number = unset};
    enum weir_quantity_fault fault = text ? weir_quantity_parse(type, text, &q) : WEIR_QUANTITY_FINE;
    *number = q.number;
    if (fault == WEIR_QUANTITY_FINE && q.number > 0 && q.number <= max)
        return true;
    fprintf(complaint, "%s: ", key);
    if (fault == WEIR_QUANTITY_FINE)
        fprintf(complaint, "`%.32s` is not between 1 and %lu", text, max);
    else
        weir_quantity_explain(type, fault, text, complaint);
    return false;
}

/* False after the complaint. */
static bool understand(
    struct MHD_Connection *c, struct weir_capture_plan *plan, struct stream *s, FILE *complaint)
{
    const char *at = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "at");
    uint64_t snap, every, ns;
    if (!read_number(c, "snap", WEIR_TYPE_BYTES, 2048, WEIR_CAPTURE_SNAP_MAX, &snap, complaint) ||
        !read_number(c, "every", WEIR_TYPE_COUNT, 1, INT32_MAX, &every, complaint) ||
        !read_number(c, "count", WEIR_TYPE_COUNT, INT64_MAX, INT64_MAX, &s->limit, complaint) ||
        !read_number(c, "for", WEIR_TYPE_DURATION, INT64_MAX, INT64_MAX, &ns, complaint))
        return false;
    bool drops = at && strncmp(at, "drop", 4) == 0 && (!at[4] || at[4] == ':');
    *plan = (struct weir_capture_plan){.pool = drops ? NULL : at,
        .drops = drops,
        .reason = drops && at[4] ? at + 5 : NULL,
        .filter = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "filter"),
        .snap = (uint32_t)snap,
        .every = (uint32_t)every};
    s->end_ns = ns == INT64_MAX ? UINT64_MAX : (uint64_t)weir_clock_ns(CLOCK_MONOTONIC) + ns;
    return true;
}

/* NULL after the complaint. */
static struct stream *begin(struct weir_runtime *rt, struct MHD_Connection *c, FILE *complaint)
{
    struct weir_capture_plan plan;
    struct stream *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->wall.tsc_hz = rt->tsc_hz;
    s->client = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    s->to = open_memstream(&s->block, &s->size);
    errno = EINVAL;
    if (s->to && understand(c, &plan, s, complaint))
        s->capture = weir_capture_open(rt, &plan, complaint);
    if (s->capture)
        s->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, give, s, end);
    if (s->response) {
        weir_pcapng_begin(s->to);
        for (uint32_t i = 0; i < rt->n_ports; i++)
            weir_pcapng_interface(s->to, rt->ports[i].name, plan.snap);
        fflush(s->to);
        return s;
    }
    int cause = errno;
    end(s);
    errno = cause;
    return NULL;
}

unsigned weir_capture_serve(const struct weir_http *h, struct MHD_Connection *c, FILE *to)
{
    char error[512] = "";
    if (!weir_http_lasts(c, true))
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    FILE *complaint = fmemopen(error, sizeof(error), "w");
    struct stream *s = complaint ? begin(weir_http_source_of(h)->runtime, c, complaint) : NULL;
    unsigned refused = errno == EINVAL ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_CONFLICT;
    if (complaint)
        fclose(complaint);
    if (!s) {
        json_t *json = json_pack("{s:s}", "error", error);
        json_dumpf(json, to, JSON_COMPACT);
        json_decref(json);
        return refused;
    }
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0u); /* one of nothing is silent for long */
    MHD_add_response_header(s->response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/x-pcapng");
    MHD_queue_response(c, MHD_HTTP_OK, s->response);
    MHD_destroy_response(s->response);
    return WEIR_PAGE_ANSWERED;
}
