/* SPDX-License-Identifier: BSD-3-Clause */
/* One line that says how a running weir is doing. */
#pragma once

#include <stddef.h>

#include "workers/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What happened between two snapshots of one run, as plain text without a line end: elapsed, rates in and
 * out, drops by reason, the fullest ring, busy and blocked share of each worker.
 *
 * before   the snapshot of the last line, kept by the caller; NULL = since the start.
 * columns  width of the terminal; 0 = not a terminal, nothing is cut.
 * Returns  the length of the line in `line`, which always ends with 0. */
size_t weir_progress_line(const struct weir_snapshot *before, const struct weir_snapshot *now, char *line,
    size_t size, size_t columns);

/* A rate with at most three digits: `4.06 Mpps`, `812 bps`. Returns `text`. */
char *weir_rate_text(char *text, size_t size, double per_s, const char *unit);

#ifdef __cplusplus
}
#endif
