# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench runs where scripts/setup has been, and says what a program wants to read. No figure is judged here."""
import json
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

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

    @lab.needs_program("meson", "ninja")
    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two CPUs")
    def test_rings_beside_rte_ring_in_one_run(self):
        with tempfile.NamedTemporaryFile(suffix=".svg") as picture:
            done = subprocess.run(
                [os.path.join(lab.ROOT, "scripts", "bench"), "rings", "--quick", "--json", "--plot", picture.name],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=240, check=False,
                env={**os.environ, "WEIR_SETUP": "done"})
            self.assertEqual(done.returncode, 0, done.stderr[-4000:])
            drawn = xml.etree.ElementTree.parse(picture.name)
        self.assertGreater(len(drawn.getroot()), 5)
        result = json.loads(done.stdout)
        rows = result["rows"]
        shapes = {(burst, size) for burst in (1, 8, 32, 64) for size in (256, 1024, 4096)}
        if result["mixed_rounds"] == 0:
            for variant in ("weir", "weir-in-place", "rte_ring_spsc", "rte_ring_spsc_zc", "rte_ring_mpmc", "rte_ring_hts",
                            "ck_ring", "limit"):
                seen = {(r["burst"], r["size"]) for r in rows if r["variant"] == variant and r["placement"] != "same core"}
                self.assertEqual(seen, shapes, variant)
        for r in rows:
            self.assertGreater(r["cycles_per_item"], 0, r)
            self.assertIn(r["placement"], ("near", "far", "same core"))
            if r["variant"] == "rte_ring_spsc":
                self.assertEqual(r["ratio_rte_ring_spsc"], 1, r)
        self.assertEqual(len(result["verdicts"]), 7)

    @lab.needs_program("meson", "ninja")
    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two CPUs")
    def test_classes_by_number_and_kind(self):
        done = subprocess.run(
            [os.path.join(lab.ROOT, "scripts", "bench"), "classes", "--quick", "--json"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=240, check=False,
            env={**os.environ, "WEIR_SETUP": "done"})
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        result = json.loads(done.stdout)
        self.assertIn("ratio_64_simple_to_1", result)
        rows = {row["classes"]: row for row in result["rows"]}
        self.assertEqual({name: row["n"] for name, row in rows.items()}, {
            "none": 0, "1 simple": 1, "8 simple": 8, "64 simple": 64, "1 compiled": 1, "8 compiled": 8, "64 compiled": 64,
            "64 simple, 8 compiled": 72})
        for name, row in rows.items():
            for key in ("cycles_per_packet", "ratio_one_class"):
                self.assertGreater(row[key], 0, (name, key))
        self.assertEqual(rows["1 simple"]["ratio_one_class"], 1)

    @lab.needs_program("meson", "ninja")
    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two CPUs")
    def test_flow_table_beside_rte_hash_in_one_run(self):
        with tempfile.NamedTemporaryFile(suffix=".svg") as picture:
            done = subprocess.run(
                [os.path.join(lab.ROOT, "scripts", "bench"), "flows", "--quick", "--json", "--svg", picture.name],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=250, check=False,
                env={**os.environ, "WEIR_SETUP": "done"})
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            self.assertIn("<polyline", picture.read().decode())
        rows = json.loads(done.stdout)["rows"]
        self.assertEqual({r["table"] for r in rows}, {"weir", "rte_hash", "weir, whole path"})
        for row in rows:
            self.assertGreater(row["cycles_per_packet"], 0, row)
            if row["bytes_per_flow"] is not None:
                self.assertGreater(row["bytes_per_flow"], 64, row)
                self.assertGreater(row["ratio_rte_hash"], 0, row)

    def test_wrong_words_are_64(self):
        for words in ((), ("nonsense",)):
            done = subprocess.run([os.path.join(lab.ROOT, "scripts", "bench"), *words], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (64, ""), done.stderr)
            self.assertIn("usage: scripts/bench", done.stderr)


if __name__ == "__main__":
    unittest.main()
