/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/bucket.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <random>

namespace {

using u128 = unsigned __int128;

weir_bucket make(uint64_t rate, uint64_t burst, uint64_t hz, uint64_t now = 0)
{
    weir_bucket b;
    EXPECT_EQ(weir_bucket_init(&b, rate, burst, hz, now), 0);
    return b;
}

TEST(Bucket, StartsFullAndGrantsNoMoreThanItHolds)
{
    weir_bucket b = make(1000, 500, 2000000000, 77);
    EXPECT_EQ(weir_bucket_take(&b, 77, 200), 200u);
    EXPECT_EQ(weir_bucket_take(&b, 77, 400), 300u);
    EXPECT_EQ(weir_bucket_take(&b, 77, 1), 0u);
}

TEST(Bucket, LongRunRateIsExactForOddClocksAndRates)
{
    const uint64_t hz = 2096135477, rate = 1250000003, burst = 100000;
    weir_bucket b = make(rate, burst, hz);
    ASSERT_EQ(weir_bucket_take(&b, 0, burst), burst);
    std::mt19937_64 random(1);
    uint64_t now = 0, granted = 0;
    for (int i = 0; i < 1000000; i++) {
        now += random() % 5000;
        granted += weir_bucket_take(&b, now, burst);
        ASSERT_EQ(granted, (uint64_t)((u128)now * rate / hz)) << "after " << i;
    }
}

TEST(Bucket, SlowRatesLoseNoFraction)
{
    /* One token in three billion cycles, looked at every cycle or so: each step earns a billionth. */
    weir_bucket b = make(1, 1, 3000000000);
    ASSERT_TRUE(weir_bucket_take_all(&b, 1));
    for (uint64_t now = 2999990000; now < 3000000000; now++)
        ASSERT_EQ(weir_bucket_take(&b, now, 1), 0u);
    EXPECT_EQ(weir_bucket_take(&b, 3000000000, 1), 1u);
}

TEST(Bucket, AllOrNothingLeavesTheCreditAloneWhenItRefuses)
{
    weir_bucket b = make(1000, 100, 1000000);
    EXPECT_TRUE(weir_bucket_take_all(&b, 60));
    EXPECT_FALSE(weir_bucket_take_all(&b, 41));
    EXPECT_TRUE(weir_bucket_take_all(&b, 40));
    EXPECT_FALSE(weir_bucket_take_all(&b, 1));
    EXPECT_TRUE(weir_bucket_take_all(&b, 0));
}

TEST(Bucket, MoreThanTheBurstIsNeverGrantedAtOnceHoweverLarge)
{
    weir_bucket b = make(1000, 100, UINT64_C(1) << 32);
    EXPECT_FALSE(weir_bucket_take_all(&b, 101));
    /* x 2^32 wraps to 0, 1 x 2^32 and 100 x 2^32 */
    for (uint64_t want : {UINT64_C(1) << 32, (UINT64_C(1) << 32) + 1, (UINT64_C(1) << 32) + 100, UINT64_MAX})
        EXPECT_FALSE(weir_bucket_take_all(&b, want)) << want;
    EXPECT_EQ(weir_bucket_take(&b, 0, UINT64_MAX), 100u);
}

TEST(Bucket, ClockGoingBackwardsIsNoTime)
{
    weir_bucket b = make(1000000000, 1000, 1000000000, 5000);
    ASSERT_EQ(weir_bucket_take(&b, 5000, 1000), 1000u);
    EXPECT_EQ(weir_bucket_take(&b, 4000, 1000), 0u);
    EXPECT_EQ(weir_bucket_take(&b, 5000, 1000), 0u) << "the time from 4000 to 5000 was paid before";
    EXPECT_EQ(weir_bucket_take(&b, 5010, 1000), 10u);
}

TEST(Bucket, AnyIdleTimeFillsItExactlyOnce)
{
    const uint64_t hz = 2999999999, rates[] = {1, 999, 12500000000, UINT64_C(1) << 62};
    for (uint64_t rate : rates) {
        const uint64_t burst = INT64_MAX / hz;
        weir_bucket b = make(rate, burst, hz);
        uint64_t now = 0;
        for (unsigned shift = 20; shift < 63; shift++) {
            ASSERT_EQ(weir_bucket_take(&b, now, 0), 0u);
            uint64_t held = b.credit;
            uint64_t idle = UINT64_C(1) << shift;
            now = idle;
            (void)weir_bucket_take(&b, now, 0);
            ASSERT_GE(b.credit, held);
            ASSERT_LE(b.credit, b.limit);
        }
        EXPECT_EQ(weir_bucket_take(&b, INT64_MAX, UINT64_MAX), burst);
    }
}

TEST(Bucket, AgreesWithArithmeticThatDivides)
{
    std::mt19937_64 random(7);
    for (int round = 0; round < 200; round++) {
        const uint64_t hz = 2 + random() % 5000000000, burst = 1 + random() % 1000000000;
        const uint64_t rate = 1 + random() % 100000000000;
        weir_bucket b = make(rate, burst, hz);
        u128 credit = (u128)burst * hz;
        uint64_t now = 0;
        for (int i = 0; i < 500; i++) {
            uint64_t passed = random() % (random() % 2 ? 100 : hz);
            now += passed;
            credit += (u128)passed * rate;
            credit = std::min(credit, (u128)burst * hz);
            uint64_t want = random() % (random() % 2 ? burst + 10 : 2000);
            uint64_t expected = (uint64_t)std::min((u128)want, credit / hz);
            ASSERT_EQ(weir_bucket_take(&b, now, want), expected);
            credit -= (u128)expected * hz;
        }
    }
}

TEST(Bucket, RefusesWhatItCannotKeepExact)
{
    weir_bucket b;
    EXPECT_EQ(weir_bucket_init(&b, 0, 1, 1000, 0), -EINVAL);
    EXPECT_EQ(weir_bucket_init(&b, 1, 0, 1000, 0), -EINVAL);
    EXPECT_EQ(weir_bucket_init(&b, 1, 1, 0, 0), -EINVAL);
    EXPECT_EQ(weir_bucket_init(&b, (UINT64_C(1) << 62) + 1, 1, 1000, 0), -EINVAL);
    EXPECT_EQ(weir_bucket_init(&b, 1, INT64_MAX / 1000 + 1, 1000, 0), -EINVAL);
    EXPECT_EQ(weir_bucket_init(&b, 1, INT64_MAX / 1000, 1000, 0), 0);
}

} // namespace
