# SPDX-License-Identifier: BSD-3-Clause
"""What a user meets first: wrong words, missing files, no privilege, a full disk, and the metrics."""
import contextlib
import os
import pwd
import subprocess
import tempfile
import unittest

import lab

VARIANTS = ("release", "asan")

SMALL = """
version: 1
ports:
  gen:
    generator: {flows: 100, rate: 100kpps, count: 50000}
pools:
  all:
    from: [gen]
    stages: [validate, meter, {sink: {check: order}}]
"""
DEVICE = """
version: 1
listen: "off"
ports:
  in: {vdev: "%s"}
pools:
  all: {from: [in], stages: [validate, sink]}
"""

QUEUES = """
version: 1
listen: "off"
ports: {{a: {{vdev: "{device}", queues: 3}}, b: {{vdev: "net_null1", queues: 3}}}}
pools:
  in: {{from: [a, b], workers: 3, stages: [reflect]}}
"""

RING = """
version: 1
listen: "off"
ports:
  gen: {{generator: {{flows: 100, rate: 1Mpps, count: 5000}}}}
  ring: {{vdev: "net_ring0"}}
pools:
  in: {{from: [gen], stages: [validate]}}
  out: {{from: [in], shard-by: flow, on-full: block, workers: {workers}, stages: [{{transmit: {{gen: ring}}}}]}}
"""


def weir(*words, **named):
    return subprocess.run([lab.WEIR, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120, check=False, **named)


class Words(unittest.TestCase):
    def test_wrong_use_is_64_and_says_what_is_right(self):
        for words in ((), ("nonsense",), ("run",), ("run", "a", "b"), ("run", "--nonsense", "a"),
                      ("run", "--progress", "x", "a"), ("run", "--progress", "0.0001", "a"), ("document", "x"),
                      ("run", *["--set", "a=b"] * 33, "a")):
            done = weir(*words)
            self.assertEqual(done.returncode, 64, words)
            self.assertIn("weir", done.stderr, words)
            self.assertEqual(done.stdout, "", words)

    def test_help_and_version_are_0(self):
        for words in (("--help",), ("run", "--help"), ("version",), ("--version",)):
            done = weir(*words)
            self.assertEqual(done.returncode, 0, words)
            self.assertNotEqual(done.stdout, "", words)

    def test_a_missing_file_is_78_with_its_name(self):
        done = weir("run", "nosuch.yaml")
        self.assertEqual(done.returncode, 78)
        self.assertIn("nosuch.yaml", done.stderr)

    def test_three_mistakes_are_three_lines(self):
        text = SMALL.replace("rate: 100kpps", "rate: fast").replace("meter", "meters").replace("version: 1", "version: 2")
        end = lab.run(text)
        self.assertEqual(end.code, 78, end)
        self.assertEqual(len(end.err.strip().splitlines()), 3, end)


    @lab.only_in("release")
    def test_the_reference_in_docs_is_what_the_tables_say(self):
        for what in ("config", "metrics"):
            with open(os.path.join(lab.ROOT, "docs", what + ".md"), encoding="utf-8") as file:
                self.assertEqual(weir("document", what).stdout, file.read(), f"weir document {what} > docs/{what}.md")


class Trouble(unittest.TestCase):
    def test_transmit_to_a_port_that_only_receives_is_78(self):
        end = lab.run(SMALL.replace("{sink: {check: order}}", "{transmit: {gen: gen}}"))
        self.assertEqual(end.code, 78, end)
        self.assertIn("generator", end.err)

    def test_a_missing_capture_is_69(self):
        end = lab.run(os.path.join(lab.EXAMPLES, "capture.yaml"), "--set", "ports.in.file=/nosuch/x.pcap")
        self.assertEqual(end.code, 69, end)
        self.assertIn("/nosuch/x.pcap", end.err)

    def test_a_file_that_is_no_capture_is_65(self):
        end = lab.run(os.path.join(lab.EXAMPLES, "capture.yaml"), "--set", f"ports.in.file={__file__}")
        self.assertEqual(end.code, 65, end)

    def test_an_unknown_device_is_69(self):
        end = lab.run(DEVICE % "net_nonsense0")
        self.assertEqual(end.code, 69, end)
        self.assertIn("net_nonsense0", end.err)

    def test_a_card_without_a_driver_is_69(self):
        end = lab.run(SMALL.replace("generator: {flows: 100, rate: 100kpps, count: 50000}", 'pci: "0000:3b:00.0"'))
        self.assertEqual(end.code, 69, end)
        self.assertIn("dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0", end.err)

    def test_a_frame_size_above_the_buffer_is_78(self):
        end = lab.run(DEVICE % "net_af_packet0,iface=lo,framesz=4096")
        self.assertEqual(end.code, 78, end)
        self.assertIn("framesz=2048", end.err)

    def test_more_writers_than_transmit_queues_is_78(self):
        text = """
version: 1
listen: "off"
ports: {n: {vdev: "net_ring0"}}
pools:
  in: {from: [n], stages: [validate]}
  out: {from: [in], shard-by: flow, on-full: block, workers: 17, stages: [{transmit: {n: n}}]}
"""
        end = lab.run(text)
        self.assertEqual(end.code, 78, end)
        self.assertIn("queue", end.err)

    def test_more_workers_than_a_port_may_have_writers_is_78(self):
        end = lab.run(RING.format(workers=65))
        self.assertEqual(end.code, 78, end)

    def test_each_worker_polls_a_queue_of_each_port(self):
        with lab.weir(QUEUES.format(device="net_null0"), "--set", "listen=127.0.0.1:0") as w:
            seen = w.wait_for_metrics(lambda m: 3 == sum(
                n.startswith("weir_worker_received_packets_total") and v > 0 for n, v in m.items()))
            self.assertEqual(seen['weir_port_queues{port="a",kind="vdev"}'], 3)
            end = w.stop()
        self.assertEqual((end.code, end["lost"], end["leaked"], end["sent"]), (0, 0, 0, end["accepted"]), end)
        self.assertEqual([p["queues"] for p in end["ports"]], [3, 3], end)

    @lab.needs_root
    def test_queues_without_symmetric_rss_are_69_with_the_drivers_answer(self):
        for device, answer in (("net_ring0", "`Operation not supported`, 0"),
                               ("net_tap0", "`Invalid argument`, 0")):
            if device == "net_tap0" and not os.path.exists("/dev/net/tun"):
                self.skipTest("needs /dev/net/tun")
            end = lab.run(QUEUES.format(device=device))
            self.assertEqual(end.code, 69, end)
            self.assertRegex(end.err, f"port a: 3 receive queues need symmetric RSS, .*; its driver answers {answer}, .*; write `queues: 1`")

    def test_each_writer_has_its_queue_and_what_loops_comes_home(self):
        end = lab.run(RING.format(workers=2))
        self.assertEqual((end.code, end["lost"], end["leaked"]), (0, 0, 0), end)
        self.assertEqual(end["sent"] + end["dropped"], end["accepted"], end)
        self.assertEqual(end["sent"], 2 * 1023, "each of the two rings took what it holds")
        self.assertEqual(end["drops"]["tx_full"], end["dropped"], end)

    def test_a_port_that_only_receives_needs_no_queue_for_writers(self):
        text = RING.format(workers=2).replace("net_ring0", "net_null0").replace(
            "generator: {flows: 100, rate: 1Mpps, count: 5000}", 'vdev: "net_ring0"')
        end = lab.run(text, "--set", "stop-after=300ms")
        self.assertEqual((end.code, end["leaked"]), (0, 0), end)

    def test_a_fifo_is_no_capture(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkfifo(os.path.join(folder, "f"))
            end = lab.run(os.path.join(lab.EXAMPLES, "capture.yaml"), "--set", f"ports.in.file={folder}/f")
        self.assertEqual(end.code, 65, end)
        self.assertIn("regular file", end.err)

    def test_a_plan_above_the_memory_of_the_machine_is_71(self):
        with open("/proc/meminfo", encoding="ascii") as file:
            available = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable")) * 1024
        if available > 90 * 10**9:
            self.skipTest("the largest plan fits this machine")
        end = lab.run(SMALL, "--set", "pools.all.stages.meter.max-flows=1000000000", "--set", "memory=normal")
        self.assertEqual(end.code, 71, end)
        self.assertIn("available", end.err)

    def test_any_rate_that_the_grammar_takes_works(self):
        for rate in ("8000Gbps", "1000Gpps", "8bps", "1pps"):
            end = lab.run(SMALL.replace("stages: [validate,", "stages: [validate, {admit: {per: port, rate: %s}}," % rate))
            self.assertEqual((end.code, end["lost"], end["leaked"]), (0, 0, 0), (rate, end))

    def test_too_few_hugepages_is_71_with_the_command(self):
        end = lab.run(SMALL, "--set", "memory=hugepages", "--set", "pools.all.stages.meter.max-flows=100M")
        self.assertEqual(end.code, 71, end)
        self.assertIn("nr_hugepages", end.err)

    def test_a_taken_port_is_71_if_it_was_asked_for_and_another_otherwise(self):
        with lab.weir(SMALL, "--set", "ports.gen.generator.count=0") as first:
            url = first.url()
            again = lab.run(SMALL, "--set", "listen=" + url.split("/")[2])
            self.assertEqual(again.code, 71, again)
            with lab.weir(SMALL, "--set", "ports.gen.generator.count=0") as second:
                self.assertNotEqual(second.url(), url)
                self.assertEqual(second.stop().code, 0)
            self.assertEqual(first.stop().code, 0)

    def test_a_full_disk_under_the_certificate_is_not_silent(self):
        for as_json in (False, True):
            with open("/dev/full", "wb") as full:
                end = lab.run(SMALL, as_json=as_json, stdout=full)
            self.assertEqual(end.code, 71, end)
            self.assertRegex(end.err, r"the certificate could not be written: No space left")

    def test_without_standard_output_the_certificate_is_not_silent(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "weir.yaml")
            with open(file, "w", encoding="utf-8") as out:
                out.write(SMALL)
            for closed, code in ((">&-", 71), ("<&- 2>&-", 0), ("<&- >&- 2>&-", 71)):
                done = subprocess.run(["sh", "-c", f"exec {lab.WEIR} run {file} {closed}"], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, timeout=120, check=False)
                self.assertEqual(done.returncode, code, (closed, done))

    @lab.needs_root
    def test_no_privilege_for_a_raw_socket_is_77(self):
        end = lab.run(DEVICE % "net_tap0", user=pwd.getpwnam("nobody").pw_uid)
        self.assertEqual(end.code, 77, end)
        self.assertIn("CAP_NET_ADMIN", end.err)

    @lab.needs_root
    def test_no_privilege_for_a_low_port_is_77(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            if int(file.read()) <= 80:
                self.skipTest("port 80 is anybody's here")
        end = lab.run(SMALL, "--set", "listen=127.0.0.1:80", user=pwd.getpwnam("nobody").pw_uid)
        self.assertEqual(end.code, 77, end)
        self.assertIn("CAP_NET_BIND_SERVICE", end.err)


class Run(unittest.TestCase):
    @lab.needs_root
    def test_it_runs_without_privilege(self):
        end = lab.run(SMALL, user=pwd.getpwnam("nobody").pw_uid)
        self.assertEqual((end.code, end["lost"], end["leaked"]), (0, 0, 0), end)

    @lab.needs_root
    def test_hugepages_are_used_and_given_back(self):
        nr = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
        if not os.access(nr, os.W_OK):
            self.skipTest("no 2 MiB pages to reserve here")
        with open(nr, encoding="ascii") as file:
            before = int(file.read())
        try:
            with open(nr, "w", encoding="ascii") as file:
                file.write(str(before + 200))
            with open(nr, encoding="ascii") as file:
                if int(file.read()) < before + 200:
                    self.skipTest("too few free pages to reserve")
            end = lab.run(SMALL, "--set", "memory=hugepages", "--set", "log=info")
            with open(nr.replace("nr_", "free_"), encoding="ascii") as file:
                free = int(file.read())
        finally:
            with open(nr, "w", encoding="ascii") as file:
                file.write(str(before))
        self.assertEqual((end.code, end["lost"], end["leaked"]), (0, 0, 0), end)
        self.assertIn("memory: hugepages", end.err)
        self.assertGreaterEqual(free, 200, "nothing is left behind")

    def test_output_is_plain_when_piped(self):
        end = lab.run(SMALL, "--progress", "0.1", as_json=False)
        self.assertEqual(end.code, 0, end)
        self.assertNotIn("\033", end.out + end.err)
        self.assertNotIn("\r", end.out + end.err)
        self.assertRegex(end.out, r"accepted 50 000, sent 50 000, dropped 0, lost 0, mbufs leaked 0")

    @lab.needs_program("promtool")
    def test_promtool_accepts_the_metrics(self):
        with lab.weir(SMALL, "--set", "ports.gen.generator.count=0") as w:
            text = lab.fetch(w.url())
            checked = subprocess.run(["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, check=False)
            end = w.stop()
        self.assertEqual((checked.returncode, checked.stdout), (0, ""))
        self.assertEqual(end.code, 0, end)
        for name in ("weir_workers{", "weir_worker_busy_cycles_total{", "weir_stage_packets_in_total{",
                     "weir_stage_dropped_total{", "weir_mempool_mbufs{"):
            self.assertIn("\n" + name, text)

    def test_metrics_and_certificate_agree(self):
        with lab.weir(SMALL, "--set", "ports.gen.generator.count=0", "--set", "ports.gen.generator.rate=1pps") as w:
            w.wait_for_metrics(lambda m: m["weir_ledger_consumed_packets_total"] >= 1)
            seen = w.metrics()
            end = w.stop()
        self.assertLessEqual(seen["weir_ledger_consumed_packets_total"], end["consumed"])
        self.assertGreaterEqual(seen["weir_ledger_consumed_packets_total"] + 20, end["consumed"])

    def test_affinity_is_respected(self):
        cpu = max(os.sched_getaffinity(0))
        with lab.weir(SMALL, "--set", "ports.gen.generator.count=0", prefix=("taskset", "-c", str(cpu))) as w:
            w.url()
            allowed = set()
            for thread in lab.threads(w.pid):
                with contextlib.suppress(ProcessLookupError):
                    allowed |= os.sched_getaffinity(thread)
            end = w.stop()
        self.assertEqual(allowed, {cpu})
        self.assertEqual(end.code, 0, end)


if __name__ == "__main__":
    unittest.main()
