/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults planted on purpose, in builds with -Dplant=true only: proof that the ledger and the checking sink find
 * what they claim to find. WEIR_PLANT=loss|leak|double|swap|duplicate plants one, once, in the first pool. */
#pragma once

#include "workers/worker.h"

#ifdef WEIR_PLANT
/* Before the workers start; reads the environment. 0, or -EINVAL for an unknown fault. */
int weir_plant_choose(void);
/* After the stages of a batch that goes to another pool. */
void weir_plant(struct weir_worker *, struct weir_batch *);
#else
static inline int weir_plant_choose(void)
{
    return 0;
}
static inline void weir_plant(struct weir_worker *w, struct weir_batch *batch)
{
    (void)w;
    (void)batch;
}
#endif
