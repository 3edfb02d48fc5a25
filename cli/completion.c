/* SPDX-License-Identifier: BSD-3-Clause */
/* weir document completion: a script for bash, from the tables of verbs, options and keys. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "config/key_table.h"

/* The shell cuts words at `=` and replaces what stands behind the last one, so the line is cut at blanks here, and what
 * was in front (`prefix`) is given back only where `=` does not cut. `takes` is what may follow: words, or one of the two
 * that weir_option.value names. */
static const char head[] =
    "# SPDX-License-Identifier: BSD-3-Clause\n"
    "# Completion of weir " WEIR_VERSION " for bash, written by `weir document completion`.\n"
    "_weir()\n"
    "{\n"
    "    local line=${COMP_LINE:0:COMP_POINT} word=\"\" prefix=\"\" before takes=\"\" options=\"\"\n"
    "    local -a words\n"
    "    read -ra words <<<\"$line\"\n"
    "    if [[ $line != *[[:blank:]] ]]; then\n"
    "        word=${words[-1]}\n"
    "        unset 'words[-1]'\n"
    "    fi\n"
    "    before=${words[-1]-}\n"
    "    if [[ $word == --*=* ]]; then\n"
    "        before=${word%%=*} prefix=${word%%=*}=\n"
    "        word=${word#*=}\n"
    "    fi\n"
    "    case ${words[1]-} in\n";

static const char middle[] = "    esac\n"
                             "    if [[ $word == -* && -n $options ]]; then\n"
                             "        takes=$options\n"
                             "    fi\n"
                             "    if [[ $takes == KEY=VALUE && $word == *=* ]]; then\n"
                             "        case $word in\n";

static const char tail[] = "        *) takes=\"\" ;;\n"
                           "        esac\n"
                           "        prefix+=${word%%=*}=\n"
                           "        word=${word#*=}\n"
                           "    elif [[ $takes == KEY=VALUE ]]; then\n"
                           "        compopt -o nospace 2>/dev/null\n"
                           "        takes=\"";

static const char end[] = "\"\n"
                          "    fi\n"
                          "    if [[ $takes == FILE ]]; then\n"
                          "        compopt -o filenames 2>/dev/null\n"
                          "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
                          "    else\n"
                          "        mapfile -t COMPREPLY < <(compgen -W \"$takes\" -- \"$word\")\n"
                          "    fi\n"
                          "    [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=(\"${COMPREPLY[@]/#/$prefix}\")\n"
                          "}\n"
                          "complete -F _weir weir\n";

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
    fputs(head, to);
    fputs("    \"\") takes=\"help", to);
    for (const struct weir_verb *v = verbs; v->name != NULL; v++)
        fprintf(to, " %s", v->name);
    fputs("\" ;;\n", to);
    for (const struct weir_verb *v = verbs; v->name != NULL; v++)
        write_verb(v, to);
    fputs(middle, to);
    for (const struct weir_key_row *r = weir_top_rows; r->key != NULL; r++)
        write_words(r, to);
    fputs(tail, to);
    for (const struct weir_key_row *r = weir_top_rows; r->key != NULL; r++)
        if (r->not_yet == NULL)
            fprintf(
                to, "%s%s%s", r == weir_top_rows ? "" : " ", r->key, r->type == WEIR_TYPE_MAP ? "." : "=");
    fputs(end, to);
}
