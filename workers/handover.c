/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/handover.h"

#include "workers/simulate.h"
#include "workers/worker.h"

#define DISK_WAITS_PER_S 4 /* a quarter of a second */

/* ---- producer ---- */

/* What it routed to an owner lies in the ring or, in order, in the remainder that goes there next. */
static void fence(struct weir_output *outputs, struct weir_route *route, const struct weir_move *m)
{
    for (uint32_t i = 0; i < m->n_workers; i++) {
        struct weir_output *o = &outputs[i];
        o->fence.position = o->ring->tail + (weir_broken(WEIR_PACKET_BEHIND_FENCE) ? 0 : o->n);
        weir_word_publish(&o->fence.epoch, m->epoch);
    }
    *route = m->to;
}

static void fence_edge(struct weir_edge *e, const struct weir_move *m)
{
    for (uint32_t i = 0; e->fork != NULL && i < e->fork->n; i++)
        if (e->fork->branches[i].pool == m->pool)
            fence(e->outputs + e->fork->branches[i].first, e->fork->branches[i].route, m);
    if (e->fork == NULL && e->n_outputs != 0 && e->pool == m->pool)
        fence(e->outputs, e->route, m);
}

void weir_handover_begin(struct weir_worker *w, const struct weir_move *m)
{
    if (w->pool == m->pool) {
        w->handover.move = m;
        w->handover.noted = false;
        return;
    }
    fence_edge(&w->out, m);
    fence_edge(&w->tee, m);
    weir_word_publish(&w->handover.done, m->epoch);
}

/* ---- both owners ---- */

static void finish(struct weir_handover *h)
{
    weir_word_publish(&h->done, h->move->epoch);
    h->move = NULL;
}

/* Caches that a stage keeps beside the shard's own state. */
static void tell_stages(struct weir_worker *w, uint32_t shard, bool gives)
{
    for (uint32_t i = 0; i < w->n_stages; i++) {
        struct weir_stage *s = &w->stages[i];
        void (*call)(struct weir_stage *, uint32_t) = gives ? s->def->export_shard : s->def->import_shard;
        if (call != NULL)
            call(s, shard);
    }
}

static void tell_stages_of_all(
    struct weir_worker *w, const struct weir_route *mine, const struct weir_route *other)
{
    const struct weir_move *m = w->handover.move;
    bool gives = mine == &m->from;
    for (uint32_t shard = 0; shard < WEIR_SHARDS; shard++) {
        bool changes = mine->worker[shard] == w->index && other->worker[shard] != w->index;
        if (changes)
            weir_watch_shard(w, shard, gives);
        /* Who ended before it heard of the move gave nothing. */
        if (changes &&
            (gives || weir_word_read(&m->workers[other->worker[shard]]->handover.given) == m->epoch))
            tell_stages(w, shard, gives);
    }
}

/* ---- old owner ---- */

/* A producer that has ended and left nothing is past its fence, whether it set one or not. */
static bool past_fences(const struct weir_worker *w, uint32_t epoch)
{
    for (uint32_t i = 0; i < w->n_inputs; i++) {
        const struct weir_input *in = &w->inputs[i];
        bool past = weir_word_read(&in->fence->epoch) == epoch &&
                    (int32_t)(in->ring->head - in->fence->position) >= 0;
        if (!past &&
            ((!in->ended && !weir_ring_ended(in->ring)) || weir_broken(WEIR_ENDED_PRODUCER_NOT_COUNTED)))
            return false;
    }
    return true;
}

static struct weir_ring_producer *way_out(const struct weir_stage *s)
{
    return s->def->way_out != NULL ? s->def->way_out(s) : NULL;
}

/* Not the `tee`: copies never hold up the originals. */
static void note(struct weir_worker *w, uint64_t now_tsc)
{
    for (uint32_t i = 0; i < w->out.n_outputs; i++)
        w->out.outputs[i].noted = w->out.outputs[i].ring->tail + w->out.outputs[i].n;
    for (uint32_t i = 0; i < w->n_stages; i++)
        if (way_out(&w->stages[i]) != NULL)
            w->stages[i].noted = way_out(&w->stages[i])->tail;
    w->handover.noted = true;
    w->handover.noted_tsc = now_tsc;
}

/* The next hop has taken all up to the note: what the new owner sends there comes later. */
static bool taken(const struct weir_worker *w)
{
    for (uint32_t i = 0; i < w->out.n_outputs; i++)
        if (!weir_ring_passed(w->out.outputs[i].ring, w->out.outputs[i].noted))
            return false;
    return true;
}

/* The same of files; but a disk that does not answer holds up no packet, so it is waited for only so long. */
static bool written(const struct weir_worker *w, uint64_t now_tsc)
{
    if (now_tsc - w->handover.noted_tsc >= w->env.tsc_hz / DISK_WAITS_PER_S)
        return true;
    for (uint32_t i = 0; i < w->n_stages; i++)
        if (way_out(&w->stages[i]) != NULL && !weir_ring_passed(way_out(&w->stages[i]), w->stages[i].noted))
            return false;
    return true;
}

static void give(struct weir_worker *w, uint64_t now_tsc)
{
    struct weir_handover *h = &w->handover;
    if (!h->noted && past_fences(w, h->move->epoch))
        note(w, now_tsc);
    if (!h->noted || (!taken(w) && !weir_broken(WEIR_RELEASE_BEFORE_CONSUMED)) || !written(w, now_tsc))
        return;
    tell_stages_of_all(w, &h->move->from, &h->move->to);
    weir_word_publish(&h->given, h->move->epoch);
    finish(h);
}

/* ---- new owner ---- */

static bool all_given(const struct weir_move *m)
{
    for (uint32_t i = 0; i < m->n_workers; i++)
        if (m->gives[i] && weir_word_read(&m->workers[i]->handover.given) != m->epoch &&
            !weir_worker_ended(m->workers[i]))
            return false;
    return true;
}

static void take(struct weir_worker *w, uint64_t now_tsc)
{
    struct weir_handover *h = &w->handover;
    if (!h->plays && all_given(h->move)) {
        tell_stages_of_all(w, &h->move->to, &h->move->from);
        h->live_tsc = now_tsc;
        h->plays = true;
    }
    if (h->plays && h->played == h->n_stashed) {
        h->n_stashed = h->played = 0;
        h->plays = false;
        finish(h);
    }
}

void weir_handover_step(struct weir_worker *w, uint64_t now_tsc)
{
    if (w->handover.move->gives[w->index])
        give(w, now_tsc);
    else
        take(w, now_tsc);
}

static inline bool comes(const struct weir_worker *w, const struct weir_desc *d)
{
    const struct weir_move *m = w->handover.move;
    return weir_route_worker(&m->to, d->hash) == w->index && weir_route_worker(&m->from, d->hash) != w->index;
}

uint32_t weir_handover_receive(struct weir_worker *w)
{
    for (uint32_t i = 0; i < w->n_inputs; i++) {
        struct weir_ring_consumer *ring = w->inputs[i].ring;
        uint32_t room = WEIR_STASH - w->handover.n_stashed, n = 0, ready;
        const struct weir_desc *d = weir_ring_peek(ring, WEIR_BATCH, &ready);
        for (; n < ready && (!comes(w, &d[n]) || room > 0); n++) {
            room -= comes(w, &d[n]);
            w->batch.desc[n] = d[n];
        }
        weir_ring_release(ring, n);
        weir_ring_settle(ring);
        if (n != 0) {
            weir_counter_add(&w->received, n);
            return n;
        }
    }
    return 0;
}

void weir_handover_stash(struct weir_worker *w)
{
    struct weir_handover *h = &w->handover;
    struct weir_batch *batch = &w->batch;
    uint32_t stays = 0;
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct weir_desc *d = &batch->desc[i];
        struct weir_desc *to = comes(w, d) ? &h->stash[h->n_stashed++] : &batch->desc[stays++];
        *to = *d;
    }
    batch->n = stays;
    if (h->n_stashed > h->high_water.value)
        weir_counter_set(&h->high_water, h->n_stashed);
}

uint32_t weir_handover_play(struct weir_worker *w)
{
    struct weir_handover *h = &w->handover;
    uint32_t left = h->n_stashed - h->played, n = left < WEIR_BATCH ? left : WEIR_BATCH;
    __builtin_memcpy(w->batch.desc, h->stash + h->played, n * sizeof h->stash[0]);
    h->played += n;
    return n;
}

/* ---- the deadline ---- */

uint32_t weir_handover_discard(struct weir_worker *w)
{
    struct weir_handover *h = &w->handover;
    uint32_t dropped = h->n_stashed - h->played;
    for (; h->played < h->n_stashed; h->played++)
        weir_drop(&w->trash, &h->stash[h->played], "drain_deadline");
    h->n_stashed = h->played = 0;
    h->plays = false;
    finish(h); /* and gives nothing: whoever would take is told to discard, too */
    return dropped;
}
