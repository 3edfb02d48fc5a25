/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's environment: which lcores, which memory. */
#pragma once

#include "config/config.h"
#include "workers/plan.h"
#include "workers/runtime.h"

/* Once a process. `extra`: NULL-terminated EAL arguments to append, or NULL. Failures are logged with a remedy.
 *
 * There is no stop: rte_eal_cleanup() unmaps the memory under EAL's interrupt thread, which may still look at a device that
 * was just closed (a memif whose peer is there), and we would end with a crash. All ports are closed by then, and with
 * `--in-memory` or `--no-shconf` there is no file but the socket of telemetry, which goes at exit. */
enum weir_failure weir_eal_start(
    const struct weir_plan *, const struct weir_config *, const char *const *extra);
