/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/topology.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

/* ---- CPU lists: 0-3,8,!2 ---- */

/* The items of `list` applied to `set` in order; a list that begins with an exclusion starts from everything. */
static bool parse_list(const char *list, hwloc_const_cpuset_t all, hwloc_cpuset_t set)
{
    hwloc_bitmap_zero(set);
    if (list[0] == '!')
        hwloc_bitmap_copy(set, all);
    for (const char *at = list; *at != '\0';) {
        bool exclude = *at == '!';
        char *end;
        unsigned long first = strtoul(at + exclude, &end, 10);
        if (end == at + exclude || first > 65535)
            return false;
        unsigned long last = first;
        if (*end == '-') {
            at = end + 1;
            last = strtoul(at, &end, 10);
            if (end == at || last > 65535 || last < first)
                return false;
        }
        if (exclude)
            hwloc_bitmap_clr_range(set, (unsigned)first, (int)last);
        else
            hwloc_bitmap_set_range(set, (unsigned)first, (int)last);
        if (*end == ',')
            end++;
        else if (*end != '\0')
            return false;
        at = end;
    }
    return true;
}

/* ---- loading ---- */

static int compare(const void *left, const void *right)
{
    const struct weir_cpu *a = left, *b = right;
    return a->core != b->core ? (a->core > b->core) - (a->core < b->core)
                              : (a->cpu > b->cpu) - (a->cpu < b->cpu);
}

/* From a list sorted by core: the first of every core, then the siblings. */
static void siblings_last(struct weir_topology *t, const struct weir_cpu *sorted)
{
    uint32_t n = 0;
    for (int siblings = 0; siblings <= 1; siblings++) {
        for (uint32_t i = 0; i < t->n_cpus; i++)
            if ((i > 0 && sorted[i].core == sorted[i - 1].core) == (siblings != 0))
                t->cpus[n++] = sorted[i];
        if (!siblings)
            t->n_cores = n;
    }
}

struct weir_topology *weir_topology_load(const char *allowed, char *error, size_t size)
{
    struct weir_topology *t = NULL;
    struct weir_cpu *sorted = NULL;
    hwloc_topology_t machine;
    hwloc_cpuset_t wanted = hwloc_bitmap_alloc();
    if (wanted == NULL || hwloc_topology_init(&machine) != 0) {
        snprintf(error, size, "no memory to look at the machine");
        hwloc_bitmap_free(wanted);
        return NULL;
    }
    /* Without this flag hwloc ignores taskset, and EAL would escape it. */
    const unsigned long here_and_bound =
        HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM | HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING;
    if (hwloc_topology_set_flags(machine, here_and_bound) != 0 || hwloc_topology_load(machine) != 0) {
        snprintf(error, size, "hwloc cannot read this machine: %s", strerror(errno));
        goto done;
    }
    hwloc_const_cpuset_t here = hwloc_topology_get_allowed_cpuset(machine);
    hwloc_const_cpuset_t all = hwloc_topology_get_topology_cpuset(machine);
    if (strcmp(allowed, "auto") == 0) {
        hwloc_bitmap_and(wanted, all, here);
    } else if (!parse_list(allowed, all, wanted)) {
        snprintf(
            error, size, "`%s` is no CPU list; write `auto`, or numbers and ranges as in 0-3,8,!2", allowed);
        goto done;
    } else if (!hwloc_bitmap_isincluded(wanted, all) || !hwloc_bitmap_isincluded(wanted, here)) {
        char *list;
        hwloc_bitmap_list_asprintf(&list, here);
        snprintf(error, size, "cpus: `%s` names a CPU that this process may not use; it may use %s", allowed,
            list);
        free(list);
        goto done;
    }
    int n = hwloc_bitmap_weight(wanted);
    if (n <= 0) {
        snprintf(error, size, "cpus: `%s` leaves no CPU to run on", allowed);
        goto done;
    }
    t = calloc(1, sizeof *t + (size_t)n * sizeof t->cpus[0]);
    sorted = calloc((size_t)n, sizeof *sorted);
    if (t == NULL || sorted == NULL) {
        snprintf(error, size, "no memory to look at the machine");
        free(t);
        t = NULL;
        goto done;
    }
    for (hwloc_obj_t pu = NULL; (pu = hwloc_get_next_obj_by_type(machine, HWLOC_OBJ_PU, pu)) != NULL;) {
        if (!hwloc_bitmap_isset(wanted, pu->os_index))
            continue;
        hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(machine, HWLOC_OBJ_CORE, pu);
        int node = pu->nodeset != NULL ? hwloc_bitmap_first(pu->nodeset) : 0;
        sorted[t->n_cpus++] = (struct weir_cpu){.cpu = pu->os_index,
            .core = core != NULL ? core->logical_index : pu->logical_index,
            .node = node < 0 ? 0 : (uint32_t)node};
    }
    qsort(sorted, t->n_cpus, sizeof *sorted, compare);
    siblings_last(t, sorted);

done:
    hwloc_topology_destroy(machine);
    hwloc_bitmap_free(wanted);
    free(sorted);
    return t;
}
