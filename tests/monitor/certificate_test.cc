// SPDX-License-Identifier: BSD-3-Clause
#include "monitor/certificate.h"

#include <gtest/gtest.h>
#include <jansson.h>

#include "tests/monitor/sample.h"

static std::string text_of(const weir_snapshot &s)
{
    return printed([&](FILE *to) { weir_certificate_text(&s, to); });
}

static std::string headline_of(const weir_snapshot &s)
{
    std::string text = text_of(s);
    return text.substr(0, text.find('\n'));
}

static bool says(const weir_snapshot &s, const std::string &words)
{
    return text_of(s).find(words) != std::string::npos;
}

class CertificateJson : public testing::Test {
  protected:
    json_t *root = nullptr;
    Sample s;

    void render()
    {
        std::string text = printed([&](FILE *to) { EXPECT_EQ(0, weir_certificate_json(&s, to)); });
        json_decref(root);
        root = json_loads(text.c_str(), 0, nullptr);
        ASSERT_NE(nullptr, root) << text;
    }
    json_int_t number(const char *key)
    {
        EXPECT_TRUE(json_is_integer(json_object_get(root, key))) << key;
        return json_integer_value(json_object_get(root, key));
    }
    json_t *row(const char *list, size_t i)
    {
        return json_array_get(json_object_get(root, list), i);
    }
    ~CertificateJson() override
    {
        json_decref(root);
    }
};

TEST(Certificate, FirstLineIsTheBalance)
{
    Sample s;
    EXPECT_EQ(
        "drained in 212 ms: accepted 81 234 567, sent 81 230 001, dropped 4 566 (rate 4 560, invalid 6), "
        "lost 0, mbufs leaked 0",
        headline_of(s));
}

TEST(Certificate, FirstLineOfAnEmptyRun)
{
    weir_snapshot s = {};
    s.why_stopped = "end of input";
    s.drain_ns = 85000;
    EXPECT_EQ("drained in 85 us: accepted 0, sent 0, dropped 0, lost 0, mbufs leaked 0", headline_of(s));
    EXPECT_EQ(0, weir_certificate_exit_code(&s));
}

TEST(Certificate, NoDrainIsClaimedWhereTheInputEnded)
{
    Sample s;
    s.why_stopped = "end of input";
    s.drain_ns = s.held_at_signal = WEIR_SNAPSHOT_UNKNOWN;
    EXPECT_EQ(0u, headline_of(s).find("ended: accepted 81 234 567"));
    EXPECT_TRUE(says(s, "stopped by   end of input, after 20.0 s\n"));
}

TEST(Certificate, AJsonThatCannotBeWrittenIsAnError)
{
    Sample s;
    FILE *full = fopen("/dev/full", "w");
    ASSERT_NE(nullptr, full);
    EXPECT_EQ(-EIO, weir_certificate_json(&s, full));
    fclose(full);
}

TEST(Certificate, SentIsTransmittedAndConsumed)
{
    Sample s;
    s.ledger.sent = 1230001, s.ledger.consumed = 80000000;
    EXPECT_NE(std::string::npos, headline_of(s).find("sent 81 230 001"));
    EXPECT_TRUE(says(s, "1 230 001 transmitted + 80 000 000 consumed"));
}

TEST(Certificate, AWorkerLeftBehindIsNotMeasuredAndEndsWith75)
{
    Sample s;
    s.ledger.leaked = -1;
    EXPECT_TRUE(says(s, "mbufs leaked not measured"));
    EXPECT_EQ(75, weir_certificate_exit_code(&s));
}

TEST(Certificate, BooksThatContradictThemselvesEndWith70EvenIfTheErrorsCancel)
{
    Sample s;
    s.contradiction = "admit of ingress.0: 100 in, 99 out or dropped";
    EXPECT_EQ(70, weir_certificate_exit_code(&s));
    EXPECT_TRUE(says(s, "the books do not balance: admit of ingress.0: 100 in, 99 out or dropped"));
}

TEST(Certificate, UnknownIsNeverZero)
{
    Sample s;
    std::string text = text_of(s);
    size_t at = text.find("\n  wan ");
    ASSERT_NE(std::string::npos, at);
    EXPECT_NE(std::string::npos, text.substr(at + 1, text.find('\n', at + 1) - at).find("unknown"));
}

TEST(Certificate, WorkersOfAStageAndRingsOfAnEdgeAreSummed)
{
    Sample s;
    std::string text = text_of(s);
    EXPECT_NE(std::string::npos, text.find("flows 1 024, flows_created 12"));
    EXPECT_NE(
        std::string::npos, text.find("ingress    work         2  81 230 001        0    1 024     1 024"))
        << text;
}

TEST(Certificate, FitsATerminal)
{
    Sample s;
    weir_named_count many[12];
    for (int i = 0; i < 12; i++)
        many[i] = {"some_long_counter", nullptr, 18000000000000000000u / 1000, nullptr};
    s.stage[4].counts = many, s.stage[4].n_counts = 12;
    std::string text = text_of(s);
    for (size_t at = text.find('\n') + 1, end; at < text.size(); at = end + 1) {
        end = text.find('\n', at);
        EXPECT_LE(end - at, 100u) << text.substr(at, end - at);
        EXPECT_TRUE(end == at || text[end - 1] != ' ')
            << "space at the end of: " << text.substr(at, end - at);
    }
}

TEST(Certificate, LossEndsWith70AndIsNamed)
{
    Sample s;
    s.ledger.lost = 1;
    EXPECT_EQ(70, weir_certificate_exit_code(&s));
    EXPECT_TRUE(says(s, "lost 1: accepted or copied, but neither sent, dropped nor held"));
    EXPECT_TRUE(says(s, "exit code 70"));
}

TEST(Certificate, ADoubleCountEndsWith70AndIsNamed)
{
    Sample s;
    s.ledger.lost = -1;
    EXPECT_EQ(70, weir_certificate_exit_code(&s));
    EXPECT_TRUE(says(s, "counted twice: 1;"));
    EXPECT_TRUE(says(s, ", lost -1, "));
}

TEST(Certificate, ALeakEndsWith70AndIsNamed)
{
    Sample s;
    s.ledger.leaked = 1234;
    EXPECT_EQ(70, weir_certificate_exit_code(&s));
    EXPECT_TRUE(says(s, "leaked 1 234 mbufs: neither back"));
}

TEST(Certificate, ABrokenOrderEndsWith70AndIsNamed)
{
    Sample swap, twice;
    swap.reordered = 1;
    swap.first_violation = "flow 17 of gen: 6 came before 5";
    twice.duplicated = 2;
    EXPECT_EQ(70, weir_certificate_exit_code(&swap));
    EXPECT_TRUE(says(swap, "reordered 1: "));
    EXPECT_TRUE(says(swap, "first violation: flow 17 of gen: 6 came before 5"));
    EXPECT_EQ(70, weir_certificate_exit_code(&twice));
    EXPECT_TRUE(says(twice, "duplicated 2: "));
}

TEST(Certificate, DroppedPacketsAreMissingToTheCheckerAndNoTrouble)
{
    Sample s;
    s.missing = 4566;
    EXPECT_EQ(0, weir_certificate_exit_code(&s));
    EXPECT_FALSE(says(s, "exit code"));
}

TEST(Certificate, CopiesAreNamedWhereThereAreSome)
{
    Sample s;
    EXPECT_FALSE(says(s, "copied"));
    s.ledger.copied = 12;
    EXPECT_TRUE(says(s, "accepted 81 234 567, copied 12, sent 81 230 001"));
}

TEST(Certificate, ADiskThatIsFullEndsWith71AndIsNamedUnlessThereIsWorse)
{
    Sample s;
    s.failure = "pool out: the capture x.pcap ends early: No space left on device";
    EXPECT_EQ(71, weir_certificate_exit_code(&s));
    EXPECT_TRUE(says(s, "! pool out: the capture x.pcap ends early: No space left on device"));
    s.drop[4].value = 32;
    EXPECT_EQ(75, weir_certificate_exit_code(&s));
    s.ledger.lost = 1;
    EXPECT_EQ(70, weir_certificate_exit_code(&s));
}

TEST(Certificate, TheDrainDeadlineEndsWith75)
{
    Sample s;
    s.deadline_passed = true;
    EXPECT_EQ(0, weir_certificate_exit_code(&s)) << "nothing was dropped for it";
    s.drop[4].value = 32;
    EXPECT_EQ(75, weir_certificate_exit_code(&s));
    EXPECT_EQ(0u, text_of(s).find("not drained in 212 ms: "));
    EXPECT_TRUE(says(s, "dropped 32 at the drain deadline: "));
    s.ledger.lost = 1;
    EXPECT_EQ(70, weir_certificate_exit_code(&s)) << "a loss is worse";
}

TEST(Certificate, AStuckWorkerEndsWith75AndIsNamed)
{
    Sample s;
    s.ledger.abandoned = 64;
    s.worker[2].stuck = true;
    EXPECT_EQ(75, weir_certificate_exit_code(&s));
    EXPECT_NE(std::string::npos, headline_of(s).find(", abandoned 64, lost 0"));
    EXPECT_TRUE(says(s, "worker work.1 on cpu 2 is stuck"));
}

TEST_F(CertificateJson, HoldsTheBalance)
{
    s.ledger.sent = 1, s.ledger.consumed = 81230000;
    render();
    EXPECT_EQ(0, number("exit_code"));
    EXPECT_EQ(81234567, number("accepted"));
    EXPECT_EQ(81230001, number("sent"));
    EXPECT_EQ(1, number("transmitted"));
    EXPECT_EQ(81230000, number("consumed"));
    EXPECT_EQ(4566, number("dropped"));
    EXPECT_EQ(0, number("lost"));
    EXPECT_EQ(0, number("leaked"));
    EXPECT_EQ(1040, number("held_at_signal"));
    EXPECT_EQ(4560, json_integer_value(json_object_get(json_object_get(root, "drops"), "rate")));
    EXPECT_STREQ("signal", json_string_value(json_object_get(root, "why_stopped")));
}

TEST_F(CertificateJson, RatesAreOfTheRunningTime)
{
    render();
    EXPECT_NEAR(81234567 / 20.0, json_real_value(json_object_get(root, "accepted_pps")), 1);
    EXPECT_NEAR(81230001 / 20.0, json_real_value(json_object_get(root, "sent_pps")), 1);
    EXPECT_NEAR(4 * 4e10 / 81230001, json_real_value(json_object_get(root, "cycles_per_packet")), 0.01);
}

TEST_F(CertificateJson, SumsWorkersOfAStageAndRingsOfAnEdge)
{
    render();
    json_t *meter = row("stages", 2), *edge = row("rings", 0);
    EXPECT_EQ(4u, json_array_size(json_object_get(root, "stages")));
    EXPECT_EQ(81230001, json_integer_value(json_object_get(meter, "in")));
    EXPECT_EQ(2, json_integer_value(json_object_get(meter, "workers")));
    EXPECT_EQ(1024, json_integer_value(json_object_get(json_object_get(meter, "counters"), "flows")));
    EXPECT_EQ(2u, json_array_size(json_object_get(root, "rings")));
    EXPECT_EQ(81230001, json_integer_value(json_object_get(edge, "pushed")));
    EXPECT_EQ(1024, json_integer_value(json_object_get(edge, "high_water")));
}

TEST_F(CertificateJson, OneStageNameInTwoPlacesStaysTwo)
{
    s.stage[3].position = 1, s.stage[3].worker = 0;
    render();
    EXPECT_EQ(5u, json_array_size(json_object_get(root, "stages")));
}

TEST_F(CertificateJson, UnknownIsNull)
{
    s.ledger.leaked = -1;
    s.ledger.sent = s.ledger.consumed = 0;
    s.why_stopped = nullptr;
    s.name = nullptr;
    s.drain_ns = s.held_at_signal = WEIR_SNAPSHOT_UNKNOWN;
    render();
    EXPECT_TRUE(json_is_null(json_object_get(root, "drain_ns")));
    EXPECT_TRUE(json_is_null(json_object_get(root, "held_at_signal")));
    EXPECT_TRUE(json_is_null(json_object_get(row("ports", 1), "missed")));
    EXPECT_TRUE(json_is_null(json_object_get(row("ports", 1), "offered")));
    EXPECT_TRUE(json_is_null(json_object_get(root, "leaked")));
    EXPECT_TRUE(json_is_null(json_object_get(root, "cycles_per_packet")));
    EXPECT_TRUE(json_is_null(json_object_get(root, "why_stopped")));
    EXPECT_TRUE(json_is_integer(json_object_get(row("ports", 0), "missed")));
}

TEST_F(CertificateJson, NamesTrouble)
{
    s.ledger.lost = -1;
    render();
    EXPECT_EQ(70, number("exit_code"));
    EXPECT_EQ(-1, number("lost"));
    ASSERT_EQ(1u, json_array_size(json_object_get(root, "trouble")));
    EXPECT_EQ(0u, std::string(json_string_value(row("trouble", 0))).find("counted twice: 1"));
}
