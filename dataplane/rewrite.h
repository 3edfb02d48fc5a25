/* SPDX-License-Identifier: BSD-3-Clause */
/* Other addresses for a frame: one flow of a capture becomes many. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the outer addresses of a frame are, and the checksums that cover them. */
struct weir_rewrite {
    uint16_t addresses; /* from the start of the frame; 0 = not IP, or invalid: it stays as it is */
    uint16_t checksum;  /* of layer 4; 0 = there is none that covers them */
    bool ipv6;
    bool udp;           /* a checksum of 0 would say that there is none */
    bool hidden_target; /* a routing header names the target that the checksum covers */
};

#define WEIR_REWRITE_COPIES_MAX 65536

/* Of the `captured` bytes at `frame`, of `length` on the wire. */
struct weir_rewrite weir_rewrite_find(const uint8_t *frame, uint32_t captured, uint32_t length);

/* Write the addresses of copy `copy`, below WEIR_REWRITE_COPIES_MAX, into a frame that is still as it was found. Both
 * addresses change alike, so both directions of a flow stay one; the first byte of an IPv4 address and the first four of
 * an IPv6 one stay, so a multicast or private one remains it. Checksums that were right are right, others wrong: they
 * are brought up to date, not made (RFC 1624, equation 3).   Threads  any.   Memory  no allocation, no system call. */
void weir_rewrite_apply(uint8_t *frame, const struct weir_rewrite *, uint32_t copy);

#ifdef __cplusplus
}
#endif
