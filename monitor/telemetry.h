/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry over DPDK's telemetry socket, as dpdk-telemetry.py and its exporters speak it:
 *
 *     /weir/metrics        the names of all metrics          /weir/metrics,NAME   the samples of one
 *     /weir/workers        what each worker does             /weir/ledger         the books as they stand
 *
 * Its answers have no lists of objects, so a list is an object with the keys 0, 1, 2. What is unknown is left out. */
#pragma once

#include "monitor/http.h"

#ifdef __cplusplus
extern "C" {
#endif

/* After EAL's start. The callbacks run on DPDK's telemetry thread and take snapshots from the source, until stop. */
void weir_telemetry_start(const struct weir_http_source *);
/* Waits for a callback that runs. Without a start it has no effect. */
void weir_telemetry_stop(void);

#ifdef __cplusplus
}
#endif
