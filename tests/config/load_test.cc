/* SPDX-License-Identifier: BSD-3-Clause */
/* Text to values: bytes, values, overrides. What is refused is in mistakes_test.cc. */
#include <gtest/gtest.h>

#include <algorithm>

#include "config/key_table.h"
#include "tests/config/vocabulary.h"

namespace {

using test::errors;
using test::load;
using test::Loaded;

/* The smallest configuration, in a few lines that tests add to. */
const char small[] = "version: 1\n"                                      /* 1 */
                     "ports: {gen: {generator: {}}}\n"                   /* 2 */
                     "pools:\n"                                          /* 3 */
                     "  all: {from: [gen], stages: [validate, sink]}\n"; /* 4 */

/* The same with a generator of the test. */
std::string with_generator(const std::string &keys)
{
    return "version: 1\nports: {gen: {generator: " + keys +
           "}}\npools:\n  all: {from: [gen], stages: [validate, sink]}\n";
}

/* ---- what is right ---- */

TEST(Load, EveryKeyArrives)
{
    Loaded l = load(R"(version: 1
seed: 7
name: lab
memory: normal
cpus: 0-1,!1
listen: "[::1]:9000"
log: debug
drain-timeout: 1500ms
stop-after: 1min
ports:
  gen:
    generator: {flows: 10, size: 64-1500, rate: 1Mpps, count: 5, queue: 64}
  a: {vdev: "net_null0,size=64"}
pools:
  work:
    from: [in]
    shard-by: flow
    on-full: drop
    depth: 64
    workers: 3
    stages: [{meter: {idle: 5s, records: f}}, bare, {transmit: {gen: a, a: a}}]
  in:
    from: [gen, a]
    workers: 2
    stages: [{validate: {non-ip: drop}}, {admit: {rate: 80Mbps}}]
exports:
  f: {file: f.csv, format: csv, rotate: 1GiB}
)");
    ASSERT_EQ(l.errors, "");
    const weir_config &c = *l.config;
    ASSERT_EQ(c.n_exports, 1u);
    EXPECT_STREQ(c.exports[0].name, "f");
    EXPECT_STREQ(c.exports[0].values[WEIR_EXPORT_FILE].text, "f.csv");
    EXPECT_EQ(c.exports[0].values[WEIR_EXPORT_FORMAT].number, WEIR_RECORDS_CSV);
    EXPECT_EQ(c.exports[0].values[WEIR_EXPORT_ROTATE].number, UINT64_C(1) << 30);
    EXPECT_EQ(c.seed, 7u);
    EXPECT_STREQ(c.name, "lab");
    EXPECT_EQ(c.memory, WEIR_MEMORY_NORMAL);
    EXPECT_STREQ(c.values[WEIR_TOP_CPUS].text, "0-1,!1");
    EXPECT_TRUE(c.values[WEIR_TOP_LISTEN].set);
    EXPECT_STREQ(c.values[WEIR_TOP_LISTEN].text, "[::1]:9000");
    EXPECT_EQ(c.log, WEIR_LOG_DEBUG);
    EXPECT_EQ(c.drain_timeout_ns, 1500000000u);
    EXPECT_EQ(c.stop_after_ns, UINT64_C(60000000000));

    ASSERT_EQ(c.n_ports, 2u);
    EXPECT_STREQ(c.ports[0].name, "gen");
    EXPECT_STREQ(c.ports[0].kind->name, "generator");
    const weir_value *generator = c.ports[0].values;
    EXPECT_EQ(generator[0].number, 10u);
    EXPECT_EQ(generator[1].number, 64u);
    EXPECT_EQ(generator[1].high, 1500u);
    EXPECT_EQ(generator[2].number, 1000000u);
    EXPECT_TRUE(generator[2].in_packets);
    EXPECT_EQ(generator[2].place.line, 12u);
    EXPECT_EQ(generator[2].place.column, 49u);
    EXPECT_STREQ(generator[2].text, "1Mpps");
    EXPECT_STREQ(c.ports[1].kind->name, "vdev");
    EXPECT_STREQ(c.ports[1].text, "net_null0,size=64");

    ASSERT_EQ(c.n_pools, 2u); /* sorted */
    const weir_config_pool &in = c.pools[0], &work = c.pools[1];
    EXPECT_STREQ(in.name, "in");
    EXPECT_TRUE(in.fed_by_ports);
    ASSERT_EQ(in.n_from, 2u);
    EXPECT_EQ(in.from[1], 1u);
    EXPECT_EQ(in.workers, 2u);
    EXPECT_EQ(in.stages[1].values[1].number, 10000000u);
    EXPECT_STREQ(work.name, "work");
    EXPECT_FALSE(work.fed_by_ports);
    ASSERT_EQ(work.n_from, 1u);
    EXPECT_EQ(work.from[0], 0u);
    EXPECT_EQ(work.shard_by, WEIR_SHARD_BY_FLOW);
    EXPECT_EQ(work.on_full, WEIR_ON_FULL_DROP);
    EXPECT_EQ(work.depth, 64u);
    EXPECT_EQ(work.workers, 3u);
    ASSERT_EQ(work.n_stages, 3u);
    EXPECT_EQ(work.stages[0].place.line, 21u);
    EXPECT_EQ(work.stages[0].values[1].number, UINT64_C(5000000000));
    ASSERT_EQ(work.stages[2].values[0].n_pairs, 2u);
    EXPECT_EQ(work.stages[2].values[0].pairs[0].from, 0u);
    EXPECT_EQ(work.stages[2].values[0].pairs[0].to, 1u);
}

TEST(Load, WhatIsNotWrittenHasItsDefaultAndNoPlace)
{
    Loaded l = load(small);
    ASSERT_EQ(l.errors, "");
    const weir_config &c = *l.config;
    EXPECT_STREQ(c.name, "weir");
    EXPECT_EQ(c.memory, WEIR_MEMORY_AUTO);
    EXPECT_STREQ(c.values[WEIR_TOP_CPUS].text, "auto");
    EXPECT_EQ(c.values[WEIR_TOP_LISTEN].text, nullptr);
    EXPECT_FALSE(c.values[WEIR_TOP_LISTEN].set);
    EXPECT_EQ(c.log, WEIR_LOG_NOTICE);
    EXPECT_EQ(c.drain_timeout_ns, 2000000000u);
    EXPECT_EQ(c.stop_after_ns, 0u);
    EXPECT_EQ(c.pools[0].workers, 1u);
    const weir_value &flows = c.ports[0].values[0];
    EXPECT_EQ(flows.number, 64000u);
    EXPECT_STREQ(flows.text, "64k");
    EXPECT_TRUE(flows.set);
    EXPECT_EQ(flows.place.line, 0u);
    EXPECT_EQ(flows.place.column, 0u);
    EXPECT_STREQ(c.pools[0].stages[0].values[0].text, "pass"); /* of a bare word, too */
}

TEST(Load, NothingBehindAKindOrAStageIsAnEmptyMap)
{
    Loaded l =
        load("version: 1\nports:\n  gen:\n    generator:\npools:\n  all:\n    from: [gen]\n    stages:\n"
             "      - validate:\n      - sink:\n");
    ASSERT_EQ(l.errors, "");
    EXPECT_EQ(l.config->ports[0].values[0].number, 64000u);
}

TEST(Load, ASizeIsANumberARangeOrAWord)
{
    Loaded word = load(with_generator("{size: imix}")), one = load(with_generator("{size: 1500}"));
    ASSERT_EQ(word.errors + one.errors, "");
    EXPECT_EQ(word.config->ports[0].values[1].number, 0u);
    EXPECT_EQ(word.config->ports[0].values[1].high, 0u);
    EXPECT_EQ(word.config->ports[0].values[1].word, 0u);
    EXPECT_EQ(one.config->ports[0].values[1].number, 1500u);
    EXPECT_EQ(one.config->ports[0].values[1].high, 1500u);
}

TEST(Load, WhatIsDrawnHasWeights)
{
    Loaded l = load(with_generator("{size: {60-100: 7, imix: 2k}, protocols: tcp}"));
    ASSERT_EQ(l.errors, "");
    const weir_value &size = l.config->ports[0].values[1], &protocols = l.config->ports[0].values[5];
    ASSERT_EQ(size.n_members, 2u);
    EXPECT_EQ(size.members[0].number, 60u);
    EXPECT_EQ(size.members[0].high, 100u);
    EXPECT_EQ(size.members[0].weight, 7u);
    EXPECT_EQ(size.members[1].high, 0u);
    EXPECT_EQ(size.members[1].weight, 2000u);
    EXPECT_EQ(protocols.n_members, 0u);
    EXPECT_EQ(protocols.word, 1u);
}

TEST(Load, AMapMayHoldMapsAndListsOfMaps)
{
    Loaded l = load(with_generator("{rate: 50%, spike: {at: 10s}, timeline: [{for: 1s}, {for: 2s, spike: "
                                   "[{at: 3s, times: 1.5}, {at: 4s}]}]}"));
    ASSERT_EQ(l.errors, "");
    const weir_value *values = l.config->ports[0].values;
    EXPECT_TRUE(values[2].of_line);
    EXPECT_EQ(values[2].number, 50000u);
    ASSERT_EQ(values[6].n_members, 1u);
    EXPECT_EQ(values[6].members[0].number, UINT64_C(10000000000));
    EXPECT_EQ(values[6].members[1].number, 10000u) << "the default";
    ASSERT_EQ(values[7].n_members, 2u);
    const weir_value &spikes = values[7].members[3];
    EXPECT_FALSE(values[7].members[1].set) << "the first has none";
    ASSERT_EQ(spikes.n_members, 2u);
    EXPECT_EQ(spikes.members[1].number, 1500u);
    EXPECT_EQ(spikes.members[2].number, UINT64_C(4000000000));
}

TEST(Load, SetReachesIntoMaps)
{
    Loaded l = load(with_generator("{rate: 1Mpps, spike: {at: 10s}, size: {60: 1}}"),
        {"ports.gen.generator.spike.times=3", "ports.gen.generator.size.imix=2"});
    ASSERT_EQ(l.errors, "");
    EXPECT_EQ(l.config->ports[0].values[6].members[1].number, 3000u);
    EXPECT_EQ(l.config->ports[0].values[1].n_members, 2u);
}

TEST(Load, AnchorsAndAliasesWork)
{
    Loaded l = load("version: 1\n"
                    "ports:\n"
                    "  a: {generator: &g {flows: 5}}\n"
                    "  b: {generator: *g}\n"
                    "pools:\n"
                    "  p: {from: [a], stages: &s [validate, meter, sink]}\n"
                    "  q: {from: [b], stages: *s}\n");
    ASSERT_EQ(l.errors, "");
    EXPECT_EQ(l.config->ports[1].values[0].number, 5u);
    EXPECT_EQ(l.config->pools[1].n_stages, 3u);
}

TEST(Load, ExamplesAreValid)
{
    const char *const roots[] = {"", "../", "../../"};
    std::string folder;
    for (const char *root : roots)
        if (access((std::string(root) + "config/examples/lab.yaml").c_str(), R_OK) == 0)
            folder = std::string(root) + "config/examples/";
    if (folder.empty())
        folder =
            std::string(__FILE__).substr(0, std::string(__FILE__).rfind("tests/config")) + "config/examples/";
    const struct {
        const char *file;
        uint32_t pools, stages_of_last;
    } examples[] = {{"lab.yaml", 3, 1}, {"slow-sink.yaml", 3, 2}, {"run-to-completion.yaml", 1, 5},
        {"capture.yaml", 1, 3}, {"bump.yaml", 2, 2}};
    for (const auto &e : examples) {
        Loaded l = test::load_path(folder + e.file);
        ASSERT_EQ(l.errors, "") << e.file;
        EXPECT_EQ(l.config->n_pools, e.pools) << e.file;
        EXPECT_EQ(l.config->pools[e.pools - 1].n_stages, e.stages_of_last) << e.file;
    }
}

/* ---- files ---- */

TEST(Load, TextInMemoryIsReadLikeAFile)
{
    for (const std::string &text :
        {std::string(small), std::string(), std::string("version: 2\n"), std::string((16 << 20) + 1, '#')}) {
        char *said = nullptr;
        size_t size = 0;
        FILE *errors = open_memstream(&said, &size);
        test::Config config(weir_config_load_text("t.yaml", text.empty() ? nullptr : text.data(), text.size(),
            nullptr, test::vocabulary(), errors));
        fclose(errors);
        EXPECT_EQ(std::string(said, size), test::errors(text));
        EXPECT_EQ(config != nullptr, size == 0);
        free(said);
    }
}

TEST(Load, StandardInputIsADash)
{
    int ends[2], before = dup(STDIN_FILENO);
    ASSERT_EQ(pipe(ends), 0);
    ASSERT_EQ(write(ends[1], "version: 2\n", 11), 11);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    std::string said = test::load_path("-").errors; /* whose `-` the helper calls t.yaml */
    dup2(before, STDIN_FILENO);
    close(before);
    EXPECT_EQ(said.substr(0, 14), "<stdin>:1:1: t");
}

TEST(Load, AFileMayBeLargeAndBeginWithAByteOrderMark)
{
    EXPECT_EQ(errors(small + std::string((16 << 20) - sizeof small, '#')), "");
    EXPECT_EQ(errors(std::string("\xef\xbb\xbf") + small), "");
}

TEST(Load, TagsOfYamlItselfSayNothingNew)
{
    Loaded l = load("version: !!int 1\nname: !!str lab\nports: !!map {gen: {generator: {}}}\n"
                    "pools: {all: {from: [! gen], stages: !!seq [sink]}}\n");
    ASSERT_EQ(l.errors, "");
    EXPECT_STREQ(l.config->name, "lab");
}

/* ---- values ---- */

TEST(Load, CpuListsAndAddressesAreCheckedForTheirSyntax)
{
    for (const char *fine : {"auto", "0", "0-3,8,!2", "'!0'", "2-2"})
        EXPECT_EQ(errors(std::string(small) + "cpus: " + fine + "\n"), "") << fine;
    for (const char *bad : {"0,", "a", "3-1", "0-", "1 2", "'!'", "99999", "0--1"})
        EXPECT_EQ(errors(std::string(small) + "cpus: " + bad + "\n"),
            "t.yaml:5:7: cpus `" + std::string(bad == std::string("'!'") ? "!" : bad) +
                "` is no list of CPUs; allowed: `auto`, or a list like 0-3,8,!2\n");
    for (const char *fine : {"off", "127.0.0.1:0", "0.0.0.0:65535", "'[::]:80'"})
        EXPECT_EQ(errors(std::string(small) + "listen: " + fine + "\n"), "") << fine;
    for (const char *bad :
        {"on", "9476", ":9476", "localhost:80", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "1.2.3:4"})
        EXPECT_EQ(errors(std::string(small) + "listen: '" + bad + "'\n"),
            "t.yaml:5:9: listen `" + std::string(bad) +
                "` is no address with a port; allowed: `off`, IPV4:PORT, [IPV6]:PORT\n");
}

TEST(Load, AfterAHundredMistakesTheRestIsCounted)
{
    std::string many = small;
    for (int i = 0; i < 150; i++)
        many += "zzzzzzzz" + std::to_string(i) + ": 1\n";
    std::string said = errors(many);
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 101);
    EXPECT_NE(said.find("\nt.yaml: and 50 more\n"), std::string::npos);
}

TEST(Load, AKindMayBeOneTextThatStandsForAKey)
{
    Loaded l = load("version: 1\nports: {a: {file: x.pcap}, b: {file: {path: y.pcap, speed: 0.25}}}\n"
                    "pools: {p: {from: [a, b], stages: [sink]}}\n");
    ASSERT_EQ(l.errors, "");
    const weir_config_port *ports = l.config->ports;
    EXPECT_STREQ(ports[0].values[0].text, "x.pcap");
    EXPECT_EQ(ports[0].values[0].place.line, 2u);
    EXPECT_EQ(ports[0].values[1].number, 0u) << "the others have their defaults";
    EXPECT_STREQ(ports[1].values[0].text, "y.pcap");
    EXPECT_EQ(ports[1].values[1].number, 250u);
}

/* ---- overrides ---- */

TEST(Override, ReplacesAddsAndReachesIntoStages)
{
    Loaded l =
        load(small, {"seed=9", "ports.gen.generator.rate=2Mpps", "pools.all.stages.validate.non-ip=drop",
                        "pools.all.stages.sink.check=order", "log=error", "log=debug"});
    ASSERT_EQ(l.errors, "");
    EXPECT_EQ(l.config->seed, 9u);
    EXPECT_EQ(l.config->ports[0].values[2].number, 2000000u);
    EXPECT_EQ(l.config->pools[0].stages[0].values[0].number, 1u);
    EXPECT_EQ(l.config->pools[0].stages[1].values[0].number, 1u);
    EXPECT_EQ(l.config->log, WEIR_LOG_DEBUG); /* the last one counts */
    EXPECT_EQ(l.config->ports[0].values[2].place.line, 0u);
}

TEST(Override, OfOnePlaceLeavesItsAliasesAlone)
{
    Loaded l = load("version: 1\nports:\n  a: {generator: &g {flows: 5}}\n  b: {generator: *g}\n"
                    "pools: {p: {from: [a, b], stages: [sink]}}\n",
        {"ports.b.generator.flows=6"});
    ASSERT_EQ(l.errors, "");
    EXPECT_EQ(l.config->ports[0].values[0].number, 5u);
    EXPECT_EQ(l.config->ports[1].values[0].number, 6u);
}

TEST(Override, ValuesMayHoldEqualsSignsAndPoints)
{
    Loaded l = load("version: 1\nports: {a: {vdev: x}}\npools: {p: {from: [a], stages: [sink]}}\n",
        {"ports.a.vdev=net_pcap0,iface=eth0.5"});
    ASSERT_EQ(l.errors, "");
    EXPECT_STREQ(l.config->ports[0].text, "net_pcap0,iface=eth0.5");
}

TEST(Override, ValuesMayBeListsMapsOrQuotedText)
{
    Loaded l = load("version: 1\nports: {a: {vdev: x}, b: {vdev: y}}\n"
                    "pools: {p: {from: [a], stages: [validate, sink]}}\n",
        {"ports.a={generator: {flows: 5, rate: 2Mpps}}", "pools.p.from=[a, b]", "name='x'",
            "pools.p.stages=[validate, {burn: {cycles: 7}}, sink]", "ports.b.vdev=net_pcap0,x={y} #[z]"});
    ASSERT_EQ(l.errors, "");
    EXPECT_STREQ(l.config->ports[0].kind->name, "generator");
    EXPECT_EQ(l.config->ports[0].values[2].number, 2000000u);
    EXPECT_EQ(l.config->ports[0].values[2].place.line, 0u);
    EXPECT_EQ(l.config->ports[0].values[2].place.column, 1u) << "the first override";
    EXPECT_EQ(l.config->pools[0].n_from, 2u);
    EXPECT_STREQ(l.config->name, "x");
    ASSERT_EQ(l.config->pools[0].n_stages, 3u);
    EXPECT_EQ(l.config->pools[0].stages[1].values[0].number, 7u);
    EXPECT_STREQ(l.config->ports[1].text, "net_pcap0,x={y} #[z]")
        << "does not begin like one: taken as it is";
}

TEST(Override, ReachesIntoListsByNumber)
{
    Loaded l = load("version: 1\nports: {a: {vdev: x}, b: {vdev: y}}\npools:\n"
                    "  p: {from: [a, a], stages: [{burn: {cycles: 1}}, {burn: {cycles: 2}}, sink]}\n",
        {"pools.p.stages.1.burn.cycles=9", "pools.p.from.1=b"});
    ASSERT_EQ(l.errors, "");
    EXPECT_EQ(l.config->pools[0].stages[0].values[0].number, 1u);
    EXPECT_EQ(l.config->pools[0].stages[1].values[0].number, 9u);
    EXPECT_EQ(l.config->pools[0].from[1], 1u);
}

/* ---- the reference ---- */

TEST(Document, ShowsEveryKeyWithItsDefaultAndRange)
{
    char *text = nullptr;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    weir_config_document(test::vocabulary(), to);
    fclose(to);
    std::string page(text, size);
    free(text);
    for (const char *line : {
             "| `drain-timeout` | duration | ns us ms s min h | `2s` | 0s .. 8760h | reload |",
             "| `depth` | count | k M G | `1024` | 64 .. 1048576 | restart |",
             "| `from` | list |  | **required** | a list | restart |",
             "| `size` | weights |  | `64` | 60 .. 2KiB, a range LOW-HIGH, imix, or a map of those to "
             "weights | restart | Help of this "
             "key. |",
             "| `PORT` | map |  | **required** | port: port | restart |",
             "### Stage `meter`\n\n\n\nProperties: *reads the flow*, *state of each flow*.\n",
             "In a later version: `skew`.",
             "| `timeline` | maps |  | – | a map, or a list | restart | Help of this key. |",
             "#### `timeline`\n\n| Key |",
             "| `times` | ratio |  | `10` | 0 .. 1000 | restart | Help of this key. |",
             "`pci` (a NIC).",
             "`tag` (mark).",
             "| `POOL` | pool |  | **required** | the name of a pool | restart |",
         })
        EXPECT_NE(page.find(line), std::string::npos) << line;
}

} // namespace
