/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines on standard error. Control threads only: a worker never logs, it counts.
 *
 * Nobody waits for whoever reads them: the thread that logs is the one that hears signals and keeps deadlines. A line
 * that would have to wait is left out, and the next one tells how many were. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

void weir_log_set_level(enum weir_log_level);

/* Anything else for standard error, as it is, under the same rule: false = it was left out, or cut. */
bool weir_log_show(const char *text);

void weir_log(enum weir_log_level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What may repeat without end: at most WEIR_LOG_BURST lines a second from one place, the rest is counted and told
 * with the next line that passes. One struct a call site, static, zeroed. */
#define WEIR_LOG_BURST 5
struct weir_log_limit {
    int64_t second;
    uint32_t lines, suppressed;
};
void weir_log_limited(struct weir_log_limit *, enum weir_log_level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
