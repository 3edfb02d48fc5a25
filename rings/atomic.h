/* SPDX-License-Identifier: BSD-3-Clause */
/* The only place where weir spells an atomic operation. C and C++.
 *
 * Every call site outside a counter names its partner with a label, [R1] / [A1], and docs/memory-model.md lists
 * the pairs. Stand-alone fences are not offered: ThreadSanitizer does not understand them. */
#ifndef WEIR_RINGS_ATOMIC_H
#define WEIR_RINGS_ATOMIC_H

#include <stdint.h>

#define WEIR_CACHE_LINE 64
#define WEIR_CACHE_ALIGNED __attribute__((aligned(WEIR_CACHE_LINE)))

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

static inline uint64_t weir_load_relaxed_u64(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void weir_store_relaxed_u64(uint64_t *p, uint64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELAXED);
}

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

#endif
