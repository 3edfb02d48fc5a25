/* SPDX-License-Identifier: BSD-3-Clause */
/* Hugepages of this machine, as the kernel tells. Control thread, before DPDK starts. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WEIR_HUGEPAGE_BYTES                                                                                  \
    ((size_t)2 << 20) /* what commands reserve; 1 GiB pages count where there are some */

/* Free bytes over all page sizes. `node`: NUMA node, -1 = the whole machine. */
size_t weir_hugepages_free(int32_t node);

/* The command after which `need` bytes are free, if `have` are and `reserved` pages exist. */
void weir_hugepages_command(
    int32_t node, size_t need, size_t have, unsigned long reserved, char *text, size_t size);
unsigned long weir_hugepages_reserved(int32_t node); /* pages of WEIR_HUGEPAGE_BYTES, used ones too */
