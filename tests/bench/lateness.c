/* SPDX-License-Identifier: BSD-3-Clause */
/* How late are programs that do nothing but look at the clock: what the machine adds to any latency measured on it.
 *
 *     lateness RATE SECONDS CPU…   prints `{"count": 1000, "p50_ns": 19, "p99_ns": 24000, "p99_9_ns": 59000, "max_ns": 91000}`
 *
 * RATE times a second something is due, as for a generator of packets, and a thread on each CPU is done with it once it has seen
 * that; what they took together is as for a packet that goes from one to the next. Timer interrupts, other threads of
 * these CPUs and the hypervisor are all that can make them late. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/cpu.h"

#define SAMPLES_MAX 10000000.0
#define CPUS_MAX 64
#define AHEAD_NS 10000000 /* for all threads to be there */

static struct looks {
    pthread_t thread;
    int cpu;
    size_t n;
    uint64_t start_tsc;
    double period_tsc;
    uint64_t *late_tsc;
} looks[CPUS_MAX];

/* NULL, or its argument: it may not run there. */
static void *look(void *argument)
{
    struct looks *l = argument;
    if (!pin(l->cpu))
        return l;
    for (size_t i = 0; i < l->n; i++)
        l->late_tsc[i] = 1; /* its pages are there */
    for (size_t i = 0; i < l->n; i++) {
        uint64_t due = l->start_tsc + (uint64_t)((double)i * l->period_tsc), now;
        while ((now = __rdtsc()) < due)
            _mm_pause();
        l->late_tsc[i] = now - due;
    }
    return NULL;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static int failed(const char *what, int cpu)
{
    fprintf(stderr, "lateness: CPU %d: %s\n", cpu, what);
    return 71;
}

int main(int argc, char **argv)
{
    double rate = argc > 3 ? strtod(argv[1], NULL) : 0, seconds = argc > 3 ? strtod(argv[2], NULL) : 0;
    int cpus = argc - 3;
    if (!(rate > 0 && rate * seconds >= 1 && rate * seconds <= SAMPLES_MAX) || cpus > CPUS_MAX) {
        fprintf(stderr, "usage: lateness RATE SECONDS CPU…   (up to %.0f samples, %d CPUs)\n", SAMPLES_MAX,
            CPUS_MAX);
        return 64;
    }
    size_t n = (size_t)(rate * seconds);
    double ns = 1e9 / measure_tsc_hz();
    uint64_t start = __rdtsc() + (uint64_t)(AHEAD_NS / ns);
    for (int c = 0; c < cpus; c++) {
        looks[c] = (struct looks){.cpu = (int)(strtoul(argv[3 + c], NULL, 10) % CPU_SETSIZE),
            .n = n,
            .start_tsc = start,
            .period_tsc = 1e9 / rate / ns,
            .late_tsc = calloc(n, sizeof(uint64_t))};
        if (looks[c].late_tsc == NULL || pthread_create(&looks[c].thread, NULL, look, &looks[c]) != 0)
            return failed("no memory, or no thread", looks[c].cpu);
    }
    for (int c = 0; c < cpus; c++) {
        void *refused;
        pthread_join(looks[c].thread, &refused);
        if (refused != NULL)
            return failed("not allowed to run there", looks[c].cpu);
        for (size_t i = 0; c > 0 && i < n; i++)
            looks[0].late_tsc[i] += looks[c].late_tsc[i];
    }
    qsort(looks[0].late_tsc, n, sizeof(uint64_t), compare);
    static const struct {
        const char *name;
        double part;
    } quantiles[] = {{"p50_ns", 0.5}, {"p99_ns", 0.99}, {"p99_9_ns", 0.999}, {"max_ns", 1}};
    printf("{\"count\": %zu", n);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        printf(", \"%s\": %.0f", quantiles[i].name,
            (double)looks[0].late_tsc[(size_t)(quantiles[i].part * (double)(n - 1))] * ns);
    puts("}");
    return 0;
}
