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

static uint32_t after(const struct weir_flow_table *t, uint32_t i)
{
    return i + 1 == t->n_buckets ? 0 : i + 1;
}

/* ---- lookup ---- */

struct weir_flow *weir_flow_table_find(
    struct weir_flow_table *t, struct weir_flow *records, uint32_t hash, const struct weir_key *key)
{
    uint16_t tag = weir_flow_tag(hash);
    uint32_t i = weir_flow_home_index(t->n_buckets, hash);
    for (unsigned distance = 0; distance < FARTHEST; distance++, i = after(t, i)) {
        const struct weir_flow_bucket *b = bucket(t, i);
        for (uint32_t mask = weir_flow_match(b, tag); mask; mask &= mask - 1) {
            struct weir_flow *f = &records[b->index[__builtin_ctz(mask)]];
            if (weir_flow_is(f, key))
                return f;
        }
        if (b->passed == 0)
            return NULL;
    }
    return NULL;
}

/* ---- free records: a list that is being filled, whole chunks, what was never used, what comes in ---- */

static uint32_t take_chunk(struct weir_flow_store *s)
{
    uint32_t first = s->chunks;
    if (first != 0) {
        s->chunks = s->records[first].key.address[1];
        s->n_chunks--;
    } else if (s->end - s->fresh >= s->chunk) {
        first = s->fresh;
        s->fresh += s->chunk;
        for (uint32_t i = first; i < s->fresh; i++)
            s->records[i].key.address[0] = i + 1 < s->fresh ? i + 1 : 0;
    } else if (s->from != NULL) {
        weir_ring_pop(s->from, &first, 1);
    }
    return first;
}

static uint32_t take_record(struct weir_flow_store *s)
{
    if (s->free == 0 && s->chunks == 0 && s->fresh < s->end)
        return s->fresh++;
    if (s->free == 0) {
        s->free = take_chunk(s);
        s->n_free = s->free == 0 ? 0 : s->chunk;
    }
    uint32_t i = s->free;
    if (i != 0) {
        s->free = s->records[i].key.address[0];
        s->n_free--;
    }
    return i;
}

static void give_chunk(struct weir_flow_store *s, uint32_t first)
{
    s->records[first].key.address[1] = s->chunks;
    s->chunks = first;
    s->n_chunks++;
}

static void give_record(struct weir_flow_store *s, uint32_t i)
{
    struct weir_key *key = &s->records[i].key;
    *key = (struct weir_key){.address = {s->free}};
    s->free = i;
    if (++s->n_free < s->chunk)
        return;
    give_chunk(s, i);
    s->free = s->n_free = 0;
}

bool weir_flow_store_empty(struct weir_flow_store *s)
{
    uint32_t i = take_record(s);
    if (i != 0)
        give_record(s, i);
    return i == 0;
}

/* What lies in the ring to the next worker is all that is given away unasked: it is made good only when taken. So
 * where nobody is short nothing moves, and a worker that is short has all that the others do not use, step by step
 * from one to the next. Who has no flows may sleep between two steps, so that there the ring is filled; who has some
 * and is short himself must not be emptied by it. */
bool weir_flow_store_exchange(struct weir_flow_store *s, bool live)
{
    uint32_t first = 0, room = live ? WEIR_FLOW_CHUNKS : 1;
    if (s->to == NULL)
        return false;
    if (live && s->n_chunks + (s->end - s->fresh) / s->chunk <= 1) {
        if (weir_ring_pop(s->from, &first, 1) == 1)
            give_chunk(s, first);
    } else if (weir_ring_room(s->to, room) >= room && (first = take_chunk(s)) != 0) {
        weir_ring_push(s->to, &first, 1);
    }
    return first != 0;
}

/* ---- insert and remove ---- */

struct weir_flow *weir_flow_table_insert(struct weir_flow_table *t, struct weir_flow_store *store,
    uint32_t hash, const struct weir_key *key, uint64_t now_tsc)
{
    assert(weir_key_kind_of(key) != WEIR_KEY_NONE);
    uint32_t home = weir_flow_home_index(t->n_buckets, hash), i = home;
    uint32_t farthest = t->n_buckets < FARTHEST ? t->n_buckets : FARTHEST, distance = 0, vacant;
    while ((vacant = weir_flow_match(bucket(t, i), 0)) == 0) {
        if (++distance == farthest)
            return NULL;
        i = after(t, i);
    }
    uint32_t index = take_record(store);
    if (index == 0)
        return NULL;
    t->used++;
    for (uint32_t passed = home; passed != i; passed = after(t, passed))
        bucket(t, passed)->passed++;

    struct weir_flow_bucket *b = bucket(t, i);
    uint32_t slot = (uint32_t)__builtin_ctz(vacant);
    b->tag[slot] = weir_flow_tag(hash);
    b->index[slot] = index;
    b->distance[slot] = (uint8_t)distance;
    struct weir_flow *f = &store->records[index];
    *f = (struct weir_flow){.key = *key, .first_tsc = now_tsc, .last_tsc = now_tsc};
    f->key.flags &= WEIR_DESC_REVERSED;
    return f;
}

struct place {
    uint32_t bucket, slot;
};

static void remove_at(struct weir_flow_table *t, struct weir_flow_store *store, struct place at)
{
    struct weir_flow_bucket *b = bucket(t, at.bucket);
    uint32_t i = at.bucket;
    for (unsigned back = b->distance[at.slot]; back; back--) {
        i = i ? i - 1 : t->n_buckets - 1;
        bucket(t, i)->passed--;
    }
    give_record(store, b->index[at.slot]);
    b->tag[at.slot] = 0;
    t->used--;
}

/* ---- ageing ---- */

static uint32_t taken(const struct weir_flow_bucket *b)
{
    return weir_flow_match(b, 0) ^ ((1u << WEIR_FLOW_PLACES) - 1);
}

uint32_t weir_flow_table_age(struct weir_flow_table *t, struct weir_flow_store *store,
    const struct weir_flow_times *times, uint64_t now_tsc, uint32_t max_steps, weir_flow_ended ended,
    void *whose)
{
    uint32_t n = 0;
    while (max_steps--) {
        uint32_t i = t->cursor;
        for (uint32_t mask = taken(bucket(t, i)); mask; mask &= mask - 1) {
            uint32_t slot = (uint32_t)__builtin_ctz(mask);
            const struct weir_flow *f = &store->records[bucket(t, i)->index[slot]];
            enum weir_flow_end end = weir_flow_due(f, times, now_tsc);
            if (end == WEIR_FLOW_GOES_ON)
                continue;
            ended(whose, f, end);
            remove_at(t, store, (struct place){i, slot});
            n++;
        }
        t->cursor = after(t, i);
        const struct weir_flow_bucket *b = bucket(t, t->cursor);
        for (uint32_t mask = taken(b); mask; mask &= mask - 1)
            __builtin_prefetch(&store->records[b->index[__builtin_ctz(mask)]]);
        __builtin_prefetch(bucket(t, after(t, t->cursor)));
        if (t->cursor == 0)
            break;
    }
    return n;
}

#define EVICT_BUCKETS 16 /* that are looked at, until one holds a flow */

bool weir_flow_table_evict(struct weir_flow_table *t, struct weir_flow_store *store, uint32_t hash,
    weir_flow_ended ended, void *whose)
{
    uint32_t i = weir_flow_home_index(t->n_buckets, hash);
    const struct weir_flow *oldest = NULL;
    struct place place = {0, 0};
    for (uint32_t tried = 0; oldest == NULL && tried < EVICT_BUCKETS; tried++, i = after(t, i))
        for (uint32_t mask = taken(bucket(t, i)); mask; mask &= mask - 1) {
            uint32_t slot = (uint32_t)__builtin_ctz(mask);
            const struct weir_flow *f = &store->records[bucket(t, i)->index[slot]];
            if (oldest != NULL && (int64_t)(f->last_tsc - oldest->last_tsc) >= 0)
                continue;
            oldest = f;
            place = (struct place){i, slot};
        }
    if (oldest == NULL)
        return false;
    ended(whose, oldest, WEIR_FLOW_EVICTED);
    remove_at(t, store, place);
    return true;
}

struct weir_flow *weir_flow_table_next(struct weir_flow_table *t, struct weir_flow *records, uint64_t *at)
{
    for (; *at < (uint64_t)t->n_buckets * WEIR_FLOW_PLACES; ++*at) {
        const struct weir_flow_bucket *b = bucket(t, (uint32_t)(*at / WEIR_FLOW_PLACES));
        if (b->tag[*at % WEIR_FLOW_PLACES] != 0)
            return &records[b->index[(*at)++ % WEIR_FLOW_PLACES]];
    }
    return NULL;
}

/* ---- set-up ---- */

uint32_t weir_flow_table_buckets(uint32_t capacity)
{
    return capacity / (WEIR_FLOW_PLACES / 2) + 1;
}

size_t weir_flow_table_bytes(uint32_t capacity)
{
    size_t lines = 1 + (size_t)weir_flow_table_buckets(capacity);
    return (lines | 1) * 64;
}

struct weir_flow_table *weir_flow_table_init(void *memory, uint32_t capacity)
{
    assert(capacity > 0 && capacity <= WEIR_FLOW_CAPACITY_MAX);
    struct weir_flow_table *t = memory;
    memset(t, 0, weir_flow_table_bytes(capacity));
    t->n_buckets = weir_flow_table_buckets(capacity);
    return t;
}

size_t weir_flow_store_bytes(uint32_t capacity)
{
    return ((size_t)capacity + 1) * sizeof(struct weir_flow);
}

bool weir_flow_store_init(struct weir_flow_store *s, void *memory, void *lowest, uint32_t capacity)
{
    size_t first = (size_t)((struct weir_flow *)memory - (struct weir_flow *)lowest) + 1;
    uint32_t part = capacity / 64 + 1;
    *s = (struct weir_flow_store){.records = lowest,
        .fresh = (uint32_t)first,
        .end = (uint32_t)(first + capacity),
        .chunk = part < WEIR_FLOW_CHUNK ? part : WEIR_FLOW_CHUNK};
    return first + capacity <= UINT32_MAX;
}
