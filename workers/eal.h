/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's environment: which lcores, which memory. */
#pragma once

#include "config/config.h"
#include "workers/plan.h"
#include "workers/runtime.h"

/* Once a process. `extra`: NULL-terminated EAL arguments to append, or NULL. Failures are logged with a remedy. */
enum weir_failure weir_eal_start(
    const struct weir_plan *, const struct weir_config *, const char *const *extra);
void weir_eal_stop(void);
