# SPDX-License-Identifier: BSD-3-Clause
"""The real source of rings/ under the interleaving explorer: exhausted within its bounds, walked at random beyond, and
every weakened order noticed."""
import concurrent.futures
import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(os.path.dirname(os.environ["WEIR"]), "tests", "model", "model")
LONG = "WEIR_LONG" in os.environ
WALK_S = "60" if LONG else "0.3"  # a bound


def explore(*options):
    done = subprocess.run([MODEL, "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


class Model(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Both at once: each has a CPU to itself."""
        seed = ["--seed", os.environ["WEIR_SEED"]] if "WEIR_SEED" in os.environ else []
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            cls.exhausted, cls.walked = pool.map(lambda options: explore(*options), (["--long"] if LONG else [], ["--random", WALK_S, *seed]))

    def test_every_interleaving_within_the_bounds(self):
        code, bounds, said = self.exhausted
        for b in bounds:
            print(f"\nnote: {b['scenario']}, {b['threads']} threads, capacity {b['capacity']}, {b['items']} items: "
                  f"{b['states']} states, {b['transitions']} transitions, {b['verdict']}", end="")
        print(f"\nnote: {sum(b['states'] for b in bounds)} states in {sum(b['seconds'] for b in bounds):.0f} s")
        self.assertEqual(code, 0, said)
        self.assertTrue(bounds)
        self.assertEqual({b["verdict"] for b in bounds}, {"exhausted"})

    def test_random_walks_beyond_the_bounds(self):
        code, bounds, said = self.walked
        print(f"\nnote: walks of {sum(b['transitions'] for b in bounds)} transitions, {said.splitlines()[0]}")
        self.assertEqual(code, 0, said)
        self.assertGreater(len(bounds), 10)

    def test_every_weakened_order_is_noticed(self):
        done = subprocess.run([sys.executable, os.path.join(HERE, "mutate.py")], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        print("\n" + done.stdout)
        self.assertEqual(done.returncode, 0, "\n" + done.stdout)


if __name__ == "__main__":
    unittest.main()
