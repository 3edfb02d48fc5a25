/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/complaints.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/key_table.h"

#define SHOWN_BYTES_MAX 60
#define GUESSED_BYTES_MAX 40
#define NAMES_MAX 8

/* ---- collecting ---- */

FILE *weir_complaint_begin(struct weir_complaints *c, struct weir_place place)
{
    c->place = c->only.column != 0 ? c->only : place;
    c->open = open_memstream(&c->text, &c->size);
    if (c->open == NULL)
        abort(); /* no memory for one line of text */
    return c->open;
}

void weir_complaint_end(struct weir_complaints *c)
{
    if (fclose(c->open) != 0)
        abort();
    c->open = NULL;
    if (c->size == 0 || c->n == WEIR_COMPLAINTS_MAX) {
        c->more += c->size != 0;
        free(c->text);
        return;
    }
    c->all[c->n] = (struct weir_complaint){.place = c->place, .order = c->n, .text = c->text};
    c->n++;
}

bool weir_complain(struct weir_complaints *c, struct weir_place place, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(weir_complaint_begin(c, place), format, arguments);
    va_end(arguments);
    weir_complaint_end(c);
    return false;
}

bool weir_complaints_none(const struct weir_complaints *c)
{
    return c->n == 0;
}

void weir_complaints_free(struct weir_complaints *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        free(c->all[i].text);
    c->n = 0;
}

/* ---- showing ---- */

static int by_place(const void *left, const void *right)
{
    const struct weir_complaint *a = left, *b = right;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    if (a->place.column != b->place.column)
        return a->place.column < b->place.column ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static bool same(const struct weir_complaint *a, const struct weir_complaint *b)
{
    return a->place.line == b->place.line && a->place.column == b->place.column &&
           strcmp(a->text, b->text) == 0;
}

static void write_place(const char *file, const char *const *sets, struct weir_place place, FILE *to)
{
    if (place.line != 0)
        fprintf(to, "%s:%u:%u: ", file, place.line, place.column);
    else if (place.column != 0)
        fprintf(to, "--set %.*s: ", (int)strcspn(sets[place.column - 1], "="), sets[place.column - 1]);
    else
        fprintf(to, "%s: ", file);
}

void weir_complaints_print(struct weir_complaints *c, const char *file, const char *const *sets, FILE *to)
{
    qsort(c->all, c->n, sizeof c->all[0], by_place);
    for (uint32_t i = 0; i < c->n; i++) {
        if (i > 0 && same(&c->all[i - 1], &c->all[i]))
            continue;
        write_place(file, sets, c->all[i].place, to);
        fprintf(to, "%s\n", c->all[i].text);
    }
    if (c->more != 0)
        fprintf(to, "%s: and %u more\n", file, c->more);
}

char *weir_quoted(char to[WEIR_QUOTED_BYTES], const char *text)
{
    size_t length = strlen(text), shown = length;
    if (length > SHOWN_BYTES_MAX) {
        shown = SHOWN_BYTES_MAX;
        while (shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80)
            shown--; /* never half a character */
    }
    snprintf(to, WEIR_QUOTED_BYTES, "`%.*s%s`", (int)shown, text, shown < length ? "…" : "");
    return to;
}

void weir_write_listed(FILE *to, const char *item, bool *first)
{
    fprintf(to, "%s%s", *first ? "" : ", ", item);
    *first = false;
}

/* ---- guessing ---- */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

#define EDIT 2 /* the price of a letter inserted, left out, replaced, or of two neighbours swapped */
#define CASE 1 /* the price of a letter in the other case: `1mpps` is nearer to Mpps than to kpps */

static unsigned replaced(char a, char b)
{
    return a == b ? 0 : tolower((unsigned char)a) == tolower((unsigned char)b) ? CASE : EDIT;
}

/* Optimal string alignment. */
static unsigned edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned row[3][GUESSED_BYTES_MAX + 1];
    unsigned *before = row[0], *above = row[1], *here = row[2];
    for (unsigned j = 0; j <= m; j++)
        above[j] = j * EDIT;
    for (unsigned i = 1; i <= n; i++) {
        here[0] = i * EDIT;
        for (unsigned j = 1; j <= m; j++) {
            here[j] = least(above[j] + EDIT, here[j - 1] + EDIT, above[j - 1] + replaced(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + EDIT < here[j])
                here[j] = before[j - 2] + EDIT;
        }
        unsigned *spare = before;
        before = above, above = here, here = spare;
    }
    return above[m];
}

void weir_guess_try(struct weir_guess *g, const char *candidate)
{
    size_t n = strlen(g->written), m = strlen(candidate);
    if (n > GUESSED_BYTES_MAX || m > GUESSED_BYTES_MAX)
        return;
    unsigned distance = edit_distance(g->written, n, candidate, m);
    unsigned near = EDIT * (unsigned)(m < 4 ? 1 : (m + 1) / 3);
    if (distance > near || distance >= m * EDIT || (g->best != NULL && distance >= g->distance))
        return;
    g->best = candidate;
    g->distance = distance;
}

void weir_guess_write(const struct weir_guess *g, FILE *to)
{
    if (g->best != NULL)
        fprintf(to, "; did you mean `%s`?", g->best);
}

void weir_names_write(struct weir_names *names, const char *name, FILE *to)
{
    if (name == NULL || !weir_name_fits(name))
        return;
    weir_guess_try(&names->guess, name);
    if (names->n == NAMES_MAX)
        fputs(", …", to);
    if (names->n++ >= NAMES_MAX)
        return;
    fputs(names->n == 1 ? "; allowed: " : ", ", to);
    fputs(name, to);
}
