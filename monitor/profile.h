/* SPDX-License-Identifier: BSD-3-Clause */
/* Where time and packets are: pages for `go tool pprof` and `google-pprof`, and stacks for people. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "monitor/http.h"
#include "workers/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ?seconds=N&pool=NAME; the thread of the connection waits. */
weir_page_writer weir_profile_cpu;
/* ?debug=1 */
weir_page_writer weir_profile_block;
/* ?stack=1 */
weir_page_writer weir_profile_workers;
weir_page_writer weir_profile_symbol, weir_profile_cmdline, weir_profile_mempool;

/* The end: a profile that is being taken is given up, as is each later one. */
void weir_profile_close(void);

/* A line for each worker, and below it its native stack, innermost first, where so long may be waited for them; 0 = none, and
 * nobody is signalled. */
void weir_profile_write_workers(
    const struct weir_runtime *, const struct weir_snapshot *, struct weir_events *, int stacks_ms, FILE *);

#ifdef __cplusplus
}
#endif
