/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/model/scenarios.h"

#include <algorithm>

#include "rings/counter.h"
#include "rings/doorbell.h"
#include "rings/ring.h"
#include "rings/word.h"

Bound bound;

namespace {

using Item = uint64_t; /* 1, 2, 3 …, so that a consumer knows which is next */

/* What a thread keeps from one step to the next. */
struct Side {
    uint32_t ring; /* a producer's */
    uint32_t moved[2];
    uint32_t phase, told;
};

constexpr uint32_t BURST_MAX = 9; /* the largest capacity, and one */

struct weir_ring *rings[2];
struct weir_word *flag;
Item *result;
struct weir_doorbell *bell;
struct weir_counter *in, *out;

Side *new_side(uint32_t ring = 0)
{
    Side *side = static_cast<Side *>(model_alloc(sizeof(Side)));
    side->ring = ring;
    return side;
}

void new_ring(uint32_t i)
{
    void *memory = model_alloc(weir_ring_bytes(bound.capacity, sizeof(Item)));
    rings[i] = weir_ring_init(memory, bound.capacity, sizeof(Item), bound.start);
    const bool second = i == 1;
    model_word(&rings[i]->tail.index, second ? "tail'" : "tail");
    model_word(&rings[i]->head.index, second ? "head'" : "head");
    model_word(&rings[i]->tail.ended, second ? "ended'" : "ended");
    model_word(&rings[i]->producer.tail, second ? "accepted'" : "accepted");
    model_word(&rings[i]->consumer.head, second ? "taken'" : "taken");
    model_word(&rings[i]->producer.high_water, second ? "high_water'" : "high_water");
}

/* One attempt to push 1 .. most of what is left. */
void push_some(Side *me, uint32_t most, bool publishes = true)
{
    Item items[BURST_MAX];
    uint32_t n = 1 + model_choose(std::min(most, bound.items - me->moved[0]));
    model_note("pushes", n);
    for (uint32_t i = 0; i < n; i++)
        items[i] = me->moved[0] + i + 1;
    struct weir_ring_producer *producer = &rings[me->ring]->producer;
    uint32_t pushed = publishes ? weir_ring_push(producer, items, n) : weir_ring_append(producer, items, n);
    if (pushed > n)
        model_fail("pushed more than there was");
    me->moved[0] += pushed;
}

uint32_t pop_some(Side *me, uint32_t ring, uint32_t want)
{
    Item items[BURST_MAX];
    model_note("pops", want);
    uint32_t popped = weir_ring_pop(&rings[ring]->consumer, items, want);
    if (popped > want)
        model_fail("popped more than was wanted");
    for (uint32_t i = 0; i < popped; i++)
        if (items[i] != me->moved[ring] + i + 1)
            model_fail("popped another item than the next");
    me->moved[ring] += popped;
    return popped;
}

void ring_is_empty_at_the_end()
{
    Item items[BURST_MAX];
    if (weir_ring_depth(rings[0]) != 0 || weir_ring_pop(&rings[0]->consumer, items, 1) != 0)
        model_fail("an item is left that was not pushed");
    if (weir_ring_room(&rings[0]->producer, bound.capacity) != bound.capacity)
        model_fail("an empty ring has not all its room");
}

/* ---- push and pop: each item once, in order ---- */

bool push(void *local)
{
    Side *me = static_cast<Side *>(local);
    push_some(me, bound.capacity + 1);
    return me->moved[0] < bound.items;
}

bool pop(void *local)
{
    Side *me = static_cast<Side *>(local);
    pop_some(me, 0, 1 + model_choose(bound.capacity + 1));
    return me->moved[0] < bound.items;
}

void set_up_push_pop()
{
    new_ring(0);
    model_thread("producer", push, new_side());
    model_thread("consumer", pop, new_side());
}

/* ---- lazy: both ends keep to themselves what they may, and publish when they like ---- */

bool append_or_publish(void *local)
{
    Side *me = static_cast<Side *>(local);
    if (me->told != me->moved[0] && (me->moved[0] == bound.items || model_choose(2) == 1)) {
        weir_ring_publish(&rings[0]->producer);
        me->told = me->moved[0];
        return me->moved[0] < bound.items;
    }
    push_some(me, bound.capacity + 1, false);
    return true;
}

bool pop_or_settle(void *local)
{
    Side *me = static_cast<Side *>(local);
    pop_some(me, 0, 1 + model_choose(bound.capacity + 1));
    if (me->moved[0] == bound.items || model_choose(2) == 1)
        weir_ring_settle(&rings[0]->consumer);
    return me->moved[0] < bound.items;
}

void set_up_lazy()
{
    new_ring(0);
    /* An eighth of so small a ring is no laziness. */
    rings[0]->producer.step = rings[0]->consumer.step = bound.capacity;
    model_thread("producer", append_or_publish, new_side());
    model_thread("consumer", pop_or_settle, new_side());
}

/* ---- in place: less committed than granted, less released than ready ---- */

bool write_in_place(void *local)
{
    Side *me = static_cast<Side *>(local);
    uint32_t granted;
    uint32_t want = 1 + model_choose(std::min(bound.capacity + 1, bound.items - me->moved[0]));
    model_note("reserves", want);
    Item *slots = static_cast<Item *>(weir_ring_reserve(&rings[0]->producer, want, &granted));
    if (granted > want || granted > bound.capacity)
        model_fail("granted too much");
    if (granted == 0)
        return true;
    uint32_t n = 1 + model_choose(granted);
    for (uint32_t i = 0; i < n; i++) {
        Item item = me->moved[0] + i + 1;
        weir_slot_write(slots + i, &item, sizeof item);
    }
    weir_ring_commit(&rings[0]->producer, n);
    me->moved[0] += n;
    return me->moved[0] < bound.items;
}

bool read_in_place(void *local)
{
    Side *me = static_cast<Side *>(local);
    uint32_t granted;
    uint32_t want = 1 + model_choose(bound.capacity + 1);
    model_note("peeks", want);
    const Item *slots = static_cast<const Item *>(weir_ring_peek(&rings[0]->consumer, want, &granted));
    if (granted > want || granted > bound.capacity)
        model_fail("granted too much");
    if (granted == 0)
        return true;
    uint32_t n = 1 + model_choose(granted);
    for (uint32_t i = 0; i < n; i++) {
        Item item;
        weir_slot_read(&item, slots + i, sizeof item);
        if (item != me->moved[0] + i + 1)
            model_fail("another item than the next is in its slot");
    }
    weir_ring_release(&rings[0]->consumer, n);
    me->moved[0] += n;
    return me->moved[0] < bound.items;
}

void set_up_in_place()
{
    new_ring(0);
    model_thread("producer", write_in_place, new_side());
    model_thread("consumer", read_in_place, new_side());
}

/* ---- close: who sees the end has seen all ---- */

Side *closing, *closed;

bool push_or_close(void *local)
{
    Side *me = static_cast<Side *>(local);
    if (me->moved[0] == bound.items || model_choose(2) == 1) {
        model_note("closes after", me->moved[0]);
        weir_ring_close(&rings[0]->producer);
        return false;
    }
    push_some(me, bound.capacity + 1);
    return true;
}

bool pop_until_ended(void *local)
{
    Side *me = static_cast<Side *>(local);
    if (model_choose(2) == 1)
        return !weir_ring_ended(&rings[0]->consumer);
    pop_some(me, 0, 1 + model_choose(bound.capacity + 1));
    return true;
}

void set_up_close()
{
    new_ring(0);
    model_thread("producer", push_or_close, closing = new_side());
    model_thread("consumer", pop_until_ended, closed = new_side());
}

void all_was_popped()
{
    if (closed->moved[0] != closing->moved[0])
        model_fail("the ring said ended before all was popped");
    ring_is_empty_at_the_end();
}

/* ---- depth: what a third thread reads is a depth ---- */

bool observe_depth(void *)
{
    if (weir_ring_depth(rings[0]) > bound.capacity)
        model_fail("deeper than the capacity");
    if (weir_ring_high_water(rings[0]) > bound.capacity)
        model_fail("a high water above the capacity");
    return model_choose(2) == 0;
}

void set_up_depth()
{
    set_up_push_pop();
    model_thread("observer", observe_depth, nullptr);
}

/* ---- room: a consumer that found the ring empty has given all of it back ---- */

bool push_and_know_the_room(void *local)
{
    Side *me = static_cast<Side *>(local);
    uint32_t emptied = weir_word_read(flag);
    if (emptied == me->moved[0] && weir_ring_room(&rings[0]->producer, bound.capacity) != bound.capacity)
        model_fail("the consumer found the ring empty, but the producer has no room");
    push_some(me, bound.capacity + 1);
    return me->moved[0] < bound.items;
}

bool pop_and_tell_when_empty(void *local)
{
    Side *me = static_cast<Side *>(local);
    uint32_t popped = pop_some(me, 0, 1 + model_choose(bound.capacity + 1));
    if (popped == 0 &&
        me->told != me->moved[0]) /* once for each: a history without end cannot be exhausted */
        weir_word_publish(flag, me->told = me->moved[0]);
    return me->moved[0] < bound.items;
}

void set_up_room()
{
    new_ring(0);
    rings[0]->consumer.step = bound.capacity;
    flag = static_cast<struct weir_word *>(model_alloc(sizeof *flag));
    model_word(flag, "emptied");
    model_thread("producer", push_and_know_the_room, new_side());
    model_thread("consumer", pop_and_tell_when_empty, new_side());
}

/* ---- doorbell: no wake-up is lost ---- */

uint32_t bells_rings;
bool closes; /* a ring at the end would hide that the one before came too early */

bool push_and_ring(void *local)
{
    Side *me = static_cast<Side *>(local);
    if (me->moved[0] == bound.items) { /* only if it closes */
        model_note("closes after", me->moved[0]);
        weir_ring_close(&rings[me->ring]->producer);
        weir_doorbell_ring(bell);
        return false;
    }
    uint32_t before = me->moved[0];
    push_some(me, 1);
    if (me->moved[0] > before)
        weir_doorbell_ring(bell);
    return closes || me->moved[0] < bound.items;
}

uint32_t pop_all_rings(Side *me)
{
    uint32_t popped = 0;
    for (uint32_t i = 0; i < bells_rings; i++)
        popped += pop_some(me, i, bound.capacity);
    return popped;
}

bool all_ended(const Side *me)
{
    for (uint32_t i = 0; i < bells_rings; i++)
        if (closes ? !weir_ring_ended(&rings[i]->consumer) : me->moved[i] < bound.items)
            return false;
    return true;
}

bool pop_or_sleep(void *local)
{
    enum { AWAKE, ARMED, SLEEPY };
    Side *me = static_cast<Side *>(local);
    switch (me->phase) {
    case AWAKE:
        /* Nobody reads them here; their values would only keep apart what is the same. */
        bell->rounds = bell->parks = {};
        if (pop_all_rings(me) > 0)
            return true;
        if (all_ended(me))
            return false;
        weir_doorbell_arm(bell);
        me->phase = ARMED;
        return true;
    case ARMED:
        me->phase = pop_all_rings(me) > 0 || all_ended(me) ? AWAKE : SLEEPY;
        if (me->phase == AWAKE)
            weir_doorbell_disarm(bell);
        return true;
    default:
        model_note("sleeps, has popped", me->moved[0] + me->moved[1]);
        weir_doorbell_wait(bell, -1);
        weir_doorbell_disarm(bell);
        me->phase = AWAKE;
        return true;
    }
}

void set_up_doorbell(uint32_t producers, bool and_close)
{
    bells_rings = producers;
    closes = and_close;
    for (uint32_t i = 0; i < producers; i++) {
        new_ring(i);
        model_thread(i == 0 ? "producer" : "producer'", push_and_ring, new_side(i));
    }
    bell = static_cast<struct weir_doorbell *>(model_alloc(sizeof *bell));
    weir_doorbell_init(bell);
    model_word(&bell->armed, "armed");
    model_thread("consumer", pop_or_sleep, closed = new_side());
}

void set_up_doorbell_one()
{
    set_up_doorbell(1, false);
}

void set_up_doorbell_close()
{
    set_up_doorbell(1, true);
}

void set_up_doorbell_two()
{
    set_up_doorbell(2, false);
}

void all_rings_are_empty()
{
    for (uint32_t i = 0; i < bells_rings; i++)
        if (closed->moved[i] != bound.items)
            model_fail("not all was popped");
}

/* ---- counters: out, read first, is never above in ---- */

bool count_and_push(void *local)
{
    enum { COUNT, PUSH };
    Side *me = static_cast<Side *>(local);
    if (me->phase == COUNT) {
        weir_counter_add(in, 1);
        me->phase = PUSH;
        return true;
    }
    uint32_t before = me->moved[0];
    push_some(me, 1);
    if (me->moved[0] > before)
        me->phase = COUNT;
    return me->moved[0] < bound.items;
}

bool pop_and_count(void *local)
{
    Side *me = static_cast<Side *>(local);
    uint32_t popped = pop_some(me, 0, bound.capacity);
    if (popped > 0)
        weir_counter_add(out, popped);
    return me->moved[0] < bound.items;
}

bool observe_counters(void *)
{
    uint64_t has_left = weir_counter_read(out);
    if (has_left > weir_counter_read(in))
        model_fail("more came out than went in");
    return model_choose(2) == 0;
}

void set_up_counters()
{
    new_ring(0);
    in = static_cast<struct weir_counter *>(model_alloc(sizeof *in));
    out = static_cast<struct weir_counter *>(model_alloc(sizeof *out));
    model_word(in, "in");
    model_word(out, "out");
    model_thread("producer", count_and_push, new_side());
    model_thread("consumer", pop_and_count, new_side());
    model_thread("observer", observe_counters, nullptr);
}

void counters_agree()
{
    if (weir_counter_read(in) != bound.items || weir_counter_read(out) != bound.items)
        model_fail("a counter lost something");
}

/* ---- state word: results are read after the state that says they are there ---- */

constexpr uint32_t ENDED = 1;

bool work(void *)
{
    Item item = 42;
    weir_slot_write(result, &item, sizeof item);
    weir_word_publish(flag, ENDED);
    return false;
}

bool await_work(void *)
{
    if (weir_word_read(flag) != ENDED)
        return true;
    Item item;
    weir_slot_read(&item, result, sizeof item);
    if (item != 42)
        model_fail("another result");
    return false;
}

void set_up_state()
{
    flag = static_cast<struct weir_word *>(model_alloc(sizeof *flag));
    result = static_cast<Item *>(model_alloc(sizeof *result));
    model_word(flag, "state");
    model_thread("worker", work, nullptr);
    model_thread("control", await_work, nullptr);
}

void nothing()
{
}

constexpr uint32_t WRAP = UINT32_MAX - 2; /* the indices go through 2^32 */

} // namespace

const std::vector<Case> cases = {
    {{"push-pop", set_up_push_pop, ring_is_empty_at_the_end},
        {{2, 0, 24}, {2, WRAP, 24}, {4, 0, 12}, {4, WRAP, 12}},
        {{2, 0, 200}, {2, WRAP, 200}, {4, 0, 32}, {4, WRAP, 32}},
        {{4, WRAP, 1000}, {8, 0, 1000}, {8, WRAP, 1000}}},
    {{"lazy", set_up_lazy, ring_is_empty_at_the_end}, {{2, 0, 24}, {4, WRAP, 10}},
        {{2, WRAP, 48}, {4, 0, 13}}, {{4, 0, 1000}, {8, WRAP, 1000}}},
    {{"in-place", set_up_in_place, ring_is_empty_at_the_end}, {{2, 0, 24}, {4, WRAP, 16}},
        {{2, WRAP, 200}, {4, 0, 48}}, {{4, 0, 1000}, {8, WRAP, 1000}}},
    {{"close", set_up_close, all_was_popped}, {{2, 0, 16}, {4, WRAP, 10}}, {{2, WRAP, 100}, {4, 0, 24}},
        {{4, 0, 30}, {8, WRAP, 30}}},
    {{"depth", set_up_depth, ring_is_empty_at_the_end}, {{2, WRAP, 6}, {4, 0, 5}}, {{2, 0, 8}},
        {{4, 0, 1000}, {8, WRAP, 1000}}},
    {{"room", set_up_room, ring_is_empty_at_the_end}, {{2, 0, 12}, {4, WRAP, 8}}, {{2, WRAP, 24}, {4, 0, 12}},
        {{4, 0, 1000}, {8, WRAP, 1000}}},
    {{"doorbell", set_up_doorbell_one, all_rings_are_empty}, {{2, 0, 12}, {4, WRAP, 12}},
        {{2, WRAP, 100}, {4, 0, 32}}, {{4, 0, 1000}, {8, WRAP, 1000}}},
    {{"doorbell-close", set_up_doorbell_close, all_rings_are_empty}, {{2, 0, 12}, {4, WRAP, 12}},
        {{2, WRAP, 100}, {4, 0, 32}}, {{4, 0, 1000}, {8, WRAP, 1000}}},
    {{"doorbell-two", set_up_doorbell_two, all_rings_are_empty}, {{2, 0, 2}}, {{2, WRAP, 2}, {4, 0, 2}},
        {{2, 0, 1000}, {4, WRAP, 1000}}},
    {{"counters", set_up_counters, counters_agree}, {{2, 0, 8}, {4, WRAP, 6}}, {{2, WRAP, 16}, {4, 0, 8}},
        {{4, 0, 1000}, {8, WRAP, 1000}}},
    {{"state", set_up_state, nothing}, {{2, 0, 0}}, {}, {}},
};
