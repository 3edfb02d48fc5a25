/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine as weir may use it: this one, or one that a file describes. The only user of hwloc. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_DEVICES_MAX 64 /* bits of weir_cpu.near */

struct weir_cpu {
    uint32_t cpu;     /* the kernel's number */
    uint32_t core;    /* physical core, by hwloc's logical index, as the next two */
    uint32_t cache;   /* last-level cache; UINT32_MAX = the machine does not say */
    uint32_t package; /* socket */
    int32_t node;     /* NUMA node, the kernel's number; -1 = none of its memory may be used */
    uint32_t kind;    /* of cores: those of a higher one are faster */
    bool sibling;     /* a CPU before it runs on the same core */
    bool isolated;    /* the kernel keeps other tasks (isolcpus) or its tick (nohz_full) away */
    /* Devices that were asked for, a bit each: on no other CPU of the machine is it nearer; in the same package. */
    uint64_t near, package_near;
};

struct weir_device {
    const char *name;   /* asked for: PCI address or network interface; NULL = not a device of the machine */
    bool found, placed; /* placed: it is nearer to some CPUs than to others */
    int32_t node;       /* -1 = not placed, or none of its memory may be used */
    char address[16];   /* PCI; empty = none */
};

struct weir_topology_machine; /* hwloc's */

/* CPUs that weir may use, in the machine's order: package, node, cache, core. */
struct weir_topology {
    struct weir_topology_machine *machine;
    bool here; /* else from a file */
    uint32_t n_cpus, n_cores, n_nodes, n_packages;
    uint32_t n_spare; /* CPUs behind those: not on the list, so no worker may use them, but the process may */
    uint32_t n_siblings; /* CPUs of the machine that may be used but for `auto` */
    char *refused;       /* list of the CPUs that are there and may not be used; empty = none */
    struct weir_device devices[WEIR_DEVICES_MAX];
    uint32_t n_devices;
    struct weir_cpu cpus[];
};

struct weir_topology_question {
    const char *cpus;           /* a list such as `0-3,8,!2`, or `auto` */
    const char *file;           /* XML as `lstopo` writes it; NULL = this machine */
    const char *sysfs;          /* folder with `isolated` and `nohz_full`; NULL = the kernel's */
    const char *const *devices; /* by port; a NULL among them = not a device */
    uint32_t n_devices;
};

/* On this machine what affinity and cgroup allow. `isolcpus` takes its CPUs out of the affinity that every process is
 * born with: that alone does not forbid them, a narrower affinity does.
 * Returns NULL with `error` filled. */
struct weir_topology *weir_topology_load(const struct weir_topology_question *, char *error, size_t size);
void weir_topology_free(struct weir_topology *);

/* The machine as XML for `lstopo`, with what runs where: a mark a worker. Once only: it changes the machine. */
struct weir_topology_mark {
    uint32_t cpu;
    const char *text, *color; /* `#rrggbb` */
};
bool weir_topology_export(
    struct weir_topology *, const struct weir_topology_mark *, uint32_t n, const char *file);

#ifdef __cplusplus
}
#endif
