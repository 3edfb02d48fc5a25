// SPDX-License-Identifier: BSD-3-Clause
#include "monitor/progress.h"

#include <gtest/gtest.h>

#include "tests/monitor/sample.h"

static std::string line_of(const weir_snapshot *before, const weir_snapshot *now, size_t columns = 0)
{
    char text[1024];
    size_t length = weir_progress_line(before, now, text, sizeof(text), columns);
    EXPECT_EQ(strlen(text), length);
    return text;
}

static std::string rate(double per_s)
{
    char text[32];
    return weir_rate_text(text, sizeof(text), per_s, "pps");
}

TEST(Rate, ShowsAtMostThreeDigits)
{
    EXPECT_EQ("0 pps", rate(0));
    EXPECT_EQ("0.3 pps", rate(0.3));
    EXPECT_EQ("12.3 pps", rate(12.34));
    EXPECT_EQ("812 pps", rate(812.3));
    EXPECT_EQ("1 kpps", rate(999.7));
    EXPECT_EQ("4.06 Mpps", rate(4061728));
    EXPECT_EQ("40.6 Mpps", rate(40617280));
    EXPECT_EQ("406 Mpps", rate(406172800));
    EXPECT_EQ("2.5 Tpps", rate(2.5e12));
}

TEST(Progress, FirstLineCountsFromTheStart)
{
    Sample s;
    s.why_stopped = nullptr;
    EXPECT_EQ("20.0 s  in 4.06 Mpps 2.08 Gbps  out 4.06 Mpps  drop 228 pps rate, 0.3 pps invalid"
              "  ring ingress>work 0/1024  busy ingress 12 %, work 25 38 %, out 50 %",
        line_of(nullptr, &s));
}

TEST(Progress, LaterLinesCountFromTheOneBefore)
{
    Sample before, now;
    before.why_stopped = now.why_stopped = nullptr;
    now.now_tsc += now.tsc_hz / 2, now.running_tsc += now.tsc_hz / 2;
    now.ledger.accepted += 500000;
    now.ledger.consumed += 400000;
    now.port[0].received_bytes += 500000 * 64;
    now.drop[1].value += 100;
    now.ring[3].depth = 512;
    now.ring[0].depth = 100;
    now.worker[0].blocked_tsc += 300000000, now.worker[0].busy_tsc += 700000000;
    now.worker[2].idle_tsc += 1000000000;
    EXPECT_EQ("20.5 s  in 1 Mpps 512 Mbps  out 800 kpps  drop 200 pps invalid  ring work>out 512/1024"
              "  busy ingress 70 %, work 0 0 %, out 0 %  blocked ingress.0 30 %",
        line_of(&before, &now));
}

TEST(Progress, NothingNewIsZeroAndNoDivisionByIt)
{
    Sample s;
    EXPECT_EQ("20.0 s draining  in 0 pps 0 bps  out 0 pps  ring ingress>work 0/1024"
              "  busy ingress 0 %, work 0 0 %, out 0 %",
        line_of(&s, &s));
    weir_snapshot empty = {};
    EXPECT_EQ("0.0 s  in 0 pps 0 bps  out 0 pps", line_of(nullptr, &empty));
}

TEST(Progress, IsCutAtTheTerminalsWidth)
{
    Sample s;
    std::string whole = line_of(nullptr, &s);
    for (size_t columns = 1; columns < whole.size() + 2; columns++)
        EXPECT_EQ(whole.substr(0, columns), line_of(nullptr, &s, columns));
}

TEST(Progress, ASmallBufferIsEnough)
{
    Sample s;
    char text[8] = "xxxxxxx";
    EXPECT_EQ(4u, weir_progress_line(nullptr, &s, text, 5, 80));
    EXPECT_STREQ("20.0", text);
    EXPECT_EQ('x', text[5]);
    EXPECT_EQ(0u, weir_progress_line(nullptr, &s, text, 0, 80));
}
