/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/wall.h"

#include <rte_cycles.h>

/* Of three tries the quickest, in which nobody took the CPU away. */
void weir_wall_look(struct weir_wall *w)
{
    uint64_t now = rte_rdtsc(), quickest = UINT64_MAX;
    if (w->tsc != 0 && now - w->tsc < w->tsc_hz)
        return;
    for (int i = 0; i < 3; i++) {
        uint64_t before = rte_rdtsc();
        int64_t wall_ns = weir_clock_ns(CLOCK_REALTIME);
        uint64_t after = rte_rdtsc();
        if (after - before >= quickest)
            continue;
        quickest = after - before;
        w->tsc = before;
        w->ns = wall_ns;
    }
}

int64_t weir_wall_ns(const struct weir_wall *w, uint64_t tsc)
{
    __int128 since = (int64_t)(tsc - w->tsc); /* with a clock of a test: for centuries */
    uint64_t since_ns = (uint64_t)(since * WEIR_NS_A_SECOND / (int64_t)w->tsc_hz);
    return (int64_t)((uint64_t)w->ns + since_ns);
}
