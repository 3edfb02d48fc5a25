#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How long a packet is in weir, by the load: from when it was due to its end.

A generator's packet is due when its schedule calls for it: what the worker that polls does late counts. Loads are parts of the
maximum of the same path in the same round, and what the schedule gave up is missed, not late; idle is 1 000 packets a second, and
asleep 50, where a worker behind a ring has gone to sleep before the next one comes. `one` is a worker that validates and meters; in
`two` one validates, another meters behind a ring. The clock is that of loops on the same CPUs, right before or after, that look at
the time and do nothing else: how late they are is what the machine adds to anybody. Each figure is the median over rounds of what the
probes of a round say; near and far are rounds of `two` that were so.
"""
import json
import subprocess
import sys

import plot
from machine import placement
from suite import Failed, config, figure, figures, main, median, reached

QUANTILES = ("p50_ns", "p99_ns", "p99_9_ns", "max_ns")
CLOCK = "idle, the clock alone"
LOADS = {"asleep": 50, "idle": 1000, CLOCK: 1000, "10 %": 0.1, "50 %": 0.5, "90 %": 0.9}
PROBES = 20000
TARGET = 3.0  # p99 less that of the clock, as a part of the median, idle
METER = "{meter: {max-flows: 128k}}"
POOLS = {
    "one": f"end: {{from: [gen], probe-every: EVERY, stages: [validate, {METER}, sink]}}",
    "two": "ingress: {from: [gen], probe-every: EVERY, stages: [validate]}, "
           f"end: {{from: [ingress], shard-by: flow, on-full: block, stages: [{METER}, sink]}}",
}


CPUS = {"one": 1, "two": 2}


def once(run, path, rate, seconds):
    every = max(1, int(rate * seconds / PROBES)) if rate else 1000
    return run.weir(config(run.cpus[1:] if path == "one" else run.cpus,
                           f"gen: {{generator: {{flows: 64k, size: 60, rate: {f'{rate}pps' if rate else 'max'}}}}}",
                           POOLS[path].replace("EVERY", str(every)), f"stop-after: {seconds}s"))


def clock(run, path, rate, seconds):
    """As if it were a certificate of weir."""
    command = [run.tool("lateness"), str(rate), str(seconds), *map(str, run.cpus[-CPUS[path]:])]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=run.log, text=True, check=False)
    if said.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {said.returncode}; {run.log_path} says why")
    late = json.loads(said.stdout)
    return {"latency": [{**late, "pool": "end"}], "ports": [{"offered": late["count"], "missed": 0}]}


def measure(run):
    seconds, cases = 0.2 if run.quick else 1, [
        (path, load) for path in POOLS for load in (("idle", CLOCK, "50 %") if run.quick else LOADS)]
    seen, most = {case: [] for case in cases}, {path: [] for path in POOLS}
    for number in range(run.rounds):
        for path in POOLS:
            run.tell(f"round {number + 1} of {run.rounds}: the maximum of {path}")
            end = once(run, path, None, 0.2 if run.quick else 0.7)
            most[path].append(end["accepted"] / end["running_seconds"])
        before = run.trip()
        for path, load in cases[::-1 if number % 2 else 1]:
            run.tell(f"round {number + 1} of {run.rounds}: {path}, {load}")
            rate = int(LOADS[load] * most[path][-1]) if LOADS[load] < 1 else LOADS[load]
            end = (clock if load == CLOCK else once)(run, path, rate, seconds)
            after = run.trip()
            seen[path, load].append((end, rate, placement((before, after))))
            before = after
    rows = [r for place in ("all", "near", "far") for path, load in cases if path == "two" or place == "all"
            if (r := row(path, load, place, seen[path, load])) is not None]
    return {"seconds": seconds, "rows": rows, "most_mpps": {path: median([m / 1e6 for m in rates], 2) for path, rates in most.items()}}


def row(path, load, place, rounds):
    own = [(end, rate) for end, rate, where in rounds if place in ("all", where)]
    latencies = [one for end, _ in own for one in end["latency"] if one["pool"] == "end"]
    if not latencies:
        return None
    offered = sum(end["ports"][0]["offered"] for end, _ in own)
    return {"path": path, "load": load, "placement": place, "rounds": len(own), "pps": median([rate for _, rate in own], 0),
            "probes": sum(one["count"] for one in latencies), "missed_percent": round(100 * sum(end["ports"][0]["missed"] or 0 for end, _ in own) / offered, 3),
            **{k: v for name in QUANTILES for k, v in figures(name, [one[name] for one in latencies], 0).items()},
            **figures("p99_to_p50", [one["p99_ns"] / max(one["p50_ns"], 1) for one in latencies], 2)}


def us(r, name):
    return figure({name: r[name] / 1e3, name + "_quartiles": [q / 1e3 for q in r[name + "_quartiles"]]}, name, 2)


def report(result):
    rows = result["rows"]
    header = ["path", "load", "packets/s", "p50, µs", "p99, µs", "p99.9, µs", "longest, µs", "p99 / p50", "missed", "probes"]

    def table(place):
        return [[r["path"], r["load"], f"{r['pps']:,.0f}".replace(",", " "), *(us(r, q) for q in QUANTILES),
                 figure(r, "p99_to_p50", 2), f"{r['missed_percent']:g} %", str(r["probes"])] for r in rows if r["placement"] == place]

    of = {(r["path"], r["load"], r["placement"]): r for r in rows}
    panels = {f"{path}, {place}": {q[:-3].replace("_", "."): [of[path, load, place][q] / 1e3 if (path, load, place) in of else None for load in LOADS if load != CLOCK]
                                   for q in QUANTILES[:3]}
              for path, place in (("one", "all"), ("two", "near"), ("two", "far")) if any((path, load, place) in of for load in LOADS)}
    titles = {"all": "All rounds; medians [quartiles] of rounds", "near": "Two workers, near", "far": "Two workers, far"}
    return {"tables": [(titles[place], header, table(place)) for place in titles if table(place)],
            "lines": [verdict(path, of[path, "idle", "all"], of[path, CLOCK, "all"], result["most_mpps"][path]) for path in POOLS],
            "picture": plot.draw("Microseconds in weir by load, as parts of the maximum", result["machine"]["cpu"], [load for load in LOADS if load != CLOCK], panels, log=True)}


def verdict(path, weir, alone, most_mpps):
    added = max(weir["p99_to_p50"] - alone["p99_ns"] / max(weir["p50_ns"], 1), 1)
    return (f"{path.capitalize()}: idle, p99 is {weir['p99_to_p50']:.2f} times the median, {weir['p99_ns'] / 1e3:.1f} µs, of which the clock alone has "
            f"{alone['p99_ns'] / 1e3:.1f}; without those {added:.2f} times; at most {TARGET:g} {reached(added <= TARGET)}. The maximum is {most_mpps:.2f} Mpps.")


if __name__ == "__main__":
    sys.exit(main("latency", __doc__, measure, report, 3))
