/* SPDX-License-Identifier: BSD-3-Clause */
/* POST /control/capture?at=…&filter=…&snap=BYTES&every=N&count=N&for=TIME: pcapng for as long as the client wants it. It
 * ends once there are `count` packets, after `for`, when all workers have ended, or when the client shuts its side of the
 * connection down; with the trailer `Weir-Capture`, which says what was captured and lost. A slow client loses packets and
 * holds up nobody. */
#pragma once

#include "monitor/http.h"

/* On a thread of the connection's own. 0: the answer is queued; else its status, and why is written. */
weir_page_writer weir_capture_serve;
