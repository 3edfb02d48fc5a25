/* SPDX-License-Identifier: BSD-3-Clause */
/* One producer and one consumer on two CPUs, through weir's ring and through others, in turn.
 *
 *     rings [--cpus A,B] [--rounds N] [--items N] [--bursts 1,8] [--sizes 1024] [--prototypes] [--turn N]
 *
 * Prints one JSON object a line: first what will be measured, then a line a round and shape (burst, size) with the cycles
 * an item of every variant and the round trip of a cache line before and after. rings.py makes tables of it.
 *
 * What makes it fair: all variants move the same items, from an array to an array, with the same loop around them, the same
 * flags, one after the other within a few milliseconds, in an order that turns. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include <ck_ring.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>

#include "rings/ring.h"
#include "tests/bench/cpu.h"
#include "tests/bench/ring_prototypes.h"

#define BURST_MAX 64
#define ITEM_MAX 32
#define MEMORY_BYTES (1u << 20) /* for the largest ring, and for the streaming limit */
#define TRIPS 2000
#define SHAPES_MAX 16

struct item4 {
    uint32_t word;
};
struct item8 {
    uint64_t word;
};
struct item16 {
    uint64_t word[2];
};
struct item32 {
    uint64_t word[4];
};

struct shape {
    uint32_t burst, size;
};

/* A variant: set up in memory that is zeroed, and its loops. */
struct variant {
    const char *name;
    uint32_t item_bytes;
    bool prototype;
    void *(*make)(void *memory, uint32_t size, uint32_t item_bytes);
    void (*produce)(void *ring, uint32_t burst, uint64_t items);
    void (*consume)(void *ring, uint32_t burst, uint64_t items);
    void (*alone)(void *ring, uint32_t burst, uint64_t items); /* both ends by one thread, burst by burst */
};

/* The compiler must think that the items are made, and used. */
static inline void make_use_of(void *items)
{
    __asm__("" : : "r"(items) : "memory");
}

/* The loops around every variant. PUSH and POP take (ring, items, n) and return how many. */
#define LOOPS(NAME, ITEM, PUSH, FLUSH, POP)                                                                  \
    static void produce_##NAME(void *ring, uint32_t burst, uint64_t items)                                   \
    {                                                                                                        \
        WEIR_CACHE_ALIGNED ITEM burst_of[BURST_MAX];                                                         \
        memset(burst_of, 1, sizeof burst_of);                                                                \
        for (uint64_t sent = 0; sent < items; sent += burst) {                                               \
            make_use_of(burst_of);                                                                           \
            for (uint32_t done = 0; done < burst;) {                                                         \
                uint32_t n = PUSH(ring, burst_of + done, burst - done);                                      \
                done += n;                                                                                   \
                if (n == 0)                                                                                  \
                    _mm_pause();                                                                             \
            }                                                                                                \
        }                                                                                                    \
        FLUSH(ring);                                                                                         \
    }                                                                                                        \
    static void consume_##NAME(void *ring, uint32_t burst, uint64_t items)                                   \
    {                                                                                                        \
        WEIR_CACHE_ALIGNED ITEM burst_of[BURST_MAX];                                                         \
        for (uint64_t got = 0; got < items;) {                                                               \
            uint32_t n = POP(ring, burst_of, burst);                                                         \
            make_use_of(burst_of);                                                                           \
            got += n;                                                                                        \
            if (n == 0)                                                                                      \
                _mm_pause();                                                                                 \
        }                                                                                                    \
    }                                                                                                        \
    static void alone_##NAME(void *ring, uint32_t burst, uint64_t items)                                     \
    {                                                                                                        \
        WEIR_CACHE_ALIGNED ITEM burst_of[BURST_MAX];                                                         \
        memset(burst_of, 1, sizeof burst_of);                                                                \
        for (uint64_t done = 0; done < items; done += burst) {                                               \
            make_use_of(burst_of);                                                                           \
            PUSH(ring, burst_of, burst);                                                                     \
            FLUSH(ring);                                                                                     \
            POP(ring, burst_of, burst);                                                                      \
        }                                                                                                    \
    }
#define NOTHING(ring) ((void)(ring))

/* ---- weir ---- */

static void *make_weir(void *memory, uint32_t size, uint32_t item_bytes)
{
    return weir_ring_init(memory, size, item_bytes, 0);
}

#define PRODUCER(ring) (&((struct weir_ring *)(ring))->producer)
#define CONSUMER(ring) (&((struct weir_ring *)(ring))->consumer)
#define WEIR_APPEND(ring, items, n) weir_ring_append_sized(PRODUCER(ring), items, n, sizeof *(items))
#define WEIR_PUSH(ring, items, n) weir_ring_push(PRODUCER(ring), items, n)
#define WEIR_FLUSH(ring) weir_ring_publish(PRODUCER(ring))
#define WEIR_POP(ring, items, n) weir_ring_pop_sized(CONSUMER(ring), items, n, sizeof *(items))

LOOPS(weir, struct item8, WEIR_APPEND, WEIR_FLUSH, WEIR_POP)
LOOPS(weir_push, struct item8, WEIR_PUSH, NOTHING, WEIR_POP)
LOOPS(weir4, struct item4, WEIR_APPEND, WEIR_FLUSH, WEIR_POP)
LOOPS(weir16, struct item16, WEIR_APPEND, WEIR_FLUSH, WEIR_POP)
LOOPS(weir32, struct item32, WEIR_APPEND, WEIR_FLUSH, WEIR_POP)

/* In place: no array at either side. */
static inline uint32_t weir_push_in_place(struct weir_ring_producer *p, const struct item8 *items, uint32_t n)
{
    uint32_t granted;
    struct item8 *slots = weir_ring_reserve(p, n, &granted);
    weir_slot_write(slots, items, granted * sizeof *items);
    weir_ring_commit(p, granted);
    return granted;
}

static inline uint32_t weir_pop_in_place(struct weir_ring_consumer *c, struct item8 *items, uint32_t n)
{
    uint32_t granted;
    const struct item8 *slots = weir_ring_peek(c, n, &granted);
    weir_slot_read(items, slots, granted * sizeof *items);
    weir_ring_release(c, granted);
    return granted;
}

#define WEIR_IN_PLACE_PUSH(ring, items, n) weir_push_in_place(PRODUCER(ring), items, n)
#define WEIR_IN_PLACE_POP(ring, items, n) weir_pop_in_place(CONSUMER(ring), items, n)
LOOPS(weir_in_place, struct item8, WEIR_IN_PLACE_PUSH, WEIR_FLUSH, WEIR_IN_PLACE_POP)

/* ---- rte_ring ---- */

static void *make_rte(void *memory, uint32_t size, unsigned flags)
{
    struct rte_ring *ring = memory;
    /* Without RING_F_EXACT_SZ a ring of `size` holds one item less: its own best shape. */
    return rte_ring_init(ring, "bench", size, flags) == 0 ? ring : NULL;
}

static void *make_rte_spsc(void *memory, uint32_t size, uint32_t item_bytes)
{
    (void)item_bytes;
    return make_rte(memory, size, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static void *make_rte_mpmc(void *memory, uint32_t size, uint32_t item_bytes)
{
    (void)item_bytes;
    return make_rte(memory, size, 0);
}

static void *make_rte_hts(void *memory, uint32_t size, uint32_t item_bytes)
{
    (void)item_bytes;
    return make_rte(memory, size, RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ);
}

#define RTE_SP(ring, items, n) rte_ring_sp_enqueue_burst_elem(ring, items, sizeof *(items), n, NULL)
#define RTE_SC(ring, items, n) rte_ring_sc_dequeue_burst_elem(ring, items, sizeof *(items), n, NULL)
#define RTE_MP(ring, items, n) rte_ring_mp_enqueue_burst_elem(ring, items, sizeof *(items), n, NULL)
#define RTE_MC(ring, items, n) rte_ring_mc_dequeue_burst_elem(ring, items, sizeof *(items), n, NULL)
#define RTE_HTS_MP(ring, items, n) rte_ring_mp_hts_enqueue_burst_elem(ring, items, sizeof *(items), n, NULL)
#define RTE_HTS_MC(ring, items, n) rte_ring_mc_hts_dequeue_burst_elem(ring, items, sizeof *(items), n, NULL)

LOOPS(rte, struct item8, RTE_SP, NOTHING, RTE_SC)
LOOPS(rte4, struct item4, RTE_SP, NOTHING, RTE_SC)
LOOPS(rte16, struct item16, RTE_SP, NOTHING, RTE_SC)
LOOPS(rte32, struct item32, RTE_SP, NOTHING, RTE_SC)
LOOPS(rte_mpmc, struct item8, RTE_MP, NOTHING, RTE_MC)
LOOPS(rte_hts, struct item8, RTE_HTS_MP, NOTHING, RTE_HTS_MC)

static inline uint32_t rte_zc_push(struct rte_ring *ring, const struct item8 *items, uint32_t n)
{
    struct rte_ring_zc_data at;
    n = rte_ring_enqueue_zc_burst_start(ring, n, &at, NULL);
    if (n == 0)
        return 0;
    memcpy(at.ptr1, items, at.n1 * sizeof *items);
    if (n > at.n1)
        memcpy(at.ptr2, items + at.n1, (n - at.n1) * sizeof *items);
    rte_ring_enqueue_zc_finish(ring, n);
    return n;
}

static inline uint32_t rte_zc_pop(struct rte_ring *ring, struct item8 *items, uint32_t n)
{
    struct rte_ring_zc_data at;
    n = rte_ring_dequeue_zc_burst_start(ring, n, &at, NULL);
    if (n == 0)
        return 0;
    memcpy(items, at.ptr1, at.n1 * sizeof *items);
    if (n > at.n1)
        memcpy(items + at.n1, at.ptr2, (n - at.n1) * sizeof *items);
    rte_ring_dequeue_zc_finish(ring, n);
    return n;
}

LOOPS(rte_zc, struct item8, rte_zc_push, NOTHING, rte_zc_pop)

/* ---- Concurrency Kit: one item a call ---- */

struct ck {
    ck_ring_t ring;
    ck_ring_buffer_t buffer[] __attribute__((aligned(WEIR_APART)));
};

static void *make_ck(void *memory, uint32_t size, uint32_t item_bytes)
{
    (void)item_bytes;
    ck_ring_init(&((struct ck *)memory)->ring, size);
    return memory;
}

static inline uint32_t ck_push(struct ck *ck, const struct item8 *items, uint32_t n)
{
    uint32_t done = 0;
    while (done < n && ck_ring_enqueue_spsc(&ck->ring, ck->buffer, (void *)(uintptr_t)items[done].word))
        done++;
    return done;
}

static inline uint32_t ck_pop(struct ck *ck, struct item8 *items, uint32_t n)
{
    uint32_t done = 0;
    void *item;
    while (done < n && ck_ring_dequeue_spsc(&ck->ring, ck->buffer, &item))
        items[done++].word = (uintptr_t)item;
    return done;
}

LOOPS(ck, struct item8, ck_push, NOTHING, ck_pop)

/* ---- the prototypes that were not taken, and the streaming limit: ring_prototypes.h ---- */

#define STREAM(CHUNK)                                                                                        \
    static inline uint32_t stream##CHUNK##_push(struct stream *s, const struct item8 *items, uint32_t n)     \
    {                                                                                                        \
        return stream_push(s, items, n, CHUNK);                                                              \
    }                                                                                                        \
    static inline uint32_t stream##CHUNK##_pop(struct stream *s, struct item8 *items, uint32_t n)            \
    {                                                                                                        \
        return stream_pop(s, items, n, CHUNK);                                                               \
    }                                                                                                        \
    LOOPS(stream##CHUNK, struct item8, stream##CHUNK##_push, stream_flush, stream##CHUNK##_pop)
STREAM(256)
STREAM(512)
STREAM(1024)
STREAM(4096)

#define CACHED(NAME, ...)                                                                                    \
    static inline uint32_t NAME##_push(struct cached *c, const struct item8 *items, uint32_t n)              \
    {                                                                                                        \
        return cached_push(c, items, n, (const struct cached_shape){__VA_ARGS__});                           \
    }                                                                                                        \
    static inline uint32_t NAME##_pop(struct cached *c, struct item8 *items, uint32_t n)                     \
    {                                                                                                        \
        return cached_pop(c, items, n, (const struct cached_shape){__VA_ARGS__});                            \
    }                                                                                                        \
    LOOPS(NAME, struct item8, NAME##_push, cached_flush, NAME##_pop)
CACHED(cached_plain, .heads = 0)
CACHED(cached_lazy_head, .heads = 8)
CACHED(cached_lazy_both, .heads = 8, .tail_step = 64)
CACHED(cached_write64, .heads = 8, .write_ahead = 64)
CACHED(cached_write128, .heads = 8, .write_ahead = 128)
CACHED(cached_write128_read64, .heads = 8, .write_ahead = 128, .read_ahead = 64)
CACHED(cached_write128_read128, .heads = 8, .write_ahead = 128, .read_ahead = 128)
CACHED(cached_all_64, .heads = 8, .tail_step = 64, .write_ahead = 64, .read_ahead = 64)
CACHED(cached_all_256, .heads = 8, .tail_step = 64, .write_ahead = 256, .read_ahead = 128)
CACHED(cached_all_tail128, .heads = 8, .tail_step = 128, .write_ahead = 128, .read_ahead = 128)
CACHED(cached_all_quarter, .heads = 4, .tail_step = 64, .write_ahead = 128, .read_ahead = 128)

LOOPS(null_slot, struct item8, null_slot_push, NOTHING, null_slot_pop)
LOOPS(parity_slot, struct item8, parity_slot_push, NOTHING, parity_slot_pop)

#define V(NAME, LABEL, MAKE, BYTES, PROTOTYPE)                                                               \
    {                                                                                                        \
        LABEL, BYTES, PROTOTYPE, MAKE, produce_##NAME, consume_##NAME, alone_##NAME                          \
    }
static const struct variant variants[] = {
    V(rte, "rte_ring_spsc", make_rte_spsc, 8, false),
    V(weir, "weir", make_weir, 8, false),
    V(weir_in_place, "weir-in-place", make_weir, 8, false),
    V(rte_zc, "rte_ring_spsc_zc", make_rte_spsc, 8, false),
    V(rte_mpmc, "rte_ring_mpmc", make_rte_mpmc, 8, false),
    V(rte_hts, "rte_ring_hts", make_rte_hts, 8, false),
    V(ck, "ck_ring", make_ck, 8, false),
    V(stream256, "stream-256", make_stream, 8, false),
    V(stream512, "stream-512", make_stream, 8, false),
    V(stream1024, "stream-1024", make_stream, 8, false),
    V(stream4096, "stream-4096", make_stream, 8, false),
    V(weir4, "weir-4B", make_weir, 4, false),
    V(rte4, "rte_ring_spsc-4B", make_rte_spsc, 4, false),
    V(weir16, "weir-16B", make_weir, 16, false),
    V(rte16, "rte_ring_spsc-16B", make_rte_spsc, 16, false),
    V(weir32, "weir-32B", make_weir, 32, false),
    V(rte32, "rte_ring_spsc-32B", make_rte_spsc, 32, false),
    V(weir_push, "weir, published each burst", make_weir, 8, true),
    V(cached_plain, "cached", make_cached, 8, true),
    V(cached_lazy_head, "cached, head/8", make_cached, 8, true),
    V(cached_lazy_both, "cached, head/8, tail 64", make_cached, 8, true),
    V(cached_write64, "cached, head/8, write 64", make_cached, 8, true),
    V(cached_write128, "cached, head/8, write 128", make_cached, 8, true),
    V(cached_write128_read64, "cached, head/8, write 128, read 64", make_cached, 8, true),
    V(cached_write128_read128, "cached, head/8, write 128, read 128", make_cached, 8, true),
    V(cached_all_64, "cached, head/8, tail 64, write 64, read 64", make_cached, 8, true),
    V(cached_all_256, "cached, head/8, tail 64, write 256, read 128", make_cached, 8, true),
    V(cached_all_tail128, "cached, head/8, tail 128, write 128, read 128", make_cached, 8, true),
    V(cached_all_quarter, "cached, head/4, tail 64, write 128, read 128", make_cached, 8, true),
    V(null_slot, "null slot (FastForward)", make_slots, 8, true),
    V(parity_slot, "parity slot (Caladan)", make_slots, 8, true),
};
#define VARIANTS (sizeof variants / sizeof variants[0])

/* ---- the two threads ---- */

static struct {
    WEIR_CACHE_ALIGNED uint32_t turn; /* counts up; odd = the other thread's */
    WEIR_CACHE_ALIGNED const struct variant *job;
    void *ring;
    uint32_t burst;
    uint64_t items, end_tsc;
} shared;

/* Answers each turn at once; with a job it is the consumer first. */
static void *other(void *cpu)
{
    if (!pin(*(int *)cpu))
        return cpu;
    for (uint32_t turn = 1;; turn += 2) {
        while (weir_load_acquire(&shared.turn) != turn) /* [B1] pairs with [B2] in pass */
            ;
        const struct variant *job = shared.job;
        if (job != NULL && job->consume == NULL)
            return NULL;
        if (job != NULL) {
            job->consume(shared.ring, shared.burst, shared.items);
            shared.end_tsc = __rdtsc();
        }
        weir_store_release(&shared.turn, turn + 1); /* [B3] pairs with [B4] in await */
    }
}

static uint32_t pass(void)
{
    uint32_t turn = shared.turn + 1;
    weir_store_release(&shared.turn, turn); /* [B2] pairs with [B1] in other */
    return turn + 1;
}

static void await(uint32_t turn)
{
    while (weir_load_acquire(&shared.turn) != turn) /* [B4] pairs with [B3] in other */
        ;
}

static double round_trip(void)
{
    shared.job = NULL;
    uint64_t start = __rdtsc();
    for (int i = 0; i < TRIPS; i++)
        await(pass());
    return (double)(__rdtsc() - start) / TRIPS;
}

static double run(const struct variant *v, void *memory, struct shape shape, uint64_t items)
{
    memset(memory, 0, MEMORY_BYTES);
    shared.ring = v->make(memory, shape.size, v->item_bytes);
    shared.burst = shape.burst;
    shared.items = items = items / shape.burst * shape.burst;
    /* The first turns say that the other is there, and warm it up. */
    shared.job = NULL;
    for (int i = 0; i < 10; i++)
        await(pass());
    shared.job = v;
    uint64_t start = __rdtsc();
    uint32_t turn = pass();
    v->produce(shared.ring, shape.burst, items);
    await(turn);
    return (double)(shared.end_tsc - start) / (double)items;
}

/* Same core: fill a burst in, take it out. */
static double run_alone(const struct variant *v, void *memory, struct shape shape, uint64_t items)
{
    memset(memory, 0, MEMORY_BYTES);
    void *ring = v->make(memory, shape.size, v->item_bytes);
    items = items / shape.burst * shape.burst;
    v->alone(ring, shape.burst, shape.burst * 64); /* warm */
    uint64_t start = __rdtsc();
    v->alone(ring, shape.burst, items);
    return (double)(__rdtsc() - start) / (double)items;
}

/* ---- options ---- */

static uint32_t read_list(const char *text, uint32_t *list, uint32_t most)
{
    uint32_t n = 0;
    char *end = (char *)(uintptr_t)text;
    for (; n < most && *text != '\0'; text = *end == ',' ? end + 1 : end) {
        list[n++] = (uint32_t)strtoul(text, &end, 10);
        if (end == text)
            return 0;
    }
    return *text == '\0' ? n : 0;
}

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: rings [--cpus A,B] [--rounds N] [--items N] [--bursts 1,8,…] [--sizes 256,…] "
                    "[--prototypes] [--turn N]\n");
    exit(64);
}

static void measure(struct shape shape, uint32_t round, uint64_t items, bool prototypes, void *memory)
{
    bool base = shape.burst == 32 && shape.size == 1024; /* other item sizes and prototypes: only here */
    double cycles[VARIANTS], before = round_trip();
    bool done[VARIANTS] = {0};
    for (size_t i = 0; i < VARIANTS; i++) {
        size_t k = (i + round) % VARIANTS;
        done[k] = variants[k].prototype ? prototypes : variants[k].item_bytes == 8 || base;
        if (done[k])
            cycles[k] = run(&variants[k], memory, shape, items);
    }
    double after = round_trip();
    printf("{\"burst\": %u, \"size\": %u, \"round\": %u, \"before\": %.0f, \"after\": %.0f, \"cycles\": {",
        shape.burst, shape.size, round, before, after);
    const char *comma = "";
    for (size_t k = 0; k < VARIANTS; k++) {
        if (done[k])
            printf("%s\"%s\": %.3f", comma, variants[k].name, cycles[k]);
        if (done[k])
            comma = ", ";
    }
    printf("}, \"alone\": {");
    comma = "";
    for (size_t k = 0; k < VARIANTS; k++) {
        if (variants[k].prototype || strncmp(variants[k].name, "stream", 6) == 0 ||
            variants[k].item_bytes != 8)
            continue;
        printf("%s\"%s\": %.3f", comma, variants[k].name, run_alone(&variants[k], memory, shape, items / 4));
        comma = ", ";
    }
    printf("}}\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"cpus", required_argument, NULL, 'c'},
        {"rounds", required_argument, NULL, 'r'}, {"items", required_argument, NULL, 'i'},
        {"bursts", required_argument, NULL, 'b'}, {"sizes", required_argument, NULL, 's'},
        {"prototypes", no_argument, NULL, 'p'}, {"turn", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
    uint32_t cpus[2] = {0, 1}, bursts[SHAPES_MAX] = {1, 8, 32, 64}, sizes[SHAPES_MAX] = {256, 1024, 4096};
    uint32_t n_bursts = 4, n_sizes = 3, rounds = 20, items = 200000, turn = 0;
    bool prototypes = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            if (read_list(optarg, cpus, 2) != 2 || cpus[0] == cpus[1])
                usage();
            break;
        case 'r':
            if (read_list(optarg, &rounds, 1) != 1)
                usage();
            break;
        case 'i':
            if (read_list(optarg, &items, 1) != 1)
                usage();
            break;
        case 'b':
            n_bursts = read_list(optarg, bursts, SHAPES_MAX);
            break;
        case 's':
            n_sizes = read_list(optarg, sizes, SHAPES_MAX);
            break;
        case 't':
            if (read_list(optarg, &turn, 1) != 1)
                usage();
            break;
        case 'p':
            prototypes = true;
            break;
        default:
            usage();
        }
    }
    for (uint32_t b = 0; b < n_bursts; b++)
        if (bursts[b] < 1 || bursts[b] > BURST_MAX)
            usage();
    for (uint32_t s = 0; s < n_sizes; s++)
        if (sizes[s] < 2 * BURST_MAX || sizes[s] > 4096 || weir_ring_bytes(sizes[s], 8) == 0)
            usage();
    if (optind != argc || n_bursts == 0 || n_sizes == 0 || items < 2 * BURST_MAX)
        usage();
    int cpu_other = (int)cpus[1], cpu_main = (int)cpus[0];
    if (!pin(cpu_other) || !pin(cpu_main)) {
        fprintf(stderr, "rings: CPUs %d and %d: not allowed to run there\n", cpu_main, cpu_other);
        return 71;
    }
    /* 2 MiB pages if the kernel gives them: a TLB miss is no property of a ring. */
    void *memory = aligned_alloc(2u << 20, 2u << 20);
    pthread_t thread;
    if (memory == NULL || pthread_create(&thread, NULL, other, &cpu_other) != 0) {
        fprintf(stderr, "rings: no memory or no thread\n");
        return 71;
    }
    madvise(memory, 2u << 20, MADV_HUGEPAGE);
    round_trip(); /* the other thread is there now */
    for (uint32_t round = turn; round < turn + rounds; round++)
        for (uint32_t b = 0; b < n_bursts; b++)
            for (uint32_t s = 0; s < n_sizes; s++)
                measure((struct shape){bursts[b], sizes[s]}, round, items, prototypes, memory);
    static const struct variant leave = {.name = "leave"};
    shared.job = &leave;
    pass();
    pthread_join(thread, NULL);
    free(memory);
    return 0;
}
