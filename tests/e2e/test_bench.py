# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench runs where scripts/setup has been, and says what a program wants to read. No figure is judged here."""
import concurrent.futures
import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock as mock
import xml.etree.ElementTree

import lab

VARIANTS = ("release",)

BENCH = os.path.join(lab.ROOT, "scripts", "bench")
SUITES = ("pipeline", "wire", "costs", "scaling", "latency", "watch", "pairs", "classes", "flows", "rings")
NEEDS_ROOT = ("wire",)


def bench(*words):
    return subprocess.run([BENCH, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=240, check=False, env={**os.environ, "WEIR_SETUP": "done"})


@lab.needs_program("meson", "ninja", "dpdk-testpmd")
@unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "needs two CPUs")
class Suites(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """All of them, three at a time: most of a quick one is waiting for something to start, and no figure is judged."""
        built = bench("pairs", "--help")  # builds; two of them at once would be in each other's way
        assert built.returncode == 0, built.stderr
        cls.folder = tempfile.TemporaryDirectory(prefix="weir-bench-")
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            cls.done = dict(zip(SUITES, pool.map(cls.run_suite, SUITES)))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def run_suite(cls, suite):
        return subprocess.run([sys.executable, os.path.join(lab.ROOT, "tests/bench", suite + ".py"), "--quick", "--json", "--svg",
                               cls.picture(suite)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=240, check=False)

    @classmethod
    def picture(cls, suite):
        return os.path.join(cls.folder.name, suite + ".svg")

    def result(self, suite):
        if suite in NEEDS_ROOT and os.geteuid() != 0:
            self.assertEqual(self.done[suite].returncode, 77, self.done[suite].stderr)
            self.skipTest("needs root")
        self.assertEqual(self.done[suite].returncode, 0, self.done[suite].stderr[-4000:])
        return json.loads(self.done[suite].stdout)

    def test_each_says_where_when_and_what_else_ran_and_draws_it(self):
        for suite in SUITES:
            with self.subTest(suite):
                result = self.result(suite)
                self.assertEqual((result["bench"], result["quick"]), (suite, True))
                self.assertGreater(result["machine"]["tsc_hz"], 1e8)
                for key in ("load_average_before", "others_cpus", "stolen_cpus"):
                    self.assertGreaterEqual(result["beside"][key], 0)
                self.assertRegex(result["date"], r"^\d{4}-\d\d-\d\d \d\d:\d\d UTC$")
                self.assertGreater(len(xml.etree.ElementTree.parse(self.picture(suite)).getroot()), 5)

    def test_pipeline_beside_testpmd_and_go(self):
        result = self.result("pipeline")
        rows = {(r["path"], r["port"]): r for r in result["rows"] if r["placement"] == "all"}
        wanted = {(path, port) for path in ("testpmd-5tswap", "weir-rtc", "weir-pipeline") for port in ("net_preload", "net_null")}
        wanted |= {("testpmd-io", "net_preload"), ("testpmd-macswap", "net_preload")}
        if shutil.which("go"):
            wanted |= {("go-" + path, "memory") for path in ("direct", "items", "slices", "items-one-core", "slices-one-core")}
        self.assertEqual(result["go"], shutil.which("go") is not None)
        self.assertEqual(set(rows), wanted)
        for key, row in rows.items():
            for name in ("cycles_per_packet", "mpps", "ratio_testpmd_5tswap", "weir_rtc_times_faster"):
                self.assertGreater(row[name], 0, (key, name))
        self.assertEqual(rows["testpmd-5tswap", "net_null"]["ratio_testpmd_5tswap"], 1)
        self.assertEqual(rows["weir-rtc", "net_null"]["weir_rtc_times_faster"], 1)
        self.assertEqual((rows["weir-rtc", "net_preload"]["cores"], rows["weir-pipeline", "net_preload"]["cores"]), (1, 2))
        trips = result["line_round_trip_tsc"]
        self.assertEqual(trips["times"], len(wanted) + 1)
        self.assertLessEqual({r["placement"] for r in result["rows"]}, {"all", "near", "far"})

    @lab.needs_program("go")
    def test_go_counts_each_packet_of_each_flow(self):
        self.result("pipeline")  # has built it
        program = os.path.join(lab.ROOT, "build/tests/bench/go-pipeline")
        for words in (("direct",), ("items", "-workers", "3"), ("slices", "-workers", "3")):
            done = subprocess.run([program, "-flows", "1000", "-seconds", "0.1", "-mode", *words], stdout=subprocess.PIPE, check=True)
            seen = json.loads(done.stdout)  # it compares received with counted, and ends with 70 otherwise
            self.assertEqual((seen["flows"], seen["dropped"]), (1000, 0))
            self.assertGreater(seen["packets"], 1000)
        self.assertEqual(subprocess.run([program, "-mode", "no"], stderr=subprocess.DEVNULL, check=False).returncode, 64)

    def test_rings_beside_rte_ring(self):
        result = self.result("rings")
        rows, shapes = result["rows"], {(burst, size) for burst in (1, 8, 32, 64) for size in (256, 1024, 4096)}
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

    def test_classes_by_number_and_kind(self):
        result = self.result("classes")
        self.assertIn("ratio_64_simple_to_1", result)
        rows = {row["classes"]: row for row in result["rows"]}
        self.assertEqual({name: row["n"] for name, row in rows.items()}, {
            "none": 0, "1 simple": 1, "8 simple": 8, "64 simple": 64, "1 compiled": 1, "8 compiled": 8, "64 compiled": 64,
            "64 simple, 8 compiled": 72})
        for name, row in rows.items():
            for key in ("cycles_per_packet", "ratio_one_class"):
                self.assertGreater(row[key], 0, (name, key))
        self.assertEqual(rows["1 simple"]["ratio_one_class"], 1)

    def test_flow_table_beside_rte_hash(self):
        rows = self.result("flows")["rows"]
        self.assertEqual({r["table"] for r in rows}, {"weir", "rte_hash", "weir, whole path"})
        for row in rows:
            self.assertGreater(row["cycles_per_packet"], 0, row)
            if row["bytes_per_flow"] is not None:
                self.assertGreater(row["bytes_per_flow"], 64, row)
                self.assertGreater(row["ratio_rte_hash"], 0, row)

    def test_scaling_by_flows_sizes_and_workers(self):
        rows = self.result("scaling")["rows"]
        points = {table: [r["point"] for r in rows if r["table"] == table] for table in dict.fromkeys(r["table"] for r in rows)}
        self.assertEqual(points, {"flows": [1 << 10, 1 << 16, 1 << 22], "sizes": ["60", "590", "1514", "imix"],
                                  "each its own port": [1, 2, 3, 4], "behind one ingress": [1, 2, 3]})
        for row in rows:
            self.assertGreater(row["mpps"], 0, row)
            workers = row["point"] + (row["table"] == "behind one ingress") if isinstance(row["point"], int) else 0
            if row["table"] != "flows":
                self.assertEqual("oversubscribed" in row["note"], workers > 2, row)

    def test_latency_by_load(self):
        rows = self.result("latency")["rows"]
        self.assertEqual({(r["path"], r["load"]) for r in rows if r["placement"] == "all"},
                         {(path, load) for path in ("one", "two") for load in ("idle", "idle, the clock alone", "50 %")})
        for r in rows:
            self.assertGreater(r["probes"], 0, r)
            self.assertLessEqual([0, r["p50_ns"], r["p99_ns"], r["p99_9_ns"]], sorted([0, r["p50_ns"], r["p99_ns"], r["p99_9_ns"]]), r)

    def test_costs_are_what_plan_reads(self):
        result = self.result("costs")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(result, file)
            file.flush()
            done = subprocess.run([lab.WEIR, "plan", "--rate", "1Mpps", "--costs", file.name,
                                   os.path.join(lab.EXAMPLES, sorted(os.listdir(lab.EXAMPLES))[0])],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertNotIn("--costs", done.stderr)
        with open(os.path.join(lab.ROOT, "docs/bench/costs.json"), encoding="utf-8") as file:
            kept = json.load(file)
        self.assertEqual({group: set(costs) for group, costs in result["cycles_per_packet"].items()},
                         {group: set(costs) for group, costs in kept["cycles_per_packet"].items()})

    def test_watching_is_paired_with_itself(self):
        rows = {r["what"]: r for r in self.result("watch")["rows"]}
        self.assertLessEqual({"/metrics at 100 Hz", "as much work by a stranger", "all of them"}, set(rows))
        for name, row in rows.items():
            self.assertEqual(row["verdict"], "unresolved", (name, "three pairs decide nothing"))
            self.assertGreater(row["a_to_a"], 0)
        self.assertGreater(rows["/metrics at 100 Hz"]["scrapes_per_s"], 1)

    def test_pairs_of_configurations(self):
        row = self.result("pairs")["rows"][0]
        self.assertEqual((row["pairs"], row["what"], row["verdict"]), (3, "shard-by: flow beside shard-by: none", "unresolved"))

    def test_the_wire_is_silent_while_weir_starts_again(self):
        result = self.result("wire")
        self.assertEqual({r["program"] for r in result["rows"]}, {"weir", "testpmd"})
        for gap in result["gaps"]:
            self.assertLess(gap["lost"], gap["sent"])

    def test_a_page_keeps_what_people_wrote(self):
        sys.path.insert(0, os.path.join(lab.ROOT, "tests", "bench"))
        pages = importlib.import_module("all")
        path = os.path.join(self.folder.name, "page.md")
        result = self.result("classes")
        pages.replace(path, "Title", "first\n")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write("before\n" + text + "after\n")
        shown = importlib.import_module("classes").report(result)
        pages.replace(path, "Title", importlib.import_module("suite").markdown(result, shown, ["classes.svg"]))
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertRegex(text, r"\Abefore\n# Title\n\n<!-- measured")
        self.assertRegex(text, r"measured: to here -->\nafter\n\Z")
        self.assertNotIn("first", text)
        self.assertIn("| 64 simple, 8 compiled |", text)

    def test_a_suite_that_fails_leaves_the_others_alone(self):
        sys.path.insert(0, os.path.join(lab.ROOT, "tests", "bench"))
        pages, result = importlib.import_module("all"), self.result("classes")
        answers = {"flows": (None, "FAILED: no reason"), "classes": (result, None)}
        out = os.path.join(self.folder.name, "pages")
        with mock.patch.multiple(pages, SUITES=tuple(answers), run=lambda name, quick: answers[name]), \
                mock.patch.object(sys, "argv", ["all", "--quick", "--out", out]), open(os.devnull, "w", encoding="utf-8") as nowhere, \
                contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            self.assertEqual(pages.main(), 1)
            self.assertEqual(sorted(os.listdir(out)), ["README.md", "classes.md", "classes.svg"])
            with open(os.path.join(out, "README.md"), encoding="utf-8") as file:
                text = file.read()
            self.assertRegex(text, r"flows.md.*not measured; FAILED: no reason(.|\n)*classes\.md\) \| What[^|]*\| 64 simple")
            sys.argv.append("classes")  # alone: the row of the other stays
            self.assertEqual(pages.main(), 0)
            with open(os.path.join(out, "README.md"), encoding="utf-8") as file:
                self.assertEqual(file.read(), text)


class Words(unittest.TestCase):
    def test_wrong_words_are_64(self):
        for words in ((), ("nonsense",)):
            done = bench(*words)
            self.assertEqual((done.returncode, done.stdout), (64, ""), done.stderr)
            self.assertIn("usage: scripts/bench", done.stderr)


class Comparator(unittest.TestCase):
    """pairs.py, on figures that are known."""

    def judge(self, cost, noise, claim=1.0, pairs=30, flip=0):
        sys.path.insert(0, os.path.join(lab.ROOT, "tests", "bench"))
        comparator = importlib.import_module("pairs")
        turn = iter(range(10 ** 6))

        def take(which):
            now = next(turn)
            return 100 * (1 + (cost if which == "b" else 0)) * (1 + noise * ((now * 7919 % 101) / 50 - 1)), "near" if now < flip else "far"

        return comparator.judge(comparator.compare(take, pairs), claim)

    def test_verdicts(self):
        for cost, noise, verdict in ((0, 0, "at most 1 %"), (0.005, 0.001, "at most 1 %"), (0.03, 0.001, "more than 1 %"),
                                     (0, 0.05, "unresolved"), (0.03, 0.1, "unresolved"), (-0.1, 0.001, "at most 1 %")):
            self.assertEqual(self.judge(cost, noise)["verdict"], verdict, (cost, noise))
        self.assertEqual(self.judge(0, 0, pairs=14)["verdict"], "unresolved")

    def test_a_pair_that_changed_its_place_is_left_out(self):
        row = self.judge(0, 0, flip=31)
        self.assertEqual((row["pairs"], row["left_out"]), (30, 1))


if __name__ == "__main__":
    unittest.main()
