/* SPDX-License-Identifier: BSD-3-Clause */
/* weir check FILE…: every mistake of every file, without a machine. */
#include <getopt.h> /* optarg, optind */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "workers/runtime.h"

enum { SET, PRINT, SCHEMA };
const struct weir_option weir_check_options[] = {
    [SET] = {"set", "KEY=VALUE", "override a key, as in --set pools.work.workers=4; with one FILE"},
    [PRINT] = {"print", NULL, "print the whole configuration and where each value comes from; with one FILE"},
    [SCHEMA] = {"schema", NULL, "print the JSON Schema of a configuration file"},
    {.name = NULL},
};
static const char usage[] = "usage: weir check [OPTION]… FILE…     (FILE `-` reads standard input)\n"
                            "       weir check --schema\n";
static const char notes[] =
    "Every mistake goes to standard error as FILE:LINE:COLUMN: what; what is allowed.\n"
    "exit: 0 fine, 64 usage, 71 system, 78 configuration\n";

struct options {
    const char *sets[WEIR_ARGUMENTS_MAX + 1];
    bool print, schema;
};

/* Exit code, or -1 to go on. */
static int parse_options(int argc, char **argv, struct options *o)
{
    bool fine = true;
    optind = 1;
    for (int c; fine && (c = weir_next_option(argc, argv, weir_check_options)) != WEIR_OPTION_END;) {
        switch (c) {
        case SET:
            fine = weir_append_argument(o->sets, "weir check", "--set", optarg);
            break;
        case PRINT:
            o->print = true;
            break;
        case SCHEMA:
            o->schema = true;
            break;
        case WEIR_OPTION_HELP:
            weir_write_help(usage, weir_check_options, notes);
            return 0;
        default:
            fine = false;
        }
    }
    int files = argc - optind;
    const char *wrong = NULL;
    if (o->schema && (files > 0 || o->print || o->sets[0] != NULL))
        wrong = "--schema stands alone";
    else if (!o->schema && files == 0)
        wrong = "which configuration? give a FILE";
    else if (files > 1 && (o->print || o->sets[0] != NULL))
        wrong = "--set and --print are for one FILE";
    if (fine && wrong != NULL)
        fprintf(stderr, "weir check: %s\n", wrong);
    if (!fine || wrong != NULL) {
        fputs("`weir check --help` shows the options\n", stderr);
        return WEIR_EXIT_USAGE;
    }
    return -1;
}

static bool check(const char *file, const struct options *o)
{
    struct weir_config *config = weir_config_load(file, o->sets, weir_vocabulary(), stderr);
    if (config == NULL)
        return false;
    if (o->print)
        weir_config_print(config, stdout);
    else
        printf("%s: fine: %u port%s, %u pool%s\n", strcmp(file, "-") == 0 ? "<stdin>" : file, config->n_ports,
            config->n_ports == 1 ? "" : "s", config->n_pools, config->n_pools == 1 ? "" : "s");
    weir_config_free(config);
    return true;
}

int weir_verb_check(int argc, char **argv)
{
    struct options o = {.print = false};
    int code = parse_options(argc, argv, &o);
    if (code >= 0)
        return code;
    bool fine = true;
    if (o.schema)
        weir_write_schema(weir_vocabulary(), stdout);
    for (int i = optind; i < argc; i++)
        fine &= check(argv[i], &o);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "weir check: standard output cannot be written\n");
        return WEIR_FAILED_OS;
    }
    return fine ? 0 : WEIR_FAILED_CONFIG;
}
