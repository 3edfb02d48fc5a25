/* SPDX-License-Identifier: BSD-3-Clause */
/* Text to values: bytes, YAML, keys, values, overrides. */
#include <gtest/gtest.h>

#include <algorithm>

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

/* The same with a generator, or with stages, of the test. */
std::string with_generator(const std::string &keys)
{
    return "version: 1\nports: {gen: {generator: " + keys +
           "}}\npools:\n  all: {from: [gen], stages: [validate, sink]}\n";
}

std::string with_stages(const std::string &stages)
{
    return "version: 1\nports: {gen: {generator: {}}}\npools:\n  all: {from: [gen], stages: " + stages +
           "}\n";
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
    stages: [{meter: {idle: 5s}}, bare, {transmit: {gen: a, a: a}}]
  in:
    from: [gen, a]
    workers: 2
    stages: [{validate: {non-ip: drop}}, {admit: {rate: 80Mbps}}]
)");
    ASSERT_EQ(l.errors, "");
    const weir_config &c = *l.config;
    EXPECT_EQ(c.seed, 7u);
    EXPECT_STREQ(c.name, "lab");
    EXPECT_EQ(c.memory, WEIR_MEMORY_NORMAL);
    EXPECT_STREQ(c.cpus, "0-1,!1");
    EXPECT_TRUE(c.listen_set);
    EXPECT_STREQ(c.listen, "[::1]:9000");
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
    EXPECT_STREQ(c.cpus, "auto");
    EXPECT_EQ(c.listen, nullptr);
    EXPECT_FALSE(c.listen_set);
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

TEST(Load, AFileThatCannotBeReadIsOneLine)
{
    EXPECT_EQ(test::load_path("/nonexistent/x.yaml").errors,
        "t.yaml: cannot be opened: No such file or directory\n");
    EXPECT_EQ(test::load_path("/tmp").errors, "t.yaml: cannot be read: Is a directory\n");
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

TEST(Load, AnEmptyFileAndOneOfCommentsAreEmpty)
{
    const char empty[] = "t.yaml: is empty; a configuration begins with `version: 1`\n";
    EXPECT_EQ(errors(""), empty);
    EXPECT_EQ(errors("# nothing\n"), empty);
    EXPECT_EQ(errors("---\n"), empty);
    EXPECT_EQ(errors("[1, 2]"), "t.yaml:1:1: is no map; a configuration begins with `version: 1`\n");
}

TEST(Load, AHugeFileIsRefused)
{
    EXPECT_EQ(errors(std::string((16 << 20) + 1, '#')), "t.yaml: is too large; allowed: up to 16 MiB\n");
    EXPECT_EQ(errors(small + std::string((16 << 20) - sizeof small, '#')), "");
}

TEST(Load, BytesThatAreNoTextAreNamedWithTheirPlace)
{
    EXPECT_EQ(errors(std::string("version: 1\nna\0me: x\n", 20)),
        "t.yaml:2:3: control character U+0000 is not allowed\n");
    EXPECT_EQ(errors("version: 1\r\nname: \xc3\xa4\xff\n"), "t.yaml:2:8: byte 0xff is not UTF-8 text\n");
    EXPECT_EQ(errors("\xed\xa0\x80"), "t.yaml:1:1: byte 0xed is not UTF-8 text\n");   /* a surrogate */
    EXPECT_EQ(errors("a\xc0\x80"), "t.yaml:1:2: byte 0xc0 is not UTF-8 text\n");      /* an overlong NUL */
    EXPECT_EQ(errors("\xf0\x9f"), "t.yaml:1:1: byte 0xf0 is not UTF-8 text\n");       /* cut short */
    EXPECT_EQ(errors("\xff\xfev\0e\0"), "t.yaml:1:1: byte 0xff is not UTF-8 text\n"); /* UTF-16 */
    EXPECT_EQ(errors(std::string("\xef\xbb\xbf") + small), "");                       /* a byte order mark */
    EXPECT_EQ(errors(std::string(small) + "name: \"a\\0b\"\n"),
        "t.yaml:5:7: a control character or line break in a value; allowed: one line of text\n");
}

/* ---- YAML ---- */

TEST(Load, SyntaxErrorsHaveAPlace)
{
    EXPECT_EQ(errors("version: 1\nports: {a: [1, 2}\n"),
        "t.yaml:2:17: did not find expected ',' or ']' while "
        "parsing a flow sequence that begins in line 2\n");
    EXPECT_EQ(errors("version: 1\n\tname: x\n"),
        "t.yaml:2:1: found a tab character that violates indentation "
        "while scanning a plain scalar that begins in line 1\n");
    EXPECT_EQ(errors("version: 1\n---\nversion: 1\n"), "t.yaml:2:1: a second document; allowed: one\n");
}

TEST(Load, DeepNestingIsRefusedBeforeItHurts)
{
    EXPECT_EQ(errors("version: " + std::string(100000, '[')),
        "t.yaml:1:41: nested too deep; allowed: up to 32 levels\n");
    std::string block = "a:\n";
    for (int i = 1; i < 40; i++)
        block += std::string(i, ' ') + "a:\n";
    EXPECT_EQ(errors(block), "t.yaml:33:33: nested too deep; allowed: up to 32 levels\n");
}

TEST(Load, AliasesNeitherTurnInCirclesNorExplode)
{
    EXPECT_EQ(errors("pools: &p\n  a: *p\n"), "t.yaml:2:6: `*p` stands inside of what it names\n");
    EXPECT_EQ(errors("a: &l [1, [*l]]\n"), "t.yaml:1:12: `*l` stands inside of what it names\n");
    EXPECT_EQ(errors("a: *x\n"), "t.yaml:1:4: `*x` names nothing above it\n");
    EXPECT_EQ(errors("a: &x 1\nb: &x 2\n"), "t.yaml:2:4: `&x` is written a second time\n");

    std::string laughs = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 10; i++) {
        std::string before = "*l" + std::to_string(i - 1) + " ";
        laughs += "l" + std::to_string(i) + ": &l" + std::to_string(i) + " [";
        for (int k = 0; k < 10; k++)
            laughs += before + (k < 9 ? ", " : "]\n");
    }
    EXPECT_EQ(errors(laughs), "t.yaml:5:52: too much, aliases expanded; allowed: up to 100000 values\n");
    std::string anchors;
    for (int i = 0; i < 300; i++)
        anchors += "- &a" + std::to_string(i) + " x\n";
    EXPECT_EQ(errors(anchors), "t.yaml:257:3: too many anchors; allowed: up to 256\n");
}

/* ---- keys ---- */

TEST(Load, AllMistakesAreShownSortedByPlace)
{
    EXPECT_EQ(errors("version: 3\n"
                     "memori: auto\n"
                     "pools:\n"
                     "  all: {from: [gne], stages: [validat, sink], workers: 0}\n"
                     "ports: {gen: {generator: {rate: 5}}}\n"
                     "log: loud\n"),
        "t.yaml:1:10: version `3` is out of range; allowed: 1\n"
        "t.yaml:2:1: unknown key `memori` in the configuration; allowed: version, seed, name, memory, cpus, "
        "ports, "
        "pools, listen, log, drain-timeout, stop-after; did you mean `memory`?\n"
        "t.yaml:4:16: no port or pool is named `gne`; did you mean `gen`?\n"
        "t.yaml:4:31: unknown stage `validat`; allowed: validate, admit, meter, burn, sink, transmit, bare; "
        "did you "
        "mean `validate`?\n"
        "t.yaml:4:56: workers `0` is out of range; allowed: 1 .. 64\n"
        "t.yaml:5:33: rate `5` has no unit; allowed: `max`, or a number with bps kbps Mbps Gbps pps kpps "
        "Mpps Gpps\n"
        "t.yaml:6:6: log `loud` is not known; allowed: error, warning, notice, info, debug\n");
}

TEST(Load, MissingKeysAreNamed)
{
    EXPECT_EQ(errors("seed: 1\n"), "t.yaml:1:1: the configuration needs `version`; allowed: 1\n"
                                   "t.yaml:1:1: the configuration needs `ports`; allowed: a map\n"
                                   "t.yaml:1:1: the configuration needs `pools`; allowed: a map\n");
    EXPECT_EQ(errors("version: 1\nports: {gen: {generator: {}}}\npools:\n  all: {}\n"),
        "t.yaml:4:3: pool `all` needs `from`; allowed: a list\n"
        "t.yaml:4:3: pool `all` needs `stages`; allowed: a list\n");
    EXPECT_EQ(errors(with_stages("[{admit: {}}, sink]")),
        "t.yaml:4:32: stage `admit` needs `rate`; allowed: a rate, or `max`\n");
    EXPECT_EQ(errors(with_stages("[admit, sink]")),
        "t.yaml:4:31: stage `admit` needs `rate`; allowed: a rate, or `max`\n");
}

TEST(Load, AKeyThatIsProbablyMeantIsNotAlsoMissing)
{
    EXPECT_EQ(errors(with_stages("[{admit: {rat: 1Gbps}}, sink]")),
        "t.yaml:4:40: unknown key `rat` in stage `admit`; allowed: per, rate, burst; did you mean `rate`?\n");
}

TEST(Load, ADoubledKeyIsRefused)
{
    EXPECT_EQ(
        errors(std::string(small) + "seed: 1\nseed: 2\n"), "t.yaml:6:1: `seed` is written a second time\n");
    EXPECT_EQ(
        errors(with_generator("{flows: 1, flows: 1}")), "t.yaml:2:37: `flows` is written a second time\n");
}

TEST(Load, WhatComesLaterIsToldFromWhatIsWrong)
{
    EXPECT_EQ(errors(std::string(small) + "classes: []\n"),
        "t.yaml:5:1: `classes` comes in a later version of weir\n");
    EXPECT_EQ(
        errors(with_generator("{skew: 1.1}")), "t.yaml:2:27: `skew` comes in a later version of weir\n");
    EXPECT_EQ(errors(with_stages("[validate, {tee: out}, sink]")),
        "t.yaml:4:42: `tee` comes in a later version of weir\n");
    EXPECT_EQ(errors("version: 1\nports: {a: {pci: \"0000:3b:00.0\", side: inside}}\n"
                     "pools:\n  all: {from: [a], stages: [sink], deadline: 5ms}\n"),
        "t.yaml:2:13: `pci` comes in a later version of weir\n"
        "t.yaml:2:34: `side` comes in a later version of weir\n"
        "t.yaml:4:36: `deadline` comes in a later version of weir\n");
    EXPECT_EQ(errors("version: 1\nports: {gen: {generator: {}}}\npools:\n"
                     "  in: {from: [gen], stages: [validate]}\n"
                     "  out: {from: [in], shard-by: tenant, on-full: shed, workers: 1-4, stages: [sink]}\n"),
        "t.yaml:5:31: shard-by `tenant` comes in a later version of weir; allowed: none, flow\n"
        "t.yaml:5:48: on-full `shed` comes in a later version of weir; allowed: block, drop\n"
        "t.yaml:5:63: workers `1-4` is an elastic pool, which comes in a later version of weir; allowed: 1 "
        ".. 64\n");
}

TEST(Load, APortHasExactlyOneKind)
{
    const char rest[] = "pools:\n  all: {from: [a], stages: [sink]}\n";
    EXPECT_EQ(errors(std::string("version: 1\nports: {a: {}}\n") + rest),
        "t.yaml:2:9: port `a` has no kind; allowed: generator, file, vdev\n");
    EXPECT_EQ(errors(std::string("version: 1\nports: {a: {file: x.pcap, vdev: net_null0}}\n") + rest),
        "t.yaml:2:33: port `a` is a `file` already; allowed: one kind\n");
    EXPECT_EQ(errors(std::string("version: 1\nports: {a: {genrator: {}}}\n") + rest),
        "t.yaml:2:13: unknown key `genrator` in port `a`; allowed: generator, file, vdev; did you mean "
        "`generator`?\n");
    EXPECT_EQ(errors(std::string("version: 1\nports: {a: net_null0}\n") + rest),
        "t.yaml:2:12: port `a` is no map; allowed: generator, file, vdev\n");
    EXPECT_EQ(errors(std::string("version: 1\nports: {a: {file: }}\n") + rest),
        "t.yaml:2:19: file `` is empty; allowed: text\n");
    EXPECT_EQ(errors(std::string("version: 1\nports: {a: {file: [x]}}\n") + rest),
        "t.yaml:2:19: file is no single value; allowed: text\n");
    EXPECT_EQ(errors(std::string("version: 1\nports: {a: {generator: fast}}\n") + rest),
        "t.yaml:2:24: generator is no map; allowed: flows, size, rate, count, queue\n");
}

TEST(Load, SectionsHaveMembers)
{
    EXPECT_EQ(errors("version: 1\nports: {}\npools:\n"),
        "t.yaml:2:8: ports has 0 names; allowed: 1 .. 64\n"
        "t.yaml:3:7: pools has 0 names; allowed: 1 .. 127\n");
    EXPECT_EQ(errors("version: 1\nports: [a]\npools: 5\n"),
        "t.yaml:2:8: ports is no map; allowed: NAME: {…}\n"
        "t.yaml:3:8: pools is no map; allowed: NAME: {…}\n");
    std::string ports;
    for (int i = 0; i < 65; i++)
        ports += "  p" + std::to_string(i) + ": {vdev: net_null0}\n";
    EXPECT_EQ(errors("version: 1\nports:\n" + ports + "pools: {all: {from: [p0], stages: [sink]}}\n"),
        "t.yaml:3:3: ports has 65 names; allowed: 1 .. 64\n");
}

TEST(Load, NamesAreSpelledLikeNamesAndNoTwoAreAlike)
{
    EXPECT_EQ(errors("version: 1\nports: {a b: {vdev: x}, a: {vdev: x}, a: {vdev: y}}\n"
                     "pools:\n  a: {from: [a], stages: [sink]}\n  123456789012345678901234567890123: {from: "
                     "[a], stages: [sink]}\n"),
        "t.yaml:2:9: name `a b` is not spelled like a name; allowed: 1 to 32 letters, digits, _ and -\n"
        "t.yaml:2:39: port `a` has the name of the port in line 2\n"
        "t.yaml:4:3: pool `a` has the name of the port in line 2\n"
        "t.yaml:5:3: name `123456789012345678901234567890123` is not spelled like a name; allowed: 1 to 32 "
        "letters, "
        "digits, _ and -\n");
    EXPECT_EQ(errors(std::string(small) + "name: my pipe\n"),
        "t.yaml:5:7: name is not spelled like a name; allowed: 1 to 32 letters, digits, _ and -\n");
}

TEST(Load, FromIsAListOfKnownNamesOfOneSort)
{
    const char ports[] = "version: 1\nports: {a: {vdev: x}, b: {vdev: y}}\npools:\n";
    EXPECT_EQ(errors(std::string(ports) + "  p: {from: a, stages: [sink]}\n"),
        "t.yaml:4:13: from is no list; allowed: a list like [gen]\n");
    EXPECT_EQ(errors(std::string(ports) + "  p: {from: [], stages: [sink]}\n"),
        "t.yaml:4:13: from has 0 items; allowed: 1 .. 127\n");
    EXPECT_EQ(errors(std::string(ports) + "  p: {from: [a, b, a], stages: [sink]}\n"),
        "t.yaml:4:20: `a` is written a second time\n");
    EXPECT_EQ(errors(std::string(ports) + "  p: {from: [a, {b: c}], stages: [sink]}\n"),
        "t.yaml:4:17: a port or pool must be a single word\n");
    EXPECT_EQ(errors(std::string(ports) +
                     "  p: {from: [a], stages: [validate]}\n  q: {from: [b, p], stages: [sink]}\n"),
        "t.yaml:5:17: from mixes ports and pools; allowed: all ports, or all pools\n");
}

TEST(Load, AStageIsAWordOrAMapWithOneKey)
{
    const char what[] = "a stage is a word, or a map with one key, as in [validate, {burn: {cycles: 300}}]\n";
    EXPECT_EQ(errors(with_stages("[{burn: {}, meter: {}}, sink]")), std::string("t.yaml:4:31: ") + what);
    EXPECT_EQ(errors(with_stages("[[burn], sink]")), std::string("t.yaml:4:31: ") + what);
    EXPECT_EQ(errors(with_stages("[{}, sink]")), std::string("t.yaml:4:31: ") + what);
    EXPECT_EQ(errors(with_stages("sink")),
        "t.yaml:4:30: stages is no list; allowed: a list like [validate, meter]\n");
    EXPECT_EQ(errors(with_stages("[]")), "t.yaml:4:30: stages has 0 items; allowed: 1 .. 64\n");
    EXPECT_EQ(
        errors(with_stages("[{sink: order}]")), "t.yaml:4:38: stage `sink` is no map; allowed: check\n");
    EXPECT_EQ(errors(with_stages("[{bare: {x: 1}}, sink]")),
        "t.yaml:4:39: unknown key `x` in stage `bare`; allowed: no key\n");
}

/* ---- values ---- */

TEST(Load, ValuesOutsideTheirTypeOrRangeAreRefused)
{
    EXPECT_EQ(errors(with_generator("{flows: 0}")),
        "t.yaml:2:34: flows `0` is out of range; allowed: 1 .. 16777216\n");
    EXPECT_EQ(errors(with_generator("{flows: 99999999999999999999}")),
        "t.yaml:2:34: flows `99999999999999999999` is out of range; allowed: 1 .. 16777216\n");
    EXPECT_EQ(errors(std::string(small) + "drain-timeout: 6000000h\n"),
        "t.yaml:5:16: drain-timeout `6000000h` is out of range; allowed: 0s .. 8760h\n");
    EXPECT_EQ(errors(with_generator("{flows: -3}")),
        "t.yaml:2:34: flows `-3` is negative; allowed: a whole number, also with k M G\n");
    EXPECT_EQ(errors(with_generator("{flows: [1]}")),
        "t.yaml:2:34: flows is no single value; allowed: 1 .. 16777216\n");
    EXPECT_EQ(errors(with_generator("{flows: }")),
        "t.yaml:2:34: flows `` is no number; allowed: a whole number, also with k M G\n");
    EXPECT_EQ(errors(with_generator("{size: 1500-64}")),
        "t.yaml:2:33: size `1500-64` begins above its end; allowed: 60 .. 2KiB, a range LOW-HIGH, imix\n");
    EXPECT_EQ(errors(with_generator("{size: 64-}")),
        "t.yaml:2:33: size `64-` is no range; allowed: 60 .. 2KiB, a range LOW-HIGH, imix\n");
    EXPECT_EQ(errors(with_generator("{size: 9000}")),
        "t.yaml:2:33: size `9000` is out of range; allowed: 60 .. 2KiB, a range LOW-HIGH, imix\n");
    EXPECT_EQ(errors(with_generator("{size: -64}")),
        "t.yaml:2:33: size `-64` is negative; allowed: whole bytes, also with k M G KiB MiB GiB\n");
    EXPECT_EQ(errors(std::string(small) + "stop-after: 0s\n"),
        "t.yaml:5:13: stop-after `0s` is out of range; allowed: 1ms .. 8760h\n");
    EXPECT_EQ(errors(std::string(small) + "memory: hugepage\n"),
        "t.yaml:5:9: memory `hugepage` is not known; allowed: auto, hugepages, normal; did you mean "
        "`hugepages`?\n");
}

TEST(Load, LongTextIsCutBetweenCharacters)
{
    std::string umlauts;
    for (int i = 0; i < 1000; i++)
        umlauts += "ä";
    EXPECT_EQ(errors(with_generator("{flows: x" + umlauts + "}")),
        "t.yaml:2:34: flows `x" + umlauts.substr(0, 58) +
            "…` is no number; allowed: a whole number, also with k M G\n");
}

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

TEST(Override, MistakesNameTheOverride)
{
    EXPECT_EQ(errors(small, {"pools.all.workers=0"}),
        "--set pools.all.workers: workers `0` is out of range; allowed: 1 .. 64\n");
    EXPECT_EQ(errors(small, {"pools.al.workers=1"}),
        "--set pools.al.workers: the file has no `al` here; did you mean `all`?\n");
    EXPECT_EQ(errors(small, {"pools.all.stages.meter.idle=1s"}),
        "--set pools.all.stages.meter.idle: the file has no `meter` here\n");
    EXPECT_EQ(errors(small, {"version.x=1"}), "--set version.x: the file has no `x` here\n");
    EXPECT_EQ(errors(small, {"sed=1"}), "--set sed: unknown key `sed` in the configuration; allowed: "
                                        "version, seed, name, memory, cpus, ports, pools, "
                                        "listen, log, drain-timeout, stop-after; did you mean `seed`?\n");
    EXPECT_EQ(
        errors(small, {"seed"}), "--set seed: no override; allowed: key=value, as in pools.work.workers=2\n");
    EXPECT_EQ(errors(small, {"name=a\nb"}),
        "--set name: no override; allowed: key=value, as in pools.work.workers=2\n");
    EXPECT_EQ(errors(small, {"pools.all.from=gen"}),
        "--set pools.all.from: from is no list; allowed: a list like [gen]\n");
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
             "| `size` | size | bytes | `64` | 60 .. 2KiB, a range LOW-HIGH, imix | restart | Help of this "
             "key. |",
             "| `PORT` | map |  | **required** | port: port | restart |",
             "### Stage `meter`\n\n\n\nProperties: *reads the flow*, *state of each flow*.\n",
             "In a later version: `skew`.",
             "`pci` (a NIC).",
             "`tee` (copy).",
         })
        EXPECT_NE(page.find(line), std::string::npos) << line;
}

} // namespace
