/* SPDX-License-Identifier: BSD-3-Clause */
/* docs/config.md from the tables that load.c reads by, so that the two cannot disagree. */
#include <string.h>

#include "config/key_table.h"
#include "config/prose.h" /* made by meson */
#include "config/quantity.h"

static const struct {
    const char *name;
    bool number; /* of a quantity: has units */
} types[] = {
    [WEIR_TYPE_COUNT] = {"count", true},
    [WEIR_TYPE_BYTES] = {"bytes", true},
    [WEIR_TYPE_DURATION] = {"duration", true},
    [WEIR_TYPE_RATE] = {"rate", true},
    [WEIR_TYPE_RATIO] = {"ratio", false},
    [WEIR_TYPE_WORD] = {"word", false},
    [WEIR_TYPE_WEIGHTS] = {"weights", false},
    [WEIR_TYPE_STRING] = {"text", false},
    [WEIR_TYPE_EXPORT] = {"export", false},
    [WEIR_TYPE_WORKERS] = {"count", false},
    [WEIR_TYPE_CPUS] = {"cpus", false},
    [WEIR_TYPE_LISTEN] = {"listen", false},
    [WEIR_TYPE_CLASSES] = {"list", false},
    [WEIR_TYPE_LIST] = {"list", false},
    [WEIR_TYPE_MAP] = {"map", false},
    [WEIR_TYPE_MAPS] = {"maps", false},
    [WEIR_TYPE_POOL] = {"pool", false},
    [WEIR_TYPE_PORT_MAP] = {"map", false},
};

/* A bar would end the cell. */
static void write_cell(const char *text, FILE *to)
{
    for (; text != NULL && *text != '\0'; text++)
        fprintf(to, *text == '|' ? "\\%c" : "%c", *text);
}

static void write_default(const struct weir_key_row *row, FILE *to)
{
    if (row->unset != NULL)
        fprintf(to, "`%s`", row->unset);
    else
        fputs(row->optional ? "–" : "**required**", to);
}

static void write_row(const struct weir_key_row *row, FILE *to)
{
    fprintf(to, "| `%s` | %s | %s | ",
        strcmp(row->key, "*") != 0    ? row->key
        : row->type == WEIR_TYPE_POOL ? "POOL"
                                      : "PORT",
        types[row->type].name, types[row->type].number ? weir_quantity_units(row->type) : "");
    write_default(row, to);
    fputs(" | ", to);
    weir_row_write_allowed(row, to);
    fprintf(to, " | %s | ", row->reload ? "reload" : "restart");
    write_cell(row->help, to);
    fputs(" |\n", to);
}

static void write_rows(const struct weir_key_row *rows, bool nested, FILE *to)
{
    bool any = false, first = true;
    for (const struct weir_key_row *r = rows; r != NULL && r->key != NULL; r++) {
        if (r->not_yet != NULL)
            continue;
        if (!any)
            fputs("\n| Key | Type | Unit | Default | Allowed | Change | Meaning "
                  "|\n|---|---|---|---|---|---|---|\n",
                to);
        any = true;
        write_row(r, to);
    }
    for (const struct weir_key_row *r = rows; r != NULL && r->key != NULL; r++) {
        if (r->not_yet == NULL)
            continue;
        fprintf(to, "%s`%s`", first ? "\nIn a later version: " : ", ", r->key);
        first = false;
    }
    fputs(first ? "" : ".\n", to);
    for (const struct weir_key_row *r = rows; nested && r != NULL && r->key != NULL; r++) {
        if (r->nested == NULL)
            continue;
        fprintf(to, "\n#### `%s`\n", r->key);
        write_rows(r->nested, false, to);
    }
}

static void write_properties(const struct weir_key_table *t, FILE *to)
{
    const struct {
        bool has;
        const char *text;
    } properties[] = {
        {t->makes_class, "finds the class"},
        {t->makes_key, "finds the flow"},
        {t->needs_key, "reads the flow"},
        {t->keyed, "state of each flow"},
        {t->ports_only, "only in a pool fed by ports"},
        {t->terminal, "ends packets"},
        {t->receive_only, "cannot transmit"},
        {t->string, "the value is one text"},
        {t->shorthand != NULL, "the value may be one text: the first key"},
    };
    bool first = true;
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        if (properties[i].has)
            fprintf(to, "%s%s", first ? "\nProperties: *" : "*, *", properties[i].text);
        first &= !properties[i].has;
    }
    fputs(first ? "" : "*.\n", to);
}

static void write_tables(const char *what, const struct weir_key_table *tables, FILE *to)
{
    bool first = true;
    for (const struct weir_key_table *t = tables; t->name != NULL; t++) {
        if (t->not_yet != NULL)
            continue;
        fprintf(to, "\n### %s `%s`\n\n%s\n", what, t->name, t->help != NULL ? t->help : "");
        write_properties(t, to);
        write_rows(t->rows, true, to);
    }
    for (const struct weir_key_table *t = tables; t->name != NULL; t++) {
        if (t->not_yet == NULL)
            continue;
        fprintf(to, "%s`%s` (%s)", first ? "\n### In a later version\n\n" : ", ", t->name, t->help);
        first = false;
    }
    fputs(first ? "" : ".\n", to);
}

void weir_config_document(const struct weir_vocabulary *vocabulary, FILE *to)
{
    fprintf(to, WEIR_GRAMMAR, WEIR_PORTS_LIMIT, WEIR_STAGES_LIMIT, WEIR_WORKERS_LIMIT,
        WEIR_TRANSMITTERS_LIMIT, weir_quantity_units(WEIR_TYPE_COUNT), weir_quantity_units(WEIR_TYPE_BYTES),
        weir_quantity_units(WEIR_TYPE_DURATION), weir_quantity_units(WEIR_TYPE_RATE));
    fputs("\n## Top level\n", to);
    write_rows(weir_top_rows, true, to);
    fputs("\n## Ports\n\n`ports: {NAME: {KIND: …}}`, with exactly one kind.\n", to);
    write_rows(weir_port_rows, true, to);
    write_tables("Port kind", vocabulary->port_kinds, to);
    fprintf(to,
        "\n## Classes\n\n`classes: [{NAME: {match: …}}, …]`; the first that matches is the class of a "
        "packet, and what none matches is\n`other`. A stage `classify` finds the class. Up to %d classes.\n",
        WEIR_CLASSES_LIMIT);
    write_rows(weir_class_rows, true, to);
    fputs(WEIR_CLASSES, to);
    fputs("\n## Pools\n\n`pools: {NAME: {from: […], stages: […], …}}`.\n", to);
    write_rows(weir_pool_rows, true, to);
    fputs("\nIn a later version: `on-full: shed`, `shard-by: tenant`.\n", to);
    fputs(
        "\n## Exports\n\n`exports: {NAME: {file: …}}`; a stage `meter` with `records: NAME` fills it.\n", to);
    write_rows(weir_export_rows, true, to);
    fputs("\n## Stages\n", to);
    write_tables("Stage", vocabulary->stages, to);
}
