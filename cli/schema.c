/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON Schema (2020-12) of a configuration, from the tables that it is read by. What a schema cannot say (who feeds
 * whom, what must stand before what) is for `weir check`. */
#include <jansson.h>
#include <string.h>

#include "cli/cli.h"
#include "config/key_table.h"
#include "config/quantity.h"

static json_t *any_of(json_t *first, json_t *second)
{
    return json_pack("{s:[o,o]}", "anyOf", first, second);
}

static json_t *text(const char *pattern)
{
    return json_pack("{s:s,s:s}", "type", "string", "pattern", pattern);
}

static json_t *integer(const struct weir_key_row *row)
{
    json_t *to = json_pack("{s:s,s:I}", "type", "integer", "minimum", (json_int_t)row->min);
    if (row->max != 0 && row->max <= INT64_MAX)
        json_object_set_new(to, "maximum", json_integer((json_int_t)row->max));
    return to;
}

/* A number with one of the units; `tail` follows, as a pattern. */
static json_t *quantity(enum weir_key_type type, bool unit_needed, const char *tail)
{
    char units[64], pattern[160];
    snprintf(units, sizeof units, "%s", weir_quantity_units(type));
    for (char *at = units; *at != '\0'; at++)
        *at = *at == ' ' ? '|' : *at;
    snprintf(pattern, sizeof pattern, "^[0-9]+(\\.[0-9]+)?(%s)%s%s$", units, unit_needed ? "" : "?", tail);
    return text(pattern);
}

static json_t *words(const char *const *list)
{
    json_t *to = json_array();
    for (; list != NULL && *list != NULL; list++)
        json_array_append_new(to, json_string(*list));
    return json_pack("{s:o}", "enum", to);
}

static json_t *names(void)
{
    return json_pack(
        "{s:s,s:{s:s},s:i,s:b}", "type", "array", "items", "type", "string", "minItems", 1, "uniqueItems", 1);
}

static json_t *map(const struct weir_key_row *);

static json_t *value(const struct weir_key_row *row)
{
    switch (row->type) {
    case WEIR_TYPE_COUNT:
    case WEIR_TYPE_BYTES:
        return any_of(integer(row), quantity(row->type, false, ""));
    case WEIR_TYPE_DURATION:
        return quantity(row->type, true, "");
    case WEIR_TYPE_RATE:
        return any_of(quantity(row->type, true, ""), text(row->words != NULL ? "^(max|[0-9.]+%)$" : "^max$"));
    case WEIR_TYPE_WORD:
        return words(row->words);
    case WEIR_TYPE_RATIO:
        return any_of(json_pack("{s:s,s:f,s:f}", "type", "number", "minimum", (double)row->min / 1000,
                          "maximum", (double)row->max / 1000),
            text("^[0-9]+(\\.[0-9]+)?$"));
    case WEIR_TYPE_WEIGHTS:
        return json_pack("{s:[o,o,o,{s:s,s:i,s:i,s:{s:s,s:i}}]}", "anyOf", integer(row),
            text("^[0-9.]+(k|M|G|KiB|MiB|GiB)?(-[0-9.]+(k|M|G|KiB|MiB|GiB)?)?$"), words(row->words), "type",
            "object", "minProperties", 1, "maxProperties", WEIR_WEIGHTS_LIMIT, "additionalProperties", "type",
            "integer", "minimum", 0);
    case WEIR_TYPE_MAPS:
        return any_of(
            map(row->nested), json_pack("{s:s,s:o,s:i,s:I}", "type", "array", "items", map(row->nested),
                                  "minItems", 1, "maxItems", (json_int_t)row->max));
    case WEIR_TYPE_WORKERS:
        return any_of(integer(row), text("^[0-9]+(-[0-9]+)?$"));
    case WEIR_TYPE_CPUS:
        return any_of(json_pack("{s:s,s:i}", "type", "integer", "minimum", 0),
            text("^(auto|!?[0-9]+(-[0-9]+)?(,!?[0-9]+(-[0-9]+)?)*)$"));
    case WEIR_TYPE_LISTEN: /* `off` is false to many readers of YAML */
        return any_of(json_pack("{s:b}", "const", 0), text("^(off|.+:[0-9]{1,5})$"));
    case WEIR_TYPE_STRING:
    case WEIR_TYPE_EXPORT:
        return json_pack("{s:[s,s,s]}", "type", "string", "integer", "number");
    case WEIR_TYPE_CLASSES:
        return names();
    case WEIR_TYPE_LIST:
    case WEIR_TYPE_MAP:
    case WEIR_TYPE_POOL:
    case WEIR_TYPE_PORT_MAP:
        break;
    }
    return json_object();
}

/* A map of its own keys. */
static json_t *map(const struct weir_key_row *rows)
{
    json_t *properties = json_object(), *required = json_array();
    for (const struct weir_key_row *r = rows; r != NULL && r->key != NULL; r++) {
        if (r->not_yet != NULL)
            continue;
        json_t *property = value(r);
        json_object_set_new(property, "description", json_string(r->help));
        if (r->unset != NULL)
            json_object_set_new(property, "default", json_string(r->unset));
        json_object_set_new(properties, r->key, property);
        if (r->unset == NULL && !r->optional)
            json_array_append_new(required, json_string(r->key));
    }
    return json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties, "required", required,
        "additionalProperties", 0);
}

/* Members under names of the user. */
static json_t *named(json_t *member)
{
    return json_pack("{s:s,s:o,s:{s:s},s:i}", "type", "object", "additionalProperties", member,
        "propertyNames", "pattern", "^[A-Za-z0-9_-]{1,32}$", "minProperties", 1);
}

/* A map that may be left empty in YAML, where it is null. */
static json_t *map_or_nothing(const struct weir_key_row *rows)
{
    return any_of(map(rows), json_pack("{s:s}", "type", "null"));
}

static json_t *port(const struct weir_key_table *kinds)
{
    json_t *to = map(weir_port_rows), *one_kind = json_array();
    json_t *properties = json_object_get(to, "properties");
    for (; kinds->name != NULL; kinds++) {
        if (kinds->not_yet != NULL)
            continue;
        json_t *string =
            kinds->string || kinds->shorthand != NULL ? json_pack("{s:s}", "type", "string") : NULL;
        json_t *kind = kinds->string    ? string
                       : string != NULL ? any_of(map(kinds->rows), string)
                                        : map_or_nothing(kinds->rows);
        if (kinds->help != NULL)
            json_object_set_new(kind, "description", json_string(kinds->help));
        json_object_set_new(properties, kinds->name, kind);
        json_array_append_new(one_kind, json_pack("{s:[s]}", "required", kinds->name));
    }
    json_object_set_new(to, "oneOf", one_kind);
    return to;
}

/* A word, or a map with one key. */
static json_t *stage(const struct weir_key_table *tables)
{
    json_t *bare = json_array(), *forms = json_array();
    for (; tables->name != NULL; tables++) {
        if (tables->not_yet != NULL)
            continue;
        bool is_pool = weir_table_is(tables, WEIR_TYPE_POOL);
        bool is_ports = weir_table_is(tables, WEIR_TYPE_PORT_MAP);
        json_t *of =
            is_pool || is_ports ? json_pack("{s:s}", "type", "string") : map_or_nothing(tables->rows);
        if (is_ports)
            of = named(of);
        if (tables->help != NULL)
            json_object_set_new(of, "description", json_string(tables->help));
        if (!is_pool && !is_ports)
            json_array_append_new(bare, json_string(tables->name));
        json_array_append_new(
            forms, json_pack("{s:s,s:{s:o},s:[s],s:b}", "type", "object", "properties", tables->name, of,
                       "required", tables->name, "additionalProperties", 0));
    }
    json_array_insert_new(forms, 0, json_pack("{s:o}", "enum", bare));
    return json_pack("{s:o}", "anyOf", forms);
}

static json_t *pool(const struct weir_key_table *stages)
{
    json_t *to = map(weir_pool_rows), *properties = json_object_get(to, "properties");
    json_object_set_new(properties, "from", names());
    json_object_set_new(properties, "stages",
        json_pack("{s:s,s:o,s:i}", "type", "array", "items", stage(stages), "minItems", 1));
    return to;
}

/* A list, whose order counts, of maps with one key. */
static json_t *classes(void)
{
    json_t *one = named(map(weir_class_rows));
    json_object_set_new(one, "maxProperties", json_integer(1));
    return json_pack(
        "{s:s,s:o,s:i,s:i}", "type", "array", "items", one, "minItems", 1, "maxItems", WEIR_CLASSES_LIMIT);
}

void weir_write_schema(const struct weir_vocabulary *vocabulary, FILE *to)
{
    json_t *schema = map(weir_top_rows), *properties = json_object_get(schema, "properties");
    json_object_set_new(schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    json_object_set_new(schema, "title", json_string("weir " WEIR_VERSION ", configuration file"));
    json_object_set_new(properties, "ports", named(port(vocabulary->port_kinds)));
    json_object_set_new(properties, "classes", classes());
    json_object_set_new(properties, "exports", named(map(weir_export_rows)));
    json_object_set_new(properties, "pools", named(pool(vocabulary->stages)));
    json_dumpf(schema, to, JSON_INDENT(2) | JSON_SORT_KEYS);
    json_decref(schema);
    fputc('\n', to);
}
