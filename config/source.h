/* SPDX-License-Identifier: BSD-3-Clause */
/* A file (or standard input) as a libyaml document that is safe to walk: UTF-8, of bounded size and depth,
 * its aliases without a cycle and of bounded expansion, every scalar one line of text; overrides applied. */
#pragma once

#include <yaml.h>

#include "config/complaints.h"
#include "config/config.h"

#define WEIR_SOURCE_BYTES_MAX (16u << 20)
#define WEIR_SOURCE_DEPTH_MAX 32
#define WEIR_SOURCE_NODES_MAX 100000 /* aliases expanded */
#define WEIR_SOURCE_ANCHORS_MAX 256

/* Returns true and a document to be deleted with yaml_document_delete(), or false after a complaint. A
 * mistake in an override is a complaint too, but no reason to stop: the file is still worth checking. */
bool weir_source_open(const char *file, const char *const *sets, yaml_document_t *, struct weir_complaints *);
/* The same from memory, which is only read. */
bool weir_source_parse(
    const void *bytes, size_t length, const char *const *sets, yaml_document_t *, struct weir_complaints *);

struct weir_place weir_source_place(const yaml_node_t *);

/* The text of a scalar node, or NULL. */
const char *weir_source_text(const yaml_node_t *);
