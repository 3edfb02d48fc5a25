#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a packet costs in the flow table by the number of flows, beside rte_hash.

The stage `meter` with the 1 024 shards of a pool, and rte_hash with the same keys, precomputed hashes and records, take the same
descriptors in the same process, in turns: look up, update, insert, age, in hugepages if enough are free (3400 of 2 MiB for all sizes).
A figure is the median over rounds, a ratio is taken within a round. `weir, whole path` is a running weir: generator, validate,
meter, sink on one worker; scripts/bench scaling has it for more numbers of flows.
"""
import json
import os
import statistics
import subprocess
import sys

import plot
from machine import pages
from suite import Failed, config, main, median, places, quartiles, reached

SIZES = [1 << n for n in range(10, 25, 2)]  # 1 k to 16 M
PATH = (1 << 16, 1 << 22)
TARGET, TARGET_GROWTH = 1.7, 3.2
BLOCK = 64 * 32
PATH_NAME = "weir, whole path"


def table(run, flows):
    # Each flow some times, so that a turn is long beside its first misses.
    blocks = 20 if run.quick else max(400, min(8 * flows // BLOCK, 4000))
    megabytes = 128 + (flows * 400 >> 20)
    done = subprocess.run([run.tool("flows"), *map(str, (flows, max(run.rounds, 3), blocks, megabytes)), pages(megabytes)],
                          stdout=subprocess.PIPE, stderr=run.log, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{flows} flows ended with {done.returncode}")
    *seen, end = map(json.loads, done.stdout.splitlines())
    return seen, {**end, "pages": pages(megabytes)}


def path(run, flows, seconds):
    """TSC cycles a packet of one worker that meters so many flows."""
    end = run.weir(config(run.cpus[1:], f"in: {{generator: {{flows: {flows}, size: 60}}}}",
                          f"all: {{from: [in], stages: [validate, {{meter: {{max-flows: {flows * 5 // 4}}}}}, sink]}}",
                          f"memory: {pages(64 + (flows >> 13))}", f"stop-after: {seconds:g}s"))
    worker = end["workers"][0]
    return worker["busy_tsc"] / worker["received"]


def measure(run):
    rows = []
    os.sched_setaffinity(0, {run.cpus[1]})
    for flows in SIZES[:4] if run.quick else SIZES:
        run.tell(f"{places(flows)} flows")
        seen, end = table(run, flows)
        run.tsc_hz = end["tsc_hz"]
        ratios = [r["rte_hash"] / r["weir"] for r in seen]
        for name in ("weir", "rte_hash"):
            rows.append({"table": name, "flows": flows, "cycles_per_packet": median([r[name] for r in seen], 2),
                         "pages": end["pages"], "bytes_per_flow": end[name + "_bytes"],
                         "ratio_rte_hash": median(ratios, 3) if name == "weir" else 1.0,
                         "ratio_rte_hash_quartiles": quartiles(ratios, 3) if name == "weir" else [1.0, 1.0]})
    os.sched_setaffinity(0, set(run.cpus))
    costs = {flows: [] for flows in PATH}
    for number in range(run.rounds):
        run.tell(f"whole path, round {number + 1}")
        for flows in PATH:  # long enough to have seen most flows
            costs[flows].append(path(run, flows, 0.2 if run.quick else 1 if flows == PATH[0] else 3))
    growth = [many / few for few, many in zip(costs[PATH[0]], costs[PATH[1]])]
    for flows in PATH:
        rows.append({"table": PATH_NAME, "flows": flows, "cycles_per_packet": median(costs[flows], 2),
                     "pages": pages(64 + (flows >> 13)), "bytes_per_flow": None, "ratio_rte_hash": None, "ratio_rte_hash_quartiles": None})
    held = [r for r in rows if r["table"] == "weir" and 1 << 16 <= r["flows"] <= 1 << 22]
    return {"rows": rows, "least_ratio_64k_to_4M": min(r["ratio_rte_hash"] for r in held), "target": TARGET,
            "growth_64k_to_4M": round(statistics.median(growth), 3), "target_growth": TARGET_GROWTH}


def ratio(r):
    low_high = r["ratio_rte_hash_quartiles"]
    return "" if low_high is None else f"{r['ratio_rte_hash']:.2f} [{low_high[0]:.2f}, {low_high[1]:.2f}]"


def report(result):
    rows, least, grown = result["rows"], result["least_ratio_64k_to_4M"], result["growth_64k_to_4M"]
    sizes = sorted({r["flows"] for r in rows})
    of = {(r["table"], r["flows"]): r["cycles_per_packet"] for r in rows}
    return {
        "tables": [("TSC cycles a packet: look up, update, insert, age",
                    ["table", "flows", "cycles/packet", "pages", "bytes/flow", "rte_hash / this"],
                    [[r["table"], places(r["flows"]), f"{r['cycles_per_packet']:.1f}", r["pages"],
                      "" if r["bytes_per_flow"] is None else f"{r['bytes_per_flow']:.0f}", ratio(r)] for r in rows])],
        "lines": [f"From 64 k to 4 M flows at least {least:.2f} times faster than rte_hash; at least {TARGET} {reached(least >= TARGET)}.",
                  f"The whole path grows {grown:.2f} times from 64 k to 4 M flows; at most {TARGET_GROWTH} "
                  f"{reached(grown <= TARGET_GROWTH)}."],
        "picture": plot.draw("TSC cycles a packet by flows: look up, update, insert, age", result["machine"]["cpu"],
                             [places(n) for n in sizes],
                             {"flows": {name: [of.get((name, n)) for n in sizes] for name in ("weir", "rte_hash", PATH_NAME)}})}


if __name__ == "__main__":
    sys.exit(main("flows", __doc__, measure, report, 5))
