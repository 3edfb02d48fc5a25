/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/hugepages.h"

#include <dirent.h>
#include <stdio.h>

#define OF_MACHINE "/sys/kernel/mm/hugepages"
#define OF_NODE "/sys/devices/system/node/node%d/hugepages"
#define PATH_BYTES 512

static void folder(int32_t node, char path[PATH_BYTES])
{
    if (node < 0)
        snprintf(path, PATH_BYTES, OF_MACHINE);
    else
        snprintf(path, PATH_BYTES, OF_NODE, node);
}

static unsigned long read_number(const char *path)
{
    unsigned long value = 0;
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        if (fscanf(f, "%lu", &value) != 1)
            value = 0;
        fclose(f);
    }
    return value;
}

size_t weir_hugepages_free(int32_t node)
{
    char path[PATH_BYTES], number[PATH_BYTES + 300];
    size_t bytes = 0;
    folder(node, path);
    DIR *d = opendir(path);
    if (d == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        unsigned long kib;
        if (sscanf(entry->d_name, "hugepages-%lukB", &kib) != 1)
            continue;
        snprintf(number, sizeof number, "%s/%s/free_hugepages", path, entry->d_name);
        bytes += read_number(number) * kib * 1024;
    }
    closedir(d);
    return bytes;
}

unsigned long weir_hugepages_reserved(int32_t node)
{
    char path[PATH_BYTES], number[PATH_BYTES + 64];
    folder(node, path);
    snprintf(number, sizeof number, "%s/hugepages-2048kB/nr_hugepages", path);
    return read_number(number);
}

void weir_hugepages_command(
    int32_t node, size_t need, size_t have, unsigned long reserved, char *text, size_t size)
{
    char path[PATH_BYTES];
    size_t missing = need > have ? (need - have + WEIR_HUGEPAGE_BYTES - 1) / WEIR_HUGEPAGE_BYTES : 0;
    folder(node, path);
    snprintf(text, size, "echo %lu > %s/hugepages-2048kB/nr_hugepages", reserved + missing, path);
}
