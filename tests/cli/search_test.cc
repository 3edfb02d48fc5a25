/* SPDX-License-Identifier: BSD-3-Clause */
/* The search against simulated devices: one that holds a rate exactly, and ones of a noisy machine. */
#include "cli/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

namespace {

constexpr double LEAST = 1000, MOST = 1e12, RESOLUTION = 0.02;

struct Outcome {
    double rate;
    int trials;
};

Outcome search(double first, const std::function<bool(double)> &holds, double resolution = RESOLUTION)
{
    weir_search s;
    int trials = 0;
    weir_search_begin(&s, first, LEAST, MOST, resolution);
    bool more = true;
    while (more && trials < 1000) {
        double rate = s.next;
        trials++;
        more = weir_search_tell(&s, holds(rate));
    }
    return {s.low, trials};
}

TEST(Search, FindsTheThresholdFromAnywhereWithinItsResolution)
{
    for (double threshold : {1000.0, 1001.0, 77777.0, 4.2e6, 1.3e7, 9e11})
        for (double off : {0.01, 0.5, 0.95, 1.0, 1.03, 2.0, 300.0}) {
            Outcome o = search(threshold * off, [=](double rate) { return rate <= threshold; });
            EXPECT_LE(o.rate, threshold);
            EXPECT_GE(o.rate * (1 + RESOLUTION), threshold) << threshold << " from " << off;
            EXPECT_LT(o.trials, off > 0.9 && off < 1.1 ? 16 : 60);
        }
}

TEST(Search, WhatHoldsNothingHasNoRateAndWhatHoldsAllHasTheMost)
{
    EXPECT_EQ(search(5e6, [](double) { return false; }).rate, 0);
    EXPECT_EQ(search(5e6, [](double) { return true; }).rate, MOST);
    EXPECT_EQ(search(1, [](double rate) { return rate <= LEAST; }).rate, LEAST);
}

TEST(Search, AStallThatFailsOneTrialInTenIsNoVerdict)
{
    std::mt19937 random(1);
    int low = 0;
    for (int i = 0; i < 200; i++) {
        auto holds = [&](double rate) { return rate <= 4e6 && random() % 10 != 0; };
        low += search(3.9e6, holds).rate < 4e6 / 1.06;
    }
    EXPECT_LE(low, 10) << "of 200, with failures of one trial in ten";
}

/* A machine whose capacity is another in each trial, by ten percent: the median of three searches, three times in a row. */
TEST(Search, TheMedianOfThreeIsTheSameWithinFivePercentOnANoisyMachine)
{
    std::mt19937 random(3);
    std::normal_distribution<double> noise(0, 0.05);
    int agree = 0;
    constexpr int ROUNDS = 200;
    for (int i = 0; i < ROUNDS; i++) {
        std::vector<double> verdicts;
        for (int k = 0; k < 3; k++) {
            std::vector<double> found;
            for (int r = 0; r < 3; r++)
                found.push_back(
                    search(4e6, [&](double rate) { return rate <= 4e6 * (1 + noise(random)); }).rate);
            std::sort(found.begin(), found.end());
            verdicts.push_back(found[1]);
            ASSERT_NEAR(found[1], 4e6, 0.12 * 4e6);
        }
        auto [least, most] = std::minmax_element(verdicts.begin(), verdicts.end());
        agree += *most / *least < 1.05;
    }
    EXPECT_GT(agree, ROUNDS * 8 / 10);
}

} // namespace
