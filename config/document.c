/* SPDX-License-Identifier: BSD-3-Clause */
/* docs/config.md from the tables that load.c reads by, so that the two cannot disagree. */
#include <string.h>

#include "config/key_table.h"
#include "config/quantity.h"

static const char head[] =
    "# The configuration file\n"
    "\n"
    "<!-- Written by weir_config_document() in config/document.c from the key tables: `weir document "
    "config`. -->\n"
    "\n"
    "One YAML file describes one pipeline. `weir run FILE` reads it; every mistake is named at once, each "
    "as\n"
    "`file:line:col: what; allowed: …; did you mean …?`, and the exit code is 78. `--set KEY=VALUE` "
    "overrides a value:\n"
    "a path of keys with points, as in `--set pools.work.workers=4` or, for a stage, `--set "
    "pools.work.stages.meter.idle=5s`.\n"
    "`weir check FILE` only reads it; `--print` shows what is in effect and where each value comes from, "
    "`--schema` the JSON\n"
    "Schema for an editor.\n"
    "\n"
    "```yaml\n"
    "version: 1\n"
    "ports:\n"
    "  gen:\n"
    "    generator: {flows: 64k, size: imix, rate: 1Mpps}\n"
    "pools:\n"
    "  ingress:\n"
    "    from: [gen]\n"
    "    stages: [validate]\n"
    "  work:\n"
    "    from: [ingress]\n"
    "    shard-by: flow\n"
    "    on-full: block\n"
    "    workers: 2\n"
    "    stages: [meter, sink]\n"
    "```\n"
    "\n"
    "## Grammar\n"
    "\n"
    "1. A **port** is where packets enter and leave. It has exactly one kind.\n"
    "2. A **pool** is one or more workers, each a polling loop on a CPU, that run a list of **stages** to "
    "the end on each\n"
    "   packet. A stage is a word, or a map with one key: `[validate, {burn: {cycles: 300}}]`.\n"
    "3. A pool has one inbox: `from` names only ports, or only pools. Pools feed it through rings: then "
    "`shard-by` and\n"
    "   `on-full` are mandatory and `depth` is optional. Ports feed it directly: then all three are "
    "forbidden.\n"
    "4. A pool that feeds nobody ends in a stage that *ends packets*; one that feeds another must not. Where "
    "several\n"
    "   are fed by one, they divide its classes by `take`: each class is taken by one of them, and the one "
    "without `take`, if "
    "any,\n"
    "   gets what is left. A port is polled by one pool, and nothing feeds itself in a circle. Besides, "
    "`{tee: "
    "POOL}` sends a copy\n"
    "   of each packet to a pool that names this one in its `from`, with `on-full: drop`; one `tee` a pool.\n"
    "5. `shard-by: flow`, and a stage that *reads the flow*, need a stage that *finds the flow* before them "
    "on every way.\n"
    "6. A stage with *state of each flow* needs a pool of one worker, or `shard-by: flow`. A pool that pools "
    "feed, without\n"
    "   shards and with more than one worker, reorders the packets of a flow. It needs `order: relaxed`, "
    "unless it ends in a\n"
    "   `sink` that does not check the order; a `sink` in it or behind it cannot check the order. A pool fed "
    "by ports has at\n"
    "   most one worker a port.\n"
    "7. A stage that limits or excepts **classes** needs a stage that *finds the class* before it on every "
    "way, and "
    "`per: class`\n"
    "   a pool of one worker, so that a class has one limit there.\n"
    "8. Names of ports, pools and classes are 1 to 32 letters, digits, `_` and `-`, and no two are alike.\n"
    "\n"
    "Anchors and aliases work. Limits: %d ports, %d stages a pool, %d workers in all, %d of them "
    "transmitting.\n"
    "\n"
    "## Values\n"
    "\n"
    "Numbers are exact: what is not whole in the smallest unit is refused, never rounded.\n"
    "\n"
    "| Type | Written | Units |\n"
    "|---|---|---|\n"
    "| count | `1000`, `64k`, `1.5M` | %s, decimal |\n"
    "| bytes | `1500`, `64KiB`, `1M` | %s; none means bytes |\n"
    "| duration | `250ms`, `1.5s` | %s; mandatory |\n"
    "| rate | `1Mpps`, `2.5Gbps`, `max` | %s; mandatory; layer-2 bits without the FCS |\n"
    "| size | `64`, `64-1500`, or a word | as bytes |\n"
    "| cpus | `auto`, `0-3,8,!2` | CPU numbers; `!` takes out |\n"
    "| listen | `off`, `127.0.0.1:9476`, `[::1]:0` | port 0 is any free one |\n"
    "\n"
    "*reload* marks keys whose meaning allows a change in a running weir; all others need a restart. This "
    "version reads\n"
    "the file only at the start.\n";

static const char classes_help[] = "\nAlternatives joined by `or` and made of `arp`, `ip`, `ip6`, `tcp`, "
                                   "`udp`, `sctp`, `icmp`, `icmp6`, `igmp`,\n"
                                   "`ether proto N`, `ip proto N`, `ip6 proto N` and `[tcp|udp|sctp] "
                                   "[src|dst] port N` (numbers, no names) are\n"
                                   "looked up in one table, however many classes there are. Everything else "
                                   "is compiled into one program, and costs\n"
                                   "the more, the more of it there is; a packet runs through it at most "
                                   "once, and not at all where the table has found\n"
                                   "an earlier class. `port` of libpcap sees neither later fragments nor "
                                   "what IPv6 extension headers hide. The name of\n"
                                   "a host in an expression is looked up once, when the file is read.\n";

static const struct {
    const char *name;
    bool number; /* of a quantity: has units */
} types[] = {
    [WEIR_TYPE_COUNT] = {"count", true},
    [WEIR_TYPE_BYTES] = {"bytes", true},
    [WEIR_TYPE_DURATION] = {"duration", true},
    [WEIR_TYPE_RATE] = {"rate", true},
    [WEIR_TYPE_WORD] = {"word", false},
    [WEIR_TYPE_SIZE] = {"size", false},
    [WEIR_TYPE_STRING] = {"text", false},
    [WEIR_TYPE_WORKERS] = {"count", false},
    [WEIR_TYPE_CPUS] = {"cpus", false},
    [WEIR_TYPE_LISTEN] = {"listen", false},
    [WEIR_TYPE_CLASSES] = {"list", false},
    [WEIR_TYPE_LIST] = {"list", false},
    [WEIR_TYPE_MAP] = {"map", false},
    [WEIR_TYPE_POOL] = {"pool", false},
    [WEIR_TYPE_PORT_MAP] = {"map", false},
};

/* A bar would end the cell. */
static void write_cell(const char *text, FILE *to)
{
    for (; text != NULL && *text != '\0'; text++)
        fprintf(to, *text == '|' ? "\\%c" : "%c", *text);
}

static void write_default(const struct weir_key_row *row, FILE *to)
{
    if (row->unset != NULL)
        fprintf(to, "`%s`", row->unset);
    else
        fputs(row->optional ? "–" : "**required**", to);
}

static void write_row(const struct weir_key_row *row, FILE *to)
{
    fprintf(to, "| `%s` | %s | %s | ",
        strcmp(row->key, "*") != 0    ? row->key
        : row->type == WEIR_TYPE_POOL ? "POOL"
                                      : "PORT",
        types[row->type].name,
        types[row->type].number       ? weir_quantity_units(row->type)
        : row->type == WEIR_TYPE_SIZE ? "bytes"
                                      : "");
    write_default(row, to);
    fputs(" | ", to);
    weir_row_write_allowed(row, to);
    fprintf(to, " | %s | ", row->reload ? "reload" : "restart");
    write_cell(row->help, to);
    fputs(" |\n", to);
}

static void write_rows(const struct weir_key_row *rows, FILE *to)
{
    bool any = false, first = true;
    for (const struct weir_key_row *r = rows; r != NULL && r->key != NULL; r++) {
        if (r->not_yet != NULL)
            continue;
        if (!any)
            fputs("\n| Key | Type | Unit | Default | Allowed | Change | Meaning "
                  "|\n|---|---|---|---|---|---|---|\n",
                to);
        any = true;
        write_row(r, to);
    }
    for (const struct weir_key_row *r = rows; r != NULL && r->key != NULL; r++) {
        if (r->not_yet == NULL)
            continue;
        fprintf(to, "%s`%s`", first ? "\nIn a later version: " : ", ", r->key);
        first = false;
    }
    fputs(first ? "" : ".\n", to);
}

static void write_properties(const struct weir_key_table *t, FILE *to)
{
    const struct {
        bool has;
        const char *text;
    } properties[] = {
        {t->makes_class, "finds the class"},
        {t->makes_key, "finds the flow"},
        {t->needs_key, "reads the flow"},
        {t->keyed, "state of each flow"},
        {t->ports_only, "only in a pool fed by ports"},
        {t->terminal, "ends packets"},
        {t->receive_only, "cannot transmit"},
        {t->string, "the value is one text"},
    };
    bool first = true;
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        if (properties[i].has)
            fprintf(to, "%s%s", first ? "\nProperties: *" : "*, *", properties[i].text);
        first &= !properties[i].has;
    }
    fputs(first ? "" : "*.\n", to);
}

static void write_tables(const char *what, const struct weir_key_table *tables, FILE *to)
{
    bool first = true;
    for (const struct weir_key_table *t = tables; t->name != NULL; t++) {
        if (t->not_yet != NULL)
            continue;
        fprintf(to, "\n### %s `%s`\n\n%s\n", what, t->name, t->help != NULL ? t->help : "");
        write_properties(t, to);
        write_rows(t->rows, to);
    }
    for (const struct weir_key_table *t = tables; t->name != NULL; t++) {
        if (t->not_yet == NULL)
            continue;
        fprintf(to, "%s`%s` (%s)", first ? "\n### In a later version\n\n" : ", ", t->name, t->help);
        first = false;
    }
    fputs(first ? "" : ".\n", to);
}

void weir_config_document(const struct weir_vocabulary *vocabulary, FILE *to)
{
    fprintf(to, head, WEIR_PORTS_LIMIT, WEIR_STAGES_LIMIT, WEIR_WORKERS_LIMIT, WEIR_TRANSMITTERS_LIMIT,
        weir_quantity_units(WEIR_TYPE_COUNT), weir_quantity_units(WEIR_TYPE_BYTES),
        weir_quantity_units(WEIR_TYPE_DURATION), weir_quantity_units(WEIR_TYPE_RATE));
    fputs("\n## Top level\n", to);
    write_rows(weir_top_rows, to);
    fputs("\n## Ports\n\n`ports: {NAME: {KIND: …}}`, with exactly one kind.\n", to);
    write_rows(weir_port_rows, to);
    write_tables("Port kind", vocabulary->port_kinds, to);
    fprintf(to,
        "\n## Classes\n\n`classes: [{NAME: {match: …}}, …]`; the first that matches is the class of a "
        "packet, and "
        "what none matches is\n`other`. A stage `classify` finds the class. Up to %d classes.\n",
        WEIR_CLASSES_LIMIT);
    write_rows(weir_class_rows, to);
    fputs(classes_help, to);
    fputs("\n## Pools\n\n`pools: {NAME: {from: […], stages: […], …}}`.\n", to);
    write_rows(weir_pool_rows, to);
    fputs("\nIn a later version: `workers: A-B`, `on-full: shed`, `shard-by: tenant`.\n", to);
    fputs("\n## Stages\n", to);
    write_tables("Stage", vocabulary->stages, to);
}
