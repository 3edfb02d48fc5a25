# SPDX-License-Identifier: BSD-3-Clause
"""weir bench, in its quickest form: what it answers, and how it refuses. How well it searches: tests/cli."""
import json
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import lab

VARIANTS = ("release",)

TEXT = """
version: 1
memory: normal
ports: {{gen: {{generator: {{flows: 64}}}}{more}}}
pools: {{all: {{from: [gen{names}], stages: [validate, {{burn: {{cycles: {cycles}}}}}, sink]}}}}
"""
QUICK = ("--seconds", "0.1", "--loss", "20")


class Bench(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-bench-")
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "bench.yaml")

    def bench(self, *options, cycles=20000, more="", names="", text=None):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text or TEXT.format(cycles=cycles, more=more, names=names))
        return subprocess.run([lab.WEIR, "bench", *options, self.file], text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)

    def test_the_highest_rate_is_that_of_the_work_and_all_else_follows_it(self):
        picture = self.file + ".svg"
        done = lab.again_unless(lambda done: done.returncode or json.loads(done.stdout)["burst_packets"] > 1000,
                                lambda: self.bench("--json", "--svg", picture, *QUICK))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(xml.etree.ElementTree.parse(picture).getroot().findall("{*}polyline")), 6)
        result = json.loads(done.stdout)
        self.assertEqual(sorted(result), ["burst_packets", "file", "found_pps", "highest_pps", "latency", "loss_percent", "max_pps", "seconds", "trials"])
        self.assertEqual((result["file"], result["loss_percent"], result["seconds"]), (self.file, 20, 0.1))
        self.assertEqual(result["highest_pps"], sorted(result["found_pps"])[1])
        best = result["highest_pps"]
        self.assertGreater(best, result["max_pps"] / 5)
        self.assertLess(best, result["max_pps"] * 5)
        self.assertEqual([row["load"] for row in result["latency"]], ["idle", "10 %", "50 %", "90 %"])
        for row, share in zip(result["latency"], (0, 0.1, 0.5, 0.9)):
            self.assertAlmostEqual(row["rate_pps"], max(1000, best * share), delta=1)
            self.assertGreater(row["latency"]["count"], 0, result)
            self.assertLessEqual(row["latency"]["p50_ns"], row["latency"]["max_ns"])
        self.assertGreater(result["burst_packets"], 1000, "its queue holds 4096")
        self.assertLess(result["burst_packets"], 14880952)
        self.assertGreater(result["trials"], 20)

    def test_what_cannot_be_searched_is_refused_with_the_remedy(self):
        two = self.bench(more=", two: {generator: {}}", names=", two")
        none = self.bench("--set", "ports.gen={vdev: net_null0}")
        for done, n in ((two, 2), (none, 0)):
            self.assertEqual(done.returncode, 78)
            self.assertRegex(done.stderr, rf"^{self.file}: has {n} ports of kind generator.*; allowed: one, .*--set")
        for key in ("spike: {at: 1s, for: 1s, times: 2}", "churn: 10"):
            done = self.bench(text=TEXT.format(cycles=0, more="", names="").replace("flows: 64", f"rate: 1kpps, {key}"))
            self.assertEqual(done.returncode, 78)
            self.assertRegex(done.stderr, rf"^{self.file}:4:\d+: `{key.split(':', maxsplit=1)[0]}` goes with a rate")
        done = self.bench("--set", "pools.all.workers=x")
        self.assertEqual((done.returncode, done.stderr.startswith("--set pools.all.workers: ")), (78, True))

    def test_wrong_use(self):
        for options in (("--loss", "x"), ("--loss", "100"), ("--seconds", "0"), ("--nonsense",), ("more.yaml",)):
            self.assertEqual(self.bench(*options).returncode, 64, options)
        self.assertEqual(subprocess.run([lab.WEIR, "bench", "-"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode, 64)

    def test_a_trial_that_cannot_run_ends_it_with_its_own_words_and_code(self):
        done = self.bench(*QUICK, more=", lost: {file: /nosuch/x.pcap}", names=", lost")
        self.assertEqual(done.returncode, 69)
        self.assertIn("/nosuch/x.pcap", done.stderr)

    def test_a_pipeline_that_drops_all_has_no_rate(self):
        done = self.bench(*QUICK, text=TEXT.format(cycles=0, more="", names="").replace("validate", "admit: {rate: 1pps, burst: 1}"))
        self.assertEqual(done.returncode, 70, done.stderr)
        self.assertIn("not even 1000 packets a second pass", done.stderr)


if __name__ == "__main__":
    unittest.main()
