/* SPDX-License-Identifier: BSD-3-Clause */
#include "rings/counter.h"

#include <gtest/gtest.h>

#include <thread>

TEST(Counter, AReaderNeverSeesItGoBackOrTear)
{
    weir_counter c = {};
    const uint64_t step = 0x100000001; /* both halves change with each add */
    const uint64_t adds = 200000;
    uint64_t backwards = 0, torn = 0;
    std::thread reader([&] {
        uint64_t last = 0;
        while (last != adds * step) {
            uint64_t now = weir_counter_read(&c);
            backwards += now < last;
            torn += now >> 32 != (now & 0xffffffff);
            last = now;
        }
    });
    for (uint64_t i = 0; i < adds; i++)
        weir_counter_add(&c, step);
    reader.join();
    EXPECT_EQ(backwards, 0u);
    EXPECT_EQ(torn, 0u);
}
