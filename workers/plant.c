/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/plant.h"

#ifdef WEIR_PLANT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "workers/log.h"

#define AFTER_PACKETS 10000 /* let the pipeline get going */

enum fault { NONE, LOSS, LEAK, DOUBLE, SWAP, DUPLICATE, FAULTS };
static const char *const names[FAULTS] = {"none", "loss", "leak", "double", "swap", "duplicate"};
static enum fault fault;
static bool planted;

int weir_plant_choose(void)
{
    const char *wanted = getenv("WEIR_PLANT");
    if (wanted == NULL)
        return 0;
    for (fault = 0; fault < FAULTS; fault++)
        if (strcmp(wanted, names[fault]) == 0)
            return 0;
    weir_log(WEIR_LOG_ERROR, "WEIR_PLANT=%s is no fault; use loss, leak, double, swap or duplicate", wanted);
    return -EINVAL;
}

/* Two neighbours of one flow change places. */
static bool swap(struct weir_batch *batch)
{
    for (uint32_t i = 0; i < batch->n; i++)
        for (uint32_t j = i + 1; j < batch->n; j++)
            if (batch->desc[i].hash == batch->desc[j].hash) {
                struct weir_desc first = batch->desc[i];
                batch->desc[i] = batch->desc[j];
                batch->desc[j] = first;
                return true;
            }
    return false;
}

static bool duplicate(struct weir_batch *batch)
{
    struct rte_mbuf *from = batch->desc[0].mbuf;
    struct rte_mbuf *copy = rte_pktmbuf_copy(from, from->pool, 0, UINT32_MAX);
    if (copy == NULL)
        return false;
    batch->desc[batch->n] = batch->desc[0];
    batch->desc[batch->n++].mbuf = copy;
    return true;
}

void weir_plant(struct weir_worker *w, struct weir_batch *batch)
{
    if (fault == NONE || planted || w->pool != 0 || w->index != 0 || batch->n == 0 ||
        weir_counter_read(&w->received) < AFTER_PACKETS)
        return;
    struct weir_stage *last = &w->stages[w->n_stages - 1];
    switch (fault) {
    case LOSS: /* freed, counted nowhere */
        rte_pktmbuf_free(batch->desc[--batch->n].mbuf);
        planted = true;
        break;
    case LEAK: /* counted as dropped, freed nowhere */
        batch->n--;
        weir_counter_add(&last->drops[0], 1);
        planted = true;
        break;
    case DOUBLE: /* counted as dropped, and goes on */
        weir_counter_add(&last->drops[0], 1);
        planted = true;
        break;
    case SWAP:
        planted = swap(batch);
        break;
    case DUPLICATE:
        planted = batch->n < WEIR_BATCH && duplicate(batch); /* waits for a batch with room */
        break;
    default:
        break;
    }
}
#endif
