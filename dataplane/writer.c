/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#include "dataplane/pcapng.h"
#include "dataplane/port.h"
#include "dataplane/record.h"
#include "dataplane/wall.h"

#define IDLE_NS                                                                                              \
    1000000 /* a look at empty rings; a worker never wakes the writer, which would be a system call */
#define PATIENCE_S 2            /* without one more packet, at the end */
#define GRACES_A_SECOND 10      /* past the deadline, for what is in hand */
#define BUFFER_BYTES (1u << 20) /* holds a burst of common frames: one write */

#define PCAP_AROUND 16 /* bytes of a record that are not the frame */

struct source {
    struct weir_ring_consumer *ring;
    struct weir_counter *counts;
};

struct weir_writer {
    struct weir_writer_plan plan;
    const struct format *format;
    FILE *file;
    uint64_t bytes;     /* of the file, all records whole */
    bool full, failed;  /* nothing more is written */
    uint32_t rotated;   /* files that have their length */
    uint64_t again_tsc; /* not before that another try to begin the next */
    struct weir_wall wall;
    uint8_t *flat; /* for a frame in several segments */
    pthread_t thread;
    bool runs;
    uint64_t deadline_tsc; /* written before `stop` */
    struct weir_word stop;
    uint32_t n_sources;
    struct source sources[];
};

struct format {
    uint32_t around;
    bool pads;
    bool records; /* appended to, goes on after a failure */
    void (*begin)(struct weir_writer *);
    bool (*item)(struct weir_writer *, const void *);
    void (*record)(FILE *, const struct weir_pcapng_packet *);
    size_t item_size;
    uint32_t counts;
};

/* ---- formats: all words in our own byte order, which both tell ---- */

static void pcap_begin(struct weir_writer *w)
{
    const uint16_t version[] = {2, 4};
    const uint32_t magic = 0xa1b23c4d /* nanoseconds */, rest[] = {0, 0, w->plan.snap, DLT_EN10MB};
    fwrite(&magic, sizeof magic, 1, w->file);
    fwrite(version, sizeof version, 1, w->file);
    fwrite(rest, sizeof rest, 1, w->file);
}

static void pcap_record(FILE *to, const struct weir_pcapng_packet *p)
{
    const uint32_t head[] = {
        (uint32_t)(p->ns / WEIR_NS_A_SECOND), (uint32_t)(p->ns % WEIR_NS_A_SECOND), p->captured, p->length};
    fwrite(head, sizeof head, 1, to);
    fwrite(p->frame, p->captured, 1, to);
}

/* Each port is an interface of its own index. */
static void pcapng_begin(struct weir_writer *w)
{
    weir_pcapng_begin(w->file);
    for (uint32_t i = 0; i < w->plan.n_ports; i++)
        weir_pcapng_interface(w->file, w->plan.ports[i]->name, w->plan.snap);
}

/* False: it would pass the limit, and so will all that come. */
static bool frame_item(struct weir_writer *w, const void *item)
{
    const struct weir_captured *p = item;
    uint32_t has = p->mbuf->pkt_len;
    struct weir_pcapng_packet r = {.ns = weir_wall_ns(&w->wall, p->tsc),
        .captured = has < w->plan.snap ? has : w->plan.snap,
        .length = p->length > has ? p->length : has,
        .interface = p->port};
    uint32_t bytes = w->format->around + (w->format->pads ? weir_pcapng_padded(r.captured) : r.captured);
    if (w->full || (w->plan.limit_bytes != 0 && w->bytes + bytes > w->plan.limit_bytes)) {
        w->full = true;
        return false;
    }
    r.frame = rte_pktmbuf_read(p->mbuf, 0, r.captured, w->flat);
    w->format->record(w->file, &r);
    w->bytes += bytes;
    return true;
}

static bool flow_item(struct weir_writer *w, const void *item)
{
    const struct weir_record *r = item;
    char line[WEIR_RECORD_TEXT_MAX];
    uint32_t n = weir_record_text(line, w->plan.format == WEIR_WRITER_CSV, r,
        weir_wall_ns(&w->wall, r->flow.first_tsc), weir_wall_ns(&w->wall, r->flow.last_tsc));
    fwrite_unlocked(line, n, 1, w->file);
    w->bytes += n;
    return true;
}

static void no_begin(struct weir_writer *)
{
}

static void csv_begin(struct weir_writer *w)
{
    if (w->bytes != 0)
        return;
    w->bytes = strlen(weir_record_csv_header);
    fputs(weir_record_csv_header, w->file);
}

/* clang-format off */
#define FRAMES .item = frame_item, .item_size = sizeof(struct weir_captured), .counts = WEIR_WRITER_COUNTS
#define RECORDS                                                                                              \
    .records = true, .item = flow_item, .item_size = sizeof(struct weir_record), .counts = WEIR_WRITER_RECORD_COUNTS
static const struct format formats[] = {
    [WEIR_WRITER_PCAP] = {FRAMES, .begin = pcap_begin, .record = pcap_record, .around = PCAP_AROUND},
    [WEIR_WRITER_PCAPNG] = {FRAMES, .begin = pcapng_begin, .record = weir_pcapng_packet,
        .around = WEIR_PCAPNG_AROUND, .pads = true},
    [WEIR_WRITER_JSONL] = {RECORDS, .begin = no_begin},
    [WEIR_WRITER_CSV] = {RECORDS, .begin = csv_begin},
};
/* clang-format on */

/* ---- the file ---- */

__attribute__((format(printf, 4, 5))) static int refuse(
    int error, char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, size, format, arguments);
    va_end(arguments);
    return -error;
}

/* A file that nobody else writes, or -errno: empty, but for one of records. Where it ends is in w->bytes. */
static int open_file(struct weir_writer *w, const char *name, char *error, size_t size)
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
    else if (S_ISREG(about.st_mode) && !w->format->records && ftruncate(fd, 0) != 0)
        result = refuse(errno, error, size, "cannot write %s: %s", name, strerror(errno));
    w->bytes = result == 0 && w->format->records && S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
    if (result == 0)
        return fd;
    close(fd);
    return result;
}

/* ---- the writer's thread ---- */

/* All of what was handed to the file is in it; else the file ends with the last record before. */
static bool settle(struct weir_writer *w, uint64_t bytes_before)
{
    if (fflush(w->file) == 0 && !ferror(w->file))
        return true;
    int error = errno != 0 ? errno : EIO;
    w->failed = !w->format->records;
    w->bytes = bytes_before;
    __fpurge(w->file);
    clearerr(w->file);
    if (ftruncate(fileno(w->file), (off_t)bytes_before) != 0)
        w->full = true; /* a device: nothing to take back */
    weir_word_publish(w->plan.failed, (uint32_t)error);
    return false;
}

/* An empty file with its header, under another name as yet; NULL and errno: there is none. */
static FILE *begin_next(struct weir_writer *w, const char *name)
{
    char error[512];
    FILE *before = w->file;
    int fd = open_file(w, name, error, sizeof error);
    FILE *next = fd < 0 ? NULL : fdopen(fd, "a");
    if (next == NULL) {
        errno = fd < 0 ? -fd : errno;
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    w->file = next;
    w->bytes = 0;
    setvbuf(next, NULL, _IOFBF, BUFFER_BYTES);
    bool begun = ftruncate(fd, 0) == 0; /* of a process that was killed at this */
    w->format->begin(w);
    begun = fflush(next) == 0 && begun;
    w->file = before;
    if (begun)
        return next;
    int cause = errno;
    __fpurge(next);
    fclose(next);
    unlink(name);
    errno = cause;
    return NULL;
}

/* The file has its length: it gets the next free name, and another one, which is there already, its own. */
static void rotate(struct weir_writer *w)
{
    char name[PATH_MAX], next_name[PATH_MAX];
    uint64_t bytes = w->bytes;
    do
        snprintf(name, sizeof name, "%s.%u", w->plan.file, ++w->rotated);
    while (access(name, F_OK) == 0);
    snprintf(next_name, sizeof next_name, "%s.next", w->plan.file);
    FILE *next = begin_next(w, next_name);
    if (next != NULL && rename(w->plan.file, name) == 0) {
        if (rename(next_name, w->plan.file) == 0) {
            fclose(w->file);
            w->file = next;
            return;
        }
        rename(name, w->plan.file);
    }
    /* It grows on. */
    if (weir_word_read(w->plan.failed) == 0)
        weir_word_publish(w->plan.failed, WEIR_WRITER_NO_NEXT | (uint32_t)errno);
    w->rotated--;
    w->bytes = bytes;
    w->again_tsc = rte_rdtsc() + w->plan.tsc_hz;
    if (next != NULL) {
        fclose(next);
        unlink(next_name);
    }
}

static uint32_t write_burst(struct weir_writer *w, const struct source *from)
{
    uint32_t n, counts[WEIR_WRITER_COUNTS] = {0};
    const uint8_t *burst = weir_ring_peek(from->ring, WEIR_WRITER_BURST, &n);
    if (n == 0)
        return 0;
    weir_wall_look(&w->wall);
    uint64_t before = w->bytes;
    errno = 0;
    for (uint32_t i = 0; i < n && !w->failed; i++)
        counts[w->format->item(w, burst + i * w->format->item_size) ? WEIR_WRITER_WRITTEN
                                                                    : WEIR_WRITER_OVER_LIMIT]++;
    if (w->failed || !settle(w, before)) {
        counts[WEIR_WRITER_FAILED] = n - counts[WEIR_WRITER_OVER_LIMIT];
        counts[WEIR_WRITER_WRITTEN] = 0;
    }
    counts[WEIR_WRITER_BYTES] = (uint32_t)(w->bytes - before);
    for (uint32_t i = 0; i < w->format->counts; i++)
        weir_counter_add(&from->counts[i], counts[i]);
    if (w->format->records && w->plan.limit_bytes != 0 && w->bytes >= w->plan.limit_bytes &&
        rte_rdtsc() >= w->again_tsc)
        rotate(w);
    weir_ring_release(from->ring, n);
    weir_ring_settle(from->ring); /* with it the worker may have the packets back */
    return n;
}

static void *write_all(void *given)
{
    static const struct timespec idle = {.tv_nsec = IDLE_NS};
    struct weir_writer *w = given;
    for (;;) {
        bool last = weir_word_read(&w->stop) != 0; /* before the look, so that nothing comes after it */
        if (last && rte_rdtsc() >= w->deadline_tsc)
            return NULL;
        uint32_t n = 0;
        for (uint32_t i = 0; i < w->n_sources; i++)
            n += write_burst(w, &w->sources[i]);
        if (n == 0 && last)
            return NULL;
        if (n == 0)
            nanosleep(&idle, NULL);
    }
}

/* ---- set-up ---- */

int weir_writer_open(
    struct weir_writer **made, const struct weir_writer_plan *plan, char *error, size_t error_size)
{
    if (*made != NULL)
        return 0;
    struct weir_writer *w = calloc(1, sizeof *w + plan->rings * sizeof w->sources[0]);
    *made = w;
    if (w == NULL)
        return refuse(ENOMEM, error, error_size, "no memory to write %s", plan->file);
    w->plan = *plan;
    w->wall.tsc_hz = plan->tsc_hz;
    w->format = &formats[plan->format];
    w->flat = malloc(plan->snap);
    int fd = open_file(w, plan->file, error, error_size);
    int result = fd < 0 ? fd : 0;
    w->file = fd < 0 ? NULL : fdopen(fd, w->format->records ? "a" : "w");
    if (result == 0 &&
        (w->flat == NULL || w->file == NULL || setvbuf(w->file, NULL, _IOFBF, BUFFER_BYTES) != 0))
        result = refuse(ENOMEM, error, error_size, "no memory to write %s", plan->file);
    if (result == 0) {
        w->format->begin(w);
        if (fflush(w->file) != 0 || ferror(w->file))
            result = refuse(errno, error, error_size, "cannot write %s: %s", plan->file, strerror(errno));
    }
    if (result == 0 && !w->format->records)
        w->bytes = (uint64_t)ftell(w->file);
    else if (result != 0 && w->file == NULL && fd >= 0)
        close(fd);
    if (result == 0)
        return 0;
    weir_writer_close(w, 0);
    *made = NULL;
    return result;
}

int weir_writer_add(struct weir_writer *w, struct weir_ring_consumer *ring, struct weir_counter *counts)
{
    w->sources[w->n_sources++] = (struct source){ring, counts};
    if (w->n_sources < w->plan.rings)
        return 0;
    int error = pthread_create(&w->thread, NULL, write_all, w);
    w->runs = error == 0;
    if (w->runs)
        pthread_setname_np(w->thread, "weir-write");
    return -error;
}

/* False: it does not answer. */
static bool join_writer(struct weir_writer *w, uint64_t grace)
{
    const uint64_t hz = w->plan.tsc_hz;
    bool last = false;
    for (uint64_t before = UINT64_MAX, now = 0; !last && now != before;) {
        struct timespec until;
        uint64_t at = rte_rdtsc(), wait = grace;
        last = at >= w->deadline_tsc;
        if (!last)
            wait = RTE_MIN(w->deadline_tsc - at, PATIENCE_S * hz);
        clock_gettime(CLOCK_REALTIME, &until); /* the join on another clock is unknown to ThreadSanitizer */
        uint64_t ns = (uint64_t)until.tv_nsec + wait * WEIR_NS_A_SECOND / hz;
        until.tv_sec += (time_t)(ns / WEIR_NS_A_SECOND);
        until.tv_nsec = (long)(ns % WEIR_NS_A_SECOND);
        if (pthread_timedjoin_np(w->thread, NULL, &until) == 0)
            return true;
        before = now;
        now = 1;
        for (uint32_t i = 0; i < w->n_sources; i++)
            for (int k = 0; k < WEIR_WRITER_RECORD_COUNTS; k++)
                now += weir_counter_read(&w->sources[i].counts[k]);
    }
    weir_word_publish(w->plan.failed, ETIMEDOUT);
    return false;
}

void weir_writer_close(struct weir_writer *w, uint64_t deadline_tsc)
{
    const uint64_t grace = w->plan.tsc_hz / GRACES_A_SECOND;
    w->deadline_tsc = RTE_MAX(deadline_tsc, rte_rdtsc() + grace);
    weir_word_publish(&w->stop, 1);
    if (w->runs && !join_writer(w, grace))
        return;
    for (uint32_t i = 0, left; i < w->n_sources; i++) {
        weir_ring_peek(w->sources[i].ring, 1, &left);
        if (left != 0)
            weir_word_publish(w->plan.failed, ETIME);
    }
    if (w->file != NULL && fclose(w->file) != 0) /* some file systems tell only now */
        weir_word_publish(w->plan.failed, (uint32_t)errno);
    free(w->flat);
    free(w);
}

const char *weir_writer_says(uint32_t error)
{
    error &= ~WEIR_WRITER_NO_NEXT;
    return error == ETIMEDOUT ? "the disk does not answer"
           : error == ETIME   ? "the disk is too slow for `drain-timeout`"
                              : strerror((int)error);
}
