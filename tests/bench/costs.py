#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What each step of a packet costs, for `weir plan --rate`.

    scripts/bench costs --json > costs.json; weir plan --rate 10Mpps --costs costs.json FILE

Each shape of a pipeline runs saturated; a worker's busy cycles by the packets that it received are its cost. A step's
cost is the difference of two shapes, of medians over rounds that go through all shapes. `sink` counts as nothing: what
it does, giving packets back, is in the step that is measured with it (`receive`, `take`).
"""
import statistics
import sys

import plot
from suite import config, main

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


def cost(run, shape):
    ports, pools = SHAPES[shape]
    end = run.weir(config(run.cpus, ports, pools, f"stop-after: {'200ms' if run.quick else '700ms'}",
                          *(["classes: [dns: {match: udp port 53}]"] if "classify" in pools else [])))
    return [w["busy_tsc"] / w["received"] for w in end["workers"]]


def measure(run):
    seen = {shape: [] for shape in SHAPES}
    for number in range(run.rounds):
        for shape in SHAPES:
            run.tell(f"round {number + 1} of {run.rounds}: {shape}")
            if shape in ("generator", "rings"):
                run.trip()
            seen[shape].append(cost(run, shape))
    m = {shape: [statistics.median(column) for column in zip(*rows)] for shape, rows in seen.items()}

    def less(shape, other, by=0):
        return round(max(0.0, m[shape][0] - m[other][0] - by), 1)

    return {
        "cycles_per_packet": {
            "receive": {"generator": round(m["generator"][0], 1), "vdev": round(m["vdev"][0], 1)},
            "stage": {"validate": less("validate", "generator"), "classify": less("classify", "validate"), "admit": less("admit", "validate"),
                      "meter": less("meter", "validate"), "burn": less("burn", "generator", 1000),
                      "transmit": less("transmit", "generator"), "reflect": less("reflect", "vdev"),
                      "write": less("write", "generator"), "tee": less("tee", "validate"), "sink": 0},
            "ring": {"put": less("rings", "validate"), "take": round(m["rings"][1], 1)},
        },
    }


def report(result):
    steps = {f"{group} {name}": cycles for group, costs in result["cycles_per_packet"].items() for name, cycles in costs.items()}
    return {"tables": [(f"64-byte frames, {FLOWS} flows; differences of medians over {result['rounds']} rounds", ["step", "TSC cycles a packet"],
                        [[name, f"{cycles:.1f}"] for name, cycles in steps.items()])],
            "lines": [],
            "picture": plot.draw("TSC cycles a packet, step by step", result["machine"]["cpu"],
                                 [name.partition(" ")[2] for name in steps], {"": {"cycles": list(steps.values())}}, bars=True)}


if __name__ == "__main__":
    sys.exit(main("costs", __doc__, measure, report, 3))
