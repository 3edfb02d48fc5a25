/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include "config/config.h"

/* Exit codes, beside those of workers/runtime.h. */
#define WEIR_EXIT_USAGE 64

/* The stages and port kinds of this version, and the names of those that come later. Built once, never freed. */
const struct weir_vocabulary *weir_vocabulary(void);

/* Options that may be given several times: --set, --eal. The list has room for one more, its end. False after a
 * complaint. */
#define WEIR_ARGUMENTS_MAX 32
bool weir_append_argument(const char **list, const char *verb, const char *option, const char *item);

/* JSON Schema of a configuration file. */
void weir_write_schema(const struct weir_vocabulary *, FILE *);

/* One file a verb; argv[0] is the verb. */
int weir_verb_check(int argc, char **argv);
int weir_verb_plan(int argc, char **argv);
int weir_verb_run(int argc, char **argv);

#endif
