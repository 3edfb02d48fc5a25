/* SPDX-License-Identifier: BSD-3-Clause */
/* weir document completion: cli/completion.bash, its gaps filled from the tables of verbs, options and keys.
 *
 * The shell cuts words at `=` and replaces what stands behind the last one, so the line is cut at blanks there, and what
 * was in front (`prefix`) is given back only where `=` does not cut. `takes` is what may follow: words, or one of the two
 * that weir_option.value names. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/completion.h" /* made by meson */
#include "config/key_table.h"

/* From `*at` on up to `mark`; `*at` moves behind it. */
static void write_until(const char **at, const char *mark, FILE *to)
{
    const char *end = strstr(*at, mark);
    fwrite(*at, (size_t)(end - *at), 1, to);
    *at = end + strlen(mark);
}

static void write_verb(const struct weir_verb *v, FILE *to)
{
    fprintf(to, "    %s)\n        takes=\"%s\"\n", v->name, v->operands != NULL ? v->operands : "");
    if (v->options != NULL) {
        fputs("        options=\"", to);
        for (const struct weir_option *o = v->options; o->name != NULL; o++)
            fprintf(to, "--%s ", o->name);
        fputs("--help\"\n        case $before in\n", to);
        for (const struct weir_option *o = v->options; o->name != NULL; o++) {
            bool known =
                o->value != NULL && (strcmp(o->value, "FILE") == 0 || strcmp(o->value, "KEY=VALUE") == 0);
            if (o->value != NULL)
                fprintf(to, "        --%s) takes=\"%s\" options=\"\" ;;\n", o->name, known ? o->value : "");
        }
        fputs("        esac\n", to);
    }
    fputs("        ;;\n", to);
}

/* The words of a key; a few types have one that is no list. */
static void write_words(const struct weir_key_row *row, FILE *to)
{
    bool cpus = row->type == WEIR_TYPE_CPUS, listen = row->type == WEIR_TYPE_LISTEN;
    if (row->not_yet != NULL || (row->words == NULL && !cpus && !listen))
        return;
    fprintf(to, "        %s=*) takes=\"%s", row->key, cpus ? "auto" : listen ? "off" : "");
    for (const char *const *word = row->words; word != NULL && *word != NULL; word++)
        fprintf(to, "%s%s", word == row->words ? "" : " ", *word);
    fputs("\" ;;\n", to);
}

void weir_write_completion(const struct weir_verb *verbs, FILE *to)
{
    const char *rest = WEIR_COMPLETION;
    write_until(&rest, "<help and verbs>\n", to);
    fputs("    \"\") takes=\"help", to);
    for (const struct weir_verb *v = verbs; v->name != NULL; v++)
        fprintf(to, " %s", v->name);
    fputs("\" ;;\n", to);
    for (const struct weir_verb *v = verbs; v->name != NULL; v++)
        write_verb(v, to);
    write_until(&rest, "<words of keys>\n", to);
    for (const struct weir_key_row *r = weir_top_rows; r->key != NULL; r++)
        write_words(r, to);
    write_until(&rest, "<keys>", to);
    for (const struct weir_key_row *r = weir_top_rows; r->key != NULL; r++)
        if (r->not_yet == NULL)
            fprintf(
                to, "%s%s%s", r == weir_top_rows ? "" : " ", r->key, r->type == WEIR_TYPE_MAP ? "." : "=");
    fputs(rest, to);
}
