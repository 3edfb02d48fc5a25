/* SPDX-License-Identifier: BSD-3-Clause */
/* The HTTP server of a running weir. On an address it answers GET and HEAD; on a Unix socket POST changes things. Each
 * connection has a thread, since an order takes until it is carried out. When there are many, who waits longest for its own
 * request is cut off, so that slow clients and silent ones keep nobody out. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "workers/manager.h"
#include "workers/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

struct MHD_Connection;
struct weir_events;
struct weir_http;
struct weir_runtime;

/* Where the server gets its snapshots: all are called on threads of the server; `order` and `drain` for a
 * Unix socket only. */
struct weir_http_source {
    struct weir_snapshot *(*take)(void *argument); /* NULL = none now: the client reads 503 */
    void (*release)(struct weir_snapshot *);
    void (*write_config)(void *argument, FILE *);
    bool (*order)(void *argument, struct weir_order *); /* carry it out, or say in `error` why not */
    void (*drain)(void *argument);
    void *argument;
    struct weir_runtime *runtime; /* whose workers profiles and captures are of; NULL = none */
    struct weir_events *events;   /* NULL = none */
};

/* Listen on exactly this address.
 *
 * listen   numeric, 127.0.0.1:9476 or [::1]:9476; port 0 = any free one. Or the path of a Unix socket, from its `/` on:
 *          mode 0660; one that a dead weir left behind is replaced.
 * Returns  NULL with cause and remedy in `error`, and errno: EINVAL for an illegal address, EACCES,
 *          EADDRINUSE and so on.
 * Threads  control. The caller has all signals blocked, so that the server's thread inherits that. */
struct weir_http *weir_http_start(
    const char *listen, const struct weir_http_source *, char *error, size_t error_size);
/* How a page is written: its body to the file; returns the status. */
typedef unsigned weir_page_writer(const struct weir_http *, struct MHD_Connection *, FILE *);
const struct weir_http_source *weir_http_source_of(const struct weir_http *);
/* A page whose answer goes on says so, and is not cut off then; by the stop of the server only if it does not end itself
 * when all else does. False: there are too many. */
bool weir_http_lasts(struct MHD_Connection *, bool ends);

uint16_t weir_http_port(const struct weir_http *);
/* Waits for a request that is being answered. NULL is allowed. */
void weir_http_stop(struct weir_http *);

#ifdef __cplusplus
}
#endif
