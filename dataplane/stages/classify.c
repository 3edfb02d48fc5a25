/* SPDX-License-Identifier: BSD-3-Clause */
/* classify: write the class of each packet, the first that matches. */
#include "dataplane/classifier.h"
#include "dataplane/stages/list.h"

enum { PACKETS, BYTES, COUNTERS };
static const char *const classify_counters[] = {"packets", "Packets of the class.", "bytes",
    "Layer-2 bytes of those packets, as long as they were on the wire.", NULL};

static void classify_process(struct weir_stage *s, struct weir_batch *batch)
{
    const struct weir_classifier *c = s->pool_state;
    for (uint32_t i = 0; i < batch->n; i++)
        __builtin_prefetch(rte_pktmbuf_mtod(batch->desc[i].mbuf, const void *));
    for (uint32_t i = 0; i < batch->n; i++) {
        struct weir_desc *d = &batch->desc[i];
        uint8_t class_id = weir_classify(c, d, s->worker_state);
        struct weir_counter *counts = &s->class_counts[class_id * COUNTERS];
        d->class_id = class_id;
        weir_counter_add(&counts[PACKETS], 1);
        weir_counter_add(&counts[BYTES], d->length);
    }
}

static size_t classify_worker_size(const void *, const struct weir_stage_env *)
{
    return WEIR_CLASSIFY_BYTES;
}

static size_t classify_pool_size(const void *, const struct weir_stage_env *)
{
    return sizeof(struct weir_classifier);
}

/* The first worker of the pool sets up for all, and the first to end takes it down: nobody works any more by then. */
static int classify_init(struct weir_stage *s)
{
    struct weir_classifier *c = s->pool_state;
    return c->programs != NULL ? 0 : weir_classifier_init(c, s->env->classes, s->env->n_classes);
}

static void classify_fini(struct weir_stage *s)
{
    weir_classifier_free(s->pool_state);
}

const struct weir_stage_def weir_stage_classify = {
    .name = "classify",
    .help = "Find the class of each packet: the first of `classes` that matches it, else `other`.",
    .class_counters = classify_counters,
    .makes_class = true,
    .worker_size = classify_worker_size,
    .pool_size = classify_pool_size,
    .init = classify_init,
    .process = classify_process,
    .fini = classify_fini,
};
