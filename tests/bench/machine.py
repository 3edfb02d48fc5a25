# SPDX-License-Identifier: BSD-3-Clause
"""Where a benchmark ran, and what else ran there."""
import os
import platform
import subprocess
import sys

NEAR_TSC = 600  # a cache line goes and comes back in less: the two cores are near
HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"


def two_cpus():
    cpus = sorted(os.sched_getaffinity(0))[-2:]
    if len(cpus) < 2:
        print("scripts/bench: this needs two CPUs", file=sys.stderr)
        sys.exit(69)
    return cpus


def placement(trips):
    """Of all that was measured between these round trips."""
    return "near" if max(trips) < NEAR_TSC else "far" if min(trips) >= NEAR_TSC else "mixed"


def pages(megabytes):
    """As weir with `memory: auto`: hugepages, if all of it fits into the free ones."""
    try:
        with open(HUGEPAGES, encoding="ascii") as file:
            return "hugepages" if int(file.read()) * 2 >= megabytes else "normal"
    except OSError:
        return "normal"


def describe(cpus, tsc_hz):
    return {"cpu": first_line("/proc/cpuinfo", "model name"), "cpus": cpus, "tsc_hz": tsc_hz, "kernel": platform.release(),
            "dpdk": version("libdpdk")}


def version(package):
    said = subprocess.run(["pkg-config", "--modversion", package], stdout=subprocess.PIPE, text=True, check=False)
    return said.stdout.strip() or "unknown"


def first_line(path, key):
    with open(path, encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(key)), "unknown")


def cpu_seconds():
    """Of the whole machine, by who took them: since it started, and of us and our children that have ended."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = (int(n) / os.sysconf("SC_CLK_TCK") for n in file.readline().split()[1:9])
    return {"all": user + nice + system + irq + softirq, "own": sum(os.times()[:4]), "stolen": steal}


class Beside:
    """What else ran: load average, and the CPUs that others and the hypervisor took meanwhile."""

    def __init__(self):
        self.load, self.start, self.uptime = os.getloadavg()[0], cpu_seconds(), os.times().elapsed

    def so_far(self):
        now, passed = cpu_seconds(), max(os.times().elapsed - self.uptime, 0.01)
        took = {key: now[key] - self.start[key] for key in now}
        return {"seconds": round(passed, 1), "load_average_before": round(self.load, 2),
                "others_cpus": round(max(0.0, took["all"] - took["own"]) / passed, 2), "stolen_cpus": round(took["stolen"] / passed, 2)}
