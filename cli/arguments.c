/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define FIRST_OPTION 256 /* above every short option */

static void write_help(const char *usage, const struct weir_option *options, const char *notes)
{
    int width = 0;
    fputs(usage, stdout);
    for (const struct weir_option *o = options; o->name != NULL; o++) {
        int length = (int)(strlen(o->name) + (o->value != NULL ? strlen(o->value) + 1 : 0));
        width = length > width ? length : width;
    }
    for (const struct weir_option *o = options; o->name != NULL; o++) {
        int written =
            printf("  --%s%s%s", o->name, o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
        printf("%*s%s\n", width + 7 - written, "", o->help);
    }
    printf("  --help\n%s", notes);
}

int weir_wrong_usage(const char *verb, const char *why)
{
    if (why != NULL)
        fprintf(stderr, "weir %s: %s\n", verb, why);
    fprintf(stderr, "`weir %s --help` shows the options\n", verb);
    return WEIR_EXIT_USAGE;
}

/* False after a complaint. */
static bool keep(const struct weir_option *o, const char *verb, void *options)
{
    void *member = (char *)options + o->member;
    const char **values = member;
    size_t n = 0;
    if (o->value == NULL) {
        *(bool *)member = true;
        return true;
    }
    while (o->many && values[n] != NULL)
        n++;
    if (n == WEIR_ARGUMENTS_MAX) {
        fprintf(stderr, "weir %s: more than %d of --%s; write them into the file\n", verb, WEIR_ARGUMENTS_MAX,
            o->name);
        return false;
    }
    values[n] = optarg;
    return true;
}

int weir_read_options(int argc, char **argv, const char *usage, const struct weir_option *table,
    const char *notes, void *options)
{
    struct option known[WEIR_OPTIONS_MAX + 2] = {{.name = NULL}};
    int n = 0;
    for (; table[n].name != NULL; n++) {
        assert(n < WEIR_OPTIONS_MAX);
        known[n] = (struct option){
            table[n].name, table[n].value != NULL ? required_argument : no_argument, NULL, FIRST_OPTION + n};
    }
    known[n] = (struct option){"help", no_argument, NULL, 'h'};
    optind = 1;
    for (int c; (c = getopt_long_only(argc, argv, "h", known, NULL)) != -1;) {
        if (c == 'h') {
            write_help(usage, table, notes);
            return 0;
        }
        if (c < FIRST_OPTION || !keep(&table[c - FIRST_OPTION], argv[0], options))
            return weir_wrong_usage(argv[0], NULL);
    }
    return -1;
}
