#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fuzz targets for half a minute each, from the examples and a small corpus; an hour with scripts/test --long.

Each run has a seed of its own, which is printed; WEIR_FUZZ_SEED repeats one. What crashes is kept beside the target, and
`TARGET FILE` runs it again. What is found on the way to more branches is kept there, too, for the next run.
"""
import concurrent.futures
import glob
import os
import random
import re
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(os.path.dirname(os.environ.get("WEIR", os.path.join(ROOT, "build-fuzz", "weir"))), "tests", "fuzz")
CORPUS = os.environ.get("WEIR_CORPUS")
LONG = os.environ.get("WEIR_LONG") == "1"
SECONDS = 3600 if LONG else 12

# Beside the words of the reference: what YAML is made of, and what it takes for a line break.
SYNTAX = ["- ", ": ", ", ", "{", "}", "[", "]", "&a", "*a", "!x ", "#", "---\\x0a", "...\\x0a", "%YAML 1.1\\x0a", "<<", "|\\x0a  ", ">-\\x0a  ",
          "? ", "'", '\\"', "\\x00", "\\xc2\\x85", "\\xe2\\x80\\xa8", "\\xef\\xbb\\xbf", "\\\\", "\\\\x80", "\\\\u2028", "\\\\x00"]


def dictionary(path):
    with open(os.path.join(ROOT, "docs", "config.md"), encoding="ascii", errors="ignore") as file:
        words = set(re.findall(r'`([^`\n|"\\]{1,24})`', file.read()))
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f'"{word}"\n' for word in sorted(words) + SYNTAX)


class Fuzz(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Two at a time: each has a CPU to itself."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            cls.done = dict(zip(TARGETS, pool.map(fuzz, TARGETS)))

    def check(self, name):
        seed, kept, code, out = self.done[name]
        print(f"\nnote: fuzz_{name}: WEIR_FUZZ_SEED={seed}")
        tail = "\n".join(line for line in out.splitlines() if not re.match(r"#\d+\s", line))[-6000:]
        self.assertEqual((code, kept), (0, []), f"{tail}\nrepeat it with: {os.path.relpath(target(name), ROOT)} {' '.join(kept)}")
        runs = int(re.search(r"number_of_executed_units: (\d+)", out).group(1))
        print(f"note: fuzz_{name}: {runs} inputs in {SECONDS} s")
        self.assertGreater(runs, 1000)

    def test_config(self):
        self.check("config")

    def test_flow_table_against_a_model(self):
        self.check("flows")

    def test_capture(self):
        self.check("capture")

    def test_parse(self):
        self.check("parse")


def target(name):
    return os.path.join(BUILD, "fuzz_" + name)


def fuzz(name):
    """Its seed, the inputs that it did not bear, its exit code and what it said."""
    found, crashes = os.path.join(BUILD, "found-" + name), os.path.join(BUILD, name + "-")
    os.makedirs(found, exist_ok=True)
    dictionary(found + ".dict")
    before = set(glob.glob(crashes + "*"))
    seed = int(os.environ.get("WEIR_FUZZ_SEED") or random.randrange(1, 2**31))
    done = subprocess.run(
        [target(name), f"-seed={seed}", f"-max_total_time={SECONDS}", "-timeout=20", "-max_len=4096", "-print_final_stats=1",
         f"-dict={found}.dict", f"-artifact_prefix={crashes}", found, *TARGETS[name]()],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    kept = [os.path.relpath(path, ROOT) for path in sorted(set(glob.glob(crashes + "*")) - before)]
    return seed, kept, done.returncode, done.stdout


def captures():
    return [os.path.join(CORPUS, name) for name in ("flows", "hostile")] if CORPUS else []


def frames():
    """The first of each capture in pcap: seeds."""
    for folder in captures():
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read(1 << 16)
            at = 24
            while content[:4] == b"\xd4\xc3\xb2\xa1" and at + 16 <= len(content) and at < 4000:
                size = int.from_bytes(content[at + 8:at + 12], "little")
                yield content[at + 16:at + 16 + min(size, 2000)]
                at += 16 + size


def seed_frames():
    folder = os.path.join(BUILD, "frames")
    os.makedirs(folder, exist_ok=True)
    for number, frame in enumerate(frames()):
        with open(os.path.join(folder, str(number)), "wb") as file:
            file.write(bytes([number % 8, 0, number % 251]) + frame)
    return [folder]


# A target, and the seeds that it begins with.
TARGETS = {
    "config": lambda: [os.path.join(HERE, "corpus", "config"), os.path.join(ROOT, "config", "examples")],
    "flows": lambda: [],
    "capture": captures,
    "parse": seed_frames,
}


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
