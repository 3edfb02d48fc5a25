/* SPDX-License-Identifier: BSD-3-Clause */
/* Document → values. Every table of the grammar is read by weir_keys_match() and weir_values_read(); what differs between the
 * top, a port, a pool and a stage is only what becomes of keys that hold a list or a map. */
#include "config/reader.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory: it all goes at once ---- */

struct weir_block {
    struct weir_block *next;
    max_align_t memory[];
};

void *weir_reader_take(struct weir_reader *r, size_t n, size_t size)
{
    struct weir_block *b = calloc(1, sizeof *b + n * size); /* n is bounded by WEIR_SOURCE_BYTES_MAX */
    if (b == NULL)
        abort(); /* a few kilobytes at the start of the process */
    b->next = r->draft.config->memory_blocks;
    r->draft.config->memory_blocks = b;
    return b->memory;
}

char *weir_reader_copy(struct weir_reader *r, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(weir_reader_take(r, size, 1), text, size);
}

void weir_config_free(struct weir_config *config)
{
    for (struct weir_block *b = config != NULL ? config->memory_blocks : NULL, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    free(config);
}

/* ---- nodes ---- */

struct weir_pairs weir_pairs_at(const struct weir_reader *r, int map)
{
    const yaml_node_t *node = weir_node_at(r, map);
    if (node == NULL || node->type != YAML_MAPPING_NODE)
        return (struct weir_pairs){NULL, NULL};
    return (struct weir_pairs){node->data.mapping.pairs.start, node->data.mapping.pairs.top};
}

bool weir_items_at(struct weir_reader *r, int list, const char *key, const char *example, uint32_t max,
    struct weir_items *to)
{
    const yaml_node_t *node = weir_node_at(r, list);
    if (node->type != YAML_SEQUENCE_NODE)
        return weir_complain(r->draft.complaints, weir_source_place(node),
            "%s is no list; allowed: a list like %s", key, example);
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (n == 0 || n > max)
        return weir_complain(
            r->draft.complaints, weir_source_place(node), "%s has %zu items; allowed: 1 .. %u", key, n, max);
    *to = (struct weir_items){node->data.sequence.items.start, (uint32_t)n};
    return true;
}

const char *weir_word_at(struct weir_reader *r, int index, const char *what)
{
    const char *text = weir_text_at(r, index);
    if (text == NULL)
        weir_complain(r->draft.complaints, weir_place_at(r, index), "a %s must be a single word", what);
    return text;
}

/* ---- the keys of a map ---- */

char *weir_subject_text(char to[WEIR_SUBJECT_BYTES], const struct weir_subject *s)
{
    snprintf(to, WEIR_SUBJECT_BYTES, "%s%s%s", s->kind, s->name != NULL ? " " : "",
        s->name != NULL ? WEIR_QUOTED(s->name) : "");
    return to;
}

void weir_keys_write(FILE *to, const struct weir_key_row *rows, size_t n)
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
    struct weir_reader *r, int key, const struct weir_subject *s, const struct weir_key_row *rows)
{
    struct weir_guess guess = {.written = weir_text_at(r, key)};
    int meant = -1;
    for (int i = 0; rows != NULL && rows[i].key != NULL; i++) {
        const char *before = guess.best;
        weir_guess_try(&guess, rows[i].key);
        meant = guess.best != before ? i : meant;
    }
    FILE *to = weir_complaint_begin(r->draft.complaints, weir_place_at(r, key));
    fprintf(to, "unknown key %s in %s", WEIR_QUOTED(guess.written), WEIR_SUBJECT(s));
    weir_keys_write(to, rows, weir_rows_count(rows));
    weir_guess_write(&guess, to);
    weir_complaint_end(r->draft.complaints);
    return meant;
}

static void complain_missing(
    struct weir_reader *r, const struct weir_subject *s, const struct weir_key_row *row)
{
    FILE *to = weir_complaint_begin(r->draft.complaints, s->place);
    fprintf(to, "%s needs `%s`", WEIR_SUBJECT(s), row->key);
    if (row->type != WEIR_TYPE_STRING) {
        fputs("; allowed: ", to);
        weir_row_write_allowed(row, to);
    }
    weir_complaint_end(r->draft.complaints);
}

bool weir_keys_match(
    struct weir_reader *r, int map, const struct weir_subject *s, const struct weir_key_row *rows, int *found)
{
    struct weir_complaints *c = r->draft.complaints;
    const yaml_node_t *node = weir_node_at(r, map);
    if (node != NULL && node->type != YAML_MAPPING_NODE && !weir_node_is_nothing(node)) {
        FILE *to = weir_complaint_begin(c, weir_source_place(node));
        fprintf(to, "%s is no map", WEIR_SUBJECT(s));
        weir_keys_write(to, rows, weir_rows_count(rows));
        weir_complaint_end(c);
        return false;
    }
    struct weir_pairs pairs = weir_pairs_at(r, map);
    for (const yaml_node_pair_t *p = pairs.start; p < pairs.top; p++) {
        const char *key = weir_word_at(r, p->key, "key");
        if (key == NULL)
            continue;
        const struct weir_key_row *row = weir_row_find(rows, key);
        if (row == NULL) {
            int meant = complain_unknown(r, p->key, s, rows);
            if (meant >= 0 && found[meant] == 0)
                found[meant] = -1;
        } else if (row->not_yet != NULL) {
            weir_complain(c, weir_place_at(r, p->key), "`%s` %s; remove it", key, row->not_yet);
        } else if (found[row - rows] != 0) {
            weir_complain(c, weir_place_at(r, p->key), "`%s` is written a second time; remove one", key);
        } else {
            found[row - rows] = p->value;
        }
    }
    for (size_t i = 0; i < weir_rows_count(rows); i++)
        if (found[i] == 0 && rows[i].unset == NULL && !rows[i].optional && rows[i].not_yet == NULL)
            complain_missing(r, s, &rows[i]);
    return true;
}

/* ---- values ---- */

static bool is_scalar_type(enum weir_key_type type)
{
    return type != WEIR_TYPE_LIST && type != WEIR_TYPE_MAP && type != WEIR_TYPE_POOL &&
           type != WEIR_TYPE_PORT_MAP && type != WEIR_TYPE_CLASSES && type != WEIR_TYPE_MAPS;
}

void weir_value_read(struct weir_reader *r, const struct weir_key_row *row, const char *text,
    struct weir_place place, struct weir_value *value)
{
    FILE *to = weir_complaint_begin(r->draft.complaints, place);
    if (text == NULL) {
        fprintf(to, "%s is no single value; allowed: ", row->key);
        weir_row_write_allowed(row, to);
    } else if (weir_row_parse(row, text, value, to)) {
        value->set = true;
        value->text = weir_reader_copy(r, text);
        value->place = place;
    }
    weir_complaint_end(r->draft.complaints);
}

static void load_maps(struct weir_reader *, const struct weir_key_row *, int index, struct weir_value *);

/* What may be drawn, to its weight. */
static void load_weights(
    struct weir_reader *r, const struct weir_key_row *row, const yaml_node_t *node, struct weir_value *value)
{
    static const struct weir_key_row weight = {.key = "weight", .type = WEIR_TYPE_COUNT, .max = 1000000};
    const yaml_node_pair_t *p = node->data.mapping.pairs.start;
    size_t n = (size_t)(node->data.mapping.pairs.top - p);
    uint64_t sum = 0;
    value->place = weir_source_place(node);
    if (n == 0 || n > WEIR_WEIGHTS_LIMIT) {
        weir_complain(r->draft.complaints, value->place, "%s has %zu weights; allowed: 1 .. %d", row->key, n,
            WEIR_WEIGHTS_LIMIT);
        return;
    }
    value->set = true;
    value->members = weir_reader_take(r, n, sizeof *value->members);
    for (; value->n_members < n; value->n_members++, p++) {
        struct weir_value *member = &value->members[value->n_members], of = {0};
        weir_value_read(r, row, weir_text_at(r, p->key), weir_place_at(r, p->key), member);
        weir_value_read(r, &weight, weir_text_at(r, p->value), weir_place_at(r, p->value), &of);
        member->weight = of.number;
        sum += of.number + !of.set;
    }
    if (sum == 0)
        weir_complain(r->draft.complaints, value->place, "%s has no weight above 0; give one", row->key);
}

struct weir_value *weir_values_read(struct weir_reader *r, const struct weir_key_row *rows, const int *found)
{
    size_t n = weir_rows_count(rows);
    struct weir_value *values = weir_reader_take(r, n, sizeof *values);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].type == WEIR_TYPE_MAPS && found[i] > 0)
            load_maps(r, &rows[i], found[i], &values[i]);
        if (rows[i].not_yet != NULL || !is_scalar_type(rows[i].type))
            continue;
        if (found[i] > 0 && rows[i].type == WEIR_TYPE_WEIGHTS &&
            weir_node_at(r, found[i])->type == YAML_MAPPING_NODE)
            load_weights(r, &rows[i], weir_node_at(r, found[i]), &values[i]);
        else if (found[i] > 0)
            weir_value_read(r, &rows[i], weir_text_at(r, found[i]), weir_place_at(r, found[i]), &values[i]);
        else if (rows[i].unset != NULL)
            weir_value_read(r, &rows[i], rows[i].unset, (struct weir_place){0, 0}, &values[i]);
    }
    return values;
}

/* A key that means something only beside a word of another, and there is required if it has no default; or everywhere but
 * there. */
static void check_company(struct weir_reader *r, const struct weir_subject *s,
    const struct weir_key_row *rows, const int *found, struct weir_value *values)
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
            FILE *to = weir_complaint_begin(r->draft.complaints, values[i].place);
            fprintf(to, "`%s` means nothing beside `%s: %s`; remove it, or write ", rows[i].key, with[0],
                other->text);
            if (with == rows[i].only_with)
                fprintf(to, "`%s: %s`", with[0], with[1]);
            else
                fprintf(to, "another `%s`", with[0]);
            weir_complaint_end(r->draft.complaints);
        } else if (!beside) {
            values[i].set = false;
        } else if (found[i] == 0 && !values[i].set && with == rows[i].only_with) {
            complain_missing(r, s, &rows[i]);
        }
    }
}

struct weir_value *weir_map_read(struct weir_reader *r, int map, const struct weir_subject *s,
    const struct weir_key_row *rows, int **found)
{
    *found = weir_reader_take(r, weir_rows_count(rows), sizeof **found);
    if (!weir_keys_match(r, map, s, rows, *found))
        return NULL;
    struct weir_value *values = weir_values_read(r, rows, *found);
    check_company(r, s, rows, *found, values);
    return values;
}

/* Maps with keys of their own, in a list; one may stand alone. */
static void load_maps(
    struct weir_reader *r, const struct weir_key_row *row, int index, struct weir_value *value)
{
    struct weir_items items = {&index, 1};
    size_t n = weir_rows_count(row->nested);
    if (weir_node_at(r, index)->type == YAML_SEQUENCE_NODE &&
        !weir_items_at(r, index, row->key, "[{…}]", (uint32_t)row->max, &items))
        return;
    value->place = weir_place_at(r, index);
    value->members = weir_reader_take(r, items.n * n, sizeof *value->members);
    for (uint32_t i = 0; i < items.n; i++) {
        const struct weir_subject s = {row->key, NULL, weir_place_at(r, items.start[i])};
        int *found;
        struct weir_value *one = weir_map_read(r, items.start[i], &s, row->nested, &found);
        if (one == NULL)
            return;
        memcpy(&value->members[value->n_members++ * n], one, n * sizeof *one);
    }
    value->set = true;
}
