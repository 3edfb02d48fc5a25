/* SPDX-License-Identifier: BSD-3-Clause */
/* The books of every stage and every edge: where do two counters contradict each other? The whole tells that
 * something is lost, this tells where. */
#include "workers/snapshot.h"

#include <stdio.h>
#include <string.h>

static const struct weir_snapshot_stage *stage_at(
    const struct weir_snapshot *s, const struct weir_snapshot_worker *w, uint32_t position)
{
    for (uint32_t i = 0; i < s->n_stages; i++) {
        const struct weir_snapshot_stage *g = &s->stages[i];
        if (g->position == position && g->worker == w->index && strcmp(g->pool, w->pool) == 0)
            return g;
    }
    return NULL;
}

static char *differ(const char *place, const struct weir_snapshot_worker *w, const char *before, uint64_t in,
    const char *after, uint64_t out)
{
    char *text;
    int length = asprintf(&text, "%s of %s.%u: %lu %s, %lu %s", place, w->pool, w->index, (unsigned long)in,
        before, (unsigned long)out, after);
    return length < 0 ? NULL : text;
}

/* in = out + dropped. While it runs, a packet may have entered and not left. */
static char *audit_stage(
    const struct weir_snapshot_worker *w, const struct weir_snapshot_stage *g, bool final)
{
    uint64_t left = g->out;
    for (uint32_t i = 0; i < g->n_drops; i++)
        left += g->drops[i].value;
    bool fine = final ? left == g->in : left <= g->in;
    return fine ? NULL : differ(g->stage, w, "in", g->in, "out or dropped", left);
}

/* From ring or port through the stages to the rings: what leaves one counter enters the next. Exact at the end. */
static char *audit_way(const struct weir_snapshot *s, const struct weir_snapshot_worker *w)
{
    uint64_t arrived = 0, left = w->received, pushed = 0, copies = 0;
    bool fed_by_rings = false, feeds_rings = false;
    for (uint32_t i = 0; i < s->n_rings; i++) {
        const struct weir_snapshot_ring *r = &s->rings[i];
        bool in = strcmp(r->to, w->pool) == 0 && r->to_worker == w->index;
        bool out = strcmp(r->from, w->pool) == 0 && r->from_worker == w->index;
        arrived += in ? r->pushed : 0;
        *(r->copies ? &copies : &pushed) += out ? r->pushed + r->refused : 0;
        fed_by_rings |= in;
        feeds_rings |= out && !r->copies;
    }
    if (fed_by_rings && arrived != w->received)
        return differ("inbox", w, "pushed", arrived, "received", w->received);
    if (copies != w->copied)
        return differ("tee", w, "copied", w->copied, "pushed or refused", copies);
    const struct weir_snapshot_stage *g;
    for (uint32_t position = 0; (g = stage_at(s, w, position)) != NULL; position++) {
        if (g->in != left)
            return differ(g->stage, w, "handed over", left, "in", g->in);
        left = g->out;
    }
    return feeds_rings && left != pushed
               ? differ("outbox", w, "left the stages", left, "pushed or refused", pushed)
               : NULL;
}

char *weir_snapshot_audit(const struct weir_snapshot *s)
{
    char *text = NULL;
    /* A discarded packet jumps the stages; then only the stages themselves must be right. */
    bool cut = s->ledger.abandoned != 0 || weir_named_value(s->drops, s->n_drops, "drain_deadline") != 0;
    for (uint32_t i = 0; i < s->n_workers && text == NULL; i++) {
        const struct weir_snapshot_worker *w = &s->workers[i];
        const struct weir_snapshot_stage *g;
        for (uint32_t position = 0; text == NULL && (g = stage_at(s, w, position)) != NULL; position++)
            text = audit_stage(w, g, s->ledger.final && s->ledger.abandoned == 0);
        if (text == NULL && s->ledger.final && !cut)
            text = audit_way(s, w);
    }
    return text;
}
