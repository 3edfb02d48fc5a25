/* SPDX-License-Identifier: BSD-3-Clause */
/* Lost time and timed batches, by hand: no thread, no clock. */
#include "workers/times.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "workers/runtime.h"
#include "workers/worker.h"

namespace {

constexpr uint64_t US = 1000; /* a clock of 1 GHz */
constexpr uint64_t COST = 200;

struct weir_worker *new_worker()
{
    void *memory =
        std::aligned_alloc(WEIR_APART, (sizeof(weir_worker) + WEIR_APART - 1) / WEIR_APART * WEIR_APART);
    std::memset(memory, 0, sizeof(weir_worker));
    return static_cast<weir_worker *>(memory);
}

class Times : public testing::Test {
  protected:
    weir_worker *w = new_worker();
    weir_runtime rt = {};
    weir_pool pool = {};
    weir_config_pool config = {};
    weir_worker_watch seen = {};

    Times()
    {
        w->gap_tsc = WEIR_GAP_US * US;
        rt.tsc_hz = 1000000000;
        rt.workers = &w;
        rt.n_workers = 1;
        rt.n_launched = 1;
        rt.seen = &seen;
        rt.pools = &pool;
        pool.config = &config;
        config.name = const_cast<char *>("work");
        w->usual_tsc = COST;
    }
    ~Times() override
    {
        std::free(w);
    }
    uint64_t gaps()
    {
        return weir_counter_read(&w->times.gaps);
    }
    weir_snapshot_worker shown()
    {
        weir_snapshot_worker s = {};
        weir_times_take_worker(&rt, w, &s);
        return s;
    }
};

TEST_F(Times, AnIdleStepHasNothingThatTakesLong)
{
    EXPECT_EQ(weir_times_gap(w, WEIR_STEP_IDLE, 20 * US, 0), 0u);
    EXPECT_EQ(weir_times_gap(w, WEIR_STEP_IDLE, 43 * US, 1000 * US), 43 * US);
    EXPECT_EQ(weir_times_gap(w, WEIR_STEP_BLOCKED, 21 * US, 2000 * US), 21 * US);
    EXPECT_EQ(gaps(), 2u);
    EXPECT_EQ(weir_counter_read(&w->times.longest_tsc), 43 * US);
    EXPECT_EQ(weir_counter_read(&w->cycles[WEIR_STEP_LOST]), 64 * US);
}

TEST_F(Times, ABusyStepMayTakeSeveralTimesWhatItsBatchUsuallyDoes)
{
    const uint64_t batch = WEIR_BATCH * COST;
    EXPECT_EQ(weir_times_gap(w, WEIR_STEP_BUSY, 8 * batch + 20 * US, 0), 0u);
    EXPECT_EQ(weir_times_gap(w, WEIR_STEP_BUSY, 500 * US, 0), 500 * US - batch) << "it has worked, too";
    w->usual_tsc = 100 * COST;
    EXPECT_EQ(weir_times_gap(w, WEIR_STEP_BUSY, 500 * US, 0), 0u) << "heavy packets";
}

TEST_F(Times, WhatIsUsualIsLearnedWhateverIsLost)
{
    w->usual_tsc = 0;
    weir_times_learn(w, 32, 40000 * US); /* the first of all did not run */
    for (int i = 0; i < 400; i++)
        weir_times_learn(w, 32, i % 3 == 0 ? 40000 * US : 32 * COST); /* nor does each third */
    EXPECT_NEAR(double(w->usual_tsc), COST, 0.3 * COST);
    weir_times_learn(w, 0, 0); /* all of a batch may go to the stash */
    int steps = 0;
    for (; w->usual_tsc < 50 * COST; steps++)
        weir_times_learn(w, 1, 51 * COST); /* another load is no lost time for long */
    EXPECT_LT(steps, 50);
}

TEST_F(Times, WhoSleepsOrGivesItsCpuAwayLosesNothing)
{
    EXPECT_EQ(weir_times_gap(w, WEIR_STEP_PARKED, 50000 * US, 0), 0u);
    w->yields = true;
    EXPECT_EQ(weir_times_gap(w, WEIR_STEP_IDLE, 5000 * US, 0), 0u);
    EXPECT_EQ(gaps(), 0u);
    EXPECT_GT(weir_times_gap(w, WEIR_STEP_BUSY, 5000 * US, 0), 0u) << "in the middle of its work";
}

TEST_F(Times, TheLastFewAreKeptTheNewestFirst)
{
    EXPECT_EQ(shown().n_recent, 0u);
    for (uint64_t i = 1; i <= 3; i++)
        weir_times_gap(w, WEIR_STEP_IDLE, (20 + i) * US, i * 1000000 * US);
    weir_snapshot_worker s = shown();
    ASSERT_EQ(s.n_recent, 3u);
    EXPECT_EQ(s.recent[0].lost_ns, 23000u);
    EXPECT_EQ(s.recent[2].lost_ns, 21000u);
    EXPECT_NEAR(double(s.recent[0].unix_ns - s.recent[2].unix_ns), 2e9, 1e6);
    EXPECT_EQ(s.gaps, 3u);
    EXPECT_EQ(s.longest_gap_tsc, 23 * US);
    for (uint64_t i = 1; i <= 100; i++)
        weir_times_gap(w, WEIR_STEP_IDLE, (30 + i) * US, i * US);
    s = shown();
    EXPECT_EQ(s.n_recent, WEIR_GAPS - 1u) << "the oldest may be written over right now";
    EXPECT_EQ(s.recent[0].lost_ns, 130000u);
    EXPECT_EQ(s.recent[s.n_recent - 1].lost_ns, 131000u - 1000 * s.n_recent);
}

TEST_F(Times, TheLogTellsOfThemOnceASecondAndOnce)
{
    weir_times_tell(&rt, 1000000 * US);
    EXPECT_EQ(seen.gaps, 0u);
    weir_times_gap(w, WEIR_STEP_IDLE, 43 * US, 0);
    weir_times_tell(&rt, 1500000 * US);
    EXPECT_EQ(seen.gaps, 0u) << "not yet";
    weir_times_tell(&rt, 2000000 * US);
    EXPECT_EQ(seen.gaps, 1u);
    EXPECT_EQ(seen.lost_tsc, 43 * US);
}

/* A stage that takes each packet out of the batch. */
void consume(weir_stage *, weir_batch *batch)
{
    batch->n = 0;
}

TEST_F(Times, OneBatchIn64IsTimedStageByStage)
{
    weir_stage_def def = {};
    def.process = consume;
    def.terminal = true;
    weir_histogram times = {};
    weir_stage stage = {};
    stage.def = &def;
    stage.times = &times;
    w->stages = &stage;
    w->n_stages = 1;
    void *memory = std::aligned_alloc(WEIR_APART, weir_ring_bytes(1024, sizeof(weir_desc)));
    weir_ring *in = weir_ring_init(memory, 1024, sizeof(weir_desc), 0);
    void *commands = std::aligned_alloc(WEIR_APART, weir_ring_bytes(WEIR_COMMANDS, sizeof(weir_command)));
    w->commands = &weir_ring_init(commands, WEIR_COMMANDS, sizeof(weir_command), 0)->consumer;
    weir_input input = {};
    input.ring = &in->consumer;
    w->inputs = &input;
    w->n_inputs = 1;
    w->gap_tsc = UINT64_MAX / 2; /* whatever happens to this thread */
    const weir_desc d = {};
    for (int round = 0; round < 640; round++) {
        for (int i = 0; i < 40; i++)
            ASSERT_EQ(weir_ring_push(&in->producer, &d, 1), 1u);
        ASSERT_EQ(weir_worker_step(w, 0), WEIR_STEP_BUSY);
        ASSERT_EQ(weir_worker_step(w, 0), WEIR_STEP_BUSY);
        ASSERT_EQ(weir_worker_step(w, 0), WEIR_STEP_IDLE);
    }
    weir_snapshot_worker s = shown();
    EXPECT_EQ(s.batches.count, 2 * 640u / WEIR_TIMES_EVERY) << "idle steps do not count";
    EXPECT_EQ(s.batches.max_ns, 32u);
    EXPECT_EQ(s.inbox.max_ns, 40u) << "with those in hand";
    weir_snapshot_stage g = {};
    weir_times_take_stage(&rt, &stage, &g);
    EXPECT_EQ(g.times.count, s.batches.count);
    EXPECT_EQ(g.timed, s.batches.count * 32) << "the first of each two";
    EXPECT_GT(g.timed_tsc, 0u);
    EXPECT_EQ(weir_counter_read(&stage.in), 640 * 40u) << "and all are counted as ever";
    std::free(memory);
    std::free(commands);
}

TEST_F(Times, WhatAStageLostIsNotItsCost)
{
    weir_histogram times = {};
    weir_stage stage = {};
    stage.times = &times;
    weir_times_stage(w, &stage, 32, 32 * COST);
    weir_times_stage(w, &stage, 32, 40000 * US);
    EXPECT_EQ(weir_counter_read(&stage.timed), 32u);
    EXPECT_EQ(weir_counter_read(&stage.timed_tsc), 32 * COST);
    EXPECT_EQ(weir_histogram_start(&times).count, 1u);
}

} // namespace
