/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include "config/config.h"

/* Exit codes, beside those of workers/runtime.h. */
#define WEIR_EXIT_USAGE 64

/* The stages and port kinds of this version, and the names of those that come later. Built once, never freed. */
const struct weir_vocabulary *weir_vocabulary(void);

/* One option of a verb: getopt reads it, --help shows it, completion offers it. `--help` is everybody's. */
struct weir_option {
    const char *name;
    const char
        *value; /* what it takes, as --help calls it, NULL = nothing; FILE and KEY=VALUE are completed */
    const char *help;
};
#define WEIR_OPTIONS_MAX 16 /* a verb */

struct weir_verb {
    const char *name;
    int (*call)(int argc, char **argv); /* argv[0] is the verb */
    const char *help;
    const struct weir_option *options; /* end with name NULL; NULL = it has none */
    const char *operands;              /* FILE, or the words that may follow; NULL = none */
};

/* The next option of the command line: its index in the table, with its value in optarg; or one of these. Begin with
 * optind = 1. */
enum { WEIR_OPTION_END = -1, WEIR_OPTION_HELP = -2, WEIR_OPTION_WRONG = -3 };
int weir_next_option(int argc, char **argv, const struct weir_option *);
/* --help: how the verb is called, its table, and what else is to be said. */
void weir_write_help(const char *usage, const struct weir_option *, const char *notes);

/* A script for bash; the verbs end with name NULL. */
void weir_write_completion(const struct weir_verb *, FILE *);

/* Options that may be given several times: --set, --eal. The list has room for one more, its end. False after a
 * complaint. */
#define WEIR_ARGUMENTS_MAX 32
bool weir_append_argument(const char **list, const char *verb, const char *option, const char *item);

/* JSON Schema of a configuration file. */
void weir_write_schema(const struct weir_vocabulary *, FILE *);

/* One file a verb. */
int weir_verb_check(int argc, char **argv);
int weir_verb_plan(int argc, char **argv);
int weir_verb_run(int argc, char **argv);
extern const struct weir_option weir_check_options[], weir_run_options[], weir_plan_options[];

#endif
