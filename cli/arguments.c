/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define FIRST_OPTION 256 /* above every short option */

int weir_next_option(int argc, char **argv, const struct weir_option *options)
{
    struct option known[WEIR_OPTIONS_MAX + 2] = {{.name = NULL}};
    int n = 0;
    for (; options[n].name != NULL; n++) {
        assert(n < WEIR_OPTIONS_MAX);
        known[n] = (struct option){options[n].name,
            options[n].value != NULL ? required_argument : no_argument, NULL, FIRST_OPTION + n};
    }
    known[n] = (struct option){"help", no_argument, NULL, 'h'};
    int c = getopt_long(argc, argv, "h", known, NULL);
    return c >= FIRST_OPTION ? c - FIRST_OPTION
           : c == -1         ? WEIR_OPTION_END
           : c == 'h'        ? WEIR_OPTION_HELP
                             : WEIR_OPTION_WRONG;
}

void weir_write_help(const char *usage, const struct weir_option *options, const char *notes)
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

bool weir_append_argument(const char **list, const char *verb, const char *option, const char *item)
{
    size_t n = 0;
    while (list[n] != NULL)
        n++;
    if (n == WEIR_ARGUMENTS_MAX) {
        fprintf(
            stderr, "%s: more than %d of %s; write them into the file\n", verb, WEIR_ARGUMENTS_MAX, option);
        return false;
    }
    list[n] = item;
    return true;
}
