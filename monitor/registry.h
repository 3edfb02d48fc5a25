/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry: one table of all that weir measures, with unit, help and labels. Prometheus text, JSON, DPDK telemetry, the
 * certificate and docs/metrics.md come from it, so a new row is in all of them; stages bring their counters with their
 * definitions. It reads a snapshot, never a worker. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "workers/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_LABELS_MAX 6
struct weir_label {
    const char *name, *value;
};

struct weir_sample {
    const char *name, *type, *help; /* of the metric */
    const char *suffix; /* behind the name: of a histogram `_bucket`, `_sum`, `_count`; else empty */
    bool first;         /* of the metric: its samples stand together */
    bool is_real;
    int64_t value; /* whole; */
    double real;   /* or this, where is_real */
    uint32_t n_labels;
    struct weir_label labels[WEIR_LABELS_MAX];
};

/* A whole number in decimal, somewhere in `text`. */
#define WEIR_NUMBER_MAX 32
char *weir_number_text(char text[WEIR_NUMBER_MAX], int64_t number);

/* A sample and all that it points to last for the call. */
typedef void weir_sample_visitor(void *argument, const struct weir_sample *);

/* Every sample of the snapshot. What is unknown is left out, never shown as 0.
 * Threads  any that is not a polling worker.        Memory  none of its own. */
void weir_registry_visit(const struct weir_snapshot *, weir_sample_visitor *, void *argument);

/* All that the registry has of one port or worker, by the names of the snapshot's members; what is unknown is null. */
enum weir_registry_part { WEIR_REGISTRY_PORT, WEIR_REGISTRY_WORKER };
void weir_registry_members(enum weir_registry_part, const void *item, json_t *to);

/* docs/metrics.md, whole: the table, and what each stage of weir_stage_list counts. */
void weir_registry_document(FILE *);

#ifdef __cplusplus
}
#endif
