/* SPDX-License-Identifier: BSD-3-Clause */
/* What each worker does, for programs and for people. */
#pragma once

#include <jansson.h>

#include "workers/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One object a worker: where it is, its state, all that the registry has of it, and the shares of its time. */
json_t *weir_workers_json(const struct weir_snapshot *);

#ifdef __cplusplus
}
#endif
