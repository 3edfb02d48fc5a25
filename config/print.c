/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration back to text, each value with its origin. */
#include <string.h>

#include "config/key_table.h"

#define ORIGIN_COLUMN 44
#define INDENT 2

struct printer {
    const struct weir_config *config;
    FILE *to;
};

/* ---- one value ---- */

/* A word of these characters means the same to every reader of YAML, quoted or not, but for the words of `ambiguous`. */
static bool is_plain(const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
    static const char *const ambiguous[] = {"null", "true", "false", "yes", "no", "on", "off"};
    bool plain = strspn(text, safe) == strlen(text) && *text != '-' && *text != '.' && *text != '\0';
    for (size_t i = 0; i < sizeof ambiguous / sizeof ambiguous[0]; i++)
        plain &= strcasecmp(text, ambiguous[i]) != 0;
    return plain;
}

/* Returns the columns it took. */
static int write_scalar(const char *text, FILE *to)
{
    if (is_plain(text))
        return fprintf(to, "%s", text);
    int columns = 2;
    fputc('"', to);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            columns += fprintf(to, "\\%c", *text);
        else if ((unsigned char)*text < ' ' || *text == 0x7f)
            columns += fprintf(to, "\\x%02x", (unsigned)*text);
        else
            columns += fprintf(to, "%c", *text);
    }
    fputc('"', to);
    return columns;
}

static void write_origin(const struct printer *p, int column, struct weir_place place)
{
    fprintf(p->to, "%*s # ", column < ORIGIN_COLUMN ? ORIGIN_COLUMN - column : 0, "");
    if (place.line != 0)
        fprintf(p->to, "%s:%u:%u\n", p->config->file, place.line, place.column);
    else if (place.column != 0)
        fprintf(p->to, "--set %s\n", p->config->sets[place.column - 1]);
    else
        fputs("default\n", p->to);
}

static void write_value(const struct printer *p, int depth, const char *lead, const char *key,
    const char *text, struct weir_place place)
{
    int column = fprintf(p->to, "%*s%s%s: ", depth * INDENT, "", lead, key);
    column += write_scalar(text, p->to);
    write_origin(p, column, place);
}

static void write_class_list(
    const struct printer *p, int depth, const char *key, const struct weir_value *value)
{
    int column = fprintf(p->to, "%*s%s: [", depth * INDENT, "", key);
    for (uint32_t i = 0; i < value->n_classes; i++)
        column += fprintf(p->to, "%s%s", i > 0 ? ", " : "", weir_class_name(p->config, value->classes[i]));
    column += fprintf(p->to, "]");
    write_origin(p, column, value->place);
}

static void write_values(
    const struct printer *, int depth, const struct weir_key_row *, const struct weir_value *);

/* Weights, or maps in a list. */
static void write_members(
    const struct printer *p, int depth, const struct weir_key_row *row, const struct weir_value *value)
{
    char weight[24];
    write_origin(p, fprintf(p->to, "%*s%s:", depth * INDENT, "", row->key), value->place);
    for (uint32_t i = 0; i < value->n_members; i++) {
        if (row->nested != NULL) {
            fprintf(p->to, "%*s-\n", (depth + 1) * INDENT, "");
            write_values(p, depth + 2, row->nested, &value->members[i * weir_rows_count(row->nested)]);
            continue;
        }
        snprintf(weight, sizeof weight, "%lu", (unsigned long)value->members[i].weight);
        write_value(p, depth + 1, "", value->members[i].text, weight, value->members[i].place);
    }
}

static void write_key(
    const struct printer *p, int depth, const struct weir_key_row *row, const struct weir_value *value)
{
    if (value->set && value->members != NULL)
        write_members(p, depth, row, value);
    else if (value->set && value->classes != NULL)
        write_class_list(p, depth, row->key, value);
    else if (value->set && value->text != NULL)
        write_value(p, depth, "", row->key, value->text, value->place);
}

static void write_values(
    const struct printer *p, int depth, const struct weir_key_row *rows, const struct weir_value *values)
{
    for (size_t i = 0; rows != NULL && rows[i].key != NULL; i++)
        write_key(p, depth, &rows[i], &values[i]);
}

static bool any_set(const struct weir_key_row *rows, const struct weir_value *values)
{
    for (size_t i = 0; rows != NULL && rows[i].key != NULL; i++)
        if (values[i].set &&
            (values[i].text != NULL || values[i].classes != NULL || values[i].members != NULL))
            return true;
    return false;
}

/* ---- ports, stages, pools ---- */

static void write_port(const struct printer *p, const struct weir_config_port *port)
{
    const struct weir_key_table *kind = port->kind;
    fprintf(p->to, "  %s:\n", port->name);
    if (kind->string) {
        write_value(p, 2, "", kind->name, port->text, port->text_place);
    } else {
        fprintf(p->to, "    %s:\n", kind->name);
        write_values(p, 3, kind->rows, port->values);
    }
    write_values(p, 2, weir_port_rows, port->keys);
}

static void write_port_map(const struct printer *p, const struct weir_config_stage *stage)
{
    fprintf(p->to, "      - %s:\n", stage->table->name);
    for (uint32_t i = 0; i < stage->values->n_pairs; i++) {
        const struct weir_port_pair *pair = &stage->values->pairs[i];
        write_value(
            p, 5, "", p->config->ports[pair->from].name, p->config->ports[pair->to].name, pair->place);
    }
}

static void write_stage(const struct printer *p, const struct weir_config_stage *stage)
{
    const struct weir_key_table *table = stage->table;
    if (weir_table_is(table, WEIR_TYPE_PORT_MAP)) {
        write_port_map(p, stage);
    } else if (weir_table_is(table, WEIR_TYPE_POOL)) {
        write_value(p, 3, "- ", table->name, p->config->pools[stage->values->number].name, stage->place);
    } else if (any_set(table->rows, stage->values)) {
        fprintf(p->to, "      - %s:\n", table->name);
        write_values(p, 5, table->rows, stage->values);
    } else {
        int column = fprintf(p->to, "      - %s", table->name);
        write_origin(p, column, stage->place);
    }
}

static void write_pool(const struct printer *p, const struct weir_config_pool *pool)
{
    int column = fprintf(p->to, "  %s:\n    from: [", pool->name) - (int)strlen(pool->name) - 4;
    for (uint32_t i = 0; i < pool->n_from; i++)
        column += fprintf(p->to, "%s%s", i > 0 ? ", " : "",
            pool->fed_by_ports ? p->config->ports[pool->from[i]].name : p->config->pools[pool->from[i]].name);
    column += fprintf(p->to, "]");
    write_origin(p, column, pool->place);
    for (size_t i = 0; weir_pool_rows[i].key != NULL; i++) {
        bool of_inbox = i == WEIR_POOL_SHARD_BY || i == WEIR_POOL_ON_FULL || i == WEIR_POOL_DEPTH;
        bool of_ports = i >= WEIR_POOL_IDLE_SLEEP && i <= WEIR_POOL_PROBE_AT;
        if (pool->fed_by_ports ? !of_inbox : !of_ports)
            write_key(p, 2, &weir_pool_rows[i], &pool->values[i]);
    }
    fputs("    stages:\n", p->to);
    for (uint32_t i = 0; i < pool->n_stages; i++)
        write_stage(p, &pool->stages[i]);
}

void weir_config_print(const struct weir_config *config, FILE *to)
{
    const struct printer p = {config, to};
    write_values(&p, 0, weir_top_rows, config->values);
    fputs("ports:\n", to);
    for (uint32_t i = 0; i < config->n_ports; i++)
        write_port(&p, &config->ports[i]);
    if (config->n_classes > 0)
        fputs("classes:\n", to);
    for (uint32_t i = 0; i < config->n_classes; i++) {
        fprintf(to, "  - %s:\n", config->classes[i].name);
        write_values(&p, 3, weir_class_rows, config->classes[i].values);
    }
    if (config->n_exports > 0)
        fputs("exports:\n", to);
    for (uint32_t i = 0; i < config->n_exports; i++) {
        fprintf(to, "  %s:\n", config->exports[i].name);
        write_values(&p, 2, weir_export_rows, config->exports[i].values);
    }
    fputs("pools:\n", to);
    for (uint32_t i = 0; i < config->n_pools; i++)
        write_pool(&p, &config->pools[i]);
}
