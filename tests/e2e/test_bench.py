# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench runs where scripts/setup has been, and says what a program wants to read. No figure is judged here."""
import json
import os
import subprocess
import unittest

import lab

VARIANTS = ("release",)


class Bench(unittest.TestCase):
    @lab.needs_program("dpdk-testpmd", "meson", "ninja")
    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two CPUs")
    def test_pipeline_beside_testpmd_in_one_run(self):
        done = subprocess.run(
            [os.path.join(lab.ROOT, "scripts", "bench"), "pipeline", "--quick", "--json"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=240, check=False,
            env={**os.environ, "WEIR_SETUP": "done"})
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        rows = {row["path"]: row for row in json.loads(done.stdout)["rows"]}
        self.assertEqual(set(rows), {path + port for path in ("testpmd-5tswap", "weir-rtc", "weir-pipeline")
                                     for port in ("", " (net_null)")})
        for path, row in rows.items():
            for key in ("cores", "cycles_per_packet", "mpps", "ratio_testpmd_5tswap", "line_round_trip_tsc"):
                self.assertGreater(row[key], 0, (path, key))
        self.assertEqual(rows["testpmd-5tswap"]["ratio_testpmd_5tswap"], 1)
        self.assertEqual((rows["weir-rtc"]["cores"], rows["weir-pipeline"]["cores"]), (1, 2))
        self.assertEqual(rows["weir-rtc"]["flows"], 65536)

    def test_wrong_words_are_64(self):
        for words in ((), ("nonsense",)):
            done = subprocess.run([os.path.join(lab.ROOT, "scripts", "bench"), *words], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (64, ""), done.stderr)
            self.assertIn("usage: scripts/bench", done.stderr)


if __name__ == "__main__":
    unittest.main()
