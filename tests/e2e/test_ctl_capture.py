# SPDX-License-Identifier: BSD-3-Clause
"""`weir ctl capture`: what it writes is what passed or was dropped, and whoever captures harms nobody."""
import os
import signal
import subprocess
import tempfile
import unittest

import lab

TEXT = """
version: 1
ports: {{gen: {{generator: {{flows: 1000, size: imix, rate: {rate}}}}}}}
classes:
  - even: {{match: "udp[1] & 1 = 0", priority: 2, rate: 1Mbps}}
pools:
  in: {{from: [gen], stages: [validate, classify, {{admit: {{per: class}}}}]}}
  out: {{from: [in], shard-by: flow, on-full: block, workers: 2, stages: [{{sink: {{check: order}}}}]}}
"""


@lab.needs_program("tshark")
class Capture(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-capture-")
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "out.pcapng")

    def start(self, w, *words, write=None, stdout=subprocess.PIPE):
        command = [lab.WEIR, "ctl", "--socket", w.control, "capture", "-w", write or self.file, *words]
        ctl = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE)
        self.addCleanup(ctl.wait)
        self.addCleanup(ctl.kill)
        for pipe in filter(None, (ctl.stdout, ctl.stderr)):
            self.addCleanup(pipe.close)
        return ctl

    def finish(self, ctl, code=0):
        _, err = ctl.communicate(timeout=60)
        self.assertEqual(ctl.returncode, code, err)
        return err.decode()

    def capture(self, w, *words, code=0, write=None):
        return self.finish(self.start(w, *words, write=write), code)

    def runs(self, w, packets=1):
        w.wait_for_metrics(lambda m: m["weir_ledger_accepted_packets_total"] >= packets)

    def fields(self, *names):
        fields = [word for name in names for word in ("-e", name)]
        done = subprocess.run(["tshark", "-n", "-r", self.file, "-T", "fields", *fields], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def fine(self, w):
        end = w.stop()
        self.assertEqual((end.code, end["lost"], end["leaked"], end["held"]), (0, 0, 0, 0), end)
        self.assertEqual(end["checker"]["reordered"], 0, end)
        return end

    def test_count_snap_every_filter_and_for(self):
        with lab.weir(TEXT.format(rate="5kpps")) as w:
            self.runs(w)
            self.assertIn("1000 captured, 0 lost, ", self.capture(w, "--count", "1k", "--snap", "64"))
            rows = self.fields("frame.interface_name", "frame.cap_len", "frame.len", "frame.time_epoch")
            self.assertEqual(len(rows), 1000)
            self.assertTrue(all(row[0] == "gen" and int(row[1]) == min(int(row[2]), 64) for row in rows), rows[:9])
            times = [float(row[3]) for row in rows]
            self.assertEqual(times, sorted(times))
            self.capture(w, "--at", "out", "--count", "200", "udp[1] & 1 = 1")
            ports = [int(row[0]) for row in self.fields("udp.srcport")]
            self.assertEqual((len(ports), {port & 1 for port in ports}), (200, {1}))
            before = w.metrics()["weir_ledger_accepted_packets_total"]
            self.capture(w, "--every", "100", "--count", "20")
            after = w.metrics()["weir_ledger_accepted_packets_total"]
            self.assertGreater(after - before, 19 * 100)
            self.assertRegex(self.capture(w, "--for", "50ms"), r"weir ctl: \d+ captured, 0 lost, 0 cut")
            self.fine(w)

    def test_every_packet_is_there_and_the_end_of_weir_is_an_end(self):
        with lab.weir(TEXT.format(rate="5kpps")) as w:
            self.runs(w)
            ctl = self.start(w, "--at", "out")
            w.wait_for_metrics(lambda m: captured(m) > 2000)
            end = self.fine(w)
        said = self.finish(ctl)
        seen = len(lab.read_capture(self.file))
        self.assertIn(f"{seen} captured, 0 lost, ", said)
        self.assertGreater(seen, 2000)
        self.assertLessEqual(seen, end["sent"])

    def test_drops_say_why(self):
        with lab.weir(TEXT.format(rate="20kpps")) as w:
            self.runs(w)
            self.capture(w, "--at", "drop:rate", "--count", "500")
            self.assertEqual({row[0] for row in self.fields("frame.comment")}, {"dropped: rate by admit in pool in"})
            self.assertEqual({int(row[0]) & 1 for row in self.fields("udp.srcport")}, {0})
            self.fine(w)

    def test_packets_that_an_inbox_refuses_say_so(self):
        text = TEXT.format(rate="20kpps").replace("on-full: block", "on-full: drop, depth: 64").replace(
            "{sink:", "{burn: {cycles: 2M}}, {sink:")
        with lab.weir(text) as w:
            self.runs(w)
            self.capture(w, "--at", "drop:inbox_full", "--count", "100")
            w.stop()
        self.assertEqual({row[0] for row in self.fields("frame.comment")},
                         {"dropped: inbox_full on the way out of pool in"})

    def test_into_a_pipe_and_ctrl_c(self):
        with lab.weir(TEXT.format(rate="5kpps")) as w:
            self.runs(w)
            ctl = self.start(w, write="-")
            reader = subprocess.Popen(["tshark", "-n", "-l", "-r", "-", "-T", "fields", "-e", "frame.len"], text=True,
                                      stdin=ctl.stdout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            ctl.stdout.close()
            first = reader.stdout.readline()
            ctl.send_signal(signal.SIGINT)
            rest = reader.stdout.read()
            reader.stdout.close()
            self.assertEqual(reader.wait(60), 0)
            said = ctl.stderr.read().decode()
            self.assertEqual(ctl.wait(60), 0)
            self.assertEqual(int(said.split()[2]), len((first + rest).splitlines()), said)
            self.fine(w)

    def test_one_at_a_time_and_a_client_that_is_killed_leaves_room(self):
        with lab.weir(TEXT.format(rate="5kpps")) as w:
            self.runs(w)
            first = self.start(w)
            w.wait_for_metrics(lambda m: captured(m) > 0)
            self.assertIn("another capture is under way", self.capture(w, write=self.file + "2", code=75))
            first.kill()
            first.wait()
            lab.wait_until(lambda: self.start(w, "--count", "1", write=self.file + "2").wait(60) == 0, 120,
                           lambda: "room for another capture")
            self.fine(w)

    def test_a_reader_that_stands_still_loses_its_own_and_nobody_else(self):
        with lab.weir(TEXT.format(rate="50kpps")) as w:
            self.runs(w)
            ctl = self.start(w, "--snap", "65536")  # the fewest slots
            w.wait_for_metrics(lambda m: captured(m) > 0)
            ctl.send_signal(signal.SIGSTOP)
            w.wait_for_metrics(lambda m: total(m, "weir_worker_capture_lost_packets_total") > 1000)
            ctl.send_signal(signal.SIGCONT)
            ctl.send_signal(signal.SIGINT)
            said = self.finish(ctl)
            self.assertGreater(int(said.split()[4]), 1000, said)
            self.assertEqual(len(lab.read_capture(self.file)), int(said.split()[2]), said)
            self.fine(w)

    @lab.only_in("release", "asan")
    def test_what_cannot_be_is_refused(self):
        with lab.weir(TEXT.format(rate="1kpps")) as w:
            self.runs(w)
            for words, text in ((["udp prt 5"], "filter `udp prt 5`: "), (["--at", "nowhere"], "no pool `nowhere`"),
                                (["--at", "drop:nothing"], "for the reason `nothing`"), (["--snap", "0"], "snap: "),
                                (["--for", "5"], "has no unit"), (["--count", "x"], "is no number")):
                with self.subTest(words):
                    self.assertIn(text, self.capture(w, *words, code=64))
                    self.assertFalse(os.path.exists(self.file))
            self.assertIn("cannot write /nowhere/x", self.capture(w, write="/nowhere/x", code=71))
            self.fine(w)
            self.capture(w, code=69)


def total(metrics, name):
    return sum(value for key, value in metrics.items() if key.startswith(name + "{"))


def captured(metrics):
    return total(metrics, "weir_worker_captured_packets_total")


if __name__ == "__main__":
    unittest.main()
