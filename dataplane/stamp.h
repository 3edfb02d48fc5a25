/* SPDX-License-Identifier: BSD-3-Clause */
/* The stamp that a generator writes behind the UDP header and the checking sink reads. 16 bytes, so that it fits
 * the smallest frame (14 + 20 + 8 + 16 = 58 of 60). Little endian, unaligned. */
#pragma once

#include <stdint.h>

#define WEIR_STAMP_MAGIC 0x5731
#define WEIR_STAMP_OFFSET 42 /* in an untagged IPv4/UDP frame */

struct weir_stamp {
    uint16_t magic;
    uint16_t port;     /* index of the generator port */
    uint32_t flow;     /* 0 .. flows-1 of that port */
    uint64_t sequence; /* of this flow, from 0 */
} __attribute__((packed));
