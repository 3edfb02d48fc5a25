/* SPDX-License-Identifier: BSD-3-Clause */
/* A batch: what one step of a worker has in hand. */
#pragma once

#include "dataplane/descriptor.h"

#ifndef WEIR_BATCH /* smaller in the simulator */
#define WEIR_BATCH 32
#endif

struct weir_batch {
    uint32_t n;
    uint32_t port;    /* index of the port all packets came from; only in a pool fed by ports */
    uint64_t now_tsc; /* start of this step, TSC cycles */
    struct weir_desc desc[WEIR_BATCH] __attribute__((aligned(64)));
};
