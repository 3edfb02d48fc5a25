# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd as a peer over memif: it sends as fast as it can, stops, dies; the books of weir balance."""
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import lab

VARIANTS = ("release", "asan")

TEXT = """
version: 1
ports: {{peer: {{vdev: "net_memif0,role=server,socket={socket},socket-abstract=no"}}}}
pools:
  in: {{from: [peer], stages: [validate]}}
  out: {{from: [in], shard-by: flow, on-full: drop, stages: [meter, sink]}}
"""
CLIENT = """
version: 1
ports:
  gen: {{generator: {{flows: 10}}}}
  peer: {{vdev: "net_memif0,role=client,socket={socket},socket-abstract=no"}}
pools:
  all: {{from: [gen], stages: [validate, {{transmit: {{gen: peer}}}}]}}
"""
UP = 'weir_port_up{port="peer",kind="vdev"}'


@lab.needs_program("dpdk-testpmd")
class Testpmd(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-memif-")
        self.addCleanup(folder.cleanup)
        self.socket = os.path.join(folder.name, "socket")

    @contextlib.contextmanager
    def peer(self, role="client", mode="txonly"):
        """testpmd; as a client it is connected soon, and then sends."""
        cpu = max(os.sched_getaffinity(0))
        # Without a terminal it ends at once unless it shows statistics.
        command = ["dpdk-testpmd", f"--lcores=0@{cpu},1@{cpu}", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
                   "-m", "128", "--vdev", f"net_memif0,role={role},socket={self.socket},socket-abstract=no", "--",
                   f"--forward-mode={mode}", "--stats-period", "1", "--total-num-mbufs=2048"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def check_books(self, end):
        self.assertEqual(end.code, 0, end)
        self.assertEqual((end["lost"], end["leaked"], end["held"]), (0, 0, 0), end)
        self.assertEqual(end["sent"] + end["dropped"], end["accepted"], end)
        self.assertEqual(end["consumed"] + end["drops"]["inbox_full"], end["accepted"], end)
        # testpmd makes UDP over IPv4, 64 bytes, one flow.
        self.assertEqual(end.stage("validate")["counters"]["ip_packets"], end["accepted"], end)
        self.assertEqual(end.stage("meter")["counters"]["flows_created"], 1, end)

    @staticmethod
    def descriptors(w):
        return len(os.listdir(f"/proc/{w.pid}/fd"))

    @staticmethod
    def accepted(metrics):
        return metrics["weir_ledger_accepted_packets_total"]

    def test_what_it_sends_is_accounted_for_and_a_second_peer_takes_its_place(self):
        with lab.weir(TEXT.format(socket=self.socket)) as w:
            w.url()
            before = 0
            for _ in range(2):
                with self.peer() as peer:
                    before = self.accepted(w.wait_for_metrics(lambda m: self.accepted(m) > before + 20000))
                    peer.terminate()
                    peer.wait(30)
            self.assertTrue(w.running(), w.err())
            end = w.stop()
        self.check_books(end)
        self.assertGreater(end["accepted"], 40000)

    def test_a_stop_while_it_sends_balances(self):
        with lab.weir(TEXT.format(socket=self.socket)) as w:
            w.url()
            with self.peer():
                w.wait_for_metrics(lambda m: self.accepted(m) > 20000)
                end = w.stop()
        self.check_books(end)
        self.assertEqual(end["why_stopped"], "signal")

    def test_a_peer_that_hangs_and_is_killed_harms_nobody(self):
        with lab.weir(TEXT.format(socket=self.socket)) as w:
            w.url()
            with self.peer() as peer:
                w.wait_for_metrics(lambda m: self.accepted(m) > 20000)
                peer.send_signal(signal.SIGSTOP)
                seen = -1
                while seen != (seen := self.accepted(w.metrics())):
                    time.sleep(0.2)
                peer.kill()
                peer.wait()
            w.wait_for_metrics(lambda m: m[UP] == 0)
            with self.peer():
                w.wait_for_metrics(lambda m: self.accepted(m) > seen + 20000)
                end = w.stop()
        self.check_books(end)

    def test_ends_at_full_speed_take_nobody_along(self):
        # Without workers/memif.c one end in twelve was ours.
        rounds = 60 if lab.LONG else 8
        with lab.weir(TEXT.format(socket=self.socket)) as w:
            w.url()
            for i in range(rounds):
                with self.peer() as peer:
                    before = self.accepted(w.metrics())
                    w.wait_for_metrics(lambda m, b=before: self.accepted(m) > b + 20000)
                    peer.send_signal(signal.SIGKILL if i % 4 == 3 else signal.SIGTERM)
                    peer.wait(30)
                w.wait_for_metrics(lambda m: m[UP] == 0)
            end = w.stop()
        self.check_books(end)

    def test_who_hangs_up_unheard_takes_nobody_along(self):
        with lab.weir(TEXT.format(socket=self.socket)) as w:
            w.url()
            lab.wait_until(lambda: os.path.exists(self.socket), 30, w.err)
            with self.peer() as peer:  # sees that it is served
                w.wait_for_metrics(lambda m: self.accepted(m) > 20000)
                peer.terminate()
                peer.wait(30)
            w.wait_for_metrics(lambda m: m[UP] == 0)
            before, passed = self.descriptors(w), self.accepted(w.metrics())
            for i in range(600):
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller, contextlib.suppress(ConnectionError, BlockingIOError):
                    caller.connect(self.socket)
                    if i % 3:
                        caller.send(os.urandom(128 if i % 3 == 1 else i))
            with self.peer():
                w.wait_for_metrics(lambda m: self.accepted(m) > passed + 20000)
                lab.wait_until(lambda: self.descriptors(w) <= before + 10, 30, lambda: f"{before} descriptors, then {self.descriptors(w)}")
                end = w.stop()
        self.check_books(end)

    def send_to_a_server_that_dies(self, w):
        sent = 'weir_port_sent_packets_total{port="peer",kind="vdev"}'
        before = w.metrics()[sent]
        for _ in range(5):  # a server of this DPDK that is called before it is ready may end itself
            with self.peer("server", "rxonly") as peer:
                lab.wait_until(lambda p=peer: w.metrics()[sent] > before or p.poll() is not None, 60, w.err)
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.socket)
            if w.metrics()[sent] > before:
                break
        else:
            self.fail(w.err())
        w.wait_for_metrics(lambda m: m[UP] == 0)

    def test_a_server_that_is_not_there_yet_or_dies_is_called_again(self):
        with lab.weir(CLIENT.format(socket=self.socket)) as w:
            w.url()
            self.assertEqual(w.metrics()[UP], 0)
            self.send_to_a_server_that_dies(w)
            self.send_to_a_server_that_dies(w)
            end = w.stop()
        self.assertEqual((end.code, end["lost"], end["leaked"], end["held"]), (0, 0, 0, 0), end)
        self.assertEqual(end["sent"] + end["dropped"], end["accepted"], end)
        self.assertGreaterEqual(end.port("peer")["reopened"], 2, end)


if __name__ == "__main__":
    unittest.main()
