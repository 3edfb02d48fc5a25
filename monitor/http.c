/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "config/key_table.h"
#include "monitor/pages.h"
#include "monitor/profile.h"

#define CONNECTIONS_MAX 512
#define CROWDED 384 /* from so many on, who waits longest makes room for who comes; to leave takes a moment */
#define LASTING_MAX 16 /* answers without an end */
#define IDLE_TIMEOUT_S 10
#define HEADER_BYTES_MAX 8192
#define BODY_BYTES_MAX ((size_t)1 << 20)
#define STACK_BYTES ((size_t)512 * 1024)

enum progress { FREE, WAITING, ANSWERING, SENDING, LASTING, STREAMING, EVICTED };

struct connection {
    struct weir_http *http;
    enum progress progress;
    int fd;
    uint64_t turn; /* the lower, the longer it has been as it is */
};

struct weir_http {
    struct MHD_Daemon *daemon;
    struct weir_http_source source;
    char *path; /* of the Unix socket, NULL = an address */
    pthread_mutex_t lock;
    struct connection connections[CONNECTIONS_MAX]; /* under `lock`, as is: */
    uint64_t turn;
};

/* ---- connections: a thread each, and no client keeps another out ---- */

static uint32_t count(const struct weir_http *h, enum progress first, enum progress last)
{
    uint32_t n = 0;
    for (const struct connection *c = h->connections; c < h->connections + CONNECTIONS_MAX; c++)
        n += c->progress >= first && c->progress <= last;
    return n;
}

/* For its request, or for somebody to read its answer: not just for its turn. */
static bool awaits_client(const struct connection *c)
{
    struct pollfd ready = {.fd = c->fd, .events = c->progress == WAITING ? POLLIN : POLLOUT};
    return poll(&ready, 1, 0) == 0;
}

static struct connection *oldest_after(struct weir_http *h, uint64_t turn)
{
    struct connection *oldest = NULL;
    for (struct connection *c = h->connections; c < h->connections + CONNECTIONS_MAX; c++)
        if ((c->progress == WAITING || c->progress == SENDING) && c->turn > turn &&
            (!oldest || c->turn < oldest->turn))
            oldest = c;
    return oldest;
}

/* Who has waited longest for its client is cut off. */
static void make_room(struct weir_http *h)
{
    struct connection *c = oldest_after(h, 0);
    while (c && !awaits_client(c))
        c = oldest_after(h, c->turn);
    if (!c)
        return;
    c->progress = EVICTED;
    shutdown(c->fd, SHUT_RDWR); /* its thread closes it */
}

static void notice(
    void *http, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode what)
{
    struct weir_http *h = http;
    struct connection *c = what == MHD_CONNECTION_NOTIFY_STARTED ? h->connections : *context;
    pthread_mutex_lock(&h->lock);
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        if (count(h, WAITING, STREAMING) >= CROWDED)
            make_room(h);
        while (c->progress != FREE) /* there is one: libmicrohttpd takes no more than there are */
            c++;
        *c = (struct connection){.http = h,
            .progress = WAITING,
            .fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
            .turn = ++h->turn};
        *context = c;
    } else {
        c->progress = FREE;
    }
    pthread_mutex_unlock(&h->lock);
}

static struct connection *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* Unless it was cut off, or lasts. */
static void set_progress(struct connection *c, enum progress now)
{
    pthread_mutex_lock(&c->http->lock);
    if (c->progress < LASTING || (c->progress < EVICTED && now == WAITING)) {
        c->progress = now;
        c->turn = ++c->http->turn;
    }
    pthread_mutex_unlock(&c->http->lock);
}

bool weir_http_lasts(struct MHD_Connection *connection, bool ends)
{
    struct connection *c = connection_of(connection);
    pthread_mutex_lock(&c->http->lock);
    bool room = count(c->http, LASTING, STREAMING) < LASTING_MAX && c->progress == ANSWERING;
    if (room)
        c->progress = ends ? LASTING : STREAMING;
    pthread_mutex_unlock(&c->http->lock);
    return room;
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

static unsigned write_page(
    const struct weir_http *h, struct MHD_Connection *connection, const struct weir_page *page, FILE *to)
{
    const struct weir_http_source *from = &h->source;
    if (page->write)
        return page->write(h, connection, to);
    struct weir_snapshot *s = from->take(from->argument);
    if (!s)
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    json_t *tree = page->tree ? page->tree(s) : NULL;
    if (page->show)
        page->show(s, to);
    from->release(s);
    return page->tree ? weir_page_json(tree, MHD_HTTP_OK, to) : MHD_HTTP_OK;
}

static enum MHD_Result serve(
    const struct weir_http *h, struct MHD_Connection *connection, const struct weir_page *page)
{
    char *body = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&body, &size);
    set_progress(connection_of(connection), ANSWERING);
    unsigned status = to ? write_page(h, connection, page, to) : MHD_HTTP_SERVICE_UNAVAILABLE;
    set_progress(connection_of(connection), SENDING);
    if (to && fclose(to) != 0) {
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
        size = 0;
    }
    if (status == WEIR_PAGE_ANSWERED || (status == MHD_HTTP_SERVICE_UNAVAILABLE && size == 0)) {
        free(body);
        return status == WEIR_PAGE_ANSWERED ? MHD_YES
                                            : refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                                                  "not now, try again\n", "Retry-After", "1");
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

static unsigned body_fault(struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        return MHD_HTTP_LENGTH_REQUIRED;
    return length && strtoull(length, NULL, 10) > BODY_BYTES_MAX ? MHD_HTTP_CONTENT_TOO_LARGE : 0;
}

static void completed(
    void *http, struct MHD_Connection *connection, void **seen, enum MHD_RequestTerminationCode)
{
    if (*seen != http)
        free(*seen);
    set_progress(connection_of(connection), WAITING);
}

static enum MHD_Result answer(void *http, struct MHD_Connection *connection, const char *url,
    const char *method, const char *, const char *upload, size_t *upload_size, void **seen)
{
    const struct weir_http *h = http;
    const struct weir_page *page = weir_page_find(&h->source, url);
    if (!*seen) {
        /* An error is queued on this first call: later, a client that sends a body would see a dropped
         * connection. A page is queued on the last call: earlier, the connection could not be used again. */
        *seen = http;
        if (!page)
            return refuse(
                connection, MHD_HTTP_NOT_FOUND, "no such page; / lists them\n", "Content-Type", "text/plain");
        bool posts = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
        if (page->changes && !posts)
            return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only POST\n", "Allow", "POST");
        bool gets = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
        bool asks = posts && page->takes_body;
        if (!page->changes && !gets && !asks)
            return refuse(
                connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n", "Allow", "GET, HEAD");
        unsigned fault = body_fault(connection);
        if (fault)
            return refuse(connection, fault, "no body of that kind or size\n", "Connection", "close");
        if (asks)
            *seen = calloc(1, sizeof(struct body));
        return *seen ? MHD_YES : MHD_NO;
    }
    struct body *body = *seen == http ? NULL : *seen;
    if (*upload_size)
        return receive(body, upload, upload_size);
    if (body)
        MHD_set_connection_value(connection, MHD_POSTDATA_KIND, WEIR_PAGE_BODY, body->bytes);
    return serve(h, connection, page);
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
        listen(fd, SOMAXCONN) != 0) {
        int cause = errno;
        close(fd);
        errno = cause;
        return -1;
    }
    return fd;
}

static void free_http(struct weir_http *h)
{
    pthread_mutex_destroy(&h->lock);
    free(h->path);
    free(h);
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
    pthread_mutex_init(&h->lock, NULL);
    h->daemon = MHD_start_daemon(
        MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL, answer,
        h, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADER_BYTES_MAX, MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES, MHD_OPTION_NOTIFY_CONNECTION,
        notice, h, MHD_OPTION_NOTIFY_COMPLETED, completed, h, MHD_OPTION_END);
    if (!h->daemon) { /* the socket is closed by then */
        snprintf(error, error_size,
            "the HTTP server on %s did not start: too few threads or files (ulimit -a)", listen_on);
        free_http(h);
        errno = EAGAIN;
        return NULL;
    }
    return h;
}

const struct weir_http_source *weir_http_source_of(const struct weir_http *h)
{
    return &h->source;
}

uint16_t weir_http_port(const struct weir_http *h)
{
    return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* Who waits for an order is told what became of it. And the socket goes before another weir can have one there. */
static void let_answers_out(struct weir_http *h)
{
    static const struct timespec a_while = {.tv_nsec = 10000000};
    uint32_t answers = 1;
    unlink(h->path);
    int fd = MHD_quiesce_daemon(h->daemon);
    for (int i = 0; i < 100 && answers > 0; i++) {
        nanosleep(&a_while, NULL);
        pthread_mutex_lock(&h->lock);
        answers = count(h, ANSWERING, LASTING);
        pthread_mutex_unlock(&h->lock);
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
    free_http(h);
}
