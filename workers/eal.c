/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/eal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cpuflags.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "workers/log.h"

#define ARGUMENTS_MAX 64
#define SYSFS_HUGEPAGES "/sys/kernel/mm/hugepages"

/* ---- hugepages ---- */

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

/* Free bytes over all page sizes of the machine. */
static size_t hugepages_free(void)
{
    size_t bytes = 0;
    DIR *d = opendir(SYSFS_HUGEPAGES);
    if (d == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        unsigned long kib;
        char path[512];
        if (sscanf(entry->d_name, "hugepages-%lukB", &kib) != 1)
            continue;
        snprintf(path, sizeof path, SYSFS_HUGEPAGES "/%s/free_hugepages", entry->d_name);
        bytes += read_number(path) * kib * 1024;
    }
    closedir(d);
    return bytes;
}

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
    size_t group = read_number("/sys/fs/cgroup/memory.max"); /* `max` reads as 0 */
    return group != 0 && group < bytes ? group : bytes;
}

static enum weir_failure choose_memory(const struct weir_plan *plan, enum weir_memory wanted, bool *huge)
{
    size_t need = plan->memory_bytes, have = hugepages_free();
    *huge = wanted != WEIR_MEMORY_NORMAL && have >= need;
    if (wanted == WEIR_MEMORY_HUGEPAGES && !*huge) {
        size_t pages = (need - have + ((size_t)2 << 20) - 1) >> 21;
        unsigned long already = read_number(SYSFS_HUGEPAGES "/hugepages-2048kB/nr_hugepages");
        weir_log(WEIR_LOG_ERROR,
            "memory: hugepages: %zu MiB are needed, %zu MiB are free; reserve them with `echo %zu "
            "> " SYSFS_HUGEPAGES "/hugepages-2048kB/nr_hugepages`, or write `memory: auto`",
            need >> 20, have >> 20, already + pages);
        return WEIR_FAILED_OS;
    }
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

/* ---- arguments ---- */

static bool started;

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
    const char *arguments[ARGUMENTS_MAX] = {"weir", "--no-pci", "--no-telemetry", "--iova-mode=va",
        "--file-prefix=weir", config->log == WEIR_LOG_DEBUG ? "--log-level=*:info" : "--log-level=*:error",
        "--lcores", cores};
    int n = 8;
    const char *const normal[] = {"--no-huge", "--no-shconf", "-m", megabytes, NULL};
    const char *const hugepages[] = {"--in-memory", NULL}; /* leaves no file behind, whatever kills us */
    for (const char *const *a = huge ? hugepages : normal; *a != NULL; a++)
        arguments[n++] = *a;
    for (const char *const *a = extra; a != NULL && *a != NULL && n < ARGUMENTS_MAX - 1; a++)
        arguments[n++] = *a;

    int result = rte_eal_init(n, (char **)arguments);
    int error = rte_errno;
    free(cores);
    if (result < 0) {
        weir_log(WEIR_LOG_ERROR, "DPDK does not start: %s; `log: debug` shows more", rte_strerror(error));
        return error == EPERM || error == EACCES ? WEIR_FAILED_PERMISSION : WEIR_FAILED_OS;
    }
    started = true;
    return WEIR_FINE;
}

void weir_eal_stop(void)
{
    if (!started)
        return;
    started = false;
    char directory[512];
    snprintf(directory, sizeof directory, "%s", rte_eal_get_runtime_dir());
    rte_eal_cleanup();
    rmdir(directory); /* succeeds only if it is empty and nobody else's */
}
