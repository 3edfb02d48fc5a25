/* SPDX-License-Identifier: BSD-3-Clause */
/* Keyed hash of a flow. */
#pragma once

#include <stdint.h>

/* Multiply two words to 128 bits and fold the halves: every input bit reaches every output bit. */
static inline uint64_t weir_hash_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Hash of three words under a key of four. Without the key (drawn from the kernel at start) nobody can choose
 * packets that meet in one bucket. Low and high bits are equally good. */
static inline uint64_t weir_hash(const uint64_t key[4], uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t h = weir_hash_fold(a ^ key[0], b ^ key[1]);
    return weir_hash_fold(h ^ key[2], c ^ key[3]);
}
