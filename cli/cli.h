/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "config/config.h"

/* Exit codes, beside those of workers/runtime.h. */
#define WEIR_EXIT_USAGE 64

/* Where the control sockets lie. */
#define WEIR_CONTROL_FOLDER "/run/weir"

/* The stages and port kinds of this version, and the names of those that come later. Built once, never freed. */
const struct weir_vocabulary *weir_vocabulary(void);

/* One option of a verb: it is read, shown by --help and completed by this. `--help` is everybody's. */
struct weir_option {
    const char *name;
    const char
        *value; /* what it takes, as --help calls it, NULL = nothing; FILE and KEY=VALUE are completed */
    const char *help;
    /* Offset in the verb's struct: of a bool, if it takes nothing; else of a text; of several of them, if `many`. */
    size_t member;
    bool many;
};
#define WEIR_OPTIONS_MAX 16 /* a verb */

struct weir_verb {
    const char *name;
    int (*call)(int argc, char **argv); /* argv[0] is the verb */
    const char *help;
    const struct weir_option *options; /* end with name NULL; NULL = it has none */
    const char *operands;              /* FILE, or the words that may follow; NULL = none */
};

/* Options that may be given several times: --set, --eal. Their member has room for one more, its end. */
#define WEIR_ARGUMENTS_MAX 32

/* Into the verb's struct, which was empty; optind is then the first operand. Returns an exit code, or -1 to go on.
 * `--help` shows how the verb is called, its table, and what else is to be said. */
int weir_read_options(
    int argc, char **argv, const char *usage, const struct weir_option *, const char *notes, void *options);
/* Says why, if that was not said yet, and where to look. Returns the exit code. */
int weir_wrong_usage(const char *verb, const char *why);

/* A script for bash; the verbs end with name NULL. */
void weir_write_completion(const struct weir_verb *, FILE *);

/* JSON Schema of a configuration file. */
void weir_write_schema(const struct weir_vocabulary *, FILE *);

/* One file a verb. */
int weir_verb_bench(int argc, char **argv);
int weir_verb_check(int argc, char **argv);
int weir_verb_ctl(int argc, char **argv);
int weir_verb_flows(int argc, char **argv);
int weir_verb_generate(int argc, char **argv);
int weir_verb_plan(int argc, char **argv);
int weir_verb_run(int argc, char **argv);
int weir_verb_simulate(int argc, char **argv);
extern const struct weir_option weir_bench_options[], weir_check_options[], weir_ctl_options[],
    weir_flows_options[], weir_run_options[], weir_plan_options[], weir_simulate_options[];
