/* SPDX-License-Identifier: BSD-3-Clause */
/* These suites run beside EAL: no NIC, no hugepages, no privilege. */
#include <gtest/gtest.h>

#include <rte_eal.h>

#include <sched.h>

int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    const char *arguments[] = {"workers_test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
        "256", "--iova-mode=va", "--log-level=*:error", "--lcores", "0"};
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    if (rte_eal_init(sizeof arguments / sizeof arguments[0], const_cast<char **>(arguments)) < 0)
        return 71;
    sched_setaffinity(0, sizeof before, &before); /* EAL has bound this thread to one CPU */
    int result = RUN_ALL_TESTS();
    rte_eal_cleanup();
    return result;
}
