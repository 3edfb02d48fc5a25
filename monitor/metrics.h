/* SPDX-License-Identifier: BSD-3-Clause */
/* A snapshot as Prometheus text, version 0.0.4. docs/metrics.md comes from the same table. */
#pragma once

#include <stdio.h>

#include "workers/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every metric of the snapshot. What is unknown is left out, never written as 0.
 * Threads  any that is not a polling worker.        Memory  none of its own. */
void weir_metrics_text(const struct weir_snapshot *, FILE *);

/* docs/metrics.md, whole: the table, and what each stage of weir_stage_list counts. */
void weir_metrics_document(FILE *);

#ifdef __cplusplus
}
#endif
