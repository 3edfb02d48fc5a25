/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/quantity.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

namespace {

struct Case {
    weir_key_type type;
    const char *text;
    uint64_t number;
    bool in_packets;
};

std::string written(weir_key_type type, weir_quantity q)
{
    char *text = nullptr;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    weir_quantity_write(type, q, to);
    fclose(to);
    std::string s(text, size);
    free(text);
    return s;
}

std::string explained(weir_key_type type, const char *bad)
{
    weir_quantity q = {};
    char *text = nullptr;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    weir_quantity_explain(type, weir_quantity_parse(type, bad, &q), bad, to);
    fclose(to);
    std::string s(text, size);
    free(text);
    return s;
}

TEST(Quantity, ReadsEachUnitExactly)
{
    const Case cases[] = {
        {WEIR_TYPE_COUNT, "0", 0, false},
        {WEIR_TYPE_COUNT, "007", 7, false},
        {WEIR_TYPE_COUNT, "64k", 64000, false},
        {WEIR_TYPE_COUNT, "4M", 4000000, false},
        {WEIR_TYPE_COUNT, "1G", 1000000000, false},
        {WEIR_TYPE_COUNT, "1.5M", 1500000, false},
        {WEIR_TYPE_COUNT, "1.000", 1, false},
        {WEIR_TYPE_COUNT, "18446744073709551615", UINT64_MAX, false},
        {WEIR_TYPE_BYTES, "1518", 1518, false},
        {WEIR_TYPE_BYTES, "64KiB", 65536, false},
        {WEIR_TYPE_BYTES, "64k", 64000, false},
        {WEIR_TYPE_BYTES, "0.5MiB", 524288, false},
        {WEIR_TYPE_BYTES, "2GiB", UINT64_C(1) << 31, false},
        {WEIR_TYPE_DURATION, "7ns", 7, false},
        {WEIR_TYPE_DURATION, "1.5us", 1500, false},
        {WEIR_TYPE_DURATION, "250ms", 250000000, false},
        {WEIR_TYPE_DURATION, "2s", 2000000000, false},
        {WEIR_TYPE_DURATION, "5min", UINT64_C(300000000000), false},
        {WEIR_TYPE_DURATION, "1h", UINT64_C(3600000000000), false},
        {WEIR_TYPE_RATE, "max", 0, false},
        {WEIR_TYPE_RATE, "8bps", 1, false},
        {WEIR_TYPE_RATE, "1kbps", 125, false},
        {WEIR_TYPE_RATE, "50Mbps", 6250000, false},
        {WEIR_TYPE_RATE, "2.5Gbps", 312500000, false},
        {WEIR_TYPE_RATE, "1pps", 1, true},
        {WEIR_TYPE_RATE, "1.5Mpps", 1500000, true},
        {WEIR_TYPE_RATE, "1000Gpps", WEIR_RATE_MAX, true},
        {WEIR_TYPE_RATE, "100%", 100000, false},
        {WEIR_TYPE_RATE, "12.5%", 12500, false},
        {WEIR_TYPE_RATIO, "1.1", 1100, false},
        {WEIR_TYPE_RATIO, "0", 0, false},
    };
    for (const Case &c : cases) {
        weir_quantity q = {};
        ASSERT_EQ(weir_quantity_parse(c.type, c.text, &q), WEIR_QUANTITY_FINE) << c.text;
        EXPECT_EQ(q.number, c.number) << c.text;
        EXPECT_EQ(q.in_packets, c.in_packets) << c.text;
        EXPECT_EQ(q.of_line, std::string(c.text).back() == '%') << c.text;
    }
}

TEST(Quantity, RefusesWhatIsNoExactNumberWithAUnit)
{
    const struct {
        weir_key_type type;
        const char *text;
        weir_quantity_fault fault;
    } cases[] = {
        {WEIR_TYPE_COUNT, "", WEIR_QUANTITY_NO_NUMBER},
        {WEIR_TYPE_COUNT, "k", WEIR_QUANTITY_NO_NUMBER},
        {WEIR_TYPE_COUNT, "+5", WEIR_QUANTITY_NO_NUMBER},
        {WEIR_TYPE_COUNT, " 5", WEIR_QUANTITY_NO_NUMBER},
        {WEIR_TYPE_COUNT, ".5k", WEIR_QUANTITY_NO_NUMBER},
        {WEIR_TYPE_COUNT, "nan", WEIR_QUANTITY_NO_NUMBER},
        {WEIR_TYPE_COUNT, "-5", WEIR_QUANTITY_NEGATIVE},
        {WEIR_TYPE_COUNT, "0x10", WEIR_QUANTITY_UNKNOWN_UNIT},
        {WEIR_TYPE_COUNT, "1e6", WEIR_QUANTITY_UNKNOWN_UNIT},
        {WEIR_TYPE_COUNT, "1_000", WEIR_QUANTITY_UNKNOWN_UNIT},
        {WEIR_TYPE_COUNT, "5 k", WEIR_QUANTITY_UNKNOWN_UNIT},
        {WEIR_TYPE_COUNT, "5.", WEIR_QUANTITY_UNKNOWN_UNIT},
        {WEIR_TYPE_COUNT, "1.2.3", WEIR_QUANTITY_UNKNOWN_UNIT},
        {WEIR_TYPE_COUNT, "64KiB", WEIR_QUANTITY_UNKNOWN_UNIT},
        {WEIR_TYPE_COUNT, "0.5", WEIR_QUANTITY_NOT_WHOLE},
        {WEIR_TYPE_COUNT, "1.0005k", WEIR_QUANTITY_NOT_WHOLE},
        {WEIR_TYPE_COUNT, "0.000000000000000000000000001G", WEIR_QUANTITY_NOT_WHOLE},
        {WEIR_TYPE_COUNT, "18446744073709551616", WEIR_QUANTITY_TOO_LARGE},
        {WEIR_TYPE_COUNT, "18446744073709551615k", WEIR_QUANTITY_TOO_LARGE},
        {WEIR_TYPE_COUNT, "99999999999999999999999999999999999999999", WEIR_QUANTITY_TOO_LARGE},
        {WEIR_TYPE_BYTES, "1kB", WEIR_QUANTITY_UNKNOWN_UNIT},
        {WEIR_TYPE_DURATION, "5", WEIR_QUANTITY_NO_UNIT},
        {WEIR_TYPE_DURATION, "0", WEIR_QUANTITY_NO_UNIT},
        {WEIR_TYPE_DURATION, "1.5ns", WEIR_QUANTITY_NOT_WHOLE},
        {WEIR_TYPE_DURATION, "6000000h", WEIR_QUANTITY_TOO_LARGE},
        {WEIR_TYPE_RATE, "1000", WEIR_QUANTITY_NO_UNIT},
        {WEIR_TYPE_RATE, "1M", WEIR_QUANTITY_UNKNOWN_UNIT},
        {WEIR_TYPE_RATE, "1bps", WEIR_QUANTITY_NOT_WHOLE},
        {WEIR_TYPE_RATE, "0.5pps", WEIR_QUANTITY_NOT_WHOLE},
        {WEIR_TYPE_RATE, "1001Gpps", WEIR_QUANTITY_TOO_LARGE},
        {WEIR_TYPE_RATE, "0Mpps", WEIR_QUANTITY_ZERO_RATE}, /* as a number it would mean `max` */
        {WEIR_TYPE_RATE, "0.0bps", WEIR_QUANTITY_ZERO_RATE},
    };
    for (const auto &c : cases) {
        weir_quantity q = {42, false, false};
        EXPECT_EQ(weir_quantity_parse(c.type, c.text, &q), c.fault) << "`" << c.text << "`";
        EXPECT_EQ(q.number, 42u) << c.text;
    }
}

TEST(Quantity, SaysWhatIsWrongWhatIsAllowedAndWhatWasMeant)
{
    EXPECT_EQ(explained(WEIR_TYPE_DURATION, "5"), "`5` has no unit; allowed: a number with ns us ms s min h");
    EXPECT_EQ(explained(WEIR_TYPE_BYTES, "1kiB"),
        "`1kiB` has an unknown unit; allowed: whole bytes, also with k M G KiB MiB GiB; did you mean `KiB`?");
    EXPECT_EQ(
        explained(WEIR_TYPE_COUNT, "0.5"), "`0.5` is not whole; allowed: a whole number, also with k M G");
    EXPECT_EQ(explained(WEIR_TYPE_COUNT, "20000000000G"),
        "`20000000000G` is too large; allowed: a whole number, also with k M G, up to 18446744073709551615");
    EXPECT_EQ(explained(WEIR_TYPE_RATE, "1Tpps"), "`1Tpps` has an unknown unit; allowed: `max`, or a number "
                                                  "with bps kbps Mbps Gbps pps kpps Mpps Gpps; did you "
                                                  "mean `Gpps`?");
    EXPECT_EQ(explained(WEIR_TYPE_RATE, "9000Gbps"), "`9000Gbps` is too large; allowed: `max`, or a number "
                                                     "with bps kbps Mbps Gbps pps kpps Mpps Gpps, up to "
                                                     "8000Gbps or 1000Gpps");
    EXPECT_EQ(explained(WEIR_TYPE_RATE, "9bps"), "`9bps` is not whole bytes (8bps) or packets a second; "
                                                 "allowed: `max`, or a number with bps kbps Mbps Gbps pps "
                                                 "kpps Mpps Gpps");
}

TEST(Quantity, WritesTheShortestExactText)
{
    EXPECT_EQ(written(WEIR_TYPE_COUNT, {64000, false, false}), "64k");
    EXPECT_EQ(written(WEIR_TYPE_COUNT, {65536, false, false}), "65536");
    EXPECT_EQ(written(WEIR_TYPE_BYTES, {65536, false, false}), "64KiB");
    EXPECT_EQ(written(WEIR_TYPE_BYTES, {0, false, false}), "0");
    EXPECT_EQ(written(WEIR_TYPE_DURATION, {UINT64_C(90000000000), false, false}), "90s");
    EXPECT_EQ(written(WEIR_TYPE_DURATION, {0, false, false}), "0s");
    EXPECT_EQ(written(WEIR_TYPE_RATE, {312500000, false, false}), "2500Mbps");
    EXPECT_EQ(written(WEIR_TYPE_RATE, {1, false, false}), "8bps");
    EXPECT_EQ(written(WEIR_TYPE_RATE, {1500000, true, false}), "1500kpps");
    EXPECT_EQ(written(WEIR_TYPE_RATE, {0, false, false}), "max");
    EXPECT_EQ(written(WEIR_TYPE_RATE, {50000, false, true}), "50%");
}

TEST(Quantity, WhatIsWrittenReadsBackTheSame)
{
    std::mt19937_64 random(7);
    const weir_key_type types[] = {WEIR_TYPE_COUNT, WEIR_TYPE_BYTES, WEIR_TYPE_DURATION, WEIR_TYPE_RATE};
    const uint64_t scales[] = {1, 1000, 1024, 1000000, UINT64_C(60000000000)};
    for (int i = 0; i < 100000; i++) {
        weir_key_type type = types[random() % 4];
        uint64_t number = (random() >> random() % 64) / scales[random() % 5] * scales[random() % 5];
        bool in_packets = type == WEIR_TYPE_RATE && random() % 2;
        if (type == WEIR_TYPE_RATE)
            number = 1 + number % WEIR_RATE_MAX;
        weir_quantity back = {};
        std::string text = written(type, {number, in_packets, false});
        ASSERT_EQ(weir_quantity_parse(type, text.c_str(), &back), WEIR_QUANTITY_FINE) << text;
        ASSERT_EQ(back.number, number) << text;
        ASSERT_EQ(back.in_packets, in_packets) << text;
    }
}

} // namespace
