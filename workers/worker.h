/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker: one polling loop on one pinned core, written as a step. Receive a batch, run the pool's stages over
 * it, hand it to the next pool. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dataplane/batch.h"
#include "dataplane/port.h"
#include "dataplane/stage.h"
#include "dataplane/tap.h"
#include "rings/counter.h"
#include "rings/doorbell.h"
#include "rings/ring.h"
#include "rings/word.h"
#include "workers/handover.h"
#include "workers/route.h"
#include "workers/snapshot.h"
#include "workers/times.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the control thread asks of a worker, over its command ring. Served in every step, also by a worker that waits on
 * a full inbox; and after what was received: a move is posted to an owner before any producer hears of it, so the owner
 * knows of it before it looks at the first packet that was routed by it. */
enum weir_command_kind {
    WEIR_COMMAND_DRAIN,   /* stop receiving from ports; end when everything upstream has ended */
    WEIR_COMMAND_DISCARD, /* the deadline: drop what you hold and what still comes, reason drain_deadline */
    WEIR_COMMAND_QUIT,    /* somebody upstream is stuck: drop what is there now and end */
    WEIR_COMMAND_PORTS,   /* these ports are closed from now on, those mute, and all others open */
    WEIR_COMMAND_MOVE,    /* shards change their owner */
};
struct weir_command {
    uint32_t kind;
    uint32_t epoch;  /* PORTS: to be answered in ports_seen */
    uint64_t closed; /* PORTS: a bit each; nothing of them may be touched */
    uint64_t mute;   /* PORTS: a bit each; nothing may be sent to them */
    const struct weir_move *move;
};
#define WEIR_COMMANDS 8

/* One queue of a port, or one ring of the matrix. */
struct weir_input {
    struct weir_port *port; /* NULL = a ring */
    uint16_t queue;
    bool ended;
    struct weir_ring_consumer *ring;
    const struct weir_fence *fence; /* the producer's, of this ring */
};

/* One destination: a ring, and the bounded first-in-first-out remainder that did not fit yet. A batch is received
 * only while every remainder can take a whole one, so two batches bound it. */
#define WEIR_REMAINDER_MAX (2 * WEIR_BATCH)
struct weir_output {
    struct weir_ring_producer *ring;
    struct weir_doorbell *bell; /* of who sleeps at the other end */
    uint32_t rung;              /* what was published up to here was rung for */
    uint32_t n;
    uint32_t noted;      /* hand-over: what lies before this position was written for shards that leave */
    bool drop_when_full; /* on-full of the inbox */
    struct weir_fence fence;
    struct weir_counter pushed;  /* packets that entered the ring */
    struct weir_counter refused; /* dropped{inbox_full} */
    struct weir_desc remainder[WEIR_REMAINDER_MAX] WEIR_CACHE_ALIGNED;
} WEIR_CACHE_ALIGNED;

/* Several pools divide the classes of one. */
struct weir_branch {
    uint32_t pool;
    uint32_t first, n_outputs; /* of the worker's */
    struct weir_route *route;
    bool deals;
    uint32_t turn;
};
struct weir_fork {
    uint32_t n;
    uint8_t of_class[WEIR_CLASSES_MAX]; /* into branches */
    bool taken[WEIR_CLASSES_MAX];       /* build.c: by name, so that the rest does not come by it */
    struct weir_branch branches[WEIR_CLASSES_MAX];
};

/* The way to the pools that one feeds. Laid out by build.c, but for next_output and the turns of the branches. */
struct weir_edge {
    struct weir_output *outputs; /* one a worker of those pools; none = there is no such pool */
    uint32_t n_outputs;
    uint32_t next_output;   /* the worker's own */
    struct weir_fork *fork; /* NULL = all outputs are of one pool, and the next two say how they are chosen */
    uint32_t pool;          /* without a fork */
    bool deals;             /* it has no shards and several workers: whole batches in turn, no route */
    struct weir_route *route;
};

/* LOST: no step, but what one took beyond what it can have done; the worker did not run. */
enum weir_step {
    WEIR_STEP_IDLE,
    WEIR_STEP_BUSY,
    WEIR_STEP_BLOCKED,
    WEIR_STEP_PARKED,
    WEIR_STEP_LOST,
    WEIR_STEPS
};

struct weir_worker {
    /* Laid out by build.c before the worker runs, then read only. */
    struct weir_ring_consumer *commands;
    struct weir_input *inputs;
    uint32_t n_inputs;
    struct weir_stage *stages;
    uint32_t n_stages;
    struct weir_edge out, tee;    /* to the pool that this one feeds, and to the one that gets copies */
    bool yields;                  /* shares its CPU with another worker */
    uint64_t park_after_tsc;      /* sleep after so long without a packet; 0 = never */
    uint64_t gap_tsc;             /* a step that takes longer is looked at */
    uint32_t probe_every;         /* packets from ports; 0 = no probes */
    uint32_t sleep_tsc;           /* at a time, as ports ring no bell; 0 = it polls none */
    struct weir_histogram *waits; /* of probes in the inbox; NULL = they are timed at their end only */
    uint32_t pool, index, lcore, cpu;
    struct weir_ring *command_ring; /* control thread's end of `commands` */

    struct weir_tap tap;

    /* The worker's own. */
    uint32_t next_input;
    uint64_t until_probe;   /* packets from ports that come before the next */
    uint64_t usual_tsc;     /* what a packet costs, the median of the timed batches */
    uint32_t until_timed;   /* batches that come before the next whose stages are timed */
    uint32_t n_remaindered; /* packets in all remainders */
    bool draining, discarding, quitting;
    bool behind;           /* a stage has more to do: no sleep */
    uint64_t closed_ports; /* a bit each: not to be received from */
    struct weir_stage_env env;
    struct weir_trash trash;
    struct weir_batch batch, copies; /* copies: what a `tee` made of this batch */
    struct weir_handover handover;
    struct weir_doorbell bell; /* rung by all that put something before this worker */

    /* Worker writes before it is RUNNING. */
    pthread_t thread;
    pid_t tid;

    /* Worker writes, all read. */
    struct weir_word state WEIR_CACHE_ALIGNED; /* enum weir_worker_state */
    struct weir_word ports_seen;               /* epoch: no port that was closed then is touched any more */
    struct weir_counter steps;
    struct weir_counter cycles[WEIR_STEPS]; /* TSC, by what the step turned out to be */
    struct weir_counter received;           /* packets from ports and rings */
    struct weir_counter held;               /* packets in hand and in remainders, now */
    struct weir_counter discarded;          /* dropped{drain_deadline} */
    struct weir_counter copied;             /* packets made by a `tee` */
    struct weir_times times;
} WEIR_CACHE_ALIGNED;

/* One turn of the loop. The caller charges the time to cycles[result].
 *
 * now_tsc  current TSC in cycles.
 * Threads  the worker's own.        Memory  no allocation, no system call but the port driver's. */
enum weir_step weir_worker_step(struct weir_worker *, uint64_t now_tsc);

/* The worker has ended: all inputs ended, nothing held, its own ends of stream are out. */
bool weir_worker_ended(const struct weir_worker *);

/* Step until the end. Runs as an EAL lcore function; `worker` is a struct weir_worker. */
int weir_worker_run(void *worker);

/* Control thread. False: the ring is full of commands that a stuck worker has not served. */
bool weir_worker_command(struct weir_worker *, const struct weir_command *);

#ifdef __cplusplus
}
#endif
