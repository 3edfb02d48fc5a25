/* SPDX-License-Identifier: BSD-3-Clause */
/* tee: a copy of each packet to another pool. A whole copy: with two owners of one packet neither could change it, and
 * neither could give it back without asking. The original never waits for it. */
#include "dataplane/mbuf.h"
#include "dataplane/stages/list.h"

struct tee_params {
    uint64_t pool; /* workers/ reads it; the stage only fills env->copies */
};

static const struct weir_param tee_param_table[] = {
    {.key = "*",
        .type = WEIR_PARAM_POOL,
        .offset = offsetof(struct tee_params, pool),
        .help = "Who gets the copies: a pool that names this one in its `from`, with `on-full: drop`."},
    {0},
};

enum { COPIED, TEE_FAILED };
static const char *const tee_counters[] = {"copied",
    "Copies made. Those that found the inbox full are dropped there, as inbox_full.", "tee_failed",
    "Packets that were not copied: no packet buffer was free.", NULL};

static void tee_process(struct weir_stage *s, struct weir_batch *batch)
{
    struct weir_batch *copies = s->env->copies;
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct weir_desc *d = &batch->desc[i];
        struct rte_mbuf *copy = rte_pktmbuf_copy(d->mbuf, d->mbuf->pool, 0, UINT32_MAX);
        if (unlikely(copy == NULL))
            continue;
        bool is_probe = (d->key.flags & WEIR_DESC_PLAIN) == 0 && weir_probe_is(d->mbuf); /* the copy, too */
        copies->desc[n] = *d;
        copies->desc[n].mbuf = copy;
        copies->desc[n].key.flags &= (uint8_t)~WEIR_DESC_PLAIN;
        copies->desc[n++].key.flags |= copy->nb_segs == 1 && !is_probe ? WEIR_DESC_PLAIN : 0;
    }
    weir_unseen_acquire(batch->desc[0].mbuf->pool);
    copies->n = n;
    copies->port = batch->port;
    weir_counter_add(&s->counts[COPIED], n);
    weir_counter_add(&s->counts[TEE_FAILED], batch->n - n);
}

const struct weir_stage_def weir_stage_tee = {
    .name = "tee",
    .help = "Copy each packet to another pool. The copies are counted as `copied`: accepted + copied = sent "
            "+ dropped + held.",
    .params = tee_param_table,
    .params_size = sizeof(struct tee_params),
    .counters = tee_counters,
    .process = tee_process,
};
