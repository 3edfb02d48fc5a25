/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/snapshot.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace {

/* ingress.0 (validate, admit) over one ring to out.0 (sink); 100 packets, 10 dropped by rate. */
struct Books {
    weir_named_count rate = {"rate", nullptr, 10, nullptr};
    weir_snapshot_worker worker[2] = {};
    weir_snapshot_stage stage[3] = {};
    weir_snapshot_ring ring = {};
    weir_snapshot s = {};

    Books()
    {
        worker[0].pool = "ingress", worker[0].received = 100;
        worker[1].pool = "out", worker[1].received = 90;
        set(0, "ingress", "validate", 0, 100, 100);
        set(1, "ingress", "admit", 1, 100, 90);
        stage[1].drops = &rate, stage[1].n_drops = 1;
        set(2, "out", "sink", 0, 90, 90);
        ring.from = "ingress", ring.to = "out", ring.pushed = 90;
        s.workers = worker, s.n_workers = 2;
        s.stages = stage, s.n_stages = 3;
        s.rings = &ring, s.n_rings = 1;
        s.ledger.final = true;
    }

    void set(int i, const char *pool, const char *name, uint32_t position, uint64_t in, uint64_t out)
    {
        stage[i].pool = pool, stage[i].stage = name, stage[i].position = position;
        stage[i].in = in, stage[i].out = out;
    }

    std::string audit() const
    {
        char *text = weir_snapshot_audit(&s);
        std::string copy = text != nullptr ? text : "";
        std::free(text);
        return copy;
    }
};

TEST(Audit, BooksThatBalanceSayNothing)
{
    EXPECT_EQ(Books().audit(), "");
}

TEST(Audit, AStageThatLostOneIsNamed)
{
    Books b;
    b.stage[1].out = 89;
    EXPECT_EQ(b.audit(), "admit of ingress.0: 100 in, 99 out or dropped");
}

TEST(Audit, APacketLostBetweenStagesIsNamed)
{
    Books b;
    b.stage[0].in = b.stage[0].out = 99;
    EXPECT_EQ(b.audit(), "validate of ingress.0: 100 handed over, 99 in");
}

TEST(Audit, BothEndsOfARingAreCompared)
{
    Books b;
    b.ring.pushed = 89;
    EXPECT_EQ(b.audit(), "outbox of ingress.0: 90 left the stages, 89 pushed or refused");
    b.ring.refused = 1;
    EXPECT_EQ(b.audit(), "inbox of out.0: 89 pushed, 90 received");
}

TEST(Audit, CopiesAreComparedWithTheRingsOfTheTeeOnly)
{
    Books b;
    weir_snapshot_ring both[2] = {b.ring, b.ring};
    both[1].to = "copies", both[1].copies = true, both[1].pushed = 70, both[1].refused = 30;
    b.s.rings = both, b.s.n_rings = 2;
    b.worker[0].copied = 100;
    EXPECT_EQ(b.audit(), "");
    both[1].refused = 29;
    EXPECT_EQ(b.audit(), "tee of ingress.0: 100 copied, 99 pushed or refused");
}

TEST(Audit, WhileItRunsOnlyTheImpossibleIsReported)
{
    Books b;
    b.s.ledger.final = false;
    b.stage[1].out = 60;
    b.worker[1].received = 50;
    EXPECT_EQ(b.audit(), "") << "packets are under way";
    b.stage[1].out = 91;
    EXPECT_EQ(b.audit(), "admit of ingress.0: 100 in, 101 out or dropped");
}

} // namespace
