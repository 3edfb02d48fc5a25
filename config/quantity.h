/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers with units, from text and back. Exact: what is not whole is refused, never rounded.
 *
 *     COUNT     64k, 1.5M             k M G are decimal
 *     BYTES     1500, 64KiB, 1M       without a unit: bytes
 *     DURATION  250ms, 1.5s, 5min     in nanoseconds; the unit is mandatory
 *     RATE      1Mpps, 2.5Gbps, max   packets or layer-2 bytes per second; the unit is mandatory. Also 50%: of a line
 *     RATIO     1.25                  in thousandths
 */
#pragma once

#include "config/config.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_RATE_MAX UINT64_C(1000000000000) /* per second; beyond any wire, and safe in arithmetic */

struct weir_quantity {
    uint64_t number; /* in the unit of enum weir_key_type; a RATE of 0 is `max` */
    bool in_packets; /* RATE */
    bool of_line;    /* RATE: thousandths of a percent */
};

enum weir_quantity_fault {
    WEIR_QUANTITY_FINE,
    WEIR_QUANTITY_NO_NUMBER,
    WEIR_QUANTITY_NEGATIVE,
    WEIR_QUANTITY_NO_UNIT,
    WEIR_QUANTITY_UNKNOWN_UNIT,
    WEIR_QUANTITY_NOT_WHOLE,
    WEIR_QUANTITY_TOO_LARGE,
    WEIR_QUANTITY_ZERO_RATE,
};

/* `type` is one of those above, here and below; no RATIO is written that is not whole. */
enum weir_quantity_fault weir_quantity_parse(
    enum weir_key_type type, const char *text, struct weir_quantity *);

/* The rest of a sentence that begins with what was being read: "`5x` has an unknown unit; allowed: …". */
void weir_quantity_explain(enum weir_key_type type, enum weir_quantity_fault, const char *text, FILE *);

/* The shortest exact text, which parses to the same quantity. */
void weir_quantity_write(enum weir_key_type type, struct weir_quantity, FILE *);

/* "k M G": the units that may be written. */
const char *weir_quantity_units(enum weir_key_type type);

#ifdef __cplusplus
}
#endif
