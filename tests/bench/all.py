#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""All suites one after the other, and what they say as docs/bench.

Each suite's figures go between two marks of its page, its picture beside it; what people wrote around stays. With --quick all of
it goes into build/bench instead. A suite that fails leaves its page as it was and makes the result a failure; the rest go on.
"""
import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import time

from suite import ROOT, SKIPPED, markdown

SUITES = ("rings", "classes", "costs", "flows", "pipeline", "scaling", "latency", "watch", "pairs", "wire")
BEGIN, END = "<!-- measured: scripts/bench all writes from here -->", "<!-- measured: to here -->"


def replace(path, title, block):
    """Put the block between the marks; a new page has a title."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        text = f"# {title}\n\n"
    before, mark, rest = text.partition(BEGIN + "\n")
    after = rest.partition(END + "\n")[2] if mark else ""
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{'' if mark or before.endswith(chr(10) * 2) else chr(10)}{BEGIN}\n{block}{END}\n{after}")


def write(name, result, folder):
    """The page, the picture and, of costs, what `weir plan --rate` reads."""
    suite = importlib.import_module(name)
    shown = suite.report(result)
    with open(os.path.join(folder, name + ".svg"), "w", encoding="utf-8") as file:
        file.write(shown["picture"])
    replace(os.path.join(folder, name + ".md"), suite.__doc__.split("\n\n")[0].replace("\n", " ").strip("."),
            markdown(result, shown, [name + ".svg"]))
    if name == "costs":
        with open(os.path.join(folder, "costs.json"), "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
    return shown["lines"]


def index(path, seen, troubles):
    """A row a suite; what was not measured now keeps the one that it has."""
    out = ["| Suite | What | Result | Measured | Took |", "|---|---|---|---|---:|"]
    rows = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            rows = {match.group(1): match.group() for match in re.finditer(r"^\| \[(\w+)\]\(\1\.md\) \|.*", file.read(), re.M)}
    for name, (result, lines) in seen.items():
        what = importlib.import_module(name).__doc__.split("\n\n")[0].replace("\n", " ")
        rows[name] = f"| [{name}]({name}.md) | {what} | {'<br>'.join(lines[:6])} | {result['date']} | {result['beside']['seconds']:.0f} s |"
    rows |= {name: f"| [{name}]({name}.md) | | not measured; {trouble} | | |" for name, trouble in troubles.items()}
    return "\n".join(out + [rows[name] for name in SUITES if name in rows]) + "\n"


def run(name, quick):
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tests/bench", name + ".py"), "--json", *(["--quick"] if quick else [])],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout), None
    return None, ("skipped: " if done.returncode == SKIPPED else "FAILED: ") + (done.stderr.strip().splitlines() or ["no word"])[-1]


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench all", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="only these: " + ", ".join(SUITES))
    parser.add_argument("--json", action="store_true", help="the results of all, as one JSON object")
    parser.add_argument("--quick", action="store_true", help="each as with --quick, into build/bench: whether they work")
    parser.add_argument("--out", metavar="DIR", help="where pages and pictures go (docs/bench; with --quick build/bench)")
    given = parser.parse_args()
    wrong = [name for name in given.suites if name not in SUITES]
    if wrong:
        parser.error(f"{wrong[0]}: not a suite; there are {', '.join(SUITES)}")
    folder = given.out or os.path.join(ROOT, "build/bench" if given.quick else "docs/bench")
    os.makedirs(folder, exist_ok=True)
    seen, troubles, start = {}, {}, time.monotonic()
    for name in given.suites or SUITES:
        print(f"{name:<10}", end="", file=sys.stderr, flush=True)
        begin = time.monotonic()
        result, trouble = run(name, given.quick)
        if trouble is None:
            seen[name] = result, write(name, result, folder)
        else:
            troubles[name] = trouble
        print(f"{time.monotonic() - begin:7.1f} s  {trouble or ''}", file=sys.stderr, flush=True)
    if seen:
        readme = os.path.join(folder, "README.md")
        replace(readme, "Measured", index(readme, seen, troubles))
    if given.json:
        print(json.dumps({"results": {name: result for name, (result, _) in seen.items()}, "troubles": troubles}, indent=1))
    else:
        print(f"{len(seen)} suites measured in {time.monotonic() - start:.0f} s, {len(troubles)} not; {os.path.relpath(folder)}")
        for name, (_, lines) in seen.items():
            print(*(f"{name}: {line}" for line in lines), sep="\n")
    return 1 if any(t.startswith("FAILED") for t in troubles.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
