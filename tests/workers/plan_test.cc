/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/plan.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <set>
#include <vector>

namespace {

struct Planned {
    std::vector<weir_plan_worker> workers;
    std::vector<uint32_t> control;
};

Planned plan(uint32_t n_workers, uint32_t n_cpus)
{
    std::vector<uint8_t> memory(sizeof(weir_topology) + n_cpus * sizeof(weir_cpu));
    auto *t = reinterpret_cast<weir_topology *>(memory.data());
    t->n_cpus = t->n_cores = n_cpus;
    for (uint32_t i = 0; i < n_cpus; i++)
        t->cpus[i] = {10 + i, i, 0};
    Planned p;
    p.workers.resize(n_workers);
    p.control.resize(n_cpus);
    weir_plan made = {};
    made.n_workers = n_workers;
    made.workers = p.workers.data();
    made.control_cpus = p.control.data();
    weir_plan_cpus(&made, t);
    p.control.resize(made.n_control_cpus);
    return p;
}

TEST(Plan, OneWorkerACpuAndTheControlThreadApart)
{
    Planned p = plan(3, 4);
    std::set<uint32_t> cpus;
    for (auto &w : p.workers) {
        EXPECT_FALSE(w.shares_cpu);
        cpus.insert(w.cpu);
    }
    EXPECT_EQ(cpus.size(), 3u);
    ASSERT_EQ(p.control.size(), 1u);
    EXPECT_EQ(cpus.count(p.control[0]), 0u);
}

TEST(Plan, AsManyWorkersAsCpusLeaveTheControlThreadToFloat)
{
    Planned p = plan(2, 2);
    EXPECT_FALSE(p.workers[0].shares_cpu);
    EXPECT_FALSE(p.workers[1].shares_cpu);
    EXPECT_NE(p.workers[0].cpu, p.workers[1].cpu);
    EXPECT_EQ(p.control.size(), 2u);
}

TEST(Plan, MoreWorkersThanCpusShareAndSaySo)
{
    Planned p = plan(3, 2);
    EXPECT_TRUE(p.workers[0].shares_cpu);
    EXPECT_FALSE(p.workers[1].shares_cpu);
    EXPECT_TRUE(p.workers[2].shares_cpu);
    EXPECT_EQ(p.workers[0].cpu, p.workers[2].cpu);
}

TEST(Plan, LcoresAreNumberedFromOne)
{
    Planned p = plan(5, 2);
    for (uint32_t i = 0; i < 5; i++)
        EXPECT_EQ(p.workers[i].lcore, i + 1);
}

} // namespace
