/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/capture_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <pcap/pcap.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/port.h"

#define IDLE_NS                                                                                              \
    1000000 /* a look at empty rings; a worker never wakes the writer, which would be a system call */
#define BUFFER_BYTES (1u << 20) /* holds a burst of common frames: one write */
#define NS_A_SECOND INT64_C(1000000000)

#define PCAP_AROUND 16 /* bytes of a record that are not the frame */
#define PCAPNG_AROUND 32

struct source {
    struct weir_ring_consumer *ring;
    struct weir_counter *counts;
};

struct record {
    int64_t ns; /* since 1970 */
    uint32_t captured, length, port;
    const uint8_t *frame;
};

struct weir_capture {
    struct weir_capture_plan plan;
    const struct format *format;
    FILE *file;
    uint64_t bytes;    /* of the file, all records whole */
    bool full, failed; /* nothing more is written */
    uint64_t anchor_tsc;
    int64_t anchor_ns;
    uint8_t *flat; /* for a frame in several segments */
    pthread_t thread;
    bool runs;
    struct weir_word stop;
    uint32_t n_sources;
    struct source sources[];
};

/* ---- formats: all words in our own byte order, which both tell ---- */

static uint32_t padded(uint32_t n)
{
    return (n + 3) & ~3u;
}

static void put(FILE *to, const void *bytes, uint32_t n)
{
    static const uint8_t zeros[3] = {0};
    fwrite(bytes, n, 1, to);
    fwrite(zeros, padded(n) - n, 1, to);
}

static void put_option(FILE *to, uint16_t code, const void *value, uint16_t n)
{
    const uint16_t head[] = {code, n};
    put(to, head, sizeof head);
    put(to, value, n);
}

static void pcap_begin(struct weir_capture *c)
{
    const uint16_t version[] = {2, 4};
    const uint32_t magic = 0xa1b23c4d /* nanoseconds */, rest[] = {0, 0, c->plan.snap, DLT_EN10MB};
    put(c->file, &magic, sizeof magic);
    put(c->file, version, sizeof version);
    put(c->file, rest, sizeof rest);
}

static void pcap_record(struct weir_capture *c, const struct record *r)
{
    const uint32_t head[] = {
        (uint32_t)(r->ns / NS_A_SECOND), (uint32_t)(r->ns % NS_A_SECOND), r->captured, r->length};
    put(c->file, head, sizeof head);
    fwrite(r->frame, r->captured, 1, c->file);
}

static void pcapng_record(struct weir_capture *c, const struct record *r)
{
    uint64_t ns = (uint64_t)r->ns;
    uint32_t bytes = PCAPNG_AROUND + padded(r->captured);
    const uint32_t head[] = {6, bytes, r->port, (uint32_t)(ns >> 32), (uint32_t)ns, r->captured, r->length};
    put(c->file, head, sizeof head);
    put(c->file, r->frame, r->captured);
    put(c->file, &bytes, sizeof bytes);
}

/* A section, and each port as an interface of its own index. */
static void pcapng_begin(struct weir_capture *c)
{
    const uint32_t section[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1 /* version 1.0 */, ~0u, ~0u, 28};
    const uint8_t nanoseconds = 9;
    put(c->file, section, sizeof section);
    for (uint32_t i = 0; i < c->plan.n_ports; i++) {
        const char *name = c->plan.ports[i]->name;
        uint16_t length = (uint16_t)strlen(name);
        uint32_t bytes = 36 + padded(length);
        const uint32_t head[] = {1, bytes, DLT_EN10MB, c->plan.snap};
        put(c->file, head, sizeof head);
        put_option(c->file, 2, name, length);
        put_option(c->file, 9, &nanoseconds, 1);
        put_option(c->file, 0, "", 0);
        put(c->file, &bytes, sizeof bytes);
    }
}

static const struct format {
    uint32_t around;
    bool pads;
    void (*begin)(struct weir_capture *);
    void (*record)(struct weir_capture *, const struct record *);
} formats[] = {
    [WEIR_CAPTURE_PCAP] = {PCAP_AROUND, false, pcap_begin, pcap_record},
    [WEIR_CAPTURE_PCAPNG] = {PCAPNG_AROUND, true, pcapng_begin, pcapng_record},
};

/* ---- the writer's thread ---- */

/* The wall clock beside the TSC, anew each second: the two drift, and people set clocks. Of three tries the quickest, in
 * which nobody took the CPU away. */
static void anchor(struct weir_capture *c)
{
    uint64_t now = rte_rdtsc(), quickest = UINT64_MAX;
    if (c->anchor_tsc != 0 && now - c->anchor_tsc < c->plan.tsc_hz)
        return;
    for (int i = 0; i < 3; i++) {
        struct timespec wall;
        uint64_t before = rte_rdtsc();
        clock_gettime(CLOCK_REALTIME, &wall);
        uint64_t after = rte_rdtsc();
        if (after - before >= quickest)
            continue;
        quickest = after - before;
        c->anchor_tsc = before;
        c->anchor_ns = wall.tv_sec * NS_A_SECOND + wall.tv_nsec;
    }
}

static int64_t wall_ns(const struct weir_capture *c, uint64_t tsc)
{
    __int128 since = (int64_t)(tsc - c->anchor_tsc);
    return c->anchor_ns + (int64_t)(since * NS_A_SECOND / (int64_t)c->plan.tsc_hz);
}

/* False: it would pass the limit, and so will all that come. */
static bool write_one(struct weir_capture *c, const struct weir_captured *p)
{
    uint32_t has = p->mbuf->pkt_len;
    struct record r = {.ns = wall_ns(c, p->tsc),
        .captured = has < c->plan.snap ? has : c->plan.snap,
        .length = p->length > has ? p->length : has,
        .port = p->port};
    uint32_t bytes = c->format->around + (c->format->pads ? padded(r.captured) : r.captured);
    if (c->full || (c->plan.limit_bytes != 0 && c->bytes + bytes > c->plan.limit_bytes)) {
        c->full = true;
        return false;
    }
    r.frame = rte_pktmbuf_read(p->mbuf, 0, r.captured, c->flat);
    c->format->record(c, &r);
    c->bytes += bytes;
    return true;
}

/* All of what was handed to the file is in it; else the file ends with the last record before. */
static bool settle(struct weir_capture *c, uint64_t bytes_before)
{
    if (fflush(c->file) == 0 && !ferror(c->file))
        return true;
    int error = errno != 0 ? errno : EIO;
    c->failed = true;
    c->bytes = bytes_before;
    __fpurge(c->file);
    if (ftruncate(fileno(c->file), (off_t)bytes_before) != 0)
        c->full = true; /* a device: nothing to take back */
    weir_word_publish(c->plan.failed, (uint32_t)error);
    return false;
}

static uint32_t write_burst(struct weir_capture *c, const struct source *from)
{
    uint32_t n, counts[WEIR_CAPTURE_COUNTS] = {0};
    const struct weir_captured *burst = weir_ring_peek(from->ring, WEIR_CAPTURE_BURST, &n);
    if (n == 0)
        return 0;
    anchor(c);
    uint64_t before = c->bytes;
    errno = 0;
    for (uint32_t i = 0; i < n && !c->failed; i++)
        counts[write_one(c, &burst[i]) ? WEIR_CAPTURE_WRITTEN : WEIR_CAPTURE_OVER_LIMIT]++;
    if (c->failed || !settle(c, before)) {
        counts[WEIR_CAPTURE_FAILED] = n - counts[WEIR_CAPTURE_OVER_LIMIT];
        counts[WEIR_CAPTURE_WRITTEN] = 0;
    }
    counts[WEIR_CAPTURE_BYTES] = (uint32_t)(c->bytes - before);
    for (int i = 0; i < WEIR_CAPTURE_COUNTS; i++)
        weir_counter_add(&from->counts[i], counts[i]);
    weir_ring_release(from->ring, n);
    weir_ring_settle(from->ring); /* with it the worker may have the packets back */
    return n;
}

static void *write_all(void *given)
{
    static const struct timespec idle = {.tv_nsec = IDLE_NS};
    struct weir_capture *c = given;
    for (;;) {
        bool last = weir_word_read(&c->stop) != 0; /* before the look, so that nothing comes after it */
        uint32_t n = 0;
        for (uint32_t i = 0; i < c->n_sources; i++)
            n += write_burst(c, &c->sources[i]);
        if (n == 0 && last)
            return NULL;
        if (n == 0)
            nanosleep(&idle, NULL);
    }
}

/* ---- set-up ---- */

__attribute__((format(printf, 4, 5))) static int refuse(
    int error, char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, size, format, arguments);
    va_end(arguments);
    return -error;
}

/* An empty file that nobody else writes, or -errno. */
static int open_file(const char *name, char *error, size_t size)
{
    struct stat about;
    /* O_NONBLOCK: a pipe without a reader must not hold up the start. */
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
    if (fd < 0 && errno == ENXIO)
        errno = ESPIPE;
    if (fd < 0)
        return refuse(errno, error, size, "cannot write %s: %s", name,
            errno == ESPIPE ? "it is a pipe; write a file" : strerror(errno));
    int result = 0;
    if (fstat(fd, &about) != 0 || S_ISFIFO(about.st_mode))
        result = refuse(ESPIPE, error, size,
            "cannot write %s: it is a pipe, whose reader could hold up the end; write a file", name);
    else if (S_ISREG(about.st_mode) && flock(fd, LOCK_EX | LOCK_NB) != 0)
        result = refuse(EINVAL, error, size,
            "cannot write %s: another `write` or process writes it; name another file", name);
    else if (S_ISREG(about.st_mode) && ftruncate(fd, 0) != 0)
        result = refuse(errno, error, size, "cannot write %s: %s", name, strerror(errno));
    if (result == 0)
        return fd;
    close(fd);
    return result;
}

int weir_capture_open(
    struct weir_capture **made, const struct weir_capture_plan *plan, char *error, size_t error_size)
{
    struct weir_capture *c = calloc(1, sizeof *c + plan->rings * sizeof c->sources[0]);
    *made = c;
    if (c == NULL)
        return refuse(ENOMEM, error, error_size, "no memory to write %s", plan->file);
    c->plan = *plan;
    c->format = &formats[plan->format];
    c->flat = malloc(plan->snap);
    int fd = open_file(plan->file, error, error_size);
    int result = fd < 0 ? fd : 0;
    c->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (result == 0 &&
        (c->flat == NULL || c->file == NULL || setvbuf(c->file, NULL, _IOFBF, BUFFER_BYTES) != 0))
        result = refuse(ENOMEM, error, error_size, "no memory to write %s", plan->file);
    if (result == 0) {
        c->format->begin(c);
        if (fflush(c->file) != 0 || ferror(c->file))
            result = refuse(errno, error, error_size, "cannot write %s: %s", plan->file, strerror(errno));
    }
    if (result == 0)
        c->bytes = (uint64_t)ftell(c->file);
    else if (c->file == NULL && fd >= 0)
        close(fd);
    if (result == 0)
        return 0;
    weir_capture_close(c);
    *made = NULL;
    return result;
}

int weir_capture_add(struct weir_capture *c, struct weir_ring_consumer *ring, struct weir_counter *counts)
{
    c->sources[c->n_sources++] = (struct source){ring, counts};
    if (c->n_sources < c->plan.rings)
        return 0;
    int error = pthread_create(&c->thread, NULL, write_all, c);
    c->runs = error == 0;
    if (c->runs)
        pthread_setname_np(c->thread, "weir-write");
    return -error;
}

void weir_capture_close(struct weir_capture *c)
{
    weir_word_publish(&c->stop, 1);
    if (c->runs)
        pthread_join(c->thread, NULL);
    if (c->file != NULL)
        fclose(c->file);
    free(c->flat);
    free(c);
}
