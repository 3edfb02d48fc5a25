/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/topology.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

#include "config/key_table.h"

#define SYSFS_CPUS "/sys/devices/system/cpu"

/* ---- CPU lists: 0-3,8,!2 ---- */

/* The items of `list` applied to `set` in order; a list that begins with an exclusion starts from everything. */
static bool parse_list(const char *list, hwloc_const_cpuset_t all, hwloc_cpuset_t set)
{
    struct weir_cpus cpus;
    hwloc_bitmap_zero(set);
    if (list[0] == '!')
        hwloc_bitmap_copy(set, all);
    if (list[0] == '\0')
        return true;
    do {
        list = weir_cpus_next(list, &cpus);
        if (list == NULL)
            return false;
        if (cpus.excluded)
            hwloc_bitmap_clr_range(set, cpus.first, (int)cpus.last);
        else
            hwloc_bitmap_set_range(set, cpus.first, (int)cpus.last);
    } while (*list++ == ',');
    return true;
}

/* ---- loading ---- */

static bool load_machine(hwloc_topology_t machine, const char *file, char *error, size_t size)
{
    hwloc_topology_set_io_types_filter(machine, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    hwloc_topology_set_type_filter(machine, HWLOC_OBJ_MISC, HWLOC_TYPE_FILTER_KEEP_ALL); /* our marks */
    if (file != NULL && hwloc_topology_set_xml(machine, file) != 0) {
        snprintf(
            error, size, "%s: hwloc cannot read it: %s; `lstopo FILE.xml` writes one", file, strerror(errno));
        return false;
    }
    if (hwloc_topology_load(machine) == 0)
        return true;
    snprintf(error, size, "%s%shwloc cannot read %s: %s", file != NULL ? file : "", file != NULL ? ": " : "",
        file != NULL ? "it as a topology" : "this machine", strerror(errno));
    return false;
}

/* CPUs that one of the kernel's lists of this name has. */
static void add_kernel_list(const char *sysfs, const char *name, hwloc_const_cpuset_t all, hwloc_cpuset_t to)
{
    char path[512], line[4096] = "";
    snprintf(path, sizeof path, "%s/%s", sysfs, name);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (parse_list(line, all, set)) /* an empty list may read `(null)` */
            hwloc_bitmap_or(to, to, set);
    }
    hwloc_bitmap_free(set);
    fclose(f);
}

/* hwloc looks past taskset unless asked, and EAL would escape it. */
static void respect_affinity(hwloc_topology_t machine, hwloc_const_cpuset_t isolated, hwloc_cpuset_t usable)
{
    hwloc_cpuset_t bound = hwloc_bitmap_alloc(), born_with = hwloc_bitmap_alloc();
    hwloc_bitmap_andnot(born_with, usable, isolated);
    if (hwloc_get_cpubind(machine, bound, HWLOC_CPUBIND_PROCESS) == 0 && !hwloc_bitmap_iszero(bound) &&
        !(hwloc_bitmap_isequal(bound, born_with) && !hwloc_bitmap_iszero(isolated)))
        hwloc_bitmap_and(usable, usable, bound);
    hwloc_bitmap_free(bound);
    hwloc_bitmap_free(born_with);
}

static bool choose(const char *list, hwloc_const_cpuset_t all, hwloc_const_cpuset_t usable,
    hwloc_cpuset_t wanted, char *error, size_t size)
{
    if (strcmp(list, "auto") == 0) {
        hwloc_bitmap_copy(wanted, usable);
    } else if (!parse_list(list, all, wanted)) {
        snprintf(
            error, size, "`%s` is no CPU list; write `auto`, or numbers and ranges as in 0-3,8,!2", list);
        return false;
    }
    /* What is excluded from everything is excluded from what may be used. */
    if (list[0] == '!')
        hwloc_bitmap_and(wanted, wanted, usable);
    if (!hwloc_bitmap_isincluded(wanted, usable)) {
        char *may = NULL;
        hwloc_bitmap_list_asprintf(&may, usable);
        snprintf(error, size, "cpus: `%s` names a CPU that weir may not use; it may use %s", list, may);
        free(may);
        return false;
    }
    if (hwloc_bitmap_iszero(wanted))
        snprintf(error, size, "cpus: `%s` leaves no CPU to run on", list);
    return !hwloc_bitmap_iszero(wanted);
}

/* ---- what is known of a CPU ---- */

/* Fast cores before slow ones, where the machine says so. */
static uint32_t kind_of(hwloc_topology_t machine, hwloc_const_cpuset_t pu)
{
    int efficiency = -1;
    int kind = hwloc_cpukinds_get_by_cpuset(machine, pu, 0);
    if (kind < 0 || hwloc_cpukinds_get_info(machine, (unsigned)kind, NULL, &efficiency, NULL, NULL, 0) != 0)
        return 0;
    return efficiency < 0 ? 0 : (uint32_t)efficiency;
}

static uint32_t index_of(hwloc_topology_t machine, hwloc_obj_type_t type, hwloc_obj_t pu, uint32_t otherwise)
{
    hwloc_obj_t above = hwloc_get_ancestor_obj_by_type(machine, type, pu);
    return above != NULL ? above->logical_index : otherwise;
}

/* L3, or L2 where that is the last and shared: what two cores can meet in. */
static uint32_t cache_of(hwloc_obj_t pu)
{
    hwloc_obj_t last = NULL;
    for (hwloc_obj_t at = pu->parent; at != NULL; at = at->parent)
        if (hwloc_obj_type_is_dcache(at->type))
            last = at;
    /* An L2 that is the last above some cores does not share its index with an L3 above others: each L3 has L2s of
     * its own, and those count. */
    return last != NULL && last->type >= HWLOC_OBJ_L2CACHE ? last->logical_index : UINT32_MAX;
}

static struct weir_cpu describe(hwloc_topology_t machine, hwloc_obj_t pu, hwloc_const_cpuset_t isolated)
{
    int node = pu->nodeset != NULL ? hwloc_bitmap_first(pu->nodeset) : 0;
    return (struct weir_cpu){.cpu = pu->os_index,
        .core = index_of(machine, HWLOC_OBJ_CORE, pu, pu->logical_index),
        .cache = cache_of(pu),
        .package = index_of(machine, HWLOC_OBJ_PACKAGE, pu, 0),
        .node = node,
        .kind = kind_of(machine, pu->cpuset),
        .isolated = hwloc_bitmap_isset(isolated, pu->os_index)};
}

/* In the machine's order. Of a core's CPUs all but the first are siblings; `auto` has none of them. */
static void list_cpus(struct weir_topology *t, hwloc_topology_t machine, hwloc_const_cpuset_t wanted,
    hwloc_const_cpuset_t usable, hwloc_const_cpuset_t isolated, bool automatic)
{
    uint32_t last_core = UINT32_MAX, last_package = UINT32_MAX;
    uint64_t nodes = 0;
    for (hwloc_obj_t pu = NULL; (pu = hwloc_get_next_obj_by_type(machine, HWLOC_OBJ_PU, pu)) != NULL;) {
        if (!hwloc_bitmap_isset(wanted, pu->os_index))
            continue;
        struct weir_cpu c = describe(machine, pu, isolated);
        c.sibling = c.core == last_core;
        last_core = c.core;
        t->n_siblings += c.sibling && automatic;
        if (c.sibling && automatic)
            continue;
        t->n_cores += !c.sibling;
        t->n_packages += c.package != last_package;
        last_package = c.package;
        if (c.node >= 0)
            nodes |= UINT64_C(1) << (c.node & 63);
        t->cpus[t->n_cpus++] = c;
    }
    t->n_nodes = (uint32_t)__builtin_popcountll(nodes);
    for (hwloc_obj_t pu = NULL; (pu = hwloc_get_next_obj_by_type(machine, HWLOC_OBJ_PU, pu)) != NULL;)
        if (hwloc_bitmap_isset(usable, pu->os_index) && !hwloc_bitmap_isset(wanted, pu->os_index))
            t->cpus[t->n_cpus + t->n_spare++] = describe(machine, pu, isolated);
}

/* ---- devices ---- */

static hwloc_obj_t find_device(hwloc_topology_t machine, const char *name)
{
    if (strchr(name, ':') != NULL)
        return hwloc_get_pcidev_by_busidstring(machine, name);
    hwloc_obj_t o = NULL;
    while ((o = hwloc_get_next_osdev(machine, o)) != NULL && (o->name == NULL || strcmp(o->name, name) != 0))
        ;
    return o;
}

static void place_device(struct weir_topology *t, hwloc_topology_t machine, uint32_t i)
{
    struct weir_device *d = &t->devices[i];
    uint64_t bit = UINT64_C(1) << i;
    hwloc_obj_t o = d->name != NULL ? find_device(machine, d->name) : NULL;
    hwloc_obj_t at = o != NULL ? hwloc_get_non_io_ancestor_obj(machine, o) : NULL;
    hwloc_obj_t pci = o;
    while (pci != NULL && pci->type != HWLOC_OBJ_PCI_DEVICE)
        pci = pci->parent;
    d->found = o != NULL;
    d->node = -1;
    if (pci != NULL)
        snprintf(d->address, sizeof d->address, "%04x:%02x:%02x.%x", pci->attr->pcidev.domain & 0xffff,
            pci->attr->pcidev.bus, pci->attr->pcidev.dev, pci->attr->pcidev.func & 7);
    d->placed = at != NULL && at->parent != NULL;
    if (!d->placed)
        return;
    hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(machine, HWLOC_OBJ_PACKAGE, at);
    d->node = at->nodeset != NULL ? hwloc_bitmap_first(at->nodeset) : -1;
    for (uint32_t c = 0; c < t->n_cpus; c++) {
        unsigned cpu = t->cpus[c].cpu;
        t->cpus[c].near |= hwloc_bitmap_isset(at->cpuset, cpu) ? bit : 0;
        t->cpus[c].package_near |=
            hwloc_bitmap_isset(package != NULL ? package->cpuset : at->cpuset, cpu) ? bit : 0;
    }
}

/* ---- */

static struct weir_topology *examine(
    hwloc_topology_t machine, const struct weir_topology_question *q, char *error, size_t size)
{
    struct weir_topology *t = NULL;
    hwloc_const_cpuset_t all = hwloc_topology_get_topology_cpuset(machine);
    hwloc_cpuset_t usable = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(machine));
    hwloc_cpuset_t wanted = hwloc_bitmap_alloc(), isolated = hwloc_bitmap_alloc();
    hwloc_cpuset_t refused = hwloc_bitmap_alloc();
    hwloc_bitmap_and(usable, usable, all);
    if (q->file == NULL || q->sysfs != NULL) {
        add_kernel_list(q->sysfs != NULL ? q->sysfs : SYSFS_CPUS, "isolated", all, isolated);
        hwloc_cpuset_t unbound = hwloc_bitmap_dup(isolated); /* nohz_full does not narrow the affinity */
        add_kernel_list(q->sysfs != NULL ? q->sysfs : SYSFS_CPUS, "nohz_full", all, isolated);
        if (q->file == NULL)
            respect_affinity(machine, unbound, usable);
        hwloc_bitmap_free(unbound);
    }
    if (choose(q->cpus, all, usable, wanted, error, size)) {
        t = calloc(1, sizeof *t + (size_t)hwloc_bitmap_weight(usable) * sizeof t->cpus[0]);
        if (t == NULL)
            snprintf(error, size, "no memory to look at the machine");
    }
    if (t != NULL) {
        t->machine = (struct weir_topology_machine *)machine;
        t->here = q->file == NULL;
        list_cpus(t, machine, wanted, usable, isolated, strcmp(q->cpus, "auto") == 0);
        hwloc_bitmap_andnot(refused, hwloc_topology_get_complete_cpuset(machine), usable);
        hwloc_bitmap_list_asprintf(&t->refused, refused);
        for (; t->n_devices < q->n_devices && t->n_devices < WEIR_DEVICES_MAX; t->n_devices++) {
            t->devices[t->n_devices].name = q->devices[t->n_devices];
            place_device(t, machine, t->n_devices);
        }
    }
    hwloc_bitmap_free(usable);
    hwloc_bitmap_free(wanted);
    hwloc_bitmap_free(isolated);
    hwloc_bitmap_free(refused);
    return t;
}

struct weir_topology *weir_topology_load(const struct weir_topology_question *q, char *error, size_t size)
{
    hwloc_topology_t machine;
    if (hwloc_topology_init(&machine) != 0) {
        snprintf(error, size, "no memory to look at the machine");
        return NULL;
    }
    struct weir_topology *t =
        load_machine(machine, q->file, error, size) ? examine(machine, q, error, size) : NULL;
    if (t == NULL)
        hwloc_topology_destroy(machine);
    return t;
}

void weir_topology_free(struct weir_topology *t)
{
    if (t == NULL)
        return;
    hwloc_topology_destroy((hwloc_topology_t)t->machine);
    free(t->refused);
    free(t);
}

bool weir_topology_export(
    struct weir_topology *t, const struct weir_topology_mark *marks, uint32_t n, const char *file)
{
    hwloc_topology_t machine = (hwloc_topology_t)t->machine;
    for (uint32_t i = 0; i < n; i++) {
        hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(machine, marks[i].cpu);
        hwloc_obj_t mark = pu != NULL ? hwloc_topology_insert_misc_object(machine, pu, marks[i].text) : NULL;
        char style[32];
        snprintf(style, sizeof style, "Background=%s", marks[i].color);
        if (mark == NULL || hwloc_obj_add_info(mark, "lstopoStyle", style) != 0)
            return false;
    }
    return hwloc_topology_export_xml(machine, file, 0) == 0;
}
