#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What finding the class of a packet costs, by the number and the kind of classes.

One worker on one CPU takes frames of a generator, saturated: its busy cycles by the packets that it received. Rounds
alternate their order; a row is the median over the rounds, and its ratio to one class is taken within a round. The
generator's packets match none of the classes: the longest way.
"""
import sys

import plot
from suite import config, figure, figures, main, median, reached

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


def cost(run, expressions):
    classes = "".join(f'\n  - c{i}: {{match: "{e}"}}' for i, e in enumerate(expressions))
    end = run.weir(config(run.cpus[1:], f"in: {{generator: {{flows: {FLOWS}, size: 60}}}}",
                          f"all: {{from: [in], stages: [validate,{' classify,' if classes else ''} sink]}}",
                          f"stop-after: {'200ms' if run.quick else '700ms'}", *([f"classes:{classes}"] if classes else [])))
    worker = end["workers"][0]
    return worker["busy_tsc"] / worker["received"]


def measure(run):
    seen = {name: [] for name in ROWS}
    for number in range(run.rounds):
        for name in list(ROWS)[::-1 if number % 2 else 1]:
            run.tell(f"round {number + 1} of {run.rounds}: {name}")
            seen[name].append(cost(run, ROWS[name][1]))
    rows = []
    for name, (kind, expressions) in ROWS.items():
        stage = [max(0.0, one - none) for one, none in zip(seen[name], seen["none"])]
        ratios = [one / other for one, other in zip(seen[name], seen["1 simple"])]
        rows.append({"classes": name, "kind": kind, "n": len(expressions), **figures("cycles_per_packet", seen[name]),
                     **figures("classify_cycles", stage), "ratio_one_class": median(ratios, 3)})
    one, many = (next(r["classify_cycles"] for r in rows if r["classes"] == name) for name in ("1 simple", "64 simple"))
    return {"flows": FLOWS, "rows": rows, "ratio_64_simple_to_1": round(many / one, 3) if one else None, "target": TARGET}


def report(result):
    rows, ratio = result["rows"], result["ratio_64_simple_to_1"]
    lines = [f"64 simple classes take {ratio:.2f} of the cycles of one in the stage itself; at most {TARGET:.1f} "
             f"{reached(ratio <= TARGET)}."] if ratio is not None else []
    return {
        "tables": [(f"One worker: generator of {FLOWS} flows, 64-byte frames, validate, classify, sink. TSC cycles, medians [quartiles]",
                    ["classes", "cycles/packet, all", "of that classify", "ratio to 1 simple"],
                    [[r["classes"], figure(r, "cycles_per_packet"), figure(r, "classify_cycles"), f"{r['ratio_one_class']:.3f}"]
                     for r in rows])],
        "lines": lines,
        "picture": plot.draw("TSC cycles a packet in classify, by the number of classes", result["machine"]["cpu"],
                             ["1", "8", "64"],
                             {"classes": {kind: [next(r["classify_cycles"] for r in rows if r["classes"] == f"{n} {kind}")
                                                 for n in (1, 8, 64)] for kind in ("simple", "compiled")}}, bars=True, log=True)}


if __name__ == "__main__":
    sys.exit(main("classes", __doc__, measure, report, 3))
