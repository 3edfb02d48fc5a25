/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/stream.h"

#include <jansson.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "config/quantity.h"
#include "dataplane/wall.h"
#include "monitor/certificate.h"
#include "monitor/progress.h"

#define EVERY_MS_DEFAULT 1000
#define EVERY_MS_MIN 100
#define EVERY_MS_MAX 5000 /* libmicrohttpd cuts off who is silent for ten seconds */
#define BLOCK_BYTES 16384

struct stream {
    const struct weir_http_source *from;
    int fd;
    int every_ms;
    int64_t due_ms;
    struct weir_snapshot *before;
    char *event; /* what the client has yet to get of the last one */
    size_t size, sent;
};

/* False: the client has gone, or the server stops. */
static bool next_event(struct stream *x)
{
    struct pollfd gone = {.fd = x->fd, .events = POLLRDHUP};
    int64_t left = x->due_ms - weir_clock_ns(CLOCK_MONOTONIC) / 1000000;
    if (poll(&gone, 1, left > 0 ? (int)left : 0) > 0)
        return false;
    struct weir_snapshot *s = x->from->take(x->from->argument);
    free(x->event);
    x->event = NULL;
    x->size = x->sent = 0;
    FILE *to = s != NULL ? open_memstream(&x->event, &x->size) : NULL;
    if (to == NULL)
        return false;
    char line[1024];
    json_t *tree = weir_certificate_tree(s);
    weir_progress_line(x->before, s, line, sizeof line, 0);
    json_object_set_new(tree, "line", json_string(line));
    fputs("data: ", to);
    json_dumpf(tree, to, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputs("\n\n", to);
    json_decref(tree);
    if (x->before != NULL)
        x->from->release(x->before);
    x->before = s;
    x->due_ms = weir_clock_ns(CLOCK_MONOTONIC) / 1000000 + x->every_ms;
    return fclose(to) == 0 && x->size > 0;
}

static ssize_t read_event(void *stream, uint64_t, char *to, size_t max)
{
    struct stream *x = stream;
    if (x->sent == x->size && !next_event(x))
        return MHD_CONTENT_READER_END_OF_STREAM;
    size_t n = x->size - x->sent < max ? x->size - x->sent : max;
    memcpy(to, x->event + x->sent, n);
    x->sent += n;
    return (ssize_t)n;
}

static void free_stream(void *stream)
{
    struct stream *x = stream;
    if (x->before != NULL)
        x->from->release(x->before);
    free(x->event);
    free(x);
}

static bool parse_every(const char *text, int *ms)
{
    struct weir_quantity q = {.number = EVERY_MS_DEFAULT * UINT64_C(1000000)};
    if (text != NULL && weir_quantity_parse(WEIR_TYPE_DURATION, text, &q) != WEIR_QUANTITY_FINE)
        return false;
    uint64_t wanted = q.number / 1000000;
    *ms = (int)(wanted < EVERY_MS_MAX ? wanted : EVERY_MS_MAX);
    return wanted >= EVERY_MS_MIN && wanted <= EVERY_MS_MAX;
}

unsigned weir_stream_write(const struct weir_http *h, struct MHD_Connection *c, FILE *to)
{
    struct stream *x = calloc(1, sizeof *x);
    if (x == NULL ||
        !parse_every(MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "every"), &x->every_ms)) {
        free(x);
        fputs("every: a duration from 100ms to 5s\n", to);
        return MHD_HTTP_BAD_REQUEST;
    }
    if (!weir_http_lasts(c, false)) {
        free(x);
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    x->from = weir_http_source_of(h);
    x->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    x->due_ms = weir_clock_ns(CLOCK_MONOTONIC) / 1000000;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_event, x, free_stream);
    if (response == NULL) {
        free(x);
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_queue_response(c, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return WEIR_PAGE_ANSWERED;
}
