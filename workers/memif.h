/* SPDX-License-Identifier: BSD-3-Clause */
/* Two ways in which a memif peer would end us by its own end. DPDK does both in EAL's interrupt thread, and this program has a
 * munmap() and a sendmsg() of its own, which every library finds before those of libc. For all other threads they are those.
 *
 * - It marks the port as not connected, which every later burst looks at, and unmaps what it shared with the peer, whoever
 *   is still in the middle of an earlier burst: munmap() waits until no worker is.
 * - Where a peer hangs up before it was greeted, it closes the connection and goes on to wait for it, which it takes for an
 *   error beyond repair: sendmsg() to nobody is sent, and the hang-up is read next, as any other. */
#pragma once

struct weir_runtime;

/* Control thread, once the workers are laid out and before ports start: who polls. NULL: they are gone, or about to be, and
 * nobody is waited for any more. */
void weir_memif_guard(const struct weir_runtime *);
