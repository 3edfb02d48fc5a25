/* SPDX-License-Identifier: BSD-3-Clause */
/* weir VERB …: find the verb, hand over. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "monitor/registry.h"
#include "workers/runtime.h"

static int version(int, char **)
{
    puts("weir " WEIR_VERSION);
    return 0;
}

static int document(int argc, char **argv);

static const struct weir_verb verbs[] = {
    {"run", weir_verb_run, "run a pipeline until a signal, stop-after or the end of its input",
        weir_run_options, "FILE"},
    {"generate", weir_verb_generate, "make the traffic of a generator, and say what was offered and achieved",
        weir_run_options, "FILE"},
    {"check", weir_verb_check, "find every mistake of configuration files", weir_check_options, "FILE"},
    {"plan", weir_verb_plan, "show which worker would run where, and why", weir_plan_options, "FILE"},
    {"simulate", weir_verb_simulate, "run a pipeline on simulated cores, and hold it against what must be",
        weir_simulate_options, "FILE"},
    {"bench", weir_verb_bench, "find the highest rate without loss, and latency below it", weir_bench_options,
        "FILE"},
    {"ctl", weir_verb_ctl, "ask a running weir, or have it rearrange its workers", weir_ctl_options,
        "stats watch workers ledger config ready resize move shuffle capture drain"},
    {"flows", weir_verb_flows, "count packets, bytes and flows of capture files", weir_flows_options, "FILE"},
    {"document", document, "print the reference of config or metrics, or the completion for bash", NULL,
        "config metrics completion"},
    {"version", version, "print the version", NULL, NULL},
    {.name = NULL},
};
#define N_VERBS (sizeof verbs / sizeof verbs[0] - 1)

/* For docs/ and for packages: what the tables say. */
static int document(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    if (strcmp(what, "config") == 0) {
        weir_config_document(weir_vocabulary(), stdout);
    } else if (strcmp(what, "metrics") == 0) {
        weir_registry_document(stdout);
    } else if (strcmp(what, "completion") == 0) {
        weir_write_completion(verbs, stdout);
    } else {
        fprintf(stderr, "weir document: of what? write one of: config metrics completion\n");
        return WEIR_EXIT_USAGE;
    }
    return 0;
}

static void usage(FILE *to)
{
    fputs("usage: weir VERB …\n", to);
    for (size_t i = 0; i < N_VERBS; i++)
        fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].help);
    fputs("`weir VERB --help` shows the options of run, check, plan, ctl and flows.\n", to);
}

/* A standard descriptor that we were started without would be the number of the next file that is opened, and a device
 * would read our log. What cannot be written to is said so all the same: /dev/null is open for reading only. */
static void fill_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int call(const struct weir_verb *verb, int argc, char **argv)
{
    int code = verb->call(argc, argv);
    if (code != 0 || (fflush(stdout) == 0 && !ferror(stdout)))
        return code;
    fprintf(stderr, "weir %s: standard output cannot be written\n", verb->name);
    return WEIR_FAILED_OS;
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < N_VERBS; i++)
        if (strcmp(name, verbs[i].name) == 0)
            return call(&verbs[i], argc - 1, argv + 1);
    if (name[0] != '\0')
        fprintf(stderr, "weir: `%s` is no verb\n", name);
    usage(stderr);
    return WEIR_EXIT_USAGE;
}
