/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/http.h"

#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "config/key_table.h"
#include "monitor/capture.h"
#include "monitor/certificate.h"
#include "monitor/metrics.h"
#include "monitor/profile.h"
#include "monitor/workers.h"

#define CONNECTIONS_MAX 32
#define IDLE_TIMEOUT_S 10
#define HEADER_BYTES_MAX 8192
#define BODY_BYTES_MAX ((size_t)1 << 20)

struct weir_http {
    struct MHD_Daemon *daemon;
    struct weir_http_source source;
    char *path; /* of the Unix socket, NULL = an address */
};

/* ---- pages: each writes its body and returns the status; those of profile.c are more ---- */

#define ANSWERED 0u /* a page that has queued its answer by itself */

const struct weir_http_source *weir_http_source_of(const struct weir_http *h)
{
    return &h->source;
}

static unsigned write_metrics(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    struct weir_snapshot *s = h->source.take(h->source.argument);
    if (!s)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    weir_metrics_text(s, to);
    h->source.release(s);
    return MHD_HTTP_OK;
}

static unsigned write_json(json_t *json, unsigned status, FILE *to)
{
    bool fine = json && json_dumpf(json, to, JSON_COMPACT | JSON_ESCAPE_SLASH) == 0;
    if (fine)
        fputc('\n', to);
    json_decref(json);
    return fine ? status : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned write_vars(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    struct weir_snapshot *s = h->source.take(h->source.argument);
    json_t *all = s ? weir_metrics_json(s) : NULL;
    if (s)
        h->source.release(s);
    return write_json(all, MHD_HTTP_OK, to);
}

static unsigned write_workers(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    struct weir_snapshot *s = h->source.take(h->source.argument);
    json_t *all = s ? weir_workers_json(s) : NULL;
    if (s)
        h->source.release(s);
    return write_json(all, MHD_HTTP_OK, to);
}

static unsigned write_stats(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    struct weir_snapshot *s = h->source.take(h->source.argument);
    bool fine = s && weir_certificate_json(s, to) == 0;
    if (s)
        h->source.release(s);
    return fine ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned write_ledger(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    struct weir_snapshot *s = h->source.take(h->source.argument);
    if (!s)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    weir_certificate_text(s, to);
    h->source.release(s);
    return MHD_HTTP_OK;
}

static unsigned write_config(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    h->source.write_config(h->source.argument, to);
    return MHD_HTTP_OK;
}

static unsigned write_healthy(const struct weir_http *, struct MHD_Connection *, FILE *to)
{
    fputs("weir answers\n", to);
    return MHD_HTTP_OK;
}

/* Ready: every worker comes back from its stages and receives, every port has its device and a link. */
static unsigned write_ready(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    struct weir_snapshot *s = h->source.take(h->source.argument);
    unsigned status = s ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    for (uint32_t i = 0; s && i < s->n_workers; i++) {
        const struct weir_snapshot_worker *w = &s->workers[i];
        if (!w->stuck && w->state == WEIR_WORKER_RUNNING)
            continue;
        fprintf(to, "worker %u of %s: %s\n", w->index, w->pool, weir_worker_shows(w));
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    for (uint32_t i = 0; s && i < s->n_ports; i++) {
        if (s->ports[i].up)
            continue;
        fprintf(to, "port %s: %s\n", s->ports[i].name, s->ports[i].condition);
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    if (status == MHD_HTTP_OK)
        fputs("ready\n", to);
    if (s)
        h->source.release(s);
    return status;
}

/* ---- orders ---- */

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
    const char *pool = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "pool");
    o->kind = kind;
    if (pool)
        snprintf(o->pool, sizeof(o->pool), "%s", pool);
    if (!pool || pool[strspn(pool, name)] || !understood)
        return write_json(json_pack("{s:s}", "error", "the query lacks the name of a pool, or a number"),
            MHD_HTTP_BAD_REQUEST, to);
    if (!h->source.order(h->source.argument, o))
        return write_json(json_pack("{s:s}", "error", o->error), MHD_HTTP_CONFLICT, to);
    return write_json(json_pack("{s:i,s:i,s:I}", "moves", o->moves, "shards", o->shards, "slowest_ns",
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
    h->source.drain(h->source.argument);
    return write_json(json_pack("{s:b}", "draining", 1), MHD_HTTP_OK, to);
}

static weir_page_writer write_index;

#define TEXT "text/plain; charset=utf-8"
#define BYTES "application/octet-stream"

static const struct page {
    const char *url, *type, *help;
    weir_page_writer *write;
    bool changes; /* POST, and on the Unix socket only */
} pages[] = {
    {"/", TEXT, "this list", write_index, false},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", "for Prometheus", write_metrics, false},
    {"/healthz", TEXT, "200: it answers", write_healthy, false},
    {"/readyz", TEXT, "200: every worker works and every port is up; else 503, and which is not", write_ready,
        false},
    {"/debug/vars", "application/json", "every metric: name to value, or to a list with labels", write_vars,
        false},
    {"/debug/ledger", TEXT, "the books as they stand, as in the certificate", write_ledger, false},
    {"/debug/config", TEXT, "the whole configuration, and where each value comes from", write_config, false},
    {"/debug/workers", TEXT,
        "what each worker does; ?stack=1: and its native stack, for which it gets a signal",
        weir_profile_workers, false},
    {"/debug/mempool", TEXT, "packet buffers by who has them", weir_profile_mempool, false},
    {"/debug/pprof/", TEXT, "this list", write_index, false},
    {"/debug/pprof/profile", BYTES, "?seconds=30&pool=NAME: CPU time, for `go tool pprof` and `google-pprof`",
        weir_profile_cpu, false},
    {"/debug/pprof/block", BYTES, "time that pools waited for a full inbox; ?debug=1: as text",
        weir_profile_block, false},
    {"/debug/pprof/symbol", TEXT, "names of addresses, for both programs", weir_profile_symbol, false},
    {"/debug/pprof/cmdline", TEXT, "how weir was started", weir_profile_cmdline, false},
    {"/api/v1/stats", "application/json", "the books for programs", write_stats, false},
    {"/api/v1/workers", "application/json", "what each worker does", write_workers, false},
    {"/control/resize", "application/json", "?pool=NAME&workers=N", order_resize, true},
    {"/control/move", "application/json", "?pool=NAME&shard=N&worker=N", order_move, true},
    {"/control/shuffle", "application/json", "?pool=NAME", order_shuffle, true},
    {"/control/capture", "application/json",
        "?at=POOL|drop|drop:REASON&filter=…&snap=N&every=N&count=N: pcapng", weir_capture_serve, true},
    {"/control/drain", "application/json", "stop as after SIGTERM", order_drain, true},
};
#define PAGES_END (pages + sizeof(pages) / sizeof(pages[0]))

static bool is_served(const struct weir_http *h, const struct page *p)
{
    return !p->changes || h->path;
}

/* What google-pprof looks for lies one folder higher. */
static bool is_named(const struct page *p, const char *url)
{
    static const char twins[] = "/debug/pprof/";
    return strcmp(p->url, url) == 0 ||
           (strncmp(p->url, twins, sizeof twins - 1) == 0 && strcmp(p->url + strlen("/debug"), url) == 0);
}

static unsigned write_index(const struct weir_http *h, struct MHD_Connection *, FILE *to)
{
    fputs("weir " WEIR_VERSION "\n\n", to);
    for (const struct page *p = pages; p < PAGES_END; p++)
        if (is_served(h, p))
            fprintf(to, "%-4s %-20s %s\n", p->changes ? "POST" : "GET", p->url, p->help);
    return MHD_HTTP_OK;
}

/* ---- requests ---- */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status,
    struct MHD_Response *response, const char *header, const char *value)
{
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, header, value);
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text,
    const char *header, const char *value)
{
    return reply(connection, status,
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT), header, value);
}

static enum MHD_Result serve(
    const struct weir_http *h, struct MHD_Connection *connection, const struct page *page)
{
    char *body = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&body, &size);
    unsigned status = to ? page->write(h, connection, to) : MHD_HTTP_SERVICE_UNAVAILABLE;
    if (to && fclose(to) != 0) {
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
        size = 0;
    }
    if (status == ANSWERED) {
        free(body);
        return MHD_YES;
    }
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE && size == 0) {
        free(body);
        return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "not now, try again\n", "Retry-After", "1");
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(body);
    return reply(connection, status, response, MHD_HTTP_HEADER_CONTENT_TYPE, page->type);
}

struct body {
    size_t n;
    char bytes[BODY_BYTES_MAX + 1];
};

/* A body means something to one page only. */
static enum MHD_Result receive(struct body *to, const char *bytes, size_t *n)
{
    if (to && *n > BODY_BYTES_MAX - to->n)
        return MHD_NO;
    if (to) {
        memcpy(to->bytes + to->n, bytes, *n);
        to->n += *n;
    }
    *n = 0;
    return MHD_YES;
}

static void forget(void *argument, struct MHD_Connection *, void **seen, enum MHD_RequestTerminationCode)
{
    if (*seen != argument)
        free(*seen);
}

static enum MHD_Result answer(void *argument, struct MHD_Connection *connection, const char *url,
    const char *method, const char *, const char *upload, size_t *upload_size, void **seen)
{
    const struct page *page = pages;
    while (page < PAGES_END && (!is_named(page, url) || !is_served(argument, page)))
        page++;
    if (!*seen) {
        /* An error is queued on this first call: later, a client that sends a body would see a dropped
         * connection. A page is queued on the last call: earlier, the connection could not be used again. */
        *seen = argument;
        if (page == PAGES_END)
            return refuse(
                connection, MHD_HTTP_NOT_FOUND, "no such page; / lists them\n", "Content-Type", "text/plain");
        bool posts = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
        if (page->changes && !posts)
            return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only POST\n", "Allow", "POST");
        bool gets = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
        bool asks = posts && page->write == weir_profile_symbol;
        if (!page->changes && !gets && !asks)
            return refuse(
                connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n", "Allow", "GET, HEAD");
        if (asks)
            *seen = calloc(1, sizeof(struct body));
        return *seen ? MHD_YES : MHD_NO;
    }
    struct body *body = *seen == argument ? NULL : *seen;
    if (*upload_size)
        return receive(body, upload, upload_size);
    if (body)
        MHD_set_connection_value(connection, MHD_POSTDATA_KIND, WEIR_PROFILE_BODY, body->bytes);
    return serve(argument, connection, page);
}

/* ---- start and stop ---- */

static const struct {
    int error;
    const char *cause;
} listen_errors[] = {
    {EADDRINUSE,
        "is in use: `ss -ltnp` shows by whom; stop that program, or choose another port (0 = any free one)"},
    {EADDRNOTAVAIL, "is no address of this machine: `ip address` shows those it has"},
    {EACCES,
        "may not be opened: a port below 1024 needs CAP_NET_BIND_SERVICE, a socket a folder that is yours"},
    {ENOENT, "lies in a folder that does not exist"},
    {EAFNOSUPPORT, "is of a family that this kernel lacks: use an IPv4 address"},
};

static void explain(const char *listen, char *error, size_t size)
{
    int cause = errno;
    snprintf(error, size, "%s cannot be listened on: %s", listen, strerror(cause));
    if (listen[0] == '/' && cause == EADDRINUSE) {
        snprintf(error, size, "%s is the socket of a weir that runs, or some other file: choose another path",
            listen);
        return;
    }
    for (size_t i = 0; i < sizeof(listen_errors) / sizeof(listen_errors[0]); i++)
        if (listen_errors[i].error == cause)
            snprintf(error, size, "%s %s", listen, listen_errors[i].cause);
    errno = cause;
}

static bool parse_path(const char *path, struct sockaddr_storage *address)
{
    struct sockaddr_un *local = (struct sockaddr_un *)address;
    *local = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof(local->sun_path))
        return false;
    memcpy(local->sun_path, path, length + 1);
    return true;
}

/* A socket without anybody behind it, of a weir that was killed. */
static void remove_stale(const struct sockaddr *address, const char *path)
{
    struct stat about;
    if (lstat(path, &about) != 0 || !S_ISSOCK(about.st_mode)) /* a file refuses connections, too */
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, address, sizeof(struct sockaddr_un)) != 0 && errno == ECONNREFUSED)
        unlink(path);
    if (fd >= 0)
        close(fd);
}

/* Our own socket rather than libmicrohttpd's: it knows why it failed. */
static int open_listener(const struct sockaddr_storage *address)
{
    int one = 1;
    bool v6 = address->ss_family == AF_INET6, local = address->ss_family == AF_UNIX;
    socklen_t length = local ? sizeof(struct sockaddr_un)
                       : v6  ? sizeof(struct sockaddr_in6)
                             : sizeof(struct sockaddr_in);
    const char *path = ((const struct sockaddr_un *)address)->sun_path;
    if (local)
        remove_stale((const struct sockaddr *)address, path);
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* Exactly this address: [::] does not bring IPv4 along. */
    if ((v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (const struct sockaddr *)address, length) != 0 || (local && chmod(path, 0660) != 0) ||
        listen(fd, CONNECTIONS_MAX) != 0) {
        int cause = errno;
        close(fd);
        errno = cause;
        return -1;
    }
    return fd;
}

struct weir_http *weir_http_start(
    const char *listen_on, const struct weir_http_source *source, char *error, size_t error_size)
{
    struct sockaddr_storage address;
    if (!(listen_on[0] == '/' ? parse_path : weir_address_parse)(listen_on, &address)) {
        snprintf(error, error_size,
            listen_on[0] == '/' ? "control: `%s` is too long for the path of a socket (107 bytes)"
                                : "listen: `%s` is not a numeric ADDRESS:PORT; write for example "
                                  "127.0.0.1:9476 or [::1]:9476",
            listen_on);
        errno = EINVAL;
        return NULL;
    }
    int fd = open_listener(&address);
    if (fd < 0) {
        explain(listen_on, error, error_size);
        return NULL;
    }
    struct weir_http *h = calloc(1, sizeof(*h));
    if (!h) {
        close(fd);
        errno = ENOMEM;
        explain(listen_on, error, error_size);
        return NULL;
    }
    h->source = *source;
    h->path = address.ss_family == AF_UNIX ? strdup(listen_on) : NULL;
    h->daemon = MHD_start_daemon(
        MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL, answer,
        h, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, forget, h, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES_MAX, MHD_OPTION_END);
    if (!h->daemon) { /* the socket is closed by then */
        snprintf(error, error_size,
            "the HTTP server on %s did not start: too few threads or files (ulimit -a)", listen_on);
        free(h->path);
        free(h);
        errno = EAGAIN;
        return NULL;
    }
    return h;
}

uint16_t weir_http_port(const struct weir_http *h)
{
    return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* Who waits for an order is told what became of it. And the socket goes before another weir can have one there. */
static void let_answers_out(struct weir_http *h)
{
    static const struct timespec a_while = {.tv_nsec = 10000000};
    unlink(h->path);
    int fd = MHD_quiesce_daemon(h->daemon);
    for (int i = 0; i < 100; i++) {
        if (MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections == 0)
            break;
        nanosleep(&a_while, NULL);
    }
    if (fd >= 0)
        close(fd);
}

void weir_http_stop(struct weir_http *h)
{
    if (!h)
        return;
    weir_profile_close();
    if (h->path)
        let_answers_out(h);
    MHD_stop_daemon(h->daemon);
    free(h->path);
    free(h);
}
