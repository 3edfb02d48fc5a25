/* SPDX-License-Identifier: BSD-3-Clause */
/* weir simulate FILE: the code of weir on simulated cores. It is compiled a second time for that, into a program of its
 * own; weir reads the options and starts it. */
#include <errno.h>
#include <getopt.h> /* optind */
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "workers/runtime.h"
#include "workers/simulate.h"

struct options {
    const char *seeds, *seed, *cores, *rule, *packets, *orders, *cuts;
    bool json;
};

const struct weir_option weir_simulate_options[] = {
    {"seeds", "N", "how many (default: 300; of a --seed, 1)", offsetof(struct options, seeds), false},
    {"seed", "S", "the first; the others follow (default: of the clock)", offsetof(struct options, seed),
        false},
    {"cores", "N", "simulated cores (default: as each seed says)", offsetof(struct options, cores), false},
    {"break", "RULE", "leave out a rule of the hand-over, to see it noticed", offsetof(struct options, rule),
        false},
    {"packets", "N", "at most so many packets a seed", offsetof(struct options, packets), false},
    {"orders", "N", "at most so many orders a seed", offsetof(struct options, orders), false},
    {"cuts", "N", "after so many cuts workers go on until they wait", offsetof(struct options, cuts), false},
    {"json", NULL, "print the result as JSON", offsetof(struct options, json), false},
    {.name = NULL},
};
static const char usage[] = "usage: weir simulate [OPTION]… FILE\n";
static const char notes[] =
    "Packets, orders, stalls and the moments at which cores take turns are the seed's; rings, batches and\n"
    "stashes are small. The first seed that violates an invariant is shown as small as it gets, and the run "
    "ends.\n"
    "RULE: packet_behind_fence, no_stash, release_before_consumed, ended_producer_not_counted,\n"
    "      give_and_take_in_one_batch, blocked_producer_ignores_commands, untold_taker\n"
    "exit: 0 fine, 64 usage, 70 a violation, 71 system, 78 configuration\n";

#ifndef WEIR_SIMULATE

/* Beside this program, or where it is installed. */
static int simulate(const char *, const struct options *, char **argv)
{
    static const char *const places[] = {"weir-simulate", "../libexec/weir/weir-simulate"};
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 64);
    char *name = length < 0 ? path : path + length;
    while (name > path && name[-1] != '/')
        name--;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        strcpy(name, places[i]);
        execv(path, argv);
    }
    fprintf(stderr, "weir simulate: %s: %s; it is built and installed with weir, but for the sanitizers\n",
        path, strerror(errno));
    return WEIR_FAILED_OS;
}

#else
#include <signal.h>

#include <rte_eal.h>

#define EXIT_VIOLATION 70

static const char *const rules[WEIR_RULES] = {"none", "packet_behind_fence", "no_stash",
    "release_before_consumed", "ended_producer_not_counted", "give_and_take_in_one_batch",
    "blocked_producer_ignores_commands", "untold_taker"};

static struct weir_simulation now; /* the one that runs: if it crashes, this is the one */

static void crashed(int number)
{
    dprintf(STDERR_FILENO, "weir simulate: seed %" PRIu64 " ends with signal %d\n", now.seed, number);
    _exit(EXIT_VIOLATION);
}

static bool start_dpdk(void)
{
    char cpu[32];
    const char *const arguments[] = {"weir-simulate", "--no-telemetry", "--no-huge", "--no-shconf",
        "--no-pci", "--iova-mode=va", "--log-level=*:error", "-m", "64", "--lcores", cpu};
    snprintf(cpu, sizeof cpu, "0@%d", sched_getcpu());
    signal(SIGSEGV, crashed);
    signal(SIGABRT, crashed);
    return rte_eal_init((int)(sizeof arguments / sizeof arguments[0]), (char **)arguments) >= 0;
}

static bool violates(const char *file, const struct weir_simulation *asked)
{
    struct weir_config *config = weir_config_load(file, NULL, weir_vocabulary(), stderr);
    now = *asked;
    if (config == NULL || !weir_simulate(config, &now))
        exit(WEIR_FAILED_CONFIG);
    weir_config_free(config);
    return now.found.violations != 0;
}

/* Less of one thing while it still fails, in ever smaller steps. */
static void lessen(const char *file, const struct weir_simulation *asked, uint64_t *limit)
{
    for (uint64_t step = *limit / 2; step != 0; step /= 2)
        while (*limit > step) {
            *limit -= step;
            if (violates(file, asked))
                continue;
            *limit += step;
            break;
        }
}

static void show_violation(const char *file, const struct weir_simulation *asked, bool json)
{
    struct weir_simulation least = *asked;
    printf(json ? "\"violation\": {\"seed\": %" PRIu64 ", \"what\": \"%s\", " : "seed %" PRIu64 ": %s\n",
        now.seed, now.violation);
    least.limit = now.limit;
    for (int round = 0; round < 2; round++) {
        lessen(file, &least, &least.limit.orders);
        lessen(file, &least, &least.limit.packets);
        lessen(file, &least, &least.limit.cuts);
    }
    violates(file, &least);
    printf(json ? "\"packets\": %" PRIu64 ", \"orders\": %" PRIu64 ", \"cuts\": %" PRIu64
                  ", \"least\": \"%s\"}, "
                : "the least of it: --packets %" PRIu64 " --orders %" PRIu64 " --cuts %" PRIu64 ": %s\n",
        least.limit.packets, least.limit.orders, least.limit.cuts, now.violation);
}

static bool number(const char *text, const char *option, uint64_t most, uint64_t *to)
{
    char *end;
    if (text == NULL)
        return true;
    *to = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && *to <= most)
        return true;
    fprintf(stderr, "weir simulate: --%s takes a number up to %" PRIu64 ", not `%s`\n", option, most, text);
    return false;
}

static int simulate(const char *file, const struct options *o, char **argv)
{
    uint64_t seeds = o->seed != NULL ? 1 : 300, cores = 0;
    struct weir_simulation asked = {
        .seed = (uint64_t)time(NULL) << 20, .limit = {UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    if (!number(o->seeds, "seeds", UINT32_MAX, &seeds) || !number(o->seed, "seed", UINT64_MAX, &asked.seed) ||
        !number(o->cores, "cores", WEIR_WORKERS_LIMIT, &cores) ||
        !number(o->packets, "packets", UINT64_MAX, &asked.limit.packets) ||
        !number(o->orders, "orders", UINT64_MAX, &asked.limit.orders) ||
        !number(o->cuts, "cuts", UINT64_MAX, &asked.limit.cuts))
        return weir_wrong_usage(argv[0], NULL);
    asked.cores = (uint32_t)cores;
    while (o->rule != NULL && strcmp(rules[weir_rule_broken], o->rule) != 0)
        if (++weir_rule_broken == WEIR_RULES)
            return weir_wrong_usage(argv[0], "there is no such rule to --break");
    if (!start_dpdk())
        return WEIR_FAILED_OS; /* it says why */
    struct weir_figures sum = {0};
    fputs(o->json ? "{" : "", stdout);
    for (; sum.seeds < seeds && sum.violations == 0; asked.seed++) {
        violates(file, &asked);
#define ADD(name) sum.name += now.found.name;
        WEIR_FIGURES(ADD)
        if (sum.violations != 0)
            show_violation(file, &asked, o->json);
    }
    printf(o->json ? "\"seed\": %" PRIu64 : "seed %" PRIu64, asked.seed - sum.seeds);
#define SHOW(name) printf(o->json ? ", \"" #name "\": %" PRIu64 : ", " #name " %" PRIu64, sum.name);
    WEIR_FIGURES(SHOW)
    puts(o->json ? "}" : "");
    return sum.violations == 0 ? 0 : EXIT_VIOLATION;
}

int main(int argc, char **argv)
{
    return weir_verb_simulate(argc, argv);
}
#endif

int weir_verb_simulate(int argc, char **argv)
{
    struct options o = {.json = false};
    int code = weir_read_options(argc, argv, usage, weir_simulate_options, notes, &o);
    if (code >= 0)
        return code;
    if (optind + 1 != argc)
        return weir_wrong_usage(argv[0], "which configuration? give one FILE");
    return simulate(argv[optind], &o, argv);
}
