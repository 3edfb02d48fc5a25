/* SPDX-License-Identifier: BSD-3-Clause */
/* What a checking sink remembers for the certificate. */
#pragma once

#include "dataplane/stage.h"
#include "rings/word.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weir_sink_violation_kind {
    WEIR_SINK_MISSING,    /* `sequence` came, `expected` and what lies between did not (yet) */
    WEIR_SINK_REORDERED,  /* `sequence` came late: `expected` - 1 was here before */
    WEIR_SINK_DUPLICATED, /* `sequence` came again */
};

struct weir_sink_violation {
    struct weir_word seen; /* worker writes, last; a reader reads it before the rest */
    uint32_t kind;         /* enum weir_sink_violation_kind */
    uint32_t port;
    uint32_t flow;
    uint64_t sequence;
    uint64_t expected;
};

/* The first of each that a worker's sink saw. Apart, because a packet that comes late was a gap before: the
 * gap alone would always be first, and it is the smaller news. */
struct weir_sink_violations {
    struct weir_sink_violation gap;      /* WEIR_SINK_MISSING; may have been filled since */
    struct weir_sink_violation disorder; /* WEIR_SINK_REORDERED or WEIR_SINK_DUPLICATED */
};

/* Of this stage on this worker; NULL where the stage is no sink. */
const struct weir_sink_violations *weir_sink_violations(const struct weir_stage *);

#ifdef __cplusplus
}
#endif
