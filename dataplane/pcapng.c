/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/pcapng.h"

#include <stdlib.h>
#include <string.h>

#define SECTION 0x0a0d0d0au
#define INTERFACE 1u
#define OLD_PACKET 2u
#define SIMPLE_PACKET 3u
#define STATISTICS 5u
#define PACKET 6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define ETHERNET 1u
#define BLOCK_MIN 12u /* type, length, length again */
#define INTERFACE_MIN 20u
#define DROPPED UINT32_MAX

/* ---- writing ---- */

enum { OPTION_END, OPTION_COMMENT, OPTION_NAME, OPTION_MISSING = 5, OPTION_UNIT = 9 };

static void put(FILE *to, const void *bytes, uint32_t n)
{
    static const uint8_t zeros[3] = {0};
    fwrite(bytes, n, 1, to);
    fwrite(zeros, weir_pcapng_padded(n) - n, 1, to);
}

static void put_option(FILE *to, uint16_t code, const void *value, uint32_t n)
{
    const uint16_t head[] = {code, (uint16_t)n};
    put(to, head, sizeof head);
    put(to, value, n);
}

void weir_pcapng_begin(FILE *to)
{
    const uint32_t section[] = {SECTION, 28, BYTE_ORDER_MAGIC, 1 /* version 1.0 */, ~0u, ~0u, 28};
    put(to, section, sizeof section);
}

void weir_pcapng_interface(FILE *to, const char *name, uint32_t snap)
{
    const uint8_t nanoseconds = 9;
    uint32_t length = (uint32_t)strlen(name), bytes = 36 + weir_pcapng_padded(length);
    const uint32_t head[] = {INTERFACE, bytes, ETHERNET, snap};
    put(to, head, sizeof head);
    put_option(to, OPTION_NAME, name, length);
    put_option(to, OPTION_UNIT, &nanoseconds, 1);
    put_option(to, OPTION_END, "", 0);
    put(to, &bytes, sizeof bytes);
}

void weir_pcapng_packet(FILE *to, const struct weir_pcapng_packet *p)
{
    uint64_t ns = (uint64_t)p->ns;
    uint32_t comment = p->comment != NULL ? (uint32_t)strlen(p->comment) : 0;
    uint32_t bytes = WEIR_PCAPNG_AROUND + weir_pcapng_padded(p->captured) +
                     (comment != 0 ? 8 + weir_pcapng_padded(comment) : 0);
    const uint32_t head[] = {
        PACKET, bytes, p->interface, (uint32_t)(ns >> 32), (uint32_t)ns, p->captured, p->length};
    put(to, head, sizeof head);
    put(to, p->frame, p->captured);
    if (comment != 0) {
        put_option(to, OPTION_COMMENT, p->comment, comment);
        put_option(to, OPTION_END, "", 0);
    }
    put(to, &bytes, sizeof bytes);
}

void weir_pcapng_missing(FILE *to, uint32_t interface, int64_t ns, uint64_t packets)
{
    const uint32_t bytes = 40;
    const uint32_t head[] = {
        STATISTICS, bytes, interface, (uint32_t)((uint64_t)ns >> 32), (uint32_t)(uint64_t)ns};
    put(to, head, sizeof head);
    put_option(to, OPTION_MISSING, &packets, sizeof packets);
    put_option(to, OPTION_END, "", 0);
    put(to, &bytes, sizeof bytes);
}

/* ---- reading ---- */

struct filter {
    bool swapped;              /* words of this section */
    uint32_t *number;          /* by interface of this section: its new number, or DROPPED */
    uint32_t interfaces, kept; /* of this section */
    uint64_t skipped;
};

static uint32_t word32(const struct filter *f, const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return f->swapped ? __builtin_bswap32(word) : word;
}

static uint16_t word16(const struct filter *f, const uint8_t *at)
{
    uint16_t word;
    memcpy(&word, at, sizeof word);
    return f->swapped ? __builtin_bswap16(word) : word;
}

static void put_number(const struct filter *f, uint8_t *at, uint32_t number, bool wide)
{
    uint32_t word32 = f->swapped ? __builtin_bswap32(number) : number;
    uint16_t word16 = f->swapped ? __builtin_bswap16((uint16_t)number) : (uint16_t)number;
    memcpy(at, wide ? (void *)&word32 : (void *)&word16, wide ? sizeof word32 : sizeof word16);
}

static bool keep_interface(struct filter *f, uint8_t *block)
{
    bool ethernet = word16(f, block + 8) == ETHERNET;
    f->number[f->interfaces++] = ethernet ? f->kept++ : DROPPED;
    memset(block + 12, 0, sizeof(uint32_t)); /* snapshot length: no limit */
    return ethernet;
}

static bool keep_packet(struct filter *f, uint8_t *block, uint32_t type)
{
    uint32_t from = type == PACKET ? word32(f, block + 8) : type == OLD_PACKET ? word16(f, block + 8) : 0;
    if (from >= f->interfaces) /* of nobody: libpcap says so */
        return true;
    f->skipped += f->number[from] == DROPPED;
    if (f->number[from] != DROPPED && type != SIMPLE_PACKET)
        put_number(f, block + 8, f->number[from], type == PACKET);
    return f->number[from] != DROPPED;
}

/* Bytes of a sound block, 0 for one that is damaged. Of a section it first learns its byte order. */
static uint32_t block_bytes(struct filter *f, const uint8_t *block, size_t left)
{
    if (left < BLOCK_MIN)
        return 0;
    if (word32(f, block) == SECTION) {
        f->swapped = false;
        f->swapped = word32(f, block + 8) != BYTE_ORDER_MAGIC;
        if (word32(f, block + 8) != BYTE_ORDER_MAGIC)
            return 0;
        f->interfaces = f->kept = 0;
    }
    uint32_t bytes = word32(f, block + 4);
    uint32_t least = word32(f, block) == INTERFACE ? INTERFACE_MIN : BLOCK_MIN;
    return bytes >= least && bytes % 4 == 0 && bytes <= left ? bytes : 0;
}

bool weir_pcapng_keep_ethernet(uint8_t *file, size_t n, struct weir_pcapng_kept *kept)
{
    struct filter f = {.number = calloc(n / INTERFACE_MIN + 1, sizeof f.number[0])};
    size_t to = 0, from = 0;
    uint32_t bytes;
    *kept = (struct weir_pcapng_kept){.bytes = n};
    if (f.number == NULL)
        return false;
    for (; (bytes = block_bytes(&f, file + from, n - from)) != 0; from += bytes) {
        uint32_t type = word32(&f, file + from);
        bool keep = true;
        if (type == INTERFACE)
            keep = keep_interface(&f, file + from);
        else if (type == PACKET || type == OLD_PACKET || type == SIMPLE_PACKET)
            keep = keep_packet(&f, file + from, type);
        kept->interfaces += type == INTERFACE && keep;
        if (keep)
            memmove(file + to, file + from, bytes);
        to += keep ? bytes : 0;
    }
    memmove(file + to, file + from, n - from);
    kept->bytes = to + n - from;
    kept->skipped = f.skipped;
    free(f.number);
    return true;
}
