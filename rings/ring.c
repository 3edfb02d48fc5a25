/* SPDX-License-Identifier: BSD-3-Clause */
#include "rings/ring.h"

#include <assert.h>
#include <string.h>

/* Both indices are 32 bits and free-running: their difference is right across 2^32 as long as the capacity is at
 * most 2^31. */
#define CAPACITY_MAX (1u << 30)

static_assert(sizeof(struct weir_ring_producer) == WEIR_CACHE_LINE, "one line for the producer");
static_assert(sizeof(struct weir_ring_consumer) == WEIR_CACHE_LINE, "one line for the consumer");

/* ---- producer ---- */

static uint32_t room_slow(struct weir_ring_producer *p)
{
    /* [A2] the consumer has finished reading the slots below head; pairs with [R2] in weir_ring_release. */
    p->head_seen = weir_load_acquire(&p->other->head);
    uint32_t depth = p->tail - p->head_seen;
    if (depth > p->high_water) /* Relaxed: a figure for people, ordered by nothing. */
        weir_store_relaxed(&p->high_water, depth);
    return p->mask + 1 - (p->tail - p->head_seen);
}

uint32_t weir_ring_room(struct weir_ring_producer *p, uint32_t want)
{
    uint32_t room = p->mask + 1 - (p->tail - p->head_seen);
    return room >= want ? room : room_slow(p);
}

void *weir_ring_reserve(struct weir_ring_producer *p, uint32_t want, uint32_t *granted)
{
    uint32_t room = weir_ring_room(p, want);
    uint32_t at = p->tail & p->mask;
    uint32_t to_edge = p->mask + 1 - at;
    uint32_t n = want < room ? want : room;
    *granted = n < to_edge ? n : to_edge;
    return p->slots + (size_t)at * p->item_size;
}

void weir_ring_commit(struct weir_ring_producer *p, uint32_t n)
{
    /* [R1] publish the slots; pairs with [A1] in weir_ring_peek. */
    weir_store_release(&p->tail, p->tail + n);
}

uint32_t weir_ring_push(struct weir_ring_producer *p, const void *items, uint32_t n)
{
    uint32_t room = weir_ring_room(p, n);
    if (n > room)
        n = room;
    if (n == 0)
        return 0;
    uint32_t at = p->tail & p->mask;
    uint32_t to_edge = p->mask + 1 - at;
    uint32_t first = n < to_edge ? n : to_edge;
    memcpy(p->slots + (size_t)at * p->item_size, items, (size_t)first * p->item_size);
    memcpy(
        p->slots, (const uint8_t *)items + (size_t)first * p->item_size, (size_t)(n - first) * p->item_size);
    weir_ring_commit(p, n);
    return n;
}

void weir_ring_close(struct weir_ring_producer *p)
{
    /* [R3] the last tail is visible with the end; pairs with [A3] in weir_ring_ended. */
    weir_store_release(&p->ended, 1);
}

/* ---- consumer ---- */

const void *weir_ring_peek(struct weir_ring_consumer *c, uint32_t want, uint32_t *granted)
{
    uint32_t ready = c->tail_seen - c->head;
    if (ready < want) {
        /* [A1] see the slots below tail; pairs with [R1] in weir_ring_commit. */
        c->tail_seen = weir_load_acquire(&c->other->tail);
        ready = c->tail_seen - c->head;
    }
    uint32_t at = c->head & c->mask;
    uint32_t to_edge = c->mask + 1 - at;
    uint32_t n = want < ready ? want : ready;
    *granted = n < to_edge ? n : to_edge;
    return c->slots + (size_t)at * c->item_size;
}

void weir_ring_release(struct weir_ring_consumer *c, uint32_t n)
{
    /* [R2] finished with the slots; pairs with [A2] in room_slow. */
    weir_store_release(&c->head, c->head + n);
}

uint32_t weir_ring_pop(struct weir_ring_consumer *c, void *items, uint32_t want)
{
    uint32_t popped = 0;
    while (popped < want) { /* at most twice: up to the edge, and from the start */
        uint32_t n;
        const void *from = weir_ring_peek(c, want - popped, &n);
        if (n == 0)
            break;
        memcpy((uint8_t *)items + (size_t)popped * c->item_size, from, (size_t)n * c->item_size);
        weir_ring_release(c, n);
        popped += n;
    }
    return popped;
}

bool weir_ring_ended(struct weir_ring_consumer *c)
{
    /* [A3] an end that is seen brings the last tail with it; pairs with [R3] in weir_ring_close. */
    if (!weir_load_acquire(&c->other->ended))
        return false;
    /* Relaxed: [A3] ordered it. */
    return weir_load_relaxed(&c->other->tail) == c->head;
}

/* ---- anyone ---- */

uint32_t weir_ring_depth(const struct weir_ring *r)
{
    /* Relaxed, head first: a reader between two moves may see a depth that is a moment old, never a negative one
     * from its own order of loads alone; clamp what two racing ends can still make of it. */
    uint32_t head = weir_load_relaxed(&r->consumer.head);
    uint32_t depth = weir_load_relaxed(&r->producer.tail) - head;
    uint32_t capacity = r->producer.mask + 1;
    return depth > capacity ? (depth > UINT32_MAX / 2 ? 0 : capacity) : depth;
}

uint32_t weir_ring_capacity(const struct weir_ring *r)
{
    return r->producer.mask + 1;
}

uint32_t weir_ring_high_water(const struct weir_ring *r)
{
    return weir_load_relaxed(&r->producer.high_water);
}

/* ---- set-up ---- */

size_t weir_ring_bytes(uint32_t capacity, uint32_t item_size)
{
    if (capacity < 2 || capacity > CAPACITY_MAX || (capacity & (capacity - 1)) != 0 || item_size == 0)
        return 0;
    size_t bytes = sizeof(struct weir_ring) + (size_t)capacity * item_size;
    return (bytes + WEIR_CACHE_LINE - 1) & ~(size_t)(WEIR_CACHE_LINE - 1);
}

struct weir_ring *weir_ring_init(void *memory, uint32_t capacity, uint32_t item_size, uint32_t start)
{
    assert(weir_ring_bytes(capacity, item_size) != 0);
    struct weir_ring *r = memory;
    uint8_t *slots = (uint8_t *)(r + 1);
    memset(r, 0, sizeof *r);
    r->producer = (struct weir_ring_producer){.tail = start,
        .head_seen = start,
        .mask = capacity - 1,
        .item_size = item_size,
        .slots = slots,
        .other = &r->consumer};
    r->consumer = (struct weir_ring_consumer){.head = start,
        .tail_seen = start,
        .mask = capacity - 1,
        .item_size = item_size,
        .slots = slots,
        .other = &r->producer};
    return r;
}
