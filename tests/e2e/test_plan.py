# SPDX-License-Identifier: BSD-3-Clause
"""weir plan: on machines of all shapes nobody runs where he must not, everybody near where he may, and it says why;
and what is planned is what runs.

The expected plans of the machines in WEIR_TOPOLOGIES are in tests/golden/plan; WEIR_GOLDEN=write writes them anew.
"""
import contextlib
import glob
import itertools
import json
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET

import lab

VARIANTS = ("release", "asan")
TOPOLOGIES = sorted(glob.glob(os.path.join(os.environ.get("WEIR_TOPOLOGIES", ""), "*.xml"))) if os.environ.get("WEIR_TOPOLOGIES") else []
GOLDEN = os.path.join(lab.ROOT, "tests", "golden", "plan")
NIC = "0000:81:00.0"

ONE = """version: 1
name: one
ports: {{nic: {{pci: "{nic}"}}}}
pools: {{all: {{from: [nic], stages: [validate, meter, {{transmit: {{nic: nic}}}}]}}}}
"""
THREE = """version: 1
name: three
ports: {{nic: {{pci: "{nic}"}}, eth: {{interface: eth1}}}}
pools:
  ingress: {{from: [nic, eth], stages: [validate, {{admit: {{per: port, rate: 10Gbps}}}}]}}
  work: {{from: [ingress], shard-by: flow, on-full: block, workers: {work}, stages: [{{meter: {{max-flows: 4M}}}}]}}
  out: {{from: [work], shard-by: flow, on-full: drop, workers: {out}, stages: [{{transmit: {{nic: eth, eth: nic}}}}]}}
"""
LAB = """version: 1
name: lab
ports: {gen: {generator: {flows: 1000, rate: 100kpps}}}
pools:
  in: {from: [gen], stages: [validate]}
  work: {from: [in], shard-by: flow, on-full: block, workers: 2, stages: [meter, sink]}
"""


def plan(text, *options, code=0):
    done = subprocess.run([lab.WEIR, "plan", *options, "-"], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False)
    assert done.returncode == code, (done.returncode, options, done.stderr)
    return done


class Machine:
    """A machine that hwloc makes up, in a file, and what a test adds to it."""

    def __init__(self, description):
        description += "" if "pu:" in description else " pu:1"
        said = subprocess.run(["lstopo-no-graphics", "-i", description, "--of", "xml", "-"], stdout=subprocess.PIPE, check=True)
        self.root = ET.fromstring(said.stdout)
        self.description = description

    def package(self, number):
        return [o for o in self.root.iter("object") if o.get("type") == "Package"][number]

    def card(self, package, address=NIC, name="eth1"):
        bridge = ET.SubElement(package, "object", type="Bridge", gp_index="9001", bridge_type="0-1", depth="0",
                               bridge_pci="0000:[80-ff]")
        card = ET.SubElement(bridge, "object", type="PCIDev", gp_index="9002", pci_busid=address,
                             pci_type="0200 [8086:1521] [00d9:0021] 01", pci_link_speed="0.000000")
        ET.SubElement(card, "object", type="OSDev", gp_index="9003", name=name, osdev_type="2")
        return self

    def forbid(self, cpus):
        machine = self.root.find("object")
        allowed = int(machine.get("allowed_cpuset").replace("0x", "").replace(",", ""), 16) & ~sum(1 << c for c in cpus)
        words = [f"0x{allowed >> shift & 0xffffffff:08x}" for shift in range(max(0, allowed.bit_length() - 1) // 32 * 32, -1, -32)]
        machine.set("allowed_cpuset", ",".join(words))
        return self

    def kinds(self, *kinds):
        for efficiency, cpuset in enumerate(kinds):
            ET.SubElement(self.root, "cpukind", cpuset=cpuset, forced_efficiency=str(efficiency))
        return self

    def plan(self, text, *options, code=0):
        with tempfile.NamedTemporaryFile("wb", suffix=".xml") as file:
            file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n' + ET.tostring(self.root))
            file.flush()
            done = plan(text, "--topology", file.name, *options, code=code)
        return json.loads(done.stdout) if "--json" in options else done


@lab.needs_program("lstopo-no-graphics")
class Shapes(unittest.TestCase):
    def check(self, p, machine, siblings=False):
        """What holds on every machine."""
        workers, cores = p["workers"], p["machine"]["cores"]
        for w in workers:
            self.assertTrue(w["why"], (machine, w))
            self.assertEqual(w["shares_cpu"], sum(o["cpu"] == w["cpu"] for o in workers) > 1, (machine, w))
            if not siblings:
                self.assertFalse(w["sibling"], (machine, w))
        if len(workers) <= cores:
            self.assertEqual(len({w["core"] for w in workers}), len(workers), (machine, p["workers"]))
        if len(workers) < cores:
            self.assertFalse({w["cpu"] for w in workers} & set(p["control"]["cpus"]), machine)
        self.assertTrue(p["control"]["cpus"])
        self.assertTrue(all(m["bytes"] % (2 << 20) == 0 for m in p["memory"]))
        if p["mempool"]["node"] is not None:
            self.assertGreater(sum(m["bytes"] for m in p["memory"]), p["mempool"]["mbufs"] * 2048)

    def test_every_shape_with_every_pipeline(self):
        shapes = ("pu:1", "core:1 pu:2", "core:2 pu:4", "pack:1 core:8", "pack:2 [numa] l3:1 core:8 pu:2", "pack:2 numa:2 l3:1 core:6 pu:2",
                  "pack:2 [numa] l3:12 core:8", "numa:4 pack:4 l2:3 core:2", "pack:1 [numa] l3:4 l2:4 core:1 pu:8",
                  "pack:4 [numa] [numa] core:3", "numa:1 l3:40 core:1", "pack:8 numa:2 core:16 pu:2")
        for shape in shapes:
            machine = Machine(shape)
            if "pack" in shape:
                machine.card(machine.package(-1))
            for work, out in ((1, 1), (4, 2), (16, 1), (63, 62)):
                p = machine.plan(THREE.format(nic=NIC, work=work, out=out), "--json")
                self.check(p, shape)
                self.assertEqual(len(p["workers"]), 1 + work + out)
                self.assertEqual(len(p["rings"]), work + work * out)
            self.check(machine.plan(ONE.format(nic=NIC), "--json"), shape)
            text = machine.plan(THREE.format(nic=NIC, work=4, out=2)).stdout
            self.assertIn("ingress/0", text)

    def test_local_to_the_card_where_there_is_room_and_why_where_not(self):
        for shape, package in itertools.product(("pack:2 [numa] l3:1 core:8 pu:2", "pack:2 [numa] l3:2 core:4", "pack:4 [numa] core:8"), (0, -1)):
            machine = Machine(shape)
            machine.card(machine.package(package))
            p = machine.plan(THREE.format(nic=NIC, work=4, out=2), "--json")
            node = next(port["node"] for port in p["ports"] if port["name"] == "nic")
            self.assertEqual({w["node"] for w in p["workers"]}, {node}, (shape, package))
            self.assertEqual(p["mempool"]["node"], node)
            p = machine.plan(THREE.format(nic=NIC, work=10, out=2), "--json")
            away = [w for w in p["workers"] if w["node"] != node]
            self.assertEqual(len(away), 13 - 8, (shape, package))
            for w in away:
                self.assertIn(f"not local to {NIC} (node {node}), whose cores all have workers", w["why"])

    def test_a_card_of_a_cluster_within_a_package(self):
        machine = Machine("pack:2 numa:2 l3:1 core:4")
        node = [o for o in machine.root.iter("object") if o.get("type") == "NUMANode"][3]
        parent = next(o for o in machine.root.iter("object") if node in list(o))
        machine.card(parent)
        p = machine.plan(THREE.format(nic=NIC, work=4, out=2), "--json")
        nodes = [w["node"] for w in p["workers"]]
        self.assertEqual((nodes.count(3), nodes.count(2)), (4, 3), "the other cluster of the package before the other package")

    def test_no_worker_where_it_is_not_allowed(self):
        machine = Machine("pack:2 [numa] l3:1 core:8 pu:2").forbid([0, 1, 4, 16, 18])
        p = machine.plan(THREE.format(nic=NIC, work=5, out=2), "--json")
        self.check(p, "forbidden")
        used = {w["cpu"] for w in p["workers"]} | set(p["control"]["cpus"])
        self.assertFalse(used & {0, 1, 4, 16, 18})
        self.assertEqual(p["machine"]["refused"], "0-1,4,16,18")
        self.assertIn("may use", machine.plan(ONE.format(nic=NIC), "--set", "cpus=0-3", code=78).stderr)

    def test_a_core_whose_first_thread_is_forbidden_still_has_one(self):
        p = Machine("core:2 pu:2").forbid([0]).plan(ONE.format(nic=NIC) + "cpus: auto\n", "--json")
        self.assertEqual((p["machine"]["cores"], p["machine"]["siblings_left_alone"]), (2, 1))

    def test_more_workers_than_transmit_queues_have_one_more_that_sends(self):
        text = THREE.format(nic=NIC, work=2, out=3).replace("interface: eth1", 'vdev: "net_af_packet0,iface=eth1QUEUES"')
        for queues, inserted in (("", 1), (",qpairs=2", 2), (",qpairs=3", 0)):
            said = Machine("pack:1 [numa] l3:1 core:12").plan(text.replace("QUEUES", queues)).stdout
            self.assertEqual(said.count("out.egress/0"), 2 if inserted else 0, said)  # in the tree and in the list
            self.assertEqual(f"inserted, as port eth has {inserted} transmit queue" in said, inserted > 0, said)

    def test_the_queues_of_a_port_are_shown(self):
        text = THREE.format(nic=NIC, work=2, out=1).replace(f'pci: "{NIC}"', f'pci: "{NIC}", queues: 2').replace(
            "interface: eth1", 'pci: "0000:81:00.1", queues: 2').replace(
            "from: [nic, eth], stages: [validate, {admit: {per: port, rate: 10Gbps}}]", "from: [nic, eth], workers: 2, stages: [validate]")
        machine = Machine("pack:1 [numa] l3:1 core:12")
        self.assertEqual([p["queues"] for p in machine.plan(text, "--json")["ports"]], [2, 2])
        self.assertEqual(machine.plan(text).stdout.count("; 2 receive queues\n"), 2)

    def test_siblings_only_if_they_are_asked_for(self):
        machine = Machine("core:4 pu:2")
        text = THREE.format(nic=NIC, work=4, out=2)
        p = machine.plan(text, "--json")
        self.check(p, "four cores")
        self.assertEqual(sum(w["shares_cpu"] for w in p["workers"]), 6, "seven workers on four cores")
        self.assertIn("to use SMT siblings too, name them in `cpus`", p["workers"][0]["why"])
        p = machine.plan(text, "--json", "--set", "cpus=0-7")
        self.check(p, "eight threads", siblings=True)
        self.assertFalse(any(w["shares_cpu"] for w in p["workers"]))
        self.assertIn("SMT sibling", p["workers"][-1]["why"])

    def test_cpus_and_exclusions(self):
        machine = Machine("pack:2 [numa] core:8")
        for cpus, usable in (("8-15", range(8, 16)), ("!0", range(1, 16)), ("0-15,!3,!5", set(range(16)) - {3, 5}), ("7", [7])):
            p = machine.plan(THREE.format(nic=NIC, work=3, out=1), "--json", "--set", "cpus=" + cpus)
            self.assertLessEqual({w["cpu"] for w in p["workers"]}, set(usable), cpus)
            where = set(range(16)) - {7} if cpus == "7" else set(usable)  # outside only where each core of it has a worker
            self.assertLessEqual(set(p["control"]["cpus"]), where, cpus)

    def test_fast_cores_first(self):
        machine = Machine("core:8").kinds("0x000000f0", "0x0000000f")
        p = machine.plan(THREE.format(nic=NIC, work=2, out=1), "--json")
        self.assertEqual({w["cpu"] for w in p["workers"]}, {0, 1, 2, 3})
        p = machine.plan(THREE.format(nic=NIC, work=3, out=1), "--json")
        self.assertIn("slower core", p["workers"][-1]["why"])

    def test_a_pipeline_stays_under_one_cache(self):
        p = Machine("pack:1 [numa] l3:6 core:8").plan(THREE.format(nic=NIC, work=4, out=2), "--json")
        self.assertEqual(len({w["cache"] for w in p["workers"]}), 1)
        self.assertEqual({r["within"] for r in p["rings"]}, {"under one cache"})

    def test_the_tree_fits_80_columns(self):
        machine = Machine("pack:2 [numa] l3:12 core:8 pu:2")
        machine.card(machine.package(1))
        for line in machine.plan(THREE.format(nic=NIC, work=16, out=2), "--rate", "10Mpps").stdout.splitlines():
            if not line.lstrip().startswith(("echo", "three on")):  # to be copied; the name of a file
                self.assertLessEqual(len(line), 80, line)

    def test_the_picture(self):
        machine = Machine("pack:2 [numa] l3:1 core:8 pu:2")
        machine.card(machine.package(1))
        with tempfile.NamedTemporaryFile(suffix=".svg") as file:
            machine.plan(THREE.format(nic=NIC, work=4, out=2), "--svg", file.name)
            drawn = ET.parse(file.name).getroot()
        said = "".join(drawn.itertext())
        for name in ("ingress/0", "work/3", "out/1", "control", "Net eth1"):
            self.assertIn(name, said)
        self.assertRegex(drawn.get("viewBox"), r"^0 0 \d+ \d+$")
        self.assertIn("<svg", machine.plan(ONE.format(nic=NIC), "--svg", "-").stdout)


class Golden(unittest.TestCase):
    @unittest.skipUnless(TOPOLOGIES, "needs WEIR_TOPOLOGIES")
    def test_the_plans_of_real_machines(self):
        for topology, (name, text) in itertools.product(TOPOLOGIES, (("one", ONE), ("three", THREE))):
            said = plan(text.format(nic="0000:81:00.0", work=4, out=2), "--topology", topology).stdout
            said = said[:said.index("\nmemory\n")].replace(topology, os.path.basename(topology))  # sizes may change
            golden = os.path.join(GOLDEN, f"{os.path.basename(topology)[:-4]}.{name}.txt")
            if os.environ.get("WEIR_GOLDEN") == "write":
                with open(golden, "w", encoding="utf-8") as file:
                    file.write(said)
            with self.subTest(golden), open(golden, encoding="utf-8") as file:
                self.assertEqual(said, file.read())


class Rate(unittest.TestCase):
    COSTS = {"machine": {"cpu": "test", "tsc_hz": 2000000000},
             "cycles_per_packet": {"receive": {"generator": 10}, "stage": {"validate": 10, "meter": 80, "sink": 0, "burn": 2},
                                   "ring": {"put": 20, "take": 20}}}

    def rate(self, costs, text=LAB, rate="10Mpps"):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(costs if isinstance(costs, str) else json.dumps(costs))
            file.flush()
            return json.loads(plan(text, "--json", "--rate", rate, "--costs", file.name).stdout)["rate"]

    def test_where_it_saturates(self):
        r = self.rate(self.COSTS)
        self.assertEqual([p["cycles_per_packet"] for p in r["pools"]], [40, 100])
        self.assertEqual((r["saturates_pps"], r["saturates_in"], r["all_known"]), (40e6, "work", True))
        r = self.rate(self.COSTS, rate="100Mpps")
        self.assertEqual([p["workers_needed"] for p in r["pools"]], [2, 5])
        r = self.rate(self.COSTS, LAB.replace("[meter", "[{burn: {cycles: 898}}, meter"))
        self.assertEqual((r["saturates_pps"], r["pools"][1]["cycles_per_packet"]), (4e6, 1000))

    def test_a_cost_that_nobody_measured_is_named(self):
        costs = json.loads(json.dumps(self.COSTS))
        del costs["cycles_per_packet"]["stage"]["meter"]
        r = self.rate(costs)
        self.assertEqual((r["pools"][1]["unknown"], r["all_known"]), ("meter", False))

    def test_the_costs_that_come_with_weir_know_every_stage(self):
        r = json.loads(plan(LAB, "--json", "--rate", "1Mpps").stdout)["rate"]
        self.assertTrue(r["all_known"], r)
        self.assertGreater(r["saturates_pps"], 1e6)
        with open(os.path.join(lab.ROOT, "docs", "bench", "costs.json"), encoding="utf-8") as file:
            stages = json.load(file)["cycles_per_packet"]["stage"]
        with open(os.path.join(lab.ROOT, "docs", "config.md"), encoding="utf-8") as file:
            named = {line.split("`")[1] for line in file if line.startswith("### Stage `")}
        self.assertTrue(named)
        self.assertEqual(set(stages), named)

    def test_wrong_costs_and_rates(self):
        for costs in ("", "{}", '{"machine": 3}', "[1]", '{"machine": {"cpu": "x", "tsc_hz": 0}, "cycles_per_packet": {}}'):
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(costs)
                file.flush()
                self.assertIn(file.name, plan(LAB, "--rate", "1Mpps", "--costs", file.name, code=78).stderr, costs)
        for rate in ("1Gbps", "max", "5", "-1pps", ""):
            self.assertIn("weir plan: --rate", plan(LAB, "--rate", rate, code=64).stderr, rate)


class Words(unittest.TestCase):
    def test_wrong_use_is_64(self):
        for words in ((), ("a", "b"), ("--costs", "x", "y"), ("--nonsense", "x")):
            done = subprocess.run([lab.WEIR, "plan", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (64, ""), words)
            self.assertIn("weir plan --help", done.stderr)

    def test_a_topology_that_is_none_is_78_and_names_the_remedy(self):
        for name in ("/nonexistent.xml", "/dev/null", __file__):
            done = plan(LAB, "--topology", name, code=78)
            self.assertIn(name, done.stderr)
            self.assertNotIn(": : ", done.stderr)

    def test_without_lstopo_the_remedy_is_named(self):
        done = subprocess.run([lab.WEIR, "plan", "--svg", "-", "-"], input=LAB, env={**os.environ, "PATH": "/nonexistent"},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 71, done.stderr)
        self.assertIn("hwloc-nox", done.stderr)

    def test_a_mistake_of_the_file_is_78(self):
        self.assertIn("did you mean", plan(LAB.replace("validate", "valdate"), code=78).stderr)

    def test_a_full_disk_is_not_silent(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([lab.WEIR, "plan", "-"], input=LAB, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 71, done.stderr)


class SameAsRun(unittest.TestCase):
    def compare(self, *options, prefix=()):
        done = subprocess.run([*prefix, lab.WEIR, "plan", "--json", *options, "-"], input=LAB, stdout=subprocess.PIPE, text=True, check=True)
        planned = json.loads(done.stdout)
        lcores = {f"rte-worker-{w['lcore']}": {w["cpu"]} for w in planned["workers"]}
        with lab.weir(LAB, *options, prefix=prefix) as w:
            w.url()
            seen = {}
            for thread, name in lab.threads(w.pid).items():
                with contextlib.suppress(ProcessLookupError):
                    seen[name, thread] = os.sched_getaffinity(thread)
            end = w.stop()
        self.assertEqual(end.code, 0, end)
        workers = {name: cpus for (name, _), cpus in seen.items() if name.startswith("rte-worker")}
        self.assertEqual(workers, lcores)
        others = {name: cpus for name, cpus in seen.items() if not name[0].startswith("rte-worker")}
        self.assertGreater(len(others), 1, "the control thread and the one that serves metrics")
        for name, cpus in others.items():
            self.assertEqual(cpus, set(planned["control"]["cpus"]), name)
        self.assertEqual([(w["pool"], w["index"], w["cpu"], w["shares_cpu"]) for w in end["workers"]],
                         [(w["pool"], w["index"], w["cpu"], w["shares_cpu"]) for w in planned["workers"]])
        return planned

    def test_every_thread_runs_where_it_was_planned(self):
        self.compare()

    def test_with_fewer_workers_the_control_thread_is_apart(self):
        planned = self.compare("--set", "pools.work.workers=1")
        self.assertEqual(len(planned["workers"]), 2)

    def test_on_one_cpu_of_a_list_the_control_thread_is_apart(self):
        usable = os.sched_getaffinity(0)
        planned = self.compare("--set", f"cpus={max(usable)}")
        if len(usable) > 1:
            self.assertEqual(set(planned["control"]["cpus"]), usable - {max(usable)})

    def test_on_one_cpu_of_taskset(self):
        cpu = max(os.sched_getaffinity(0))
        planned = self.compare(prefix=("taskset", "-c", str(cpu)))
        self.assertEqual({w["cpu"] for w in planned["workers"]}, {cpu})


if __name__ == "__main__":
    unittest.main()
