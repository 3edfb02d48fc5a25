/* SPDX-License-Identifier: BSD-3-Clause */
/* write: the end of a packet's way is a capture file. The worker only hands packets over, and takes them back once they
 * are written; what the writer cannot keep up with is counted and not written. */
#include <stdio.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/writer.h"
#include "dataplane/stages/list.h"

enum { FORMAT_BY_NAME, FORMAT_PCAP, FORMAT_PCAPNG };
static const char *const format_words[] = {"by-name", "pcap", "pcapng", NULL};

struct write_params {
    const char *file;
    uint64_t format;
    uint64_t snap;
    uint64_t limit_bytes;
    uint64_t queue;
};

static const struct weir_param write_param_table[] = {
    {.key = "file",
        .type = WEIR_PARAM_STRING,
        .offset = offsetof(struct write_params, file),
        .help = "The capture; one that is there is written over."},
    {.key = "format",
        .type = WEIR_PARAM_WORD,
        .offset = offsetof(struct write_params, format),
        .unset = "by-name",
        .words = format_words,
        .help = "by-name: pcapng where the file ends in .pcapng, else pcap. Both with nanoseconds; pcapng "
                "also says through which port a packet came."},
    {.key = "snap",
        .type = WEIR_PARAM_BYTES,
        .offset = offsetof(struct write_params, snap),
        .unset = "256KiB",
        .min = 14,
        .max = WEIR_WRITER_SNAP_MAX,
        .help = "How much of each packet is kept; its length is kept in any case."},
    {.key = "limit",
        .type = WEIR_PARAM_BYTES,
        .offset = offsetof(struct write_params, limit_bytes),
        .unset = "0",
        .help = "How long the file may become; 0 = no limit. From the first packet that would pass it on, "
                "packets are counted as over_limit and not written."},
    {.key = "queue",
        .type = WEIR_PARAM_COUNT,
        .offset = offsetof(struct write_params, queue),
        .unset = "4096",
        .min = 64,
        .max = 1 << 20,
        .help = "How many packets of each worker may wait for the disk, rounded up to a power of two. With "
                "more, the newest are counted as not_written: a slow disk never holds up the pipeline."},
    {0},
};

enum { NOT_WRITTEN = WEIR_WRITER_COUNTS };
static const char *const write_counters[] = {
    WEIR_COUNTER("written", "Packets in the file."),
    WEIR_COUNTER("written_bytes", "Bytes that they take there."),
    WEIR_COUNTER("failed", "Packets left out since the first write that failed."),
    WEIR_COUNTER("over_limit", "Packets left out because the file had reached its limit."),
    WEIR_COUNTER("not_written", "Packets left out because the queue to the writer was full."),
    NULL,
};

struct write_pool {
    struct weir_writer *writer;
    struct weir_word failed; /* the writer writes, anyone reads: errno, 0 = fine */
};

struct write_worker { /* behind it the ring, then `held` */
    struct weir_ring *ring;
    struct weir_desc *held; /* all that is in the ring, by the same index */
    uint32_t capacity;
    uint32_t given, returned; /* packets, ever */
} __attribute__((aligned(WEIR_APART)));

/* ---- the worker ---- */

/* All but the last `waiting` of those in the ring. */
static void take_back(struct weir_stage *s, struct write_worker *w, uint32_t waiting)
{
    for (; w->given - w->returned > waiting; w->returned++)
        weir_release(s->trash, &w->held[w->returned & (w->capacity - 1)]);
}

static void write_process(struct weir_stage *s, struct weir_batch *batch)
{
    struct write_worker *w = s->worker_state;
    struct weir_captured items[WEIR_BATCH];
    uint32_t room = weir_ring_room(&w->ring->producer, w->capacity);
    take_back(s, w, w->capacity - room);
    uint32_t n = batch->n < room ? batch->n : room;
    for (uint32_t i = 0; i < n; i++) {
        const struct weir_desc *d = &batch->desc[i];
        items[i] = (struct weir_captured){
            .mbuf = d->mbuf, .tsc = batch->now_tsc, .length = d->length, .port = d->mbuf->port};
        w->held[w->given++ & (w->capacity - 1)] = *d;
        weir_stage_end(s, d);
    }
    weir_ring_push(&w->ring->producer, items, n);
    for (uint32_t i = n; i < batch->n; i++)
        weir_release(s->trash, &batch->desc[i]);
    weir_counter_add(&s->counts[NOT_WRITTEN], batch->n - n);
    weir_counter_add(&s->out, batch->n);
    batch->n = 0;
}

static struct weir_ring_producer *write_way_out(const struct weir_stage *s)
{
    return &((struct write_worker *)s->worker_state)->ring->producer;
}

/* ---- set-up ---- */

static uint32_t capacity_of(const struct write_params *p)
{
    return UINT32_C(1) << (64 - __builtin_clzll(p->queue - 1));
}

static uint64_t write_holds(const void *params)
{
    return capacity_of(params);
}

static size_t write_worker_size(const void *params, const struct weir_stage_env *)
{
    uint32_t capacity = capacity_of(params);
    return sizeof(struct write_worker) + weir_ring_bytes(capacity, sizeof(struct weir_captured)) +
           capacity * sizeof(struct weir_desc);
}

static size_t write_pool_size(const void *, const struct weir_stage_env *)
{
    return sizeof(struct write_pool);
}

static bool is_pcapng(const struct write_params *p)
{
    size_t length = strlen(p->file);
    return p->format == FORMAT_PCAPNG ||
           (p->format == FORMAT_BY_NAME && length > 7 && strcmp(p->file + length - 7, ".pcapng") == 0);
}

static int write_init(struct weir_stage *s)
{
    const struct write_params *p = s->params;
    struct write_pool *pool = s->pool_state;
    struct write_worker *w = s->worker_state;
    const struct weir_writer_plan plan = {.file = p->file,
        .format = is_pcapng(p) ? WEIR_WRITER_PCAPNG : WEIR_WRITER_PCAP,
        .snap = (uint32_t)p->snap,
        .limit_bytes = p->limit_bytes,
        .tsc_hz = s->env->tsc_hz,
        .ports = s->env->ports,
        .n_ports = s->env->n_ports,
        .rings = s->env->workers,
        .failed = &pool->failed};
    int result = weir_writer_open(&pool->writer, &plan, s->error, WEIR_STAGE_ERROR_BYTES);
    if (result != 0)
        return result;
    w->capacity = capacity_of(p);
    w->ring = weir_ring_init(w + 1, w->capacity, sizeof(struct weir_captured), 0);
    w->held =
        (struct weir_desc *)((uint8_t *)(w + 1) + weir_ring_bytes(w->capacity, sizeof(struct weir_captured)));
    return weir_writer_add(pool->writer, &w->ring->consumer, s->counts);
}

static void write_fini(struct weir_stage *s)
{
    struct write_pool *pool = s->pool_state;
    struct write_worker *w = s->worker_state;
    if (pool->writer != NULL)
        weir_writer_close(pool->writer, s->env->drain_tsc);
    pool->writer = NULL;
    weir_counter_add(&s->counts[NOT_WRITTEN], weir_ring_depth(w->ring));
    take_back(s, w, 0);
}

static bool write_trouble(const struct weir_stage *s, char *text, size_t size)
{
    const struct write_params *p = s->params;
    uint32_t error = weir_word_read(&((const struct write_pool *)s->pool_state)->failed);
    if (error != 0)
        snprintf(text, size,
            "the capture %s ends early: %s; what came later is counted as failed or not_written", p->file,
            weir_writer_says(error));
    return error != 0;
}

const struct weir_stage_def weir_stage_write = {
    .name = "write",
    .help = "Write packets to a capture file, pcap or pcapng. Their time is when this pool took them: in a "
            "pool fed by ports, when they were received. Packets of several workers stand in the order in "
            "which the writer met them.",
    .params = write_param_table,
    .params_size = sizeof(struct write_params),
    .counters = write_counters,
    .terminal = true,
    .worker_size = write_worker_size,
    .pool_size = write_pool_size,
    .holds = write_holds,
    .init = write_init,
    .process = write_process,
    .way_out = write_way_out,
    .fini = write_fini,
    .trouble = write_trouble,
};
