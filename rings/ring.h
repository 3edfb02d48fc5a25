/* SPDX-License-Identifier: BSD-3-Clause */
/* Bounded lock-free ring between two cores: one producer, one consumer, items of one fixed size, FIFO.
 *
 *     producer                                              consumer
 *     append, push, reserve + commit                        pop, peek + release
 *        │ fills slots from `tail`                             │ empties slots from `head`
 *        └─ publishes `tail` ──── one cache line ───▶ reads it only when it knows of less than it wants
 *           reads it only when it seems full ◀─── one line ─── publishes `head` ─┘
 *
 * The two ends are different types, so that nobody pops from the wrong side, and each names its owner. Each end keeps
 * to itself what it need not share: it remembers the other's index and looks again only when that says full (or
 * empty), and it publishes its own seldom. That, and asking for cache lines well before they are needed, is what makes
 * it fast; docs/design/002-ring.md has the variants that were measured. Indices are 32 bits, run free and are
 * only subtracted; wrap past 2^32 is ordinary.
 *
 * Threads  producer calls: the one thread that owns the producer end; consumer calls likewise; weir_ring_depth()
 *          and the other readers: anyone, at any time.
 * Memory   none is allocated: the caller brings weir_ring_bytes() of memory aligned to WEIR_APART, on the NUMA node it
 *          wants (the consumer's; the pages lie where they are first touched, and weir_ring_init() touches them all).
 * Errors   none but the count: a call does as much as it can and says how much that was. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rings/atomic.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_RING_OWNER_MAX 32 /* bytes of an owner's name, with its end */

/* What crosses from one end to the other, alone in its line. */
struct weir_ring_index {
    uint32_t index;
    uint32_t ended; /* the producer's only: no item follows `index` */
} __attribute__((aligned(WEIR_APART)));

struct weir_ring_producer {
    uint32_t tail;       /* producer writes, anyone reads: items ever accepted */
    uint32_t high_water; /* producer writes, anyone reads: deepest that it knew of */
    uint32_t published;  /* producer only, like all that follows: `tail` as the consumer may see it */
    uint32_t head_seen;  /* last head read from the consumer */
    uint32_t mask;
    uint32_t item_size;
    uint32_t step;  /* items that may wait unpublished */
    uint32_t ahead; /* items: how far before the tail lines are claimed for writing */
    uint8_t *slots;
    struct weir_ring_index *out;      /* the tail, for the consumer */
    const struct weir_ring_index *in; /* the head, from the consumer */
    char owner[WEIR_RING_OWNER_MAX];  /* who may call */
} __attribute__((aligned(WEIR_APART)));

struct weir_ring_consumer {
    uint32_t head;      /* consumer writes, anyone reads: items ever taken */
    uint32_t published; /* consumer only, like all that follows: `head` as the producer may see it */
    uint32_t tail_seen;
    uint32_t mask;
    uint32_t item_size;
    uint32_t step;
    uint32_t ahead;
    uint8_t *slots;
    struct weir_ring_index *out;
    const struct weir_ring_index *in;
    char owner[WEIR_RING_OWNER_MAX];
} __attribute__((aligned(WEIR_APART)));

struct weir_ring {
    struct weir_ring_producer producer;
    struct weir_ring_index tail;
    struct weir_ring_index head;
    struct weir_ring_consumer consumer;
};

/* ---- set-up ---- */

/* Bytes for a ring of `capacity` (power of two, 2 .. 2^30) items of `item_size` bytes. 0 = illegal. */
size_t weir_ring_bytes(uint32_t capacity, uint32_t item_size);

/* Lay a ring out in `memory`. `start` is the first index (0; tests start just below 2^32). */
struct weir_ring *weir_ring_init(void *memory, uint32_t capacity, uint32_t item_size, uint32_t start);

/* Name the owners, for people; longer names are cut. Before either end is used. */
void weir_ring_name(struct weir_ring *, const char *producer, const char *consumer);

/* ---- producer ---- */

/* Append the first k of n items, k as large as fits; returns k. The caller keeps the rest. After the call the
 * producer never touches those k again.
 * The consumer sees them after weir_ring_publish(), or once a sixteenth of the ring (at most 64 items) waits: far
 * cores hand over twice as much when the tail travels half as often. A producer that goes idle or turns to
 * something else publishes first. A ring that seems full publishes by itself. */
static inline uint32_t weir_ring_append(struct weir_ring_producer *, const void *items, uint32_t n);
static inline void weir_ring_publish(struct weir_ring_producer *);
/* The same for who knows the size of an item when compiling: it must be the ring's, and saves some 10 TSC cycles a call. */
static inline uint32_t weir_ring_append_sized(
    struct weir_ring_producer *, const void *items, uint32_t n, uint32_t item_size);
/* Append and publish in one. */
static inline uint32_t weir_ring_push(struct weir_ring_producer *, const void *items, uint32_t n);
/* Slots to write in place: *granted <= want contiguous slots, which weir_ring_commit() appends, without a copy. */
static inline void *weir_ring_reserve(struct weir_ring_producer *, uint32_t want, uint32_t *granted);
static inline void weir_ring_commit(struct weir_ring_producer *, uint32_t n);
/* Room for how many items, at least `want` if there is that much; publishes if there is less. */
static inline uint32_t weir_ring_room(struct weir_ring_producer *, uint32_t want);
/* The consumer has taken every item before `position` (an earlier `tail`) and said so. Publishes, so that it can. */
bool weir_ring_passed(struct weir_ring_producer *, uint32_t position);
/* End of stream: publishes, and nothing is appended after it. */
void weir_ring_close(struct weir_ring_producer *);

/* ---- consumer ---- */

/* Take up to `want` items in order; returns how many: fewer only if no more were published.
 * The producer hears of emptied slots each eighth of the ring, and of all of them when the ring was found empty. */
static inline uint32_t weir_ring_pop(struct weir_ring_consumer *, void *items, uint32_t want);
static inline uint32_t weir_ring_pop_sized(
    struct weir_ring_consumer *, void *items, uint32_t want, uint32_t item_size);
/* Items to read in place: *granted <= want contiguous slots, given back by weir_ring_release(). */
static inline const void *weir_ring_peek(struct weir_ring_consumer *, uint32_t want, uint32_t *granted);
static inline void weir_ring_release(struct weir_ring_consumer *, uint32_t n);
/* Tell the producer of every slot emptied so far; for a consumer that turns to something else. */
static inline void weir_ring_settle(struct weir_ring_consumer *);
/* The producer closed the ring and everything it appended has been taken. */
bool weir_ring_ended(struct weir_ring_consumer *);

/* ---- anyone ---- */

/* Items accepted and not taken, whether the other end has heard of it or not. */
uint32_t weir_ring_depth(const struct weir_ring *);
uint32_t weir_ring_capacity(const struct weir_ring *);
/* The deepest that the producer knew of when it looked: up to an eighth of the ring too high, since it hears late. */
uint32_t weir_ring_high_water(const struct weir_ring *);

/* ---- how: producer ---- */

uint32_t weir_ring_room_slow(struct weir_ring_producer *);

static inline uint32_t weir_ring_room(struct weir_ring_producer *p, uint32_t want)
{
    uint32_t room = p->mask + 1 - (p->tail - p->head_seen);
    return __builtin_expect(room >= want, 1) ? room : weir_ring_room_slow(p);
}

static inline void weir_ring_publish(struct weir_ring_producer *p)
{
    if (p->published == p->tail)
        return;
    p->published = p->tail;
    /* [R1] publish the slots; pairs with [A1] in weir_ring_ready. */
    weir_store_release(&p->out->index, p->tail);
}

/* Claim the lines that the coming bursts will write. At the edge that may be a line behind the ring: a hint, no access. */
static inline void weir_ring_claim(const struct weir_ring_producer *p, size_t bytes, uint32_t item_size)
{
    const uint8_t *from = p->slots + (size_t)((p->tail + p->ahead) & p->mask) * item_size;
    size_t at = 0;
    do
        weir_prefetch_write(from + at);
    while ((at += WEIR_CACHE_LINE) < bytes);
}

static inline void weir_ring_commit(struct weir_ring_producer *p, uint32_t n)
{
    uint32_t tail = p->tail + n;
    /* Relaxed: for weir_ring_depth() only; the consumer hears of it by [R1]. */
    weir_store_relaxed(&p->tail, tail);
    if (tail - p->published >= p->step)
        weir_ring_publish(p);
}

static inline __attribute__((always_inline)) uint32_t weir_ring_append_sized(
    struct weir_ring_producer *p, const void *items, uint32_t n, uint32_t item_size)
{
    uint32_t room = weir_ring_room(p, n);
    if (__builtin_expect(n > room, 0))
        n = room;
    weir_ring_claim(p, (size_t)n * item_size, item_size);
    uint32_t at = p->tail & p->mask;
    uint32_t to_edge = p->mask + 1 - at;
    uint32_t first = n < to_edge ? n : to_edge;
    weir_slot_write(p->slots + (size_t)at * item_size, items, (size_t)first * item_size);
    if (__builtin_expect(first < n, 0))
        weir_slot_write(
            p->slots, (const uint8_t *)items + (size_t)first * item_size, (size_t)(n - first) * item_size);
    weir_ring_commit(p, n);
    return n;
}

static inline uint32_t weir_ring_append(struct weir_ring_producer *p, const void *items, uint32_t n)
{
    return weir_ring_append_sized(p, items, n, p->item_size);
}

static inline uint32_t weir_ring_push(struct weir_ring_producer *p, const void *items, uint32_t n)
{
    n = weir_ring_append(p, items, n);
    weir_ring_publish(p);
    return n;
}

static inline void *weir_ring_reserve(struct weir_ring_producer *p, uint32_t want, uint32_t *granted)
{
    uint32_t room = weir_ring_room(p, want);
    uint32_t at = p->tail & p->mask;
    uint32_t to_edge = p->mask + 1 - at;
    uint32_t n = want < room ? want : room;
    *granted = n < to_edge ? n : to_edge;
    weir_ring_claim(p, (size_t)*granted * p->item_size, p->item_size);
    return p->slots + (size_t)at * p->item_size;
}

/* ---- how: consumer ---- */

static inline void weir_ring_settle(struct weir_ring_consumer *c)
{
    if (c->published == c->head)
        return;
    c->published = c->head;
    /* [R2] finished with the slots; pairs with [A2] in weir_ring_room_slow. */
    weir_store_release(&c->out->index, c->head);
}

/* Published items, at least `want` if there are that many. */
static inline uint32_t weir_ring_ready(struct weir_ring_consumer *c, uint32_t want)
{
    uint32_t ready = c->tail_seen - c->head;
    if (ready >= want)
        return ready;
    /* [A1] see the slots below the tail; pairs with [R1] in weir_ring_publish. */
    c->tail_seen = weir_load_acquire(&c->in->index);
    if (__builtin_expect(c->tail_seen == c->head, 0))
        weir_ring_settle(c); /* empty: whoever waits for room, a hand-over or a drain must hear of it now */
    return c->tail_seen - c->head;
}

/* Fetch what the coming calls will read, once its start is known to be there; of an odd batch some may not be yet. */
static inline void weir_ring_fetch(
    const struct weir_ring_consumer *c, uint32_t ready, size_t bytes, uint32_t item_size)
{
    if (ready <= c->ahead)
        return;
    const uint8_t *from = c->slots + (size_t)((c->head + c->ahead) & c->mask) * item_size;
    size_t at = 0;
    do
        weir_prefetch_read(from + at);
    while ((at += WEIR_CACHE_LINE) < bytes);
}

static inline const void *weir_ring_peek(struct weir_ring_consumer *c, uint32_t want, uint32_t *granted)
{
    uint32_t ready = weir_ring_ready(c, want);
    uint32_t at = c->head & c->mask;
    uint32_t to_edge = c->mask + 1 - at;
    uint32_t n = want < ready ? want : ready;
    *granted = n < to_edge ? n : to_edge;
    weir_ring_fetch(c, ready, (size_t)*granted * c->item_size, c->item_size);
    return c->slots + (size_t)at * c->item_size;
}

static inline void weir_ring_release(struct weir_ring_consumer *c, uint32_t n)
{
    uint32_t head = c->head + n;
    /* Relaxed: for weir_ring_depth() only; the producer hears of it by [R2]. */
    weir_store_relaxed(&c->head, head);
    if (head - c->published >= c->step)
        weir_ring_settle(c);
}

static inline __attribute__((always_inline)) uint32_t weir_ring_pop_sized(
    struct weir_ring_consumer *c, void *items, uint32_t want, uint32_t item_size)
{
    uint32_t ready = weir_ring_ready(c, want);
    uint32_t n = want < ready ? want : ready;
    uint32_t at = c->head & c->mask;
    uint32_t to_edge = c->mask + 1 - at;
    uint32_t first = n < to_edge ? n : to_edge;
    weir_ring_fetch(c, ready, (size_t)n * item_size, item_size);
    weir_slot_read(items, c->slots + (size_t)at * item_size, (size_t)first * item_size);
    if (__builtin_expect(first < n, 0))
        weir_slot_read(
            (uint8_t *)items + (size_t)first * item_size, c->slots, (size_t)(n - first) * item_size);
    weir_ring_release(c, n);
    return n;
}

static inline uint32_t weir_ring_pop(struct weir_ring_consumer *c, void *items, uint32_t want)
{
    return weir_ring_pop_sized(c, items, want, c->item_size);
}

#ifdef __cplusplus
}
#endif
