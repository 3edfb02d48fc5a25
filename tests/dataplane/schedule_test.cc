/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace {

constexpr uint64_t HZ = 1000000007; /* odd: nothing divides */
constexpr uint64_t S = 1000000000, MS = 1000000;

weir_phase pps(uint64_t rate, uint64_t for_ns = 0)
{
    weir_phase p = {};
    p.rate = {rate, true, false};
    p.for_ns = for_ns;
    return p;
}

double seconds(uint64_t tsc)
{
    return static_cast<double>(tsc) / HZ;
}

/* When each of the frames until then is due, looked at every so often. */
std::vector<double> due(const std::vector<weir_phase> &phases, double until_s, double every_s = 0.0001,
    uint64_t line = 0, uint32_t bytes = 100)
{
    weir_schedule s;
    std::vector<double> times;
    weir_schedule_start(&s, phases.data(), static_cast<uint32_t>(phases.size()), line, bytes, HZ, 0);
    auto looks = static_cast<uint64_t>(until_s / every_s + 0.5);
    for (uint64_t i = 0; i <= looks; i++) {
        auto now =
            static_cast<uint64_t>(until_s * HZ * static_cast<double>(i) / static_cast<double>(looks) + 0.5);
        for (weir_schedule_look(&s, now); weir_schedule_due(&s); weir_schedule_look(&s, now)) {
            uint64_t at = weir_schedule_pay(&s, bytes, times.size() * 0x9e3779b97f4a7c15u * 0x2545f491);
            EXPECT_LE(at, now + 1);
            EXPECT_TRUE(times.empty() || seconds(at) + 1e-6 >= times.back()) << times.size();
            times.push_back(seconds(at));
        }
    }
    return times;
}

size_t between(const std::vector<double> &times, double from, double to)
{
    size_t n = 0;
    for (double t : times)
        n += t > from && t <= to;
    return n;
}

TEST(Schedule, AConstantRateIsExactToTheFrame)
{
    auto times = due({pps(99991)}, 3);
    ASSERT_EQ(times.size(), 3 * 99991u);
    for (size_t k = 0; k < times.size(); k += 1000)
        EXPECT_NEAR(times[k], (k + 1) / 99991., 2e-9);
}

TEST(Schedule, WhoLooksSeldomFindsTheSame)
{
    weir_phase p = pps(20000);
    p.n_spikes = 1;
    p.spikes[0] = {300 * MS, 200 * MS, 3500};
    p.n_on_offs = 1;
    p.on_off = {50 * MS, 7 * MS};
    auto often = due({p}, 1, 0.00001), seldom = due({p}, 1, 0.05);
    ASSERT_EQ(often.size(), seldom.size());
    for (size_t k = 0; k < often.size(); k++)
        ASSERT_NEAR(often[k], seldom[k], 2e-9);
}

TEST(Schedule, RatesInBitsCountFramesAndRatesOfALineTheirOverhead)
{
    weir_phase bytes = {}, share = {};
    bytes.rate = {1000000, false, false};
    EXPECT_EQ(due({bytes}, 1, 0.001, 0, 100).size(), 10000u);
    share.rate = {50000, false, true}; /* 50 % */
    EXPECT_NEAR(due({share}, 1, 0.001, 1250000, 100).size(), 1250000 / 2 / 124., 1);
    EXPECT_NEAR(due({share}, 1, 0.001, 1250000, 60).size(), 1250000 / 2 / 84., 1);
}

TEST(Schedule, ASpikeHasItsEdgesAndItsHeight)
{
    weir_phase p = pps(10000);
    p.n_spikes = 2;
    p.spikes[0] = {500 * MS, 250 * MS, 10000};
    p.spikes[1] = {1000 * MS, 100 * MS, 0}; /* silence */
    auto times = due({p}, 2);
    EXPECT_EQ(between(times, 0, 0.5), 5000u);
    EXPECT_NEAR(between(times, 0.5, 0.75), 25000, 1);
    EXPECT_NEAR(between(times, 0.75, 1.0), 2500, 1);
    EXPECT_EQ(between(times, 1.0001, 1.1), 0u);
    EXPECT_NEAR(between(times, 1.1, 2), 9000, 1);
    double first = 0, last = 0; /* of the gaps that are those of the spike */
    for (size_t k = 1; k < times.size(); k++)
        if (times[k] - times[k - 1] < 0.00002)
            first = first == 0 ? times[k - 1] : first, last = times[k];
    EXPECT_NEAR(first, 0.5, 0.0001);
    EXPECT_NEAR(last, 0.75, 0.0001);
}

TEST(Schedule, ARampRisesEvenlyAndStays)
{
    weir_phase p = pps(10000);
    p.n_ramps = 1;
    p.ramp = {{30000, true, false}, S};
    auto times = due({p}, 2);
    for (int i = 0; i < 10; i++)
        EXPECT_NEAR(between(times, i / 10., (i + 1) / 10.), 1000 + 200 * (i + 0.5), 1.5) << i;
    EXPECT_NEAR(between(times, 1, 2), 30000, 1);
    p.rate.per_s = 30000, p.ramp.to.per_s = 10000;
    EXPECT_NEAR(between(due({p}, 1), 0, 1), 20000, 1) << "and falls";
}

TEST(Schedule, OnAndOffTakeTurns)
{
    weir_phase p = pps(10000);
    p.n_on_offs = 1;
    p.on_off = {20 * MS, 30 * MS};
    auto times = due({p}, 1);
    EXPECT_NEAR(times.size(), 4000, 1);
    for (double t : times)
        EXPECT_LE(std::fmod(t + 1e-8, 0.05), 0.0201);
}

TEST(Schedule, ABurstComesAtOnceAtTheSameMeanRate)
{
    weir_phase p = pps(10000);
    p.burst = 100;
    auto times = due({p}, 1);
    EXPECT_NEAR(times.size(), 10000, 100);
    for (size_t k = 0; k < times.size(); k++)
        EXPECT_EQ(times[k], times[k - k % 100]);
    EXPECT_NEAR(times[500] - times[400], 0.01, 1e-8);
}

TEST(Schedule, PoissonHasTheMeanAndTheSpreadOfItsLaw)
{
    weir_phase p = pps(10000);
    p.poisson = 1;
    auto times = due({p}, 20);
    EXPECT_NEAR(times.size(), 200000, 5 * std::sqrt(200000));
    std::vector<double> gaps;
    double mean = 0, square = 0;
    for (size_t k = 1; k < times.size(); k++) {
        mean += times[k] - times[k - 1];
        square += std::pow(times[k] - times[k - 1], 2);
    }
    mean /= static_cast<double>(times.size());
    square /= static_cast<double>(times.size());
    EXPECT_NEAR(std::sqrt(square - mean * mean) / mean, 1, 0.02);
}

TEST(Schedule, ATimelineGoesFromPhaseToPhaseAndBeginsAgain)
{
    weir_phase fast = pps(20000, 100 * MS), bits = {}, silent = pps(1000, 50 * MS);
    bits.rate = {500000, false, false}; /* of frames of 100 bytes: 5000 a second */
    bits.for_ns = 200 * MS;
    silent.n_spikes = 1;
    silent.spikes[0] = {0, S, 0};
    auto times = due({fast, bits, silent}, 0.7);
    for (double start : {0., 0.35}) {
        EXPECT_NEAR(between(times, start, start + 0.1), 2000, 1);
        EXPECT_NEAR(between(times, start + 0.1, start + 0.3), 1000, 1);
        EXPECT_LE(between(times, start + 0.3001, start + 0.35), 1u);
    }
}

TEST(Schedule, WhatIsSkippedAndWhatIsKeptAddUp)
{
    weir_phase p = pps(1000000);
    p.n_on_offs = 1;
    p.on_off = {10 * MS, 10 * MS};
    for (const weir_phase &phase : {pps(1000000), p}) {
        weir_schedule s, whole;
        std::mt19937_64 random(1);
        uint64_t skipped = 0, taken = 0, all = 0, now = 0;
        weir_schedule_start(&s, &phase, 1, 0, 100, HZ, 0);
        weir_schedule_start(&whole, &phase, 1, 0, 100, HZ, 0);
        for (int i = 0; i < 2000; i++) {
            now += random() % (HZ / 1000);
            weir_schedule_look(&s, now);
            skipped += weir_schedule_skip(&s, now, 100);
            for (int n = 0; n < 32 && weir_schedule_due(&s); n++, taken++)
                weir_schedule_pay(&s, 100, 0);
        }
        weir_schedule_look(&s, now);
        skipped += weir_schedule_skip(&s, now, 0);
        for (weir_schedule_look(&whole, now); weir_schedule_due(&whole);
             weir_schedule_look(&whole, now), all++)
            weir_schedule_pay(&whole, 100, 0);
        EXPECT_NEAR(static_cast<double>(skipped + taken), static_cast<double>(all), 1);
        EXPECT_GT(skipped, 100000u);
    }
}

TEST(Schedule, WeeksLoseNothing)
{
    weir_phase p = pps(10000000);
    weir_schedule s;
    weir_schedule_start(&s, &p, 1, 0, 100, HZ, 0);
    uint64_t week = 7 * 24 * 3600, now = week * HZ;
    weir_schedule_look(&s, now);
    EXPECT_EQ(weir_schedule_skip(&s, now, 1000), 10000000 * week - 1000);
}

} // namespace
