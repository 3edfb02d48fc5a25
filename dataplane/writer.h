/* SPDX-License-Identifier: BSD-3-Clause */
/* A file that workers fill, and the thread that writes it: a polling core never waits for a disk. A capture, pcap or
 * pcapng with nanoseconds, or the records of flows, JSON lines or CSV.
 *
 * Each worker has a ring to the writer. A packet stays the worker's: the writer only reads it, and what its end of the
 * ring has passed the worker takes back; a record is copied. Those of several workers stand in the file as the writer
 * met them. Each burst of at most WEIR_WRITER_BURST is in the file, whole, before the next one is looked at.
 * A capture is written over, and ends at the first write that fails. Records are appended, a file that has its length is
 * renamed to FILE.1, FILE.2, … once the next one is there, and a failed write costs the records of that burst.
 * Threads  control only; the writer's own is made by the last weir_writer_add() and inherits CPUs and signal mask. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rings/counter.h"
#include "rings/ring.h"
#include "rings/word.h"

struct rte_mbuf;
struct weir_port;
struct weir_writer;

#define WEIR_WRITER_SNAP_MAX 262144 /* what every reader takes */
#define WEIR_WRITER_BURST 256
#define WEIR_WRITER_NO_NEXT                                                                                  \
    (1u << 31) /* beside the errno in `failed`: nothing is missing, the file grows on */

struct weir_captured { /* item of the rings */
    struct rte_mbuf *mbuf;
    uint64_t tsc;    /* its time */
    uint32_t length; /* on the wire; the file keeps at most `snap` of it */
    uint32_t port;   /* index of the one it came from */
};

enum weir_writer_format {
    WEIR_WRITER_PCAP, /* items are struct weir_captured */
    WEIR_WRITER_PCAPNG,
    WEIR_WRITER_JSONL, /* struct weir_record */
    WEIR_WRITER_CSV,
};

struct weir_writer_plan { /* `file` and `ports` outlive the writer */
    const char *file;
    enum weir_writer_format format;
    uint32_t snap;
    uint64_t limit_bytes; /* of a capture, or when records begin another file; 0 = none */
    uint64_t tsc_hz;
    struct weir_port *const *ports;
    uint32_t n_ports;
    uint32_t rings;           /* how many weir_writer_add() to come */
    struct weir_word *failed; /* becomes the errno of the last write that failed */
};

/* The counters of one ring; the writer's thread writes them. */
enum {
    WEIR_WRITER_WRITTEN, /* packets or records in the file */
    WEIR_WRITER_BYTES,   /* that they take there */
    WEIR_WRITER_FAILED,  /* left out: of captures since a write failed, of records in one */
    WEIR_WRITER_RECORD_COUNTS,
    WEIR_WRITER_OVER_LIMIT = WEIR_WRITER_RECORD_COUNTS, /* packets left out once one was beyond the limit */
    WEIR_WRITER_COUNTS
};

/* One for all workers of a pool, from NULL; a second call has no effect. 0, or -errno with cause and remedy in `error`. No
 * two writers have the same file at once. */
int weir_writer_open(struct weir_writer **, const struct weir_writer_plan *, char *error, size_t error_size);
int weir_writer_add(struct weir_writer *, struct weir_ring_consumer *, struct weir_counter *counts);
/* After the last push. What is not written by the deadline, or a tenth of a second from now if that is later, is still in
 * the rings, which must stay readable: if the disk does not answer for two seconds, or then, the writer's thread is left
 * alone with them. */
void weir_writer_close(struct weir_writer *, uint64_t deadline_tsc);
/* What is in `failed`, as text. */
const char *weir_writer_says(uint32_t error);
