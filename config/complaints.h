/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong with a file, collected, so that one run shows every mistake, sorted by place.
 *
 * A complaint reads `what; allowed: …; did you mean …?`. Threads: control only. */
#pragma once

#include "config/config.h"

#define WEIR_COMPLAINTS_MAX 100 /* shown; of the rest only the number */

/* A place in the file; or {0, n}, the n-th override, from 1; or {0, 0}, the whole file. */
struct weir_complaint {
    struct weir_place place;
    uint32_t order; /* of discovery, among equal places */
    char *text;
};

struct weir_complaints {
    struct weir_complaint all[WEIR_COMPLAINTS_MAX];
    uint32_t n;
    uint32_t more;          /* not kept */
    FILE *open;             /* the one being written, into `text` */
    struct weir_place only; /* where all of them are, whatever is said; {0, 0} = where it is said */
    struct weir_place place;
    char *text;
    size_t size;
};

/* Write a complaint piece by piece. If nothing is written, there is none. */
FILE *weir_complaint_begin(struct weir_complaints *, struct weir_place);
void weir_complaint_end(struct weir_complaints *);
/* Or at once. Returns false, as what complains does. */
bool weir_complain(struct weir_complaints *, struct weir_place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool weir_complaints_none(const struct weir_complaints *);
/* Sorted, one a line; the same text at the same place (an alias used twice) once. */
void weir_complaints_print(struct weir_complaints *, const char *file, const char *const *sets, FILE *);
void weir_complaints_free(struct weir_complaints *);

/* Text of the user as a message shows it: in backquotes, cut when long. */
#define WEIR_QUOTED_BYTES 72
#define WEIR_QUOTED(text) weir_quoted((char[WEIR_QUOTED_BYTES]){0}, text)
char *weir_quoted(char to[WEIR_QUOTED_BYTES], const char *text);
/* ", "-joined, for `allowed: …`. */
void weir_write_listed(FILE *, const char *item, bool *first);

/* ---- did you mean …? ---- */

struct weir_guess {
    const char *written;
    const char *best; /* closest candidate so far, NULL = nothing is close */
    unsigned distance;
};

void weir_guess_try(struct weir_guess *, const char *candidate);
/* `; did you mean …?`, or nothing. */
void weir_guess_write(const struct weir_guess *, FILE *);

/* `; allowed: a, b, …`, one name a call, of many the first few, and a guess among all of them. What is
 * spelled otherwise than a name is not listed. */
struct weir_names {
    struct weir_guess guess;
    uint32_t n;
};
void weir_names_write(struct weir_names *, const char *name, FILE *); /* NULL is none */
