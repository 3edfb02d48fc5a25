/* SPDX-License-Identifier: BSD-3-Clause */
/* pcapng files: written, and made such that libpcap reads them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- writing, in our own byte order, which the file tells ---- */

struct weir_pcapng_packet {
    int64_t ns;         /* since 1970 */
    uint32_t interface; /* by the order in which they were written */
    uint32_t captured, length;
    const uint8_t *frame;
    const char *comment; /* NULL = none */
};

#define WEIR_PCAPNG_AROUND 32 /* bytes of a packet without a comment that are not its frame */

static inline uint32_t weir_pcapng_padded(uint32_t n)
{
    return (n + 3) & ~3u;
}

/* A section, then its interfaces, Ethernet with nanoseconds, then packets. */
void weir_pcapng_begin(FILE *);
void weir_pcapng_interface(FILE *, const char *name, uint32_t snap);
void weir_pcapng_packet(FILE *, const struct weir_pcapng_packet *);
/* At the end: packets that are missing in the file. */
void weir_pcapng_missing(FILE *, uint32_t interface, int64_t ns, uint64_t packets);

/* ---- reading: libpcap ends at the first interface whose link type is not that of the first ---- */

struct weir_pcapng_kept {
    size_t bytes;        /* of the file that is left */
    uint64_t interfaces; /* Ethernet */
    uint64_t skipped;    /* packets of others */
};

/* In place: take out of a pcapng file all interfaces that are not Ethernet, with their packets, and what it says of snapshot
 * lengths. From a block on that is damaged all stays as it is: libpcap is to say what is wrong. False: no memory. */
bool weir_pcapng_keep_ethernet(uint8_t *file, size_t n, struct weir_pcapng_kept *);

#ifdef __cplusplus
}
#endif
