/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine as weir may use it. The only user of hwloc. */
#ifndef WEIR_WORKERS_TOPOLOGY_H
#define WEIR_WORKERS_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_cpu {
    uint32_t cpu;  /* the kernel's number */
    uint32_t core; /* physical core, hwloc's logical index */
    uint32_t node; /* NUMA node, the kernel's number */
};

/* CPUs that this process may run on (affinity and cgroup respected), the first of every physical core before any
 * sibling. */
struct weir_topology {
    uint32_t n_cpus;
    uint32_t n_cores;
    struct weir_cpu cpus[];
};

/* `allowed`: a CPU list such as `0-3,8,!2`, or `auto`. Returns NULL with `error` filled. Caller frees with free(). */
struct weir_topology *weir_topology_load(const char *allowed, char *error, size_t size);

#ifdef __cplusplus
}
#endif
#endif
