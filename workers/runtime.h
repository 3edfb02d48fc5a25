/* SPDX-License-Identifier: BSD-3-Clause */
/* A configured pipeline from plan to certificate. Control thread only, except weir_snapshot_take(). */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "config/key_table.h"
#include "dataplane/port.h"
#include "dataplane/stage.h"
#include "workers/manager.h"
#include "workers/plan.h"
#include "workers/ports.h"
#include "workers/snapshot.h"
#include "workers/worker.h"

struct rte_mempool;

struct weir_pool_stage {
    const struct weir_stage_def *def;
    void *params; /* plain struct */
    void *pool_state;
    uint8_t *shard_state;
    size_t shard_stride;
    bool ready; /* its shards are initialised */
};

/* A pool of one worker that nobody wrote: the last stage of another, which has more workers than a port has transmit
 * queues. */
struct weir_egress {
    struct weir_config_pool config, before; /* its own, and what the other pool keeps */
    uint32_t from;
    char name[WEIR_NAME_BYTES_MAX + sizeof ".egress"];
    const struct weir_port *port;
    uint32_t queues; /* of that port */
};

struct weir_pool {
    const struct weir_config_pool *config;
    struct weir_egress *egress; /* NULL = it was written */
    uint32_t first_worker, n_workers;
    weir_pool_set feeds; /* pools, a bit each */
    int32_t tee;         /* pool that gets copies, -1 = none */
    struct weir_pool_stage *stages;
    uint32_t n_stages;
    uint64_t tx_ports;        /* that it may send to, a bit each */
    uint32_t n_active;        /* workers that have shards; the others have none and sleep */
    struct weir_route owners; /* as every producer routes, but for a move that is under way */
};

static inline bool weir_pool_is_sharded(const struct weir_pool *pool)
{
    return !pool->config->fed_by_ports && pool->config->shard_by != WEIR_SHARD_BY_NONE;
}

/* Packets, or copies of them. */
static inline bool weir_pool_feeds(const struct weir_pool *from, uint32_t to)
{
    return weir_pool_set_has(from->feeds, to) || from->tee == (int32_t)to;
}

static inline bool weir_pool_moves_shards(const struct weir_pool *pool)
{
    return weir_pool_is_sharded(pool) && pool->n_workers > 1;
}

struct weir_matrix_ring { /* one cell of the matrix between two pools */
    uint32_t from, to;    /* workers */
    uint32_t output;      /* of the `from` worker's edge */
    bool copies;          /* the edge is its `tee` */
    struct weir_ring *ring;
};

struct weir_worker_watch { /* lifecycle.c */
    uint64_t steps, tsc;   /* last progress */
    bool suspected;        /* and since then this much of its CPU's time had gone into it: */
    uint64_t cpu_ns;
    bool stuck, off_cpu;
    uint64_t gaps, lost_tsc; /* of those the log has told; times.c */
};

struct weir_runtime {
    const struct weir_config *config;
    struct weir_port *ports; /* n_ports, aligned */
    struct weir_port **port_list;
    void **port_params; /* plain struct, or the string */
    uint32_t n_ports;
    uint32_t n_opened, n_started;
    struct weir_port_stats *port_stats; /* the last word of each port, taken between stop and close */
    struct weir_port_watch *watches;    /* by port; ports.c */
    uint64_t closed_ports, mute_ports;  /* a bit each, as the workers were told last */
    uint32_t ports_epoch;               /* of that */
    uint32_t *ports_told;               /* by worker: epoch */
    uint64_t next_watch_tsc;
    uint64_t tell_tsc;          /* when the log may tell of lost time again */
    struct weir_class *classes; /* by class_id; [0] is `other` */
    uint32_t n_classes;
    struct weir_pool *pools;
    uint32_t n_pools;
    struct weir_topology *topology;
    struct weir_plan *plan;
    struct rte_mempool *mempool;
    uint32_t mbuf_room; /* bytes of one segment */
    struct weir_worker **workers;
    uint32_t n_workers;
    uint32_t n_launched;
    struct weir_matrix_ring *rings;
    uint32_t n_rings;
    uint64_t tsc_hz;
    uint64_t hash_key[4];

    struct weir_manager *manager;
    struct weir_capture *capture; /* capture.c, with `life`; NULL = none */

    /* Life: written by the control thread under `life`, read by whoever takes a snapshot. No worker touches it. */
    pthread_mutex_t life;
    uint64_t start_tsc, signal_tsc, end_tsc; /* 0 = not yet */
    const char *why_stopped;
    uint64_t held_at_signal;
    bool deadline_passed;
    bool stages_ended;
    bool final;                     /* all ended, ports closed, mbufs counted */
    bool abandoned;                 /* a stuck worker was left behind */
    struct weir_worker_watch *seen; /* by worker */
    int64_t leaked;
    uint64_t kept;
};

/* Where in the start something failed; the exit code follows from it (0 = fine). */
enum weir_failure {
    WEIR_FINE = 0,
    WEIR_FAILED_BAD_DATA = 65,
    WEIR_FAILED_PORT = 69,
    WEIR_FAILED_OS = 71,
    WEIR_FAILED_PERMISSION = 77,
    WEIR_FAILED_CONFIG = 78,
};

/* outline.c: turn a configuration into ports, pools and a plan, without DPDK. On failure, here and below, the reason is
 * logged; weir_runtime_free() after any result.
 * `topology`: a machine's description to plan for; NULL = this machine, the only one that can be built for. */
struct weir_runtime *weir_runtime_new(const struct weir_config *, const char *topology, enum weir_failure *);
/* Zeroed, each a few kilobytes at the start: without them weir ends. For free(). */
void *weir_take(size_t n, size_t size);

/* build.c: that into running things. */
enum weir_failure weir_runtime_build(struct weir_runtime *);
/* All workers have ended: so do the stages. A second call has no effect. */
void weir_runtime_end_stages(struct weir_runtime *);
/* Stop and close them all, and keep what they counted. A second call has no effect. */
void weir_runtime_close_ports(struct weir_runtime *);
void weir_runtime_free(struct weir_runtime *);

/* lifecycle.c. */
/* The outermost function of the worker on that lcore. */
int (*weir_worker_entry(uint32_t lcore))(void *);
/* After a failed start nothing runs any more. */
enum weir_failure weir_runtime_start(struct weir_runtime *);
/* Look after the workers; call at least every 100 ms. True when all have ended. */
bool weir_runtime_tick(struct weir_runtime *, uint64_t now_tsc);
/* Begin to drain. `why` must outlive the runtime. A second call has no effect. */
void weir_runtime_drain(struct weir_runtime *, uint64_t now_tsc, const char *why);
/* The deadline, or a second signal: what is still held is dropped by name. `why`: as above; NULL = the deadline.
 * Returns when every live worker has ended (at most about 1 s); false if a stuck one remains. */
bool weir_runtime_discard(struct weir_runtime *, const char *why);
/* All workers have ended: stop and close the ports, count the packets home. */
void weir_runtime_finish(struct weir_runtime *);

/* ledger.c; weir_snapshot_take() may be called from any thread that is no worker. */
uint64_t weir_runtime_held(const struct weir_runtime *);
