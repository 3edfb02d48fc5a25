/* SPDX-License-Identifier: BSD-3-Clause */
/* libpcap ends at the first interface whose link type is not that of the first. This makes a capture of several kinds of
 * interfaces one that it reads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_pcapng_kept {
    size_t bytes;        /* of the file that is left */
    uint64_t interfaces; /* Ethernet */
    uint64_t skipped;    /* packets of others */
};

/* In place: take out of a pcapng file all interfaces that are not Ethernet, with their packets, and what it says of snapshot
 * lengths. From a block on that is damaged all stays as it is: libpcap is to say what is wrong. False: no memory. */
bool weir_pcapng_keep_ethernet(uint8_t *file, size_t n, struct weir_pcapng_kept *);
