# SPDX-License-Identifier: BSD-3-Clause
"""Captures out: what `write` wrote is what went in, as another program reads it; a bad disk is said and harms nobody."""
import os
import tempfile
import time
import unittest

import lab

FORMATS = ("pcap", "pcapng")
REPLAY = """
version: 1
listen: "off"
ports: {{f: {{file: {read}}}}}
pools:
  in: {{from: [f], stages: [validate]}}
  out: {{from: [in], shard-by: flow, on-full: block, stages: [meter, {{write: {{file: {write}}}}}]}}
"""
GENERATE = """
version: 1
ports: {{gen: {{generator: {{flows: 1000, size: imix, rate: {rate}}}}}}}
pools:
  in: {{from: [gen], stages: [validate]}}
  out: {{from: [in], shard-by: flow, on-full: block, workers: 2, stages: [{{write: {{file: {write}}}}}]}}
"""


@lab.needs_program("tshark")
class Write(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-write-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def check_books(self, end, code=0):
        self.assertEqual(end.code, code, end)
        self.assertEqual((end["lost"], end["leaked"], end["held"]), (0, 0, 0), end)
        self.assertEqual(end["sent"] + end["dropped"], end["accepted"], end)

    @lab.only_in("release", "asan")  # its threads do what they do in the others
    @lab.needs_corpus
    def test_tshark_reads_what_was_written_frame_by_frame(self):
        for name in ("http.pcapng", "dos_win98_smb_netbeui.pcap", "hsrp2_ipv6.pcapng", "ah.pcapng"):
            source = os.path.join(lab.CORPUS, "flows", name)
            for form in FORMATS:
                with self.subTest(name, form=form):
                    end = lab.run(REPLAY.format(read=source, write=self.path("out." + form)))
                    self.check_books(end)
                    self.assertEqual(end["dropped"], 0, end)
                    frames = lab.read_capture(source)
                    self.assertEqual(lab.read_capture(self.path("out." + form)), frames)
                    self.assertEqual(end.stage("write")["counters"]["written"], len(frames), end)

    @lab.only_in("release", "asan")  # its threads do what they do in the others
    def test_a_frame_of_many_segments_is_the_same_after_all_stages_and_two_pools(self):
        frames = []
        for n in (60, 2048, 2049, 9000, 65000):
            ip = bytes.fromhex("4500") + (n - 14).to_bytes(2, "big") + bytes.fromhex("0000000040110000 0a000001 0a000002")
            ip = ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:]
            udp = bytes.fromhex("04d2 04d3") + (n - 34).to_bytes(2, "big") + bytes(2)
            frames.append(bytes.fromhex("020000000002 020000000001 0800") + ip + udp + os.urandom(n - 42))
        lab.write_capture(self.path("in.pcap"), frames)
        for form in FORMATS:
            with self.subTest(form):
                end = lab.run(REPLAY.format(read=self.path("in.pcap"), write=self.path("out." + form)))
                self.check_books(end)
                self.assertEqual(lab.read_capture(self.path("out." + form)), frames)
                self.assertEqual(end.stage("meter")["counters"]["flows_created"], 1, end)

    def test_two_workers_write_one_file_and_a_sigterm_loses_nothing(self):
        for form in FORMATS:
            with self.subTest(form), lab.weir(GENERATE.format(rate="200kpps", write=self.path("out." + form))) as w:
                w.wait_for_metrics(lambda m: total(m, "weir_write_written_total") > 20000)
                end = w.stop()
                self.check_books(end)
                counters = end.stage("write")["counters"]
                self.assertEqual(counters["written"] + counters["not_written"], end["accepted"], end)
                self.assertEqual(len(lab.read_capture(self.path("out." + form))), counters["written"])
                self.assertEqual(os.path.getsize(self.path("out." + form)) - counters["written_bytes"],
                                 24 if form == "pcap" else 68, end)

    def test_a_tee_copies_everything_that_fits_and_the_books_say_so(self):
        text = """
version: 1
ports: {gen: {generator: {flows: 1000, size: imix, rate: 20kpps, count: 10000}}}
pools:
  in: {from: [gen], stages: [validate, {tee: capture}]}
  capture: {from: [in], shard-by: flow, on-full: drop, workers: 2, stages: [{write: {file: FILE}}]}
  out: {from: [in], shard-by: flow, on-full: block, stages: [meter, {sink: {check: order}}]}
""".replace("FILE", self.path("out.pcapng"))
        end = lab.run(text)
        self.assertEqual((end.code, end["lost"], end["leaked"], end["held"]), (0, 0, 0, 0), end)
        self.assertEqual((end["accepted"], end["copied"]), (10000, 10000), end)
        self.assertEqual(end["sent"] + end["dropped"], end["accepted"] + end["copied"], end)
        self.assertEqual((end["checker"]["checked"], end["checker"]["missing"]), (10000, 0), end)
        frames = lab.read_capture(self.path("out.pcapng"))
        self.assertEqual(len(frames), end.stage("write")["counters"]["written"], end)
        self.assertGreater(len(set(frames)), 1000)

    def test_a_slow_reader_of_copies_holds_up_nobody_also_past_the_deadline(self):
        text = """
version: 1
drain-timeout: 2s
ports: {gen: {generator: {flows: 1000, rate: 20kpps}}}
pools:
  in: {from: [gen], stages: [validate, {tee: slow}]}
  slow: {from: [in], shard-by: flow, on-full: drop, stages: [{burn: {cycles: 20M}}, sink]}
  out: {from: [in], shard-by: flow, on-full: block, stages: [{sink: {check: order}}]}
"""
        with lab.weir(text) as w:
            w.wait_for_metrics(lambda m: m["weir_ledger_copied_packets_total"] > 20000)
            end = w.stop()
        self.assertEqual((end.code, end["lost"], end["leaked"], end["held"]), (75, 0, 0, 0), end)
        self.assertEqual(end["sent"] + end["dropped"], end["accepted"] + end["copied"], end)
        self.assertEqual((end["checker"]["checked"], end["checker"]["missing"]), (end["accepted"], 0), end)
        self.assertGreater(end["drops"]["inbox_full"], 10000, end)

    @lab.needs_program("prlimit")
    def test_a_disk_that_is_full_is_said_once_and_the_capture_ends_with_a_whole_packet(self):
        for form in FORMATS:
            with self.subTest(form), lab.weir(GENERATE.format(rate="50kpps", write=self.path("out." + form)),
                                              "--set", "memory=normal", prefix=("prlimit", "--fsize=1000000")) as w:
                w.wait_for("ends early: File too large")
                w.wait_for_metrics(lambda m: total(m, "weir_write_failed_total") > 1000)
                end = w.stop()
                self.check_books(end, code=71)
                counters = end.stage("write")["counters"]
                self.assertEqual(counters["written"] + counters["failed"] + counters["not_written"], end["accepted"])
                self.assertEqual(len(lab.read_capture(self.path("out." + form))), counters["written"], end)
                self.assertGreater(counters["written"], 500)
                self.assertEqual(end.err.count("ends early"), 1, end)
                self.assertRegex(end["trouble"][0], r"pool out: the capture \S+ ends early: File too large")

    @lab.only_in("release")  # a sanitizer stops all threads itself, at the end
    def test_a_disk_that_does_not_answer_does_not_hold_up_the_end(self):
        with lab.weir(GENERATE.format(rate="10kpps", write=self.path("w.pcapng")), "--set", "drain-timeout=2s") as w:
            w.wait_for_metrics(lambda m: m["weir_ledger_accepted_packets_total"] > 1000)
            tracer = lab.hang(w.pid, "weir-write")
            w.wait_for_metrics(lambda m: sum(v for k, v in m.items() if "not_written" in k) > 0)
            end = w.stop()
        with tracer.stdout:
            tracer.wait(30)
        self.check_books(end, code=71)
        counters = end.stage("write")["counters"]
        self.assertEqual(counters["written"] + counters["not_written"], end.stage("write")["in"], end)
        self.assertRegex(end["trouble"][0], r"pool out: the capture \S+ ends early: the disk does not answer")

    @lab.only_in("release")
    def test_a_disk_that_does_not_answer_is_waited_for_within_the_drain_timeout(self):
        took = {}
        for timeout in (0.2, 4):
            with lab.weir(GENERATE.format(rate="10kpps", write=self.path("w.pcap")), "--set", f"drain-timeout={timeout}s") as w:
                w.wait_for_metrics(lambda m: m["weir_ledger_accepted_packets_total"] > 1000)
                tracer = lab.hang(w.pid, "weir-write")
                w.wait_for_metrics(lambda m: sum(v for k, v in m.items() if "not_written" in k) > 0)
                before = time.monotonic()
                end = w.stop()
                took[timeout] = time.monotonic() - before
            with tracer.stdout:
                tracer.wait(30)
            self.check_books(end, code=71)
        self.assertLess(took[0.2], took[4], took)

    @lab.only_in("release", "asan")  # its threads do what they do in the others
    def test_a_file_that_cannot_be_written_is_an_error_at_its_place(self):
        for path, code, said in (("/nosuch/x.pcap", 78, "No such file"), (self.folder, 78, "Is a directory"),
                                 ("/dev/full", 71, "No space left")):
            with self.subTest(path):
                end = lab.run(GENERATE.format(rate="max", write=path))
                self.assertEqual(end.code, code, end)
                self.assertRegex(end.err, rf"weir.yaml:6:\d+: pool out: stage write: cannot write {path}: {said}")

    @lab.only_in("release", "asan")  # its threads do what they do in the others
    @lab.needs_netns
    @lab.needs_corpus
    @lab.needs_program("tcpreplay")
    def test_what_tcpreplay_sends_into_an_interface_is_in_the_file(self):
        text = """
version: 1
ports: {wire: {vdev: "net_af_packet0,iface=OUTER"}}
pools: {all: {from: [wire], stages: [{write: {file: FILE}}]}}
"""
        source = os.path.join(lab.CORPUS, "flows", "dos_win98_smb_netbeui.pcap")
        sent = lab.read_capture(source)
        for form in FORMATS:
            with self.subTest(form), lab.namespaces("10.77.20.1/24") as (peer,):
                with lab.weir(text.replace("OUTER", peer.outer).replace("FILE", self.path("out." + form))) as w:
                    w.url()
                    done = peer.run("tcpreplay", "--pps=2000", "-i", "eth0", source)
                    self.assertEqual(done.returncode, 0, done.stdout)
                    w.wait_for_metrics(lambda m: m["weir_ledger_consumed_packets_total"] >= len(sent))
                    end = w.stop()
                self.check_books(end)
                known = set(sent)  # the kernel says something by itself, too
                self.assertEqual([f for f in lab.read_capture(self.path("out." + form)) if f in known], sent)


def total(metrics, name):
    return sum(value for key, value in metrics.items() if key.startswith(name + "{"))


def checksum(header):
    words = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, len(header), 2))
    while words > 0xffff:
        words = (words & 0xffff) + (words >> 16)
    return words ^ 0xffff


if __name__ == "__main__":
    unittest.main()
