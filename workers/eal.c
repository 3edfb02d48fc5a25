/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/eal.h"

#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_cpuflags.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_memory.h>
#include <rte_pdump.h>

#include "workers/hugepages.h"
#include "workers/log.h"

#define ARGUMENTS_MAX 256 /* two a PCI port, and what --eal gives */

/* ---- memory ---- */

/* What this process may still take: of the machine, and of its control group. */
static size_t memory_available(void)
{
    size_t bytes = SIZE_MAX;
    char line[256];
    unsigned long kib;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "MemAvailable: %lu kB", &kib) == 1)
            bytes = (size_t)kib * 1024;
    if (f != NULL)
        fclose(f);
    unsigned long group = 0;
    f = fopen("/sys/fs/cgroup/memory.max", "re");
    if (f != NULL) {
        if (fscanf(f, "%lu", &group) == 1 && group < bytes) /* or `max` */
            bytes = group;
        fclose(f);
    }
    return bytes;
}

/* Each node needs its own: a page on another node is one that every access pays for. */
static bool hugepages_suffice(const struct weir_plan *plan, bool say)
{
    bool fine = true;
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        char command[512], where[32] = "";
        size_t need = plan->nodes[i].bytes, have = weir_hugepages_look(plan, i, command, sizeof command);
        if (have >= need)
            continue;
        fine = false;
        if (!say)
            continue;
        if (plan->n_nodes > 1)
            snprintf(where, sizeof where, " on node %d", plan->nodes[i].node);
        weir_log(WEIR_LOG_ERROR,
            "memory: %zu MiB of hugepages are needed%s, %zu MiB are free; reserve them with `%s`, or write "
            "`memory: auto`",
            need >> 20, where, have >> 20, command);
    }
    return fine;
}

static enum weir_failure choose_memory(const struct weir_plan *plan, enum weir_memory wanted, bool *huge)
{
    size_t need = plan->memory_bytes, have = weir_hugepages_free(-1);
    bool must = wanted == WEIR_MEMORY_HUGEPAGES || wanted == WEIR_MEMORY_SHARED;
    *huge = wanted != WEIR_MEMORY_NORMAL && hugepages_suffice(plan, must);
    if (must && !*huge)
        return WEIR_FAILED_OS;
    if (!*huge && need > memory_available()) {
        weir_log(WEIR_LOG_ERROR,
            "memory: the plan needs %zu MiB, %zu MiB are available; lower depth, workers, max-flows or flows",
            need >> 20, memory_available() >> 20);
        return WEIR_FAILED_OS;
    }
    if (wanted == WEIR_MEMORY_AUTO && !*huge)
        weir_log(WEIR_LOG_NOTICE, "memory: normal pages, %zu MiB (hugepages free: %zu MiB, which is too few)",
            need >> 20, have >> 20);
    else
        weir_log(wanted == WEIR_MEMORY_AUTO ? WEIR_LOG_NOTICE : WEIR_LOG_INFO, "memory: %s, %zu MiB",
            *huge ? "hugepages" : "normal pages", need >> 20);
    return WEIR_FINE;
}

/* ---- memory that others attach to ---- */

/* Files of hugepages, found where they are mapped, and what DPDK keeps beside them. Nobody attaches any more; the pages are
 * free when we have ended. After a kill the next weir of that name removes them. */
static void remove_shared(void)
{
    static const char *const kept[] = {"config", "hugepage_info", "fbarray_*", "mp_socket*"};
    char line[PATH_MAX + 128], path[PATH_MAX], pattern[NAME_MAX + 8];
    FILE *maps = fopen("/proc/self/maps", "re");
    snprintf(pattern, sizeof pattern, "/%smap_", basename(rte_eal_get_runtime_dir()));
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%*s %*s %*s %*s %*s %4095s", path) == 1 && strstr(path, pattern) != NULL)
            unlink(path);
    if (maps != NULL)
        fclose(maps);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        glob_t found;
        snprintf(path, sizeof path, "%s/%s", rte_eal_get_runtime_dir(), kept[i]);
        if (glob(path, 0, NULL, &found) != 0)
            continue;
        for (size_t k = 0; k < found.gl_pathc; k++)
            unlink(found.gl_pathv[k]);
        globfree(&found);
    }
}

static void share(void)
{
    if (rte_pdump_init() != 0)
        weir_log(WEIR_LOG_WARNING, "memory: shared: dpdk-dumpcap will not work: %s", rte_strerror(rte_errno));
    atexit(remove_shared);
}

/* ---- arguments ---- */

/* `0@(0,1),1@2,2@3`: EAL's own form of the plan. */
static char *lcores(const struct weir_plan *plan)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    fputs("0@(", f);
    for (uint32_t i = 0; i < plan->n_control_cpus; i++)
        fprintf(f, "%s%u", i == 0 ? "" : ",", plan->control_cpus[i]);
    fputs(")", f);
    for (uint32_t i = 0; i < plan->n_workers; i++)
        fprintf(f, ",%u@%u", plan->workers[i].lcore, plan->workers[i].cpu);
    fclose(f);
    return text;
}

/* Normal pages come when they are touched first, which takes a packet some 20 us; a kernel before 5.14 leaves it so. */
static int populate(const struct rte_memseg_list *list, void *)
{
    madvise(list->base_va, list->len, MADV_POPULATE_WRITE);
    return 0;
}

/* Under net_af_xdp, and as talkative as it is of no use: what failed is said by the driver's error. */
static void silence_libraries(void)
{
    static const char *const libraries[][2] = {
        {"libbpf.so.1", "libbpf_set_print"}, {"libxdp.so.1", "libxdp_set_print"}};
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        void *(*set_print)(void *) = NULL;
        void *library = dlopen(libraries[i][0], RTLD_LAZY | RTLD_NOLOAD);
        if (library != NULL)
            *(void **)&set_print = dlsym(library, libraries[i][1]);
        if (set_print != NULL)
            set_print(NULL);
    }
}

enum weir_failure weir_eal_start(
    const struct weir_plan *plan, const struct weir_config *config, const char *const *extra)
{
    bool huge;
    enum weir_failure failed = choose_memory(plan, config->memory, &huge);
    if (failed != WEIR_FINE)
        return failed;
    char megabytes[32];
    snprintf(megabytes, sizeof megabytes, "%zu", plan->memory_bytes >> 20);
    char *cores = lcores(plan);
    if (cores == NULL) {
        weir_log(WEIR_LOG_ERROR, "no memory to start DPDK");
        return WEIR_FAILED_OS;
    }
    const struct weir_value *control = &config->values[WEIR_TOP_CONTROL];
    bool mute = control->set && strcmp(control->text, "off") == 0;
    bool shared = config->memory == WEIR_MEMORY_SHARED;
    char prefix[NAME_MAX];
    snprintf(
        prefix, sizeof prefix, "--file-prefix=%s", shared && config->name != NULL ? config->name : "weir");
    const char *arguments[ARGUMENTS_MAX] = {"weir", mute ? "--no-telemetry" : "--telemetry", "--iova-mode=va",
        prefix, config->log == WEIR_LOG_DEBUG ? "--log-level=*:info" : "--log-level=*:error", "--lcores",
        cores};
    int n = 7;
    /* Of the PCI bus the devices that are named, and no other: it may be somebody's who knows nothing of us. */
    for (uint32_t i = 0; i < config->n_ports && n < ARGUMENTS_MAX - 8; i++) {
        if (strcmp(config->ports[i].kind->name, "pci") == 0) {
            arguments[n++] = "-a";
            arguments[n++] = config->ports[i].text;
        }
    }
    if (n == 7)
        arguments[n++] = "--no-pci";
    const char *const normal[] = {"--no-huge", "--no-shconf", "-m", megabytes, NULL};
    const char *const hugepages[] = {"--in-memory", NULL}; /* leaves no file behind, whatever kills us */
    const char *const none[] = {NULL};
    for (const char *const *a = shared ? none : huge ? hugepages : normal; *a != NULL; a++)
        arguments[n++] = *a;
    for (const char *const *a = extra; a != NULL && *a != NULL && n < ARGUMENTS_MAX - 1; a++)
        arguments[n++] = *a;

    int result = rte_eal_init(n, (char **)arguments);
    int error = rte_errno;
    free(cores);
    if (result < 0) {
        weir_log(WEIR_LOG_ERROR, "DPDK does not start: %s; %s`log: debug` shows more", rte_strerror(error),
            shared ? "`memory: shared` needs a mount of hugetlbfs (mount -t hugetlbfs none /dev/hugepages), "
                     "and a `name` that no other weir has; "
                   : "");
        return !shared && (error == EPERM || error == EACCES) ? WEIR_FAILED_PERMISSION : WEIR_FAILED_OS;
    }
    if (config->log != WEIR_LOG_DEBUG)
        silence_libraries();
    if (shared)
        share();
    if (!huge)
        rte_memseg_list_walk(populate, NULL);
    return WEIR_FINE;
}
