/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/key_table.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "config/complaints.h"
#include "config/quantity.h"

/* ---- the rows ---- */

#define SECOND UINT64_C(1000000000)
#define YEAR (365 * 24 * 3600 * SECOND) /* longer is a mistake, and would not fit in TSC cycles */

static const char later[] = "comes in a later version of weir";

static const char *const memory_words[] = {"auto", "hugepages", "shared", "normal", NULL};
static const char *const log_words[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const shard_by_words[] = {"none", "flow", NULL};
static const char *const on_full_words[] = {"block", "drop", NULL};
static const char *const order_words[] = {"relaxed", NULL};
static const char *const records_words[] = {"jsonl", "csv", NULL};
static const char *const probe_at_words[] = {"end", "hops", NULL};
static const char *const frame_words[] = {"untagged", "raw", NULL};

const struct weir_key_row weir_top_rows[] = {
    [WEIR_TOP_VERSION] =
        {.key = "version", .type = WEIR_TYPE_COUNT, .min = 1, .max = 1, .help = "Version of the grammar."},
    [WEIR_TOP_SEED] = {.key = "seed",
        .type = WEIR_TYPE_COUNT,
        .unset = "1",
        .help = "Start of every random choice of a generator: the same seed gives the same packets."},
    [WEIR_TOP_NAME] = {.key = "name",
        .type = WEIR_TYPE_STRING,
        .unset = "weir",
        .help = "Name of the pipeline in the certificate and in metrics; spelled like the name of a pool."},
    [WEIR_TOP_MEMORY] = {.key = "memory",
        .type = WEIR_TYPE_WORD,
        .unset = "auto",
        .words = memory_words,
        .help = "Packet memory. auto: hugepages if there are enough, else normal pages. shared: hugepages "
                "that other programs of DPDK (dpdk-proc-info, dpdk-dumpcap) attach to, under `name`."},
    [WEIR_TOP_CPUS] = {.key = "cpus",
        .type = WEIR_TYPE_CPUS,
        .unset = "auto",
        .help = "CPUs that workers may use. auto: a CPU of each core that the process may use. A list that "
                "names SMT siblings allows them. Where each core of it has a worker, whatever is no worker "
                "runs on other cores, if the process may."},
    [WEIR_TOP_PORTS] = {.key = "ports",
        .type = WEIR_TYPE_MAP,
        .help = "Where packets enter and leave, by name."},
    [WEIR_TOP_CLASSES] = {.key = "classes",
        .type = WEIR_TYPE_LIST,
        .optional = true,
        .help = "Groups of packets; the first that matches a packet is its class, the rest is `other`."},
    [WEIR_TOP_POOLS] = {.key = "pools", .type = WEIR_TYPE_MAP, .help = "Who works on packets, by name."},
    [WEIR_TOP_EXPORTS] = {.key = "exports",
        .type = WEIR_TYPE_MAP,
        .optional = true,
        .help = "Where records of flows go, by name."},
    [WEIR_TOP_LISTEN] = {.key = "listen",
        .type = WEIR_TYPE_LISTEN,
        .optional = true,
        .help = "Where `/metrics` answers. Not written: 127.0.0.1:9476, or any free port there."},
    [WEIR_TOP_CONTROL] = {.key = "control",
        .type = WEIR_TYPE_STRING,
        .optional = true,
        .help = "Path of the socket on which `weir ctl` speaks to this weir, or off. Not written: "
                "/run/weir/NAME.sock, where NAME is that of the pipeline, or weir."},
    [WEIR_TOP_LOG] = {.key = "log",
        .type = WEIR_TYPE_WORD,
        .unset = "notice",
        .words = log_words,
        .reload = true,
        .help = "Least important message that is logged."},
    [WEIR_TOP_DRAIN_TIMEOUT] = {.key = "drain-timeout",
        .type = WEIR_TYPE_DURATION,
        .unset = "2s",
        .max = YEAR,
        .reload = true,
        .help = "How long a stop may take to let packets out; what is inside then is dropped, counted."},
    [WEIR_TOP_STOP_AFTER] = {.key = "stop-after",
        .type = WEIR_TYPE_DURATION,
        .optional = true,
        .min = SECOND / 1000,
        .max = YEAR,
        .help = "Stop after so long. Not written: run until a signal or the end of all input."},
    {.key = "tables", .type = WEIR_TYPE_MAP, .help = "Tenants and other look-ups.", .not_yet = later},
    {.key = NULL},
};

const struct weir_key_row weir_port_rows[] = {
    [WEIR_PORT_LINK_FOLLOWS] = {.key = "link-follows",
        .type = WEIR_TYPE_STRING,
        .optional = true,
        .help = "Name of a port: while its link is down, or its device is gone, weir takes this one's link "
                "down, so that whoever is behind it sees it. Two may follow each other."},
    [WEIR_PORT_MTU] = {.key = "mtu",
        .type = WEIR_TYPE_BYTES,
        .optional = true,
        .min = 68,
        .max = 16000,
        .help = "Largest payload of a frame. Not written: what an interface has at start; of other devices "
                "1500."},
    [WEIR_PORT_QUEUES] = {.key = "queues",
        .type = WEIR_TYPE_COUNT,
        .optional = true,
        .min = 1,
        .max = WEIR_PORTS_LIMIT,
        .help = "Receive queues. A pool of as many workers polls one with each, if all its ports have as "
                "many, by symmetric RSS. Not written: all of an interface, or of a `vdev` on one; else one."},
    {.key = "side", .type = WEIR_TYPE_WORD, .help = "inside or outside.", .not_yet = later},
    {.key = NULL},
};

const struct weir_key_row weir_pool_rows[] = {
    [WEIR_POOL_FROM] = {.key = "from",
        .type = WEIR_TYPE_LIST,
        .help = "What feeds the pool: all ports, or all pools."},
    [WEIR_POOL_STAGES] = {.key = "stages",
        .type = WEIR_TYPE_LIST,
        .help = "What happens to a packet, in order; each a word, or a map with one key."},
    [WEIR_POOL_SHARD_BY] = {.key = "shard-by",
        .type = WEIR_TYPE_WORD,
        .optional = true,
        .words = shard_by_words,
        .help = "flow: packets of one flow, both directions, always go to the same worker, in order. "
                "Mandatory if pools feed the pool, else forbidden."},
    [WEIR_POOL_ON_FULL] = {.key = "on-full",
        .type = WEIR_TYPE_WORD,
        .optional = true,
        .words = on_full_words,
        .reload = true,
        .help = "When the inbox is full. block: who feeds it stops receiving, nothing is lost here. drop: "
                "the arriving packet is dropped, counted. Mandatory if pools feed the pool, else forbidden."},
    [WEIR_POOL_DEPTH] = {.key = "depth",
        .type = WEIR_TYPE_COUNT,
        .unset = "1024",
        .min = 64,
        .max = 1 << 20,
        .help = "Packets that each ring of the inbox holds, a power of two; one ring joins each worker to "
                "each that feeds it. Forbidden if ports feed the pool."},
    [WEIR_POOL_WORKERS] = {.key = "workers",
        .type = WEIR_TYPE_WORKERS,
        .unset = "1",
        .min = 1,
        .max = 64,
        .help = "Polling loops, each on a CPU of its own while there are enough. `A-B`, with `shard-by: "
                "flow` only: an elastic pool, which starts with A and has CPUs, rings and memory for B; "
                "`weir ctl resize` changes the number while packets flow."},
    [WEIR_POOL_PARK_AFTER] = {.key = "park-after",
        .type = WEIR_TYPE_DURATION,
        .unset = "10ms",
        .min = 1000,
        .max = UINT64_C(3600) * 1000000000,
        .help = "A worker without packets for so long sleeps until some come, which takes tens of "
                "microseconds then. Workers that poll ports do so only with `idle-sleep`."},
    [WEIR_POOL_IDLE_SLEEP] = {.key = "idle-sleep",
        .type = WEIR_TYPE_DURATION,
        .unset = "0s",
        .max = SECOND / 100,
        .help =
            "A worker that polls ports, and got no packet for `park-after`, sleeps for at most so long "
            "between two looks. What comes meanwhile waits in the receive queue, which must hold it. 0s = "
            "it never sleeps. Forbidden if pools feed the pool."},
    [WEIR_POOL_PROBE_EVERY] = {.key = "probe-every",
        .type = WEIR_TYPE_COUNT,
        .unset = "1k",
        .max = UINT32_MAX,
        .help = "Each so-many-th packet that a worker receives is timed from its arrival to its end, where "
                "the certificate shows the latency; one of a generator, from when its schedule called for "
                "it. 0 = none. Forbidden if pools feed the pool."},
    [WEIR_POOL_PROBE_AT] = {.key = "probe-at",
        .type = WEIR_TYPE_WORD,
        .unset = "end",
        .words = probe_at_words,
        .help = "Where those are timed. end: at their end; hops: also when a pool takes them, how long they "
                "waited in its inbox. Forbidden if pools feed the pool."},
    [WEIR_POOL_ORDER] = {.key = "order",
        .type = WEIR_TYPE_WORD,
        .optional = true,
        .words = order_words,
        .help = "relaxed: several workers without shards may reorder the packets of a flow. Only with "
                "`shard-by: none`."},
    [WEIR_POOL_TAKE] = {.key = "take",
        .type = WEIR_TYPE_CLASSES,
        .optional = true,
        .help = "Classes that come to this pool, where several share one that feeds them; not written: all "
                "that no other takes."},
    {.key = "deadline", .type = WEIR_TYPE_DURATION, .help = "Drop packets that are older.", .not_yet = later},
    {.key = NULL},
};

const struct weir_key_row weir_class_rows[] = {
    [WEIR_CLASS_MATCH] = {.key = "match",
        .type = WEIR_TYPE_STRING,
        .help = "Which packets: an expression of libpcap, see pcap-filter(7)."},
    [WEIR_CLASS_FRAME] = {.key = "frame",
        .type = WEIR_TYPE_WORD,
        .unset = "untagged",
        .words = frame_words,
        .help = "What the expression sees. untagged: the frame as if it had no VLAN tags, so that `udp` also "
                "finds UDP behind them; raw: the frame as it came, for expressions with `vlan`."},
    [WEIR_CLASS_PRIORITY] = {.key = "priority",
        .type = WEIR_TYPE_COUNT,
        .unset = "4",
        .max = 7,
        .help = "0 is control, which is never shed, 7 is shed first; `other` has 7. Only `on-full: shed` of "
                "a later version reads it."},
    [WEIR_CLASS_RATE] = {.key = "rate",
        .type = WEIR_TYPE_RATE,
        .unset = "max",
        .help = "Limit of the class in a stage `admit: {per: class}`; max = none."},
    [WEIR_CLASS_BURST] = {.key = "burst",
        .type = WEIR_TYPE_BYTES,
        .unset = "0",
        .max = UINT64_C(1) << 30,
        .help = "How much of the class may come at once; as `burst` of stage `admit`."},
    {.key = NULL},
};

const struct weir_key_row weir_export_rows[] = {
    [WEIR_EXPORT_FILE] = {.key = "file",
        .type = WEIR_TYPE_STRING,
        .help = "Records are appended to it; a full disk costs records, counted, and nothing else."},
    [WEIR_EXPORT_FORMAT] = {.key = "format",
        .type = WEIR_TYPE_WORD,
        .unset = "jsonl",
        .words = records_words,
        .help = "jsonl: a JSON object a line; csv: with a first line that names the columns."},
    [WEIR_EXPORT_ROTATE] = {.key = "rotate",
        .type = WEIR_TYPE_BYTES,
        .unset = "0",
        .help = "A file of this length becomes FILE.1, the next FILE.2, … which weir never removes; the next "
                "begins as FILE.next. 0 = one file."},
    {.key = NULL},
};

/* Of the grammar, their feature comes later. */
static const struct {
    const char *key, *word;
} later_words[] = {{"shard-by", "tenant"}, {"shard-by", "class"}, {"on-full", "shed"}};

/* ---- looking up ---- */

size_t weir_rows_count(const struct weir_key_row *rows)
{
    size_t n = 0;
    while (rows != NULL && rows[n].key != NULL)
        n++;
    return n;
}

const struct weir_key_row *weir_row_find(const struct weir_key_row *rows, const char *key)
{
    for (; rows != NULL && rows->key != NULL; rows++)
        if (strcmp(rows->key, key) == 0)
            return rows;
    return NULL;
}

bool weir_table_is(const struct weir_key_table *t, enum weir_key_type type)
{
    return t->rows != NULL && t->rows[0].key != NULL && t->rows[0].type == type;
}

const struct weir_key_table *weir_table_find(const struct weir_key_table *tables, const char *name)
{
    for (; tables->name != NULL; tables++)
        if (strcmp(tables->name, name) == 0)
            return tables;
    return NULL;
}

const char *weir_class_name(const struct weir_config *config, uint32_t number)
{
    return number == 0 ? WEIR_CLASS_OTHER : config->classes[number - 1].name;
}

bool weir_name_fits(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t length = strlen(name);
    return length >= 1 && length <= WEIR_NAME_BYTES_MAX && strspn(name, letters) == length;
}

/* ---- reading a value ---- */

static bool out_of_range(const struct weir_key_row *row, uint64_t number)
{
    return number < row->min || (row->max != 0 && number > row->max);
}

static bool explain(const struct weir_key_row *row, enum weir_key_type type, enum weir_quantity_fault fault,
    const char *text, FILE *complaint)
{
    fprintf(complaint, "%s ", row->key);
    weir_quantity_explain(type, fault, text, complaint);
    return false;
}

static bool refuse(const struct weir_key_row *row, const char *text, const char *why, FILE *complaint)
{
    fprintf(complaint, "%s %s %s; allowed: ", row->key, WEIR_QUOTED(text), why);
    weir_row_write_allowed(row, complaint);
    return false;
}

static bool parse_quantity(
    const struct weir_key_row *row, const char *text, struct weir_value *value, FILE *complaint)
{
    struct weir_quantity q;
    enum weir_quantity_fault fault = weir_quantity_parse(row->type, text, &q);
    /* Too large for the type is too large for the row; the row's own bound is what to obey. */
    bool beyond = fault == WEIR_QUANTITY_TOO_LARGE && row->max != 0 && row->max != UINT64_MAX;
    if (fault != WEIR_QUANTITY_FINE && !beyond)
        return explain(row, row->type, fault, text, complaint);
    if (beyond || out_of_range(row, q.number))
        return refuse(row, text, "is out of range", complaint);
    if (q.of_line && row->words == NULL)
        return refuse(row, text, "is a share, but of no line", complaint);
    value->number = q.number;
    value->in_packets = q.in_packets;
    value->of_line = q.of_line;
    return true;
}

static bool find_word(const struct weir_key_row *row, const char *text, uint64_t *index)
{
    for (*index = 0; row->words != NULL && row->words[*index] != NULL; ++*index)
        if (strcmp(row->words[*index], text) == 0)
            return true;
    return false;
}

static bool parse_word(
    const struct weir_key_row *row, const char *text, struct weir_value *value, FILE *complaint)
{
    if (find_word(row, text, &value->number))
        return true;
    for (size_t i = 0; i < sizeof later_words / sizeof later_words[0]; i++)
        if (strcmp(later_words[i].key, row->key) == 0 && strcmp(later_words[i].word, text) == 0)
            return refuse(row, text, later, complaint);
    struct weir_guess guess = {.written = text};
    for (size_t i = 0; row->words[i] != NULL; i++)
        weir_guess_try(&guess, row->words[i]);
    refuse(row, text, "is not known", complaint);
    weir_guess_write(&guess, complaint);
    return false;
}

/* LOW or LOW-HIGH. The row's bounds hold for both. */
static bool parse_range(const struct weir_key_row *row, enum weir_key_type type, const char *text,
    struct weir_value *value, FILE *complaint)
{
    char low[32] = "";
    const char *dash = *text == '\0' ? NULL : strchr(text + 1, '-'); /* one in front is a sign */
    struct weir_quantity from = {0}, to = {0};
    if (dash != NULL && (size_t)(dash - text) < sizeof low)
        memcpy(low, text, (size_t)(dash - text));
    enum weir_quantity_fault fault = weir_quantity_parse(type, dash != NULL ? dash + 1 : text, &to);
    if (dash != NULL &&
        (fault != WEIR_QUANTITY_FINE || weir_quantity_parse(type, low, &from) != WEIR_QUANTITY_FINE))
        return refuse(row, text, "is no range", complaint);
    if (fault != WEIR_QUANTITY_FINE)
        return explain(row, type, fault, text, complaint);
    if (dash == NULL)
        from = to;
    if (out_of_range(row, from.number) || out_of_range(row, to.number))
        return refuse(row, text, "is out of range", complaint);
    if (from.number > to.number)
        return refuse(row, text, "begins above its end", complaint);
    value->number = from.number;
    value->high = to.number;
    return true;
}

static bool parse_drawn(
    const struct weir_key_row *row, const char *text, struct weir_value *value, FILE *complaint)
{
    if (row->max == 0) {
        struct weir_value word = {0};
        bool fine = parse_word(row, text, &word, complaint);
        value->word = word.number;
        return fine;
    }
    if (find_word(row, text, &value->word))
        return true;
    value->word = 0;
    return parse_range(row, WEIR_TYPE_BYTES, text, value, complaint);
}

static bool parse_cpu(const char **at, uint32_t *to)
{
    size_t length = strspn(*at, "0123456789");
    *to = (uint32_t)strtoul(*at, NULL, 10);
    *at += length;
    return length > 0 && length <= 5 && *to <= UINT16_MAX;
}

const char *weir_cpus_next(const char *at, struct weir_cpus *to)
{
    to->excluded = *at == '!';
    at += to->excluded;
    bool fine = parse_cpu(&at, &to->first);
    to->last = to->first;
    if (*at == '-') {
        at++;
        fine &= parse_cpu(&at, &to->last);
    }
    return fine && to->first <= to->last && (*at == ',' || *at == '\0') ? at : NULL;
}

/* Syntax only: which CPUs there are is for the topology to say. */
static bool is_cpus(const char *text)
{
    struct weir_cpus cpus;
    const char *end = weir_cpus_next(text, &cpus);
    while (end != NULL && *end == ',')
        end = weir_cpus_next(end + 1, &cpus);
    return end != NULL || strcmp(text, "auto") == 0;
}

bool weir_address_parse(const char *text, struct sockaddr_storage *to)
{
    char host[INET6_ADDRSTRLEN + 2];
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to; /* has its port where the other has it */
    const char *colon = strrchr(text, ':');
    size_t length = colon == NULL ? 0 : (size_t)(colon - text);
    size_t digits = colon == NULL ? 0 : strspn(colon + 1, "0123456789");
    unsigned long port = digits == 0 ? 0 : strtoul(colon + 1, NULL, 10);
    if (length == 0 || length >= sizeof host || digits == 0 || digits > 5 || colon[1 + digits] != '\0' ||
        port > UINT16_MAX)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    memset(to, 0, sizeof *to);
    v4->sin_port = htons((uint16_t)port);
    v4->sin_family = host[0] == '[' && host[length - 1] == ']' ? AF_INET6 : AF_INET;
    if (v4->sin_family == AF_INET)
        return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
    host[length - 1] = '\0';
    return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
}

static bool is_listen(const char *text)
{
    struct sockaddr_storage address;
    return strcmp(text, "off") == 0 || weir_address_parse(text, &address);
}

/* What stays a text. */
static bool parse_text(const struct weir_key_row *row, const char *text, FILE *complaint)
{
    if (row->type == WEIR_TYPE_STRING || row->type == WEIR_TYPE_EXPORT)
        return *text != '\0' || refuse(row, text, "is empty", complaint);
    if (row->type == WEIR_TYPE_CPUS)
        return is_cpus(text) || refuse(row, text, "is no list of CPUs", complaint);
    return is_listen(text) || refuse(row, text, "is no address with a port", complaint);
}

bool weir_row_parse(
    const struct weir_key_row *row, const char *text, struct weir_value *value, FILE *complaint)
{
    switch (row->type) {
    case WEIR_TYPE_COUNT:
    case WEIR_TYPE_BYTES:
    case WEIR_TYPE_DURATION:
    case WEIR_TYPE_RATE:
    case WEIR_TYPE_RATIO:
        return parse_quantity(row, text, value, complaint);
    case WEIR_TYPE_WORD:
        return parse_word(row, text, value, complaint);
    case WEIR_TYPE_WEIGHTS:
        return parse_drawn(row, text, value, complaint);
    case WEIR_TYPE_WORKERS:
        return parse_range(row, WEIR_TYPE_COUNT, text, value, complaint);
    default:
        return parse_text(row, text, complaint);
    }
}

/* ---- writing what is allowed ---- */

static void write_bounds(const struct weir_key_row *row, enum weir_key_type type, FILE *to)
{
    bool bounded = row->max != 0 && row->max != UINT64_MAX;
    weir_quantity_write(type, (struct weir_quantity){.number = row->min}, to);
    if (bounded && row->min == row->max)
        return;
    fputs(bounded ? " .. " : " or more", to);
    if (bounded)
        weir_quantity_write(type, (struct weir_quantity){.number = row->max}, to);
}

static const char *const allowed[] = {
    [WEIR_TYPE_RATE] = "a rate, or `max`",
    [WEIR_TYPE_STRING] = "text",
    [WEIR_TYPE_EXPORT] = "the name of an export",
    [WEIR_TYPE_CPUS] = "`auto`, or a list like 0-3,8,!2",
    [WEIR_TYPE_LISTEN] = "`off`, IPV4:PORT, [IPV6]:PORT",
    [WEIR_TYPE_CLASSES] = "a list",
    [WEIR_TYPE_LIST] = "a list",
    [WEIR_TYPE_MAP] = "a map",
    [WEIR_TYPE_POOL] = "the name of a pool",
    [WEIR_TYPE_PORT_MAP] = "port: port",
};

void weir_row_write_allowed(const struct weir_key_row *row, FILE *to)
{
    bool first = true;
    switch (row->type) {
    case WEIR_TYPE_COUNT:
    case WEIR_TYPE_BYTES:
    case WEIR_TYPE_DURATION:
    case WEIR_TYPE_RATIO:
    case WEIR_TYPE_WORKERS:
        write_bounds(row, row->type == WEIR_TYPE_WORKERS ? WEIR_TYPE_COUNT : row->type, to);
        break;
    case WEIR_TYPE_WEIGHTS:
        if (row->max != 0) {
            write_bounds(row, WEIR_TYPE_BYTES, to);
            fputs(", a range LOW-HIGH", to);
            first = false;
        }
        /* fall through */
    case WEIR_TYPE_WORD:
        for (const char *const *w = row->words; w != NULL && *w != NULL; w++)
            weir_write_listed(to, *w, &first);
        fputs(row->type == WEIR_TYPE_WEIGHTS ? ", or a map of those to weights" : "", to);
        break;
    case WEIR_TYPE_MAPS:
        fputs("a map", to);
        fputs(row->max != 1 ? ", or a list" : "", to);
        break;
    default:
        fputs(allowed[row->type], to);
        fputs(row->type == WEIR_TYPE_RATE && row->words != NULL ? ", or % of `line`" : "", to);
    }
}
