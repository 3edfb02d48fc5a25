#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What finding the class of a packet costs, by the number and the kind of classes.  Started by scripts/bench.

One worker on one CPU takes frames of a generator, saturated: its busy cycles by the packets that it received. Rounds
alternate their order; a row is the median over the rounds, and its ratio to one class is taken within a round. The
generator's packets match none of the classes: the longest way.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

from machine import between, describe, headline, print_columns, tell, two_cpus

FLOWS = 65536
TARGET = 2.0  # 64 classes of the table, as a part of one


def simple(n):
    return [f"udp dst port {i + 1}" if i % 2 else f"tcp port {i + 1} or udp src port {i + 501}" for i in range(n)]


def compiled(n):
    return [f"udp and host 192.0.2.{i + 1}" for i in range(n)]


# row: kind, expressions
ROWS = {"none": ("-", []),
        **{f"{n} simple": ("table", simple(n)) for n in (1, 8, 64)},
        **{f"{n} compiled": ("program", compiled(n)) for n in (1, 8, 64)},
        "64 simple, 8 compiled": ("both", simple(64) + compiled(8))}


def measure(build, expressions, cpu, seconds):
    classes = "".join(f'  - c{i}: {{match: "{e}"}}\n' for i, e in enumerate(expressions))
    text = (f'version: 1\nlisten: off\nmemory: normal\nlog: error\ncpus: "{cpu}"\nstop-after: {seconds}s\n'
            f"ports: {{in: {{generator: {{flows: {FLOWS}, size: 60}}}}}}\n"
            + (f"classes:\n{classes}" if classes else "")
            + f"pools: {{all: {{from: [in], stages: [validate,{' classify,' if classes else ''} sink]}}}}\n")
    done = subprocess.run([os.path.join(build, "weir"), "run", "--json", "--progress", "0", "-"], input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(f"scripts/bench classes: weir ended with {done.returncode}: {done.stderr}")
    end = json.loads(done.stdout)
    worker = end["workers"][0]
    return worker["busy_tsc"] / worker["received"], end["tsc_hz"]


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench classes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round: whether it works, not what it costs")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    load_before, cpus, tsc_hz = os.getloadavg()[0], two_cpus(), 0
    seen = {name: [] for name in ROWS}
    for number in range(rounds):
        for name in list(ROWS)[::-1 if number % 2 else 1]:
            tell(f"round {number + 1} of {rounds}: {name}")
            cost, tsc_hz = measure(given.build, ROWS[name][1], cpus[1], 1)
            seen[name].append(cost)
    tell("")
    rows = []
    for name, (kind, expressions) in ROWS.items():
        stage = [max(0.0, cost - none) for cost, none in zip(seen[name], seen["none"])]
        ratios = [cost / one for cost, one in zip(seen[name], seen["1 simple"])]
        rows.append({"classes": name, "kind": kind, "n": len(expressions),
                     "cycles_per_packet": round(statistics.median(seen[name]), 1),
                     "classify_cycles": round(statistics.median(stage), 1),
                     "classify_spread": [round(min(stage), 1), round(max(stage), 1)],
                     "ratio_one_class": round(statistics.median(ratios), 3)})
    one, many = (next(r["classify_cycles"] for r in rows if r["classes"] == name) for name in ("1 simple", "64 simple"))
    result = {"bench": "classes", "rounds": rounds, "flows": FLOWS, "machine": describe(cpus, tsc_hz, load_before), "rows": rows,
              "ratio_64_simple_to_1": round(many / one, 3) if one else None, "target": TARGET}
    if given.json:
        print(json.dumps(result, indent=1))
        return
    print(headline("classes", result["machine"]))
    print(f"{rounds} rounds of 1 s, 64-byte frames, {FLOWS} flows, load average before: {load_before:.2f}; one worker: generator, "
          "validate, classify, sink\n")
    print_columns(["classes", "cycles/packet, all", "of that classify", "ratio to 1 simple"],
                  [[r["classes"], f"{r['cycles_per_packet']:.1f}", f"{r['classify_cycles']:.1f} {between(r['classify_spread'])}",
                    f"{r['ratio_one_class']:.3f}"] for r in rows])
    if one:
        print(f"\n64 simple classes take {many / one:.2f} of the cycles of one in the stage itself; target: at most {TARGET:.1f} "
              f"({'reached' if many / one <= TARGET else 'not reached'}).")


if __name__ == "__main__":
    main()
