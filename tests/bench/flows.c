/* SPDX-License-Identifier: BSD-3-Clause */
/* What a packet costs in a table of flows: the stage `meter` as it is, with the 1 024 shards of a pool, beside rte_hash over the
 * same records, fed the same descriptors. One core; the two take turns, long enough that each finds its own cache.
 *
 *     flows FLOWS ROUNDS BLOCKS MEGABYTES hugepages|normal
 *
 * Each packet belongs to a flow drawn at random; one flow in CHURN packets is replaced by a new one, and the old one ages
 * away. A line of JSON a round: TSC cycles a packet of each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_malloc.h>

#include "dataplane/flow_table.h"
#include "dataplane/hash.h"
#include "dataplane/parse.h"
#include "dataplane/stages/list.h"

#define SHARDS 1024
#define BATCHES 64 /* a block; its descriptors fit in a second-level cache */
#define BLOCKS_MAX 10000
#define CHURN 512
#define SILENCE 64    /* a flow that was not seen in so many packets a flow has ended */
#define PACKET_NS 100 /* the clock of both */

static const uint64_t secret[4] = {
    0x9d3f1c5ab7e80247, 0x51c0ffee12345679, 0xa5a5f00d7b1e5eed, 0x0123456789abcdef};

static void *checked(void *memory)
{
    if (memory == NULL) {
        fputs("flows: no memory\n", stderr);
        exit(71);
    }
    return memory;
}

/* ---- traffic ---- */

static struct weir_batch block[BATCHES];
static uint32_t n_flows;

static struct traffic { /* twice the same */
    uint64_t state, packets;
    uint32_t *generation; /* of each flow */
} traffic[2];

static uint64_t draw(struct traffic *t)
{
    t->state ^= t->state << 13;
    t->state ^= t->state >> 7;
    return t->state ^= t->state << 17;
}

static void describe(struct weir_desc *d, uint32_t flow, uint32_t generation)
{
    *d = (struct weir_desc){.length = 64,
        .key = {.address = {0x0a000000u ^ flow, 0x14000000u ^ generation},
            .port = {(uint16_t)(flow >> 8), 53},
            .vlan_kind = WEIR_KEY_IPV4 << 12,
            .protocol = WEIR_PROTOCOL_UDP}};
    uint64_t words[2];
    memcpy(words, &d->key, sizeof words);
    d->hash = (uint32_t)weir_hash(secret, words[0], words[1], 0);
}

/* `next`: the flows in turn instead of at random, from there on. */
static void fill_block(struct traffic *t, uint64_t *next)
{
    for (uint32_t b = 0; b < BATCHES; b++) {
        block[b].n = WEIR_BATCH;
        block[b].now_tsc = t->packets * PACKET_NS;
        t->packets += WEIR_BATCH;
        for (uint32_t i = 0; i < WEIR_BATCH; i++) {
            uint32_t flow = (uint32_t)(next != NULL ? (*next)++ % n_flows : draw(t) % n_flows);
            t->generation[flow] += next == NULL && draw(t) % CHURN == 0;
            describe(&block[b].desc[i], flow, t->generation[flow]);
        }
    }
}

/* ---- ours ---- */

static struct weir_stage stage;
static size_t stage_bytes;

static size_t round_line(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

static void make_stage(uint64_t max_flows, uint64_t idle_ns)
{
    static struct weir_stage_env env = {.tsc_hz = 1000000000, .shards = SHARDS, .workers = 1};
    const struct weir_stage_def *def = &weir_stage_meter;
    uint8_t *params = checked(calloc(1, def->params_size));
    for (const struct weir_param *p = def->params; p->key != NULL; p++) {
        uint64_t value = strcmp(p->key, "max-flows") == 0 ? max_flows
                         : strcmp(p->key, "idle") == 0    ? idle_ns
                                                          : UINT64_C(86400000000000);
        if (p->type != WEIR_PARAM_EXPORT)
            memcpy(params + p->offset, &value, sizeof value);
    }
    size_t counters = 0;
    while (def->counters[counters] != NULL)
        counters++;
    stage = (struct weir_stage){.def = def, .params = params, .env = &env};
    stage.counts = checked(calloc(counters, sizeof *stage.counts));
    stage.worker_state = checked(rte_zmalloc(NULL, def->worker_size(params, &env), WEIR_APART));
    stage.pool_state = checked(rte_zmalloc(NULL, def->pool_size(params, &env), WEIR_APART));
    stage.shard_stride = round_line(def->shard_size(params, &env));
    stage.shard_state = checked(rte_zmalloc(NULL, SHARDS * stage.shard_stride, WEIR_APART));
    stage_bytes = def->worker_size(params, &env) + SHARDS * stage.shard_stride;
    if (def->init(&stage) != 0)
        exit(70);
    for (uint32_t i = 0; i < SHARDS; i++)
        def->init_shard(&stage, i);
}

static void ours(void)
{
    for (uint32_t b = 0; b < BATCHES; b++)
        stage.def->process(&stage, &block[b]);
}

/* ---- rte_hash: the same records, by the position of their key ---- */

static struct rte_hash *hash;
static struct weir_flow *records;
static uint32_t capacity, cursor;
static uint64_t idle;
static size_t hash_bytes;

static size_t heap_in_use(void)
{
    struct rte_malloc_socket_stats stats;
    return rte_malloc_get_socket_stats((int)rte_socket_id(), &stats) == 0 ? stats.heap_allocsz_bytes : 0;
}

static void make_hash(uint32_t max_flows, uint64_t idle_ns)
{
    const struct rte_hash_parameters parameters = {.name = "flows",
        .entries = max_flows,
        .key_len = sizeof(struct weir_key),
        .socket_id = (int)rte_socket_id()};
    size_t before = heap_in_use();
    hash = checked(rte_hash_create(&parameters));
    capacity = max_flows + 1024;
    records = checked(rte_zmalloc(NULL, capacity * sizeof *records, 64));
    hash_bytes = heap_in_use() - before;
    idle = idle_ns;
}

static void age_some(uint64_t now, uint32_t n)
{
    for (; n != 0; n--) {
        struct weir_flow *f = &records[cursor];
        cursor = cursor + 1 == capacity ? 0 : cursor + 1;
        __builtin_prefetch(&records[cursor + 4 < capacity ? cursor + 4 : 0]);
        if (weir_key_kind_of(&f->key) == WEIR_KEY_NONE || now - f->last_tsc <= idle)
            continue;
        uint64_t words[2];
        memcpy(words, &f->key, sizeof words);
        rte_hash_del_key_with_hash(hash, &f->key, (uint32_t)weir_hash(secret, words[0], words[1], 0));
        f->key = (struct weir_key){.protocol = 0};
    }
}

static void theirs_batch(const struct weir_batch *batch)
{
    const void *keys[WEIR_BATCH];
    hash_sig_t signatures[WEIR_BATCH];
    int32_t position[WEIR_BATCH];
    for (uint32_t i = 0; i < batch->n; i++) {
        keys[i] = &batch->desc[i].key;
        signatures[i] = batch->desc[i].hash;
    }
    rte_hash_lookup_with_hash_bulk(hash, keys, signatures, batch->n, position);
    for (uint32_t i = 0; i < batch->n; i++)
        if (position[i] >= 0)
            __builtin_prefetch(&records[position[i]], 1);
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct weir_desc *d = &batch->desc[i];
        if (position[i] < 0) {
            position[i] = rte_hash_add_key_with_hash(hash, &d->key, d->hash);
            if (position[i] < 0)
                continue;
            if (weir_key_kind_of(&records[position[i]].key) == WEIR_KEY_NONE)
                records[position[i]] = (struct weir_flow){.key = d->key, .first_tsc = batch->now_tsc};
        }
        struct weir_flow *f = &records[position[i]];
        unsigned way = (d->key.flags & WEIR_DESC_REVERSED) != 0;
        f->packets[way]++;
        f->bytes[way] += d->length;
        f->last_tsc = batch->now_tsc;
    }
}

static void theirs(void)
{
    /* Round all records four times within the idle time, as ours. */
    uint64_t a_block = BATCHES * WEIR_BATCH * PACKET_NS, share = 4 * (uint64_t)capacity * a_block / idle + 1;
    for (uint32_t b = 0; b < BATCHES; b++) {
        theirs_batch(&block[b]);
        age_some(block[b].now_tsc, (uint32_t)(share / BATCHES + 1));
    }
}

/* ---- measure ---- */

static int compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Of the blocks the one in the middle: a block is short, and what the machine does beside hits few of them. */
static uint64_t timed(struct traffic *t, void (*what)(void), uint32_t blocks)
{
    static uint64_t cycles[BLOCKS_MAX];
    for (uint32_t b = 0; b < blocks; b++) {
        fill_block(t, NULL);
        uint64_t before = rte_rdtsc();
        what();
        cycles[b] = rte_rdtsc() - before;
    }
    qsort(cycles, blocks, sizeof cycles[0], compare);
    return cycles[blocks / 2];
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 64;
    n_flows = (uint32_t)strtoul(argv[1], NULL, 10);
    uint32_t rounds = (uint32_t)strtoul(argv[2], NULL, 10), blocks = (uint32_t)strtoul(argv[3], NULL, 10);
    if (blocks == 0 || blocks > BLOCKS_MAX)
        return 64;
    char *pages = strcmp(argv[5], "hugepages") == 0 ? "--in-memory" : "--no-huge";
    char *eal[] = {argv[0], pages, "--no-pci", "--no-telemetry", "--log-level=error", "-m", argv[4], NULL};
    if (rte_eal_init(7, eal) < 0)
        return 71;
    uint64_t idle_ns = (uint64_t)SILENCE * n_flows * PACKET_NS;
    idle_ns = idle_ns < 1000000 ? 1000000 : idle_ns;
    uint32_t max_flows = n_flows + n_flows / 4 + 1024;
    for (int i = 0; i < 2; i++)
        traffic[i] = (struct traffic){.state = 88172645463325252,
            .generation = checked(calloc(n_flows, sizeof *traffic[i].generation))};
    make_stage(max_flows, idle_ns);
    make_hash(max_flows, idle_ns);
    for (int i = 0; i < 2; i++)
        for (uint64_t next = 0; next < n_flows;) {
            fill_block(&traffic[i], &next);
            (i == 0 ? ours : theirs)();
        }
    for (uint32_t round = 0; round <= rounds; round++) { /* the first one warms up */
        uint64_t cycles[2];
        for (uint32_t i = 0; i < 2; i++) {
            uint32_t which = (round + i) % 2;
            cycles[which] = timed(&traffic[which], which == 0 ? ours : theirs, blocks);
        }
        const double n = (double)BATCHES * WEIR_BATCH;
        if (round != 0)
            printf("{\"weir\": %.2f, \"rte_hash\": %.2f}\n", (double)cycles[0] / n, (double)cycles[1] / n);
    }
    printf("{\"tsc_hz\": %lu, \"weir_bytes\": %.1f, \"rte_hash_bytes\": %.1f, \"weir_flows\": %lu, "
           "\"weir_ended\": %lu, "
           "\"rte_hash_flows\": %d}\n",
        rte_get_tsc_hz(), (double)stage_bytes / max_flows, (double)hash_bytes / max_flows,
        stage.counts[0].value, stage.counts[2].value, rte_hash_count(hash));
    return 0;
}
