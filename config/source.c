/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct weir_place whole_file;

/* ---- bytes ---- */

struct text {
    const unsigned char *bytes;
    size_t length;
};

/* Up to one byte more than is allowed. What is not read of the room costs nothing. */
static bool read_file(
    const char *file, unsigned char **bytes, size_t *length, struct weir_complaints *complaints)
{
    FILE *from = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    *bytes = malloc(WEIR_SOURCE_BYTES_MAX + 1);
    if (*bytes == NULL)
        abort();
    if (from == NULL)
        return weir_complain(complaints, whole_file, "cannot be opened: %s", strerror(errno));
    *length = fread(*bytes, 1, WEIR_SOURCE_BYTES_MAX + 1, from);
    bool fine = !ferror(from);
    if (!fine)
        weir_complain(complaints, whole_file, "cannot be read: %s", strerror(errno));
    if (from != stdin)
        fclose(from);
    return fine;
}

/* Bytes of the character at `at`, 0 = not UTF-8 (RFC 3629: nothing overlong, no surrogates, up to 10FFFF). */
static size_t character(const unsigned char *at, size_t left, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = at[0] < 0x80   ? 1
               : at[0] < 0xc2 ? 0
               : at[0] < 0xe0 ? 2
               : at[0] < 0xf0 ? 3
               : at[0] < 0xf5 ? 4
                              : 0;
    if (n == 0 || n > left)
        return 0;
    *code = n == 1 ? at[0] : at[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    return *code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff) ? 0 : n;
}

/* What YAML 1.1 calls printable. */
static bool printable(uint32_t code)
{
    return code == '\t' || code == '\n' || code == '\r' || (code >= 0x20 && code <= 0x7e) || code == 0x85 ||
           (code >= 0xa0 && code != 0xfeff && code != 0xfffe && code != 0xffff);
}

/* Beside \n and \r. */
static bool breaks_line(uint32_t code)
{
    return code == 0x85 || code == 0x2028 || code == 0x2029;
}

/* What can be written into a file, printed, and read back: no control character, no line break. */
static bool is_one_line(const unsigned char *text, size_t left)
{
    uint32_t code = 0;
    for (size_t n; left > 0; text += n, left -= n) {
        n = character(text, left, &code);
        if (n == 0 || code < 0x20 || !printable(code) || breaks_line(code))
            return false;
    }
    return true;
}

/* A byte order mark in front. libyaml skips it only where it may guess the encoding. */
static size_t bom_bytes(const struct text *t)
{
    return t->length >= 3 && memcmp(t->bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* libyaml would find this too, but tells neither line nor column. */
static bool check_text(const struct text *t, struct weir_complaints *complaints)
{
    struct weir_place place = {1, 1};
    for (size_t at = bom_bytes(t), n; at < t->length; at += n) {
        uint32_t code = 0;
        n = character(t->bytes + at, t->length - at, &code);
        if (n == 0)
            return weir_complain(
                complaints, place, "byte 0x%02x is not UTF-8 text; save the file as UTF-8", t->bytes[at]);
        if (!printable(code))
            return weir_complain(
                complaints, place, "control character U+%04X; allowed: printable text", code);
        bool line_ends = code == '\n' || breaks_line(code) ||
                         (code == '\r' && (at + 1 == t->length || t->bytes[at + 1] != '\n'));
        place.column = line_ends ? 1 : place.column + 1;
        place.line += line_ends;
    }
    return true;
}

/* ---- shape: depth, aliases, scalars; event by event, so that no depth is too much to look at ---- */

struct anchor {
    char *name;
    uint32_t nodes; /* in what it names, aliases expanded; 0 = still open */
};

struct shape {
    struct weir_complaints *complaints;
    uint32_t nodes;
    uint32_t depth;
    uint32_t documents;
    struct {
        uint32_t nodes; /* before it */
        int32_t anchor;
    } open[WEIR_SOURCE_DEPTH_MAX];
    struct anchor anchors[WEIR_SOURCE_ANCHORS_MAX];
    int32_t n_anchors;
};

static struct weir_place mark_place(yaml_mark_t mark)
{
    return (struct weir_place){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

/* libyaml says what it found, not what to do; and where it gave up, which for what was never closed is too late. */
static const struct {
    const char *problem, *remedy;
    bool where_it_began;
} remedies[] = {
    {"tab character", "indent with spaces", false},
    {"cannot start any token", "indent with spaces, and put text that begins with @ ` % into quotes", false},
    {"mapping values are not allowed",
        "indent keys of one map alike, and put text with `: ` in it into quotes", false},
    {"could not find expected ':'", "write `key: value`", true},
    {"unexpected non-alphabetical", "put text that begins with % into quotes", false},
    {"did not find expected key", "indent what belongs together alike", false},
    {"did not find expected '-' indicator", "indent what belongs together alike", false},
    {"did not find expected ',' or", "write commas between, and close the bracket", false},
    {"did not find expected node content", "close the bracket, and put text that begins with it into quotes",
        false},
    {"unexpected end of stream", "close the quotes", true},
    {"unknown escape character", "use 'single quotes', in which a backslash is itself", false},
};

static void complain_syntax(const yaml_parser_t *p, struct weir_complaints *complaints)
{
    const char *problem = p->problem != NULL ? p->problem : "unreadable";
    const size_t n = sizeof remedies / sizeof remedies[0];
    size_t known = 0;
    while (known < n && strstr(problem, remedies[known].problem) == NULL)
        known++;
    bool began = known < n && remedies[known].where_it_began && p->context != NULL;
    FILE *to = weir_complaint_begin(complaints, mark_place(began ? p->context_mark : p->problem_mark));
    fputs(problem, to);
    if (p->context != NULL && complaints->only.column == 0)
        fprintf(to, " %s that begins in line %zu", p->context, p->context_mark.line + 1);
    if (known < n)
        fprintf(to, "; %s", remedies[known].remedy);
    weir_complaint_end(complaints);
}

/* Index of a new anchor, -1 = the node has none, -2 = complained. */
static int32_t add_anchor(struct shape *s, const yaml_char_t *name, yaml_mark_t mark)
{
    if (name == NULL)
        return -1;
    if (s->n_anchors == WEIR_SOURCE_ANCHORS_MAX) {
        weir_complain(
            s->complaints, mark_place(mark), "too many anchors; allowed: up to %d", WEIR_SOURCE_ANCHORS_MAX);
        return -2;
    }
    for (int32_t i = 0; i < s->n_anchors; i++) {
        if (strcmp(s->anchors[i].name, (const char *)name) == 0) {
            weir_complain(
                s->complaints, mark_place(mark), "`&%s` is written a second time; rename one", name);
            return -2;
        }
    }
    char *copy = strdup((const char *)name);
    if (copy == NULL)
        abort();
    s->anchors[s->n_anchors].name = copy;
    return s->n_anchors++;
}

static bool add_nodes(struct shape *s, uint32_t nodes, yaml_mark_t mark)
{
    s->nodes += nodes; /* both below the limit: no overflow */
    if (s->nodes <= WEIR_SOURCE_NODES_MAX)
        return true;
    return weir_complain(s->complaints, mark_place(mark),
        "too much, aliases expanded; allowed: up to %d values", WEIR_SOURCE_NODES_MAX);
}

static bool see_scalar(struct shape *s, const yaml_event_t *e)
{
    if (!is_one_line(e->data.scalar.value, e->data.scalar.length))
        return weir_complain(s->complaints, mark_place(e->start_mark),
            "a control character or line break in a value; allowed: one line of text");
    int32_t anchor = add_anchor(s, e->data.scalar.anchor, e->start_mark);
    if (anchor >= 0)
        s->anchors[anchor].nodes = 1;
    return anchor != -2 && add_nodes(s, 1, e->start_mark);
}

static bool see_start(struct shape *s, const yaml_char_t *name, const yaml_event_t *e)
{
    int32_t anchor = add_anchor(s, name, e->start_mark);
    if (anchor == -2)
        return false;
    if (s->depth == WEIR_SOURCE_DEPTH_MAX)
        return weir_complain(s->complaints, mark_place(e->start_mark),
            "nested too deep; allowed: up to %d levels", WEIR_SOURCE_DEPTH_MAX);
    s->open[s->depth].nodes = s->nodes;
    s->open[s->depth++].anchor = anchor;
    return add_nodes(s, 1, e->start_mark);
}

static bool see_end(struct shape *s)
{
    s->depth--;
    if (s->open[s->depth].anchor >= 0)
        s->anchors[s->open[s->depth].anchor].nodes = s->nodes - s->open[s->depth].nodes;
    return true;
}

static bool see_alias(struct shape *s, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;
    for (int32_t i = 0; i < s->n_anchors; i++) {
        if (strcmp(s->anchors[i].name, name) != 0)
            continue;
        if (s->anchors[i].nodes != 0)
            return add_nodes(s, s->anchors[i].nodes, e->start_mark);
        return weir_complain(s->complaints, mark_place(e->start_mark),
            "`*%s` stands inside of what it names; write out what is meant", name);
    }
    return weir_complain(s->complaints, mark_place(e->start_mark),
        "`*%s` names nothing above it; write `&%s` there, or put the text into quotes", name, name);
}

/* `!include x`, `!env X`: to read on as if it were not there would be to read something else. YAML's own (`!!str`) only
 * say what the key table knows better. */
static bool check_tag(struct shape *s, const yaml_char_t *tag, const yaml_event_t *e)
{
    if (tag == NULL || tag[0] == '\0' || strcmp((const char *)tag, "!") == 0 ||
        strncmp((const char *)tag, "tag:yaml.org,2002:", 18) == 0)
        return true;
    return weir_complain(s->complaints, mark_place(e->start_mark),
        "tag %s is not known; remove it, or put the text into quotes", WEIR_QUOTED((const char *)tag));
}

static bool see(struct shape *s, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (s->documents++ == 0)
            return true;
        return weir_complain(s->complaints, mark_place(e->start_mark), "a second document; allowed: one");
    case YAML_SCALAR_EVENT:
        return check_tag(s, e->data.scalar.tag, e) && see_scalar(s, e);
    case YAML_SEQUENCE_START_EVENT:
        return check_tag(s, e->data.sequence_start.tag, e) && see_start(s, e->data.sequence_start.anchor, e);
    case YAML_MAPPING_START_EVENT:
        return check_tag(s, e->data.mapping_start.tag, e) && see_start(s, e->data.mapping_start.anchor, e);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return see_end(s);
    case YAML_ALIAS_EVENT:
        return see_alias(s, e);
    default:
        return true;
    }
}

static void start_parser(yaml_parser_t *p, const struct text *t)
{
    if (!yaml_parser_initialize(p))
        abort();
    yaml_parser_set_encoding(p, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(p, t->bytes + bom_bytes(t), t->length - bom_bytes(t));
}

static bool check_shape(const struct text *t, struct weir_complaints *complaints)
{
    struct shape shape = {.complaints = complaints};
    yaml_parser_t parser;
    yaml_event_t event;
    bool fine = true;
    start_parser(&parser, t);
    for (bool ended = false; fine && !ended;) {
        fine = yaml_parser_parse(&parser, &event);
        if (!fine)
            complain_syntax(&parser, complaints); /* then there is no event */
        else
            fine = see(&shape, &event);
        ended = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    for (int32_t i = 0; i < shape.n_anchors; i++)
        free(shape.anchors[i].name);
    return fine;
}

/* What check_shape() has seen to be fine. */
static void load(const struct text *t, yaml_document_t *document)
{
    yaml_parser_t parser;
    start_parser(&parser, t);
    if (!yaml_parser_load(&parser, document))
        abort(); /* no memory */
    yaml_parser_delete(&parser);
}

/* ---- nodes ---- */

#define SET_MARK SIZE_MAX /* mark.index of a node that an override made; mark.column is its number */

struct weir_place weir_source_place(const yaml_node_t *node)
{
    if (node->start_mark.index == SET_MARK)
        return (struct weir_place){0, (uint32_t)node->start_mark.column};
    return mark_place(node->start_mark);
}

const char *weir_source_text(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static bool is_text(yaml_document_t *d, int index, const char *text)
{
    const char *written = weir_source_text(yaml_document_get_node(d, index));
    return written != NULL && strcmp(written, text) == 0;
}

/* ---- overrides ---- */

struct override {
    yaml_document_t *document;
    yaml_mark_t mark;
    struct weir_complaints *complaints;
};

static int made(const struct override *o, int index, yaml_mark_t mark)
{
    if (index == 0)
        abort(); /* no memory for a node */
    yaml_document_get_node(o->document, index)->start_mark = mark;
    return index;
}

static int make_scalar(const struct override *o, const char *text)
{
    return made(o,
        yaml_document_add_scalar(
            o->document, NULL, (const yaml_char_t *)text, (int)strlen(text), YAML_PLAIN_SCALAR_STYLE),
        o->mark);
}

static int make_map(const struct override *o, yaml_mark_t mark)
{
    return made(o, yaml_document_add_mapping(o->document, NULL, YAML_BLOCK_MAPPING_STYLE), mark);
}

static int make_list(const struct override *o, yaml_mark_t mark)
{
    return made(o, yaml_document_add_sequence(o->document, NULL, YAML_BLOCK_SEQUENCE_STYLE), mark);
}

static void append_pair(const struct override *o, int map, int key, int value)
{
    if (!yaml_document_append_mapping_pair(o->document, map, key, value))
        abort();
}

static void append_item(const struct override *o, int list, int item)
{
    if (!yaml_document_append_sequence_item(o->document, list, item))
        abort();
}

/* Of another document, aliases expanded: check_shape() has bounded that. */
static int make_copy(const struct override *o, yaml_document_t *from, int index)
{
    const yaml_node_t *node = yaml_document_get_node(from, index);
    if (node->type == YAML_SCALAR_NODE)
        return make_scalar(o, weir_source_text(node));
    if (node->type == YAML_MAPPING_NODE) {
        int map = make_map(o, o->mark);
        for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
            int key = make_copy(o, from, p->key);
            append_pair(o, map, key, make_copy(o, from, p->value));
        }
        return map;
    }
    int list = make_list(o, o->mark);
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
        append_item(o, list, make_copy(o, from, *i));
    return list;
}

/* A list, a map or quoted text is read as YAML; anything else is itself: a path may well hold a `#`. 0 after a complaint. */
static int make_value(const struct override *o, const char *text)
{
    const struct text t = {(const unsigned char *)text, strlen(text)};
    yaml_document_t document;
    int value = 0;
    if (strchr("[{\"'", *text) == NULL || *text == '\0')
        return make_scalar(o, text);
    o->complaints->only = weir_source_place(&(yaml_node_t){.start_mark = o->mark});
    if (check_shape(&t, o->complaints)) {
        load(&t, &document);
        value = make_copy(o, &document, 1);
        yaml_document_delete(&document);
    }
    o->complaints->only = whole_file;
    return value;
}

/* A container that an alias may share is copied before it is written to; nothing (`meter:`) becomes a map. */
static int own(const struct override *o, int index)
{
    const yaml_node_t node = *yaml_document_get_node(o->document, index); /* adding nodes moves them */
    if (node.type == YAML_MAPPING_NODE) {
        int copy = make_map(o, node.start_mark);
        for (const yaml_node_pair_t *p = node.data.mapping.pairs.start; p < node.data.mapping.pairs.top; p++)
            append_pair(o, copy, p->key, p->value);
        return copy;
    }
    if (node.type == YAML_SEQUENCE_NODE) {
        int copy = make_list(o, node.start_mark);
        for (const yaml_node_item_t *i = node.data.sequence.items.start; i < node.data.sequence.items.top;
             i++)
            append_item(o, copy, *i);
        return copy;
    }
    return node.data.scalar.length == 0 ? make_map(o, node.start_mark) : index;
}

static int *value_of(const struct override *o, int map, const char *key)
{
    const yaml_node_t *node = yaml_document_get_node(o->document, map);
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++)
        if (is_text(o->document, p->key, key))
            return &p->value;
    return NULL;
}

/* In a list, a stage is found by its name, `meter` or `meter: {…}`: the value below the name. Anything by its number,
 * from 0. */
static int *item_of(const struct override *o, int list, const char *name)
{
    const yaml_node_t *node = yaml_document_get_node(o->document, list);
    yaml_node_item_t *item = node->data.sequence.items.start, *end = node->data.sequence.items.top;
    if (*name != '\0' && strspn(name, "0123456789") == strlen(name))
        return strtoul(name, NULL, 10) < (size_t)(end - item) ? item + strtoul(name, NULL, 10) : NULL;
    for (; item < end; item++) {
        if (is_text(o->document, *item, name)) {
            int key = *item;
            yaml_mark_t mark = yaml_document_get_node(o->document, key)->start_mark;
            *item = make_map(o, mark);
            append_pair(o, *item, key, make_map(o, mark));
            return value_of(o, *item, name);
        }
        const yaml_node_t *map = yaml_document_get_node(o->document, *item);
        if (map->type == YAML_MAPPING_NODE && value_of(o, *item, name) != NULL) {
            *item = own(o, *item);
            return value_of(o, *item, name);
        }
    }
    return NULL;
}

/* Name of the n-th key of a map or stage of a list; NULL = it has none; `n` ends at what is counted. */
static const char *name_at(yaml_document_t *d, const yaml_node_t *node, size_t n, size_t *count)
{
    if (node->type == YAML_MAPPING_NODE) {
        *count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
        return n < *count ? weir_source_text(yaml_document_get_node(d, node->data.mapping.pairs.start[n].key))
                          : NULL;
    }
    *count = node->type == YAML_SEQUENCE_NODE
                 ? (size_t)(node->data.sequence.items.top - node->data.sequence.items.start)
                 : 0;
    if (n >= *count)
        return NULL;
    const yaml_node_t *item = yaml_document_get_node(d, node->data.sequence.items.start[n]);
    return item->type == YAML_MAPPING_NODE ? name_at(d, item, 0, &(size_t){0}) : weir_source_text(item);
}

static void complain_absent(const struct override *o, int at, const char *name)
{
    struct weir_names names = {.guess.written = name};
    const yaml_node_t *node = yaml_document_get_node(o->document, at);
    FILE *to = weir_complaint_begin(o->complaints, weir_source_place(&(yaml_node_t){.start_mark = o->mark}));
    fprintf(to, "the file has no %s here", WEIR_QUOTED(name));
    for (size_t i = 0, n = 1; i < n; i++)
        weir_names_write(&names, name_at(o->document, node, i, &n), to);
    weir_guess_write(&names.guess, to);
    weir_complaint_end(o->complaints);
}

/* `path` is taken apart. The last key may be new, those before it must be there: a slip of the pen in
 * a pool's name should not make a pool. */
static void apply(const struct override *o, char *path, int value)
{
    int at = 1; /* the root */
    for (char *rest = path, *name; (name = strsep(&rest, ".")) != NULL;) {
        yaml_node_type_t type = yaml_document_get_node(o->document, at)->type;
        int *slot = type == YAML_MAPPING_NODE    ? value_of(o, at, name)
                    : type == YAML_SEQUENCE_NODE ? item_of(o, at, name)
                                                 : NULL;
        if (slot == NULL && rest == NULL && type == YAML_MAPPING_NODE) {
            append_pair(o, at, make_scalar(o, name), value);
            return;
        }
        if (slot == NULL) {
            complain_absent(o, at, name);
            return;
        }
        int new = rest == NULL ? value : own(o, *slot);
        *slot = new;
        at = new;
    }
}

static void apply_all(const char *const *sets, yaml_document_t *document, struct weir_complaints *complaints)
{
    for (uint32_t i = 0; sets != NULL && sets[i] != NULL; i++) {
        const struct override o = {document, {.index = SET_MARK, .column = i + 1}, complaints};
        const char *equals = strchr(sets[i], '=');
        if (equals == NULL || equals == sets[i] ||
            !is_one_line((const unsigned char *)sets[i], strlen(sets[i]))) {
            weir_complain(complaints, (struct weir_place){0, i + 1},
                "no override; allowed: key=value, as in pools.work.workers=2");
            continue;
        }
        char *path = strndup(sets[i], (size_t)(equals - sets[i]));
        if (path == NULL)
            abort();
        int value = make_value(&o, equals + 1);
        if (value != 0)
            apply(&o, path, value);
        free(path);
    }
}

/* ---- all of it ---- */

static bool check_root(yaml_document_t *document, struct weir_complaints *complaints)
{
    const yaml_node_t *root = yaml_document_get_root_node(document);
    if (root != NULL && root->type == YAML_MAPPING_NODE)
        return true;
    if (root == NULL || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
        return weir_complain(complaints, whole_file, "is empty; a configuration begins with `version: 1`");
    return weir_complain(
        complaints, weir_source_place(root), "is no map; a configuration begins with `version: 1`");
}

bool weir_source_parse(const void *bytes, size_t length, const char *const *sets, yaml_document_t *document,
    struct weir_complaints *complaints)
{
    const struct text t = {bytes, length};
    if (length > WEIR_SOURCE_BYTES_MAX)
        return weir_complain(
            complaints, whole_file, "is too large; allowed: up to %u MiB", WEIR_SOURCE_BYTES_MAX >> 20);
    if (!check_text(&t, complaints) || !check_shape(&t, complaints))
        return false;
    load(&t, document);
    if (check_root(document, complaints)) {
        apply_all(sets, document, complaints);
        return true;
    }
    yaml_document_delete(document);
    return false;
}

bool weir_source_open(
    const char *file, const char *const *sets, yaml_document_t *document, struct weir_complaints *complaints)
{
    size_t length = 0;
    unsigned char *bytes = NULL;
    bool fine = read_file(file, &bytes, &length, complaints) &&
                weir_source_parse(bytes, length, sets, document, complaints);
    free(bytes);
    return fine;
}
