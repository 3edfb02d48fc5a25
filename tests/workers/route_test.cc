/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/route.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

TEST(Route, SpreadsShardsEvenly)
{
    for (uint32_t workers : {1u, 2u, 3u, 7u, 64u}) {
        weir_route route;
        weir_route_spread(&route, workers);
        std::vector<uint32_t> shards(workers);
        for (uint32_t s = 0; s < WEIR_SHARDS; s++) {
            ASSERT_LT(weir_route_worker(&route, s), workers);
            shards[weir_route_worker(&route, s)]++;
        }
        auto [least, most] = std::minmax_element(shards.begin(), shards.end());
        EXPECT_LE(*most - *least, 1u) << workers << " workers";
    }
}

TEST(Route, OnlyTheLowBitsOfAHashChooseTheShard)
{
    weir_route route;
    weir_route_spread(&route, 5);
    for (uint32_t hash = 0; hash < WEIR_SHARDS; hash++)
        EXPECT_EQ(weir_route_worker(&route, hash), weir_route_worker(&route, hash | 0xabc00000u));
}
