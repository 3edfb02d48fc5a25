/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/v1/stream: the books as server-sent events (WHATWG HTML, section 9.2), one JSON object each: those of /api/v1/stats, and
 * a line for people of what happened since the last. */
#pragma once

#include "monitor/pages.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A snapshot each period of `?every=DURATION` (100ms .. 5s; 1s), the first at once. It is taken when the client can have
 * it: one that reads slowly gets fewer, and one that does not read is let go. */
weir_page_writer weir_stream_write;

#ifdef __cplusplus
}
#endif
