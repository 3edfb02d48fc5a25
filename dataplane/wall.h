/* SPDX-License-Identifier: BSD-3-Clause */
/* The wall clock beside the TSC, for threads that are no workers. Read anew each second: the two drift, and people set
 * clocks. One thread each. */
#pragma once

#include <stdint.h>
#include <time.h>

#define WEIR_NS_A_SECOND INT64_C(1000000000)

struct weir_wall {
    uint64_t tsc_hz; /* whoever makes it; the rest is 0 at first */
    uint64_t tsc;
    int64_t ns;
};

/* Before a burst of weir_wall_ns(). */
void weir_wall_look(struct weir_wall *);
/* Nanoseconds since 1970, by the clock as it was read last. */
int64_t weir_wall_ns(const struct weir_wall *, uint64_t tsc);

/* Nanoseconds of any clock. */
static inline int64_t weir_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * WEIR_NS_A_SECOND + now.tv_nsec;
}
