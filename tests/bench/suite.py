# SPDX-License-Identifier: BSD-3-Clause
"""What the suites share. Each has two functions, and scripts/bench starts it here:

    measure(run)     what was seen, as a dictionary; it has the figures of a table in `rows`
    report(result)   tables, sentences and pictures of that dictionary and of nothing else

so that `--json` has all that the text, the tables of docs/bench and the pictures say.
"""
import argparse
import datetime
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys

from machine import Beside, describe, placement, two_cpus

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Failed(Exception):
    """It could not be measured; the text says why."""


class Skipped(Failed):
    """Not here: something is missing."""


SKIPPED = 77


class Run:
    """One call of a suite: its options, and what it runs."""

    def __init__(self, name, given, rounds):
        self.name, self.given, self.quick = name, given, given.quick
        self.rounds = 1 if given.quick else getattr(given, "rounds", rounds)
        self.build = os.path.abspath(given.build)
        self.cpus, self.beside, self.trips, self.tsc_hz = two_cpus(), Beside(), [], 0
        self.log_path = os.path.join(self.build, f"bench-{name}.log")
        self.log = open(self.log_path, "w", encoding="utf-8")  # pylint: disable=consider-using-with

    def tell(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def tool(self, name):
        return os.path.join(self.build, "tests/bench", name)

    def trip(self):
        """The round trip of a cache line between the two CPUs, in TSC cycles."""
        done = subprocess.run([self.tool("line_round_trip"), *map(str, self.cpus)], stdout=subprocess.PIPE, check=True, text=True)
        seen = json.loads(done.stdout)
        self.tsc_hz = seen["tsc_hz"]
        self.trips.append(seen["median"])
        return seen["median"]

    def weir(self, text, *options, before=(), weir=None):
        """Run weir on this configuration to its end; the certificate."""
        return self.weir_end(self.start_weir(text, *options, before=before, weir=weir), text)

    def start_weir(self, text, *options, before=(), weir=None):
        child = subprocess.Popen(["timeout", "-k", "5", "120", *before, weir or os.path.join(self.build, "weir"), "run", "--json",
                                  "--progress", "0", *options, "-"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        child.stdin.write(text)
        child.stdin.close()
        child.stdin = None  # or communicate() would flush it
        return child

    def weir_end(self, child, text):
        out = child.communicate()[0]
        if child.returncode != 0:
            raise Failed(f"weir ended with {child.returncode} on\n{text}")
        end = json.loads(out)
        self.tsc_hz = end["tsc_hz"]
        return end


def config(cpus, ports, pools, *more):
    """A configuration that measures: no listener, no log, normal pages, one or two CPUs."""
    given = "\n".join(more)
    fixed = {"listen": "off", "control": "off", "memory": "normal"}
    lines = [f"{key}: {value}" for key, value in fixed.items() if f"{key}:" not in given]
    return "\n".join(["version: 1", *lines, "log: error", f'cpus: "{",".join(map(str, cpus))}"', *more,
                      f"ports: {{{ports}}}", f"pools: {{{pools}}}", ""])


# ---- figures ----

def median(values, digits=1):
    return round(statistics.median(values), digits)


def quartiles(values, digits=1):
    """The middle half lies between."""
    if len(values) < 2:
        return [round(values[0], digits)] * 2
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return [round(low, digits), round(high, digits)]


def figure(row, key, digits=1):
    """A median with its quartiles, as tables have it."""
    if row.get(key) is None:
        return ""
    spread = row.get(key + "_quartiles")
    shown = f"{row[key]:.{digits}f}"
    return shown if spread is None else f"{shown} [{spread[0]:.{digits}f}, {spread[1]:.{digits}f}]"


def figures(key, values, digits=1):
    """The two entries of a row that figure() shows."""
    return {key: median(values, digits), key + "_quartiles": quartiles(values, digits)}


def reached(yes):
    return "reached" if yes else "NOT reached"


def places(n):
    """1024 -> `1 k`, 4194304 -> `4 M`."""
    return f"{n >> 20} M" if n >= 1 << 20 else f"{n >> 10} k"


# ---- how a result is shown ----

def where(result):
    """Sentences that stand with every table."""
    m, b = result["machine"], result["beside"]
    trips = result["line_round_trip_tsc"]
    yield (f"{m['cpu']}, CPUs {m['cpus'][0]} and {m['cpus'][1]}, TSC {m['tsc_hz'] / 1e9:.2f} GHz, DPDK {m['dpdk']}, Linux {m['kernel']}; "
           f"{result['date']}.")
    if trips is not None:
        yield (f"Line round trip {trips['median']:.0f} TSC cycles, {trips['least']:.0f} to {trips['most']:.0f}, measured "
               f"{trips['times']} times: {trips['near']} near, {trips['far']} far.")
    yield (f"It took {b['seconds']:.0f} s. Load average before: {b['load_average_before']:.2f}; beside it, other processes and the kernel "
           f"took {b['others_cpus']:.2f} CPUs, the hypervisor {b['stolen_cpus']:.2f}.")


def print_columns(header, rows):
    table = [header] + rows
    widths = [max(map(len, column)) for column in zip(*table)]
    for line in table:
        print(line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:])), sep="  ")


def print_text(result, shown):
    print(f"{result['bench']}: {' '.join(where(result))}")
    for caption, header, rows in shown["tables"]:
        print(f"\n{caption}:\n" if caption else "")
        print_columns(header, rows)
    print()
    for line in shown["lines"]:
        print(line)


def markdown(result, shown, pictures):
    """What scripts/bench all puts into docs/bench."""
    out = [f"`{result['command']}`: " + " ".join(where(result)), ""]
    out += [f"![{result['bench']}]({name})\n" for name in pictures]
    for caption, header, rows in shown["tables"]:
        if caption:
            out.append(caption + ":\n")
        out += ["| " + " | ".join(line) + " |" for line in (header, ["---"] + ["---:"] * (len(header) - 1), *rows)]
        out.append("")
    return "\n".join(out + [f"- {line}" for line in shown["lines"]]) + "\n"


# ---- main ----

def summary(trips):
    if not trips:
        return None
    kinds = [placement([t]) for t in trips]
    return {"median": statistics.median(trips), "least": min(trips), "most": max(trips), "times": len(trips),
            "near": kinds.count("near"), "far": kinds.count("far")}


def end_children():
    """Of a suite that failed, or was told to stop in the middle."""
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children", encoding="ascii") as children:
            for child in children.read().split():
                os.kill(int(child), signal.SIGTERM)


def main(name, doc, measure, report, rounds=None, add=None):
    parser = argparse.ArgumentParser(prog=f"scripts/bench {name}", description=doc.split("\n\n")[0], conflict_handler="resolve")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--svg", metavar="FILE", help="draw the figures there")
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds, metavar="N", help=f"how often all is measured ({rounds})")
    parser.add_argument("--quick", action="store_true", help="once and shortly: whether it works, not what it costs")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help=argparse.SUPPRESS)
    if add is not None:
        add(parser)
    given = parser.parse_args()
    if rounds is not None and given.rounds < 1:
        parser.error("--rounds: at least 1")
    run = Run(name, given, rounds)
    try:
        seen = measure(run)
        if run.tsc_hz == 0:
            run.trip()
    except Failed as failure:
        run.tell("")
        skipped = isinstance(failure, Skipped)
        print(f"scripts/bench {name}: {failure}" + ("" if skipped else f"; see {os.path.relpath(run.log_path)}"), file=sys.stderr)
        return SKIPPED if skipped else 1
    except KeyboardInterrupt:
        run.tell("")
        return 130
    finally:
        end_children()
    run.tell("")
    result = {"bench": name, "command": shlex.join(["scripts/bench", name, *(w for w in sys.argv[1:] if w not in ("--json", "--quick"))]),
              "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "quick": run.quick,
              "rounds": run.rounds, "machine": describe(run.cpus, run.tsc_hz), "beside": run.beside.so_far(),
              "line_round_trip_tsc": summary(run.trips), **seen}
    shown = report(result)
    if given.svg and "picture" not in shown:
        parser.error("--svg: there is nothing to draw")
    if given.svg:
        with open(given.svg, "w", encoding="utf-8") as file:
            file.write(shown["picture"])
    if given.json:
        print(json.dumps(result, indent=1))
    else:
        print_text(result, shown)
    return 0
