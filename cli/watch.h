/* SPDX-License-Identifier: BSD-3-Clause */
/* What a running weir does, from its /api/v1/stats or the events of its /api/v1/stream. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Tables of rates since `before`, which came `seconds` ago; NULL = since the start. */
void weir_watch_table(const json_t *before, const json_t *now, double seconds);
/* The answer of /api/v1/workers. */
void weir_watch_workers(json_t *list);

struct weir_watch {
    bool json;  /* one event a line, as it came */
    FILE *rest; /* what is no event: the text of an error */
    unsigned events;
    /* its own */
    json_t *before;
    double before_s;
    char *line;
    size_t n;
};

/* For libcurl: the next bytes of the stream. On a terminal a table that stays in place, else a line an event. */
size_t weir_watch_take(char *bytes, size_t one, size_t n, void *watch);
void weir_watch_end(struct weir_watch *);
