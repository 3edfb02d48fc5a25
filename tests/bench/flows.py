#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a packet costs in the flow table by the number of flows, beside rte_hash.  Started by scripts/bench.

    scripts/bench flows [--json] [--svg FILE]

The stage `meter` with the 1 024 shards of a pool, and rte_hash with the same keys, precomputed hashes and records, take the same
descriptors in the same process, in turns: look up, update, insert, age, in hugepages if enough are free (3400 of 2 MiB for all sizes). A figure is the median over rounds, a
ratio is taken within a round. `weir, whole path` is a running weir: generator, validate, meter, sink on one worker.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys

from machine import describe, headline, print_columns, tell, two_cpus

SIZES = [1 << n for n in range(10, 25, 2)]  # 1 k to 16 M
HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
PATH = (1 << 16, 1 << 22)
TARGET, TARGET_GROWTH = 1.7, 3.2
BLOCK = 64 * 32


def pages(megabytes):
    """As weir with `memory: auto`: hugepages, if all of it fits into the free ones."""
    try:
        with open(HUGEPAGES, encoding="ascii") as file:
            return "hugepages" if int(file.read()) * 2 >= megabytes else "normal"
    except OSError:
        return "normal"


def table(build, flows, rounds, quick):
    blocks = 20 if quick else max(400, min(8 * flows // BLOCK, 4000))  # each flow some times, so that a turn is long beside its first misses
    megabytes = 128 + (flows * 400 >> 20)
    done = subprocess.run([os.path.join(build, "tests/bench/flows"), *map(str, (flows, rounds, blocks, megabytes)), pages(megabytes)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"scripts/bench flows: {flows} flows ended with {done.returncode}: {done.stderr}")
    *seen, end = map(json.loads, done.stdout.splitlines())
    return seen, {**end, "pages": pages(megabytes)}


def path(build, flows, cpu, seconds):
    text = (f'version: 1\nlisten: off\nmemory: {pages(64 + (flows >> 13))}\nlog: error\ncpus: "{cpu}"\nstop-after: {seconds}s\n'
            f"ports: {{in: {{generator: {{flows: {flows}, size: 60}}}}}}\n"
            f"pools: {{all: {{from: [in], stages: [validate, {{meter: {{max-flows: {flows * 5 // 4}}}}}, sink]}}}}\n")
    done = subprocess.run([os.path.join(build, "weir"), "run", "--json", "--progress", "0", "-"], input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(f"scripts/bench flows: weir ended with {done.returncode}: {done.stderr}")
    worker = json.loads(done.stdout)["workers"][0]
    return worker["busy_tsc"] / worker["received"]


def plot(rows, file):
    """Cycles a packet over flows, the latter logarithmic."""
    width, height, left, bottom = 720, 420, 60, 50
    high = max(r["cycles_per_packet"] for r in rows) * 1.1
    first, last = math.log2(SIZES[0]), math.log2(max(r["flows"] for r in rows))

    def at(flows, cycles):
        x = left + (math.log2(flows) - first) / max(last - first, 1) * (width - left - 130)
        return f"{x:.1f},{height - bottom - cycles / high * (height - bottom - 20):.1f}"

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>']
    for flows in sorted({r["flows"] for r in rows}):
        x, y = at(flows, 0).split(",")
        out.append(f'<text x="{x}" y="{float(y) + 18:.1f}" text-anchor="middle">{spell(flows)}</text>')
    step = 10 ** math.floor(math.log10(high))
    step = step / 2 if high / step < 4 else step
    for i in range(int(high / step) + 1):
        (x1, y), x2 = at(SIZES[0], i * step).split(","), at(2 ** last, 0).split(",")[0]
        out.append(f'<line x1="{x1}" y1="{y}" x2="{x2}" y2="{y}" stroke="#ddd"/><text x="{left - 8}" y="{float(y) + 4:.1f}" '
                   f'text-anchor="end">{i * step:g}</text>')
    for name, colour in zip(dict.fromkeys(r["table"] for r in rows), ("#0a6", "#c40", "#46c")):
        points = [at(r["flows"], r["cycles_per_packet"]) for r in rows if r["table"] == name]
        x, y = points[-1].split(",")
        out.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{float(x) + 6:.1f}" y="{y}" fill="{colour}">{name}</text>')
    out.append(f'<text x="{left}" y="{height - 8}">flows; TSC cycles a packet: look up, update, insert, age</text></svg>')
    with open(file, "w", encoding="utf-8") as to:
        to.write("\n".join(out) + "\n")


def spell(n):
    return f"{n >> 20} M" if n >= 1 << 20 else f"{n >> 10} k"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench flows")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--svg", metavar="FILE", help="draw the figures there")
    parser.add_argument("--quick", action="store_true", help="few rounds up to 64 k: whether it works, not what it costs")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    given = parser.parse_args()
    rounds = 3 if given.quick else given.rounds
    load_before, cpus, tsc_hz, rows = os.getloadavg()[0], two_cpus(), 0, []
    os.sched_setaffinity(0, {cpus[1]})
    for flows in SIZES[:4] if given.quick else SIZES:
        tell(f"{spell(flows)} flows")
        seen, end = table(given.build, flows, rounds, given.quick)
        tsc_hz = end["tsc_hz"]
        ratio = statistics.median(r["rte_hash"] / r["weir"] for r in seen)
        for name in ("weir", "rte_hash"):
            rows.append({"table": name, "flows": flows, "cycles_per_packet": round(statistics.median(r[name] for r in seen), 2),
                         "pages": end["pages"], "bytes_per_flow": end[name + "_bytes"], "ratio_rte_hash": round(ratio, 3) if name == "weir" else 1.0})
    os.sched_setaffinity(0, set(cpus))
    growth = []
    costs = {flows: [] for flows in PATH}
    for number in range(1 if given.quick else rounds):
        tell(f"whole path, round {number + 1}")
        for flows in PATH:  # long enough to have seen most flows
            costs[flows].append(path(given.build, flows, cpus[1], 1 if given.quick or flows == PATH[0] else 4))
        growth.append(costs[PATH[1]][-1] / costs[PATH[0]][-1])
    tell("")
    for flows in PATH:
        rows.append({"table": "weir, whole path", "flows": flows, "cycles_per_packet": round(statistics.median(costs[flows]), 2),
                     "pages": pages(64 + (flows >> 13)), "bytes_per_flow": None, "ratio_rte_hash": None})
    held = [r for r in rows if r["table"] == "weir" and 1 << 16 <= r["flows"] <= 1 << 22]
    least, grown = min(r["ratio_rte_hash"] for r in held), statistics.median(growth)
    result = {"bench": "flows", "rounds": rounds, "machine": describe(cpus, tsc_hz, load_before), "rows": rows,
              "least_ratio_64k_to_4M": least, "target": TARGET, "growth_64k_to_4M": round(grown, 3), "target_growth": TARGET_GROWTH}
    if given.svg:
        plot(rows, given.svg)
    if given.json:
        print(json.dumps(result, indent=1))
        return
    print(headline("flows", result["machine"]))
    print(f"{rounds} rounds, load average before: {load_before:.2f}\n")
    print_columns(["table", "flows", "cycles/packet", "pages", "bytes/flow", "rte_hash / this"],
                  [[r["table"], spell(r["flows"]), f"{r['cycles_per_packet']:.1f}", r["pages"],
                    "" if r["bytes_per_flow"] is None else f"{r['bytes_per_flow']:.0f}",
                    "" if r["ratio_rte_hash"] is None else f"{r['ratio_rte_hash']:.2f}"] for r in rows])
    print(f"\nFrom 64 k to 4 M flows at least {least:.2f} times faster than rte_hash; target: {TARGET} "
          f"({'reached' if least >= TARGET else 'not reached'}). The whole path grows {grown:.2f} times; target: at most "
          f"{TARGET_GROWTH} ({'reached' if grown <= TARGET_GROWTH else 'not reached'}).")


if __name__ == "__main__":
    main()
