/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/record.h"

#include <gtest/gtest.h>
#include <arpa/inet.h>

#include <random>
#include <string>

namespace {

std::string text(const weir_record &r, bool csv, int64_t first = 1000000001, int64_t last = 99000000000)
{
    char line[WEIR_RECORD_TEXT_MAX];
    return std::string(line, weir_record_text(line, csv, &r, first, last));
}

weir_record record_of(weir_key_kind kind, uint8_t flags)
{
    weir_record r{};
    r.flow.key.vlan_kind = (uint16_t)(kind << 12 | 7);
    r.flow.key.protocol = 6;
    r.flow.key.flags = flags;
    inet_pton(AF_INET, "10.0.0.1", &r.flow.key.address[0]);
    inet_pton(AF_INET, "192.168.255.0", &r.flow.key.address[1]);
    inet_pton(AF_INET6, "fe80::1", r.endpoints.address[0]);
    inet_pton(AF_INET6, "fe80::2:0:0:0", r.endpoints.address[1]);
    r.flow.key.port[0] = r.endpoints.port[0] = htons(80);
    r.flow.key.port[1] = r.endpoints.port[1] = htons(65535);
    for (unsigned i = 0; i < 2; i++) {
        r.flow.packets[i] = 10 + i;
        r.flow.bytes[i] = 100 + i;
        r.flow.tcp_flags[i] = (uint8_t)(i + 1);
    }
    r.flow.sequence = 3;
    r.flow.end = WEIR_FLOW_ACTIVE;
    return r;
}

TEST(Record, TheSourceOfTheFirstPacketStandsFirst)
{
    EXPECT_EQ(text(record_of(WEIR_KEY_IPV4, 0), true),
        "1.000000001,99.000000000,4,7,6,10.0.0.1,192.168.255.0,80,65535,10,11,100,101,1,2,3,active\n");
    EXPECT_EQ(text(record_of(WEIR_KEY_IPV4, WEIR_DESC_REVERSED), true),
        "1.000000001,99.000000000,4,7,6,192.168.255.0,10.0.0.1,65535,80,11,10,101,100,2,1,3,active\n");
    EXPECT_EQ(text(record_of(WEIR_KEY_IPV6, WEIR_DESC_REVERSED), false),
        R"({"first": 1.000000001, "last": 99.000000000, "ip": 6, "vlan": 7, "protocol": 6, )"
        R"("address": ["fe80::2:0:0:0", "fe80::1"], "port": [65535, 80], "packets": [11, 10], )"
        R"("bytes": [101, 100], "tcp_flags": [2, 1], "sequence": 3, "end": "active"})"
        "\n");
}

TEST(Record, TheLongestLineFits)
{
    weir_record r{};
    memset(&r, 0xff, sizeof r);
    r.flow.end = WEIR_FLOW_EVICTED;
    for (bool csv : {false, true}) {
        std::string line = text(r, csv, INT64_MAX, INT64_MAX);
        EXPECT_LT(line.size(), (size_t)WEIR_RECORD_TEXT_MAX);
        EXPECT_NE(line.find("18446744073709551615"), std::string::npos) << line;
        EXPECT_NE(line.find("4294967295"), std::string::npos) << line;
        EXPECT_EQ(line.find('\n'), line.size() - 1);
    }
}

/* As the C library writes it, but that it has a notation of its own for what begins with 80 or 96 zeros. */
TEST(Record, AddressesOfIpv6AreWrittenTheOneRightWay)
{
    std::mt19937 random(1);
    weir_record r = record_of(WEIR_KEY_IPV6, 0);
    for (int i = 0; i < 20000; i++) {
        uint8_t *a = r.endpoints.address[0];
        for (int k = 0; k < 8; k++) { /* much of it zero, or short */
            uint32_t group = random(), what = random() % 4;
            group = what < 2 ? 0 : what == 2 ? group & 15 : group;
            a[2 * k] = (uint8_t)(group >> 8);
            a[2 * k + 1] = (uint8_t)group;
        }
        char expected[INET6_ADDRSTRLEN];
        inet_ntop(AF_INET6, a, expected, sizeof expected);
        std::string line = text(r, true), field = line.substr(line.find(",6,7,6,") + 7);
        field.resize(field.find(','));
        uint8_t back[16];
        ASSERT_EQ(inet_pton(AF_INET6, field.c_str(), back), 1) << field;
        ASSERT_EQ(memcmp(back, a, 16), 0) << field;
        if (std::string(expected).find('.') == std::string::npos) {
            ASSERT_EQ(field, expected);
        }
    }
}

} // namespace
