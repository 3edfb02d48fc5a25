// SPDX-License-Identifier: BSD-3-Clause
#include "monitor/metrics.h"

#include <gtest/gtest.h>

#include <cinttypes>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include "monitor/registry.h"
#include "tests/monitor/sample.h"

static std::string text_of(const weir_snapshot &s)
{
    return printed([&](FILE *to) { weir_metrics_text(&s, to); });
}

static bool has_line(const std::string &text, const std::string &line)
{
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

static bool has_sample(const std::string &text, const std::string &start)
{
    return ("\n" + text).find("\n" + start) != std::string::npos;
}

TEST(Metrics, PromtoolAcceptsThem)
{
    if (access("/usr/bin/promtool", X_OK) != 0)
        GTEST_SKIP() << "no promtool: apt-get install prometheus";
    Sample s;
    s.port[0].name = "odd \"name\"\\\n";
    std::string said = testing::TempDir() + "promtool." + std::to_string(getpid());
    FILE *promtool = popen(("/usr/bin/promtool check metrics >" + said + " 2>&1").c_str(), "w");
    ASSERT_NE(nullptr, promtool);
    weir_metrics_text(&s, promtool);
    int status = pclose(promtool);
    std::stringstream complaint;
    complaint << std::ifstream(said).rdbuf();
    unlink(said.c_str());
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << complaint.str();
    EXPECT_EQ("", complaint.str());
}

TEST(Metrics, NamesEveryPart)
{
    Sample s;
    std::string text = text_of(s);
    for (const char *line :
        {
            "weir_running_seconds 20.000000000",
            "weir_tsc_hz 2000000000",
            "weir_workers{pool=\"work\",state=\"ended\"} 2",
            "weir_workers{pool=\"work\",state=\"running\"} 0",
            "weir_worker_busy_cycles_total{pool=\"work\",worker=\"1\",cpu=\"2\"} 15000000000",
            "weir_worker_stuck{pool=\"out\",worker=\"0\",cpu=\"3\"} 0",
            "weir_worker_gaps_total{pool=\"out\",worker=\"0\",cpu=\"3\"} 9",
            "weir_stage_timed_packets_total{pool=\"out\",stage=\"sink\",position=\"0\",worker=\"0\"} 640",
            "weir_stage_timed_cycles_total{pool=\"out\",stage=\"sink\",position=\"0\",worker=\"0\"} 19200",
            "weir_latency_seconds_bucket{pool=\"out\",le=\"0.0001\"} 81230",
            "weir_latency_seconds_bucket{pool=\"out\",le=\"+Inf\"} 81230",
            "weir_latency_seconds_sum{pool=\"out\"} 8.000000000",
            "weir_inbox_wait_seconds_count{pool=\"work\"} 81231",
            "weir_stage_packets_in_total{pool=\"work\",stage=\"meter\",position=\"0\",worker=\"1\"} 41230001",
            "weir_stage_dropped_total{pool=\"ingress\",stage=\"admit\",position=\"1\",worker=\"0\",reason="
            "\"rate\"} "
            "4560",
            "weir_meter_flows{pool=\"work\",stage=\"meter\",position=\"0\",worker=\"1\"} 424",
            "weir_meter_flows_created_total{pool=\"work\",stage=\"meter\",position=\"0\",worker=\"0\"} 5",
            "weir_sink_checked_total{pool=\"out\",stage=\"sink\",position=\"0\",worker=\"0\"} 81230001",
            "weir_ring_capacity{from=\"work\",from_worker=\"1\",to=\"out\",to_worker=\"0\"} 1024",
            "weir_port_received_packets_total{port=\"gen\",kind=\"generator\"} 81234567",
            "weir_dropped_packets_total{reason=\"invalid\"} 6",
            "weir_ledger_consumed_packets_total 81230001",
            "weir_mempool_mbufs{state=\"size\"} 16383",
        })
        EXPECT_TRUE(has_line(text, line)) << line;
    EXPECT_TRUE(has_sample(text, "weir_build_info{version=\"" WEIR_VERSION "\",pipeline=\"lab\"} 1"));
}

TEST(Metrics, UnknownIsLeftOut)
{
    Sample s;
    s.ledger.leaked = -1;
    std::string text = text_of(s);
    EXPECT_TRUE(has_sample(text, "weir_port_missed_packets_total{port=\"gen\""));
    EXPECT_FALSE(has_sample(text, "weir_port_missed_packets_total{port=\"wan\""));
    EXPECT_FALSE(has_sample(text, "weir_port_offered_packets_total{port=\"wan\""));
    EXPECT_FALSE(has_sample(text, "weir_ledger_leaked_mbufs "));
    EXPECT_EQ(std::string::npos, text.find("18446744073709551615"));
}

TEST(Metrics, ADoubleCountIsANegativeLoss)
{
    Sample s;
    s.ledger.lost = -1;
    EXPECT_TRUE(has_line(text_of(s), "weir_ledger_lost_packets -1"));
}

TEST(Metrics, LabelValuesAreEscaped)
{
    Sample s;
    s.port[0].name = "a\"b\\c\nd";
    EXPECT_TRUE(
        has_sample(text_of(s), "weir_port_tx_errors_total{port=\"a\\\"b\\\\c\\nd\",kind=\"generator\"} 0"));
}

TEST(Metrics, ASampleIsWrittenOnce)
{
    Sample s;
    s.stage[1].stage = "validate"; /* one stage twice in a pool */
    s.stage[1].drops = &s.invalid;
    std::istringstream lines(text_of(s));
    std::set<std::string> seen;
    for (std::string line; std::getline(lines, line);) {
        bool fresh = line[0] == '#' || seen.insert(line.substr(0, line.rfind(' '))).second;
        EXPECT_TRUE(fresh) << line;
    }
    EXPECT_GT(seen.size(), 60u);
}

TEST(Metrics, TheProcessStartedAMomentAgo)
{
    Sample s;
    std::string text = text_of(s), name = "\nprocess_start_time_seconds ";
    size_t at = text.find(name);
    ASSERT_NE(std::string::npos, at);
    double started = atof(text.c_str() + at + name.size());
    EXPECT_LE(started, static_cast<double>(time(nullptr)) + 1);
    EXPECT_GT(started, static_cast<double>(time(nullptr)) - 3600);
}

/* Written again from the JSON, sample by sample: what one view has, the other has. */
TEST(Metrics, JsonAndTextSayTheSame)
{
    Sample s;
    json_t *all = weir_metrics_json(&s), *metric, *row, *value;
    const char *name, *label;
    size_t i;
    std::string again;
    auto number = [](const json_t *n) {
        char text[64];
        if (json_is_real(n))
            snprintf(text, sizeof(text), "%.9f", json_real_value(n));
        else
            snprintf(text, sizeof(text), "%" PRIi64, static_cast<int64_t>(json_integer_value(n)));
        return std::string(text);
    };
    json_object_foreach(all, name, metric)
    {
        if (!json_is_array(metric))
            again += std::string(name) + " " + number(metric) + "\n";
        json_array_foreach(metric, i, row)
        {
            std::string labels;
            json_object_foreach(row, label, value)
            {
                if (json_is_string(value))
                    labels += (labels.empty() ? "{" : ",") + std::string(label) + "=\"" +
                              json_string_value(value) + "\"";
            }
            again += name + labels + "} " + number(json_object_get(row, "value")) + "\n";
        }
    }
    json_decref(all);
    std::string plain;
    std::istringstream lines(text_of(s));
    for (std::string line; std::getline(lines, line);)
        if (line[0] != '#' && line.compare(0, 8, "process_") != 0)
            plain += line + "\n";
    again = again.substr(0, again.find("process_")) +
            again.substr(again.find('\n', again.find("process_resident")) + 1);
    EXPECT_EQ(plain, again);
}

TEST(Metrics, EverySampleIsOfADocumentedMetric)
{
    Sample s;
    std::string document = printed(weir_registry_document);
    auto visit = [](void *to, const weir_sample *sample) {
        EXPECT_NE(std::string::npos,
            static_cast<std::string *>(to)->find("| `" + std::string(sample->name) + "` | " + sample->type))
            << sample->name;
    };
    weir_registry_visit(&s, visit, &document);
}
