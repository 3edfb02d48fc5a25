/* SPDX-License-Identifier: BSD-3-Clause */
/* The contract of a stage. A stage is one file, dataplane/stages/NAME.c, that exports one weir_stage_def; adding
 * one touches that file, its test and one line of stages/list.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/batch.h"
#include "dataplane/probe.h"
#include "dataplane/release.h"
#include "rings/counter.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_port;
struct weir_ring_producer;

/* ---- classes ---- */

#define WEIR_CLASSES_MAX 256 /* class_id of a descriptor is 8 bits; 0 is `other` */

struct weir_rate {
    uint64_t per_s; /* packets, or layer-2 bytes, per second; 0 = no limit (the word `max`, or unset) */
    bool packets;   /* per_s counts packets */
    bool of_line;   /* per_s counts thousandths of a percent of a line */
};

struct weir_class {
    const char *name;
    const char *match; /* expression of libpcap; NULL in `other`, which is what no class matches */
    bool raw;          /* it sees the VLAN tags */
    uint8_t priority;  /* 0 = control, never shed */
    struct weir_rate rate;
    uint64_t burst; /* bytes; 0 = what suits the rate */
};

struct weir_export {  /* where records of flows go */
    const char *file; /* NULL = nowhere */
    uint64_t csv;     /* else JSON lines */
    uint64_t rotate_bytes;
};

struct weir_class_set {
    uint64_t bits[WEIR_CLASSES_MAX / 64];
};

static inline bool weir_class_set_has(const struct weir_class_set *s, uint32_t class_id)
{
    return s->bits[class_id / 64] >> class_id % 64 & 1;
}

/* ---- parameters: a table that cli/ hands to the configuration ---- */

enum weir_param_type {
    WEIR_PARAM_COUNT,    /* uint64_t; decimal suffixes k M G */
    WEIR_PARAM_BYTES,    /* uint64_t bytes; KiB MiB GiB or k M G */
    WEIR_PARAM_DURATION, /* uint64_t nanoseconds; ns us ms s min h */
    WEIR_PARAM_RATE,     /* struct weir_rate; bps kbps Mbps Gbps, or pps kpps Mpps; bps arrive as bytes */
    WEIR_PARAM_RATIO,    /* uint64_t thousandths */
    WEIR_PARAM_WORD,     /* uint64_t index into words[] */
    WEIR_PARAM_STRING,   /* const char *; outlives the stage */
    WEIR_PARAM_WEIGHTS, /* struct weir_weights: a number, a range or a word of words[], or several by weight */
    WEIR_PARAM_MAPS,    /* uint64_t, how many, then `max` structs of `nested_size`; may be absent */
    WEIR_PARAM_POOL,    /* uint64_t; the stage's whole value is the name of a pool, the key is "*" */
    WEIR_PARAM_PORT_MAP, /* struct weir_port_map; the stage's whole map is `port: port`, the key is "*" */
    WEIR_PARAM_CLASSES,  /* struct weir_class_set; a list of names, may be absent */
    WEIR_PARAM_EXPORT,   /* struct weir_export; the name of an export, may be absent */
};

#define WEIR_WEIGHTS_MAX 64
struct weir_weights {
    uint64_t n;
    struct weir_weight {
        uint64_t low, high, word; /* index into words[] where low = high = 0 */
        uint64_t weight;
    } of[WEIR_WEIGHTS_MAX];
};

#define WEIR_PORTS_MAX 64
struct weir_port_map {
    int16_t to[WEIR_PORTS_MAX]; /* indexed by the input port; -1 = not mapped */
};

struct weir_param {
    const char *key;
    enum weir_param_type type;
    size_t offset;     /* into the stage's plain parameter struct */
    const char *unset; /* default as a user would write it; NULL = required */
    uint64_t min, max; /* in the type's unit; 0,0 = no bound */
    const char *const
        *words; /* NULL-terminated; WORD, and those that WEIGHTS takes; RATE: "%", if it may be that */
    const char *needs_order;   /* the word with which the stage needs the packets of a flow in order */
    const char *by_class;      /* the word with which the stage keeps state of each class: one worker */
    const char *only_with[2];  /* key and word beside which this key means something, and without a default is
                                 required; {NULL} = always */
    const char *never_with[2]; /* the same, beside which it means nothing */
    const struct weir_param *nested; /* MAPS */
    size_t nested_size;
    bool inherits; /* has no default, and may be absent */
    bool reload;   /* may change in a running weir */
    const char *help;
};

/* ---- a stage at work on one worker ---- */

/* Written by workers/ at build time; a stage only reads it. */
struct weir_stage_env {
    uint64_t tsc_hz;
    uint64_t hash_key[4];     /* of this process, from the kernel's random source */
    uint32_t shards;          /* power of two; the size of the shard table */
    uint32_t workers;         /* of this pool */
    struct weir_port **ports; /* all ports by index */
    uint32_t n_ports;
    struct weir_batch
        *copies; /* of this worker: what a `tee` adds, the worker hands over; at most one batch */
    const struct weir_class *classes;  /* by class_id; [0] is `other` */
    uint32_t n_classes;                /* at least 1 */
    uint16_t tx_queue[WEIR_PORTS_MAX]; /* by port: this worker's own, if it sends there */
    uint64_t mute_ports; /* a bit each: nothing may be sent there now; changes between batches */
    int socket;          /* NUMA node for memory */
    uint64_t drain_tsc;  /* in fini: the deadline */
};

struct weir_stage {
    const struct weir_stage_def *def;
    const void *params;   /* read only, one for all workers of the pool */
    void *worker_state;   /* def->worker_size(params) bytes, zeroed, cache-aligned; this worker's alone */
    void *pool_state;     /* def->pool_size(...) bytes, zeroed; each entry is touched only by the owner of
                                     the entry's shard */
    uint8_t *shard_state; /* env->shards objects, shard_stride bytes apart, zeroed, cache-aligned; an
                                     object is touched only by the worker that owns the shard */
    size_t shard_stride;
    const struct weir_stage_env *env;
    struct weir_trash *trash;    /* of the worker */
    struct weir_counter in, out; /* packets; the worker writes them around process(), but `out` of a terminal
                                     stage, which is what it sent or consumed: its own count */
    struct weir_counter *drops;  /* packets, def->reasons order */
    struct weir_counter *counts; /* def->counters order; a stage may leave some to one other thread */
    struct weir_counter *class_counts; /* of class 0 in def->class_counters order, then of class 1, … */
    struct weir_histogram *latency;    /* of the probes that end here; NULL = there are none */
    struct weir_histogram
        *times; /* TSC cycles of a batch in process(), one of many; the worker writes them, too */
    struct weir_counter timed, timed_tsc; /* packets that these batches held, and the cycles of all */
    uint32_t noted; /* workers/handover.c: what lies before it in the way out was for shards that leave */
    char *error;    /* in init, WEIR_STAGE_ERROR_BYTES: why it failed, cause and remedy */
};

#define WEIR_STAGE_ERROR_BYTES 512

enum weir_sends {
    WEIR_SENDS_NOTHING,
    WEIR_SENDS_AS_MAPPED, /* its parameters are a struct weir_port_map */
    WEIR_SENDS_BACK,      /* through the port that a packet came from */
};

/* A row of a list of counters. */
#define WEIR_COUNTER(name, help) name, help

struct weir_stage_def {
    const char *name;
    const char *help;
    const struct weir_param *params; /* ends with key NULL; NULL = none */
    size_t params_size;
    const char *const *reasons;        /* drop reasons, NULL-terminated; NULL = drops nothing */
    const char *const *counters;       /* name, help, name, help, … NULL; NULL = none */
    const char *const *class_counters; /* the same, one of each for every class */
    bool makes_class;                  /* writes class_id */
    bool makes_key;                    /* writes hash and key */
    bool needs_key;                    /* reads them */
    bool keyed;                        /* keeps state per flow: one worker, or a sharded inbox */
    bool ports_only;                   /* legal only in a pool fed by ports */
    bool terminal;                     /* ends a pool that feeds nobody; consumes the whole batch */
    enum weir_sends sends; /* where a terminal stage does not consume but sends: one tx queue a worker */

    /* Sizes may depend on the parameters; NULL = 0. */
    size_t (*worker_size)(const void *params, const struct weir_stage_env *);
    size_t (*pool_size)(const void *params, const struct weir_stage_env *);
    size_t (*shard_size)(const void *params, const struct weir_stage_env *);
    /* Packets that a worker's stage may keep beyond its batch, already counted as out. */
    uint64_t (*holds)(const void *params);

    /* Control thread, before the worker starts. 0 or -errno. */
    int (*init)(struct weir_stage *);
    int (*init_shard)(struct weir_stage *, uint32_t shard);

    /* The worker's thread. Takes the batch in place and may shrink it; a packet that leaves the batch is given to
     * weir_stage_drop(), weir_stage_consume() or, in transmit, to a port. No allocation, lock, log, system call. */
    void (*process)(struct weir_stage *, struct weir_batch *);

    /* The same thread, in a step without packets; bounded like the other. True: more is due, so do not sleep now. */
    bool (*tick)(struct weir_stage *, uint64_t now_tsc);

    /* A shard changes its owner, the worker whose thread calls: what this worker keeps of it beside the shard's object
     * goes there, or comes from there. NULL = it keeps nothing. */
    void (*export_shard)(struct weir_stage *, uint32_t shard);
    void (*import_shard)(struct weir_stage *, uint32_t shard);

    /* The worker's ring to a thread that is no worker and writes in order what it finds there; a shard that leaves waits
     * for it. NULL, or returns NULL = none. */
    struct weir_ring_producer *(*way_out)(const struct weir_stage *);

    /* Control thread, after every worker has ended. Packets that it held go to the trash. */
    void (*fini)(struct weir_stage *);

    /* Any thread that is no worker: what went wrong outside of the pipeline, such as a full disk; false = nothing. */
    bool (*trouble)(const struct weir_stage *, char *text, size_t size);
};

extern const struct weir_stage_def *const weir_stage_list[]; /* ends with NULL */
const struct weir_stage_def *weir_stage_find(const char *name);

/* How many reasons (`words` 1), or counters (2, with their help), there are in a list of them. */
static inline uint32_t weir_stage_count(const char *const *list, uint32_t words)
{
    uint32_t n = 0;
    while (list != NULL && list[n * words] != NULL)
        n++;
    return n;
}

/* Remove one packet with a reason. The caller takes it out of the batch. */
static inline void weir_stage_drop(struct weir_stage *s, const struct weir_desc *d, unsigned reason)
{
    weir_counter_add(&s->drops[reason], 1);
    if (__builtin_expect(s->trash->view != NULL, 0))
        weir_view_packets(s->trash->view, d, 1, s->def->name, s->def->reasons[reason]);
    weir_release(s->trash, d);
}

/* The packet has reached its end, in a terminal stage. */
static inline void weir_stage_end(struct weir_stage *s, const struct weir_desc *d)
{
    if (__builtin_expect((d->key.flags & WEIR_DESC_PLAIN) == 0, 0))
        weir_probe_end_now(d->mbuf, s->latency);
}

/* The whole batch has, and is given back. */
static inline void weir_stage_consume(struct weir_stage *s, struct weir_batch *batch)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        weir_stage_end(s, &batch->desc[i]);
        weir_release(s->trash, &batch->desc[i]);
    }
    weir_counter_add(&s->out, batch->n);
    batch->n = 0;
}

static inline void *weir_stage_shard(const struct weir_stage *s, uint32_t hash)
{
    return s->shard_state + (size_t)(hash & (s->env->shards - 1)) * s->shard_stride;
}

#ifdef __cplusplus
}
#endif
