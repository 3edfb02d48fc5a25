#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir simulate: no schedule breaks an invariant, and each rule of the hand-over that is left out is noticed."""
import json
import os
import random
import shutil
import subprocess
import tempfile
import unittest

import lab

VARIANTS = ("release",)

RULES = ("packet_behind_fence", "no_stash", "release_before_consumed", "ended_producer_not_counted",
         "give_and_take_in_one_batch", "blocked_producer_ignores_commands", "untold_taker")

PORTS = """
version: 1
ports:
  left: {generator: {}}
  right: {generator: {}}
"""

CHAIN = PORTS + """
pools:
  first: {from: [left], stages: [validate]}
  second: {from: [right], stages: [validate]}
  work:
    from: [first, second]
    shard-by: flow
    on-full: block
    workers: 1-4
    stages: [{meter: {max-flows: 512}}, {burn: {cycles: 40}}]
  out:
    from: [work]
    shard-by: flow
    on-full: block
    workers: 1-3
    stages: [{sink: {check: order}}]
"""

# One pool's classes part, meet again, and there are copies.
FORK = PORTS + """
classes:
  - low: {match: "udp src portrange 1024-30000"}
pools:
  first: {from: [left], stages: [validate, classify, {tee: copies}]}
  second: {from: [right], stages: [validate, classify]}
  work: {from: [first, second], take: [low], shard-by: flow, on-full: block, workers: 1-3, stages: [{meter: {max-flows: 512}}]}
  rest: {from: [first, second], shard-by: flow, on-full: drop, workers: 2-4, stages: [{burn: {cycles: 40}}]}
  copies: {from: [first], shard-by: flow, on-full: drop, workers: 1-2, stages: [sink]}
  out: {from: [work, rest], shard-by: flow, on-full: block, workers: 1-3, stages: [{sink: {check: order}}]}
"""

PIPELINES = {"block": CHAIN, "drop": CHAIN.replace("on-full: block", "on-full: drop"), "fork": FORK}


def some_seed():
    return random.SystemRandom().randrange(2**48)


class Simulate(unittest.TestCase):
    def simulate(self, text, *options):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            return subprocess.run([lab.WEIR, "simulate", *map(str, options), file.name], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False)

    def result(self, text, *options):
        """Its JSON, with the exit code beside it."""
        done = self.simulate(text, "--json", *options)
        self.assertIn(done.returncode, (0, 70), (options, done))
        self.assertEqual(done.stderr, "", options)
        return {**json.loads(done.stdout), "code": done.returncode}

    def test_no_schedule_breaks_anything(self):
        for name, text in PIPELINES.items():
            seed = some_seed()
            print(f"\nnote: {name}: seed {seed}", end="", flush=True)
            end = self.result(text, "--seed", seed, "--seeds", 35000 if lab.LONG else 150)
            print(", " + ", ".join(f"{key} {end[key]}" for key in ("seeds", "packets", "moves", "resizes", "stashed")), end="")
            self.assertEqual(list(end)[-10:-1], ["seeds", "steps", "packets", "moves", "resizes", "lost", "reordered",
                                                 "violations", "seeds_without_moves"], end)
            self.assertEqual([end[key] for key in ("code", "lost", "reordered", "violations", "seeds_without_moves")], [0] * 5, end)
            # Or it proves nothing.
            for key in ("stashed", "parks") if name == "drop" else ("stashed", "parks", "blocked"):
                self.assertGreater(end[key], end["seeds"] / 10, (key, end))

    def test_each_rule_that_is_left_out_is_noticed(self):
        for rule in RULES:
            seed = some_seed()
            end = self.result(CHAIN, "--break", rule, "--seed", seed, "--seeds", 1000)
            self.assertEqual((end["code"], end["violations"]), (70, 1), (rule, end))
            why = end["violation"]
            print(f"\nnote: {rule}: seed {seed}, violated by its seed {end['seeds'] - 1}: {why['least']} "
                  f"({why['packets']} packets, {why['orders']} orders, {why['cuts']} cuts)", end="")
            # It can be had again: as it was, and at its least.
            again = self.result(CHAIN, "--break", rule, "--seed", why["seed"])
            self.assertEqual(again["violation"], why, rule)
            limits = [word for key in ("packets", "orders", "cuts") for word in (f"--{key}", why[key])]
            least = self.result(CHAIN, "--break", rule, "--seed", why["seed"], *limits)
            self.assertEqual(least["violation"]["what"], why["least"], rule)
            # And it is the rule: the same seed with it is fine.
            self.assertEqual(self.result(CHAIN, "--seed", why["seed"])["code"], 0, rule)

    def test_a_seed_is_one_schedule(self):
        seed = some_seed()
        first = self.result(FORK, "--seed", seed, "--seeds", 5)
        self.assertEqual(self.result(FORK, "--seed", seed, "--seeds", 5), first)
        self.assertNotEqual(self.result(FORK, "--seed", seed + 5, "--seeds", 5)["digest"], first["digest"])
        for cores in (1, 2, 12):
            one = self.result(CHAIN, "--seed", seed, "--seeds", 20, "--cores", cores)
            self.assertEqual((one["code"], one["seeds_without_moves"]), (0, 0), (seed, cores, one))

    def test_says_what_it_cannot_do(self):
        for options, why in ((("--break", "no_rule"), "there is no such rule"), (("--seeds", "many"), "--seeds takes a number"),
                             (("--cores", "128"), "--cores takes a number up to 127")):
            done = self.simulate(CHAIN, *options)
            self.assertEqual((done.returncode, done.stdout), (64, ""), (options, done))
            self.assertIn(why, done.stderr)
        capture = PORTS.replace("left: {generator: {}}", "left: {file: x.pcap}")
        for text, why in ((CHAIN.replace(PORTS, capture), "only ports of kind `generator`"),
                          (CHAIN.replace("1-4", "1").replace("1-3", "1"), "no pool can move a shard"),
                          (CHAIN.replace("{sink: {check: order}}", "{write: {file: x.pcap}}"), "stage `write` and exports cannot"),
                          (CHAIN.replace("shard-by", "shard-buy"), "shard-buy")):
            done = self.simulate(text)
            self.assertEqual((done.returncode, done.stdout), (78, ""), done)
            self.assertIn(why, done.stderr)

    def test_a_binary_without_its_simulator_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            alone = os.path.join(folder, "weir")
            shutil.copy(lab.WEIR, alone)
            done = subprocess.run([alone, "simulate", "x.yaml"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (71, ""), done)
        self.assertIn("weir-simulate", done.stderr)


if __name__ == "__main__":
    unittest.main()
