/* SPDX-License-Identifier: BSD-3-Clause */
/* Text in, one validated and immutable configuration out.
 *
 * config/ knows no stage and no port kind by itself: the caller hands their tables over (struct
 * weir_vocabulary), so that the key table, the errors, docs/config.md and the schema all come from one place.
 * Threads: control only. Memory: everything a weir_config points to belongs to it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- key table ---- */

enum weir_key_type {
    WEIR_TYPE_COUNT,    /* number */
    WEIR_TYPE_BYTES,    /* number, bytes */
    WEIR_TYPE_DURATION, /* number, nanoseconds */
    WEIR_TYPE_RATE,  /* number per second; in_packets tells packets from layer-2 bytes; `max` = 0. With words
                           also %: of_line, number in thousandths of a percent */
    WEIR_TYPE_WORD,  /* number = index into words */
    WEIR_TYPE_RATIO, /* number, thousandths */
    WEIR_TYPE_WEIGHTS, /* what is drawn: number = low, high, or a word: low = high = 0, word = index; or a map of
                           those to their weights: members */
    WEIR_TYPE_STRING,   /* text */
    WEIR_TYPE_WORKERS,  /* N or A-B: number = low, high */
    WEIR_TYPE_CPUS,     /* CPU list `0-3,8,!2` or `auto`: text */
    WEIR_TYPE_LISTEN,   /* ADDRESS:PORT or `off`: text */
    WEIR_TYPE_EXPORT,   /* name of an export: text, number = its index */
    WEIR_TYPE_CLASSES,  /* list of classes: classes */
    WEIR_TYPE_LIST,     /* list of names */
    WEIR_TYPE_MAP,      /* a map with its own keys */
    WEIR_TYPE_MAPS,     /* up to `max` maps with the keys of `nested`, in a list; one also without: members */
    WEIR_TYPE_POOL,     /* the whole value of a stage is the name of a pool; table key "*" */
    WEIR_TYPE_PORT_MAP, /* whole map is `port: port`; table key "*" */
};

struct weir_key_row {
    const char *key;
    enum weir_key_type type;
    const char *unset;         /* default as written in a file; NULL = required unless `optional` */
    bool optional;             /* may be absent without a default */
    uint64_t min, max;         /* 0,0 = no bound */
    const char *const *words;  /* NULL-terminated */
    const char *needs_order;   /* stages only: the word with which it needs the packets of a flow in order */
    const char *by_class;      /* stages only: the word with which it keeps state of each class */
    const char *only_with[2];  /* key and word beside which this key means something */
    const char *never_with[2]; /* key and word beside which it means nothing */
    const struct weir_key_row *nested; /* MAPS */
    bool reload;                       /* else restart */
    const char *help;
    const char *not_yet; /* known to the grammar, not to this version: text of the error; NULL = works */
};

/* What a stage or a map-valued port kind accepts. */
struct weir_key_table {
    const char *name; /* `admit`, `generator` */
    const char *help;
    const struct weir_key_row *rows; /* ends with key NULL; may be NULL */
    const char *not_yet;             /* the whole stage or kind is not in this version */
    /* stages only */
    bool makes_class, makes_key, needs_key, keyed, ports_only, terminal;
    bool sends_back;       /* through the port that a packet came from */
    bool string;           /* port kinds only: the value is one string, no map */
    const char *shorthand; /* port kinds only: the value may also be one string, this key */
    bool (*check)(const char *text, FILE *complaint); /* of that string; NULL = any may be right */
    bool receive_only;                                /* port kinds only: no stage can transmit to it */
    bool has_link;                                    /* port kinds only: a device; may be up or down */
    bool rss;            /* port kinds only: may have symmetric RSS, both directions of a flow on one queue */
    const char *instead; /* of a stage that would; NULL = nothing comes near */
};

struct weir_vocabulary {
    const struct weir_key_table *stages; /* end with name NULL */
    const struct weir_key_table *port_kinds;
    bool (*check_match)(const char *text, FILE *complaint); /* the expression of a class */
};

/* ---- the configuration ---- */

struct weir_place {
    uint32_t line, column; /* from 1; 0 = default, not written in the file */
};

struct weir_port_pair {
    uint32_t from, to; /* indices into ports */
    struct weir_place place;
};

struct weir_value {
    uint64_t number; /* COUNT BYTES DURATION RATE RATIO WORD, low of WEIGHTS and WORKERS, index of POOL */
    uint64_t high;   /* WEIGHTS, WORKERS */
    uint64_t word;   /* WEIGHTS given as a word */
    uint64_t weight; /* of a member of WEIGHTS */
    bool in_packets, of_line;     /* RATE */
    bool set;                     /* false = optional and absent */
    char *text;                   /* STRING CPUS LISTEN; and the text as written of the rest */
    struct weir_port_pair *pairs; /* PORT_MAP */
    uint32_t n_pairs;
    uint32_t *classes; /* CLASSES: 0 = `other`, n = the n-th of the configuration */
    uint32_t n_classes;
    struct weir_value *members; /* WEIGHTS: of each the text is that of the key. MAPS: `nested` values each */
    uint32_t n_members;         /* weights, or maps */
    struct weir_place place;
};

struct weir_config_port {
    char *name;
    const struct weir_key_table *kind;
    char *text; /* kind->string */
    struct weir_place text_place;
    struct weir_value *values; /* kind->rows order */
    struct weir_value *keys;   /* of the scalar keys that all kinds have, as written */
    int32_t follows;           /* port whose link this one follows, -1 = none */
    struct weir_place place;
};

struct weir_config_stage {
    const struct weir_key_table *table;
    struct weir_value *values; /* table->rows order */
    struct weir_place place;
};

struct weir_config_class {
    char *name;
    struct weir_value *values; /* weir_class_rows order */
    struct weir_place place;
};

struct weir_config_export {
    char *name;
    struct weir_value *values;     /* weir_export_rows order */
    struct weir_place place, used; /* used: by which stage, line 0 and column 0 = by none */
};

enum weir_on_full { WEIR_ON_FULL_BLOCK, WEIR_ON_FULL_DROP };
enum weir_shard_by { WEIR_SHARD_BY_NONE, WEIR_SHARD_BY_FLOW };
enum weir_memory { WEIR_MEMORY_AUTO, WEIR_MEMORY_HUGEPAGES, WEIR_MEMORY_SHARED, WEIR_MEMORY_NORMAL };
enum weir_log_level { WEIR_LOG_ERROR, WEIR_LOG_WARNING, WEIR_LOG_NOTICE, WEIR_LOG_INFO, WEIR_LOG_DEBUG };

struct weir_config_pool {
    char *name;
    bool fed_by_ports;
    uint32_t *from; /* indices into ports or pools */
    uint32_t n_from;
    int32_t tee;                 /* pool that gets copies, -1 = none; it names this one in its `from` */
    uint64_t reach;              /* ports whose packets come here, a bit each */
    bool by_queue;               /* each worker polls one queue of each port; else each port has one worker */
    enum weir_shard_by shard_by; /* fed by pools only */
    enum weir_on_full on_full;
    uint32_t depth;   /* packets a ring of the inbox holds; power of two */
    uint32_t workers; /* the most */
    uint32_t workers_at_start;
    struct weir_config_stage *stages;
    uint32_t n_stages;
    struct weir_value *values; /* of the scalar keys, as written, for weir_config_print() */
    struct weir_place place;
};

struct weir_config {
    struct weir_block *memory_blocks;
    char *file;                /* as given */
    const char *const *sets;   /* as given; NULL = none */
    struct weir_value *values; /* of the scalar keys at the top, as written */
    char *name;
    uint64_t seed;
    enum weir_memory memory;
    enum weir_log_level log;
    uint64_t drain_timeout_ns;
    uint64_t stop_after_ns; /* 0 = never */
    struct weir_config_port *ports;
    uint32_t n_ports;
    struct weir_config_class *classes; /* first match wins; the rest is class `other` */
    uint32_t n_classes;
    struct weir_config_export *exports;
    uint32_t n_exports;
    struct weir_config_pool *pools; /* topologically sorted: a pool stands after all that feed it */
    uint32_t n_pools;
};

/* ---- calls ---- */

/* Read and check a file (`-` = standard input). All mistakes of the file are written to `errors`, one a
 * line, sorted by place: `file:line:col: what; allowed; remedy`.
 * `sets`: NULL-terminated `key=value` overrides (dotted path: pools.work.workers=2; of a list, the name of a stage or a
 * number from 0; a value that begins with [ { " ' is YAML), or NULL; they must outlive the configuration.
 * Returns the configuration, or NULL after at least one error line. */
struct weir_config *weir_config_load(
    const char *file, const char *const *sets, const struct weir_vocabulary *, FILE *errors);
/* The same from memory; `file` is only what it is called in errors. */
struct weir_config *weir_config_load_text(const char *file, const void *text, size_t length,
    const char *const *sets, const struct weir_vocabulary *, FILE *errors);
void weir_config_free(struct weir_config *);

/* Of a file without pools, with one generator and at most one port more: the override that makes it whole, with a pool which
 * sends to that port, or else to nobody; to be freed. NULL: it is another file. */
char *weir_config_compose(const char *file, const char *const *sets);

/* The whole configuration as a file would say it, defaults included, and behind each value where it comes from:
 * `FILE:LINE:COLUMN`, `--set …` or `default`. What is printed loads to the same configuration. */
void weir_config_print(const struct weir_config *, FILE *);

/* docs/config.md, whole. */
void weir_config_document(const struct weir_vocabulary *, FILE *);

#ifdef __cplusplus
}
#endif
