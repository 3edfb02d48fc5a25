#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Whether B costs more than A by more than a claim of a few percent: the paired comparator.

    scripts/bench pairs [--build DIR --build DIR] [--config FILE [--config FILE]] [--claim PERCENT]

Two builds on the same configuration, or two configurations on one build; without any, two pools that are joined by shards beside two
that are joined by a ring alone: what the machinery of the hand-over costs while nothing moves. Each pair measures A, B and A
again, in turning order: B to A is the figure, A to A of the same pairs what the machine makes of nothing. A pair in which the CPUs
changed their place, near or far, is left out. The verdict:

    at most x %    the median of B to A and the spread of A to A together stay below the claim
    more than x %  three quarters of the pairs are above it by more than the spread
    unresolved     anything else, or fewer than 15 pairs

where the spread is half the distance of the quartiles of A to A.
"""
import os
import statistics
import sys

import plot
from machine import placement
from suite import ROOT, Failed, config, figure, figures, main

LEAST_PAIRS = 15
ORDERS = (("a", "b", "A"), ("A", "a", "b"), ("b", "A", "a"))

PLAIN, SHARDED = "shard-by: none", "shard-by: flow"


def compare(take, pairs, tell=lambda n: None):
    """take(which) is the cost of one run of `a` or `b`, and whether near or far. The ratios of each pair: B to A, and A to A."""
    ratios = {"b_to_a": [], "a_to_a": [], "left_out": 0}
    while len(ratios["b_to_a"]) < pairs and ratios["left_out"] < pairs:
        n = len(ratios["b_to_a"]) + ratios["left_out"]
        tell(n)
        seen = {who: take(who.lower()) for who in ORDERS[n % len(ORDERS)]}
        places = {place for _, place in seen.values()}
        if len(places) > 1 or "mixed" in places:
            ratios["left_out"] += 1
            continue
        cost = {who: one for who, (one, _) in seen.items()}
        ratios["b_to_a"].append(cost["b"] / cost["a"])
        ratios["a_to_a"].append(cost["A"] / cost["a"])
    return ratios


def judge(ratios, claim):
    """What a row says of ratios of compare(); claim in percent."""
    if not ratios["b_to_a"]:
        raise Failed("the CPUs changed their place in every pair")
    low, _, high = statistics.quantiles(ratios["a_to_a"], n=4, method="inclusive") if len(ratios["a_to_a"]) > 1 else (1, 1, 1)
    effect, spread, pairs = (statistics.median(ratios["b_to_a"]) - 1) * 100, (high - low) / 2 * 100, len(ratios["b_to_a"])
    row = {**figures("b_to_a", ratios["b_to_a"], 4), **figures("a_to_a", ratios["a_to_a"], 4)}
    least = (row["b_to_a_quartiles"][0] - 1) * 100
    verdict = f"at most {claim:g} %" if effect + spread <= claim else f"more than {claim:g} %" if least - spread > claim else "unresolved"
    return {"pairs": pairs, "left_out": ratios["left_out"], "claim_percent": claim, "cost_percent": round(effect, 2), "spread_percent": round(spread, 2),
            **row, "verdict": verdict if pairs >= LEAST_PAIRS else "unresolved"}


HEADER = ["pairs", "B to A", "A to A", "cost", "spread", "claim", "verdict"]


def cells(row):
    return [str(row["pairs"]), figure(row, "b_to_a", 3), figure(row, "a_to_a", 3), f"{row['cost_percent']:+.2f} %",
            f"{row['spread_percent']:.2f} %", f"{row['claim_percent']:g} %", row["verdict"]]


def sentence(row, what):
    few = f" ({row['pairs']} pairs; it takes {LEAST_PAIRS})" if row["pairs"] < LEAST_PAIRS else ""
    return f"{what}: {row['cost_percent']:+.2f} %, spread {row['spread_percent']:.2f} %: {row['verdict']}{few}."


def picture(result):
    rows = result["rows"]
    return plot.draw("How far B is from A, and A from itself, in percent", result["machine"]["cpu"], [r["what"] for r in rows],
                     {"": {"B from A": [abs(r["cost_percent"]) for r in rows], "spread of A to A": [r["spread_percent"] for r in rows]}},
                     bars=True)


# ---- the suite ----

def two_pools(run, join):
    return config(run.cpus, "gen: {generator: {flows: 64k, size: 60}}",
                  "ingress: {from: [gen], stages: [validate]}, "
                  f"work: {{from: [ingress], {join}, on-full: block, stages: [{{meter: {{max-flows: 128k}}}}, sink]}}")


def read(file):
    try:
        with open(file, encoding="utf-8") as text:
            return text.read()
    except OSError as error:
        raise Failed(f"--config {file}: {error.strerror}") from error


def sides(run):
    """A and B as (name, weir, configuration)."""
    given = run.given
    builds = [os.path.join(b, "weir") for b in given.builds or [run.build]]
    texts = [read(f) for f in given.config or ()] or [two_pools(run, j) for j in ((SHARDED,) if len(builds) == 2 else (PLAIN, SHARDED))]
    names = given.builds if len(builds) == 2 else given.config if given.config else [PLAIN, SHARDED]
    if len(builds) > 2 or len(texts) > 2 or len(builds) * len(texts) != 2:
        raise Failed("give two builds and at most one configuration, or two configurations and at most one build")
    return [(names[i], builds[i % len(builds)], texts[i % len(texts)]) for i in (0, 1)]


def measure(run):
    two = dict(zip("ab", sides(run)))
    seconds = 0.2 if run.quick else 0.7
    run.trip()

    def take(which):
        end = run.weir(two[which][2], "--set", f"stop-after={seconds}s", weir=two[which][1])
        place = placement((run.trips[-1], run.trip()))
        return end["running_tsc"] / end["accepted"], "any" if run.quick else place

    pairs = 3 if run.quick else max(run.rounds, LEAST_PAIRS)
    ratios = compare(take, pairs, lambda n: run.tell(f"pair {n + 1} of {pairs}"))
    name = f"{two['b'][0]} beside {two['a'][0]}"
    return {"a": two["a"][0], "b": two["b"][0], "seconds": seconds, "rows": [{"what": name, **judge(ratios, run.given.claim)}]}


def report(result):
    row = result["rows"][0]
    return {"tables": [("TSC cycles of wall clock a packet, saturated; medians [quartiles] of pairs", ["B beside A", *HEADER],
                        [[row["what"], *cells(row)]])],
            "lines": [sentence(row, row["what"])],
            "picture": picture(result)}


def options(parser):
    parser.add_argument("--build", dest="builds", action="append", metavar="DIR", help="a folder with a weir in it; twice: A and B")
    parser.add_argument("--config", action="append", metavar="FILE", help="a configuration; twice: A and B")
    parser.add_argument("--claim", type=float, default=1.0, metavar="PERCENT", help="what B may cost more than A (1)")
    parser.set_defaults(build=os.path.join(ROOT, "build"))


if __name__ == "__main__":
    sys.exit(main("pairs", __doc__, measure, report, 15, options))
