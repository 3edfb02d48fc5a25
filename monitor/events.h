/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened, found by comparing snapshots; no worker notices. Losses are events: each burst of drops or missed packets, where and
 * why, when, how many, and what the machine did meanwhile. And what each worker is at, and since when. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "workers/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_events;

/* NULL: no memory. */
struct weir_events *weir_events_new(void);
void weir_events_free(struct weir_events *);

/* Control thread, some times a second: what was lost between two snapshots? `unix_ns`: the time of the second. */
void weir_events_watch(struct weir_events *, const struct weir_snapshot *before,
    const struct weir_snapshot *now, int64_t unix_ns);

/* `waits for room in the inbox of out.0`, and for how long; 0 and "" before the second look. Any thread, as the next. */
double weir_events_doing(struct weir_events *, uint32_t worker, char *text, size_t size);

/* The last losses, the newest first. */
void weir_events_text(struct weir_events *, FILE *);
json_t *weir_events_json(struct weir_events *);

#ifdef __cplusplus
}
#endif
