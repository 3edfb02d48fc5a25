/* SPDX-License-Identifier: BSD-3-Clause */
/* What makes sense together, close to what does not: the mistakes themselves are rows of mistakes_test.cc. */
#include <gtest/gtest.h>

#include "tests/config/vocabulary.h"

namespace {

using test::errors;
using test::Loaded;

/* Pools on a generator, or on two devices. */
std::string on_g(const std::string &text)
{
    return "version: 1\nports: {g: {generator: {}}}\npools:\n" + text;
}

std::string on_ab(const std::string &text)
{
    return "version: 1\nports: {a: {vdev: x}, b: {vdev: y}}\npools:\n" + text;
}

const char in[] = "  in: {from: [g], stages: [validate]}\n";

/* A pool behind `in` without shards, then what it feeds. */
std::string spread(const std::string &keys, const std::string &rest = "")
{
    return on_g(in + ("  p: {from: [in], shard-by: none, on-full: block, " + keys + "}\n") + rest);
}

TEST(Check, DepthIsAPowerOfTwo)
{
    EXPECT_EQ(errors(spread("depth: 64, stages: [sink]")), "");
    EXPECT_EQ(errors(spread("depth: 1048576, stages: [sink]")), "");
}

TEST(Check, ToTransmitThroughAPortIsToUseIt)
{
    EXPECT_EQ(errors(on_ab("  p: {from: [a], stages: [{transmit: {a: b}}]}\n")), "");
}

TEST(Check, WorkersPollAQueueEachWhereEveryPortHasOneForThem)
{
    auto pool = [](const std::string &a, const std::string &b) {
        return test::load("version: 1\nports: {a: {vdev: x" + a + "}, b: {" + b + "}}\npools:\n" +
                          "  p: {from: [a, b], workers: 2, stages: [validate, sink]}\n");
    };
    Loaded l = pool(", queues: 2", "vdev: y, queues: 2");
    ASSERT_EQ(l.errors, "");
    EXPECT_TRUE(l.config->pools[0].by_queue);
    for (const Loaded &dealt : {pool("", "vdev: y"), pool(", queues: 2", "vdev: y"),
             pool(", queues: 2", "interface: y, queues: 2"), pool(", queues: 4", "vdev: y, queues: 4")}) {
        ASSERT_EQ(dealt.errors, "") << "a port each";
        EXPECT_FALSE(dealt.config->pools[0].by_queue);
    }
}

TEST(Check, CopiesGoBesideWhatAPoolFeedsOrInItsPlace)
{
    const char *copy = "  copy: {from: [in], shard-by: flow, on-full: drop, stages: [meter, sink]}\n";
    EXPECT_EQ(
        errors(on_g(std::string("  in: {from: [g], stages: [validate, {tee: copy}, sink]}\n") + copy)), "");
    Loaded l = test::load(on_g(std::string(copy) + "  in: {from: [g], stages: [validate, {tee: copy}]}\n" +
                               "  out: {from: [in], shard-by: flow, on-full: block, stages: [sink]}\n"));
    ASSERT_EQ(l.errors, "");
    EXPECT_STREQ(l.config->pools[0].name, "in");
    EXPECT_STREQ(l.config->pools[l.config->pools[0].tee].name, "copy");
    EXPECT_EQ(l.config->pools[0].stages[1].values->number, (uint64_t)l.config->pools[0].tee);
    EXPECT_EQ(l.config->pools[1].tee, -1);
    EXPECT_EQ(l.config->pools[l.config->pools[0].tee].reach, 1u) << "copies come from a port, too";
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

TEST(Check, TheFlowIsFoundOnEveryWay)
{
    EXPECT_EQ(errors(on_ab("  p: {from: [a], stages: [validate]}\n  o: {from: [b], stages: [validate]}\n"
                           "  q: {from: [p, o], shard-by: flow, on-full: block, stages: [meter, sink]}\n")),
        "");
}

TEST(Check, APortHasAWorkerOfItsOwnAtMost)
{
    EXPECT_EQ(errors(on_ab("  p: {from: [a, b], workers: 2, stages: [sink]}\n")), "");
}

TEST(Check, WorkersWithoutShardsNeedOrderRelaxedUnlessNobodySeesTheOrder)
{
    const char more[] = "  q: {from: [p], shard-by: flow, on-full: block, workers: 2, stages: [sink]}\n";
    EXPECT_EQ(errors(spread("workers: 2, order: relaxed, stages: [burn]", more)), "");
    EXPECT_EQ(errors(spread("workers: 2, stages: [burn, sink]")), "");
    EXPECT_EQ(
        errors(on_ab("  in: {from: [a], stages: [validate]}\n  p: {from: [in], shard-by: none, on-full: "
                     "block, workers: 2, order: relaxed, stages: [{transmit: {a: b}}]}\n")),
        "");
}

/* Allowed and not made use of: `--set pools.p.workers=1` is no mistake. */
TEST(Check, OneWorkerMayBeRelaxedAndKeepsTheOrderAllTheSame)
{
    const char check[] =
        "  q: {from: [p], shard-by: flow, on-full: block, stages: [{sink: {check: order}}]}\n";
    EXPECT_EQ(errors(spread("order: relaxed, stages: [sink]")), "");
    EXPECT_EQ(errors(spread("order: relaxed, stages: [burn]", check)), "");
}

/* A word that is not known is one mistake, not also what would follow from another word. */
TEST(Check, NothingFollowsFromAWordThatIsNotKnown)
{
    EXPECT_EQ(errors(on_g(in + std::string("  p: {from: [in], shard-by: flwo, on-full: block, workers: 2, "
                                           "stages: [meter, {sink: {check: order}}]}\n"))),
        "t.yaml:5:29: shard-by `flwo` is not known; allowed: none, flow; did you mean `flow`?\n");
}

TEST(Check, StateOfAFlowNeedsOneWorkerOrShards)
{
    EXPECT_EQ(errors(on_ab("  p: {from: [a, b], stages: [validate, meter, sink]}\n")), "");
    EXPECT_EQ(errors(on_g(
                  std::string(in) +
                  "  p: {from: [in], shard-by: flow, on-full: block, workers: 4, stages: [meter, sink]}\n")),
        "");
    EXPECT_EQ(errors(spread("stages: [meter, sink]")), "");
}

TEST(Check, WorkersHaveALimitInAll)
{
    const std::string rest = "shard-by: flow, on-full: block, workers: 63, stages: ";
    EXPECT_EQ(
        errors(on_g(in + ("  p: {from: [in], " + rest) + "[burn]}\n  q: {from: [p], " + rest + "[sink]}\n")),
        "");
}

} // namespace
