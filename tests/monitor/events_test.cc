/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/events.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/monitor/sample.h"

namespace {

const int64_t second = 1000000000, start = 1700000000 * second;

struct Events : testing::Test {
    Sample before, now;
    std::unique_ptr<weir_events, decltype(&weir_events_free)> events{weir_events_new(), weir_events_free};

    /* A tenth of a second, of which every worker was idle. */
    Events()
    {
        for (int i = 0; i < 4; i++) {
            now.worker[i].state = before.worker[i].state = WEIR_WORKER_RUNNING;
            now.worker[i].idle_tsc += 200000000;
            now.worker[i].steps += 1000;
        }
    }
    void busy(int worker)
    {
        now.worker[worker].busy_tsc += 200000000;
        now.worker[worker].idle_tsc -= 200000000;
    }
    void blocked(int worker)
    {
        now.worker[worker].blocked_tsc += 200000000;
        now.worker[worker].idle_tsc -= 200000000;
    }
    void look(double seconds = 0)
    {
        weir_events_watch(events.get(), &before, &now, start + (int64_t)(seconds * 1e9));
    }
    std::string text()
    {
        return printed([&](FILE *to) { weir_events_text(events.get(), to); });
    }
};

TEST_F(Events, WithoutLossThereAreNone)
{
    busy(0);
    look();
    EXPECT_EQ(text(), "nothing was lost\n");
    json_t *all = weir_events_json(events.get());
    EXPECT_EQ(json_array_size(all), 0u);
    json_decref(all);
}

TEST_F(Events, AFullInboxNamesWhoDidNotEmptyItAndTheStage)
{
    now.ring[2].refused += 700;
    now.ring[3].refused += 50;
    now.stage[4].timed += 100, now.stage[4].timed_tsc += 90000;
    busy(3);
    look();
    EXPECT_EQ(text(), "2023-11-14T22:13:20.000Z       0.0 s           750  inbox of out.0, inbox_full: out.0 "
                      "on cpu 3 was busy "
                      "for 100 % of the time, 100 % of it in `sink`\n");
}

TEST_F(Events, WhatAPortMissedIsFollowedThroughFullInboxes)
{
    now.port[0].missed += 9;
    now.ring[1].depth = 1024;
    now.ring[3].depth = 1000;
    blocked(0), blocked(2), busy(3);
    now.worker[3].lost_tsc += 100000000;
    look();
    EXPECT_NE(text().find(
                  "port gen, missed: ingress.0 waited for room in the inbox of work.1 for 100 % of the time; "
                  "work.1 waited for room in the inbox of out.0 for 100 % of the time; "
                  "out.0 did not run for 33 % of the time: cpu 3 had something else to do\n"),
        std::string::npos)
        << text();
}

TEST_F(Events, WhoIsInAStageAllTheTimeIsNamed)
{
    now.ring[0].refused += 1;
    now.worker[1].steps = before.worker[1].steps;
    now.worker[1].idle_tsc = before.worker[1].idle_tsc;
    look();
    EXPECT_NE(
        text().find("inbox of work.0, inbox_full: work.0 on cpu 1 has not come round\n"), std::string::npos)
        << text();
}

TEST_F(Events, NoFreeBufferIsSaid)
{
    now.port[0].missed += 9;
    now.mempool_available = 0;
    look();
    EXPECT_NE(text().find("port gen, missed: no packet buffer was free\n"), std::string::npos) << text();
}

TEST_F(Events, AClassOverItsRateIsNamedAndThereIsNoRest)
{
    weir_named_count classes[2][2] = {{{"over_rate", nullptr, 0, "dns"}, {"over_rate", nullptr, 0, "web"}},
        {{"over_rate", nullptr, 30, "dns"}, {"over_rate", nullptr, 0, "web"}}};
    weir_named_count rate = {"rate", nullptr, 4560 + 40, nullptr};
    before.stage[1].counts = classes[0], before.stage[1].n_counts = 2;
    now.stage[1].counts = classes[1], now.stage[1].n_counts = 2;
    now.stage[1].drops = &rate;
    look();
    EXPECT_NE(text().find(" 30  class dns, stage `admit` of ingress, rate\n"), std::string::npos) << text();
    EXPECT_EQ(text().find(" stage `admit` of ingress, rate\n"), text().find("class dns,") + 10) << "no rest";
    EXPECT_EQ(text().find("web"), std::string::npos) << text();
}

TEST_F(Events, ABurstIsOneEventUntilASecondOfQuiet)
{
    now.ring[2].refused += 5;
    for (double s : {0.0, 0.5, 1.4})
        look(s);
    EXPECT_NE(text().find("1.4 s            15  inbox of out.0"), std::string::npos) << text();
    look(2.5);
    json_t *all = weir_events_json(events.get());
    ASSERT_EQ(json_array_size(all), 2u);
    EXPECT_EQ(json_integer_value(json_object_get(json_array_get(all, 0), "packets")), 5);
    EXPECT_EQ(json_integer_value(json_object_get(json_array_get(all, 1), "packets")), 15);
    json_decref(all);
}

TEST_F(Events, TheMachineIsShownAsItWasAtTheWorst)
{
    now.ring[2].refused += 5;
    look(0);
    now.ring[2].refused += 500;
    busy(3);
    look(0.1);
    now.ring[2].refused -= 400;
    now.worker[3].busy_tsc -= 200000000;
    look(0.2);
    EXPECT_NE(text().find("was busy"), std::string::npos) << text();
}

TEST_F(Events, WhatEachWorkerIsAtAndSinceWhen)
{
    char text[128];
    EXPECT_EQ(weir_events_doing(events.get(), 0, text, sizeof text), 0);
    EXPECT_STREQ(text, "");
    now.ring[1].depth = 1024;
    now.stage[4].timed += 100, now.stage[4].timed_tsc += 90000;
    blocked(0), busy(3);
    now.worker[1].steps = before.worker[1].steps;
    for (double s : {1.0, 2.5})
        look(s);
    const char *expected[] = {"waits for room in the inbox of work.1", "has not come round",
        "polls, and little comes", "works, most of it in `sink`"};
    for (uint32_t i = 0; i < 4; i++) {
        EXPECT_EQ(weir_events_doing(events.get(), i, text, sizeof text), 1.5);
        EXPECT_STREQ(text, expected[i]);
    }
    now.worker[2].parked_tsc = 400000000;
    now.worker[2].idle_tsc = before.worker[2].idle_tsc;
    look(3);
    EXPECT_EQ(weir_events_doing(events.get(), 2, text, sizeof text), 0);
    EXPECT_STREQ(text, "sleeps until something comes");
    EXPECT_EQ(weir_events_doing(events.get(), 3, text, sizeof text), 2);
}

TEST_F(Events, MoreLossesAtATimeThanAreKeptShareOne)
{
    std::vector<weir_named_count> reasons[2];
    static char names[80][8];
    for (int i = 0; i < 80; i++) {
        snprintf(names[i], sizeof names[i], "r%d", i);
        reasons[0].push_back({names[i], nullptr, 0, nullptr});
        reasons[1].push_back({names[i], nullptr, 1, nullptr});
    }
    before.stage[0].drops = reasons[0].data(), now.stage[0].drops = reasons[1].data();
    before.stage[0].n_drops = now.stage[0].n_drops = 80;
    for (double s : {0.0, 0.1, 0.2})
        look(s);
    json_t *all = weir_events_json(events.get()), *e;
    size_t i;
    json_int_t packets = 0;
    json_array_foreach(all, i, e) packets += json_integer_value(json_object_get(e, "packets"));
    EXPECT_EQ(json_array_size(all), 64u);
    EXPECT_EQ(packets, 240);
    json_decref(all);
    EXPECT_NE(text().find("other places, several"), std::string::npos) << text();
}

TEST_F(Events, OnlyTheLastAreKept)
{
    now.ring[2].refused += 1;
    for (int i = 0; i < 200; i++)
        look(2.0 * i);
    json_t *all = weir_events_json(events.get());
    EXPECT_EQ(json_array_size(all), 64u);
    EXPECT_EQ(json_real_value(json_object_get(json_array_get(all, 0), "begin_unix_seconds")), 1700000398.0);
    json_decref(all);
}

} // namespace
