#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Build the variants, run the suites, sum the counts.  Started by scripts/test.

A line a suite while it runs; the output of one only when it fails, all of it in BUILD/logs. Every suite has a
time limit: a hang is a failure, not a wait. The last line is `N passed, N failed, N skipped`.
"""
import argparse
import ast
import glob
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = "-j2"
SHOWN_LINES = 160    # of the output of a suite that fails
BUILD_LIMIT_S = 900

# gcc's flow analysis reads instrumented code wrongly; the plain builds keep this warning.
QUIETER = ["-Dbuildtype=debugoptimized",
           "-Dc_args=-Wno-maybe-uninitialized", "-Dcpp_args=-Wno-maybe-uninitialized"]

# variant: folder, compilers, meson options. A build that warns fails.
TESTS = "-Dtests=true"
BUILDS = {
    "release": ("build", "gcc", [TESTS]),
    "asan": ("build-asan", "gcc", [TESTS, *QUIETER, "-Db_sanitize=address,undefined"]),
    "tsan": ("build-tsan", "gcc", [TESTS, *QUIETER, "-Db_sanitize=thread"]),
    # What both of them are for, in one: its warnings, and faults to plant.
    "clang": ("build-clang", "clang", [TESTS, "-Dplant=true"]),
    # libFuzzer is clang's; its run-time is a library of the program, not of the parts.
    "fuzz": ("build-fuzz", "clang", ["-Dparts=fuzz", "-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined",
                                     "-Db_lundef=false"]),
}
COMPILERS = {"gcc": "CC=gcc CXX=g++", "clang": "CC=clang CXX=clang++"}
SANITIZERS = ("asan", "tsan", "fuzz")
UNIT_VARIANTS = ("release", "asan", "tsan")

# variant: seconds for a googletest binary, for an e2e file.
LIMITS = {"release": (300, 600), "asan": (300, 600), "tsan": (300, 600), "clang": (120, 300)}
MODEL_LIMIT_S = 300
FUZZ_LIMITS_S = (300, 20000)  # and with --long
LONG_FACTOR = 12

# An end-to-end file that does not say `VARIANTS = (…)` runs in these.
E2E_VARIANTS = ("release", "asan", "tsan")


def environment(variant, given):
    suppressions = os.path.join(ROOT, "tests", "lsan.supp")
    return {
        **os.environ,
        "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
        "LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "TSAN_OPTIONS": "second_deadlock_stack=1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "WEIR": os.path.join(ROOT, BUILDS[variant][0], "weir"),
        "WEIR_VARIANT": variant,
        **({"WEIR_LONG": "1"} if given.long else {}),
    }


class Run:
    def __init__(self, given):
        self.given = given
        self.sums = {"passed": 0, "failed": 0, "skipped": 0}

    # One suite: its line, its counts, and what it said if it failed.
    def suite(self, name, variant, command, limit_s, counted):
        logs = os.path.join(ROOT, BUILDS[variant][0], "logs")
        os.makedirs(logs, exist_ok=True)
        log, counts = (os.path.join(logs, name.replace(" ", "-") + end) for end in (".log", ".json"))
        if os.path.exists(counts):
            os.remove(counts)
        bounded = ["timeout", "-k", "10", str(limit_s), *(part.format(counts=counts) for part in command)]
        # The memory map that ThreadSanitizer counts on does not go with all of the kernel's randomness. (A container may
        # forbid to turn it off.)
        if variant == "tsan" and subprocess.run(["setarch", "-R", "true"], check=False, capture_output=True).returncode == 0:
            bounded = ["setarch", "-R", *bounded]
        start = time.monotonic()
        with open(log, "w", encoding="utf-8") as out:
            code = subprocess.run(
                bounded, cwd=ROOT, env=environment(variant, self.given), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, check=False).returncode
        with open(log, encoding="utf-8", errors="replace") as file:
            said = file.read()
        result = counted(counts, said)
        if not any(result.values()):
            result["failed"] = 1  # it ran no test at all
            said += "\nno test was run\n"
        if code != 0 and result["failed"] == 0:
            result["failed"] = 1  # a crash, a sanitizer at exit, the time limit
        for key, count in result.items():
            self.sums[key] += count
        figures = ", ".join(f"{result[key]} {key}" for key in self.sums)
        print(f"{name:<28} {figures:<34} {time.monotonic() - start:7.1f} s", flush=True)
        for note in re.findall(r"^note: (.*)", said, re.M):
            print(f"    {note}")
        if result["failed"]:
            telling = [line for line in said.splitlines() if not re.match(r"\[\d+/\d+\] ", line)]  # not ninja's steps
            for line in telling[-SHOWN_LINES:]:
                print("    | " + line)
            why = f"time limit of {limit_s} s" if code in (124, 137) else f"exit code {code}"
            print(f"    {why}; all of it in {os.path.relpath(log, ROOT)}", flush=True)
        return result["failed"] == 0

    # A build is a check of its own: no warning from either compiler.
    def build(self, variant):
        folder, compiler, options = BUILDS[variant]
        there = os.path.exists(os.path.join(ROOT, folder, "build.ninja"))
        configure = f"meson configure {folder}" if there else f"{COMPILERS[compiler]} meson setup {folder}"
        steps = (f"{configure} -Dwerror=true {' '.join(options)} && ninja {JOBS} -C {folder}"
                 " && echo '{{\"passed\": 1, \"failed\": 0, \"skipped\": 0}}' > '{counts}'")
        return self.suite(folder, variant, ["sh", "-c", steps], BUILD_LIMIT_S, written)

    def law(self):
        self.suite("law", "release", unittest_of(os.path.join(ROOT, "tests", "law.py")), 60, written)

    def model(self, variant):
        limit = MODEL_LIMIT_S * (LONG_FACTOR if self.given.long else 1)
        for name, file in (("model", "test_model.py"), ("handover", "handover.py")):
            self.suite(name, variant, unittest_of(os.path.join(ROOT, "tests", "model", file)), limit, written)

    def fuzz(self, variant):
        self.suite("fuzz", variant, unittest_of(os.path.join(ROOT, "tests", "fuzz", "test_fuzz.py")),
                   FUZZ_LIMITS_S[self.given.long], written)

    def unit(self, variant):
        limit = LIMITS[variant][0] * (LONG_FACTOR if self.given.long else 1)
        binaries = sorted(glob.glob(os.path.join(ROOT, BUILDS[variant][0], "tests", "**", "*_test"), recursive=True))
        self.expect(binaries, f"unit tests in {BUILDS[variant][0]}")
        for binary in binaries:
            name = f"{os.path.basename(binary)} {variant}"
            self.suite(name, variant, [binary, "--gtest_output=json:{counts}"], limit, googletest)

    def e2e(self, variant):
        limit = LIMITS[variant][1] * (LONG_FACTOR if self.given.long else 1)
        files = [f for f in sorted(glob.glob(os.path.join(ROOT, "tests", "e2e", "test_*.py")))
                 if variant in variants_of(f)]
        self.expect(files, f"end-to-end tests for {variant}")
        for file in files:
            name = os.path.splitext(os.path.basename(file))[0]
            self.suite(f"{name} {variant}", variant, unittest_of(file), limit, written)

    def expect(self, found, what):
        if not found:
            self.sums["failed"] += 1
            print(f"no {what}: that is a failure, not a success")


# ---- counts ----

def unittest_of(file):
    return [sys.executable, os.path.join(ROOT, "tests", "unittest_counts.py"), file, "{counts}"]


def written(counts, said):
    del said
    try:
        with open(counts, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {"passed": 0, "failed": 1, "skipped": 0}


def googletest(counts, said):
    try:
        with open(counts, encoding="utf-8") as file:
            tests = [test for suite in json.load(file)["testsuites"] for test in suite["testsuite"]]
    except (OSError, ValueError):  # it did not live to write it
        return {"passed": len(re.findall(r"^\[       OK ]", said, re.M)), "failed": 1, "skipped": 0}
    failed = sum("failures" in test for test in tests)
    skipped = sum(test["status"] == "NOTRUN" or test["result"] == "SKIPPED" for test in tests)
    return {"passed": len(tests) - failed - skipped, "failed": failed, "skipped": skipped}


def variants_of(file):
    with open(file, encoding="utf-8") as source:
        named = re.search(r"^VARIANTS\b.*", source.read(), re.M)
    if named is None:
        return E2E_VARIANTS
    variants = ast.literal_eval(named.group().partition("=")[2].strip())
    if not variants or not set(variants) <= set(BUILDS):
        sys.exit(f"{file}: {named.group()}: write a tuple of {', '.join(BUILDS)} on one line")
    return variants


# ---- what runs ----

def plan(given):
    """Suites in order, as (names it goes by, kind, variant)."""
    skipped = SANITIZERS if given.no_sanitizers else ()
    suites = [({"law"}, "law", "release")]
    suites += [({"build", f"build-{v}"}, "build", v) for v in BUILDS if v not in skipped]
    suites += [({"unit", f"unit-{v}"}, "unit", v) for v in UNIT_VARIANTS if v not in skipped]
    suites += [({"model"}, "model", "release")]
    suites += [({"fuzz"}, "fuzz", v) for v in ("fuzz",) if v not in skipped]
    suites += [({"e2e", f"e2e-{v}"}, "e2e", v) for v in (*E2E_VARIANTS, "clang") if v not in skipped]
    if not given.suites:
        return suites
    known = sorted(set().union(*(names for names, _, _ in suites)))
    for name in given.suites:
        if name not in known:
            sys.exit(f"scripts/test: no suite `{name}`; there are: {' '.join(known)}")
    chosen = [s for s in suites if s[0] & set(given.suites)]
    needed = {variant for _, kind, variant in chosen if kind in ("unit", "model", "fuzz", "e2e")}
    return [s for s in suites if s in chosen or (s[1] == "build" and s[2] in needed)]


def main():
    parser = argparse.ArgumentParser(prog="scripts/test", description="Build all variants, run all suites.")
    parser.add_argument("--long", action="store_true", help="with the counts and times of a release")
    parser.add_argument("--no-sanitizers", action="store_true", help="leave out the asan, tsan and fuzz builds")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="law build unit model fuzz e2e, or one: unit-asan")
    given = parser.parse_args()
    suites = plan(given)
    run = Run(given)
    broken = set()
    for _, kind, variant in suites:
        if kind == "law":
            run.law()
        elif kind == "build":
            if not run.build(variant):
                broken.add(variant)
        elif variant not in broken:  # the broken build has been counted
            getattr(run, kind)(variant)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**run.sums))
    return 1 if run.sums["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
