/* SPDX-License-Identifier: BSD-3-Clause */
/* What rings/atomic.h becomes when compiled with -DWEIR_SEAM='"tests/model/seam.h"': each operation on shared memory
 * is a call into the explorer (tests/model/explorer.cc), which decides what is read. C and C++.
 *
 * A new operation is a line here and a line at "the seam" in explorer.cc. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

uint32_t weir_load_relaxed(const uint32_t *);
uint32_t weir_load_acquire(const uint32_t *);
void weir_store_relaxed(uint32_t *, uint32_t value);
void weir_store_release(uint32_t *, uint32_t value);
uint64_t weir_load_relaxed_u64(const uint64_t *);
uint64_t weir_load_acquire_u64(const uint64_t *);
void weir_store_relaxed_u64(uint64_t *, uint64_t value);
void weir_store_release_u64(uint64_t *, uint64_t value);
uint32_t weir_exchange_relaxed(uint32_t *, uint32_t value);
uint32_t weir_exchange_acq_rel(uint32_t *, uint32_t value);

/* Not atomic, and checked for races: for mutants of the source only. */
uint32_t weir_load_plain(const uint32_t *);
void weir_store_plain(uint32_t *, uint32_t value);
uint64_t weir_load_plain_u64(const uint64_t *);
void weir_store_plain_u64(uint64_t *, uint64_t value);
static inline uint32_t weir_exchange_plain(uint32_t *p, uint32_t value)
{
    uint32_t old = weir_load_plain(p);
    weir_store_plain(p, value);
    return old;
}

/* All traffic with the slots of a ring, one or several whole slots; `from` and `to` are private memory. */
void weir_slot_write(void *slot, const void *from, size_t bytes);
void weir_slot_read(void *to, const void *slot, size_t bytes);

/* Returns 0. */
int weir_membarrier(void);
void weir_compiler_barrier(void);
/* Sleep while *word == expected, at most timeout_ns (< 0: for ever). Returns 0 woken, -EAGAIN, -ETIMEDOUT. */
int weir_futex_wait(uint32_t *word, uint32_t expected, int64_t timeout_ns);
/* Wake one who sleeps on it. */
void weir_futex_wake(uint32_t *word);

static inline int weir_membarrier_register(void)
{
    return 1;
}

static inline void weir_prefetch_read(const void *p)
{
    (void)p;
}

static inline void weir_prefetch_write(const void *p)
{
    (void)p;
}

#ifdef __cplusplus
}
#endif
