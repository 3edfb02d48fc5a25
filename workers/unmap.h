/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that a driver takes away while workers poll.
 *
 * DPDK's memif ends a connection in EAL's interrupt thread: it marks the port as not connected, which every later burst looks
 * at, and unmaps what it shared with the peer, whoever is still in the middle of an earlier burst. So this program has a
 * munmap() of its own, which every library finds before that of libc: called by that thread, it waits until no worker
 * is in a burst that began before. */
#pragma once

struct weir_runtime;

/* Control thread, once the workers are laid out and before ports start. NULL: they are gone, or about to be; nobody is
 * waited for any more. */
void weir_unmap_after(const struct weir_runtime *);
