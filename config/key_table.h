/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys that belong to no stage and no port kind, and how a row reads one value. */
#pragma once

#include <sys/socket.h>

#include "config/config.h"

/* Limits of this version. Ports and transmitting workers: the data plane's tables have 64 entries. Workers:
 * lcores are numbered below 128, one of them is the control thread's. */
#define WEIR_PORTS_LIMIT 64
#define WEIR_TRANSMITTERS_LIMIT 64
#define WEIR_WORKERS_LIMIT 127
#define WEIR_POOLS_LIMIT WEIR_WORKERS_LIMIT
#define WEIR_STAGES_LIMIT 64
#define WEIR_NAME_BYTES_MAX 32
#define WEIR_EXPORTS_LIMIT 64
#define WEIR_CLASSES_LIMIT 255 /* a descriptor has 8 bits for it, and one value is `other` */
#define WEIR_CLASS_OTHER "other"
#define WEIR_WEIGHTS_LIMIT 64

/* The working rows of each table come first, in the order of its enum; then those to come. */
enum weir_top_key {
    WEIR_TOP_VERSION,
    WEIR_TOP_SEED,
    WEIR_TOP_NAME,
    WEIR_TOP_MEMORY,
    WEIR_TOP_CPUS,
    WEIR_TOP_PORTS,
    WEIR_TOP_CLASSES,
    WEIR_TOP_POOLS,
    WEIR_TOP_EXPORTS,
    WEIR_TOP_LISTEN,
    WEIR_TOP_CONTROL,
    WEIR_TOP_LOG,
    WEIR_TOP_DRAIN_TIMEOUT,
    WEIR_TOP_STOP_AFTER,
};
enum weir_port_key { WEIR_PORT_LINK_FOLLOWS, WEIR_PORT_MTU, WEIR_PORT_QUEUES, WEIR_PORT_KEYS };
enum weir_pool_key {
    WEIR_POOL_FROM,
    WEIR_POOL_STAGES,
    WEIR_POOL_SHARD_BY,
    WEIR_POOL_ON_FULL,
    WEIR_POOL_DEPTH,
    WEIR_POOL_WORKERS,
    WEIR_POOL_PARK_AFTER,
    WEIR_POOL_IDLE_SLEEP,
    WEIR_POOL_PROBE_EVERY,
    WEIR_POOL_PROBE_AT,
    WEIR_POOL_ORDER,
    WEIR_POOL_TAKE,
};
enum weir_class_key {
    WEIR_CLASS_MATCH,
    WEIR_CLASS_FRAME,
    WEIR_CLASS_PRIORITY,
    WEIR_CLASS_RATE,
    WEIR_CLASS_BURST,
};
enum weir_export_key { WEIR_EXPORT_FILE, WEIR_EXPORT_FORMAT, WEIR_EXPORT_ROTATE };
enum weir_records { WEIR_RECORDS_JSONL, WEIR_RECORDS_CSV };
enum weir_probe_at { WEIR_PROBE_END, WEIR_PROBE_HOPS };
enum weir_frame { WEIR_FRAME_UNTAGGED, WEIR_FRAME_RAW };
/* End with key NULL. */
extern const struct weir_key_row weir_top_rows[], weir_port_rows[], weir_pool_rows[], weir_class_rows[],
    weir_export_rows[];

size_t weir_rows_count(const struct weir_key_row *); /* NULL = 0 */
const struct weir_key_row *weir_row_find(const struct weir_key_row *, const char *key);
/* The whole value of the stage is of this type. */
bool weir_table_is(const struct weir_key_table *, enum weir_key_type);
const struct weir_key_table *weir_table_find(const struct weir_key_table *, const char *name);

/* By number: 0 = `other`, n = the n-th of the configuration. */
const char *weir_class_name(const struct weir_config *, uint32_t number);

/* Port and pool names: letters, digits, `_` and `-`, 1 to 32. */
bool weir_name_fits(const char *);

/* Read one value as `row` says, into number, high, word, in_packets and of_line. Returns true, or false with the
 * complaint written. The row is of none of the types LIST, MAP, MAPS, POOL, PORT_MAP; of WEIGHTS the text is one key. */
bool weir_row_parse(const struct weir_key_row *row, const char *text, struct weir_value *, FILE *complaint);

/* One item of a CPU list: `3`, `0-3`, `!2`. */
struct weir_cpus {
    uint32_t first, last;
    bool excluded;
};
/* Returns what stands behind the item at `at`, a comma or the end; or NULL: it is none. */
const char *weir_cpus_next(const char *at, struct weir_cpus *);

/* 127.0.0.1:9476 or [::1]:9476. */
bool weir_address_parse(const char *text, struct sockaddr_storage *);

/* "64 .. 1048576", "block, drop", …: what weir_row_parse() accepts. */
void weir_row_write_allowed(const struct weir_key_row *, FILE *);
