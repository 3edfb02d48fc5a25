/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/route.h"

#include <assert.h>

static_assert((WEIR_SHARDS & (WEIR_SHARDS - 1)) == 0, "a mask picks the shard");

void weir_route_spread(struct weir_route *r, uint32_t workers)
{
    assert(workers >= 1 && workers <= WEIR_POOL_WORKERS_MAX);
    for (uint32_t shard = 0; shard < WEIR_SHARDS; shard++)
        r->worker[shard] = (uint8_t)(shard * workers / WEIR_SHARDS);
}
