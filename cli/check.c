/* SPDX-License-Identifier: BSD-3-Clause */
/* weir check FILE…: every mistake of every file, without a machine. */
#include <getopt.h> /* optind */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "workers/runtime.h"

struct options {
    const char *sets[WEIR_ARGUMENTS_MAX + 1];
    bool print, schema;
};

const struct weir_option weir_check_options[] = {
    {"set", "KEY=VALUE", "override a key, as in --set pools.work.workers=4; with one FILE",
        offsetof(struct options, sets), true},
    {"print", NULL, "print the whole configuration and where each value comes from; with one FILE",
        offsetof(struct options, print), false},
    {"schema", NULL, "print the JSON Schema of a configuration file", offsetof(struct options, schema),
        false},
    {.name = NULL},
};
static const char usage[] = "usage: weir check [OPTION]… FILE…     (FILE `-` reads standard input)\n"
                            "       weir check --schema\n";
static const char notes[] =
    "Every mistake goes to standard error as FILE:LINE:COLUMN: what; what is allowed.\n"
    "exit: 0 fine, 64 usage, 71 system, 78 configuration\n";

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
    int code = weir_read_options(argc, argv, usage, weir_check_options, notes, &o);
    if (code >= 0)
        return code;
    int files = argc - optind;
    if (o.schema && (files > 0 || o.print || o.sets[0] != NULL))
        return weir_wrong_usage(argv[0], "--schema stands alone");
    if (!o.schema && files == 0)
        return weir_wrong_usage(argv[0], "which configuration? give a FILE");
    if (files > 1 && (o.print || o.sets[0] != NULL))
        return weir_wrong_usage(argv[0], "--set and --print are for one FILE");
    bool fine = true;
    if (o.schema)
        weir_write_schema(weir_vocabulary(), stdout);
    for (int i = optind; i < argc; i++)
        fine &= check(argv[i], &o);
    return fine ? 0 : WEIR_FAILED_CONFIG;
}
