/* SPDX-License-Identifier: BSD-3-Clause */
/* The flows of one shard.
 *
 * A bucket is one cache line: 8 tags compared at once, 8 record numbers, and how many records had to go past
 * it. A record is one cache line too. A lookup touches two lines, both known early enough to be prefetched:
 *
 *     for each packet   b = weir_flow_home(table, n_buckets, hash);              prefetch b
 *     for each packet   f = weir_flow_likely(table, records_at, b, hash);        prefetch f
 *     for each packet   weir_flow_is(f, key) ? f : weir_flow_table_find(…)       update
 *
 * n_buckets and records_at follow from the capacity alone (struct weir_flow_shape), so that shards of one
 * pool share them and the lookup does not touch the table's own line. A full bucket spills into the next
 * ones; `passed` counts what went past, so a search ends at the first bucket that nothing passed and removal
 * leaves no tombstones. On average at most half the places are taken: at the limit 2 % of the buckets spill.
 *
 * Threads  the shard's owner.   Memory  none is allocated: the caller brings weir_flow_table_bytes(),
 * cache-aligned. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "dataplane/descriptor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_FLOW_PLACES 8                /* a bucket */
#define WEIR_FLOW_CAPACITY_MAX (1u << 30) /* a table */

struct weir_flow {
    struct weir_key key;           /* kind NONE: not in use, address[0] = next free record */
    uint64_t packets[2], bytes[2]; /* [0] from the lower endpoint to the higher, [1] back; layer-2 bytes */
    uint64_t first_tsc, last_tsc;
};

struct weir_flow_bucket {
    uint16_t tag[WEIR_FLOW_PLACES];     /* 0 = empty; tags are odd */
    uint32_t index[WEIR_FLOW_PLACES];   /* of the record */
    uint8_t distance[WEIR_FLOW_PLACES]; /* buckets from the record's home */
    uint16_t passed;                    /* records whose home is here or before and whose place is behind */
    uint8_t spare[6];
} __attribute__((aligned(64)));

/* Followed in memory by the buckets, then by the records; record 0 is never in use and matches no key. */
struct weir_flow_table {
    uint32_t capacity;
    uint32_t n_buckets;
    uint32_t used;   /* records in use */
    uint32_t fresh;  /* records from here on were never in use */
    uint32_t free;   /* first of the records given back, 0 = none */
    uint32_t cursor; /* next bucket that ageing looks at */
} __attribute__((aligned(64)));

struct weir_flow_shape {
    uint32_t n_buckets;
    size_t records_at; /* bytes from the table to its records */
    size_t bytes; /* of it all; an odd number of cache lines, so that neighbours do not meet in a cache set */
};

static_assert(sizeof(struct weir_flow) == 64, "a record is a cache line");
static_assert(sizeof(struct weir_flow_bucket) == 64, "a bucket is a cache line");
static_assert(sizeof(struct weir_flow_table) == 64, "the table's own line");

/* capacity 1 .. WEIR_FLOW_CAPACITY_MAX. */
struct weir_flow_shape weir_flow_table_shape(uint32_t capacity);
size_t weir_flow_table_bytes(uint32_t capacity);
/* Records are not touched before they are first used, so pages are taken up as flows come. */
struct weir_flow_table *weir_flow_table_init(void *memory, uint32_t capacity);

/* `hash` is always that of the descriptor the key came with; the key's flags do not matter. */

/* The record of a key, or NULL. */
struct weir_flow *weir_flow_table_find(struct weir_flow_table *, uint32_t hash, const struct weir_key *);
/* A new record for a key that is not in the table and whose kind is not NONE: counts 0, both times
 * `now_tsc`. NULL when the table is full. */
struct weir_flow *weir_flow_table_insert(
    struct weir_flow_table *, uint32_t hash, const struct weir_key *, uint64_t now_tsc);
/* False if there was none. */
bool weir_flow_table_remove(struct weir_flow_table *, uint32_t hash, const struct weir_key *);
/* Remove flows without a packet for more than idle_tsc, in the next `max_steps` buckets; returns how many.
 * Look at a table's `cursor` afterwards: 0 = a round has ended. Touches at most 9 cache lines a step and
 * prefetches those of the next. */
uint32_t weir_flow_table_age(
    struct weir_flow_table *, uint64_t now_tsc, uint64_t idle_tsc, uint32_t max_steps);
/* All flows, in no order: start with *index = 0; NULL ends. No insert or removal in between. */
struct weir_flow *weir_flow_table_next(struct weir_flow_table *, uint32_t *index);

/* ---- pieces of a lookup, for passes over a batch ---- */

/* Which bucket: the high bits of the hash, for the low ones chose the shard. Which tag: all of them, mixed,
 * for the bits that differ between flows of one bucket lie in the middle. */
static inline uint32_t weir_flow_home_index(uint32_t n_buckets, uint32_t hash)
{
    return (uint32_t)((uint64_t)hash * n_buckets >> 32);
}

static inline uint16_t weir_flow_tag(uint32_t hash)
{
    return (uint16_t)(hash * 0x9e3779b1u >> 16 | 1);
}

static inline struct weir_flow_bucket *weir_flow_home(
    struct weir_flow_table *t, uint32_t n_buckets, uint32_t hash)
{
    return (struct weir_flow_bucket *)(t + 1) + weir_flow_home_index(n_buckets, hash);
}

/* Bit i is set where place i has the tag. */
static inline uint32_t weir_flow_match_scalar(const struct weir_flow_bucket *b, uint16_t tag)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < WEIR_FLOW_PLACES; i++)
        mask |= (uint32_t)(b->tag[i] == tag) << i;
    return mask;
}

#ifdef __SSE2__
static inline uint32_t weir_flow_match(const struct weir_flow_bucket *b, uint16_t tag)
{
    __m128i same = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)b->tag), _mm_set1_epi16((int16_t)tag));
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128()));
}
#else
#define weir_flow_match weir_flow_match_scalar
#endif

/* The first record in bucket `b` whose tag fits, unverified; record 0 if there is none. No branch. */
static inline struct weir_flow *weir_flow_likely(
    struct weir_flow_table *t, size_t records_at, const struct weir_flow_bucket *b, uint32_t hash)
{
    uint32_t mask = weir_flow_match(b, weir_flow_tag(hash));
    uint32_t place = (uint32_t)__builtin_ctz(mask | 1u << WEIR_FLOW_PLACES) & (WEIR_FLOW_PLACES - 1);
    uint32_t index = b->index[place] & (0u - (mask != 0));
    return (struct weir_flow *)((uint8_t *)t + records_at) + index;
}

/* Same flow: the first 15 bytes. */
static inline bool weir_flow_is(const struct weir_flow *f, const struct weir_key *key)
{
    uint64_t a[2], b[2];
    memcpy(a, &f->key, 16);
    memcpy(b, key, 16);
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) << 8) == 0;
}

#ifdef __cplusplus
}
#endif
