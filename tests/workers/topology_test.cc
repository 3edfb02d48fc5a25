/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/topology.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sched.h>
#include <set>
#include <string>

namespace {

struct Free {
    void operator()(void *p) const
    {
        std::free(p);
    }
};
using Topology = std::unique_ptr<weir_topology, Free>;

std::string failure(const char *cpus)
{
    char error[512] = "";
    Topology t(weir_topology_load(cpus, error, sizeof error));
    EXPECT_EQ(t, nullptr) << cpus;
    return error;
}

/* hwloc asks for the whole process, and EAL or a sanitizer may have started threads in it. */
void bind_all_threads(const cpu_set_t &set)
{
    for (auto &task : std::filesystem::directory_iterator("/proc/self/task"))
        sched_setaffinity(std::stoi(task.path().filename()), sizeof set, &set);
}

TEST(Topology, AutoIsWhatTheAffinityAllows)
{
    char error[512];
    cpu_set_t before, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    Topology all(weir_topology_load("auto", error, sizeof error));
    ASSERT_NE(all, nullptr) << error;
    EXPECT_EQ(all->n_cpus, static_cast<uint32_t>(CPU_COUNT(&before)));
    EXPECT_GE(all->n_cpus, all->n_cores);

    uint32_t last = all->cpus[all->n_cpus - 1].cpu;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    bind_all_threads(one);
    Topology narrow(weir_topology_load("auto", error, sizeof error));
    bind_all_threads(before);
    ASSERT_NE(narrow, nullptr) << error;
    ASSERT_EQ(narrow->n_cpus, 1u);
    EXPECT_EQ(narrow->cpus[0].cpu, last);
}

TEST(Topology, AListPicksAndExcludes)
{
    char error[512];
    Topology all(weir_topology_load("auto", error, sizeof error));
    ASSERT_NE(all, nullptr);
    if (all->n_cpus < 2)
        GTEST_SKIP() << "one CPU";
    std::string first = std::to_string(all->cpus[0].cpu);
    Topology one(weir_topology_load(first.c_str(), error, sizeof error));
    ASSERT_NE(one, nullptr) << error;
    EXPECT_EQ(one->n_cpus, 1u);
    Topology rest(weir_topology_load(("!" + first).c_str(), error, sizeof error));
    ASSERT_NE(rest, nullptr) << error;
    EXPECT_EQ(rest->n_cpus, all->n_cpus - 1);
    for (uint32_t i = 0; i < rest->n_cpus; i++)
        EXPECT_NE(rest->cpus[i].cpu, all->cpus[0].cpu);
}

TEST(Topology, BadListsAreErrorsWithARemedy)
{
    for (const char *bad : {"", "x", "1-", "3-1", "1,,2", "99999999999", "0-3x", "!"}) {
        std::string error = failure(bad);
        EXPECT_NE(error.find("CPU"), std::string::npos) << bad << ": " << error;
    }
    EXPECT_NE(failure("65000").find("may use"), std::string::npos);
}

} // namespace
