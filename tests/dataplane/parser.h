/* SPDX-License-Identifier: BSD-3-Clause */
/* Both parsers as the stage `validate` puts them together, and what they say by name. */
#pragma once

#include "dataplane/parse.h"

/* By reason; [WEIR_PARSE_OK] is "ok". */
static const char *const weir_parse_reason_names[] = {"ok",
#define NAME(reason, text, ...) text,
    WEIR_PARSE_REASONS(NAME)
#undef NAME
};

static inline enum weir_parse_reason weir_parse(
    const uint8_t *frame, uint32_t captured, uint32_t length, const uint64_t hash_key[4], struct weir_desc *d)
{
    return weir_parse_quick(frame, captured, length, hash_key, d)
               ? WEIR_PARSE_OK
               : weir_parse_slow(frame, captured, length, hash_key, false, NULL, d);
}
