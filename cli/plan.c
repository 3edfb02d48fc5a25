/* SPDX-License-Identifier: BSD-3-Clause */
/* weir plan FILE: who would run where, and why; on this machine, or on one that a file describes. No DPDK, no root. */
#include <getopt.h> /* optarg, optind */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/plan.h"
#include "config/key_table.h"

enum { SET, TOPOLOGY, RATE, COSTS, JSON, SVG };
const struct weir_option weir_plan_options[] = {
    [SET] = {"set", "KEY=VALUE", "override a key of the file, as in --set pools.work.workers=4"},
    [TOPOLOGY] = {"topology", "FILE",
        "plan for the machine that FILE describes, as `lstopo FILE.xml` writes it"},
    [RATE] = {"rate", "RATE", "say where the pipeline saturates, as in --rate 10Mpps"},
    [COSTS] = {"costs", "FILE", "cycles a packet as `scripts/bench costs` wrote them, for --rate"},
    [JSON] = {"json", NULL, "print JSON"},
    [SVG] = {"svg", "FILE", "draw the machine with its workers through lstopo; `-` is standard output"},
    {.name = NULL},
};
static const char usage[] = "usage: weir plan [OPTION]… FILE       (FILE `-` reads standard input)\n";
static const char notes[] = "exit: 0 fine, 64 usage, 71 system, 78 configuration\n";

struct options {
    const char *sets[WEIR_ARGUMENTS_MAX + 1];
    const char *file, *topology, *costs, *svg;
    double rate_pps; /* 0 = not asked for */
    bool json;
};

static bool parse_rate(const char *text, double *pps)
{
    static const struct weir_key_row row = {.key = "--rate", .type = WEIR_TYPE_RATE};
    struct weir_value value = {0};
    char *complaint = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&complaint, &size);
    bool fine = to != NULL && weir_row_parse(&row, text, &value, to);
    if (fine && (!value.in_packets || value.number == 0)) {
        fputs("--rate counts packets; allowed: a number with pps, kpps, Mpps or Gpps", to);
        fine = false;
    }
    if (to != NULL)
        fclose(to);
    if (!fine)
        fprintf(stderr, "weir plan: %s\n", complaint != NULL ? complaint : "no memory");
    free(complaint);
    *pps = (double)value.number;
    return fine;
}

/* Exit code, or -1 to go on. */
static int parse_options(int argc, char **argv, struct options *o)
{
    bool fine = true;
    optind = 1;
    for (int c; fine && (c = weir_next_option(argc, argv, weir_plan_options)) != WEIR_OPTION_END;) {
        switch (c) {
        case SET:
            fine = weir_append_argument(o->sets, "weir plan", "--set", optarg);
            break;
        case TOPOLOGY:
            o->topology = optarg;
            break;
        case RATE:
            fine = parse_rate(optarg, &o->rate_pps);
            break;
        case COSTS:
            o->costs = optarg;
            break;
        case JSON:
            o->json = true;
            break;
        case SVG:
            o->svg = optarg;
            break;
        case WEIR_OPTION_HELP:
            weir_write_help(usage, weir_plan_options, notes);
            return 0;
        default:
            fine = false;
        }
    }
    const char *wrong = NULL;
    if (optind + 1 != argc)
        wrong = optind == argc ? "which configuration? give one FILE" : "one FILE, not more";
    else if (o->costs != NULL && o->rate_pps == 0)
        wrong = "--costs is for --rate";
    if (fine && wrong != NULL)
        fprintf(stderr, "weir plan: %s\n", wrong);
    if (!fine || wrong != NULL) {
        fputs("`weir plan --help` shows the options\n", stderr);
        return WEIR_EXIT_USAGE;
    }
    o->file = argv[optind];
    return -1;
}

static int show(const struct weir_runtime *rt, const struct options *o)
{
    struct weir_rate_plan rate;
    bool rated = o->rate_pps != 0;
    if (rated && !weir_rate_plan_make(&rate, rt, o->costs, o->rate_pps))
        return WEIR_FAILED_CONFIG;
    if (o->json) {
        json_t *json = weir_plan_json(rt, o->topology, rated ? &rate : NULL);
        json_dumpf(json, stdout, JSON_INDENT(2));
        json_decref(json);
        putchar('\n');
    } else if (o->svg == NULL || strcmp(o->svg, "-") != 0) {
        weir_plan_print(rt, o->topology, rated ? &rate : NULL, stdout);
    }
    if (o->svg != NULL && !weir_plan_draw(rt, o->svg))
        return WEIR_FAILED_OS;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "weir plan: standard output cannot be written\n");
        return WEIR_FAILED_OS;
    }
    return 0;
}

int weir_verb_plan(int argc, char **argv)
{
    struct options o = {.json = false};
    int code = parse_options(argc, argv, &o);
    if (code >= 0)
        return code;
    struct weir_config *config = weir_config_load(o.file, o.sets, weir_vocabulary(), stderr);
    if (config == NULL)
        return WEIR_FAILED_CONFIG;
    enum weir_failure failed;
    struct weir_runtime *rt = weir_runtime_new(config, o.topology, &failed);
    code = failed == WEIR_FINE ? show(rt, &o) : (int)failed;
    weir_runtime_free(rt);
    weir_config_free(config);
    return code;
}
