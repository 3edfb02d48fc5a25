/* SPDX-License-Identifier: BSD-3-Clause */
/* Hugepages of this machine, as the kernel tells. Control thread, before DPDK starts. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "workers/plan.h"

#define WEIR_HUGEPAGE_BYTES                                                                                  \
    ((size_t)2 << 20) /* what commands reserve; 1 GiB pages count where there are some */

/* Free bytes over all page sizes. `node`: NUMA node, -1 = the whole machine. */
size_t weir_hugepages_free(int32_t node);

/* What is free for a node of a plan (of one with a single node: on the whole machine), and the command after which
 * there is enough. Nothing is free on a machine that is not this one. */
size_t weir_hugepages_look(const struct weir_plan *, uint32_t node, char *command, size_t size);
