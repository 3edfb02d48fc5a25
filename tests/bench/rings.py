#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir's ring beside rte_ring, ck_ring and the streaming limit of the two cores.

rings.c measures; here the rounds are classed by the round trip of a cache line before and after each (near: both below
600 TSC cycles; far: neither; mixed ones are counted and left out), and the medians are taken. A ratio is taken within
its round only: how many times faster than rte_ring SP/SC, how many times the cycles of the best streaming chunk.
"""
import collections
import json
import statistics
import subprocess
import sys

import plot
from machine import placement
from suite import figure, figures, main, reached

PEER, OURS = "rte_ring_spsc", "weir"
BASE = (32, 1024)  # burst and size that the targets name
LEAST = {1: 1.8, 8: 1.8, 32: 2.5}
AIM = 3.0
LIMIT_MOST = 2.0
PLACEMENTS = ("near", "far", "same core", "mixed")


def sample(bench, options):
    done = subprocess.run([bench, *options], stdout=subprocess.PIPE, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def placed(s):
    return placement((s["before"], s["after"]))


def peer_of(variant):
    """Items of another size are compared with the peer's items of that size."""
    size = variant.rpartition("-")[2]
    return f"{PEER}-{size}" if size in ("4B", "16B", "32B") else PEER


def gather(samples):
    """(variant, burst, size, placement) -> rounds of (cycles, ratio to the peer, ratio to the limit)."""
    seen = collections.defaultdict(list)
    for s in samples:
        cycles, shape = s["cycles"], (s["burst"], s["size"])
        limit = min(value for variant, value in cycles.items() if variant.startswith("stream-"))
        cycles["limit"] = limit
        for variant, value in cycles.items():
            bytes_moved = int(variant.rpartition("-")[2][:-1]) if peer_of(variant) != PEER else 8
            seen[(variant, *shape, placed(s))].append(
                (value, cycles[peer_of(variant)] / value, value / limit * 8 / bytes_moved))
        for variant, value in s["alone"].items():
            seen[(variant, *shape, "same core")].append((value, s["alone"][PEER] / value, None))
    return seen


def row(key, rounds):
    variant, burst, size, where = key
    cycles, ratios, limits = zip(*rounds)
    return {"variant": variant, "burst": burst, "size": size, "placement": where, **figures("cycles_per_item", cycles, 2),
            **figures("ratio_rte_ring_spsc", ratios, 2),
            "ratio_limit": round(statistics.median(limits), 2) if limits[0] is not None else None, "rounds": len(rounds)}


def verdicts(rows):
    """One line a target and placement."""
    of = {(r["variant"], r["burst"], r["size"], r["placement"]): r for r in rows}
    for burst, least in sorted(LEAST.items(), reverse=True):
        for where in ("near", "far"):
            r = of.get((OURS, burst, BASE[1], where))
            if r is None:
                yield f"burst {burst}, ring {BASE[1]}, {where}: not observed"
                continue
            line = (f"burst {burst}, ring {BASE[1]}, {where}: {r['ratio_rte_ring_spsc']:.2f} times faster than rte_ring SP/SC; "
                    f"at least {least} {reached(r['ratio_rte_ring_spsc'] >= least)}, aim {AIM}")
            if burst == BASE[0]:
                within = "kept" if r["ratio_limit"] <= LIMIT_MOST else "NOT kept"
                line += f"; {r['ratio_limit']:.2f} times the streaming limit, at most {LIMIT_MOST:g} {within}"
            yield line
    r = of.get((OURS, *BASE, "same core"))
    if r is not None:
        yield f"burst {BASE[0]}, ring {BASE[1]}, one core: {r['ratio_rte_ring_spsc']:.2f} times faster; at least 1.0 {reached(r['ratio_rte_ring_spsc'] >= 1)}"


# ---- what is shown ----

HEADER = ["variant", "burst", "size", "cycles/item", "times faster than rte_ring", "of the limit", "rounds"]
SHOWN = (PEER, "rte_ring_spsc_zc", "rte_ring_mpmc", "rte_ring_hts", "ck_ring", OURS, "limit")
DRAWN = (PEER, "rte_ring_spsc_zc", "ck_ring", OURS, "limit")


def cells(r):
    return [r["variant"], str(r["burst"]), str(r["size"]), figure(r, "cycles_per_item", 2), figure(r, "ratio_rte_ring_spsc", 2),
            "" if r["ratio_limit"] is None else f"{r['ratio_limit']:.2f}", str(r["rounds"])]


def report(result):
    """All is in the JSON. Shown: the peers at 1024 slots, weir and its first peer at the other sizes; with --prototypes all."""
    rows = [r for r in result["rows"] if result["prototypes"] or
            r["variant"] in (SHOWN if r["size"] == BASE[1] else (PEER, OURS))]
    of = {(r["variant"], r["burst"], r["size"], r["placement"]): r["cycles_per_item"] for r in rows}
    bursts = sorted({r["burst"] for r in rows if r["size"] == BASE[1]})
    return {
        "tables": [(f"{place.capitalize()}, TSC cycles an item of 8 bytes; medians [quartiles]", HEADER, [cells(r) for r in rows if r["placement"] == place])
                   for place in PLACEMENTS if any(r["placement"] == place for r in rows)],
        "lines": [*result["verdicts"], f"{result['mixed_rounds']} rounds of {result['all_rounds']} changed placement and are left out.",
                  "`weir` appends and lets the ring publish by itself (each 64 items here), as the pipeline does under load; all others "
                  "publish each burst. The limit copies lines and tells of them once a chunk. One item a call: ck_ring."],
        "picture": plot.draw(f"TSC cycles an item of 8 bytes, ring of {BASE[1]}, by burst (lower is better)", result["machine"]["cpu"],
                             [f"burst {b}" for b in bursts],
                             {place: {v: [of.get((v, b, BASE[1], place)) for b in bursts] for v in DRAWN}
                              for place in ("near", "far") if any(key[3] == place for key in of)}, bars=True, log=True)}


# ---- main ----

def options(parser):
    parser.add_argument("--prototypes", action="store_true",
                        help=f"also the rings that were not taken, at burst {BASE[0]} and size {BASE[1]} only")


def samples_of(run):
    told = ["--cpus", ",".join(map(str, run.cpus)), *(["--items", "20000"] if run.quick else []),
            *(["--prototypes", "--bursts", str(BASE[0]), "--sizes", str(BASE[1])] if run.given.prototypes else [])]
    rounds = 2 if run.quick else run.rounds
    for k in range(rounds):
        run.tell(f"round {k + 1} of {rounds}")
        yield from sample(run.tool("rings"), [*told, "--rounds", "1", "--turn", str(k)])


def measure(run):
    samples = list(samples_of(run))
    run.trips += [trip for s in samples for trip in (s["before"], s["after"])]
    seen = gather(samples)
    order = {variant: k for k, variant in enumerate(dict.fromkeys(key[0] for key in seen))}
    rows = [row(key, seen[key]) for key in sorted(seen, key=lambda k: (k[1], k[2], PLACEMENTS.index(k[3]), order[k[0]]))
            if key[3] != "mixed"]
    return {"all_rounds": len(samples), "mixed_rounds": sum(placed(s) == "mixed" for s in samples), "prototypes": run.given.prototypes,
            "rows": rows, "verdicts": list(verdicts(rows))}


if __name__ == "__main__":
    sys.exit(main("rings", __doc__, measure, report, 12, options))
