/* SPDX-License-Identifier: BSD-3-Clause */
/* A capture file, pcap or pcapng with nanoseconds, and the thread that writes it: a polling core never waits for a disk.
 *
 * Each worker has a ring to the writer. A packet stays the worker's: the writer only reads it, and what its end of the
 * ring has passed the worker takes back. Packets of several workers stand in the file as the writer met them.
 * Each burst of at most WEIR_CAPTURE_BURST packets is in the file, whole, before the next one is looked at.
 * Threads  control only; the writer's own is made by the last weir_capture_add() and inherits CPUs and signal mask. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rings/counter.h"
#include "rings/ring.h"
#include "rings/word.h"

struct rte_mbuf;
struct weir_port;
struct weir_capture;

#define WEIR_CAPTURE_SNAP_MAX 262144 /* what every reader takes */
#define WEIR_CAPTURE_BURST 256

struct weir_captured { /* item of the rings */
    struct rte_mbuf *mbuf;
    uint64_t tsc;    /* its time */
    uint32_t length; /* on the wire; the file keeps at most `snap` of it */
    uint32_t port;   /* index of the one it came from */
};

enum weir_capture_format { WEIR_CAPTURE_PCAP, WEIR_CAPTURE_PCAPNG };

struct weir_capture_plan { /* `file` and `ports` outlive the capture */
    const char *file;      /* written over */
    enum weir_capture_format format;
    uint32_t snap;
    uint64_t limit_bytes; /* of the file; 0 = none */
    uint64_t tsc_hz;
    struct weir_port *const *ports;
    uint32_t n_ports;
    uint32_t rings; /* how many weir_capture_add() to come */
    struct weir_word
        *failed; /* becomes the errno of the first write that failed; nothing is written after it */
};

/* The counters of one ring; the writer's thread writes them. */
enum {
    WEIR_CAPTURE_WRITTEN,    /* packets in the file */
    WEIR_CAPTURE_BYTES,      /* that they take there */
    WEIR_CAPTURE_OVER_LIMIT, /* packets left out once one was beyond the limit */
    WEIR_CAPTURE_FAILED,     /* packets left out since a write failed */
    WEIR_CAPTURE_COUNTS
};

/* 0, or -errno with cause and remedy in `error`. No two captures have the same file at once. */
int weir_capture_open(
    struct weir_capture **, const struct weir_capture_plan *, char *error, size_t error_size);
int weir_capture_add(struct weir_capture *, struct weir_ring_consumer *, struct weir_counter *counts);
/* After the last push: returns when all that was pushed is written or counted. */
void weir_capture_close(struct weir_capture *);
