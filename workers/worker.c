/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/worker.h"

#include <sched.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "workers/plant.h"
#include "workers/simulate.h"

/* ---- the step: serve, flush, receive, process, dispatch ---- */

static inline void hold(struct weir_worker *w, uint32_t in_hand)
{
    weir_counter_set(&w->held, w->n_remaindered + w->handover.n_stashed - w->handover.played + in_hand);
}

static void serve_slow(struct weir_worker *w);

static inline void serve(struct weir_worker *w)
{
    uint32_t waiting;
    weir_ring_peek(w->commands, 1, &waiting);
    if (__builtin_expect(waiting != 0, 0))
        serve_slow(w);
}

/* Push what waits for one destination, oldest first. What the inbox refuses stays (block) or is dropped here. */
static inline void push(struct weir_worker *w, struct weir_output *o)
{
    uint32_t taken = weir_ring_append_sized(o->ring, o->remainder, o->n, sizeof o->remainder[0]);
    weir_counter_add(&o->pushed, taken);
    w->n_remaindered -= taken;
    o->n -= taken;
    if (__builtin_expect(o->n == 0, 1))
        return;
    if (o->drop_when_full) {
        for (uint32_t i = 0; i < o->n; i++)
            weir_drop(&w->trash, &o->remainder[taken + i], "inbox_full");
        weir_counter_add(&o->refused, o->n);
        w->n_remaindered -= o->n;
        o->n = 0;
    } else {
        __builtin_memmove(o->remainder, o->remainder + taken, o->n * sizeof o->remainder[0]);
    }
}

/* A full batch says that the next is waiting: then the rings publish by themselves, and seldom, which is what far
 * cores need; but a ring that gets few of many full batches would wait for ever, so that each fourth step publishes,
 * too. After a step that was not full nothing accepted stays unseen. */
#define PUBLISH_STEPS 4

static inline void publish_edge(const struct weir_edge *e)
{
    for (uint32_t i = 0; i < e->n_outputs; i++) {
        struct weir_output *o = &e->outputs[i];
        weir_ring_publish(o->ring);
        if (o->rung != o->ring->published) { /* the ring publishes by itself, too */
            o->rung = o->ring->published;
            weir_doorbell_ring(o->bell);
        }
    }
}

static inline void publish(struct weir_worker *w)
{
    publish_edge(&w->out);
    publish_edge(&w->tee);
}

/* True when every destination can take a whole batch. */
static inline bool flush(struct weir_worker *w)
{
    if (__builtin_expect(w->n_remaindered == 0, 1))
        return true;
    bool room = true;
    for (uint32_t i = 0; i < w->out.n_outputs; i++) { /* copies are never kept */
        struct weir_output *o = &w->out.outputs[i];
        if (o->n != 0)
            push(w, o);
        room &= o->n <= WEIR_REMAINDER_MAX - WEIR_BATCH;
    }
    hold(w, 0);
    return room;
}

static inline uint32_t receive_from(struct weir_worker *w, struct weir_input *in)
{
    if (in->ring != NULL)
        return weir_ring_pop_sized(in->ring, w->batch.desc, WEIR_BATCH, sizeof w->batch.desc[0]);
    if (w->draining || (w->closed_ports >> in->port->index & 1) != 0)
        return 0;
    w->batch.port = in->port->index;
    uint32_t n = in->port->def->receive(in->port, in->queue, &w->batch);
    if (__builtin_expect(n > w->until_probe, 0))
        weir_times_probe(w, in->port, in->queue, n);
    else
        w->until_probe -= n;
    return n;
}

/* The next input that has something, in turn, so that none starves. */
static inline uint32_t receive(struct weir_worker *w)
{
    for (uint32_t tried = 0; tried < w->n_inputs; tried++) {
        struct weir_input *in = &w->inputs[w->next_input];
        if (++w->next_input == w->n_inputs)
            w->next_input = 0;
        uint32_t n = in->ended ? 0 : receive_from(w, in);
        if (n != 0) {
            weir_counter_add(&w->received, n);
            return n;
        }
    }
    return 0;
}

/* During a move: the stash comes before anything new, and has a bound. */
static uint32_t receive_slow(struct weir_worker *w)
{
    struct weir_handover *h = &w->handover;
    if (h->plays)
        return weir_handover_play(w);
    bool room = !h->move->takes[w->index] || weir_handover_has_room(h, WEIR_BATCH);
    if (weir_broken(WEIR_BLOCKED_PRODUCER_IGNORES_COMMANDS) && !room)
        return 0; /* either alone does no harm */
    return room ? receive(w) : weir_handover_receive(w);
}

static inline void process_stage(struct weir_worker *w, struct weir_stage *s)
{
    struct weir_batch *batch = &w->batch;
    weir_counter_add(&s->in, batch->n);
    s->def->process(s, batch);
    if (!s->def->terminal) /* a terminal stage counts what it really sent or consumed */
        weir_counter_add(&s->out, batch->n);
    hold(w, batch->n);
}

static inline void process(struct weir_worker *w)
{
    for (uint32_t i = 0; i < w->n_stages && w->batch.n != 0; i++)
        process_stage(w, &w->stages[i]);
}

/* The same, of one batch in so many. */
static void process_timed_slow(struct weir_worker *w)
{
    weir_times_batch(w);
    const uint64_t begin = rte_rdtsc();
    const uint32_t received = w->batch.n;
    uint64_t then = begin;
    for (uint32_t i = 0; i < w->n_stages && w->batch.n != 0; i++) {
        uint32_t n = w->batch.n;
        process_stage(w, &w->stages[i]);
        uint64_t now = rte_rdtsc();
        weir_times_stage(w, &w->stages[i], n, now - then);
        then = now;
    }
    weir_times_learn(w, received, then - begin);
}

static void tick(struct weir_worker *w, uint64_t now_tsc)
{
    w->behind = false;
    for (uint32_t i = 0; i < w->n_stages; i++)
        if (w->stages[i].def->tick != NULL)
            w->behind |= w->stages[i].def->tick(&w->stages[i], now_tsc);
}

static inline void dispatch(struct weir_worker *w, const struct weir_edge *e, const struct weir_batch *batch)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        struct weir_output *o = &e->outputs[weir_route_worker(e->route, batch->desc[i].hash)];
        o->remainder[o->n++] = batch->desc[i];
    }
    w->n_remaindered += batch->n;
    for (uint32_t i = 0; i < e->n_outputs; i++)
        if (e->outputs[i].n != 0)
            push(w, &e->outputs[i]);
}

/* Without shards: the whole batch to the next in turn. */
static void deal(struct weir_worker *w, struct weir_edge *e, const struct weir_batch *batch)
{
    if (batch->n == 0)
        return;
    struct weir_output *o = &e->outputs[e->next_output];
    if (++e->next_output == e->n_outputs)
        e->next_output = 0;
    __builtin_memcpy(o->remainder + o->n, batch->desc, batch->n * sizeof batch->desc[0]);
    o->n += batch->n;
    w->n_remaindered += batch->n;
    push(w, o);
}

/* The class says which pool; within it as above. */
static void divide(struct weir_worker *w, struct weir_edge *e, const struct weir_batch *batch)
{
    struct weir_fork *fork = e->fork;
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct weir_desc *d = &batch->desc[i];
        const struct weir_branch *b = &fork->branches[fork->of_class[d->class_id]];
        uint32_t within = b->deals ? b->turn : weir_route_worker(b->route, d->hash);
        struct weir_output *o = &e->outputs[b->first + within];
        o->remainder[o->n++] = *d;
    }
    w->n_remaindered += batch->n;
    for (uint32_t i = 0; i < e->n_outputs; i++)
        if (e->outputs[i].n != 0)
            push(w, &e->outputs[i]);
    for (uint32_t i = 0; i < fork->n; i++)
        if (++fork->branches[i].turn == fork->branches[i].n_outputs)
            fork->branches[i].turn = 0;
}

static inline void hand_over(struct weir_worker *w, struct weir_edge *e, const struct weir_batch *batch)
{
    if (__builtin_expect(e->fork != NULL, 0))
        divide(w, e, batch);
    else if (e->deals)
        deal(w, e, batch);
    else if (e->n_outputs != 0)
        dispatch(w, e, batch);
}

static void hand_over_copies_slow(struct weir_worker *w)
{
    hold(w, w->batch.n + w->copies.n);
    weir_counter_add(&w->copied, w->copies.n);
    hand_over(w, &w->tee, &w->copies);
    w->copies.n = 0;
    hold(w, w->batch.n);
}

static void settle_slow(struct weir_worker *w);
static bool inputs_ended_slow(struct weir_worker *w);
static enum weir_step discard_slow(struct weir_worker *w);
static void end_slow(struct weir_worker *w);

enum weir_step weir_worker_step(struct weir_worker *w, uint64_t now_tsc)
{
    struct weir_handover *h = &w->handover;
    weir_counter_add(&w->steps, 1);
    if (__builtin_expect(weir_tap_is_turned(&w->tap), 0))
        weir_tap_turn(&w->tap, &w->trash);
    if (__builtin_expect(w->discarding, 0))
        return discard_slow(w);
    bool room = flush(w);
    if (__builtin_expect(h->move != NULL, 0))
        weir_handover_step(w, now_tsc);
    if (!room) {
        if (!weir_broken(WEIR_BLOCKED_PRODUCER_IGNORES_COMMANDS))
            serve(w);
        publish(w);
        settle_slow(w);
        weir_trash_flush(&w->trash);
        return WEIR_STEP_BLOCKED;
    }
    w->batch.now_tsc = now_tsc;
    if (weir_broken(WEIR_UNTOLD_TAKER))
        serve(w);
    w->batch.n = __builtin_expect(h->move != NULL, 0) ? receive_slow(w) : receive(w);
    bool full = w->batch.n == WEIR_BATCH;
    if (!weir_broken(WEIR_UNTOLD_TAKER))
        serve(w);
    if (w->batch.n == 0) {
        publish(w);
        tick(w, now_tsc);
        weir_trash_flush(&w->trash);
        if (inputs_ended_slow(w) && w->n_remaindered == 0)
            end_slow(w);
        return WEIR_STEP_IDLE;
    }
    hold(w, w->batch.n);
    if (__builtin_expect(h->move != NULL, 0) && h->move->takes[w->index] && !h->plays &&
        !weir_broken(WEIR_NO_STASH))
        weir_handover_stash(w);
    weir_watch_batch(w);
    if (__builtin_expect(w->waits != NULL, 0))
        weir_probe_received(&w->batch, w->waits);
    if (__builtin_expect(w->tap.view != NULL, 0))
        weir_view_packets(w->tap.view, w->batch.desc, w->batch.n, NULL, NULL);
    if (__builtin_expect(w->until_timed-- == 0, 0))
        process_timed_slow(w);
    else
        process(w);
    weir_plant(w, &w->batch);
    if (__builtin_expect(w->waits != NULL, 0))
        weir_times_hand(w);
    if (__builtin_expect(w->copies.n != 0, 0))
        hand_over_copies_slow(w);
    hand_over(w, &w->out, &w->batch);
    if (!full || w->steps.value % PUBLISH_STEPS == 0)
        publish(w);
    weir_trash_flush(&w->trash);
    hold(w, 0);
    return WEIR_STEP_BUSY;
}

/* ---- the end ---- */

static void serve_slow(struct weir_worker *w)
{
    struct weir_command command;
    while (weir_ring_pop(w->commands, &command, 1) == 1) {
        switch (command.kind) {
        case WEIR_COMMAND_QUIT:
            w->quitting = true;
            /* fall through */
        case WEIR_COMMAND_DISCARD:
            w->discarding = true;
            weir_word_publish(&w->state, WEIR_WORKER_DISCARDING);
            /* fall through */
        case WEIR_COMMAND_DRAIN:
            w->draining = true;
            if (!w->discarding)
                weir_word_publish(&w->state, WEIR_WORKER_DRAINING);
            break;
        case WEIR_COMMAND_MOVE:
            weir_handover_begin(w, command.move);
            break;
        case WEIR_COMMAND_PORTS:
            w->closed_ports = command.closed;
            w->env.mute_ports = command.closed | command.mute;
            weir_word_publish(&w->ports_seen, command.epoch);
            break;
        }
    }
}

/* Who waits on its outputs does not come round to its inboxes: let them have every slot that is free. */
static void settle_slow(struct weir_worker *w)
{
    for (uint32_t i = 0; i < w->n_inputs; i++)
        if (w->inputs[i].ring != NULL)
            weir_ring_settle(w->inputs[i].ring);
}

static bool inputs_ended_slow(struct weir_worker *w)
{
    bool all = true;
    for (uint32_t i = 0; i < w->n_inputs; i++) {
        struct weir_input *in = &w->inputs[i];
        if (!in->ended)
            in->ended = in->ring != NULL ? weir_ring_ended(in->ring)
                                         : w->draining || in->port->def->ended(in->port, in->queue);
        all &= in->ended;
    }
    return all;
}

/* Past the deadline: everything this worker holds or still gets is dropped, by name. */
static enum weir_step discard_slow(struct weir_worker *w)
{
    serve(w);
    uint64_t dropped = w->handover.move != NULL ? weir_handover_discard(w) : 0;
    for (uint32_t i = 0; i < w->out.n_outputs; i++) {
        struct weir_output *o = &w->out.outputs[i];
        for (uint32_t k = 0; k < o->n; k++)
            weir_drop(&w->trash, &o->remainder[k], "drain_deadline");
        dropped += o->n;
        o->n = 0;
    }
    w->n_remaindered = 0;
    publish(w);
    uint32_t n = receive(w);
    for (uint32_t i = 0; i < n; i++)
        weir_drop(&w->trash, &w->batch.desc[i], "drain_deadline");
    dropped += n;
    weir_counter_add(&w->discarded, dropped);
    weir_trash_flush(&w->trash);
    hold(w, 0);
    if (n == 0 && (inputs_ended_slow(w) || w->quitting))
        end_slow(w);
    return dropped != 0 ? WEIR_STEP_BUSY : WEIR_STEP_IDLE;
}

static void close_edge(const struct weir_edge *e)
{
    for (uint32_t i = 0; i < e->n_outputs; i++) {
        weir_ring_close(e->outputs[i].ring);
        weir_doorbell_ring(e->outputs[i].bell);
    }
}

/* All inputs have ended. A move that was posted before that is visible by now, and comes first. */
static void end_slow(struct weir_worker *w)
{
    serve(w);
    if (w->handover.move != NULL)
        return;
    close_edge(&w->out);
    close_edge(&w->tee);
    weir_word_publish(&w->state, WEIR_WORKER_ENDED); /* and with it everything this worker wrote */
}

bool weir_worker_ended(const struct weir_worker *w)
{
    return weir_word_read(&w->state) == WEIR_WORKER_ENDED;
}

/* ---- the loop ---- */

#define PARK_NS 50000000 /* at most: stages have ticks, and whoever watches sees it step */

/* Nothing before this worker, and nothing of its own to look after. */
static bool nothing_to_do(struct weir_worker *w)
{
    uint32_t ready;
    weir_ring_peek(w->commands, 1, &ready);
    bool nothing = ready == 0 && w->n_remaindered == 0 && w->handover.move == NULL && !w->discarding &&
                   !weir_worker_ended(w);
    /* All are rings, or none is. */
    for (uint32_t i = 0; nothing && i < w->n_inputs && w->inputs[i].ring != NULL; i++) {
        weir_ring_peek(w->inputs[i].ring, 1, &ready);
        nothing = ready == 0 && (w->inputs[i].ended || !weir_ring_ended(w->inputs[i].ring));
    }
    return nothing;
}

/* False: there is something to do after all, or a full inbox to wait for. */
static bool park(struct weir_worker *w)
{
    weir_doorbell_arm(&w->bell);
    bool sleeps = nothing_to_do(w);
    if (sleeps)
        weir_doorbell_wait(&w->bell, PARK_NS);
    weir_doorbell_disarm(&w->bell);
    return sleeps;
}

/* A port rings no bell: look at it again, the later the longer nothing came. So no packet waits for longer than the silence
 * before it. A command waits, too: to arm the bell each time would interrupt all workers. */
static bool doze(struct weir_worker *w, uint64_t idle_tsc)
{
    uint64_t tsc = idle_tsc < w->sleep_tsc ? idle_tsc : w->sleep_tsc;
    if (!nothing_to_do(w))
        return false;
    weir_counter_add(&w->bell.parks, 1);
    nanosleep(&(struct timespec){.tv_nsec = (long)(tsc * 1000000000 / rte_get_tsc_hz())}, NULL);
    return true;
}

/* The ladder of who has nothing to do: a pause, or the CPU for its other worker; later, sleep. Never inlined: so that a profile
 * names what was spent on nothing. */
static __attribute__((noinline)) bool rest(struct weir_worker *w, uint64_t idle_tsc)
{
    if (w->park_after_tsc != 0 && idle_tsc >= w->park_after_tsc && w->handover.move == NULL && !w->behind &&
        (w->sleep_tsc != 0 ? doze(w, idle_tsc) : park(w)))
        return true;
    if (w->yields)
        sched_yield(); /* the other worker of this CPU may be the one that is waited for */
    else
        rte_pause();
    return false;
}

int weir_worker_run(void *worker)
{
    struct weir_worker *w = worker;
    weir_word_publish(&w->state, WEIR_WORKER_RUNNING);
    uint64_t now = rte_rdtsc(), busy_until = now;
    while (!weir_worker_ended(w)) {
        enum weir_step what = weir_worker_step(w, now);
        weir_watch_step(w, what);
        if (what != WEIR_STEP_BUSY && rest(w, what == WEIR_STEP_IDLE ? now - busy_until : 0))
            what = WEIR_STEP_PARKED;
        uint64_t after = rte_rdtsc();
        if (what == WEIR_STEP_BUSY)
            busy_until = after;
        uint64_t took = after - now;
        if (__builtin_expect(took > w->gap_tsc, 0))
            took -= weir_times_gap(w, what, took, after);
        weir_counter_add(&w->cycles[what], took);
        now = after;
    }
    weir_unseen_release(w); /* to whoever waits for this lcore; EAL does the hand-over */
    return 0;
}

bool weir_worker_command(struct weir_worker *w, const struct weir_command *command)
{
    bool fits = weir_ring_push(&w->command_ring->producer, command, 1) == 1;
    weir_doorbell_ring(&w->bell);
    return fits;
}
