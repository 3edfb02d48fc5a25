#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir's ring beside rte_ring, ck_ring and the streaming limit of the two cores.  Started by scripts/bench.

rings.c measures; here the rounds are classed by the round trip of a cache line before and after each (near: both below
600 TSC cycles; far: neither; mixed ones are counted and left out), and the medians are taken. A ratio is taken within
its round only: how many times faster than rte_ring SP/SC, how many times the cycles of the best streaming chunk.
"""
import argparse
import collections
import json
import os
import statistics
import subprocess
import sys

from machine import NEAR_TSC, between, describe, headline, print_columns, tell, two_cpus

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEER, OURS = "rte_ring_spsc", "weir"
BASE = (32, 1024)  # burst and size that the targets name
LEAST = {1: 1.8, 8: 1.8, 32: 2.5}
AIM = 3.0
LIMIT_MOST = 2.0
PLACEMENTS = ("near", "far", "same core", "mixed")


def sample(bench, options):
    done = subprocess.run([bench, *options], stdout=subprocess.PIPE, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def placement(s):
    trips = (s["before"], s["after"])
    return "near" if max(trips) < NEAR_TSC else "far" if min(trips) >= NEAR_TSC else "mixed"


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
            seen[(variant, *shape, placement(s))].append(
                (value, cycles[peer_of(variant)] / value, value / limit * 8 / bytes_moved))
        for variant, value in s["alone"].items():
            seen[(variant, *shape, "same core")].append((value, s["alone"][PEER] / value, None))
    return seen


def row(key, rounds):
    variant, burst, size, where = key
    cycles, ratios, limits = zip(*rounds)

    def quartiles(values, digits=2):
        if len(values) < 2:
            return [round(values[0], digits)] * 2
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return [round(low, digits), round(high, digits)]

    return {
        "variant": variant, "burst": burst, "size": size, "placement": where,
        "cycles_per_item": round(statistics.median(cycles), 2), "cycles_quartiles": quartiles(cycles),
        "ratio_rte_ring_spsc": round(statistics.median(ratios), 2), "ratio_quartiles": quartiles(ratios),
        "ratio_limit": round(statistics.median(limits), 2) if limits[0] is not None else None,
        "rounds": len(rounds),
    }


# ---- what is printed ----

def show(r):
    limit = "" if r["ratio_limit"] is None else f"{r['ratio_limit']:.2f}"
    return [r["variant"], str(r["burst"]), str(r["size"]), r["placement"],
            f"{r['cycles_per_item']:.2f} {between(r['cycles_quartiles'])}",
            f"{r['ratio_rte_ring_spsc']:.2f} {between(r['ratio_quartiles'])}", limit, str(r["rounds"])]


HEADER = ["variant", "burst", "size", "placement", "cycles/item", "times faster than rte_ring", "of the limit", "rounds"]


def verdicts(rows):
    """One line a target and placement."""
    of = {(r["variant"], r["burst"], r["size"], r["placement"]): r for r in rows}
    for burst, least in sorted(LEAST.items(), reverse=True):
        for where in ("near", "far"):
            r = of.get((OURS, burst, BASE[1], where))
            if r is None:
                yield f"burst {burst}, ring {BASE[1]}, {where}: not observed"
                continue
            reached = "reached" if r["ratio_rte_ring_spsc"] >= least else "NOT reached"
            line = (f"burst {burst}, ring {BASE[1]}, {where}: {r['ratio_rte_ring_spsc']:.2f} times faster than rte_ring SP/SC; "
                    f"at least {least} {reached}, aim {AIM}")
            if burst == BASE[0]:
                within = "kept" if r["ratio_limit"] <= LIMIT_MOST else "NOT kept"
                line += f"; {r['ratio_limit']:.2f} times the streaming limit, at most {LIMIT_MOST:g} {within}"
            yield line
    r = of.get((OURS, *BASE, "same core"))
    if r is not None:
        reached = "reached" if r["ratio_rte_ring_spsc"] >= 1 else "NOT reached"
        yield f"burst {BASE[0]}, ring {BASE[1]}, one core: {r['ratio_rte_ring_spsc']:.2f} times faster; at least 1.0 {reached}"


def print_result(result):
    m = result["machine"]
    print(headline("rings", m))
    print(f"medians [quartiles] of rounds; line round trip {between(result['line_round_trip_spread'])}, median "
          f"{result['line_round_trip_tsc']} TSC cycles; {result['mixed_rounds']} rounds of {result['all_rounds']} changed "
          f"placement and are left out; load average before: {m['load_average_before']:.2f}\n")
    print_columns(HEADER, [show(r) for r in result["rows"]])
    print()
    for line in result["verdicts"]:
        print(line)
    print("`weir` appends and lets the ring publish by itself (each 64 items here), as the pipeline does under load; all\n"
          "others publish each burst. The limit copies lines and tells of them once a chunk. One item a call: ck_ring.")


# ---- the picture ----

SHOWN = [(PEER, "#9aa5b1"), ("rte_ring_spsc_zc", "#c3cad3"), ("ck_ring", "#e0c48c"), (OURS, "#0b7285"),
         ("limit", "#2f9e44")]


def plot(result, path):
    """Cycles an item by burst, ring of 1024; a panel a placement. A logarithmic scale, since a step is a factor."""
    import math
    of = {(r["variant"], r["burst"], r["size"], r["placement"]): r["cycles_per_item"] for r in result["rows"]}
    panels = [w for w in ("near", "far") if any(key[3] == w for key in of)]
    bursts = sorted({r["burst"] for r in result["rows"] if r["size"] == BASE[1]})
    width, height, left, top, gap = 420, 300, 60, 70, 40
    low, high = math.log10(0.5), math.log10(400)

    def y(value):
        return top + height - (math.log10(min(max(value, 0.5), 400)) - low) / (high - low) * height

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + len(panels) * (width + gap)} {top + height + 80}"'
           ' font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="24" font-size="16">TSC cycles an item of 8 bytes, ring of {BASE[1]}, by burst (lower is better)</text>',
           f'<text x="{left}" y="42" fill="#555">{result["machine"]["cpu"]}, DPDK {result["machine"]["dpdk"]}; medians</text>']
    for p, where in enumerate(panels):
        x0 = left + p * (width + gap)
        out.append(f'<text x="{x0 + width / 2}" y="{top - 8}" text-anchor="middle">{where}</text>')
        for tick in (1, 10, 100):
            out.append(f'<line x1="{x0}" x2="{x0 + width}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>')
            out.append(f'<text x="{x0 - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
        step = width / len(bursts)
        bar = step / (len(SHOWN) + 1)
        for b, burst in enumerate(bursts):
            out.append(f'<text x="{x0 + (b + .5) * step:.1f}" y="{top + height + 16}" text-anchor="middle">burst {burst}</text>')
            for k, (variant, colour) in enumerate(SHOWN):
                value = of.get((variant, burst, BASE[1], where))
                if value is None:
                    continue
                x = x0 + b * step + (k + .5) * bar
                out.append(f'<rect x="{x:.1f}" y="{y(value):.1f}" width="{bar * .9:.1f}" height="{top + height - y(value):.1f}" '
                           f'fill="{colour}"/>')
                out.append(f'<text x="{x + bar * .45:.1f}" y="{y(value) - 3:.1f}" font-size="8" text-anchor="middle">'
                           f'{value:.3g}</text>')
    for k, (variant, colour) in enumerate(SHOWN):
        x = left + k * 150
        out.append(f'<rect x="{x}" y="{top + height + 40}" width="12" height="12" fill="{colour}"/>')
        out.append(f'<text x="{x + 18}" y="{top + height + 51}">{"streaming limit" if variant == "limit" else variant}</text>')
    out.append("</svg>\n")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out))


# ---- main ----

def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench rings", description="weir's ring beside rte_ring, ck_ring and the streaming limit.")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="how often all is measured (30)")
    parser.add_argument("--quick", action="store_true", help="two rounds of few items: to see that it works")
    parser.add_argument("--prototypes", action="store_true",
                        help=f"also the rings that were not taken, at burst {BASE[0]} and size {BASE[1]} only")
    parser.add_argument("--plot", metavar="FILE", help="where the picture goes (docs/bench/rings.svg with --rounds of 20 and "
                        "more, else none)")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("--rounds: at least 1")
    return given


def measure(bench, cpus, given):
    options = ["--cpus", ",".join(map(str, cpus))]
    if given.quick:
        options += ["--items", "20000"]
    if given.prototypes:
        options += ["--prototypes", "--bursts", str(BASE[0]), "--sizes", str(BASE[1])]
    samples, rounds = [], 2 if given.quick else given.rounds
    for k in range(rounds):
        tell(f"round {k + 1} of {rounds}")
        samples += sample(bench, [*options, "--rounds", "1", "--turn", str(k)])
    tell("")
    return samples


def main():
    given = arguments()
    cpus = two_cpus()
    load_before = os.getloadavg()[0]
    build = os.path.abspath(given.build)
    samples = measure(os.path.join(build, "tests/bench/rings"), cpus, given)
    trip = json.loads(subprocess.run([os.path.join(build, "tests/bench/line_round_trip"), *map(str, cpus)],
                                     stdout=subprocess.PIPE, check=True, text=True).stdout)
    trips = [t for s in samples for t in (s["before"], s["after"])]
    seen = gather(samples)
    order = {variant: k for k, variant in enumerate(dict.fromkeys(key[0] for key in seen))}
    rows = [row(key, seen[key]) for key in sorted(seen, key=lambda k: (k[1], k[2], PLACEMENTS.index(k[3]), order[k[0]]))
            if key[3] != "mixed"]
    result = {
        "bench": "rings", "machine": describe(cpus, trip["tsc_hz"], load_before),
        "line_round_trip_tsc": round(statistics.median(trips)), "line_round_trip_spread": [min(trips), max(trips)],
        "all_rounds": len(samples), "mixed_rounds": sum(placement(s) == "mixed" for s in samples), "rows": rows,
        "verdicts": list(verdicts(rows))}
    picture = given.plot
    if picture is None and not given.quick and not given.prototypes and given.rounds >= 20:
        picture = os.path.join(ROOT, "docs/bench/rings.svg")
    if picture:
        plot(result, picture)
    if given.json:
        json.dump(result, sys.stdout, indent=2)
        print()
    else:
        print_result(result)
        if picture:
            print(f"picture: {os.path.relpath(picture)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
