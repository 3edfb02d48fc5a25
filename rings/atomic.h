/* SPDX-License-Identifier: BSD-3-Clause */
/* The only place where weir spells an atomic operation or a barrier. C and C++.
 *
 * Every call site names its partner with a label, [R1] / [A1]; docs/memory-model.md lists the pairs, and
 * tests/model/mutate.py weakens each call in turn. Stand-alone fences are not offered: ThreadSanitizer does not
 * understand them.
 *
 * With -DWEIR_SEAM='"file.h"' every operation below is a function of that file. The interleaving explorer
 * (tests/model) brings one, and so runs this folder's source as it is. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WEIR_CACHE_LINE 64
#define WEIR_CACHE_ALIGNED __attribute__((aligned(WEIR_CACHE_LINE)))
/* Prefetchers fetch a line's neighbour as well: what two cores write stays two lines apart. */
#define WEIR_APART (2 * WEIR_CACHE_LINE)

#ifdef WEIR_SEAM
#include WEIR_SEAM
#else

/* ---- words ---- */

static inline uint32_t weir_load_relaxed(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint32_t weir_load_acquire(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void weir_store_relaxed(uint32_t *p, uint32_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static inline void weir_store_release(uint32_t *p, uint32_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static inline uint64_t weir_load_acquire_u64(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void weir_store_release_u64(uint64_t *p, uint64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static inline uint32_t weir_exchange_relaxed(uint32_t *p, uint32_t value)
{
    return __atomic_exchange_n(p, value, __ATOMIC_RELAXED);
}

/* The cheap side of a membarrier(): what is written before it stays before what is read after it, as far as the
 * compiler goes. The processor's part is paid by whoever calls membarrier(). */
static inline void weir_compiler_barrier(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* ---- slots: what the words publish ---- */

typedef uint64_t weir_vector __attribute__((vector_size(32), aligned(1), may_alias));

static inline void weir_copy(uint8_t *__restrict to, const uint8_t *__restrict from, size_t bytes)
{
    /* The size of an item is not known here; gcc, which may know that of the array, would warn of the longer copies. */
    __asm__("" : "+r"(to), "+r"(from));
    for (; bytes >= 64; bytes -= 64, to += 64, from += 64) {
        weir_vector low = *(const weir_vector *)from, high = *(const weir_vector *)(from + 32);
        *(weir_vector *)to = low;
        *(weir_vector *)(to + 32) = high;
    }
    if (bytes & 32) {
        *(weir_vector *)to = *(const weir_vector *)from;
        to += 32;
        from += 32;
    }
    if (bytes & 16) {
        __builtin_memcpy(to, from, 16);
        to += 16;
        from += 16;
    }
    if (bytes & 8) {
        __builtin_memcpy(to, from, 8);
        to += 8;
        from += 8;
    }
    if (__builtin_expect((bytes & 7) == 0, 1))
        return;
    if (bytes & 4) {
        __builtin_memcpy(to, from, 4);
        to += 4;
        from += 4;
    }
    if (bytes & 2) {
        __builtin_memcpy(to, from, 2);
        to += 2;
        from += 2;
    }
    if (bytes & 1)
        *to = *from;
}

static inline void weir_slot_write(void *slot, const void *from, size_t bytes)
{
    weir_copy((uint8_t *)slot, (const uint8_t *)from, bytes);
}

static inline void weir_slot_read(void *to, const void *slot, size_t bytes)
{
    weir_copy((uint8_t *)to, (const uint8_t *)slot, bytes);
}

static inline void weir_prefetch_write(const void *slot)
{
    __builtin_prefetch(slot, 1, 3);
}

static inline void weir_prefetch_read(const void *slot)
{
    __builtin_prefetch(slot, 0, 3);
}

#endif

/* A hand-over that happens inside a library ThreadSanitizer cannot see (a mempool's own ring). In any other
 * build these are nothing: the library brings its own barriers. */
#if defined(__SANITIZE_THREAD__)
#define WEIR_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR_TSAN 1
#endif
#endif

#ifdef WEIR_TSAN
#ifdef __cplusplus
extern "C" {
#endif
void __tsan_acquire(void *);
void __tsan_release(void *);
#ifdef __cplusplus
}
#endif
#define weir_unseen_acquire(object) __tsan_acquire(object)
#define weir_unseen_release(object) __tsan_release(object)
#else
#define weir_unseen_acquire(object) ((void)(object))
#define weir_unseen_release(object) ((void)(object))
#endif
