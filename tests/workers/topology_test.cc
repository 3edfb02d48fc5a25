/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/topology.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sched.h>
#include <set>
#include <string>

namespace {

struct Free {
    void operator()(weir_topology *t) const
    {
        weir_topology_free(t);
    }
};
using Topology = std::unique_ptr<weir_topology, Free>;

Topology load(
    const char *cpus, char *error, size_t size, const char *file = nullptr, const char *sysfs = nullptr)
{
    weir_topology_question q = {};
    q.cpus = cpus;
    q.file = file;
    q.sysfs = sysfs;
    return Topology(weir_topology_load(&q, error, size));
}

std::string failure(const char *cpus, const char *file = nullptr)
{
    char error[512] = "";
    Topology t = load(cpus, error, sizeof error, file);
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
    Topology all = load("auto", error, sizeof error);
    ASSERT_NE(all, nullptr) << error;
    EXPECT_EQ(all->n_cpus, static_cast<uint32_t>(CPU_COUNT(&before)));
    EXPECT_GE(all->n_cpus, all->n_cores);

    uint32_t last = all->cpus[all->n_cpus - 1].cpu;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    bind_all_threads(one);
    Topology narrow = load("auto", error, sizeof error);
    bind_all_threads(before);
    ASSERT_NE(narrow, nullptr) << error;
    ASSERT_EQ(narrow->n_cpus, 1u);
    EXPECT_EQ(narrow->cpus[0].cpu, last);
}

TEST(Topology, AListPicksAndExcludes)
{
    char error[512];
    Topology all = load("auto", error, sizeof error);
    ASSERT_NE(all, nullptr);
    if (all->n_cpus < 2)
        GTEST_SKIP() << "one CPU";
    std::string first = std::to_string(all->cpus[0].cpu);
    Topology one = load(first.c_str(), error, sizeof error);
    ASSERT_NE(one, nullptr) << error;
    EXPECT_EQ(one->n_cpus, 1u);
    EXPECT_EQ(one->n_spare, all->n_cpus + all->n_siblings - 1) << "for what is no worker";
    EXPECT_EQ(all->n_spare, 0u);
    EXPECT_NE(one->cpus[1].cpu, one->cpus[0].cpu);
    Topology rest = load(("!" + first).c_str(), error, sizeof error);
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

/* A kernel's list of isolated CPUs, in a folder of its own. */
class Sysfs {
  public:
    Sysfs(const std::string &isolated, const std::string &nohz_full)
    {
        std::string name = std::filesystem::temp_directory_path() / "weir-sysfs-XXXXXX";
        path = mkdtemp(name.data());
        std::ofstream(path / "isolated") << isolated << "\n";
        std::ofstream(path / "nohz_full") << nohz_full << "\n";
    }
    ~Sysfs()
    {
        std::filesystem::remove_all(path);
    }
    std::filesystem::path path;
};

TEST(Topology, IsolatedCpusAreMarkedAndMayBeUsedThoughTheAffinityLacksThem)
{
    char error[512];
    cpu_set_t before, rest;
    Topology all = load("auto", error, sizeof error);
    ASSERT_NE(all, nullptr);
    if (all->n_cpus < 2)
        GTEST_SKIP() << "one CPU";
    uint32_t last = all->cpus[all->n_cpus - 1].cpu;
    Sysfs sysfs(std::to_string(last), "(null)");
    ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    rest = before;
    CPU_CLR(last, &rest); /* as every process is born where isolcpus= has it */
    bind_all_threads(rest);
    Topology t = load("auto", error, sizeof error, nullptr, sysfs.path.c_str());
    Topology unaware = load("auto", error, sizeof error);
    bind_all_threads(before);
    ASSERT_NE(t, nullptr) << error;
    ASSERT_EQ(t->n_cpus, all->n_cpus);
    for (uint32_t i = 0; i < t->n_cpus; i++)
        EXPECT_EQ(t->cpus[i].isolated, t->cpus[i].cpu == last);
    ASSERT_NE(unaware, nullptr);
    EXPECT_EQ(unaware->n_cpus, all->n_cpus - 1)
        << "nothing says that it is isolated: the affinity is somebody's wish";
}

TEST(Topology, NohzFullCountsAsIsolated)
{
    char error[512];
    Topology all = load("auto", error, sizeof error);
    ASSERT_NE(all, nullptr);
    uint32_t first = all->cpus[0].cpu;
    Sysfs sysfs("", std::to_string(first));
    Topology t = load("auto", error, sizeof error, nullptr, sysfs.path.c_str());
    ASSERT_NE(t, nullptr);
    EXPECT_TRUE(t->cpus[0].isolated);
    EXPECT_EQ(t->n_cpus, all->n_cpus);
}

TEST(Topology, AFileThatIsNoTopologyIsAnErrorWithARemedy)
{
    EXPECT_NE(failure("auto", "/nonexistent.xml").find("lstopo"), std::string::npos);
    EXPECT_NE(failure("auto", "/dev/null").find("/dev/null: "), std::string::npos);
}

} // namespace
