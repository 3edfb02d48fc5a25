/* SPDX-License-Identifier: BSD-3-Clause */
/* References and structure: what each line says alone, and what is wrong with it in its place. */
#include <gtest/gtest.h>

#include "tests/config/vocabulary.h"

namespace {

using test::errors;
using test::Loaded;

/* Pools begin in line 4. */
std::string pools(const std::string &text)
{
    return "version: 1\nports: {a: {vdev: x}, b: {vdev: y}, g: {generator: {}}}\npools:\n" + text;
}

/* The same with all of the other ports put to use. */
std::string on_g(const std::string &text)
{
    return "version: 1\nports: {g: {generator: {}}}\npools:\n" + text;
}

std::string on_ab(const std::string &text)
{
    return "version: 1\nports: {a: {vdev: x}, b: {vdev: y}}\npools:\n" + text;
}

const char in[] = "  in: {from: [g], stages: [validate]}\n";

/* ---- the inbox ---- */

TEST(Check, APoolFedByPoolsNamesShardByAndOnFull)
{
    EXPECT_EQ(errors(on_g(std::string(in) + "  out: {from: [in], stages: [sink]}\n")),
        "t.yaml:5:3: pool `out` is fed by pools and needs `shard-by`; allowed: none, flow\n"
        "t.yaml:5:3: pool `out` is fed by pools and needs `on-full`; allowed: block, drop\n");
}

TEST(Check, APoolFedByPortsHasNoInbox)
{
    EXPECT_EQ(errors(on_g("  all:\n    from: [g]\n    shard-by: none\n    on-full: drop\n    depth: 64\n"
                          "    stages: [sink]\n")),
        "t.yaml:6:15: `shard-by` is for an inbox, and pool `all` is fed by ports; remove it\n"
        "t.yaml:7:14: `on-full` is for an inbox, and pool `all` is fed by ports; remove it\n"
        "t.yaml:8:12: `depth` is for an inbox, and pool `all` is fed by ports; remove it\n");
}

TEST(Check, DepthIsAPowerOfTwo)
{
    const std::string before =
        std::string(in) + "  out: {from: [in], shard-by: none, on-full: block, depth: ";
    EXPECT_EQ(errors(on_g(before + "1000, stages: [sink]}\n")),
        "t.yaml:5:60: depth `1000` is no power of two; allowed: 512, 1024\n");
    EXPECT_EQ(errors(on_g(before + "32, stages: [sink]}\n")),
        "t.yaml:5:60: depth `32` is out of range; allowed: 64 .. 1048576\n");
    EXPECT_EQ(errors(on_g(before + "1048576, stages: [sink]}\n")), "");
}

/* ---- who feeds whom ---- */

TEST(Check, APortIsPolledByOnePool)
{
    EXPECT_EQ(errors(on_ab("  p: {from: [a, b], stages: [sink]}\n  q: {from: [b], stages: [sink]}\n")),
        "t.yaml:5:14: port `b` is polled by pool `p` already\n");
}

TEST(Check, APortThatNobodyUsesIsAMistake)
{
    EXPECT_EQ(errors(pools("  p: {from: [a, g], stages: [sink]}\n")),
        "t.yaml:2:23: port `b` is used by nobody; name it in the `from` of a pool, or remove it\n");
    /* To transmit through it is to use it. */
    EXPECT_EQ(errors(pools("  p: {from: [a, g], stages: [{transmit: {a: b, g: b}}]}\n")), "");
}

TEST(Check, TwoConsumersOfOnePoolNeedTake)
{
    const std::string rest = "from: [in], shard-by: none, on-full: block, stages: [sink]}\n";
    EXPECT_EQ(errors(on_g(in + ("  p: {" + rest) + "  q: {" + rest)),
        "t.yaml:6:14: pool `in` feeds `p` already; a second needs `take`, which comes in a later version of "
        "weir\n");
}

TEST(Check, ACircleIsNamedInTheDirectionOfItsPackets)
{
    const std::string rest = "shard-by: none, on-full: drop, stages: [burn]}\n";
    EXPECT_EQ(errors(on_g("  p: {from: [g], stages: [sink]}\n"
                          "  x: {from: [z], " +
                          rest + "  y: {from: [x], " + rest + "  z: {from: [y], " + rest +
                          "  self: {from: [self], " + rest)),
        "t.yaml:5:14: pools feed each other in a circle: x → y → z → x\n"
        "t.yaml:8:17: pools feed each other in a circle: self → self\n");
}

TEST(Check, PoolsAreSortedAndKeepTheFilesOrderWhereNothingDecides)
{
    const std::string inbox = "shard-by: none, on-full: drop, ";
    Loaded l =
        test::load(on_ab("  end: {from: [z, y], " + inbox + "stages: [sink]}\n" + "  z: {from: [second], " +
                         inbox + "stages: [burn]}\n" + "  y: {from: [first], " + inbox + "stages: [burn]}\n" +
                         "  second: {from: [a], stages: [burn]}\n  first: {from: [b], stages: [burn]}\n"));
    ASSERT_EQ(l.errors, "");
    std::string order;
    for (uint32_t i = 0; i < l.config->n_pools; i++) {
        const weir_config_pool &pool = l.config->pools[i];
        order += std::string(pool.name) + " ";
        for (uint32_t k = 0; !pool.fed_by_ports && k < pool.n_from; k++)
            EXPECT_LT(pool.from[k], i);
    }
    EXPECT_EQ(order, "second z first y end ");
    EXPECT_STREQ(l.config->pools[l.config->pools[4].from[0]].name, "z");
}

/* ---- stages in their place ---- */

TEST(Check, OnlyTheLastStageOfAPoolThatFeedsNobodyEndsPackets)
{
    EXPECT_EQ(errors(on_g("  p: {from: [g], stages: [validate]}\n")),
        "t.yaml:4:27: pool `p` feeds nobody, so its packets must end; allowed as last stage: sink, "
        "transmit\n");
    EXPECT_EQ(errors(on_g("  p: {from: [g], stages: [sink, validate, sink]}\n")),
        "t.yaml:4:27: no packet passes `sink`; make it the last stage\n");
    EXPECT_EQ(errors(on_g("  p: {from: [g], stages: [sink]}\n"
                          "  q: {from: [p], shard-by: none, on-full: block, stages: [sink]}\n")),
        "t.yaml:4:27: pool `p` feeds `q`, and nothing passes `sink`; remove one of the two\n");
}

TEST(Check, SomeStagesWorkOnlyOnPorts)
{
    EXPECT_EQ(
        errors(on_g(
            std::string(in) +
            "  p: {from: [in], shard-by: none, on-full: block, stages: [{admit: {rate: 1Gbps}}, sink]}\n")),
        "t.yaml:5:61: `admit` works only in a pool fed by ports, and pools feed `p`; move it there\n");
}

TEST(Check, TheFlowMustBeFoundBeforeItIsRead)
{
    EXPECT_EQ(errors(on_g("  p: {from: [g], stages: [meter, validate, sink]}\n")),
        "t.yaml:4:27: `meter` needs the flow of each packet, which nothing before it has found; put one of "
        "these before "
        "it: validate\n");
    EXPECT_EQ(errors(on_g("  p: {from: [g], stages: [burn]}\n"
                          "  q: {from: [p], shard-by: flow, on-full: block, stages: [meter, sink]}\n")),
        "t.yaml:5:28: `shard-by: flow` needs the flow of each packet, which nothing before it has found on "
        "the way "
        "through `p`; put one of these before it: validate\n");
}

TEST(Check, TheFlowMustBeFoundOnEveryWay)
{
    const char rest[] = "  q: {from: [p, o], shard-by: flow, on-full: block, stages: [meter, sink]}\n";
    EXPECT_EQ(
        errors(on_ab(
            std::string("  p: {from: [a], stages: [validate]}\n  o: {from: [b], stages: [burn]}\n") + rest)),
        "t.yaml:6:31: `shard-by: flow` needs the flow of each packet, which nothing before it has found on "
        "the way "
        "through `o`; put one of these before it: validate\n");
    EXPECT_EQ(
        errors(on_ab(
            std::string("  p: {from: [a], stages: [validate]}\n  o: {from: [b], stages: [validate]}\n") +
            rest)),
        "");
}

/* ---- workers ---- */

TEST(Check, APortIsPolledByOneWorker)
{
    EXPECT_EQ(errors(on_g("  p: {from: [g], workers: 2, stages: [sink]}\n")),
        "t.yaml:4:27: pool `p` has 2 workers for 1 port, and a port is polled by one; allowed: 1 .. 1; put "
        "the work in "
        "a second pool with `shard-by: flow` and more workers\n");
    EXPECT_EQ(errors(on_ab("  p: {from: [a, b], workers: 2, stages: [sink]}\n")), "");
}

/* A pool behind `in` with several workers and no shards, then what it feeds. */
std::string spread(const std::string &keys, const std::string &rest = "")
{
    return on_g(in + ("  p: {from: [in], shard-by: none, on-full: block, " + keys + "}\n") + rest);
}

TEST(Check, WorkersWithoutShardsNeedOrderRelaxed)
{
    const char what[] = "t.yaml:5:29: pool `p` has 2 workers without shards, which reorders the packets of a "
                        "flow; write `order: relaxed` if it may, or `shard-by: flow`, or `workers: 1`\n";
    const char more[] = "  q: {from: [p], shard-by: flow, on-full: block, workers: 2, stages: [sink]}\n";
    EXPECT_EQ(errors(spread("workers: 2, stages: [burn]", more)), what);
    EXPECT_EQ(errors(spread("workers: 2, order: relaxed, stages: [burn]", more)), "");
    EXPECT_EQ(errors(spread("workers: 2, stages: [burn, sink]")), "") << "nobody sees the order";
    const std::string out =
        "version: 1\nports: {a: {vdev: x}}\npools:\n  in: {from: [a], stages: [validate]}\n"
        "  p: {from: [in], shard-by: none, on-full: block, workers: 2, ";
    EXPECT_EQ(errors(out + "stages: [{transmit: {a: a}}]}\n"), what);
    EXPECT_EQ(errors(out + "order: relaxed, stages: [{transmit: {a: a}}]}\n"), "");
}

TEST(Check, OrderRelaxedIsForAnInboxWithoutShards)
{
    EXPECT_EQ(errors(spread("workers: 1, order: relaxed, stages: [sink]")), "")
        << "allowed and not made use of: `--set pools.p.workers=1` is no mistake";
    EXPECT_EQ(
        errors(on_g(std::string(in) +
                    "  p: {from: [in], shard-by: flow, on-full: drop, order: relaxed, stages: [sink]}\n")),
        "t.yaml:5:57: `order: relaxed` has no effect in pool `p`, whose shards keep the order; remove it, or "
        "write `shard-by: none`\n");
    EXPECT_EQ(errors(on_g("  p: {from: [g], order: relaxed, stages: [sink]}\n")),
        "t.yaml:4:25: `order` is for an inbox, and pool `p` is fed by ports; remove it\n");
}

TEST(Check, OrderIsNotCheckedWhereNothingKeepsIt)
{
    const char check[] =
        "  q: {from: [p], shard-by: flow, on-full: block, stages: [{sink: {check: order}}]}\n";
    EXPECT_EQ(errors(spread("workers: 2, order: relaxed, stages: [burn]", check)),
        "t.yaml:6:74: `check: order` needs the packets of a flow in order, and pool `p` has 2 workers "
        "without "
        "shards; write `shard-by: flow` or `workers: 1` there, or leave it out\n");
    EXPECT_EQ(errors(spread("workers: 2, order: relaxed, stages: [{sink: {check: order}}]")),
        "t.yaml:5:103: `check: order` needs the packets of a flow in order, and pool `p` has 2 workers "
        "without "
        "shards; write `shard-by: flow` or `workers: 1` there, or leave it out\n");
    EXPECT_EQ(errors(spread("workers: 1, order: relaxed, stages: [burn]", check)), "");
}

TEST(Check, StateOfAFlowNeedsOneWorkerOrShards)
{
    EXPECT_EQ(errors(on_ab("  p: {from: [a, b], workers: 2, stages: [validate, meter, sink]}\n")),
        "t.yaml:4:52: `meter` keeps state of each flow, and pool `p` has 2 workers without shards; put it in "
        "a pool "
        "behind, with `shard-by: flow`, or write `workers: 1`\n");
    EXPECT_EQ(errors(spread("workers: 2, order: relaxed, stages: [meter, sink]")),
        "t.yaml:5:88: `meter` keeps state of each flow, and pool `p` has 2 workers without shards; write "
        "`shard-by: flow`, or write `workers: 1`\n");
    EXPECT_EQ(errors(on_ab("  p: {from: [a, b], stages: [validate, meter, sink]}\n")), "");
    EXPECT_EQ(errors(on_g(
                  std::string(in) +
                  "  p: {from: [in], shard-by: flow, on-full: block, workers: 4, stages: [meter, sink]}\n")),
        "");
    EXPECT_EQ(errors(on_g(std::string(in) +
                          "  p: {from: [in], shard-by: none, on-full: block, stages: [meter, sink]}\n")),
        "");
}

TEST(Check, WorkersHaveALimitInAll)
{
    const std::string rest = "shard-by: flow, on-full: block, workers: 63, stages: ";
    EXPECT_EQ(
        errors(on_g(in + ("  p: {from: [in], " + rest) + "[burn]}\n  q: {from: [p], " + rest + "[sink]}\n")),
        "");
    EXPECT_EQ(errors(on_g(in + ("  p: {from: [in], " + rest) + "[burn]}\n  q: {from: [p], " + rest +
                          "[burn]}\n" + "  r: {from: [q], shard-by: none, on-full: drop, stages: [sink]}\n")),
        "t.yaml:7:3: 128 workers up to pool `r`; allowed: 127 in all\n");
    EXPECT_EQ(
        errors(on_ab(
            "  i: {from: [a], stages: [validate]}\n  j: {from: [b], stages: [{transmit: {b: a}}]}\n"
            "  p: {from: [i], shard-by: flow, on-full: drop, workers: 64, stages: [{transmit: {a: b}}]}\n")),
        "t.yaml:6:3: 65 transmitting workers up to pool `p`; allowed: 64 in all\n");
}

/* ---- transmit ---- */

TEST(Check, EveryPortThatCanReachATransmitIsMapped)
{
    EXPECT_EQ(
        errors(on_ab("  in: {from: [a, b], stages: [validate]}\n"
                     "  out: {from: [in], shard-by: flow, on-full: block, stages: [{transmit: {a: b}}]}\n")),
        "t.yaml:5:63: `transmit` has no way out for packets of port `b`; add `b: PORT`\n");
}

TEST(Check, ATransmitMapNamesPortsThatExistAndCanTransmit)
{
    EXPECT_EQ(errors(pools("  p: {from: [a, b], stages: [{transmit: {a: bb, b: g}}]}\n")),
        "t.yaml:4:45: no port is named `bb`\n"
        "t.yaml:4:52: port `g` is a `generator`, which cannot transmit\n");
    EXPECT_EQ(errors(on_ab("  p: {from: [a, b], stages: [{transmit: {c: a, p: b, a: b, a: b}}]}\n")),
        "t.yaml:4:42: no port is named `c`\n"
        "t.yaml:4:48: no port is named `p`\n"
        "t.yaml:4:60: `a` is written a second time\n");
    EXPECT_EQ(errors(on_ab("  p: {from: [a, b], stages: [transmit]}\n")),
        "t.yaml:4:30: stage `transmit` needs a map; allowed: INPUT-PORT: OUTPUT-PORT\n");
    EXPECT_EQ(errors(on_ab("  p: {from: [a, b], stages: [{transmit: {a: [b], b: a}}]}\n")),
        "t.yaml:4:45: a port must be a single word\n");
}

} // namespace
