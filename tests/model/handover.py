# SPDX-License-Identifier: BSD-3-Clause
"""The hand-over protocol (handover.pml) under spin: exhausted as it is, and noticed when a rule is broken.

    tests/run.py runs it as the suite `handover` of `model`
    python3 tests/model/handover.py NO_STASH     the shortest way to the harm, step by step

A search that its depth, memory or time cut short is a failure. Broken rules are searched breadth first.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "handover.pml")
LONG = "WEIR_LONG" in os.environ
LIMIT_S = 2400 if LONG else 240  # a bound, of one search; the suite as a whole takes less than a minute
MEMORY_MB = 3000
DEPTH = 10000

# Packets of each producer, batches of moves, and how the protocol is varied.
EXHAUSTED = [(1, 1, 2), (2, 2, 1), (2, 1, 1, "PIECEWISE"), (2, 2, 1, "STOP_ALL", "TOGETHER"),
             (1, 3, 1, "STOP_ALL")]
EXHAUSTED_LONG = [(2, 1, 2), (2, 2, 1, "PIECEWISE", "STOP_ALL"), (2, 1, 1, "PIECEWISE", "STOP_ALL", "END_BY_RING"),
                  (1, 1, 2, "TOGETHER", "END_BY_RING"), (3, 1, 1, "PIECEWISE", "STASH=2")]

# How spin says it, and what it means.
HARM = {
    r"assertion violated \(\(x>>3\)==got": "reordered",
    r"assertion violated \(\(\(got.*": "lost",
    r"assertion violated \(\(slot0": "left in the ring of a worker that parked",
    r"invalid end state": "stuck",
}
# The whole protocol is exhausted within at least the bounds that show the harm.
BROKEN = {
    "PACKET_BEHIND_FENCE": ((2, 1, 1), "left in the ring of a worker that parked"),
    "NO_STASH": ((2, 1, 1), "reordered"),
    "RELEASE_BEFORE_CONSUMED": ((2, 1, 1), "reordered"),
    "ENDED_PRODUCER_NOT_COUNTED": ((2, 1, 1), "stuck"),
    "GIVE_AND_TAKE_IN_ONE_BATCH": ((2, 2, 1, "STOP_ALL"), "stuck"),
    "BLOCKED_PRODUCER_IGNORES_COMMANDS": ((1, 3, 1, "STOP_ALL"), "stuck"),
    "STALE_END_OF_STREAM": ((1, 0, 2), "lost"),
    "UNTOLD_TAKER": ((2, 1, 1), "reordered"),
}


class Search:
    """One run of spin's verifier in a folder of its own."""

    def __init__(self, bounds, rule=None):
        packets_0, packets_1, batches, *varied = bounds
        named = [f"PACKETS_0={packets_0}", f"PACKETS_1={packets_1}", f"BATCHES={batches}", *varied]
        self.options = [f"-D{name}" for name in named + ([rule] if rule else [])]
        self.rule = rule
        self.name = " ".join(map(str, bounds)) + (f" {rule}" if rule else "")
        self.verdict = "not run"
        self.states = self.depth = 0
        self.unreached = []  # steps of the model that never happened
        self.trace = []

    def run(self):
        with tempfile.TemporaryDirectory() as folder:
            def call(*command):
                return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                      timeout=LIMIT_S, check=False).stdout

            shutil.copy(MODEL, folder)
            breadth = ["-DBFS"] if self.rule else []
            said = ""
            try:
                said += call("spin", *self.options, "-a", "handover.pml")
                said += call("gcc", "-O2", "-w", "-DSAFETY", f"-DMEMLIM={MEMORY_MB}", *breadth, "-o", "pan", "pan.c")
                said += call("./pan", f"-m{DEPTH}")
            except (subprocess.TimeoutExpired, FileNotFoundError) as error:
                said += str(error)
            self.verdict = self.judge(said)
            self.unreached = [step for step in re.findall(r"^\t(handover\.pml:.*)", said, re.M) if '"-end-"' not in step]
            if "wrote handover.pml.trail" in said:
                replayed = call("spin", "-t", "-T", *self.options, "handover.pml")
                self.trace = replayed.partition("\nspin: ")[0].splitlines()
        return self

    def judge(self, said):
        """`exhausted`, what harm was found, or what spin said."""
        figures = re.search(r"depth reached (\d+), errors: (\d+)\n\s*(\d+) states, stored", said)
        if figures is None:
            return "cut short: " + said[-2000:]
        self.depth, errors, self.states = map(int, figures.groups())
        harm = re.search(r"^pan:1: (.*)", said, re.M)
        if harm is not None:
            return next((meaning for how, meaning in HARM.items() if re.match(how, harm.group(1))), harm.group(1))
        cut = re.search(r"too small|reached -DMEMLIM|out of memory|not completed|aborting", said)
        return "exhausted" if errors == 0 and cut is None else "cut short: " + said[-2000:]


@unittest.skipUnless(shutil.which("spin") and shutil.which("gcc"), "needs spin and gcc: scripts/setup --tests")
class HandOver(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        bounds = EXHAUSTED + (EXHAUSTED_LONG if LONG else [])
        searches = [Search(b) for b in bounds] + [Search(b, rule) for rule, (b, _) in BROKEN.items()]
        # The big ones take gigabytes: one after the other.
        with concurrent.futures.ThreadPoolExecutor(1 if LONG else os.cpu_count()) as pool:
            cls.searches = {s.name: s for s in pool.map(Search.run, searches)}

    def find(self, search, wanted):
        done = self.searches[search.name]
        print(f"\nnote: {done.name}: {done.states} states, depth {done.depth}, {done.verdict}")
        self.assertEqual(done.verdict, wanted)
        return done

    def test_every_step_of_the_model_happens(self):
        self.assertEqual(self.searches[Search(EXHAUSTED[0]).name].unreached, [])


def exhausts(bounds):
    return lambda self: self.find(Search(bounds), "exhausted")


def notices(rule, bounds, harm):
    return lambda self: self.assertTrue(self.find(Search(bounds, rule), harm).trace)


for one in EXHAUSTED + (EXHAUSTED_LONG if LONG else []):
    setattr(HandOver, "test_exhausted_" + "_".join(map(str, one)).lower().replace("=", "_"), exhausts(one))
for broken, found in BROKEN.items():
    setattr(HandOver, "test_noticed_" + broken.lower(), notices(broken, *found))


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in BROKEN:
        sys.exit("usage: handover.py " + " | ".join(BROKEN))
    search = Search(BROKEN[sys.argv[1]][0], sys.argv[1]).run()
    print("\n".join(search.trace))
    print(search.verdict)


if __name__ == "__main__":
    main()
