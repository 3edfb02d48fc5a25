/* SPDX-License-Identifier: BSD-3-Clause */
/* The flows of one shard, and the records of a pool, which its shards share.
 *
 * A bucket is one cache line: 8 tags compared at once, 8 record numbers, and how many records had to go past
 * it. A record is one cache line too. A lookup touches two lines, both known early enough to be prefetched:
 *
 *     for each packet   b = weir_flow_home(table, n_buckets, hash);              prefetch b
 *     for each packet   f = weir_flow_likely(records, b, hash);                  prefetch f
 *     for each packet   weir_flow_is(f, key) ? f : weir_flow_table_find(…)       update
 *
 * n_buckets follows from the pool's parameters alone, so that its shards share it and the lookup does not touch
 * the table's own line. A full bucket spills into the next ones; `passed` counts what went past, so a search ends
 * at the first bucket that nothing passed and removal leaves no tombstones. On average at most half the places are
 * taken: at the limit 2 % of the buckets spill.
 *
 * A shard holds numbers, so its flows move to another worker as they are. Free records are the worker's: each has
 * its part of the pool's, on its own NUMA node, and hands on what it does not need (weir_flow_store_exchange());
 * docs/design/004-flow-table.md.
 *
 * Threads  a table: the shard's owner; a store: its worker.   Memory  none is allocated: the caller brings
 * weir_flow_table_bytes(), weir_flow_store_bytes(), cache-aligned. */
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
#include "rings/ring.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_FLOW_PLACES 8                /* a bucket */
#define WEIR_FLOW_CAPACITY_MAX (1u << 30) /* a store */
#define WEIR_FLOW_CHUNK 1024              /* records that change hands at once, at most */
#define WEIR_FLOW_CHUNKS 16               /* that may be on their way to the next worker */

struct weir_flow {
    struct weir_key key; /* kind NONE: not in use, address[0] = next of its list, address[1] = next chunk;
                            of its flags only WEIR_DESC_REVERSED: as the flow's first packet had it */
    uint64_t bytes[2];   /* [0] from the lower endpoint to the higher, [1] back; layer-2 bytes */
    uint32_t packets[2]; /* the same; whoever counts them begins another record before this one is full */
    uint64_t first_tsc, last_tsc;
    uint32_t sequence;    /* of this record among those of the flow */
    uint8_t tcp_flags[2]; /* seen since the flow began: WEIR_TCP_* */
    uint16_t end;         /* enum weir_flow_end, in a record that leaves */
};

enum weir_flow_end {
    WEIR_FLOW_GOES_ON,
    WEIR_FLOW_IDLE,    /* no packet for so long */
    WEIR_FLOW_ACTIVE,  /* goes on for so long: another record begins */
    WEIR_FLOW_TCP_END, /* FIN both ways, or RST */
    WEIR_FLOW_EVICTED, /* gave its place to a new flow */
    WEIR_FLOW_DRAIN,   /* weir stopped */
    WEIR_FLOW_ENDS
};

struct weir_flow_times { /* cycles */
    int64_t idle, active;
    int64_t linger; /* after the end of TCP, for what is still under way; at most `idle` */
};

/* A flow leaves, or is cut: called before its record is. */
typedef void (*weir_flow_ended)(void *whose, const struct weir_flow *, enum weir_flow_end);

struct weir_flow_bucket {
    uint16_t tag[WEIR_FLOW_PLACES];     /* 0 = empty; tags are odd */
    uint32_t index[WEIR_FLOW_PLACES];   /* of the record */
    uint8_t distance[WEIR_FLOW_PLACES]; /* buckets from the record's home */
    uint16_t passed;                    /* records whose home is here or before and whose place is behind */
    uint8_t spare[6];
} __attribute__((aligned(64)));

/* Followed in memory by the buckets. */
struct weir_flow_table {
    uint32_t n_buckets;
    uint32_t used;   /* records in use */
    uint32_t cursor; /* next bucket that ageing looks at */
} __attribute__((aligned(64)));

/* A worker's way to the records of its pool. Numbers count from the lowest part; record 0 of each part is never
 * in use and matches no key. */
struct weir_flow_store {
    struct weir_flow *records;       /* number 0 of the pool */
    uint32_t free, n_free;           /* records given back, less than a chunk; 0 = none */
    uint32_t chunks, n_chunks;       /* first record of the first whole chunk of them, 0 = none */
    uint32_t fresh, end;             /* never in use yet */
    uint32_t chunk;                  /* its size */
    struct weir_ring_consumer *from; /* chunks that come from the worker before; NULL = alone */
    struct weir_ring_producer *to;   /* and go to the next, round the pool */
};

static_assert(sizeof(struct weir_flow) == 64, "a record is a cache line");
static_assert(sizeof(struct weir_flow_bucket) == 64, "a bucket is a cache line");
static_assert(sizeof(struct weir_flow_table) == 64, "the table's own line");

/* Buckets for a shard that holds `capacity` flows, 1 .. WEIR_FLOW_CAPACITY_MAX. */
uint32_t weir_flow_table_buckets(uint32_t capacity);
/* An odd number of cache lines, so that neighbours do not meet in a cache set. */
size_t weir_flow_table_bytes(uint32_t capacity);
struct weir_flow_table *weir_flow_table_init(void *memory, uint32_t capacity);

/* The records of a worker that owns `capacity` of the pool's. They are not touched before they are first used, so
 * pages are taken up as flows come; the memory is zeroed. */
size_t weir_flow_store_bytes(uint32_t capacity);
/* `lowest`: the lowest part of all workers of the pool. False: they lie more than 256 GiB apart. */
bool weir_flow_store_init(struct weir_flow_store *, void *memory, void *lowest, uint32_t capacity);
/* Once a step. A worker whose shards hold flows takes a chunk of free records in when it has no more than one, else hands
 * one on if the next worker has taken the one before. Without flows it hands on what it has, as long as there is room.
 * False: nothing was to be done. */
bool weir_flow_store_exchange(struct weir_flow_store *, bool live);
bool weir_flow_store_empty(struct weir_flow_store *);

/* `hash` is always that of the descriptor the key came with; the key's flags do not matter to a search. */

/* The record of a key, or NULL. */
struct weir_flow *weir_flow_table_find(
    struct weir_flow_table *, struct weir_flow *records, uint32_t hash, const struct weir_key *);
/* A new record for a key that is not in the table and whose kind is not NONE: counts 0, both times
 * `now_tsc`. NULL: no record is free, or too many keys meet in one place. */
struct weir_flow *weir_flow_table_insert(struct weir_flow_table *, struct weir_flow_store *, uint32_t hash,
    const struct weir_key *, uint64_t now_tsc);
/* Remove what has ended, in the next `max_steps` buckets; returns how many.
 * Look at a table's `cursor` afterwards: 0 = a round has ended. Touches at most 9 cache lines a step and
 * prefetches those of the next. */
uint32_t weir_flow_table_age(struct weir_flow_table *, struct weir_flow_store *,
    const struct weir_flow_times *, uint64_t now_tsc, uint32_t max_steps, weir_flow_ended, void *whose);
/* Remove the flow that was silent for longest among those near where `hash` is at home. False: there is none. */
bool weir_flow_table_evict(
    struct weir_flow_table *, struct weir_flow_store *, uint32_t hash, weir_flow_ended, void *whose);
/* All flows, in no order: start with *at = 0; NULL ends. No insert or removal in between. */
struct weir_flow *weir_flow_table_next(struct weir_flow_table *, struct weir_flow *records, uint64_t *at);

/* TCP has come to its end, but for what is still under way. */
static inline bool weir_flow_is_over(const struct weir_flow *f)
{
    return (f->tcp_flags[0] & f->tcp_flags[1] & WEIR_TCP_FIN) |
           ((f->tcp_flags[0] | f->tcp_flags[1]) & WEIR_TCP_RST);
}

/* Has silence ended it? */
static inline enum weir_flow_end weir_flow_due(
    const struct weir_flow *f, const struct weir_flow_times *times, uint64_t now_tsc)
{
    bool over = weir_flow_is_over(f);
    if ((int64_t)(now_tsc - f->last_tsc) <= (over ? times->linger : times->idle))
        return WEIR_FLOW_GOES_ON;
    return over ? WEIR_FLOW_TCP_END : WEIR_FLOW_IDLE;
}

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
    struct weir_flow *records, const struct weir_flow_bucket *b, uint32_t hash)
{
    uint32_t mask = weir_flow_match(b, weir_flow_tag(hash));
    uint32_t place = (uint32_t)__builtin_ctz(mask | 1u << WEIR_FLOW_PLACES) & (WEIR_FLOW_PLACES - 1);
    uint32_t index = b->index[place] & (0u - (mask != 0));
    return records + index;
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
