/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/quantity.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "config/complaints.h"

/* number = what is written x factor / divisor. Largest first: writing takes the first that divides. */
struct unit {
    const char *name;
    uint64_t factor;
    uint32_t divisor;
    bool in_packets;
};

static const struct unit counts[] = {
    {"G", 1000000000, 1, false}, {"M", 1000000, 1, false}, {"k", 1000, 1, false}, {"", 1, 1, false}, {0}};

static const struct unit bytes[] = {{"GiB", 1 << 30, 1, false}, {"MiB", 1 << 20, 1, false},
    {"KiB", 1 << 10, 1, false}, {"G", 1000000000, 1, false}, {"M", 1000000, 1, false}, {"k", 1000, 1, false},
    {"", 1, 1, false}, {0}};

static const struct unit durations[] = {{"h", UINT64_C(3600000000000), 1, false},
    {"min", UINT64_C(60000000000), 1, false}, {"s", 1000000000, 1, false}, {"ms", 1000000, 1, false},
    {"us", 1000, 1, false}, {"ns", 1, 1, false}, {0}};

static const struct unit rates[] = {{"Gbps", 1000000000, 8, false}, {"Mbps", 1000000, 8, false},
    {"kbps", 1000, 8, false}, {"bps", 1, 8, false}, {"Gpps", 1000000000, 1, true}, {"Mpps", 1000000, 1, true},
    {"kpps", 1000, 1, true}, {"pps", 1, 1, true}, {"%", 1000, 1, false}, {0}};

static const struct unit ratios[] = {{"", 1000, 1, false}, {0}};

static const struct quantity_type {
    const struct unit *units;
    const char *names;
    const char *allowed;
    const char *zero;
    uint64_t max;
} types[] = {
    [WEIR_TYPE_COUNT] = {counts, "k M G", "a whole number, also with k M G", "0", UINT64_MAX},
    [WEIR_TYPE_BYTES] = {bytes, "k M G KiB MiB GiB", "whole bytes, also with k M G KiB MiB GiB", "0",
        UINT64_MAX},
    [WEIR_TYPE_DURATION] = {durations, "ns us ms s min h", "a number with ns us ms s min h", "0s",
        UINT64_MAX},
    [WEIR_TYPE_RATIO] = {ratios, "", "a number with up to three decimals", "0", UINT64_MAX},
    [WEIR_TYPE_RATE] = {rates, "bps kbps Mbps Gbps pps kpps Mpps Gpps",
        "`max`, or a number with bps kbps Mbps Gbps pps kpps Mpps Gpps", "max", WEIR_RATE_MAX},
};

/* The number as written, without its point: digits x 10^-decimals. Returns what follows it. */
static const char *read_digits(
    const char *at, uint64_t *digits, uint64_t *scale, enum weir_quantity_fault *fault)
{
    bool point = false;
    *digits = 0;
    *scale = 1;
    for (;; at++) {
        if (*at == '.' && !point && isdigit((unsigned char)at[1])) {
            point = true;
            continue;
        }
        if (!isdigit((unsigned char)*at))
            return at;
        unsigned digit = (unsigned)(*at - '0');
        if (point && digit == 0 && strspn(at, "0") == strspn(at, "0123456789"))
            continue; /* zeros at the end of a fraction say nothing */
        if (__builtin_mul_overflow(*digits, 10, digits) || __builtin_add_overflow(*digits, digit, digits) ||
            (point && __builtin_mul_overflow(*scale, 10, scale))) {
            *fault = point ? WEIR_QUANTITY_NOT_WHOLE : WEIR_QUANTITY_TOO_LARGE;
            return at + strspn(at, "0123456789.");
        }
    }
}

enum weir_quantity_fault weir_quantity_parse(
    enum weir_key_type type, const char *text, struct weir_quantity *to)
{
    const struct quantity_type *t = &types[type];
    if (type == WEIR_TYPE_RATE && strcmp(text, "max") == 0) {
        *to = (struct weir_quantity){0};
        return WEIR_QUANTITY_FINE;
    }
    if (!isdigit((unsigned char)*text))
        return *text == '-' && isdigit((unsigned char)text[1]) ? WEIR_QUANTITY_NEGATIVE
                                                               : WEIR_QUANTITY_NO_NUMBER;
    uint64_t digits, scale;
    enum weir_quantity_fault fault = WEIR_QUANTITY_FINE;
    const char *name = read_digits(text, &digits, &scale, &fault);
    const struct unit *unit = t->units;
    while (unit->name != NULL && strcmp(unit->name, name) != 0)
        unit++;
    if (unit->name == NULL)
        return *name == '\0' ? WEIR_QUANTITY_NO_UNIT : WEIR_QUANTITY_UNKNOWN_UNIT;
    if (fault != WEIR_QUANTITY_FINE)
        return fault;
    unsigned __int128 above = (unsigned __int128)digits * unit->factor;
    unsigned __int128 below = (unsigned __int128)scale * unit->divisor;
    if (above / below > t->max)
        return WEIR_QUANTITY_TOO_LARGE;
    if (above % below != 0)
        return WEIR_QUANTITY_NOT_WHOLE;
    if (type == WEIR_TYPE_RATE && above == 0)
        return WEIR_QUANTITY_ZERO_RATE;
    *to = (struct weir_quantity){
        .number = (uint64_t)(above / below), .in_packets = unit->in_packets, .of_line = *unit->name == '%'};
    return WEIR_QUANTITY_FINE;
}

void weir_quantity_explain(
    enum weir_key_type type, enum weir_quantity_fault fault, const char *text, FILE *to)
{
    static const char *const what[] = {
        [WEIR_QUANTITY_NO_NUMBER] = "is no number",
        [WEIR_QUANTITY_NEGATIVE] = "is negative",
        [WEIR_QUANTITY_NO_UNIT] = "has no unit",
        [WEIR_QUANTITY_UNKNOWN_UNIT] = "has an unknown unit",
        [WEIR_QUANTITY_NOT_WHOLE] = "is not whole",
        [WEIR_QUANTITY_TOO_LARGE] = "is too large",
        [WEIR_QUANTITY_ZERO_RATE] = "lets nothing through",
    };
    const struct quantity_type *t = &types[type];
    struct weir_guess guess = {.written = text + strspn(text, "0123456789.")};
    fprintf(to, "%s %s", WEIR_QUOTED(text), what[fault]);
    if (fault == WEIR_QUANTITY_NOT_WHOLE)
        fputs(type == WEIR_TYPE_DURATION ? " nanoseconds"
              : type == WEIR_TYPE_RATE   ? " bytes (8bps) or packets a second"
              : type == WEIR_TYPE_RATIO  ? " thousandths"
                                         : "",
            to);
    fprintf(to, "; allowed: %s", t->allowed);
    if (fault == WEIR_QUANTITY_TOO_LARGE) {
        fputs(", up to ", to);
        weir_quantity_write(type, (struct weir_quantity){.number = t->max}, to);
        if (type == WEIR_TYPE_RATE) {
            fputs(" or ", to);
            weir_quantity_write(type, (struct weir_quantity){.number = t->max, .in_packets = true}, to);
        }
    }
    for (const struct unit *u = t->units; fault == WEIR_QUANTITY_UNKNOWN_UNIT && u->name != NULL; u++)
        weir_guess_try(&guess, u->name);
    weir_guess_write(&guess, to);
}

void weir_quantity_write(enum weir_key_type type, struct weir_quantity q, FILE *to)
{
    const struct quantity_type *t = &types[type];
    if (q.number == 0) {
        fputs(t->zero, to);
        return;
    }
    const struct unit *unit = t->units;
    unsigned __int128 above = 0;
    for (;; unit++) { /* ends: the smallest unit divides every number */
        above = (unsigned __int128)q.number * unit->divisor;
        if (unit->in_packets == q.in_packets && (*unit->name == '%') == q.of_line &&
            above % unit->factor == 0)
            break;
    }
    /* Only bits of more than 2^61 bytes a second would not fit, and WEIR_RATE_MAX is far below. */
    fprintf(to, "%" PRIu64 "%s", (uint64_t)(above / unit->factor), unit->name);
}

const char *weir_quantity_units(enum weir_key_type type)
{
    return types[type].names;
}
