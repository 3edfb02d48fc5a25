#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What each step of a packet costs, for `weir plan --rate`.  Started by scripts/bench.

    scripts/bench costs --json > costs.json; weir plan --rate 10Mpps --costs costs.json FILE

Each shape of a pipeline runs saturated; a worker's busy cycles by the packets that it received are its cost. A step's
cost is the difference of two shapes, of medians over rounds that go through all shapes. `sink` counts as nothing: what
it does, giving packets back, is in the step that is measured with it (`receive`, `take`).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

from machine import describe, headline, print_columns, tell, two_cpus

FLOWS = 65536
ONE = "all: {{from: [in], stages: [{}]}}"
TWO = ("first: {{from: [in], stages: [validate]}}, second: {{from: [first], shard-by: flow, on-full: block, "
       "stages: [{}]}}")
GENERATOR = f"in: {{generator: {{flows: {FLOWS}, size: 60}}}}"
NULL = 'in: {vdev: "net_null0,size=60"}'

# shape: ports, pools
SHAPES = {
    "generator": (GENERATOR, ONE.format("sink")),
    "validate": (GENERATOR, ONE.format("validate, sink")),
    "admit": (GENERATOR, ONE.format("validate, {admit: {rate: max}}, sink")),
    "classify": (GENERATOR, ONE.format("validate, classify, sink")),
    "meter": (GENERATOR, ONE.format("validate, {meter: {max-flows: 128k}}, sink")),
    "burn": (GENERATOR, ONE.format("{burn: {cycles: 1000}}, sink")),
    "vdev": (NULL, ONE.format("sink")),
    "transmit": (GENERATOR + ', out: {vdev: "net_null0"}', ONE.format("{transmit: {in: out}}")),
    "reflect": (NULL, ONE.format("reflect")),
    "write": (GENERATOR, ONE.format("{write: {file: /dev/null}}")),
    "tee": (GENERATOR, "first: {from: [in], stages: [validate, {tee: second}, sink]}, "
                       "second: {from: [first], shard-by: flow, on-full: drop, stages: [sink]}"),
    "rings": (GENERATOR, TWO.format("sink")),
}


def measure(build, shape, cpus, seconds):
    ports, pools = SHAPES[shape]
    text = (f'version: 1\nlisten: off\nmemory: normal\nlog: error\ncpus: "{",".join(map(str, cpus))}"\n'
            f"stop-after: {seconds}s\nports: {{{ports}}}\npools: {{{pools}}}\n")
    if "classify" in pools:
        text += "classes: [dns: {match: udp port 53}]\n"
    done = subprocess.run([os.path.join(build, "weir"), "run", "--json", "--progress", "0", "-"], input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(f"scripts/bench costs: weir ended with {done.returncode} on shape {shape}: {done.stderr}")
    end = json.loads(done.stdout)
    return [w["busy_tsc"] / w["received"] for w in end["workers"]], end["tsc_hz"]


def round_trip(build, cpus):
    done = subprocess.run([os.path.join(build, "tests/bench/line_round_trip"), *map(str, cpus)], stdout=subprocess.PIPE,
                          check=True, text=True)
    return json.loads(done.stdout)["median"]


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench costs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one round: whether it works, not what it costs")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    load_before = os.getloadavg()
    cpus, seen, trips, tsc_hz = two_cpus(), {shape: [] for shape in SHAPES}, [], 0
    for number in range(rounds):
        for shape in SHAPES:
            tell(f"round {number + 1} of {rounds}: {shape}")
            trips.append(round_trip(given.build, cpus))
            workers, tsc_hz = measure(given.build, shape, cpus, 1)
            seen[shape].append(workers)
    tell("")
    m = {shape: [statistics.median(column) for column in zip(*rows)] for shape, rows in seen.items()}

    def less(shape, other, by=0):
        return round(max(0.0, m[shape][0] - m[other][0] - by), 1)

    result = {
        "suite": "costs",
        "machine": {**describe(cpus, tsc_hz, load_before), "line_round_trip_tsc": statistics.median(trips), "rounds": rounds},
        "cycles_per_packet": {
            "receive": {"generator": round(m["generator"][0], 1), "vdev": round(m["vdev"][0], 1)},
            "stage": {"validate": less("validate", "generator"), "classify": less("classify", "validate"), "admit": less("admit", "validate"),
                      "meter": less("meter", "validate"), "burn": less("burn", "generator", 1000),
                      "transmit": less("transmit", "generator"), "reflect": less("reflect", "vdev"),
                      "write": less("write", "generator"), "tee": less("tee", "validate"), "sink": 0},
            "ring": {"put": less("rings", "validate"), "take": round(m["rings"][1], 1)},
        },
    }
    if given.json:
        print(json.dumps(result, indent=1))
        return
    print(headline("what a step costs", result["machine"]))
    print(f"64-byte frames, {FLOWS} flows; line round trip {statistics.median(trips):.0f} TSC cycles; {rounds} rounds")
    print_columns(["step", "cycles a packet"], [[f"{group} {name}", f"{cost:.1f}"]
                                                for group, costs in result["cycles_per_packet"].items()
                                                for name, cost in costs.items()])


if __name__ == "__main__":
    main()
