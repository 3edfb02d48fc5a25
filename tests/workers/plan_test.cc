/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/plan.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace {

/* A machine of packages, each of nodes, each of caches, each of cores, each of threads; CPUs numbered in that order. */
struct Machine {
    std::vector<uint8_t> memory;
    weir_topology *t = nullptr;

    Machine(uint32_t packages, uint32_t nodes, uint32_t caches, uint32_t cores, uint32_t threads = 1)
    {
        uint32_t n = packages * nodes * caches * cores * threads;
        memory.resize(sizeof(weir_topology) + n * sizeof(weir_cpu));
        t = reinterpret_cast<weir_topology *>(memory.data());
        for (uint32_t i = 0; i < n; i++) {
            uint32_t core = i / threads, cache = core / cores, node = cache / caches, package = node / nodes;
            weir_cpu c = {};
            c.cpu = i;
            c.core = core;
            c.cache = cache;
            c.package = package;
            c.node = static_cast<int32_t>(node);
            c.sibling = i % threads != 0;
            t->cpus[t->n_cpus++] = c;
            t->n_cores += !c.sibling;
        }
    }
    /* The last so many are not on the list. */
    void spare(uint32_t n)
    {
        t->n_cpus -= n;
        t->n_spare = n;
    }
    /* Port `bit` is a device of this node. */
    void device(uint32_t bit, int32_t node)
    {
        t->devices[bit] = {"nic", true, true, node, ""};
        t->n_devices = std::max(t->n_devices, bit + 1);
        for (uint32_t i = 0; i < t->n_cpus; i++)
            t->cpus[i].near |= t->cpus[i].node == node ? UINT64_C(1) << bit : 0;
    }
};

const uint32_t all_ports[] = {0, 1, 2, 3};

/* `in` polls `n_ports` ports and feeds `work`, which feeds `out`; a pool without workers is left out. */
struct Planned {
    std::unique_ptr<weir_plan, decltype(&weir_plan_free)> plan{nullptr, weir_plan_free};

    Planned(const Machine &machine, uint32_t in, uint32_t work = 0, uint32_t out = 0, uint32_t n_ports = 1,
        bool by_queue = false)
    {
        const char *names[] = {"in", "work", "out"};
        const uint32_t sizes[] = {in, work, out};
        std::vector<weir_plan_pool> pools;
        uint32_t first = 0;
        for (int i = 0; i < 3 && sizes[i] != 0; i++) {
            weir_plan_pool p = {};
            p.name = names[i];
            p.first_worker = first;
            p.n_workers = sizes[i];
            p.feeds = i < 2 && sizes[i + 1] != 0 ? 2u << i : 0;
            p.polled = i == 0 ? all_ports : nullptr;
            p.n_polled = i == 0 ? n_ports : 0;
            p.by_queue = by_queue && i == 0;
            p.ports = (UINT64_C(1) << n_ports) - 1;
            pools.push_back(p);
            first += sizes[i];
        }
        plan.reset(weir_plan_new(machine.t, pools.data(), static_cast<uint32_t>(pools.size())));
    }
    const weir_plan_worker &operator[](uint32_t i) const
    {
        return plan->workers[i];
    }
    std::vector<uint32_t> cpus() const
    {
        std::vector<uint32_t> list;
        for (uint32_t i = 0; i < plan->n_workers; i++)
            list.push_back(plan->workers[i].cpu);
        return list;
    }
    std::set<uint32_t> control() const
    {
        return {plan->control_cpus, plan->control_cpus + plan->n_control_cpus};
    }
    bool says(uint32_t i, const char *what) const
    {
        return std::strstr(plan->workers[i].why, what) != nullptr;
    }
};

using Cpus = std::vector<uint32_t>;

TEST(Plan, OneWorkerACoreAndTheControlThreadApartOnTheFirst)
{
    Planned p(Machine(1, 1, 1, 4), 1, 2);
    EXPECT_EQ(p.cpus(), (Cpus{1, 2, 3}));
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT_EQ(p[i].lcore, i + 1);
        EXPECT_FALSE(p[i].shares_cpu);
        EXPECT_TRUE(p.says(i, "a core of its own")) << p[i].why;
    }
    EXPECT_EQ(p.control(), std::set<uint32_t>{0});
}

TEST(Plan, AsManyWorkersAsCoresLeaveTheControlThreadToFloat)
{
    Planned p(Machine(1, 1, 1, 2), 1, 1);
    EXPECT_EQ(p.cpus(), (Cpus{1, 0}));
    EXPECT_FALSE(p[0].shares_cpu || p[1].shares_cpu);
    EXPECT_EQ(p.control(), (std::set<uint32_t>{0, 1}));
}

TEST(Plan, TheControlThreadLeavesAListWhoseCoresAllHaveWorkers)
{
    Machine m(1, 1, 1, 4, 2);
    m.spare(5); /* 3, the sibling of 2, and two cores */
    Planned p(m, 1, 1);
    EXPECT_EQ(p.cpus(), (Cpus{2, 0}));
    EXPECT_EQ(p.control(), (std::set<uint32_t>{4, 5, 6, 7})) << "and not to the sibling of a worker";
    EXPECT_EQ(Planned(m, 1).control(), (std::set<uint32_t>{0, 1})) << "not while there is room";
    m.t->cpus[4].isolated = m.t->cpus[5].isolated = true;
    EXPECT_EQ(Planned(m, 1, 1).control(), (std::set<uint32_t>{6, 7})) << "nor where others are kept away";
}

TEST(Plan, MoreWorkersThanCoresShareEvenlyAndSaySo)
{
    Planned p(Machine(1, 1, 1, 2), 1, 4);
    EXPECT_EQ(p.cpus(), (Cpus{1, 0, 1, 0, 1}));
    for (uint32_t i = 0; i < 5; i++) {
        EXPECT_TRUE(p[i].shares_cpu);
        EXPECT_TRUE(p.says(i, "shares its CPU and yields: 5 workers, 2 CPUs")) << p[i].why;
    }
}

TEST(Plan, SiblingsComeAfterCoresAndBeforeSharing)
{
    Planned p(Machine(1, 1, 1, 2, 2), 1, 2);
    EXPECT_EQ(p.cpus(), (Cpus{2, 0, 3}));
    EXPECT_FALSE(p[2].shares_cpu);
    EXPECT_TRUE(p.says(2, "SMT sibling of another worker's CPU, as `cpus` allows: 3 workers, 2 cores"))
        << p[2].why;
    EXPECT_TRUE(p.says(0, "SMT sibling")) << "it is one from the moment that the other is: " << p[0].why;
    Planned few(Machine(1, 1, 1, 2, 2), 1);
    EXPECT_EQ(few.cpus(), (Cpus{2}));
    EXPECT_EQ(few.control(), (std::set<uint32_t>{0, 1})) << "not on the worker's core";
}

TEST(Plan, WorkersAreLocalToTheirPort)
{
    Machine m(2, 1, 1, 4);
    m.device(0, 1);
    Planned p(m, 1, 2);
    EXPECT_EQ(p.cpus(), (Cpus{4, 5, 6})) << "the first core of that node is as good as any";
    EXPECT_TRUE(p.says(0, "local to nic (node 1)")) << p[0].why;
    EXPECT_EQ(p.plan->mbuf_node, 1);
    EXPECT_EQ(p.control(), (std::set<uint32_t>{0, 1, 2, 3, 7}));
}

TEST(Plan, WhereThereIsNoRoomThePlanSaysSo)
{
    Machine m(2, 1, 1, 2);
    m.device(0, 1);
    Planned p(m, 1, 2);
    EXPECT_EQ(p.cpus(), (Cpus{2, 3, 1}));
    EXPECT_TRUE(p.says(2, "not local to nic (node 1), whose cores all have workers")) << p[2].why;
    EXPECT_TRUE(p.says(2, "not under one cache with in/0, which feeds it (across packages)")) << p[2].why;
    Machine forbidden(2, 1, 1, 2);
    forbidden.device(0, 7);
    Planned q(forbidden, 1);
    EXPECT_TRUE(q.says(0, "not local to nic (node 7), none of whose CPUs may be used")) << q[0].why;
}

TEST(Plan, OfTwoNodesInAPackageTheNearerComesFirstThenTheOther)
{
    Machine m(2, 2, 1, 2);
    m.device(0, 3);
    for (uint32_t i = 4; i < 8; i++)
        m.t->cpus[i].package_near = 1;
    EXPECT_EQ(Planned(m, 1, 3).cpus(), (Cpus{6, 7, 4, 5}));
}

TEST(Plan, APipelineThatFitsUnderACacheIsPutThere)
{
    EXPECT_EQ(Planned(Machine(1, 1, 3, 4), 1, 2, 1).cpus(), (Cpus{4, 5, 6, 7}))
        << "under the first, one core is the kernel's";
    EXPECT_EQ(Planned(Machine(1, 1, 3, 4), 1, 2).cpus(), (Cpus{1, 2, 3}))
        << "the smallest room that is enough";
    Planned p(Machine(1, 1, 3, 4), 1, 4, 1);
    EXPECT_EQ(p.cpus(), (Cpus{4, 5, 6, 7, 1, 2}));
    EXPECT_TRUE(p.says(1, "under one cache with all that feed it")) << p[1].why;
    EXPECT_TRUE(p.says(4, "not under one cache with in/0, which feeds it (in one node)")) << p[4].why;
}

TEST(Plan, IsolatedAndFastCoresArePreferred)
{
    Machine m(1, 1, 1, 6);
    m.t->cpus[4].isolated = m.t->cpus[5].isolated = true;
    Planned p(m, 1, 2);
    EXPECT_EQ(p.cpus(), (Cpus{4, 5, 1}));
    EXPECT_TRUE(p.says(0, "isolated")) << p[0].why;
    EXPECT_TRUE(p.says(2, "not isolated: the isolated cores all have workers")) << p[2].why;
    EXPECT_EQ(p.control(), (std::set<uint32_t>{0, 2, 3}));
    EXPECT_EQ(Planned(m, 1).control(), (std::set<uint32_t>{0, 1, 2, 3})) << "not where others are kept away";

    Machine mixed(1, 1, 1, 4);
    mixed.t->cpus[0].kind = mixed.t->cpus[1].kind = 1;
    Planned q(mixed, 1, 2);
    EXPECT_EQ(q.cpus(), (Cpus{1, 0, 2}));
    EXPECT_TRUE(q.says(2, "a slower core: the faster ones all have workers")) << q[2].why;
}

TEST(Plan, WorkersOfOnePoolAreEachLocalToTheirOwnPort)
{
    Machine m(2, 1, 1, 4);
    m.device(0, 1);
    m.device(1, 0);
    EXPECT_EQ(Planned(m, 2, 0, 0, 2).cpus(), (Cpus{4, 1}));
    Planned one(m, 1, 0, 0, 2);
    EXPECT_TRUE(one.says(0, "as it works for several ports")) << one[0].why;
}

TEST(Plan, WorkersWithAQueueEachAreLocalToThePortsThatTheyShare)
{
    Machine m(2, 1, 1, 4);
    m.device(0, 1);
    EXPECT_EQ(Planned(m, 3, 0, 0, 1, true).cpus(), (Cpus{4, 5, 6}));
}

TEST(Plan, ManyWorkersOnAHugeMachineAllHaveCoresOfTheirOwn)
{
    Machine m(2, 4, 3, 8);
    m.device(0, 4);
    Planned p(m, 1, 64, 8);
    std::set<uint32_t> cores;
    for (uint32_t i = 0; i < p.plan->n_workers; i++)
        cores.insert(p[i].at->core);
    EXPECT_EQ(cores.size(), 73u);
    EXPECT_EQ(p[0].node, 4);
}

TEST(Plan, DistancesAreThoseOfTheMachine)
{
    Machine m(2, 2, 2, 2, 2);
    const enum weir_distance expected[] = {WEIR_DISTANCE_CPU, WEIR_DISTANCE_CORE, WEIR_DISTANCE_CACHE,
        WEIR_DISTANCE_NODE, WEIR_DISTANCE_PACKAGE, WEIR_DISTANCE_MACHINE};
    const uint32_t to[] = {0, 1, 2, 4, 8, 16};
    for (int i = 0; i < 6; i++)
        EXPECT_EQ(weir_cpu_distance(&m.t->cpus[0], &m.t->cpus[to[i]]), expected[i]) << i;
    m.t->cpus[0].cache = m.t->cpus[2].cache = UINT32_MAX;
    EXPECT_EQ(weir_cpu_distance(&m.t->cpus[0], &m.t->cpus[2]), WEIR_DISTANCE_NODE)
        << "no cache that is known";
}

} // namespace
