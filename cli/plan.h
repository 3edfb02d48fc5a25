/* SPDX-License-Identifier: BSD-3-Clause */
/* What `weir plan` shows: the same plan as text, as JSON, and as a picture. */
#pragma once

#include <jansson.h>

#include "config/key_table.h"
#include "workers/runtime.h"

/* A pool at the offered rate. */
struct weir_pool_load {
    double cycles;   /* TSC cycles a packet, one worker; without the cost of `unknown`, if that is not NULL */
    double share;    /* of the offered packets */
    double most_pps; /* offered, that this pool can take */
    uint32_t workers; /* that the offered rate needs */
    const char *unknown;
};

struct weir_rate_plan {
    double offered_pps;
    char machine[96]; /* on which the costs were measured */
    double tsc_hz;
    struct weir_pool_load pools[WEIR_POOLS_LIMIT];
    uint32_t tightest; /* pool that saturates first */
    bool known;        /* every cost; else it saturates earlier */
};

/* `costs`: file as `scripts/bench costs` writes it; NULL = those that were measured for this version. False after a
 * message on standard error. */
bool weir_rate_plan_make(
    struct weir_rate_plan *, const struct weir_runtime *, const char *costs, double offered_pps);

/* `rate`: NULL = not asked for. `machine`: its file, NULL = this one. */
void weir_plan_print(
    const struct weir_runtime *, const char *machine, const struct weir_rate_plan *rate, FILE *);
json_t *weir_plan_json(const struct weir_runtime *, const char *machine, const struct weir_rate_plan *rate);

/* Drawn by `lstopo`; `-` = standard output. False after a message on standard error. */
bool weir_plan_draw(const struct weir_runtime *, const char *svg);
