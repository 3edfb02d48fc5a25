/* SPDX-License-Identifier: BSD-3-Clause */
/* Which worker on which CPU and why, and how much memory the pipeline needs where. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/topology.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_runtime;

typedef unsigned __int128 weir_pool_set; /* config/key_table.h: at most 127 pools */

static inline bool weir_pool_set_has(weir_pool_set s, uint32_t pool)
{
    return s >> pool & 1;
}

/* What the placement knows of a pool. Pools stand after all that feed them. */
struct weir_plan_pool {
    const char *name;
    uint32_t first_worker, n_workers;
    weir_pool_set feeds;    /* pools, a bit each */
    const uint32_t *polled; /* ports, dealt to the workers in turn; NULL = fed by pools */
    uint32_t n_polled;
    bool by_queue;  /* not dealt: each worker polls a queue of each */
    uint64_t ports; /* whose packets come here or leave from here, a bit each; devices of the topology */
};

struct weir_plan_worker {
    uint32_t lcore; /* EAL's number; 0 is the control thread */
    uint32_t pool, index;
    const struct weir_cpu *at;
    uint32_t cpu;
    int32_t node;
    bool shares_cpu; /* with another worker: both yield when they have nothing to do */
    char *why;       /* reasons, joined by `; ` */
};

struct weir_plan_node {
    int32_t node; /* -1 = the machine knows none */
    size_t bytes;
};

struct weir_plan {
    const struct weir_topology *topology;
    struct weir_plan_pool *pools;
    uint32_t n_pools;
    uint32_t n_workers;
    struct weir_plan_worker *workers; /* pool by pool, in the order of the pools */
    uint32_t *control_cpus;           /* where everything that is no worker runs; ascending */
    uint32_t n_control_cpus;
    const char *control_why;
    uint64_t n_mbufs;
    size_t mbuf_bytes;   /* one, with what the mempool adds */
    int32_t mbuf_node;   /* of the mempool */
    size_t memory_bytes; /* of packets, rings and state, with room to spare; all nodes */
    struct weir_plan_node *nodes;
    uint32_t n_nodes;
};

/* How far two CPUs are from each other, as the machine describes it; names as in `2 rings under one cache`. */
enum weir_distance {
    WEIR_DISTANCE_CPU,
    WEIR_DISTANCE_CORE,
    WEIR_DISTANCE_CACHE,
    WEIR_DISTANCE_NODE,
    WEIR_DISTANCE_PACKAGE,
    WEIR_DISTANCE_MACHINE,
    WEIR_DISTANCES
};
extern const char *const weir_distance_names[WEIR_DISTANCES];
enum weir_distance weir_cpu_distance(const struct weir_cpu *, const struct weir_cpu *);

/* For qsort(), of uint32_t. */
int weir_compare_cpus(const void *, const void *);

/* A plan for these pools, whose `pools`, `workers` and `control_cpus` it owns. Each worker in turn
 * gets the best CPU that is left: without a worker, then near its ports, with memory, isolated, fast, not the one the
 * kernel starts on, under one cache with its neighbours in the pipeline. */
struct weir_plan *weir_plan_new(
    const struct weir_topology *, const struct weir_plan_pool *, uint32_t n_pools);
void weir_plan_free(struct weir_plan *);

/* Packets and bytes for the ports, pools and rings of `rt`. */
void weir_plan_memory(struct weir_plan *, const struct weir_runtime *);

#ifdef __cplusplus
}
#endif
