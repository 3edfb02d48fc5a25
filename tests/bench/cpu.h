/* SPDX-License-Identifier: BSD-3-Clause */
/* What measures on a CPU of its own: to be there, and its clock. */
#pragma once

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

/* False: this thread may not run there. */
static inline bool pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

/* Takes 0.1 s. */
static inline double measure_tsc_hz(void)
{
    const struct timespec nap = {.tv_nsec = 100 * 1000 * 1000};
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    uint64_t start_tsc = __rdtsc();
    nanosleep(&nap, NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    uint64_t passed_tsc = __rdtsc() - start_tsc;
    return (double)passed_tsc /
           ((double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9);
}
