/* SPDX-License-Identifier: BSD-3-Clause */
#include "rings/ring.h"

#include <assert.h>
#include <string.h>

/* Both indices are 32 bits and free-running: their difference is right across 2^32 as long as the capacity is at
 * most 2^31. */
#define CAPACITY_MAX (1u << 30)

/* Chosen by measurement, docs/design/002-ring.md. */
#define HEAD_STEPS 8     /* the head is published each eighth of the ring */
#define TAIL_STEPS 16    /* the tail each sixteenth, */
#define TAIL_STEP_MAX 64 /* or each 64 items */
#define AHEAD_LINES 16   /* lines are asked for 16 before they are needed, */
#define AHEAD_PARTS 4    /* or a quarter of the ring */

static_assert(sizeof(struct weir_ring_producer) == WEIR_APART, "the producer's own two lines");
static_assert(sizeof(struct weir_ring_consumer) == WEIR_APART, "the consumer's own two lines");
static_assert(offsetof(struct weir_ring, head) - offsetof(struct weir_ring, tail) == WEIR_APART, "apart");

/* ---- the slow path ---- */

uint32_t weir_ring_room_slow(struct weir_ring_producer *p)
{
    /* A consumer that waits for what is unpublished, and a producer that waits for it, would wait for ever. */
    weir_ring_publish(p);
    /* [A2] the consumer has finished reading the slots below the head; pairs with [R2] in weir_ring_settle. */
    p->head_seen = weir_load_acquire(&p->in->index);
    uint32_t depth = p->tail - p->head_seen;
    if (depth > p->high_water) /* Relaxed: a figure for people, ordered by nothing. */
        weir_store_relaxed(&p->high_water, depth);
    return p->mask + 1 - depth;
}

bool weir_ring_passed(struct weir_ring_producer *p, uint32_t position)
{
    weir_ring_room_slow(p);
    return (int32_t)(p->head_seen - position) >= 0;
}

/* ---- the end of stream ---- */

void weir_ring_close(struct weir_ring_producer *p)
{
    weir_ring_publish(p);
    /* [R3] the last tail is visible with the end; pairs with [A3] in weir_ring_ended. */
    weir_store_release(&p->out->ended, 1);
}

bool weir_ring_ended(struct weir_ring_consumer *c)
{
    /* [A3] an end that is seen brings the last tail with it; pairs with [R3] in weir_ring_close. */
    return weir_load_acquire(&c->in->ended) && weir_ring_ready(c, 1) == 0;
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
    return (bytes + WEIR_APART - 1) & ~(size_t)(WEIR_APART - 1);
}

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

static uint32_t at_least_one(uint32_t value)
{
    return value > 0 ? value : 1;
}

struct weir_ring *weir_ring_init(void *memory, uint32_t capacity, uint32_t item_size, uint32_t start)
{
    size_t bytes = weir_ring_bytes(capacity, item_size);
    assert(bytes != 0 && (uintptr_t)memory % WEIR_APART == 0);
    memset(memory, 0, bytes);
    struct weir_ring *r = memory;
    uint8_t *slots = (uint8_t *)(r + 1);
    uint32_t ahead = at_most(AHEAD_LINES * WEIR_CACHE_LINE / item_size, capacity / AHEAD_PARTS);
    r->tail.index = r->head.index = start;
    r->producer = (struct weir_ring_producer){.tail = start,
        .published = start,
        .head_seen = start,
        .mask = capacity - 1,
        .item_size = item_size,
        .step = at_least_one(at_most(capacity / TAIL_STEPS, TAIL_STEP_MAX)),
        .ahead = ahead,
        .slots = slots,
        .out = &r->tail,
        .in = &r->head};
    r->consumer = (struct weir_ring_consumer){.head = start,
        .published = start,
        .tail_seen = start,
        .mask = capacity - 1,
        .item_size = item_size,
        .step = at_least_one(capacity / HEAD_STEPS),
        .ahead = ahead,
        .slots = slots,
        .out = &r->head,
        .in = &r->tail};
    return r;
}

static void name(char to[WEIR_RING_OWNER_MAX], const char *owner)
{
    size_t length = strnlen(owner, WEIR_RING_OWNER_MAX - 1);
    memcpy(to, owner, length);
    to[length] = '\0';
}

void weir_ring_name(struct weir_ring *r, const char *producer, const char *consumer)
{
    name(r->producer.owner, producer);
    name(r->consumer.owner, consumer);
}
