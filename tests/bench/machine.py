# SPDX-License-Identifier: BSD-3-Clause
"""What every benchmark says about where it ran, and how it shows its figures."""
import os
import platform
import subprocess
import sys

NEAR_TSC = 600  # a cache line goes and comes back in less: the two cores are near


def two_cpus():
    cpus = sorted(os.sched_getaffinity(0))[-2:]
    if len(cpus) < 2:
        print("scripts/bench: this needs two CPUs", file=sys.stderr)
        sys.exit(69)
    return cpus


def describe(cpus, tsc_hz, load_before):
    return {
        "cpu": first_line("/proc/cpuinfo", "model name"),
        "cpus": cpus,
        "tsc_hz": tsc_hz,
        "kernel": platform.release(),
        "dpdk": version("libdpdk"),
        "load_average_before": load_before,
    }


def version(package):
    said = subprocess.run(["pkg-config", "--modversion", package], stdout=subprocess.PIPE, text=True, check=False)
    return said.stdout.strip() or "unknown"


def first_line(path, key):
    with open(path, encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(key)), "unknown")


def headline(name, m):
    return (f"{name} on {m['cpu']}, CPUs {m['cpus'][0]} and {m['cpus'][1]}, TSC {m['tsc_hz'] / 1e9:.2f} GHz, "
            f"DPDK {m['dpdk']}, Linux {m['kernel']}")


def tell(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def between(pair):
    return f"[{pair[0]:g}, {pair[1]:g}]"


def print_columns(header, rows):
    table = [header] + rows
    widths = [max(map(len, column)) for column in zip(*table)]
    for line in table:
        print(line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:])), sep="  ")
