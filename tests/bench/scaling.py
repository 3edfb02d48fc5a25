#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How weir scales: by flows, by sizes of frames, by workers.

All saturated by a generator. Flows and sizes: one worker with generator, validate, meter, sink; its busy cycles by packets.
Workers: by the packets a second of all of them together. `each its own port` is N workers that run to completion; in
`behind one ingress` one worker receives and N behind rings meter and burn 500 cycles a packet. With more workers than CPUs
(and the generator's CPU is one of them) they take turns: those rows say oversubscribed, and show what that costs, not what
more CPUs would give. Rounds alternate their order; a ratio is to the first row of its table, within a round.
"""
import sys

import plot
from machine import pages
from suite import config, figure, figures, main, median

FLOWS = [1 << n for n in (10, 12, 14, 16, 18, 20, 22)]
SIZES = ("60", "590", "1514", "imix")
BURN = 500
OWN, BEHIND = "each its own port", "behind one ingress"


def generator(flows=65536, size="60"):
    return f"{{generator: {{flows: {flows}, size: {size}}}}}"


def meter(flows):
    return f"{{meter: {{max-flows: {flows * 5 // 4}}}}}"


def one(run, flows, size):
    seconds = 0.2 if run.quick else 2 if flows > 1 << 20 else 0.7
    end = run.weir(config(run.cpus[1:], f"in: {generator(flows, size)}",
                          f"all: {{from: [in], stages: [validate, {meter(flows)}, sink]}}",
                          f"memory: {pages(64 + (flows >> 13))}", f"stop-after: {seconds}s"))
    worker, port = end["workers"][0], end["ports"][0]
    rate = end["tsc_hz"] / end["running_tsc"] / 1e6
    return {"cycles_per_packet": worker["busy_tsc"] / worker["received"], "mpps": end["accepted"] * rate,
            "gbps": port["received_bytes"] * 8 * rate / 1e3}


def several(run, shape, n):
    names = range(n if shape == OWN else 1)
    ports = ", ".join(f"p{i}: {generator()}" for i in names)
    if shape == OWN:
        pools = ", ".join(f"w{i}: {{from: [p{i}], stages: [validate, {meter(65536)}, sink]}}" for i in names)
    else:
        pools = (f"ingress: {{from: [p0], stages: [validate]}}, work: {{from: [ingress], shard-by: flow, on-full: block, workers: {n}, "
                 f"stages: [{{burn: {{cycles: {BURN}}}}}, {meter(65536)}, sink]}}")
    end = run.weir(config(run.cpus, ports, pools, f"stop-after: {0.2 if run.quick else 0.7}s"))
    mpps = end["accepted"] * end["tsc_hz"] / end["running_tsc"] / 1e6
    return {"cycles_per_packet": end["tsc_hz"] / mpps / 1e6, "mpps": mpps, "gbps": mpps * 0.48}


def points(run):
    """(table, label, what is special) -> what to run."""
    all_points = {("flows", n, ""): lambda n=n: one(run, n, "60") for n in (FLOWS[::3] if run.quick else FLOWS)}
    all_points |= {("sizes", size, ""): lambda s=size: one(run, 65536, s) for size in SIZES}
    for shape, most in ((OWN, 4), (BEHIND, 3)):
        for n in range(1, most + 1):
            busy = n if shape == OWN else n + 1
            note = "" if busy <= len(run.cpus) else f"oversubscribed: {busy} workers on {len(run.cpus)} CPUs"
            all_points[(shape, n, note)] = lambda s=shape, n=n: several(run, s, n)
    return all_points


def measure(run):
    todo = points(run)
    seen = {key: [] for key in todo}
    for number in range(run.rounds):
        run.trip()
        for key in list(todo)[::-1 if number % 2 else 1]:
            run.tell(f"round {number + 1} of {run.rounds}: {key[0]} {key[1]}")
            seen[key].append(todo[key]())
    run.trip()
    rows, first = [], {}
    for key, rounds in seen.items():
        table, label, note = key
        base = seen[first.setdefault(table, key)]
        rows.append({"table": table, "point": label, "note": note, "rounds": len(rounds),
                     **figures("cycles_per_packet", [r["cycles_per_packet"] for r in rounds]),
                     "mpps": median([r["mpps"] for r in rounds], 2), "gbps": median([r["gbps"] for r in rounds], 2),
                     **figures("times_the_first", [r["mpps"] / b["mpps"] for r, b in zip(rounds, base)], 2)})
    return {"rows": rows}


def report(result):
    def of(table):
        return [r for r in result["rows"] if r["table"] == table]

    def lines(table, word):
        return [[str(r["point"]), figure(r, "cycles_per_packet"), f"{r['mpps']:.2f}", f"{r['gbps']:.2f}", figure(r, "times_the_first", 2),
                 *([r["note"]] if word == "workers" else [])] for r in of(table)]

    header = ["cycles/packet", "Mpps", "Gbit/s", "rate, to the first"]
    titles = {"flows": ("By flows, 64-byte frames, one worker", "flows"), "sizes": ("By size of frame, 65536 flows, one worker", "bytes"),
              OWN: ("By workers, each its own port, run to completion; cycles of wall clock by all packets", "workers"),
              BEHIND: (f"By workers behind one ingress, {BURN} cycles of work a packet; cycles of wall clock by all packets", "workers")}
    flows, (few, many) = of("flows"), (next(r for r in of("flows") if r["point"] == n) for n in (1 << 16, 1 << 22))
    return {
        "tables": [(title, [word, *header, *(["CPUs"] if word == "workers" else [])], lines(table, word))
                   for table, (title, word) in titles.items()],
        "lines": [f"From 64 k to 4 M flows the cost of a packet grows {many['cycles_per_packet'] / few['cycles_per_packet']:.2f} times.",
                  f"Two workers with a port each take {of(OWN)[1]['times_the_first']:.2f} times the packets of one."],
        "picture": plot.draw("TSC cycles a packet by flows, 64-byte frames, one worker", result["machine"]["cpu"],
                             [f"{r['point']:,}".replace(",", " ") for r in flows],
                             {"": {"weir": [r["cycles_per_packet"] for r in flows]}})}


if __name__ == "__main__":
    sys.exit(main("scaling", __doc__, measure, report, 3))
