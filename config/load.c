/* SPDX-License-Identifier: BSD-3-Clause */
/* Document → configuration: first all names, then what each port, class, export and pool says. */
#include <stdlib.h>
#include <string.h>

#include "config/reader.h"

/* ---- names ---- */

enum kind { PORT, POOL, CLASS, EXPORT, KINDS };
static const char *const kind_names[KINDS] = {"port", "pool", "class", "export"};

struct named {
    const char *name; /* NULL = behind the last */
    struct weir_place place;
};

/* Of the classes the last is `other`. */
static struct named named(const struct weir_config *config, enum kind kind, uint32_t i)
{
    if (kind == PORT && i < config->n_ports)
        return (struct named){config->ports[i].name, config->ports[i].place};
    if (kind == POOL && i < config->n_pools)
        return (struct named){config->pools[i].name, config->pools[i].place};
    if (kind == CLASS && i < config->n_classes)
        return (struct named){config->classes[i].name, config->classes[i].place};
    if (kind == EXPORT && i < config->n_exports)
        return (struct named){config->exports[i].name, config->exports[i].place};
    return (struct named){.name = kind == CLASS && i == config->n_classes ? WEIR_CLASS_OTHER : NULL};
}

/* Its index, or -1. */
static int32_t find(const struct weir_config *config, enum kind kind, const char *name)
{
    const char *there;
    for (uint32_t i = 0; (there = named(config, kind, i).name) != NULL; i++)
        if (strcmp(there, name) == 0)
            return (int32_t)i;
    return -1;
}

/* False after a complaint. */
static bool check_name(struct weir_reader *r, struct weir_place place, const char *name)
{
    if (weir_name_fits(name))
        return true;
    return weir_complain(r->draft.complaints, place,
        "name %s is not spelled like a name; allowed: 1 to %d letters, digits, _ and -", WEIR_QUOTED(name),
        WEIR_NAME_BYTES_MAX);
}

/* Complains of a name that is misspelled, or that something before it has, of `first` to `last`. */
static char *load_name(struct weir_reader *r, int key, enum kind kind, enum kind first, enum kind last)
{
    const struct weir_config *config = r->draft.config;
    const char *name = weir_word_at(r, key, "name");
    bool fine = name != NULL && check_name(r, weir_place_at(r, key), name);
    for (enum kind k = first; fine && k <= last; k++) {
        int32_t same = find(config, k, name);
        if (k == CLASS && same == (int32_t)config->n_classes)
            WEIR_COMPLAIN_AT(r, key, "`%s` is the class of what no other matches; rename this one", name);
        else if (same >= 0)
            WEIR_COMPLAIN_AT(r, key, "%s `%s` has the name of the %s in line %u; rename one",
                kind_names[kind], name, kind_names[k], named(config, k, (uint32_t)same).place.line);
    }
    return weir_reader_copy(r, name != NULL ? name : "");
}

/* How many members a map of ports, pools or exports has; 0 after a complaint. */
static uint32_t count_members(struct weir_reader *r, int map, const char *key, uint32_t max)
{
    if (map <= 0) /* said so already */
        return 0;
    const yaml_node_t *node = weir_node_at(r, map);
    struct weir_pairs pairs = weir_pairs_at(r, map);
    size_t n = (size_t)(pairs.top - pairs.start);
    if (node->type != YAML_MAPPING_NODE && !weir_node_is_nothing(node))
        weir_complain(r->draft.complaints, weir_source_place(node), "%s is no map; allowed: NAME: {…}", key);
    else if (n == 0 || n > max)
        weir_complain(
            r->draft.complaints, weir_source_place(node), "%s has %zu names; allowed: 1 .. %u", key, n, max);
    return n > max ? 0 : (uint32_t)n;
}

static void name_ports(struct weir_reader *r, int map)
{
    struct weir_config *config = r->draft.config;
    uint32_t n = count_members(r, map, "ports", WEIR_PORTS_LIMIT);
    config->ports = weir_reader_take(r, n, sizeof *config->ports);
    for (; config->n_ports < n; config->n_ports++) {
        int key = weir_pairs_at(r, map).start[config->n_ports].key;
        struct weir_config_port *port = &config->ports[config->n_ports];
        port->name = load_name(r, key, PORT, PORT, POOL);
        port->follows = -1;
        port->place = weir_place_at(r, key);
    }
}

static void name_pools(struct weir_reader *r, int map)
{
    struct weir_config *config = r->draft.config;
    uint32_t n = count_members(r, map, "pools", WEIR_POOLS_LIMIT);
    config->pools = weir_reader_take(r, n, sizeof *config->pools);
    r->draft.pools = weir_reader_take(r, n, sizeof *r->draft.pools);
    for (; config->n_pools < n; config->n_pools++) {
        int key = weir_pairs_at(r, map).start[config->n_pools].key;
        struct weir_config_pool *pool = &config->pools[config->n_pools];
        pool->name = load_name(r, key, POOL, PORT, POOL);
        pool->place = weir_place_at(r, key);
    }
}

/* `kinds`: where it was looked for, a bit each. */
static void complain_nobody(
    struct weir_reader *r, int index, const char *name, const char *what, unsigned kinds)
{
    if (!r->names_known)
        return;
    struct weir_names names = {.guess.written = name};
    FILE *to = weir_complaint_begin(r->draft.complaints, weir_place_at(r, index));
    const char *there;
    fprintf(to, "no %s is named %s", what, WEIR_QUOTED(name));
    for (enum kind k = PORT; k < KINDS; k++)
        for (uint32_t i = 0; kinds >> k & 1 && (there = named(r->draft.config, k, i).name) != NULL; i++)
            weir_names_write(&names, there, to);
    weir_guess_write(&names.guess, to);
    weir_complaint_end(r->draft.complaints);
}

/* Index of the port or pool that stands there, or -1 after a complaint. */
static int32_t find_at(struct weir_reader *r, int index, enum kind kind)
{
    const char *name = weir_word_at(r, index, kind_names[kind]);
    int32_t found = name == NULL ? -1 : find(r->draft.config, kind, name);
    if (name != NULL && found < 0)
        complain_nobody(r, index, name, kind_names[kind], 1u << kind);
    return found;
}

/* True after a complaint. */
static bool is_twice(struct weir_reader *r, int index, uint32_t item, const uint32_t *before, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && before[i] != item)
        i++;
    if (i < n)
        WEIR_COMPLAIN_AT(r, index, "`%s` is written a second time; remove one", weir_text_at(r, index));
    return i < n;
}

/* ---- what is named in a map ---- */

static void load_class_list(
    struct weir_reader *r, const struct weir_key_row *row, int list, struct weir_value *value)
{
    struct weir_items items;
    if (!weir_items_at(r, list, row->key, "[dns, other]", WEIR_CLASSES_LIMIT + 1, &items))
        return;
    value->set = true;
    value->place = weir_place_at(r, list);
    value->classes = weir_reader_take(r, items.n, sizeof *value->classes);
    for (uint32_t i = 0; i < items.n; i++) {
        int32_t found = find_at(r, items.start[i], CLASS);
        if (found < 0) {
            r->draft.graph_known = false; /* who takes what cannot be told */
            continue;
        }
        uint32_t number = ((uint32_t)found + 1) % (r->draft.config->n_classes + 1);
        is_twice(r, items.start[i], number, value->classes, value->n_classes);
        value->classes[value->n_classes++] = number;
    }
}

static void find_export(struct weir_reader *r, int index, struct weir_value *value)
{
    int32_t found = find_at(r, index, EXPORT);
    value->set = found >= 0;
    if (found < 0)
        return;
    struct weir_config_export *export = &r->draft.config->exports[found];
    if (export->used.column != 0)
        weir_complain(r->draft.complaints, value->place,
            "export `%s` has the records of the stage in line %u; write another", export->name,
            export->used.line);
    value->number = (uint32_t)found;
    export->used = value->place;
}

/* A map, and in it what is named. NULL after a complaint. */
static struct weir_value *load_map(struct weir_reader *r, int map, const struct weir_subject *s,
    const struct weir_key_row *rows, int **found)
{
    struct weir_value *values = weir_map_read(r, map, s, rows, found);
    for (size_t i = 0; values != NULL && i < weir_rows_count(rows); i++) {
        if (rows[i].type == WEIR_TYPE_CLASSES && (*found)[i] > 0)
            load_class_list(r, &rows[i], (*found)[i], &values[i]);
        if (rows[i].type == WEIR_TYPE_EXPORT && values[i].set)
            find_export(r, (*found)[i], &values[i]);
    }
    return values;
}

/* What only another folder can check. */
static void check_text(
    struct weir_reader *r, bool (*check)(const char *, FILE *), const struct weir_value *value)
{
    if (!value->set || check == NULL)
        return;
    check(value->text, weir_complaint_begin(r->draft.complaints, value->place));
    weir_complaint_end(r->draft.complaints);
}

/* ---- classes ---- */

static void load_class(struct weir_reader *r, struct weir_config_class *class, int item)
{
    struct weir_pairs pairs = weir_pairs_at(r, item);
    class->name = weir_reader_copy(r, "");
    class->place = weir_place_at(r, item);
    if (pairs.top - pairs.start != 1) {
        weir_complain(r->draft.complaints, class->place,
            "a class is a map with one key, its name, as in {dns: {match: udp port 53}}");
        return;
    }
    class->place = weir_place_at(r, pairs.start->key);
    class->name = load_name(r, pairs.start->key, CLASS, CLASS, CLASS);
    const struct weir_subject s = {"class", class->name, class->place};
    int *found;
    class->values = load_map(r, pairs.start->value, &s, weir_class_rows, &found);
    if (class->values != NULL)
        check_text(r, r->draft.vocabulary->check_match, &class->values[WEIR_CLASS_MATCH]);
}

static void load_classes(struct weir_reader *r, int list)
{
    struct weir_config *config = r->draft.config;
    struct weir_items items;
    if (list <= 0 ||
        !weir_items_at(r, list, "classes", "[dns: {match: udp port 53}]", WEIR_CLASSES_LIMIT, &items))
        return;
    config->classes = weir_reader_take(r, items.n, sizeof *config->classes);
    for (; config->n_classes < items.n; config->n_classes++)
        load_class(r, &config->classes[config->n_classes], items.start[config->n_classes]);
}

/* ---- exports ---- */

static void load_exports(struct weir_reader *r, int map)
{
    struct weir_config *config = r->draft.config;
    uint32_t n = count_members(r, map, "exports", WEIR_EXPORTS_LIMIT);
    config->exports = weir_reader_take(r, n, sizeof *config->exports);
    for (; config->n_exports < n; config->n_exports++) {
        const yaml_node_pair_t *pair = &weir_pairs_at(r, map).start[config->n_exports];
        struct weir_config_export *export = &config->exports[config->n_exports];
        export->name = load_name(r, pair->key, EXPORT, EXPORT, EXPORT);
        export->place = weir_place_at(r, pair->key);
        const struct weir_subject s = {"export", export->name, export->place};
        int *found;
        export->values = load_map(r, pair->value, &s, weir_export_rows, &found);
    }
}

static void check_exports(struct weir_reader *r)
{
    const struct weir_config *config = r->draft.config;
    for (uint32_t i = 0; r->draft.graph_known && i < config->n_exports; i++)
        if (config->exports[i].used.column == 0)
            weir_complain(r->draft.complaints, config->exports[i].place,
                "export `%s` gets no records; write `records: %s` at a stage `meter`, or remove it",
                config->exports[i].name, config->exports[i].name);
}

/* ---- ports ---- */

/* The kinds and the keys of a port as rows of one table; one more than `*n_kinds` + weir_port_rows. */
static struct weir_key_row *port_table(struct weir_reader *r, size_t *n_kinds)
{
    const struct weir_key_table *kinds = r->draft.vocabulary->port_kinds;
    size_t n = 0, more = weir_rows_count(weir_port_rows);
    while (kinds[n].name != NULL)
        n++;
    struct weir_key_row *rows = weir_reader_take(r, n + more + 1, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct weir_key_row){.key = kinds[i].name,
            .type = kinds[i].string ? WEIR_TYPE_STRING : WEIR_TYPE_MAP,
            .optional = true,
            .not_yet = kinds[i].not_yet};
    memcpy(rows + n, weir_port_rows, more * sizeof *rows);
    *n_kinds = n;
    return rows;
}

static void load_kind(
    struct weir_reader *r, struct weir_config_port *port, const struct weir_key_row *row, int index)
{
    if (port->kind->string) {
        struct weir_value value = {0};
        weir_value_read(r, row, weir_text_at(r, index), weir_place_at(r, index), &value);
        port->text = value.text;
        port->text_place = value.place;
        check_text(r, port->kind->check, &value);
        return;
    }
    const struct weir_subject s = {port->kind->name, NULL, weir_place_at(r, index)};
    const char *text = weir_text_at(r, index);
    if (port->kind->shorthand != NULL && text != NULL && *text != '\0') {
        int *found = weir_reader_take(r, weir_rows_count(port->kind->rows), sizeof *found);
        found[weir_row_find(port->kind->rows, port->kind->shorthand) - port->kind->rows] = index;
        port->values = weir_values_read(r, port->kind->rows, found);
        return;
    }
    int *found;
    port->values = load_map(r, index, &s, port->kind->rows, &found);
}

static void load_port(struct weir_reader *r, struct weir_config_port *port, int map)
{
    size_t n_kinds;
    const struct weir_subject s = {"port", port->name, port->place};
    const struct weir_key_row *rows = port_table(r, &n_kinds);
    int *found = weir_reader_take(r, weir_rows_count(rows), sizeof *found);
    size_t before = r->draft.complaints->n + r->draft.complaints->more;
    if (!weir_keys_match(r, map, &s, rows, found))
        return;
    for (size_t i = 0; i < n_kinds; i++) {
        if (found[i] <= 0)
            continue;
        if (port->kind != NULL) {
            WEIR_COMPLAIN_AT(
                r, found[i], "port `%s` is a `%s` already; allowed: one kind", port->name, port->kind->name);
            continue;
        }
        port->kind = &r->draft.vocabulary->port_kinds[i];
        load_kind(r, port, &rows[i], found[i]);
    }
    port->keys = weir_values_read(r, weir_port_rows, found + n_kinds);
    if (port->keys[WEIR_PORT_LINK_FOLLOWS].set)
        port->follows = find_at(r, found[n_kinds + WEIR_PORT_LINK_FOLLOWS], PORT);
    if (port->kind == NULL && before == r->draft.complaints->n + r->draft.complaints->more) {
        FILE *to = weir_complaint_begin(r->draft.complaints, s.place);
        fprintf(to, "%s has no kind", WEIR_SUBJECT(&s));
        weir_keys_write(to, rows, n_kinds);
        weir_complaint_end(r->draft.complaints);
    }
}

/* ---- stages ---- */

static bool load_pair(struct weir_reader *r, const yaml_node_pair_t *p, struct weir_value *value)
{
    int32_t from = find_at(r, p->key, PORT), to = find_at(r, p->value, PORT);
    if (from < 0 || to < 0)
        return false;
    for (uint32_t i = 0; i < value->n_pairs; i++)
        if (is_twice(r, p->key, (uint32_t)from, &value->pairs[i].from, 1))
            return false;
    const struct weir_config_port *out = &r->draft.config->ports[to];
    if (out->kind != NULL && out->kind->receive_only)
        WEIR_COMPLAIN_AT(r, p->value, "port `%s` is a `%s`, which cannot transmit; %s", out->name,
            out->kind->name, out->kind->instead != NULL ? out->kind->instead : "name one of another kind");
    value->pairs[value->n_pairs++] =
        (struct weir_port_pair){(uint32_t)from, (uint32_t)to, weir_place_at(r, p->value)};
    return true;
}

/* The whole map of the stage is `port: port`. NULL after a complaint. */
static struct weir_value *load_port_map(struct weir_reader *r, int map, const struct weir_subject *s)
{
    struct weir_pairs pairs = weir_pairs_at(r, map);
    struct weir_value *value = weir_reader_take(r, 1, sizeof *value);
    if (pairs.start == pairs.top) {
        WEIR_COMPLAIN_AT(r, map, "%s needs a map; allowed: INPUT-PORT: OUTPUT-PORT", WEIR_SUBJECT(s));
        return NULL;
    }
    value->set = true;
    value->place = weir_place_at(r, map);
    value->pairs = weir_reader_take(r, (size_t)(pairs.top - pairs.start), sizeof *value->pairs);
    bool fine = true;
    for (const yaml_node_pair_t *p = pairs.start; p < pairs.top; p++)
        fine &= load_pair(r, p, value);
    return fine ? value : NULL;
}

/* The whole value of the stage is the name of a pool. NULL after a complaint. */
static struct weir_value *load_pool_name(
    struct weir_reader *r, int index, bool written, const struct weir_subject *s)
{
    const char *name = written ? weir_text_at(r, index) : NULL;
    if (name == NULL || *name == '\0') {
        WEIR_COMPLAIN_AT(
            r, index, "stage `%s` needs the name of a pool; allowed: {%s: POOL}", s->name, s->name);
        return NULL;
    }
    int32_t pool = find_at(r, index, POOL);
    if (pool < 0)
        return NULL;
    struct weir_value *value = weir_reader_take(r, 1, sizeof *value);
    *value = (struct weir_value){.number = (uint32_t)pool, .set = true, .place = weir_place_at(r, index)};
    return value;
}

static void complain_unknown_stage(struct weir_reader *r, int index, const char *name)
{
    struct weir_guess guess = {.written = name};
    bool first = true;
    FILE *to = weir_complaint_begin(r->draft.complaints, weir_place_at(r, index));
    fprintf(to, "unknown stage %s; allowed: ", WEIR_QUOTED(name));
    for (const struct weir_key_table *t = r->draft.vocabulary->stages; t->name != NULL; t++) {
        weir_guess_try(&guess, t->name);
        if (t->not_yet == NULL)
            weir_write_listed(to, t->name, &first);
    }
    weir_guess_write(&guess, to);
    weir_complaint_end(r->draft.complaints);
}

/* A word, or a map with one key. Leaves stage->table NULL after a complaint. */
static void load_stage(struct weir_reader *r, struct weir_config_stage *stage, int index)
{
    struct weir_pairs pairs = weir_pairs_at(r, index);
    bool is_map = weir_node_at(r, index)->type == YAML_MAPPING_NODE;
    const char *name = NULL;
    int key = index;
    if (is_map && pairs.top - pairs.start == 1) {
        key = pairs.start->key;
        name = weir_text_at(r, key);
    } else if (!is_map) {
        name = weir_text_at(r, index);
    }
    stage->place = weir_place_at(r, key);
    if (name == NULL) {
        WEIR_COMPLAIN_AT(
            r, index, "a stage is a word, or a map with one key, as in [validate, {burn: {cycles: 300}}]");
        return;
    }
    const struct weir_key_table *table = weir_table_find(r->draft.vocabulary->stages, name);
    if (table == NULL) {
        complain_unknown_stage(r, key, name);
        return;
    }
    if (table->not_yet != NULL) {
        weir_complain(r->draft.complaints, stage->place, "`%s` %s; remove it", name, table->not_yet);
        return;
    }
    stage->table = table;
    const struct weir_subject s = {"stage", table->name, stage->place};
    int value = is_map ? pairs.start->value : 0;
    int *found;
    if (weir_table_is(table, WEIR_TYPE_POOL)) {
        stage->values = load_pool_name(r, is_map ? value : index, is_map, &s);
    } else if (weir_table_is(table, WEIR_TYPE_PORT_MAP)) {
        stage->values = load_port_map(r, is_map ? value : index, &s);
    } else {
        stage->values = load_map(r, value, &s, table->rows, &found);
    }
}

/* ---- pools ---- */

static bool load_from(
    struct weir_reader *r, struct weir_config_pool *pool, struct weir_draft_pool *draft, int list)
{
    const struct weir_config *config = r->draft.config;
    struct weir_items items;
    if (list <= 0 || !weir_items_at(r, list, "from", "[gen]", WEIR_POOLS_LIMIT, &items))
        return false;
    pool->from = weir_reader_take(r, items.n, sizeof *pool->from);
    draft->from_places = weir_reader_take(r, items.n, sizeof *draft->from_places);
    bool fine = true;
    for (uint32_t i = 0; i < items.n; i++) {
        const char *name = weir_word_at(r, items.start[i], "port or pool");
        int32_t port = name == NULL ? -1 : find(config, PORT, name);
        int32_t other = name == NULL ? -1 : find(config, POOL, name);
        uint32_t index = (uint32_t)(port >= 0 ? port : other);
        if (port < 0 && other < 0) {
            if (name != NULL)
                complain_nobody(r, items.start[i], name, "port or pool", 1u << PORT | 1u << POOL);
            fine = false;
            continue;
        }
        if (pool->n_from > 0 && pool->fed_by_ports != (port >= 0)) {
            WEIR_COMPLAIN_AT(
                r, items.start[i], "from mixes ports and pools; allowed: all ports, or all pools");
            fine = false;
            continue;
        }
        fine &= !is_twice(r, items.start[i], index, pool->from, pool->n_from);
        pool->fed_by_ports = port >= 0;
        draft->from_places[pool->n_from] = weir_place_at(r, items.start[i]);
        pool->from[pool->n_from++] = index;
    }
    return fine;
}

static bool load_stages(struct weir_reader *r, struct weir_config_pool *pool, int list)
{
    struct weir_items items;
    if (list <= 0 || !weir_items_at(r, list, "stages", "[validate, meter]", WEIR_STAGES_LIMIT, &items))
        return false;
    bool fine = true;
    pool->stages = weir_reader_take(r, items.n, sizeof *pool->stages);
    for (; pool->n_stages < items.n; pool->n_stages++) {
        load_stage(r, &pool->stages[pool->n_stages], items.start[pool->n_stages]);
        fine &= pool->stages[pool->n_stages].values != NULL;
    }
    return fine;
}

static void load_pool(struct weir_reader *r, uint32_t i, int map)
{
    struct weir_config_pool *pool = &r->draft.config->pools[i];
    struct weir_draft_pool *draft = &r->draft.pools[i];
    const struct weir_subject s = {"pool", pool->name, pool->place};
    int *found;
    pool->values = load_map(r, map, &s, weir_pool_rows, &found);
    if (pool->values == NULL) {
        r->draft.graph_known = false;
        return;
    }
    draft->from_known = load_from(r, pool, draft, found[WEIR_POOL_FROM]);
    bool stages_known = load_stages(r, pool, found[WEIR_POOL_STAGES]);
    r->draft.graph_known &= draft->from_known && stages_known;
    pool->shard_by = (enum weir_shard_by)pool->values[WEIR_POOL_SHARD_BY].number;
    pool->on_full = (enum weir_on_full)pool->values[WEIR_POOL_ON_FULL].number;
    pool->depth = (uint32_t)pool->values[WEIR_POOL_DEPTH].number;
    pool->workers_at_start = (uint32_t)pool->values[WEIR_POOL_WORKERS].number;
    pool->workers = (uint32_t)pool->values[WEIR_POOL_WORKERS].high;
    /* Refused keys count as written: that they are missing would be one complaint too many. */
    pool->values[WEIR_POOL_SHARD_BY].set |= found[WEIR_POOL_SHARD_BY] != 0;
    pool->values[WEIR_POOL_ON_FULL].set |= found[WEIR_POOL_ON_FULL] != 0;
}

/* ---- the top ---- */

static void load_top(struct weir_reader *r, struct weir_value *values)
{
    struct weir_config *config = r->draft.config;
    config->values = values;
    config->seed = values[WEIR_TOP_SEED].number;
    config->name = values[WEIR_TOP_NAME].text;
    config->memory = (enum weir_memory)values[WEIR_TOP_MEMORY].number;
    config->log = (enum weir_log_level)values[WEIR_TOP_LOG].number;
    config->drain_timeout_ns = values[WEIR_TOP_DRAIN_TIMEOUT].number;
    config->stop_after_ns = values[WEIR_TOP_STOP_AFTER].number;
    if (config->name != NULL)
        check_name(r, values[WEIR_TOP_NAME].place, config->name);
}

static void load_document(struct weir_reader *r)
{
    const int root = 1;
    const struct weir_subject s = {"the configuration", NULL, weir_place_at(r, root)};
    struct weir_config *config = r->draft.config;
    int *found;
    load_top(r, load_map(r, root, &s, weir_top_rows, &found)); /* weir_source_parse() takes only a map */
    /* All names first: stages name ports, and a pool may stand before those that feed it. */
    uint32_t before = r->draft.complaints->n + r->draft.complaints->more;
    name_ports(r, found[WEIR_TOP_PORTS]);
    name_pools(r, found[WEIR_TOP_POOLS]);
    load_classes(r, found[WEIR_TOP_CLASSES]);
    load_exports(r, found[WEIR_TOP_EXPORTS]);
    r->names_known = config->n_ports > 0 && config->n_pools > 0;
    r->draft.graph_known = r->names_known && before == r->draft.complaints->n + r->draft.complaints->more;
    for (uint32_t i = 0; i < config->n_ports; i++)
        load_port(r, &config->ports[i], weir_pairs_at(r, found[WEIR_TOP_PORTS]).start[i].value);
    for (uint32_t i = 0; i < config->n_pools; i++)
        load_pool(r, i, weir_pairs_at(r, found[WEIR_TOP_POOLS]).start[i].value);
    check_exports(r);
}

/* `text` NULL: read the file. */
static struct weir_config *load(const char *file, const void *text, size_t length, const char *const *sets,
    const struct weir_vocabulary *vocabulary, FILE *errors)
{
    struct weir_complaints complaints = {.n = 0};
    yaml_document_t document;
    struct weir_config *config = calloc(1, sizeof *config);
    if (config == NULL)
        abort();
    struct weir_reader r = {.draft = {.config = config, .vocabulary = vocabulary, .complaints = &complaints},
        .document = &document};
    config->file = weir_reader_copy(&r, file);
    config->sets = sets;
    if (text != NULL ? weir_source_parse(text, length, sets, &document, &complaints)
                     : weir_source_open(file, sets, &document, &complaints)) {
        load_document(&r);
        weir_check(&r.draft);
        yaml_document_delete(&document);
    }
    if (weir_complaints_none(&complaints))
        return config;
    weir_complaints_print(&complaints, strcmp(file, "-") == 0 ? "<stdin>" : file, sets, errors);
    weir_complaints_free(&complaints);
    weir_config_free(config);
    return NULL;
}

struct weir_config *weir_config_load(
    const char *file, const char *const *sets, const struct weir_vocabulary *vocabulary, FILE *errors)
{
    return load(file, NULL, 0, sets, vocabulary, errors);
}

struct weir_config *weir_config_load_text(const char *file, const void *text, size_t length,
    const char *const *sets, const struct weir_vocabulary *vocabulary, FILE *errors)
{
    return load(file, text != NULL ? text : "", length, sets, vocabulary, errors);
}
