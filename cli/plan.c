/* SPDX-License-Identifier: BSD-3-Clause */
/* weir plan FILE: who would run where, and why; on this machine, or on one that a file describes. No DPDK, no root. */
#include <getopt.h> /* optind */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/plan.h"
#include "config/quantity.h"

struct options {
    const char *sets[WEIR_ARGUMENTS_MAX + 1];
    const char *topology, *rate, *costs, *svg;
    bool json;
};

const struct weir_option weir_plan_options[] = {
    {"set", "KEY=VALUE", "override a key of the file, as in --set pools.work.workers=4",
        offsetof(struct options, sets), true},
    {"topology", "FILE", "plan for the machine that FILE describes, as `lstopo FILE.xml` writes it",
        offsetof(struct options, topology), false},
    {"rate", "RATE", "say where the pipeline saturates, as in --rate 10Mpps", offsetof(struct options, rate),
        false},
    {"costs", "FILE", "cycles a packet as `scripts/bench costs` wrote them, for --rate",
        offsetof(struct options, costs), false},
    {"json", NULL, "print JSON", offsetof(struct options, json), false},
    {"svg", "FILE", "draw the machine with its workers through lstopo; `-` is standard output",
        offsetof(struct options, svg), false},
    {.name = NULL},
};
static const char usage[] = "usage: weir plan [OPTION]… FILE       (FILE `-` reads standard input)\n";
static const char notes[] = "exit: 0 fine, 64 usage, 71 system, 78 configuration\n";

static bool parse_rate(const char *text, double *pps)
{
    struct weir_quantity q = {0};
    enum weir_quantity_fault fault = weir_quantity_parse(WEIR_TYPE_RATE, text, &q);
    *pps = (double)q.number;
    if (fault == WEIR_QUANTITY_FINE && q.in_packets)
        return true;
    fputs("weir plan: --rate ", stderr);
    if (fault != WEIR_QUANTITY_FINE)
        weir_quantity_explain(WEIR_TYPE_RATE, fault, text, stderr);
    else
        fputs("counts packets; allowed: a number with pps, kpps, Mpps or Gpps", stderr);
    fputc('\n', stderr);
    return false;
}

static int show(const struct weir_runtime *rt, const struct options *o, double rate_pps)
{
    struct weir_rate_plan rate;
    bool rated = o->rate != NULL;
    if (rated && !weir_rate_plan_make(&rate, rt, o->costs, rate_pps))
        return WEIR_FAILED_CONFIG;
    if (o->json) {
        json_t *json = weir_plan_json(rt, o->topology, rated ? &rate : NULL);
        json_dumpf(json, stdout, JSON_INDENT(2));
        json_decref(json);
        putchar('\n');
    } else if (o->svg == NULL || strcmp(o->svg, "-") != 0) {
        weir_plan_print(rt, o->topology, rated ? &rate : NULL, stdout);
    }
    return o->svg == NULL || weir_plan_draw(rt, o->svg) ? 0 : WEIR_FAILED_OS;
}

int weir_verb_plan(int argc, char **argv)
{
    struct options o = {.json = false};
    double rate_pps = 0;
    int code = weir_read_options(argc, argv, usage, weir_plan_options, notes, &o);
    if (code >= 0)
        return code;
    if (o.rate != NULL && !parse_rate(o.rate, &rate_pps))
        return weir_wrong_usage(argv[0], NULL);
    if (optind + 1 != argc)
        return weir_wrong_usage(
            argv[0], optind == argc ? "which configuration? give one FILE" : "one FILE, not more");
    if (o.costs != NULL && o.rate == NULL)
        return weir_wrong_usage(argv[0], "--costs is for --rate");
    struct weir_config *config = weir_config_load(argv[optind], o.sets, weir_vocabulary(), stderr);
    if (config == NULL)
        return WEIR_FAILED_CONFIG;
    enum weir_failure failed;
    struct weir_runtime *rt = weir_runtime_new(config, o.topology, &failed);
    code = failed == WEIR_FINE ? show(rt, &o, rate_pps) : (int)failed;
    weir_runtime_free(rt);
    weir_config_free(config);
    return code;
}
