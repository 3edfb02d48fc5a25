/* SPDX-License-Identifier: BSD-3-Clause */
/* Document → values. Every table of the grammar is read by match_keys() and load_values(); what differs
 * between the top, a port, a pool and a stage is only what becomes of keys that hold a list or a map. */
#include <stdlib.h>
#include <string.h>

#include "config/draft.h"
#include "config/source.h"

/* ---- memory: it all goes at once ---- */

struct block {
    struct block *next;
    max_align_t memory[];
};

/* What weir_config_load() returns a part of. */
struct whole {
    struct weir_config config;
    struct block *blocks;
};

struct loader {
    struct weir_draft draft;
    struct whole *whole;
    yaml_document_t *document;
    bool names_known; /* else who is named cannot be told from a slip of the pen */
};

static void *take(struct loader *l, size_t n, size_t size)
{
    struct block *b = calloc(1, sizeof *b + n * size); /* n is bounded by WEIR_SOURCE_BYTES_MAX */
    if (b == NULL)
        abort(); /* a few kilobytes at the start of the process */
    b->next = l->whole->blocks;
    l->whole->blocks = b;
    return b->memory;
}

static char *take_text(struct loader *l, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(take(l, size, 1), text, size);
}

void weir_config_free(struct weir_config *config)
{
    struct whole *w = (struct whole *)config; /* its first member */
    if (w == NULL)
        return;
    while (w->blocks != NULL) {
        struct block *b = w->blocks;
        w->blocks = b->next;
        free(b);
    }
    free(w);
}

/* ---- nodes ---- */

static const yaml_node_t *node_at(const struct loader *l, int index)
{
    return yaml_document_get_node(l->document, index);
}

static struct weir_place place_at(const struct loader *l, int index)
{
    return weir_source_place(node_at(l, index));
}

static const char *text_at(const struct loader *l, int index)
{
    return weir_source_text(node_at(l, index));
}

/* `generator:` with nothing behind it is an empty map. */
static bool is_nothing(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0;
}

struct pairs {
    const yaml_node_pair_t *start, *top;
};

/* 0 = a map that is not written. */
static struct pairs pairs_at(const struct loader *l, int map)
{
    const yaml_node_t *node = node_at(l, map);
    if (node == NULL || node->type != YAML_MAPPING_NODE)
        return (struct pairs){NULL, NULL};
    return (struct pairs){node->data.mapping.pairs.start, node->data.mapping.pairs.top};
}

struct items {
    const yaml_node_item_t *start;
    uint32_t n;
};

/* False after a complaint. */
static bool items_at(
    struct loader *l, int list, const char *key, const char *example, uint32_t max, struct items *to)
{
    const yaml_node_t *node = node_at(l, list);
    if (node->type != YAML_SEQUENCE_NODE)
        return weir_complain(l->draft.complaints, weir_source_place(node),
            "%s is no list; allowed: a list like %s", key, example);
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (n == 0 || n > max)
        return weir_complain(
            l->draft.complaints, weir_source_place(node), "%s has %zu items; allowed: 1 .. %u", key, n, max);
    *to = (struct items){node->data.sequence.items.start, (uint32_t)n};
    return true;
}

/* The word that stands there, or NULL after a complaint. */
static const char *word_at(struct loader *l, int index, const char *what)
{
    const char *text = text_at(l, index);
    if (text == NULL)
        weir_complain(l->draft.complaints, place_at(l, index), "a %s must be a single word", what);
    return text;
}

/* ---- the keys of a map ---- */

/* Which map it is, for messages: "pool `work`", "stage `admit`", "the configuration". */
struct subject {
    const char *kind, *name;
    struct weir_place place;
};

#define SUBJECT_BYTES (WEIR_QUOTED_BYTES + 32)
#define SUBJECT(s) subject_text((char[SUBJECT_BYTES]){0}, s)
static char *subject_text(char to[SUBJECT_BYTES], const struct subject *s)
{
    snprintf(to, SUBJECT_BYTES, "%s%s%s", s->kind, s->name != NULL ? " " : "",
        s->name != NULL ? WEIR_QUOTED(s->name) : "");
    return to;
}

/* Of the first `n` rows. */
static void write_usable_keys(FILE *to, const struct weir_key_row *rows, size_t n)
{
    bool first = true;
    fputs("; allowed: ", to);
    for (size_t i = 0; i < n; i++)
        if (rows[i].not_yet == NULL)
            weir_write_listed(to, rows[i].key, &first);
    if (first)
        fputs("no key", to);
}

/* Index of the row that was probably meant, or -1. */
static int complain_unknown(
    struct loader *l, int key, const struct subject *s, const struct weir_key_row *rows)
{
    struct weir_guess guess = {.written = text_at(l, key)};
    int meant = -1;
    for (int i = 0; rows != NULL && rows[i].key != NULL; i++) {
        const char *before = guess.best;
        weir_guess_try(&guess, rows[i].key);
        meant = guess.best != before ? i : meant;
    }
    FILE *to = weir_complaint_begin(l->draft.complaints, place_at(l, key));
    fprintf(to, "unknown key %s in %s", WEIR_QUOTED(guess.written), SUBJECT(s));
    write_usable_keys(to, rows, weir_rows_count(rows));
    weir_guess_write(&guess, to);
    weir_complaint_end(l->draft.complaints);
    return meant;
}

static void complain_missing(struct loader *l, const struct subject *s, const struct weir_key_row *row)
{
    FILE *to = weir_complaint_begin(l->draft.complaints, s->place);
    fprintf(to, "%s needs `%s`", SUBJECT(s), row->key);
    if (row->type != WEIR_TYPE_STRING) {
        fputs("; allowed: ", to);
        weir_row_write_allowed(row, to);
    }
    weir_complaint_end(l->draft.complaints);
}

/* Node of each row's value in a map (0 = an empty one), 0 = not written, -1 = refused. Complains of keys that are unknown,
 * doubled, to come, or missing. `found` has one entry a row. */
static bool match_keys(
    struct loader *l, int map, const struct subject *s, const struct weir_key_row *rows, int *found)
{
    struct weir_complaints *c = l->draft.complaints;
    const yaml_node_t *node = node_at(l, map);
    if (node != NULL && node->type != YAML_MAPPING_NODE && !is_nothing(node)) {
        FILE *to = weir_complaint_begin(c, weir_source_place(node));
        fprintf(to, "%s is no map", SUBJECT(s));
        write_usable_keys(to, rows, weir_rows_count(rows));
        weir_complaint_end(c);
        return false;
    }
    struct pairs pairs = pairs_at(l, map);
    for (const yaml_node_pair_t *p = pairs.start; p < pairs.top; p++) {
        const char *key = word_at(l, p->key, "key");
        if (key == NULL)
            continue;
        const struct weir_key_row *row = weir_row_find(rows, key);
        if (row == NULL) {
            int meant = complain_unknown(l, p->key, s, rows);
            if (meant >= 0 && found[meant] == 0)
                found[meant] = -1;
        } else if (row->not_yet != NULL) {
            weir_complain(c, place_at(l, p->key), "`%s` %s; remove it", key, row->not_yet);
        } else if (found[row - rows] != 0) {
            weir_complain(c, place_at(l, p->key), "`%s` is written a second time; remove one", key);
        } else {
            found[row - rows] = p->value;
        }
    }
    for (size_t i = 0; i < weir_rows_count(rows); i++)
        if (found[i] == 0 && rows[i].unset == NULL && !rows[i].optional && rows[i].not_yet == NULL)
            complain_missing(l, s, &rows[i]);
    return true;
}

/* ---- values ---- */

static bool is_scalar_type(enum weir_key_type type)
{
    return type != WEIR_TYPE_LIST && type != WEIR_TYPE_MAP && type != WEIR_TYPE_POOL &&
           type != WEIR_TYPE_PORT_MAP && type != WEIR_TYPE_CLASSES && type != WEIR_TYPE_MAPS;
}

/* As written, or a default, which has no place. */
static void load_value(struct loader *l, const struct weir_key_row *row, const char *text,
    struct weir_place place, struct weir_value *value)
{
    FILE *to = weir_complaint_begin(l->draft.complaints, place);
    if (text == NULL) {
        fprintf(to, "%s is no single value; allowed: ", row->key);
        weir_row_write_allowed(row, to);
    } else if (weir_row_parse(row, text, value, to)) {
        value->set = true;
        value->text = take_text(l, text);
        value->place = place;
    }
    weir_complaint_end(l->draft.complaints);
}

static void load_class_list(struct loader *, const struct weir_key_row *, int list, struct weir_value *);
static void find_export(struct loader *, int index, struct weir_value *);
static void load_maps(struct loader *, const struct weir_key_row *, int index, struct weir_value *);

/* What may be drawn, to its weight. */
static void load_weights(
    struct loader *l, const struct weir_key_row *row, const yaml_node_t *node, struct weir_value *value)
{
    static const struct weir_key_row weight = {.key = "weight", .type = WEIR_TYPE_COUNT, .max = 1000000};
    const yaml_node_pair_t *p = node->data.mapping.pairs.start;
    size_t n = (size_t)(node->data.mapping.pairs.top - p);
    uint64_t sum = 0;
    value->place = weir_source_place(node);
    if (n == 0 || n > WEIR_WEIGHTS_LIMIT) {
        weir_complain(l->draft.complaints, value->place, "%s has %zu weights; allowed: 1 .. %d", row->key, n,
            WEIR_WEIGHTS_LIMIT);
        return;
    }
    value->set = true;
    value->members = take(l, n, sizeof *value->members);
    for (; value->n_members < n; value->n_members++, p++) {
        struct weir_value *member = &value->members[value->n_members], of = {0};
        load_value(l, row, text_at(l, p->key), place_at(l, p->key), member);
        load_value(l, &weight, text_at(l, p->value), place_at(l, p->value), &of);
        member->weight = of.number;
        sum += of.number + !of.set;
    }
    if (sum == 0)
        weir_complain(l->draft.complaints, value->place, "%s has no weight above 0; give one", row->key);
}

static struct weir_value *load_values(struct loader *l, const struct weir_key_row *rows, const int *found)
{
    size_t n = weir_rows_count(rows);
    struct weir_value *values = take(l, n, sizeof *values);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].type == WEIR_TYPE_CLASSES && found[i] > 0)
            load_class_list(l, &rows[i], found[i], &values[i]);
        if (rows[i].type == WEIR_TYPE_MAPS && found[i] > 0)
            load_maps(l, &rows[i], found[i], &values[i]);
        if (rows[i].not_yet != NULL || !is_scalar_type(rows[i].type))
            continue;
        if (found[i] > 0 && rows[i].type == WEIR_TYPE_WEIGHTS &&
            node_at(l, found[i])->type == YAML_MAPPING_NODE)
            load_weights(l, &rows[i], node_at(l, found[i]), &values[i]);
        else if (found[i] > 0)
            load_value(l, &rows[i], text_at(l, found[i]), place_at(l, found[i]), &values[i]);
        else if (rows[i].unset != NULL)
            load_value(l, &rows[i], rows[i].unset, (struct weir_place){0, 0}, &values[i]);
        if (rows[i].type == WEIR_TYPE_EXPORT && values[i].set)
            find_export(l, found[i], &values[i]);
    }
    return values;
}

/* What only another folder can check. */
static void check_text(struct loader *l, bool (*check)(const char *, FILE *), const struct weir_value *value)
{
    if (!value->set || check == NULL)
        return;
    check(value->text, weir_complaint_begin(l->draft.complaints, value->place));
    weir_complaint_end(l->draft.complaints);
}

/* A key that means something only beside a word of another, and there is required if it has no default; or everywhere but
 * there. */
static void check_company(struct loader *l, const struct subject *s, const struct weir_key_row *rows,
    const int *found, struct weir_value *values)
{
    for (size_t i = 0; i < weir_rows_count(rows); i++) {
        const char *const *with = rows[i].only_with[0] != NULL ? rows[i].only_with : rows[i].never_with;
        if (with[0] == NULL)
            continue;
        const struct weir_value *other = &values[weir_row_find(rows, with[0]) - rows];
        if (!other->set)
            continue;
        bool beside = (strcmp(other->text, with[1]) == 0) == (with == rows[i].only_with);
        bool written = values[i].place.column != 0;
        if (!beside && written) {
            FILE *to = weir_complaint_begin(l->draft.complaints, values[i].place);
            fprintf(to, "`%s` means nothing beside `%s: %s`; remove it, or write ", rows[i].key, with[0],
                other->text);
            if (with == rows[i].only_with)
                fprintf(to, "`%s: %s`", with[0], with[1]);
            else
                fprintf(to, "another `%s`", with[0]);
            weir_complaint_end(l->draft.complaints);
        } else if (!beside) {
            values[i].set = false;
        } else if (found[i] == 0 && !values[i].set && with == rows[i].only_with) {
            complain_missing(l, s, &rows[i]);
        }
    }
}

/* NULL after a complaint. */
static struct weir_value *load_map(
    struct loader *l, int map, const struct subject *s, const struct weir_key_row *rows, int **found)
{
    *found = take(l, weir_rows_count(rows), sizeof **found);
    if (!match_keys(l, map, s, rows, *found))
        return NULL;
    struct weir_value *values = load_values(l, rows, *found);
    check_company(l, s, rows, *found, values);
    return values;
}

/* Maps with keys of their own, in a list; one may stand alone. */
static void load_maps(struct loader *l, const struct weir_key_row *row, int index, struct weir_value *value)
{
    struct items items = {&index, 1};
    size_t n = weir_rows_count(row->nested);
    if (node_at(l, index)->type == YAML_SEQUENCE_NODE &&
        !items_at(l, index, row->key, "[{…}]", (uint32_t)row->max, &items))
        return;
    value->place = place_at(l, index);
    value->members = take(l, items.n * n, sizeof *value->members);
    for (uint32_t i = 0; i < items.n; i++) {
        const struct subject s = {row->key, NULL, place_at(l, items.start[i])};
        int *found;
        struct weir_value *one = load_map(l, items.start[i], &s, row->nested, &found);
        if (one == NULL)
            return;
        memcpy(&value->members[value->n_members++ * n], one, n * sizeof *one);
    }
    value->set = true;
}

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
static bool check_name(struct loader *l, struct weir_place place, const char *name)
{
    if (weir_name_fits(name))
        return true;
    return weir_complain(l->draft.complaints, place,
        "name %s is not spelled like a name; allowed: 1 to %d letters, digits, _ and -", WEIR_QUOTED(name),
        WEIR_NAME_BYTES_MAX);
}

/* Complains of a name that is misspelled, or that something before it has, of `first` to `last`. */
static char *load_name(struct loader *l, int key, enum kind kind, enum kind first, enum kind last)
{
    const struct weir_config *config = l->draft.config;
    const char *name = word_at(l, key, "name");
    bool fine = name != NULL && check_name(l, place_at(l, key), name);
    for (enum kind k = first; fine && k <= last; k++) {
        int32_t same = find(config, k, name);
        if (k == CLASS && same == (int32_t)config->n_classes)
            weir_complain(l->draft.complaints, place_at(l, key),
                "`%s` is the class of what no other matches; rename this one", name);
        else if (same >= 0)
            weir_complain(l->draft.complaints, place_at(l, key),
                "%s `%s` has the name of the %s in line %u; rename one", kind_names[kind], name,
                kind_names[k], named(config, k, (uint32_t)same).place.line);
    }
    return take_text(l, name != NULL ? name : "");
}

/* How many members a map of ports, pools or exports has; 0 after a complaint. */
static uint32_t count_members(struct loader *l, int map, const char *key, uint32_t max)
{
    if (map <= 0) /* said so already */
        return 0;
    const yaml_node_t *node = node_at(l, map);
    struct pairs pairs = pairs_at(l, map);
    size_t n = (size_t)(pairs.top - pairs.start);
    if (node->type != YAML_MAPPING_NODE && !is_nothing(node))
        weir_complain(l->draft.complaints, weir_source_place(node), "%s is no map; allowed: NAME: {…}", key);
    else if (n == 0 || n > max)
        weir_complain(
            l->draft.complaints, weir_source_place(node), "%s has %zu names; allowed: 1 .. %u", key, n, max);
    return n > max ? 0 : (uint32_t)n;
}

static void name_ports(struct loader *l, int map)
{
    struct weir_config *config = l->draft.config;
    uint32_t n = count_members(l, map, "ports", WEIR_PORTS_LIMIT);
    config->ports = take(l, n, sizeof *config->ports);
    for (; config->n_ports < n; config->n_ports++) {
        int key = pairs_at(l, map).start[config->n_ports].key;
        struct weir_config_port *port = &config->ports[config->n_ports];
        port->name = load_name(l, key, PORT, PORT, POOL);
        port->follows = -1;
        port->place = place_at(l, key);
    }
}

static void name_pools(struct loader *l, int map)
{
    struct weir_config *config = l->draft.config;
    uint32_t n = count_members(l, map, "pools", WEIR_POOLS_LIMIT);
    config->pools = take(l, n, sizeof *config->pools);
    l->draft.pools = take(l, n, sizeof *l->draft.pools);
    for (; config->n_pools < n; config->n_pools++) {
        int key = pairs_at(l, map).start[config->n_pools].key;
        struct weir_config_pool *pool = &config->pools[config->n_pools];
        pool->name = load_name(l, key, POOL, PORT, POOL);
        pool->place = place_at(l, key);
    }
}

/* `kinds`: where it was looked for, a bit each. */
static void complain_nobody(struct loader *l, int index, const char *name, const char *what, unsigned kinds)
{
    if (!l->names_known)
        return;
    struct weir_names names = {.guess.written = name};
    FILE *to = weir_complaint_begin(l->draft.complaints, place_at(l, index));
    const char *there;
    fprintf(to, "no %s is named %s", what, WEIR_QUOTED(name));
    for (enum kind k = PORT; k < KINDS; k++)
        for (uint32_t i = 0; kinds >> k & 1 && (there = named(l->draft.config, k, i).name) != NULL; i++)
            weir_names_write(&names, there, to);
    weir_guess_write(&names.guess, to);
    weir_complaint_end(l->draft.complaints);
}

/* Index of the port or pool that stands there, or -1 after a complaint. */
static int32_t find_at(struct loader *l, int index, enum kind kind)
{
    const char *name = word_at(l, index, kind_names[kind]);
    int32_t found = name == NULL ? -1 : find(l->draft.config, kind, name);
    if (name != NULL && found < 0)
        complain_nobody(l, index, name, kind_names[kind], 1u << kind);
    return found;
}

/* True after a complaint. */
static bool is_twice(struct loader *l, int index, uint32_t item, const uint32_t *before, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && before[i] != item)
        i++;
    if (i < n)
        weir_complain(l->draft.complaints, place_at(l, index), "`%s` is written a second time; remove one",
            text_at(l, index));
    return i < n;
}

/* ---- classes ---- */

static void load_class(struct loader *l, struct weir_config_class *class, int item)
{
    struct pairs pairs = pairs_at(l, item);
    class->name = take_text(l, "");
    class->place = place_at(l, item);
    if (pairs.top - pairs.start != 1) {
        weir_complain(l->draft.complaints, class->place,
            "a class is a map with one key, its name, as in {dns: {match: udp port 53}}");
        return;
    }
    class->place = place_at(l, pairs.start->key);
    class->name = load_name(l, pairs.start->key, CLASS, CLASS, CLASS);
    const struct subject s = {"class", class->name, class->place};
    int *found;
    class->values = load_map(l, pairs.start->value, &s, weir_class_rows, &found);
    if (class->values != NULL)
        check_text(l, l->draft.vocabulary->check_match, &class->values[WEIR_CLASS_MATCH]);
}

static void load_classes(struct loader *l, int list)
{
    struct weir_config *config = l->draft.config;
    struct items items;
    if (list <= 0 || !items_at(l, list, "classes", "[dns: {match: udp port 53}]", WEIR_CLASSES_LIMIT, &items))
        return;
    config->classes = take(l, items.n, sizeof *config->classes);
    for (; config->n_classes < items.n; config->n_classes++)
        load_class(l, &config->classes[config->n_classes], items.start[config->n_classes]);
}

static void load_class_list(
    struct loader *l, const struct weir_key_row *row, int list, struct weir_value *value)
{
    struct items items;
    if (!items_at(l, list, row->key, "[dns, other]", WEIR_CLASSES_LIMIT + 1, &items))
        return;
    value->set = true;
    value->place = place_at(l, list);
    value->classes = take(l, items.n, sizeof *value->classes);
    for (uint32_t i = 0; i < items.n; i++) {
        int32_t found = find_at(l, items.start[i], CLASS);
        if (found < 0) {
            l->draft.graph_known = false; /* who takes what cannot be told */
            continue;
        }
        uint32_t number = ((uint32_t)found + 1) % (l->draft.config->n_classes + 1);
        is_twice(l, items.start[i], number, value->classes, value->n_classes);
        value->classes[value->n_classes++] = number;
    }
}

/* ---- exports ---- */

static void load_exports(struct loader *l, int map)
{
    struct weir_config *config = l->draft.config;
    uint32_t n = count_members(l, map, "exports", WEIR_EXPORTS_LIMIT);
    config->exports = take(l, n, sizeof *config->exports);
    for (; config->n_exports < n; config->n_exports++) {
        const yaml_node_pair_t *pair = &pairs_at(l, map).start[config->n_exports];
        struct weir_config_export *export = &config->exports[config->n_exports];
        export->name = load_name(l, pair->key, EXPORT, EXPORT, EXPORT);
        export->place = place_at(l, pair->key);
        const struct subject s = {"export", export->name, export->place};
        int *found;
        export->values = load_map(l, pair->value, &s, weir_export_rows, &found);
    }
}

static void find_export(struct loader *l, int index, struct weir_value *value)
{
    int32_t found = find_at(l, index, EXPORT);
    value->set = found >= 0;
    if (found < 0)
        return;
    struct weir_config_export *export = &l->draft.config->exports[found];
    if (export->used.column != 0)
        weir_complain(l->draft.complaints, value->place,
            "export `%s` has the records of the stage in line %u; write another", export->name,
            export->used.line);
    value->number = (uint32_t)found;
    export->used = value->place;
}

static void check_exports(struct loader *l)
{
    const struct weir_config *config = l->draft.config;
    for (uint32_t i = 0; l->draft.graph_known && i < config->n_exports; i++)
        if (config->exports[i].used.column == 0)
            weir_complain(l->draft.complaints, config->exports[i].place,
                "export `%s` gets no records; write `records: %s` at a stage `meter`, or remove it",
                config->exports[i].name, config->exports[i].name);
}

/* ---- ports ---- */

/* The kinds and the keys of a port as rows of one table; one more than `*n_kinds` + weir_port_rows. */
static struct weir_key_row *port_table(struct loader *l, size_t *n_kinds)
{
    const struct weir_key_table *kinds = l->draft.vocabulary->port_kinds;
    size_t n = 0, more = weir_rows_count(weir_port_rows);
    while (kinds[n].name != NULL)
        n++;
    struct weir_key_row *rows = take(l, n + more + 1, sizeof *rows);
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
    struct loader *l, struct weir_config_port *port, const struct weir_key_row *row, int index)
{
    if (port->kind->string) {
        struct weir_value value = {0};
        load_value(l, row, text_at(l, index), place_at(l, index), &value);
        port->text = value.text;
        port->text_place = value.place;
        check_text(l, port->kind->check, &value);
        return;
    }
    const struct subject s = {port->kind->name, NULL, place_at(l, index)};
    const char *text = text_at(l, index);
    if (port->kind->shorthand != NULL && text != NULL && *text != '\0') {
        int *found = take(l, weir_rows_count(port->kind->rows), sizeof *found);
        found[weir_row_find(port->kind->rows, port->kind->shorthand) - port->kind->rows] = index;
        port->values = load_values(l, port->kind->rows, found);
        return;
    }
    int *found;
    port->values = load_map(l, index, &s, port->kind->rows, &found);
}

static void load_port(struct loader *l, struct weir_config_port *port, int map)
{
    size_t n_kinds;
    const struct subject s = {"port", port->name, port->place};
    const struct weir_key_row *rows = port_table(l, &n_kinds);
    int *found = take(l, weir_rows_count(rows), sizeof *found);
    size_t before = l->draft.complaints->n + l->draft.complaints->more;
    if (!match_keys(l, map, &s, rows, found))
        return;
    for (size_t i = 0; i < n_kinds; i++) {
        if (found[i] <= 0)
            continue;
        if (port->kind != NULL) {
            weir_complain(l->draft.complaints, place_at(l, found[i]),
                "port `%s` is a `%s` already; allowed: one kind", port->name, port->kind->name);
            continue;
        }
        port->kind = &l->draft.vocabulary->port_kinds[i];
        load_kind(l, port, &rows[i], found[i]);
    }
    port->keys = load_values(l, weir_port_rows, found + n_kinds);
    if (port->keys[WEIR_PORT_LINK_FOLLOWS].set)
        port->follows = find_at(l, found[n_kinds + WEIR_PORT_LINK_FOLLOWS], PORT);
    if (port->kind == NULL && before == l->draft.complaints->n + l->draft.complaints->more) {
        FILE *to = weir_complaint_begin(l->draft.complaints, s.place);
        fprintf(to, "%s has no kind", SUBJECT(&s));
        write_usable_keys(to, rows, n_kinds);
        weir_complaint_end(l->draft.complaints);
    }
}

/* ---- stages ---- */

static bool load_pair(struct loader *l, const yaml_node_pair_t *p, struct weir_value *value)
{
    int32_t from = find_at(l, p->key, PORT), to = find_at(l, p->value, PORT);
    if (from < 0 || to < 0)
        return false;
    for (uint32_t i = 0; i < value->n_pairs; i++)
        if (is_twice(l, p->key, (uint32_t)from, &value->pairs[i].from, 1))
            return false;
    const struct weir_config_port *out = &l->draft.config->ports[to];
    if (out->kind != NULL && out->kind->receive_only)
        weir_complain(l->draft.complaints, place_at(l, p->value),
            "port `%s` is a `%s`, which cannot transmit; %s", out->name, out->kind->name,
            out->kind->instead != NULL ? out->kind->instead : "name one of another kind");
    value->pairs[value->n_pairs++] =
        (struct weir_port_pair){(uint32_t)from, (uint32_t)to, place_at(l, p->value)};
    return true;
}

/* The whole map of the stage is `port: port`. NULL after a complaint. */
static struct weir_value *load_port_map(struct loader *l, int map, const struct subject *s)
{
    struct pairs pairs = pairs_at(l, map);
    struct weir_value *value = take(l, 1, sizeof *value);
    if (pairs.start == pairs.top) {
        weir_complain(l->draft.complaints, place_at(l, map),
            "%s needs a map; allowed: INPUT-PORT: OUTPUT-PORT", SUBJECT(s));
        return NULL;
    }
    value->set = true;
    value->text = take_text(l, "");
    value->place = place_at(l, map);
    value->pairs = take(l, (size_t)(pairs.top - pairs.start), sizeof *value->pairs);
    bool fine = true;
    for (const yaml_node_pair_t *p = pairs.start; p < pairs.top; p++)
        fine &= load_pair(l, p, value);
    return fine ? value : NULL;
}

/* The whole value of the stage is the name of a pool. NULL after a complaint. */
static struct weir_value *load_pool_name(struct loader *l, int index, bool written, const struct subject *s)
{
    const char *name = written ? text_at(l, index) : NULL;
    if (name == NULL || *name == '\0') {
        weir_complain(l->draft.complaints, place_at(l, index),
            "stage `%s` needs the name of a pool; allowed: {%s: POOL}", s->name, s->name);
        return NULL;
    }
    int32_t pool = find_at(l, index, POOL);
    if (pool < 0)
        return NULL;
    struct weir_value *value = take(l, 1, sizeof *value);
    *value = (struct weir_value){
        .number = (uint32_t)pool, .set = true, .text = take_text(l, name), .place = place_at(l, index)};
    return value;
}

static void complain_unknown_stage(struct loader *l, int index, const char *name)
{
    struct weir_guess guess = {.written = name};
    bool first = true;
    FILE *to = weir_complaint_begin(l->draft.complaints, place_at(l, index));
    fprintf(to, "unknown stage %s; allowed: ", WEIR_QUOTED(name));
    for (const struct weir_key_table *t = l->draft.vocabulary->stages; t->name != NULL; t++) {
        weir_guess_try(&guess, t->name);
        if (t->not_yet == NULL)
            weir_write_listed(to, t->name, &first);
    }
    weir_guess_write(&guess, to);
    weir_complaint_end(l->draft.complaints);
}

/* A word, or a map with one key. Leaves stage->table NULL after a complaint. */
static void load_stage(struct loader *l, struct weir_config_stage *stage, int index)
{
    struct pairs pairs = pairs_at(l, index);
    bool is_map = node_at(l, index)->type == YAML_MAPPING_NODE;
    const char *name = NULL;
    int key = index;
    if (is_map && pairs.top - pairs.start == 1) {
        key = pairs.start->key;
        name = text_at(l, key);
    } else if (!is_map) {
        name = text_at(l, index);
    }
    stage->place = place_at(l, key);
    if (name == NULL) {
        weir_complain(l->draft.complaints, place_at(l, index),
            "a stage is a word, or a map with one key, as in [validate, {burn: {cycles: 300}}]");
        return;
    }
    const struct weir_key_table *table = weir_table_find(l->draft.vocabulary->stages, name);
    if (table == NULL) {
        complain_unknown_stage(l, key, name);
        return;
    }
    if (table->not_yet != NULL) {
        weir_complain(l->draft.complaints, stage->place, "`%s` %s; remove it", name, table->not_yet);
        return;
    }
    stage->table = table;
    const struct subject s = {"stage", table->name, stage->place};
    int value = is_map ? pairs.start->value : 0;
    int *found;
    if (weir_table_is(table, WEIR_TYPE_POOL)) {
        stage->values = load_pool_name(l, is_map ? value : index, is_map, &s);
    } else if (weir_table_is(table, WEIR_TYPE_PORT_MAP)) {
        stage->values = load_port_map(l, is_map ? value : index, &s);
    } else {
        stage->values = load_map(l, value, &s, table->rows, &found);
    }
}

/* ---- pools ---- */

static bool load_from(
    struct loader *l, struct weir_config_pool *pool, struct weir_draft_pool *draft, int list)
{
    const struct weir_config *config = l->draft.config;
    struct items items;
    if (list <= 0 || !items_at(l, list, "from", "[gen]", WEIR_POOLS_LIMIT, &items))
        return false;
    pool->from = take(l, items.n, sizeof *pool->from);
    draft->from_places = take(l, items.n, sizeof *draft->from_places);
    bool fine = true;
    for (uint32_t i = 0; i < items.n; i++) {
        const char *name = word_at(l, items.start[i], "port or pool");
        int32_t port = name == NULL ? -1 : find(config, PORT, name);
        int32_t other = name == NULL ? -1 : find(config, POOL, name);
        uint32_t index = (uint32_t)(port >= 0 ? port : other);
        if (port < 0 && other < 0) {
            if (name != NULL)
                complain_nobody(l, items.start[i], name, "port or pool", 1u << PORT | 1u << POOL);
            fine = false;
            continue;
        }
        if (pool->n_from > 0 && pool->fed_by_ports != (port >= 0)) {
            weir_complain(l->draft.complaints, place_at(l, items.start[i]),
                "from mixes ports and pools; allowed: all ports, or all pools");
            fine = false;
            continue;
        }
        fine &= !is_twice(l, items.start[i], index, pool->from, pool->n_from);
        pool->fed_by_ports = port >= 0;
        draft->from_places[pool->n_from] = place_at(l, items.start[i]);
        pool->from[pool->n_from++] = index;
    }
    return fine;
}

static bool load_stages(struct loader *l, struct weir_config_pool *pool, int list)
{
    struct items items;
    if (list <= 0 || !items_at(l, list, "stages", "[validate, meter]", WEIR_STAGES_LIMIT, &items))
        return false;
    bool fine = true;
    pool->stages = take(l, items.n, sizeof *pool->stages);
    for (; pool->n_stages < items.n; pool->n_stages++) {
        load_stage(l, &pool->stages[pool->n_stages], items.start[pool->n_stages]);
        fine &= pool->stages[pool->n_stages].values != NULL;
    }
    return fine;
}

static void load_pool(struct loader *l, uint32_t i, int map)
{
    struct weir_config_pool *pool = &l->draft.config->pools[i];
    struct weir_draft_pool *draft = &l->draft.pools[i];
    const struct subject s = {"pool", pool->name, pool->place};
    int *found;
    pool->values = load_map(l, map, &s, weir_pool_rows, &found);
    if (pool->values == NULL) {
        l->draft.graph_known = false;
        return;
    }
    memcpy(draft->values, pool->values, sizeof draft->values);
    draft->from_known = load_from(l, pool, draft, found[WEIR_POOL_FROM]);
    bool stages_known = load_stages(l, pool, found[WEIR_POOL_STAGES]);
    l->draft.graph_known &= draft->from_known && stages_known;
    pool->shard_by = (enum weir_shard_by)draft->values[WEIR_POOL_SHARD_BY].number;
    pool->on_full = (enum weir_on_full)draft->values[WEIR_POOL_ON_FULL].number;
    pool->depth = (uint32_t)draft->values[WEIR_POOL_DEPTH].number;
    pool->workers_at_start = (uint32_t)draft->values[WEIR_POOL_WORKERS].number;
    pool->workers = (uint32_t)draft->values[WEIR_POOL_WORKERS].high;
    /* Refused keys count as written: that they are missing would be one complaint too many. */
    draft->values[WEIR_POOL_SHARD_BY].set |= found[WEIR_POOL_SHARD_BY] != 0;
    draft->values[WEIR_POOL_ON_FULL].set |= found[WEIR_POOL_ON_FULL] != 0;
}

/* ---- the top ---- */

static void load_top(struct loader *l, struct weir_value *values)
{
    struct weir_config *config = l->draft.config;
    config->values = values;
    config->seed = values[WEIR_TOP_SEED].number;
    config->name = values[WEIR_TOP_NAME].text;
    config->memory = (enum weir_memory)values[WEIR_TOP_MEMORY].number;
    config->cpus = values[WEIR_TOP_CPUS].text;
    config->cpus_place = values[WEIR_TOP_CPUS].place;
    config->listen = values[WEIR_TOP_LISTEN].text;
    config->listen_set = values[WEIR_TOP_LISTEN].set;
    config->log = (enum weir_log_level)values[WEIR_TOP_LOG].number;
    config->drain_timeout_ns = values[WEIR_TOP_DRAIN_TIMEOUT].number;
    config->stop_after_ns = values[WEIR_TOP_STOP_AFTER].number;
    if (config->name != NULL)
        check_name(l, values[WEIR_TOP_NAME].place, config->name);
}

static void load_document(struct loader *l)
{
    const int root = 1;
    const struct subject s = {"the configuration", NULL, place_at(l, root)};
    struct weir_config *config = l->draft.config;
    int *found;
    load_top(l, load_map(l, root, &s, weir_top_rows, &found)); /* weir_source_parse() takes only a map */
    /* All names first: stages name ports, and a pool may stand before those that feed it. */
    uint32_t before = l->draft.complaints->n + l->draft.complaints->more;
    name_ports(l, found[WEIR_TOP_PORTS]);
    name_pools(l, found[WEIR_TOP_POOLS]);
    load_classes(l, found[WEIR_TOP_CLASSES]);
    load_exports(l, found[WEIR_TOP_EXPORTS]);
    l->names_known = config->n_ports > 0 && config->n_pools > 0;
    l->draft.graph_known = l->names_known && before == l->draft.complaints->n + l->draft.complaints->more;
    for (uint32_t i = 0; i < config->n_ports; i++)
        load_port(l, &config->ports[i], pairs_at(l, found[WEIR_TOP_PORTS]).start[i].value);
    for (uint32_t i = 0; i < config->n_pools; i++)
        load_pool(l, i, pairs_at(l, found[WEIR_TOP_POOLS]).start[i].value);
    check_exports(l);
}

/* `text` NULL: read the file. */
static struct weir_config *load(const char *file, const void *text, size_t length, const char *const *sets,
    const struct weir_vocabulary *vocabulary, FILE *errors)
{
    struct weir_complaints complaints = {.n = 0};
    yaml_document_t document;
    struct whole *whole = calloc(1, sizeof *whole);
    if (whole == NULL)
        abort();
    struct loader l = {
        .draft = {.config = &whole->config, .vocabulary = vocabulary, .complaints = &complaints},
        .whole = whole,
        .document = &document};
    whole->config.file = take_text(&l, file);
    whole->config.sets = sets;
    if (text != NULL ? weir_source_parse(text, length, sets, &document, &complaints)
                     : weir_source_open(file, sets, &document, &complaints)) {
        load_document(&l);
        weir_check(&l.draft);
        yaml_document_delete(&document);
    }
    if (weir_complaints_none(&complaints))
        return &whole->config;
    weir_complaints_print(&complaints, strcmp(file, "-") == 0 ? "<stdin>" : file, sets, errors);
    weir_complaints_free(&complaints);
    weir_config_free(&whole->config);
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
