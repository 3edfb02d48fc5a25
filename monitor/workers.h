/* SPDX-License-Identifier: BSD-3-Clause */
/* What each worker does, for programs and for people. */
#pragma once

#include <jansson.h>

#include "workers/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a worker did with its time from one snapshot of a run to another, as parts of 1; all 0 if there was none. */
struct weir_shares {
    double busy, idle, blocked, parked, lost;
};
struct weir_shares weir_worker_shares(/* before NULL = since the start */
    const struct weir_snapshot *before, const struct weir_snapshot *now, uint32_t worker);
/* Counters are read one by one, so a sum of some may dip by a few packets: that is 0. */
double weir_since(uint64_t now, uint64_t before);

/* One object a worker: where it is, its state, all that the registry has of it, and the shares of its time. */
json_t *weir_workers_json(const struct weir_snapshot *);

#ifdef __cplusplus
}
#endif
