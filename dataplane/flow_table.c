/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/flow_table.h"

#include "dataplane/parse.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weir_flow_is shifts the flags out at the top");

/* A search that went this far means keys that somebody chose with our hash key in hand, or a full table. */
#define FARTHEST 64

/* ---- where things are ---- */

static struct weir_flow_bucket *bucket(struct weir_flow_table *t, uint32_t i)
{
    return (struct weir_flow_bucket *)(t + 1) + i;
}

static struct weir_flow *record(struct weir_flow_table *t, uint32_t i)
{
    return (struct weir_flow *)(bucket(t, t->n_buckets)) + i;
}

static uint32_t after(const struct weir_flow_table *t, uint32_t i)
{
    return i + 1 == t->n_buckets ? 0 : i + 1;
}

struct place {
    uint32_t bucket, slot;
};

/* ---- lookup ---- */

static struct weir_flow *locate(
    struct weir_flow_table *t, uint32_t hash, const struct weir_key *key, struct place *place)
{
    uint16_t tag = weir_flow_tag(hash);
    uint32_t i = weir_flow_home_index(t->n_buckets, hash);
    for (unsigned distance = 0; distance < FARTHEST; distance++, i = after(t, i)) {
        const struct weir_flow_bucket *b = bucket(t, i);
        for (uint32_t mask = weir_flow_match(b, tag); mask; mask &= mask - 1) {
            uint32_t slot = (uint32_t)__builtin_ctz(mask);
            struct weir_flow *f = record(t, b->index[slot]);
            if (weir_flow_is(f, key)) {
                *place = (struct place){i, slot};
                return f;
            }
        }
        if (b->passed == 0)
            return NULL;
    }
    return NULL;
}

struct weir_flow *weir_flow_table_find(struct weir_flow_table *t, uint32_t hash, const struct weir_key *key)
{
    struct place place;
    return locate(t, hash, key, &place);
}

/* ---- insert and remove ---- */

static uint32_t take_record(struct weir_flow_table *t)
{
    uint32_t i = t->free;
    if (i)
        t->free = record(t, i)->key.address[0];
    else
        i = t->fresh++;
    t->used++;
    return i;
}

static void give_record(struct weir_flow_table *t, uint32_t i)
{
    record(t, i)->key = (struct weir_key){.address = {t->free}};
    t->free = i;
    t->used--;
}

struct weir_flow *weir_flow_table_insert(
    struct weir_flow_table *t, uint32_t hash, const struct weir_key *key, uint64_t now_tsc)
{
    assert(weir_key_kind_of(key) != WEIR_KEY_NONE);
    if (t->used == t->capacity)
        return NULL;
    uint32_t home = weir_flow_home_index(t->n_buckets, hash), i = home;
    uint32_t farthest = t->n_buckets < FARTHEST ? t->n_buckets : FARTHEST, distance = 0, vacant;
    while ((vacant = weir_flow_match(bucket(t, i), 0)) == 0) {
        if (++distance == farthest)
            return NULL;
        i = after(t, i);
    }
    for (uint32_t passed = home; passed != i; passed = after(t, passed))
        bucket(t, passed)->passed++;

    struct weir_flow_bucket *b = bucket(t, i);
    uint32_t slot = (uint32_t)__builtin_ctz(vacant), index = take_record(t);
    b->tag[slot] = weir_flow_tag(hash);
    b->index[slot] = index;
    b->distance[slot] = (uint8_t)distance;
    struct weir_flow *f = record(t, index);
    *f = (struct weir_flow){.key = *key, .first_tsc = now_tsc, .last_tsc = now_tsc};
    f->key.flags = 0;
    return f;
}

static void remove_at(struct weir_flow_table *t, struct place at)
{
    struct weir_flow_bucket *b = bucket(t, at.bucket);
    uint32_t i = at.bucket;
    for (unsigned back = b->distance[at.slot]; back; back--) {
        i = i ? i - 1 : t->n_buckets - 1;
        bucket(t, i)->passed--;
    }
    give_record(t, b->index[at.slot]);
    b->tag[at.slot] = 0;
}

bool weir_flow_table_remove(struct weir_flow_table *t, uint32_t hash, const struct weir_key *key)
{
    struct place place;
    if (!locate(t, hash, key, &place))
        return false;
    remove_at(t, place);
    return true;
}

/* ---- ageing ---- */

static uint32_t taken(const struct weir_flow_bucket *b)
{
    return weir_flow_match(b, 0) ^ ((1u << WEIR_FLOW_PLACES) - 1);
}

static uint32_t age_bucket(struct weir_flow_table *t, uint32_t i, uint64_t now_tsc, uint64_t idle_tsc)
{
    const struct weir_flow_bucket *b = bucket(t, i);
    uint32_t ended = 0;
    for (uint32_t mask = taken(b); mask; mask &= mask - 1) {
        uint32_t slot = (uint32_t)__builtin_ctz(mask);
        uint64_t last = record(t, b->index[slot])->last_tsc;
        if (now_tsc > last && now_tsc - last > idle_tsc) {
            remove_at(t, (struct place){i, slot});
            ended++;
        }
    }
    return ended;
}

uint32_t weir_flow_table_age(
    struct weir_flow_table *t, uint64_t now_tsc, uint64_t idle_tsc, uint32_t max_steps)
{
    uint32_t ended = 0;
    while (max_steps--) {
        ended += age_bucket(t, t->cursor, now_tsc, idle_tsc);
        t->cursor = after(t, t->cursor);
        const struct weir_flow_bucket *b = bucket(t, t->cursor);
        for (uint32_t mask = taken(b); mask; mask &= mask - 1)
            __builtin_prefetch(record(t, b->index[__builtin_ctz(mask)]));
        __builtin_prefetch(bucket(t, after(t, t->cursor)));
        if (t->cursor == 0)
            break;
    }
    return ended;
}

struct weir_flow *weir_flow_table_next(struct weir_flow_table *t, uint32_t *index)
{
    while (++*index < t->fresh) {
        struct weir_flow *f = record(t, *index);
        if (weir_key_kind_of(&f->key) != WEIR_KEY_NONE)
            return f;
    }
    return NULL;
}

/* ---- set-up ---- */

struct weir_flow_shape weir_flow_table_shape(uint32_t capacity)
{
    uint32_t n_buckets = capacity / (WEIR_FLOW_PLACES / 2) + 1;
    size_t lines = 1 + (size_t)n_buckets + 1 + capacity;
    return (struct weir_flow_shape){
        .n_buckets = n_buckets,
        .records_at = (1 + (size_t)n_buckets) * 64,
        .bytes = (lines | 1) * 64,
    };
}

size_t weir_flow_table_bytes(uint32_t capacity)
{
    return weir_flow_table_shape(capacity).bytes;
}

struct weir_flow_table *weir_flow_table_init(void *memory, uint32_t capacity)
{
    assert(capacity > 0 && capacity <= WEIR_FLOW_CAPACITY_MAX);
    struct weir_flow_shape shape = weir_flow_table_shape(capacity);
    struct weir_flow_table *t = memory;
    memset(t, 0, shape.records_at);
    t->capacity = capacity;
    t->n_buckets = shape.n_buckets;
    t->fresh = 1;
    memset(record(t, 0), 0, sizeof(struct weir_flow));
    return t;
}
