/* SPDX-License-Identifier: BSD-3-Clause */
/* Which worker on which CPU, and how much memory the pipeline needs. */
#ifndef WEIR_WORKERS_PLAN_H
#define WEIR_WORKERS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/topology.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_runtime;

struct weir_plan_worker {
    uint32_t lcore; /* EAL's number; 0 is the control thread */
    uint32_t cpu, node;
    bool shares_cpu; /* with another worker: both yield when they have nothing to do */
};

struct weir_plan {
    uint32_t n_workers;
    struct weir_plan_worker *workers; /* pool by pool, in the order of the pools */
    uint32_t *control_cpus;           /* where everything that is no worker runs */
    uint32_t n_control_cpus;
    uint64_t n_mbufs;
    size_t memory_bytes; /* of packets, rings and state, with room to spare */
};

/* Workers go to CPUs in the topology's order, neighbours in the pipeline to neighbouring cores. The first CPU is
 * left to the control thread if there is one more CPU than workers. */
void weir_plan_cpus(struct weir_plan *, const struct weir_topology *);

/* Packets and bytes for the ports, pools and rings of `rt`. */
void weir_plan_memory(struct weir_plan *, const struct weir_runtime *);

#ifdef __cplusplus
}
#endif
#endif
