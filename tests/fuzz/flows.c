/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes are operations on the flow tables of two workers, and on a list of what must be in them. The first byte is the capacity; of
 * each operation that follows one is what, one which flow, and one how many of its hash's bits are those of all others. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/flow_table.h"
#include "dataplane/parse.h"

#define WORKERS 2
#define FLOWS 256

static struct {
    uint32_t hash; /* of the flow while it is there */
    int where;     /* worker + 1, 0 = nowhere */
    uint64_t last;
    uint32_t packets;
    uint8_t flags;
} model[FLOWS];
static uint64_t now;
static uint32_t used[WORKERS];

static struct weir_flow_store store[WORKERS];
static struct weir_flow_table *table[WORKERS];
static const struct weir_flow_times times = {.idle = 40, .active = INT64_MAX, .linger = 10};

static void claim(bool true_so)
{
    if (!true_so)
        abort();
}

static struct weir_key key_of(uint32_t flow)
{
    return (struct weir_key){
        .address = {flow, ~flow}, .vlan_kind = WEIR_KEY_IPV4 << 12, .protocol = WEIR_PROTOCOL_TCP};
}

/* All that the model says of a flow is in its record. */
static uint32_t check(const struct weir_flow *f, int worker)
{
    uint32_t flow = f->key.address[0];
    claim(flow < FLOWS && model[flow].where == worker + 1);
    claim(f->last_tsc == model[flow].last && f->packets[0] == model[flow].packets);
    claim(f->tcp_flags[0] == model[flow].flags);
    return flow;
}

static void ended(void *whose, const struct weir_flow *f, enum weir_flow_end end)
{
    int worker = *(int *)whose;
    uint32_t flow = check(f, worker);
    uint64_t silent = now - model[flow].last;
    bool over = (model[flow].flags & WEIR_TCP_RST) != 0;
    if (end == WEIR_FLOW_IDLE)
        claim(!over && silent > (uint64_t)times.idle);
    if (end == WEIR_FLOW_TCP_END)
        claim(over && silent > (uint64_t)times.linger);
    model[flow].where = 0;
    used[worker]--;
}

static void packet(int worker, uint32_t flow, uint32_t hash, uint8_t flags)
{
    struct weir_key key = key_of(flow);
    if (model[flow].where != 0) { /* it stays where it is, whatever the byte says */
        worker = model[flow].where - 1;
        hash = model[flow].hash;
    }
    struct weir_flow *f = weir_flow_table_find(table[worker], store[worker].records, hash, &key);
    claim((f != NULL) == (model[flow].where != 0));
    if (f == NULL)
        f = weir_flow_table_insert(table[worker], &store[worker], hash, &key, now);
    if (f == NULL)
        return;
    if (model[flow].where == 0) {
        claim(f->packets[0] == 0 && f->sequence == 0 && f->tcp_flags[0] == 0);
        model[flow].where = worker + 1;
        model[flow].hash = hash;
        model[flow].packets = model[flow].flags = 0;
        used[worker]++;
    }
    f->last_tsc = model[flow].last = now;
    f->packets[0] = ++model[flow].packets;
    f->tcp_flags[0] = model[flow].flags |= flags;
    claim(weir_flow_is(f, &key));
}

static void list_all(int worker)
{
    uint32_t n = 0;
    uint64_t at = 0;
    const struct weir_flow *f;
    while ((f = weir_flow_table_next(table[worker], store[worker].records, &at)) != NULL) {
        check(f, worker);
        n++;
    }
    claim(n == used[worker] && n == table[worker]->used);
}

/* A list of free records; with the chunks behind it, each of them whole. */
static uint32_t length(const struct weir_flow_store *s, uint32_t first)
{
    uint32_t n = 0;
    for (; first != 0; first = s->records[first].key.address[0])
        n++;
    return n;
}

/* No record is lost or given twice, when none is in use. */
static uint32_t count_free(struct weir_flow_store *s)
{
    uint32_t n = length(s, s->free) + s->end - s->fresh, chunk;
    claim(s->n_free == length(s, s->free) && s->n_free < s->chunk);
    for (uint32_t i = s->chunks; i != 0; i = s->records[i].key.address[1]) {
        claim(length(s, i) == s->chunk);
        n += s->chunk;
    }
    for (; weir_ring_pop(s->from, &chunk, 1) == 1; n += s->chunk)
        claim(length(s, chunk) == s->chunk);
    return n;
}

static void *take(size_t bytes)
{
    bytes = (bytes + WEIR_APART - 1) / WEIR_APART * WEIR_APART;
    void *memory = aligned_alloc(WEIR_APART, bytes);
    claim(memory != NULL);
    return memset(memory, 0, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint32_t each = data[0] % 128 + 1;
    struct weir_ring *ring[WORKERS];
    uint8_t *records = take(WORKERS * weir_flow_store_bytes(each));
    for (int i = 0; i < WORKERS; i++) {
        claim(weir_flow_store_init(
            &store[i], records + (uint32_t)i * weir_flow_store_bytes(each), records, each));
        table[i] = weir_flow_table_init(take(weir_flow_table_bytes(each)), each);
        ring[i] =
            weir_ring_init(take(weir_ring_bytes(WEIR_FLOW_CHUNKS, 4)), WEIR_FLOW_CHUNKS, 4, UINT32_MAX - 2);
    }
    for (int i = 0; i < WORKERS; i++) {
        store[i].from = &ring[i]->consumer;
        store[i].to = &ring[1 - i]->producer;
    }
    memset(model, 0, sizeof model);
    memset(used, 0, sizeof used);
    now = 1000;
    for (data++, size--; size >= 3; data += 3, size -= 3, now++) {
        int worker = data[0] >> 3 & 1;
        uint32_t flow = data[1], hash = (flow * 0x9e3779b1u) << (data[2] & 31);
        switch (data[0] & 7) {
        case 0:
            now += data[1];
            break;
        case 1:
            weir_flow_table_age(
                table[worker], &store[worker], &times, now, 1 + (data[2] & 15), ended, &worker);
            break;
        case 2: {
            uint32_t before = used[worker];
            bool evicted = weir_flow_table_evict(table[worker], &store[worker], hash, ended, &worker);
            claim(used[worker] == before - evicted);
            claim(evicted || before == 0 || table[worker]->n_buckets > 16);
            break;
        }
        case 3:
            weir_flow_store_exchange(&store[worker], data[2] & 1);
            break;
        case 4:
            list_all(worker);
            break;
        case 5:
            packet(worker, flow, hash, WEIR_TCP_RST);
            break;
        default:
            packet(worker, flow, hash, 0);
        }
        claim(used[0] + used[1] <= WORKERS * each && used[worker] == table[worker]->used);
    }
    now += (uint64_t)times.idle + 1;
    for (int i = 0; i < WORKERS; i++) {
        list_all(i);
        for (int half = 0; half < 2; half++) /* from the cursor on, and from the first bucket */
            weir_flow_table_age(table[i], &store[i], &times, now, UINT32_MAX, ended, &i);
        claim(used[i] == 0 && table[i]->used == 0);
    }
    claim(count_free(&store[0]) + count_free(&store[1]) == WORKERS * each);
    for (int i = 0; i < WORKERS; i++) {
        const struct weir_flow_bucket *b = (const struct weir_flow_bucket *)(table[i] + 1);
        for (uint32_t k = 0; k < table[i]->n_buckets; k++)
            claim(b[k].passed == 0);
        free(table[i]);
        free(ring[i]);
    }
    free(records);
    return 0;
}
