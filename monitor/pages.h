/* SPDX-License-Identifier: BSD-3-Clause */
/* What the HTTP server answers, page by page. */
#pragma once

#include <jansson.h>

#include "monitor/http.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_PAGE_ANSWERED 0u /* the status of a page that has queued its answer itself */
#define WEIR_PAGE_BODY "body" /* where a page that takes a body finds it */

struct weir_page {
    const char *url, *type, *help;
    void (*show)(const struct weir_snapshot *, FILE *); /* all that it needs is a snapshot, to be text, */
    json_t *(*tree)(const struct weir_snapshot *);      /* or JSON, */
    weir_page_writer *write;                            /* or more */
    bool changes;                                       /* POST, and on the Unix socket only */
    bool takes_body;                                    /* by POST, for a question that is long */
};
/* Takes the tree; 503 where there is none. */
unsigned weir_page_json(json_t *, unsigned status, FILE *);

extern const struct weir_page weir_pages[]; /* ends with a NULL url */

/* NULL: there is none here. A source that takes no orders has no pages that change something. */
const struct weir_page *weir_page_find(const struct weir_http_source *, const char *url);

#ifdef __cplusplus
}
#endif
