/* SPDX-License-Identifier: BSD-3-Clause */
/* The rings that were tried and not taken, kept so that the table of docs/design/002-ring.md can be made again; and
 * the streaming limit, which is no ring. Items of 8 bytes. For tests/bench/rings.c only. */
#pragma once

#include "rings/atomic.h"

#define PER_LINE (WEIR_CACHE_LINE / 8)

struct prototype_index {
    uint32_t index;
} __attribute__((aligned(WEIR_APART)));

/* ---- cached opposite index, with what makes it lazier ---- */

/* Constants of one variant; with them the compiler makes it as if written by hand. */
struct cached_shape {
    uint32_t heads;       /* the head is published each 1/heads of the ring; 0 = each pop */
    uint32_t tail_step;   /* the tail each so many items; 0 = each push */
    uint32_t write_ahead; /* prefetchw so many items before the tail; 0 = never */
    uint32_t read_ahead;  /* prefetch so many before the head, as far as known to be there */
};

struct cached {
    struct prototype_index tail, head;
    struct {
        uint32_t tail, head_seen, published, mask;
    } p __attribute__((aligned(WEIR_APART)));
    struct {
        uint32_t head, tail_seen, published, mask;
    } c __attribute__((aligned(WEIR_APART)));
    uint64_t slots[] __attribute__((aligned(WEIR_APART)));
};

static void *make_cached(void *memory, uint32_t size, uint32_t item_bytes)
{
    (void)item_bytes;
    struct cached *r = memory;
    r->p.mask = r->c.mask = size - 1;
    return r;
}

static inline void cached_flush(struct cached *r)
{
    r->p.published = r->p.tail;
    weir_store_release(&r->tail.index, r->p.tail);
}

static inline __attribute__((always_inline)) uint32_t cached_push(
    struct cached *r, const void *items, uint32_t n, struct cached_shape shape)
{
    uint32_t tail = r->p.tail, size = r->p.mask + 1, room = size - (tail - r->p.head_seen);
    if (room < n) {
        if (shape.tail_step != 0)
            cached_flush(r);
        r->p.head_seen = weir_load_acquire(&r->head.index);
        room = size - (tail - r->p.head_seen);
        n = n < room ? n : room;
    }
    for (uint32_t i = 0; shape.write_ahead != 0 && i < n; i += PER_LINE)
        weir_prefetch_write(&r->slots[(tail + shape.write_ahead + i) & r->p.mask]);
    uint32_t at = tail & r->p.mask, first = n < size - at ? n : size - at;
    weir_slot_write(&r->slots[at], items, first * 8u);
    if (first < n)
        weir_slot_write(r->slots, (const uint64_t *)items + first, (n - first) * 8u);
    r->p.tail = tail + n;
    if (shape.tail_step == 0 || r->p.tail - r->p.published >= shape.tail_step)
        cached_flush(r);
    return n;
}

static inline __attribute__((always_inline)) uint32_t cached_pop(
    struct cached *r, void *items, uint32_t n, struct cached_shape shape)
{
    uint32_t head = r->c.head, size = r->c.mask + 1, ready = r->c.tail_seen - head;
    if (ready < n) {
        r->c.tail_seen = weir_load_acquire(&r->tail.index);
        ready = r->c.tail_seen - head;
        if (ready == 0 && r->c.published != head)
            weir_store_release(&r->head.index, r->c.published = head);
        n = n < ready ? n : ready;
    }
    for (uint32_t i = 0; shape.read_ahead != 0 && ready > shape.read_ahead && i < n; i += PER_LINE)
        weir_prefetch_read(&r->slots[(head + shape.read_ahead + i) & r->c.mask]);
    uint32_t at = head & r->c.mask, first = n < size - at ? n : size - at;
    weir_slot_read(items, &r->slots[at], first * 8u);
    if (first < n)
        weir_slot_read((uint64_t *)items + first, r->slots, (n - first) * 8u);
    r->c.head = head += n;
    if (shape.heads == 0 || head - r->c.published >= size / shape.heads)
        weir_store_release(&r->head.index, r->c.published = head);
    return n;
}

/* ---- validity in the slot: no index travels ---- */

struct slots {
    struct prototype_index
        head; /* parity only: without it the producer cannot know an old slot from an empty one */
    struct {
        uint32_t tail, head_seen, mask, shift;
    } p __attribute__((aligned(WEIR_APART)));
    struct {
        uint32_t head, published, mask, shift;
    } c __attribute__((aligned(WEIR_APART)));
    uint64_t slots[] __attribute__((aligned(WEIR_APART)));
};

static void *make_slots(void *memory, uint32_t size, uint32_t item_bytes)
{
    (void)item_bytes;
    struct slots *r = memory;
    r->p.mask = r->c.mask = size - 1;
    r->p.shift = r->c.shift = (uint32_t)__builtin_ctz(size);
    return r;
}

/* FastForward: a slot is free when it is 0. */
static inline uint32_t null_slot_push(struct slots *r, const void *items, uint32_t n)
{
    uint32_t done = 0, tail = r->p.tail;
    for (; done < n; done++, tail++) {
        uint64_t *slot = &r->slots[tail & r->p.mask];
        if (weir_load_acquire_u64(slot) != 0)
            break;
        if (tail % PER_LINE == 0)
            weir_prefetch_write(&r->slots[(tail + 128) & r->p.mask]);
        weir_store_release_u64(slot, ((const uint64_t *)items)[done]);
    }
    r->p.tail = tail;
    return done;
}

static inline uint32_t null_slot_pop(struct slots *r, void *items, uint32_t n)
{
    uint32_t done = 0, head = r->c.head;
    for (; done < n; done++, head++) {
        uint64_t *slot = &r->slots[head & r->c.mask], item = weir_load_acquire_u64(slot);
        if (item == 0)
            break;
        ((uint64_t *)items)[done] = item;
        weir_store_release_u64(slot, 0);
    }
    r->c.head = head;
    return done;
}

/* Caladan: the top bit of a slot tells by the parity of the lap whether it is new; the head is published lazily. */
static inline uint32_t parity_slot_push(struct slots *r, const void *items, uint32_t n)
{
    uint32_t tail = r->p.tail, room = r->p.mask + 1 - (tail - r->p.head_seen);
    if (room < n) {
        r->p.head_seen = weir_load_acquire(&r->head.index);
        room = r->p.mask + 1 - (tail - r->p.head_seen);
        n = n < room ? n : room;
    }
    for (uint32_t i = 0; i < n; i++, tail++) {
        uint64_t lap = (uint64_t)(~(tail >> r->p.shift) & 1) << 63;
        if (tail % PER_LINE == 0)
            weir_prefetch_write(&r->slots[(tail + 128) & r->p.mask]);
        weir_store_release_u64(&r->slots[tail & r->p.mask], ((const uint64_t *)items)[i] | lap);
    }
    r->p.tail = tail;
    return n;
}

static inline uint32_t parity_slot_pop(struct slots *r, void *items, uint32_t n)
{
    uint32_t done = 0, head = r->c.head;
    for (; done < n; done++, head++) {
        uint64_t lap = ~(head >> r->c.shift) & 1, item = weir_load_acquire_u64(&r->slots[head & r->c.mask]);
        if (item >> 63 != lap)
            break;
        ((uint64_t *)items)[done] = item << 1 >> 1;
    }
    r->c.head = head;
    if (head - r->c.published >= (r->c.mask + 1) / 8 || (done == 0 && r->c.published != head))
        weir_store_release(&r->head.index, r->c.published = head);
    return done;
}

/* ---- the streaming limit: lines copied, told of once a chunk, four chunks in turn ---- */

#define STREAM_CHUNKS 4

struct stream {
    struct prototype_index tail, head;
    struct {
        uint32_t tail, head_seen;
    } p __attribute__((aligned(WEIR_APART)));
    struct {
        uint32_t head, tail_seen;
    } c __attribute__((aligned(WEIR_APART)));
    uint64_t slots[] __attribute__((aligned(WEIR_APART)));
};

static void *make_stream(void *memory, uint32_t size, uint32_t item_bytes)
{
    (void)size;
    (void)item_bytes;
    return memory;
}

static inline void stream_flush(struct stream *s)
{
    weir_store_release(&s->tail.index, s->p.tail);
}

/* n divides a chunk, so no burst wraps. */
static inline __attribute__((always_inline)) uint32_t stream_push(
    struct stream *s, const void *items, uint32_t n, uint32_t chunk)
{
    uint32_t tail = s->p.tail, size = STREAM_CHUNKS * chunk, mask = size - 1;
    if (tail - s->p.head_seen > size - n) {
        s->p.head_seen = weir_load_acquire(&s->head.index);
        if (tail - s->p.head_seen > size - n)
            return 0;
    }
    for (uint32_t i = 0; i < n; i += PER_LINE)
        weir_prefetch_write(&s->slots[(tail + 128 + i) & mask]);
    weir_slot_write(&s->slots[tail & mask], items, n * 8u);
    s->p.tail = tail += n;
    if (tail % chunk == 0)
        stream_flush(s);
    return n;
}

static inline __attribute__((always_inline)) uint32_t stream_pop(
    struct stream *s, void *items, uint32_t n, uint32_t chunk)
{
    uint32_t head = s->c.head, mask = STREAM_CHUNKS * chunk - 1;
    if (s->c.tail_seen == head) {
        s->c.tail_seen = weir_load_acquire(&s->tail.index);
        if (s->c.tail_seen == head)
            return 0;
    }
    for (uint32_t i = 0; i < n; i += PER_LINE)
        weir_prefetch_read(&s->slots[(head + 128 + i) & mask]);
    weir_slot_read(items, &s->slots[head & mask], n * 8u);
    s->c.head = head += n;
    if (head % chunk == 0)
        weir_store_release(&s->head.index, head);
    return n;
}
