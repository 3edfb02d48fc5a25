/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker times, and what that says, as plain numbers of a snapshot. Of its own file, so that what is rare does not stand
 * in the way of what is not. */
#pragma once

#include "workers/runtime.h"
#include "workers/snapshot.h"

/* The worker's own. Of the n packets that its batch has from a port now, at least one shall be a probe. */
void weir_times_probe(struct weir_worker *, const struct weir_port *, uint32_t n);
/* The probes of its batches are about to be handed over. */
void weir_times_hand(struct weir_worker *);

/* The caller of weir_snapshot_take(). False: no memory. */
bool weir_times_take(const struct weir_runtime *, struct weir_snapshot *);
