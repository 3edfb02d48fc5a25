/* SPDX-License-Identifier: BSD-3-Clause */
/* burn: a stand-in for work. Spends cycles on every packet, and on request plays a stage that is stuck. */
#include <rte_cycles.h>
#include <rte_pause.h>

#include "dataplane/stages/list.h"

struct burn_params {
    uint64_t cycles;
    uint64_t stall_at_ns;
    uint64_t stall_for_ns;
};

static const struct weir_param burn_param_table[] = {
    {.key = "cycles",
        .type = WEIR_PARAM_COUNT,
        .offset = offsetof(struct burn_params, cycles),
        .unset = "0",
        .max = 1000000000,
        .help = "TSC cycles to spend on each packet."},
    {.key = "stall-at",
        .type = WEIR_PARAM_DURATION,
        .offset = offsetof(struct burn_params, stall_at_ns),
        .unset = "0s",
        .max = UINT64_C(86400) * 1000000000,
        .help = "When, after its first packet, the stage gets stuck."},
    {.key = "stall-for",
        .type = WEIR_PARAM_DURATION,
        .offset = offsetof(struct burn_params, stall_for_ns),
        .unset = "0s",
        .max = UINT64_C(86400) * 1000000000,
        .help = "For how long it is stuck, once on each worker; 0s = never."},
    {0},
};

enum { STALLS };
static const char *const burn_counters[] = {"stalls", "Times this stage was stuck on purpose.", NULL};

struct burn_worker {
    bool started, stalled;
    uint64_t stall_at_tsc;
};

/* The real clock, not the batch's: time must go on while the stage sits in one call. */
static void spin(uint64_t cycles)
{
    uint64_t start = rte_rdtsc();
    while (rte_rdtsc() - start < cycles)
        rte_pause();
}

static uint64_t cycles_of(const struct weir_stage *s, uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * s->env->tsc_hz / 1000000000);
}

static void burn_process(struct weir_stage *s, struct weir_batch *batch)
{
    const struct burn_params *params = s->params;
    struct burn_worker *worker = s->worker_state;
    if (!worker->started) {
        worker->started = true;
        worker->stalled = params->stall_for_ns == 0;
        worker->stall_at_tsc = batch->now_tsc + cycles_of(s, params->stall_at_ns);
    }
    if (!worker->stalled && batch->now_tsc >= worker->stall_at_tsc) {
        worker->stalled = true;
        weir_counter_add(&s->counts[STALLS], 1);
        spin(cycles_of(s, params->stall_for_ns));
    }
    if (params->cycles)
        spin(batch->n * params->cycles);
}

static size_t burn_worker_size(const void *, const struct weir_stage_env *)
{
    return sizeof(struct burn_worker);
}

const struct weir_stage_def weir_stage_burn = {
    .name = "burn",
    .help = "Spend cycles on each packet; a stand-in for work, and for a stage that gets stuck.",
    .params = burn_param_table,
    .params_size = sizeof(struct burn_params),
    .counters = burn_counters,
    .worker_size = burn_worker_size,
    .process = burn_process,
};
