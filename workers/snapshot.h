/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything weir shows of itself, as plain data: taken from single-writer counters, no worker is stopped or
 * asked. monitor/ and cli/ render it; workers/ledger.c fills it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_SNAPSHOT_UNKNOWN UINT64_MAX /* shown as `unknown`, never as 0 */

struct weir_named_count {
    const char *name;
    const char *help; /* may be NULL */
    uint64_t value;
    const char *of; /* the class it counts, NULL = all */
};

/* The first of that name; 0 = there is none. */
uint64_t weir_named_value(const struct weir_named_count *, uint32_t n, const char *name);

struct weir_snapshot_port {
    const char *name, *kind;
    const char *condition;             /* `up`, `down`, `gone` */
    uint64_t up;                       /* 1 = up */
    uint64_t reopened;                 /* times that its device came back */
    uint64_t queues;                   /* of receive */
    uint64_t received, received_bytes; /* handed to the pipeline: the ledger's `in` */
    uint64_t sent;                     /* frames the driver took minus tx_errors */
    uint64_t sent_bytes; /* of the frames the driver took: it does not say how long the errors were */
    uint64_t tx_errors;  /* dropped{port_tx_error} */
    uint64_t missed;     /* before receive, outside the ledger; may be WEIR_SNAPSHOT_UNKNOWN */
    uint64_t offered;    /* a generator's schedule; WEIR_SNAPSHOT_UNKNOWN for other kinds */
    uint64_t late_p50_ns, late_p99_ns, late_max_ns; /* received after it was due by that; or unknown */
    const char *note;                               /* for the certificate, or NULL */
};

enum weir_worker_state {
    WEIR_WORKER_STARTING,
    WEIR_WORKER_RUNNING,
    WEIR_WORKER_DRAINING,   /* told to stop receiving; still holds or awaits packets */
    WEIR_WORKER_DISCARDING, /* after the drain deadline: drops what it holds */
    WEIR_WORKER_ENDED,
    WEIR_WORKER_STATES
};
extern const char *const weir_worker_state_names[WEIR_WORKER_STATES];
struct weir_snapshot_worker;
/* The state's name, `stuck` or `descheduled`. */
const char *weir_worker_shows(const struct weir_snapshot_worker *);

/* How long it took, or how many there were, of many. A value is within 1.6 % of the true one; max is exact. */
#define WEIR_QUANTILES 5
#define WEIR_BOUNDS 19
extern const struct weir_quantile {
    double part;
    const char *name;
} weir_quantiles[WEIR_QUANTILES];
extern const uint64_t weir_bounds_ns[WEIR_BOUNDS];

struct weir_distribution { /* in ns, or in what is counted */
    uint64_t count, max_ns;
    double sum_ns;
    uint64_t quantiles_ns[WEIR_QUANTILES];
    uint64_t until[WEIR_BOUNDS]; /* how many took at most so long; latencies only */
};

#define WEIR_GAPS 8
struct weir_gap {              /* the worker did not run */
    uint64_t lost_ns, unix_ns; /* how long, and when that ended, since 1970 */
};

struct weir_snapshot_worker {
    const char *pool;
    uint32_t index; /* within the pool */
    uint32_t lcore, cpu;
    bool shares_cpu; /* with another worker: it yields */
    bool stuck;      /* no progress although it should; see the log */
    bool off_cpu;    /* no progress, because the kernel gives it no CPU */
    enum weir_worker_state state;
    uint64_t steps;
    uint64_t busy_tsc, idle_tsc, blocked_tsc; /* blocked: waiting on a full inbox downstream */
    uint64_t parked_tsc;                      /* asleep until something comes */
    uint32_t shards;                          /* that it owns */
    uint64_t parks;                           /* times it went to sleep */
    uint64_t stash_high_water; /* packets of shards on their way to it that it kept, the most ever */
    uint64_t received;         /* packets taken from ports or rings */
    uint64_t held;             /* in hand + remainders */
    uint64_t copied;           /* packets that a `tee` made */
    uint64_t tapped;           /* packets copied for captures; they are in no book */
    uint64_t untapped;         /* packets not copied, because the reader of the capture is slow */
    uint64_t
        lost_tsc; /* in steps that took longer than they can have worked: it did not run; in none of the above */
    uint64_t gaps; /* times that */
    uint64_t longest_gap_tsc;
    struct weir_gap recent[WEIR_GAPS]; /* the newest first */
    uint32_t n_recent;
    struct weir_distribution batches,
        inbox; /* packets of a receive, and those in the rings then: one batch in 64 */
};

struct weir_snapshot_stage {
    const char *pool, *stage;
    uint32_t worker;   /* index within the pool */
    uint32_t position; /* in the pool's list */
    uint64_t in, out;  /* packets; in = out + sum of drops */
    struct weir_named_count *drops;
    uint32_t n_drops;
    struct weir_named_count *counts;
    uint32_t n_counts;
    bool consumes;             /* `out` ended here */
    uint64_t timed, timed_tsc; /* packets of one batch in 64, and the cycles that the stage took for them */
    struct weir_distribution times; /* of these batches */
};

struct weir_snapshot_ring { /* one cell of the matrix between two pools */
    const char *from, *to;
    uint32_t from_worker, to_worker;
    uint32_t depth, capacity;
    uint64_t pushed;     /* packets that entered */
    uint64_t refused;    /* dropped{inbox_full}, on-full: drop */
    uint32_t high_water; /* deepest seen by the producer */
    bool copies;         /* of a `tee`: fed by the worker's `copied`, not by what leaves its stages */
};

struct weir_snapshot_latency { /* of the probes */
    const char *pool;
    bool hop; /* how long they waited in its inbox; else from their arrival to their end there */
    struct weir_distribution of; /* at least one */
};

/* The whole. accepted + copied = sent + consumed + dropped + held, and what does not fit is `lost` (negative: counted twice). */
struct weir_ledger {
    uint64_t accepted;  /* by ports' receive */
    uint64_t copied;    /* by a `tee`: packets that began in here */
    uint64_t sent;      /* transmitted without error */
    uint64_t consumed;  /* ended in a stage that keeps them, such as a sink */
    uint64_t dropped;   /* sum of reasons below */
    uint64_t held;      /* counted: rings + remainders + in hand */
    uint64_t abandoned; /* held by a stuck worker, or in the rings it should have emptied; memory untouched */
    int64_t
        lost; /* accepted + copied - sent - consumed - dropped - held - abandoned; exact once all workers ended */
    int64_t leaked; /* mbufs: pool size - available - kept by drivers; -1 before the end: not measured */
    uint64_t kept;  /* mbufs kept by drivers */
    bool final; /* nothing moves any more: all workers ended and ports closed, or stuck ones left behind */
};

struct weir_snapshot {
    const char *name; /* of the pipeline */
    uint64_t tsc_hz;
    uint64_t now_tsc;
    uint64_t running_tsc; /* since start, up to the drain signal if there was one */
    struct weir_snapshot_port *ports;
    uint32_t n_ports;
    struct weir_snapshot_worker *workers;
    uint32_t n_workers;
    struct weir_snapshot_stage *stages; /* sorted: pool, position, worker */
    uint32_t n_stages;
    struct weir_snapshot_ring *rings;
    uint32_t n_rings;
    struct weir_named_count *drops; /* whole pipeline by reason, non-zero and zero, unique names */
    uint32_t n_drops;
    struct weir_snapshot_latency *latencies; /* of ends, then of hops */
    uint32_t n_latencies;
    struct weir_ledger ledger;
    uint64_t mempool_size, mempool_available;
    const char *contradiction; /* where two counters contradict each other, or NULL; see audit.c */
    const char *failure;       /* what went wrong outside of the pipeline, such as a full disk, or NULL */
    /* the end */
    const char *why_stopped; /* `signal`, `stop-after`, `end of input`, `second signal`; NULL while running */
    uint64_t held_at_signal; /* WEIR_SNAPSHOT_UNKNOWN where the input ended and nobody told it to stop */
    uint64_t drain_ns;       /* signal to last worker ended; likewise */
    bool deadline_passed;    /* drain-timeout cut the drain short; a second signal is no deadline */
    /* the checking sinks together; checked = 0 if there was none */
    uint64_t checked, unstamped, missing, reordered, duplicated;
    const char *first_violation; /* "flow 17 of gen: 6 came before 5", or NULL */
};

/* `validate of ingress.0: 10 in, 11 out or dropped`: the first stage or edge whose books do not balance, or NULL.
 * While packets move only what can never be is reported. The caller frees it. */
char *weir_snapshot_audit(const struct weir_snapshot *);

struct weir_runtime;
struct weir_snapshot *weir_snapshot_take(struct weir_runtime *);
void weir_snapshot_free(struct weir_snapshot *);

#ifdef __cplusplus
}
#endif
