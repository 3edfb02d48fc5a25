/* SPDX-License-Identifier: BSD-3-Clause */
/* For a file that says what to generate and where to send it, and no more: the pool in between. */
#include <stdlib.h>
#include <string.h>

#include "config/key_table.h"
#include "config/source.h"

/* The value of a key in a map, or NULL. */
static const yaml_node_t *member(yaml_document_t *document, const yaml_node_t *map, const char *key)
{
    if (map == NULL || map->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        const char *text = weir_source_text(yaml_document_get_node(document, p->key));
        if (text != NULL && strcmp(text, key) == 0)
            return yaml_document_get_node(document, p->value);
    }
    return NULL;
}

/* NULL where it is not for us to say: there is no generator, or several, or more than one port to send to. */
static char *pool_between(yaml_document_t *document, const yaml_node_t *ports)
{
    const char *from = NULL, *to = NULL, *queues = NULL;
    if (ports == NULL || ports->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *p = ports->data.mapping.pairs.start; p < ports->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *port = yaml_document_get_node(document, p->value);
        const char *name = weir_source_text(yaml_document_get_node(document, p->key));
        const char **end = member(document, port, "generator") != NULL ? &from : &to;
        if (*end != NULL || name == NULL || !weir_name_fits(name))
            return NULL;
        *end = name;
        if (end == &from && member(document, port, "queues") != NULL)
            queues = weir_source_text(member(document, port, "queues"));
    }
    char *set = NULL;
    if (from != NULL &&
        asprintf(&set, "pools={generate: {from: [%s], workers: %s, stages: [%s%s%s%s%s]}}", from,
            queues != NULL ? queues : "1", to != NULL ? "transmit: {" : "sink", to != NULL ? from : "",
            to != NULL ? ": " : "", to != NULL ? to : "", to != NULL ? "}" : "") < 0)
        abort();
    return set;
}

char *weir_config_compose(const char *file, const char *const *sets)
{
    struct weir_complaints complaints = {.n = 0}; /* who loads the file says them */
    yaml_document_t document;
    char *set = NULL;
    if (weir_source_open(file, sets, &document, &complaints)) {
        const yaml_node_t *root = yaml_document_get_root_node(&document);
        if (member(&document, root, "pools") == NULL)
            set = pool_between(&document, member(&document, root, "ports"));
        yaml_document_delete(&document);
    }
    weir_complaints_free(&complaints);
    return set;
}
