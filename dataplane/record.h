/* SPDX-License-Identifier: BSD-3-Clause */
/* A flow as it leaves for a file: the record, and its line of JSON or CSV. */
#pragma once

#include "dataplane/flow_table.h"
#include "dataplane/parse.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_record {
    struct weir_flow flow;           /* `end` says why it left */
    struct weir_endpoints endpoints; /* of IPv6; the key of IPv4 has them */
};

#define WEIR_RECORD_TEXT_MAX 640 /* the longest line has less */

extern const char weir_record_csv_header[]; /* with its newline */

/* Write the line of a record, which began and ended that many ns after 1970; returns its length. What there is two of,
 * addresses, ports, packets, bytes, flags, is that of the source first: whoever sent the flow's first packet. */
uint32_t weir_record_text(
    char to[WEIR_RECORD_TEXT_MAX], bool csv, const struct weir_record *, int64_t first_ns, int64_t last_ns);

#ifdef __cplusplus
}
#endif
