/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/virtual.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STRANDS_MAX 136
#define STACK_BYTES ((size_t)256 << 10)
#define MEMORY_BYTES ((size_t)512 << 20) /* of addresses, until they are used */
#define POINT_CYCLES 3
#define WAIT_CYCLES 20
#define HANGS_AFTER 300000 /* points without a packet */
#define POINTS_MAX 3000000

struct weir_virtual weir_virtual;
uint32_t weir_virtual_stash;

static struct strand { /* a worker, the control thread, who gives orders */
    int (*run)(void *);
    void *argument;
    ucontext_t start;
    jmp_buf here;
    bool begun, ended, worker, on_core;
    uint32_t slow;        /* of so many turns it takes one */
    uint64_t wakes;       /* not before */
    const uint32_t *word; /* asleep on it */
} strands[STRANDS_MAX];
static uint32_t n_strands, n_ended;
static struct strand *current; /* NULL = outside of the simulation */
static jmp_buf home;
static uint8_t stacks[STRANDS_MAX][STACK_BYTES], memory[MEMORY_BYTES] __attribute__((aligned(4096)));
static size_t used;

uint32_t weir_virtual_draw(uint64_t *random, uint32_t below)
{
    uint64_t x = *random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(((x ^ (x >> 31)) >> 32) * below >> 32);
}

static uint32_t draw(uint32_t below)
{
    return weir_virtual_draw(&weir_virtual.random, below);
}

/* ---- who goes on ---- */

/* Those that could, of workers only with a core, or only without. */
static uint32_t able(struct strand *to[STRANDS_MAX], bool with_core)
{
    uint32_t n = 0;
    for (struct strand *s = strands; s < strands + n_strands; s++)
        if (!s->ended && s->wakes <= weir_virtual.now && (s->on_core || !s->worker) == with_core)
            to[n++] = s;
    return n;
}

static struct strand *pick(void)
{
    struct strand *can[STRANDS_MAX];
    for (;;) {
        uint32_t busy = 0, n = able(can, false);
        uint64_t next = UINT64_MAX;
        for (struct strand *s = strands; s < strands + n_strands; s++) {
            busy += s->on_core;
            if (!s->ended && s->wakes > weir_virtual.now && s->wakes < next)
                next = s->wakes;
        }
        for (; busy < weir_virtual.cores && n != 0; busy++) {
            uint32_t i = draw(n);
            can[i]->on_core = true;
            can[i] = can[--n];
        }
        n = able(can, true);
        while (n != 0) {
            struct strand *s = can[draw(n)];
            if (n > 1 && draw(s->slow) != 0)
                continue;
            weir_virtual.digest = (weir_virtual.digest ^ (uint64_t)(s - strands) ^ weir_virtual.points << 8) *
                                  UINT64_C(0x100000001b3);
            return s;
        }
        weir_virtual.now = next;
    }
}

static void __attribute__((noreturn)) enter(struct strand *s)
{
    current = s;
    if (s->begun)
        _longjmp(s->here, 1);
    s->begun = true;
    setcontext(&s->start);
    __builtin_unreachable();
}

static void turn(void)
{
    struct strand *to = pick();
    if (to != current && _setjmp(current->here) == 0)
        enter(to);
}

static void begin_strand(void)
{
    current->run(current->argument);
    current->ended = true;
    current->on_core = false;
    if (++n_ended == n_strands)
        weir_virtual_stop(WEIR_VIRTUAL_ENDED);
    enter(pick());
}

static void pass(uint64_t cycles)
{
    weir_virtual.now += cycles;
    if (++weir_virtual.points - weir_virtual.progress_at > HANGS_AFTER || weir_virtual.points > POINTS_MAX)
        weir_virtual_stop(WEIR_VIRTUAL_HANGS);
}

/* At a cut a core may also be taken away, or stall. */
void weir_virtual_point(void)
{
    if (current == NULL)
        return;
    pass(POINT_CYCLES);
    if (--weir_virtual.until_cut != 0)
        return;
    weir_virtual.until_cut = 1 + draw(2 * weir_virtual.cut_every);
    if (weir_virtual.cuts == weir_virtual.cuts_max)
        return;
    weir_virtual.cuts++;
    if (current->worker && draw(64) == 0)
        current->wakes = weir_virtual.now + draw(weir_virtual.stall_max);
    if (draw(8) == 0)
        current->on_core = false;
    turn();
}

void weir_virtual_sleep(uint64_t cycles)
{
    if (current == NULL)
        return;
    pass(WAIT_CYCLES);
    current->wakes = weir_virtual.now + cycles;
    current->on_core = false;
    turn();
}

void weir_virtual_futex_wait(const uint32_t *word, uint32_t expected, uint64_t ns)
{
    weir_virtual_point();
    if (*word != expected)
        return;
    current->word = word;
    weir_virtual_sleep(ns);
    current->word = NULL;
}

void weir_virtual_futex_wake(const uint32_t *word)
{
    weir_virtual_point();
    for (struct strand *s = strands; s < strands + n_strands; s++)
        if (s->word == word)
            s->wakes = weir_virtual.now + draw(200);
}

/* ---- set-up ---- */

void *weir_virtual_memory(size_t bytes, size_t alignment)
{
    size_t at = (used + alignment - 1) / alignment * alignment;
    if (bytes > MEMORY_BYTES - at)
        return NULL;
    used = at + bytes;
    return memory + at;
}

void weir_virtual_begin(uint64_t seed, uint32_t cores, uint64_t cuts)
{
    madvise(memory, used, MADV_DONTNEED); /* and is zeroed when it is touched again */
    used = n_strands = n_ended = 0;
    weir_virtual = (struct weir_virtual){.now = VIRTUAL_HZ /* 0 means never */,
        .random = seed,
        .cores = cores,
        .cuts_max = cuts,
        .until_cut = 1};
    weir_virtual.cut_every = 1u << draw(8);
    weir_virtual.stall_max = 100u << draw(10);
}

int weir_virtual_spawn(int (*run)(void *), void *argument, bool worker)
{
    struct strand *s = &strands[n_strands];
    uint32_t slow = worker && draw(4) == 0 ? 1 + draw(20) : 1;
    *s = (struct strand){.run = run, .argument = argument, .worker = worker, .slow = slow};
    getcontext(&s->start);
    s->start.uc_stack.ss_sp = stacks[n_strands++];
    s->start.uc_stack.ss_size = STACK_BYTES;
    makecontext(&s->start, begin_strand, 0);
    return 0;
}

enum weir_virtual_end weir_virtual_run(void)
{
    int end = _setjmp(home);
    if (end == 0)
        enter(pick());
    current = NULL;
    return (enum weir_virtual_end)end;
}

void weir_virtual_stop(enum weir_virtual_end end)
{
    _longjmp(home, (int)end);
}
