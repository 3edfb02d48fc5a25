// SPDX-License-Identifier: BSD-3-Clause
// The histogram against sorted vectors.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "dataplane/histogram.h"

namespace {

using Histogram = std::unique_ptr<weir_histogram>;

Histogram of(const std::vector<uint64_t> &values)
{
    Histogram h(new weir_histogram());
    for (uint64_t value : values)
        weir_histogram_record(h.get(), value);
    return h;
}

uint64_t count(const weir_histogram *h)
{
    return weir_histogram_start(h).count;
}

uint64_t quantile(const weir_histogram *h, double q)
{
    weir_histogram_walk walk = weir_histogram_start(h);
    return weir_histogram_quantile(&walk, q);
}

double sum(const weir_histogram *h)
{
    weir_histogram_walk walk = weir_histogram_start(h);
    EXPECT_EQ(weir_histogram_until(&walk, UINT64_MAX), walk.count);
    return walk.sum;
}

constexpr double kQuantiles[] = {0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1};
constexpr double kError = 0.016;

void expect_quantiles(const weir_histogram *h, std::vector<uint64_t> values)
{
    std::sort(values.begin(), values.end());
    ASSERT_EQ(count(h), values.size());
    double all = 0;
    for (uint64_t value : values)
        all += double(value);
    EXPECT_NEAR(sum(h), all, kError * all);
    uint64_t before = 0;
    weir_histogram_walk walk = weir_histogram_start(h);
    for (double q : kQuantiles) {
        auto rank = std::max<size_t>(1, size_t(std::ceil(q * double(values.size()))));
        double exact = double(values[rank - 1]);
        uint64_t told = quantile(h, q);
        EXPECT_NEAR(double(told), exact, kError * exact) << q;
        EXPECT_GE(told, before);
        EXPECT_EQ(weir_histogram_quantile(&walk, q), told) << "in one walk " << q;
        before = told;
    }
    EXPECT_EQ(quantile(h, 1), values.back()) << "the max is exact";
}

std::vector<uint64_t> random_values(uint64_t seed, size_t n)
{
    std::mt19937_64 random(seed);
    std::vector<uint64_t> values(n);
    for (uint64_t &value : values)
        value = random() >> (random() % 64);
    return values;
}

TEST(Histogram, IsEmptyAtFirst)
{
    Histogram h = of({});
    EXPECT_EQ(count(h.get()), 0u);
    EXPECT_EQ(sum(h.get()), 0);
    EXPECT_EQ(quantile(h.get(), 0.5), 0u);
    EXPECT_EQ(quantile(h.get(), 1), 0u);
}

TEST(Histogram, SmallValuesAreExact)
{
    for (uint64_t value = 0; value < 64; value++)
        EXPECT_EQ(quantile(of({value, UINT64_MAX}).get(), 0.5), value);
}

TEST(Histogram, EveryValueHasABucketAndLargerOnesALaterOne)
{
    EXPECT_EQ(weir_histogram_bucket(0), 0u);
    EXPECT_EQ(weir_histogram_bucket(UINT64_MAX), WEIR_HISTOGRAM_BUCKETS - 1u);
    for (unsigned bit = 1; bit < 64; bit++) {
        uint64_t power = UINT64_C(1) << bit;
        EXPECT_EQ(weir_histogram_bucket(power), weir_histogram_bucket(power - 1) + 1) << bit;
        EXPECT_LE(weir_histogram_bucket(power), weir_histogram_bucket(power + 1)) << bit;
    }
}

TEST(Histogram, QuantilesAreThoseOfTheSortedValues)
{
    expect_quantiles(of({0}).get(), {0});
    expect_quantiles(of({1}).get(), {1});
    expect_quantiles(of({UINT64_MAX}).get(), {UINT64_MAX});
    expect_quantiles(of({0, 1, UINT64_MAX}).get(), {0, 1, UINT64_MAX});
    for (uint64_t seed = 0; seed < 20; seed++) {
        std::vector<uint64_t> values = random_values(seed, 1 + seed * 997);
        expect_quantiles(of(values).get(), values);
    }
}

TEST(Histogram, SeveralBecomeOne)
{
    std::vector<uint64_t> a = random_values(1, 5000), b = random_values(2, 100);
    Histogram all = of({});
    weir_histogram_add(all.get(), of(a).get());
    weir_histogram_add(all.get(), of(b).get());
    a.insert(a.end(), b.begin(), b.end());
    expect_quantiles(all.get(), a);
}

TEST(Histogram, UntilCountsWhatIsNoLarger)
{
    std::vector<uint64_t> values = random_values(3, 20000);
    Histogram h = of(values);
    weir_histogram_walk walk = weir_histogram_start(h.get());
    for (uint64_t limit : {UINT64_C(0), UINT64_C(63), UINT64_C(1000003), UINT64_C(1) << 20, UINT64_MAX}) {
        auto within = [&](double by) {
            return std::count_if(values.begin(), values.end(),
                [&](uint64_t value) { return double(value) <= double(limit) * by; });
        };
        uint64_t told = weir_histogram_until(&walk, limit);
        EXPECT_GE(told, uint64_t(within(1))) << limit;
        EXPECT_LE(told, uint64_t(within(1 + 1.0 / 32))) << limit;
    }
}

TEST(Histogram, IsReadWhileItIsWritten)
{
    Histogram h = of({});
    std::atomic<bool> done{false};
    std::thread writer([&] {
        for (uint64_t value : random_values(4, 300000))
            weir_histogram_record(h.get(), value);
        done = true;
    });
    uint64_t before = 0;
    while (!done) {
        Histogram copy = of({});
        weir_histogram_add(copy.get(), h.get());
        uint64_t n = count(copy.get());
        EXPECT_GE(n, before);
        EXPECT_LE(quantile(copy.get(), 0.999), quantile(copy.get(), 1));
        before = n;
    }
    writer.join();
    EXPECT_EQ(count(h.get()), 300000u);
}

} // namespace
