/* SPDX-License-Identifier: BSD-3-Clause */
/* What a generator port is told. */
#pragma once

#include "dataplane/traffic.h"
#include "dataplane/schedule.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_generator_params {
    struct weir_frames_params frames;
    uint64_t churn; /* new flows a second, at the rate of `profile` */
    struct weir_rate line;
    struct weir_phase profile;
    uint64_t n_phases;
    struct weir_phase timeline[WEIR_PHASES_MAX]; /* a rate of 0 is that of `profile` */
    uint64_t count, queue;
};

#ifdef __cplusplus
}
#endif
