/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine that a simulation runs on: any number of cores in one thread, a time of its own. It comes first in each file
 * of the simulator and takes the place of the operations of rings/atomic.h (as their seam) and of the clock, the sleep, the
 * locks, the lcores and the memory of the rest. So the source of weir runs as it is, and each such call is a place where
 * another core may go on. What one core writes the others see at once: weak orders are the explorer's (tests/model). */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_pause.h>

/* Small bounds are reached sooner. */
#define WEIR_BATCH 4
#define WEIR_STASH weir_virtual_stash
#define WEIR_SHARDS 16
extern uint32_t
    weir_virtual_stash; /* the seed's; at least a batch, the one in hand when a move is heard of */

/* ---- how it is driven: simulate.c ---- */

extern struct weir_virtual {
    uint64_t now, random, digest;
    uint64_t points, progress_at; /* places passed; the last where something happened */
    uint64_t cuts, cuts_max;      /* times that a core was stopped between two waits */
    uint32_t cores, until_cut, cut_every, stall_max;
} weir_virtual;

enum weir_virtual_end { WEIR_VIRTUAL_ENDED = 1, WEIR_VIRTUAL_HANGS, WEIR_VIRTUAL_STOPPED };

uint32_t weir_virtual_draw(uint64_t *random, uint32_t below);
/* All memory is given back. */
void weir_virtual_begin(uint64_t seed, uint32_t cores, uint64_t cuts);
/* `worker`: it needs a core. Returns 0. */
int weir_virtual_spawn(int (*run)(void *), void *argument, bool worker);
/* Until all have ended, or nothing happens any more, or somebody stopped it. */
enum weir_virtual_end weir_virtual_run(void);
void weir_virtual_stop(enum weir_virtual_end) __attribute__((noreturn));

/* ---- what is replaced ---- */

#define VIRTUAL_HZ UINT64_C(1000000000)

void weir_virtual_point(void); /* another core may go on */
void weir_virtual_sleep(uint64_t cycles);
void *weir_virtual_memory(size_t bytes, size_t alignment); /* zeroed */
void weir_virtual_futex_wait(const uint32_t *word, uint32_t expected, uint64_t ns);
void weir_virtual_futex_wake(const uint32_t *word);

/* clang-format off */
#define rte_rdtsc() (weir_virtual.now)
#define rte_get_tsc_hz() VIRTUAL_HZ
#define rte_pause() weir_virtual_sleep(0)
#define sched_yield() weir_virtual_sleep(0)
#define nanosleep(t, left) weir_virtual_sleep((uint64_t)(t)->tv_nsec)
#define time(to) ((time_t)weir_virtual.now)
#define clock_gettime(clock, to) ((void)(clock), (void)(*(to) = (struct timespec){.tv_sec = (time_t)(weir_virtual.now / VIRTUAL_HZ)}))
#define pthread_mutex_lock(m) while (pthread_mutex_trylock(m) != 0) weir_virtual_sleep(0)
#define pthread_cond_wait(c, m) ({ pthread_mutex_unlock(m); weir_virtual_sleep(100); pthread_mutex_lock(m); })
#define pthread_cond_timedwait(c, m, until) ({ pthread_cond_wait(c, m); \
    weir_virtual.now / VIRTUAL_HZ >= (uint64_t)(until)->tv_sec ? ETIMEDOUT : 0; })
#define rte_eal_remote_launch(run, argument, lcore) weir_virtual_spawn(run, argument, true)
#define rte_eal_wait_lcore(lcore) ((void)(lcore))
#define rte_zmalloc(type, size, align) weir_virtual_memory(size, align)
#define rte_zmalloc_socket(type, size, align, socket) ((void)(socket), weir_virtual_memory(size, align))
#define rte_free(memory) ((void)(memory))

/* ---- the seam of rings/atomic.h ---- */

#define WEIR_SEAM "workers/virtual.h"
#define weir_load_relaxed(p) (weir_virtual_point(), *(p))
#define weir_load_acquire(p) weir_load_relaxed(p)
#define weir_load_acquire_u64(p) weir_load_relaxed(p)
#define weir_store_relaxed(p, value) (weir_virtual_point(), (void)(*(p) = (value)))
#define weir_store_release(p, value) weir_store_relaxed(p, value)
#define weir_store_release_u64(p, value) ((void)(*(p) = (value))) /* counters: nobody decides by them, and there are many */
#define weir_exchange_relaxed(p, value) ({ weir_virtual_point(); uint32_t old = *(p); *(p) = (value); old; })
#define weir_slot_write(slot, from, bytes) (weir_virtual_point(), (void)memcpy(slot, from, bytes))
#define weir_slot_read(to, slot, bytes) (weir_virtual_point(), (void)memcpy(to, slot, bytes))
#define weir_prefetch_write(slot) ((void)(slot))
#define weir_prefetch_read(slot) ((void)(slot))
#define weir_compiler_barrier() ((void)0)
#define weir_membarrier_register() true
#define weir_membarrier() 0
#define weir_futex_wait(word, expected, ns) weir_virtual_futex_wait(word, expected, (uint64_t)(ns))
#define weir_futex_wake(word) weir_virtual_futex_wake(word)
/* clang-format on */
