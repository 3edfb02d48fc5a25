/* SPDX-License-Identifier: BSD-3-Clause */
/* Shard to worker, as one producer sees it: its own copy, so that ownership can change at one producer after the
 * other. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef WEIR_SHARDS      /* fewer in the simulator */
#define WEIR_SHARDS 1024 /* power of two */
#endif
#define WEIR_POOL_WORKERS_MAX 255

struct weir_route {
    uint8_t worker[WEIR_SHARDS]; /* index within the consuming pool */
};

/* Spread the shards evenly over `workers` (1 .. WEIR_POOL_WORKERS_MAX). */
void weir_route_spread(struct weir_route *, uint32_t workers);

static inline uint32_t weir_route_worker(const struct weir_route *r, uint32_t hash)
{
    return r->worker[hash & (WEIR_SHARDS - 1)];
}

#ifdef __cplusplus
}
#endif
