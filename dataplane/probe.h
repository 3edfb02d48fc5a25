/* SPDX-License-Identifier: BSD-3-Clause */
/* A probe: one packet of many, which carries when it arrived, so that its latency is known at its end. It is a packet of the
 * load, and no different to anybody on its way but for one thing: its descriptor is not WEIR_DESC_PLAIN. Whoever handles
 * plain packets pays nothing, and who meets another looks into the mbuf.
 *
 * There the times lie in dynamic fields: of its arrival, in TSC cycles, in that of receive timestamps; and of when it was
 * last handed to an inbox.
 * Threads  the owner of the packet. */
#pragma once

#include <stdbool.h>

#include "dataplane/batch.h"
#include "dataplane/histogram.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Control thread, with EAL, before the first packet; until then there are no probes. 0 or -errno. A second call has no
 * effect. */
int weir_probe_register(void);

/* The packet is one from now on. */
void weir_probe_mark(struct weir_desc *, uint64_t arrived_tsc);

/* For a packet that is not plain: is it a probe? */
bool weir_probe_is(const struct rte_mbuf *);

/* Its end: it is none any more, so that a driver which hands the packet back to us cannot bring an old one. True with its
 * arrival; false if it was none. */
bool weir_probe_end(struct rte_mbuf *, uint64_t *arrived_tsc);

/* What was one has reached its end now; NULL = nobody asks. */
void weir_probe_time(struct weir_histogram *, uint64_t arrived_tsc);
/* Both in one. */
void weir_probe_end_now(struct rte_mbuf *, struct weir_histogram *);

/* Probes of a batch that comes out of an inbox: how long they waited there. */
void weir_probe_received(const struct weir_batch *, struct weir_histogram *waits);
/* They are about to be handed to the next. */
void weir_probe_handed(const struct weir_batch *);

#ifdef __cplusplus
}
#endif
