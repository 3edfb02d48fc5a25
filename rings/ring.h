/* SPDX-License-Identifier: BSD-3-Clause */
/* Bounded lock-free ring between two cores: one producer, one consumer, fixed-size items, FIFO.
 *
 * The two ends are different types, so that nobody pops from the wrong side. Each end caches the other's index and
 * reads the shared one only when the cache says full (or empty). Indices are 32 bits, run free and are only
 * subtracted; wrap past 2^32 is ordinary.
 *
 * Threads  producer calls: the one thread that owns the producer end; consumer calls likewise; weir_ring_depth()
 *          and the other readers: anyone.
 * Memory   none is allocated: the caller brings weir_ring_bytes() of cache-aligned memory, on the node it wants. */
#ifndef WEIR_RINGS_RING_H
#define WEIR_RINGS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rings/atomic.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_ring_producer {
    uint32_t tail;      /* producer writes, all read: items ever pushed */
    uint32_t ended;     /* producer writes once, consumer reads: no item follows `tail` */
    uint32_t head_seen; /* producer only: last head read from the consumer */
    uint32_t mask;
    uint32_t item_size;
    uint32_t high_water; /* producer writes, all read: deepest when it last looked at the head */
    uint8_t *slots;
    struct weir_ring_consumer *other;
} WEIR_CACHE_ALIGNED;

struct weir_ring_consumer {
    uint32_t head;      /* consumer writes, all read: items ever popped */
    uint32_t tail_seen; /* consumer only */
    uint32_t mask;
    uint32_t item_size;
    uint8_t *slots;
    struct weir_ring_producer *other;
} WEIR_CACHE_ALIGNED;

struct weir_ring {
    struct weir_ring_producer producer;
    struct weir_ring_consumer consumer;
} WEIR_CACHE_ALIGNED;

/* Bytes for a ring of `capacity` (power of two, 2 .. 2^30) items of `item_size` bytes. 0 = illegal. */
size_t weir_ring_bytes(uint32_t capacity, uint32_t item_size);

/* Lay a ring out in `memory`. `start` is the first index (0; tests start just below 2^32). */
struct weir_ring *weir_ring_init(void *memory, uint32_t capacity, uint32_t item_size, uint32_t start);

/* ---- producer ---- */

/* Room for how many items, at least `want` if there is that much. */
uint32_t weir_ring_room(struct weir_ring_producer *, uint32_t want);
/* Append the first k of n items, k as large as fits; returns k. The caller keeps the rest. After the call the
 * producer never touches those k again. */
uint32_t weir_ring_push(struct weir_ring_producer *, const void *items, uint32_t n);
/* Slots to write in place: *granted <= want contiguous slots, published by weir_ring_commit(). */
void *weir_ring_reserve(struct weir_ring_producer *, uint32_t want, uint32_t *granted);
void weir_ring_commit(struct weir_ring_producer *, uint32_t n);
/* End of stream: nothing is pushed after it. */
void weir_ring_close(struct weir_ring_producer *);

/* ---- consumer ---- */

/* Take up to `want` items in order; returns how many. */
uint32_t weir_ring_pop(struct weir_ring_consumer *, void *items, uint32_t want);
/* Items to read in place: *granted <= want contiguous slots, given back by weir_ring_release(). */
const void *weir_ring_peek(struct weir_ring_consumer *, uint32_t want, uint32_t *granted);
void weir_ring_release(struct weir_ring_consumer *, uint32_t n);
/* The producer closed the ring and everything it pushed has been popped. */
bool weir_ring_ended(struct weir_ring_consumer *);

/* ---- anyone ---- */

uint32_t weir_ring_depth(const struct weir_ring *);
uint32_t weir_ring_capacity(const struct weir_ring *);
uint32_t weir_ring_high_water(const struct weir_ring *);

#ifdef __cplusplus
}
#endif
#endif
