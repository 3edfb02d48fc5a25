/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry's samples of a snapshot, as text and as JSON. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "workers/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For Prometheus, version 0.0.4.
 * Threads  any that is not a polling worker.        Memory  none of its own. */
void weir_metrics_text(const struct weir_snapshot *, FILE *);

/* One object: name -> number, or where the metric has labels [{label: "value", …, "value": number}, …]. */
json_t *weir_metrics_json(const struct weir_snapshot *);

#ifdef __cplusplus
}
#endif
