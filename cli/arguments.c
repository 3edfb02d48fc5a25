/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "cli/cli.h"

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
