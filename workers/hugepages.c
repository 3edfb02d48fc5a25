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

size_t weir_hugepages_look(const struct weir_plan *plan, uint32_t node, char *command, size_t size)
{
    char path[PATH_BYTES], number[PATH_BYTES + 64];
    bool here = plan->topology->here;
    int32_t os_node = plan->n_nodes == 1 ? -1 : plan->nodes[node].node;
    size_t need = plan->nodes[node].bytes, have = here ? weir_hugepages_free(os_node) : 0;
    size_t missing = need > have ? (need - have + WEIR_HUGEPAGE_BYTES - 1) / WEIR_HUGEPAGE_BYTES : 0;
    folder(os_node, path);
    snprintf(number, sizeof number, "%s/hugepages-2048kB/nr_hugepages", path);
    unsigned long reserved = here ? read_number(number) : 0; /* used ones too */
    snprintf(command, size, "echo %lu > %s", reserved + missing, number);
    return have;
}
