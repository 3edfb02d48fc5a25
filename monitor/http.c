/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/key_table.h"
#include "monitor/metrics.h"

#define CONNECTIONS_MAX 32
#define IDLE_TIMEOUT_S 10
#define HEADER_BYTES_MAX 8192

struct weir_http {
    struct MHD_Daemon *daemon;
    struct weir_http_source source;
};

/* ---- pages ---- */

static int write_metrics(const struct weir_http *h, FILE *to)
{
    struct weir_snapshot *s = h->source.take(h->source.argument);
    if (!s)
        return -EAGAIN;
    weir_metrics_text(s, to);
    h->source.release(s);
    return 0;
}

static int write_index(const struct weir_http *, FILE *);

static const struct page {
    const char *url, *type, *help;
    int (*write)(const struct weir_http *, FILE *);
} pages[] = {
    {"/", "text/plain; charset=utf-8", "this list", write_index},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", "for Prometheus", write_metrics},
};
#define PAGES_END (pages + sizeof(pages) / sizeof(pages[0]))

static int write_index(const struct weir_http *, FILE *to)
{
    fputs("weir " WEIR_VERSION "\n\n", to);
    for (const struct page *p = pages; p < PAGES_END; p++)
        fprintf(to, "%-10s %s\n", p->url, p->help);
    return 0;
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
    int failed = to ? page->write(h, to) : -ENOMEM;
    if (to && fclose(to) != 0)
        failed = -ENOMEM;
    if (failed) {
        free(body);
        return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "not now, try again\n", "Retry-After", "1");
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(body);
    return reply(connection, MHD_HTTP_OK, response, MHD_HTTP_HEADER_CONTENT_TYPE, page->type);
}

static enum MHD_Result answer(void *argument, struct MHD_Connection *connection, const char *url,
    const char *method, const char *, const char *, size_t *upload_size, void **seen)
{
    const struct page *page = pages;
    while (page < PAGES_END && strcmp(page->url, url) != 0)
        page++;
    if (!*seen) {
        /* An error is queued on this first call: later, a client that sends a body would see a dropped
         * connection. A page is queued on the last call: earlier, the connection could not be used again. */
        *seen = argument;
        if (page == PAGES_END)
            return refuse(
                connection, MHD_HTTP_NOT_FOUND, "no such page; / lists them\n", "Content-Type", "text/plain");
        if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
            return refuse(
                connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n", "Allow", "GET, HEAD");
        return MHD_YES;
    }
    if (*upload_size) { /* the body of a GET means nothing */
        *upload_size = 0;
        return MHD_YES;
    }
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
    {EACCES, "may not be opened: a port below 1024 needs CAP_NET_BIND_SERVICE; choose a higher one"},
    {EAFNOSUPPORT, "is of a family that this kernel lacks: use an IPv4 address"},
};

static void explain(const char *listen, char *error, size_t size)
{
    int cause = errno;
    snprintf(error, size, "%s cannot be listened on: %s", listen, strerror(cause));
    for (size_t i = 0; i < sizeof(listen_errors) / sizeof(listen_errors[0]); i++)
        if (listen_errors[i].error == cause)
            snprintf(error, size, "%s %s", listen, listen_errors[i].cause);
    errno = cause;
}

/* Our own socket rather than libmicrohttpd's: it knows why it failed. */
static int open_listener(const struct sockaddr_storage *address)
{
    int one = 1;
    bool v6 = address->ss_family == AF_INET6;
    socklen_t length = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* Exactly this address: [::] does not bring IPv4 along. */
    if ((v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (const struct sockaddr *)address, length) != 0 || listen(fd, CONNECTIONS_MAX) != 0) {
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
    if (!weir_address_parse(listen_on, &address)) {
        snprintf(error, error_size,
            "listen: `%s` is not a numeric ADDRESS:PORT; write for example 127.0.0.1:9476 or [::1]:9476",
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
    h->daemon = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, h,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADER_BYTES_MAX, MHD_OPTION_END);
    if (!h->daemon) { /* the socket is closed by then */
        snprintf(error, error_size,
            "the HTTP server on %s did not start: too few threads or files (ulimit -a)", listen_on);
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

void weir_http_stop(struct weir_http *h)
{
    if (!h)
        return;
    MHD_stop_daemon(h->daemon);
    free(h);
}
