/* SPDX-License-Identifier: BSD-3-Clause */
/* A map of the document to values, by the rows of its table; what the names in it mean is for load.c. What complains
 * returns false or NULL. */
#pragma once

#include "config/draft.h"
#include "config/source.h"

struct weir_reader {
    struct weir_draft draft;
    yaml_document_t *document;
    bool names_known; /* load.c: else who is named cannot be told from a slip of the pen */
};

/* Memory of the configuration, which goes with it; zeroed. */
void *weir_reader_take(struct weir_reader *, size_t n, size_t size);
char *weir_reader_copy(struct weir_reader *, const char *text);

/* ---- nodes, by their index; 0 = not written ---- */

static inline const yaml_node_t *weir_node_at(const struct weir_reader *r, int index)
{
    return yaml_document_get_node(r->document, index);
}

static inline struct weir_place weir_place_at(const struct weir_reader *r, int index)
{
    return weir_source_place(weir_node_at(r, index));
}

static inline const char *weir_text_at(const struct weir_reader *r, int index)
{
    return weir_source_text(weir_node_at(r, index));
}

/* `generator:` with nothing behind it is an empty map. */
static inline bool weir_node_is_nothing(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0;
}

struct weir_pairs {
    const yaml_node_pair_t *start, *top;
};
/* Of what is no map, or not written: none. */
struct weir_pairs weir_pairs_at(const struct weir_reader *, int map);

struct weir_items {
    const yaml_node_item_t *start;
    uint32_t n;
};
bool weir_items_at(
    struct weir_reader *, int list, const char *key, const char *example, uint32_t max, struct weir_items *);

/* The word that stands there. */
const char *weir_word_at(struct weir_reader *, int index, const char *what);

#define WEIR_COMPLAIN_AT(r, index, ...)                                                                      \
    weir_complain((r)->draft.complaints, weir_place_at(r, index), __VA_ARGS__)

/* ---- maps ---- */

/* Which map it is, for messages: "pool `work`", "stage `admit`", "the configuration". */
struct weir_subject {
    const char *kind, *name;
    struct weir_place place;
};
#define WEIR_SUBJECT_BYTES (WEIR_QUOTED_BYTES + 32)
#define WEIR_SUBJECT(s) weir_subject_text((char[WEIR_SUBJECT_BYTES]){0}, s)
char *weir_subject_text(char to[WEIR_SUBJECT_BYTES], const struct weir_subject *);

/* What of the first `n` rows may be written. */
void weir_keys_write(FILE *, const struct weir_key_row *, size_t n);

/* Node of each row's value in a map (0 = an empty one), 0 = not written, -1 = refused. Complains of keys that are unknown,
 * doubled, to come, or missing. `found` has one entry a row. */
bool weir_keys_match(
    struct weir_reader *, int map, const struct weir_subject *, const struct weir_key_row *, int *found);

/* As written, or a default, which has no place. */
void weir_value_read(struct weir_reader *, const struct weir_key_row *, const char *text, struct weir_place,
    struct weir_value *);
/* Of the scalar types, and of MAPS. */
struct weir_value *weir_values_read(struct weir_reader *, const struct weir_key_row *, const int *found);
/* Both, and whether each key has the company that it needs. */
struct weir_value *weir_map_read(
    struct weir_reader *, int map, const struct weir_subject *, const struct weir_key_row *, int **found);
