# SPDX-License-Identifier: BSD-3-Clause
"""A class is held to its rate as the receiver sees it, in layer-2 bytes, and the others do not notice."""
import re
import time
import unittest

import lab

VARIANTS = ("release",)
RATE_BPS = 20_000_000
WINDOW_S = 4

BRIDGE = """
version: 1
memory: normal
ports:
  a: {{interface: {a}}}
  b: {{interface: {b}}}
classes:
  - bulk: {{match: "udp port 5301", rate: 20Mbps, burst: 100k}}
  - calm: {{match: "udp port 5302"}}
pools:
  all:
    from: [a, b]
    stages: [validate, classify, {{admit: {{per: class, mode: {mode}}}}}, meter, {{transmit: {{a: b, b: a}}}}]
"""
# Datagrams of 1000 bytes at a pace, to a port; how many were sent.
SENDER = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
address, port, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
start, n = time.monotonic(), 0
while (now := time.monotonic() - start) < seconds:
    while n < now * rate:
        s.sendto(b"x" * 1000, (address, port))
        n += 1
    time.sleep(0.001)
print(n)
"""
RECEIVER = """
import socket, sys, select
socks = []
for port in (5301, 5302):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.bind(("", port))
    socks.append(s)
print("ready", flush=True)
counts = [0, 0]
while True:
    ready = select.select(socks, [], [], 3)[0]
    if not ready: break
    for s in ready:
        s.recv(2000)
        counts[socks.index(s)] += 1
print(*counts)
"""
L2_BYTES = 1000 + 8 + 20 + 14


@lab.needs_netns
@lab.needs_program("ip", "ethtool", "nsenter")
class Limits(unittest.TestCase):
    def received_bytes(self, pid):
        """By the network namespace of a process, and when that was."""
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
            return int(re.search(r"eth0: *(\d+)", file.read()).group(1)), time.monotonic()

    def offer(self, mode, bulk):
        """What arrived: bits a second in a window in the middle, datagrams of each class, and the certificate."""
        with lab.namespaces("10.80.0.1/24", "10.80.0.2/24") as (left, right):
            with lab.weir(BRIDGE.format(a=left.outer, b=right.outer, mode=mode)) as w:
                w.url()
                lab.wait_until(lambda: left.run("ping", "-c", "1", "-W", "1", right.address).returncode == 0, 60, "ping")
                receiver = right.popen("python3", "-c", RECEIVER, stdout=-1, text=True)
                receiver.stdout.readline()
                seconds = str(WINDOW_S + 3)
                senders = [left.popen("python3", "-c", SENDER, right.address, "5302", "400", seconds, stdout=-1, text=True)]
                if bulk:
                    senders.append(left.popen("python3", "-c", SENDER, right.address, "5301", str(2 * RATE_BPS / 8 / L2_BYTES), seconds,
                                              stdout=-1, text=True))
                time.sleep(2)
                before, start_s = self.received_bytes(receiver.pid)
                time.sleep(WINDOW_S)
                after, end_s = self.received_bytes(receiver.pid)
                sent = [int(s.communicate(timeout=60)[0]) for s in senders]
                got = [int(n) for n in receiver.communicate(timeout=60)[0].split()]
                end = w.stop()
        self.assertEqual((end.code, end["lost"], end["leaked"]), (0, 0, 0), end)
        return (after - before) * 8 / (end_s - start_s), sent, got, end

    def test_at_the_receiver(self):
        def take():
            alone_bps, sent, got, _ = self.offer("enforce", bulk=False)
            alone = got[1] / sent[0]
            both_bps, sent, got, end = self.offer("enforce", bulk=True)
            bulk_bps = both_bps - alone_bps
            print(f"note: offered {sent[1] * L2_BYTES * 8 / (WINDOW_S + 3) / 1e6:.1f} Mbit/s to a limit of {RATE_BPS / 1e6:.0f}; at the "
                  f"receiver {bulk_bps / 1e6:.2f}; the other class {got[1]} of {sent[0]}, alone {100 * alone:.1f} %")
            unnamed = abs(sent[1] - got[0] - end.stage("admit")["drops"]["rate"]) / sent[1]
            return abs(bulk_bps / RATE_BPS - 1), got[1] / sent[0] / alone, unnamed, alone

        off, others, unnamed, alone = lab.again_unless(
            lambda seen: seen[0] < 0.03 and seen[1] >= 0.99 and seen[2] < 0.01 and seen[3] > 0.9, take)
        self.assertGreater(alone, 0.9, "the calm class alone")
        self.assertLess(off, 0.03)
        self.assertGreaterEqual(others, 0.99, "the calm class beside it, of what it has alone")
        self.assertLess(unnamed, 0.01, "what did not arrive was dropped here, by name")

    def test_observe_drops_nothing_and_counts_the_same(self):
        def take():
            _, sent, got, end = self.offer("observe", bulk=True)
            admit = end.stage("admit")
            over = sent[1] * L2_BYTES - RATE_BPS / 8 * (WINDOW_S + 3)
            return admit["drops"]["rate"], got[0] / sent[1], abs(admit["counters"]["would_drop"] * L2_BYTES / over - 1)

        dropped, arrived, off = lab.again_unless(lambda seen: seen[1] >= 0.99 and seen[2] < 0.05, take)
        self.assertEqual(dropped, 0)
        self.assertGreaterEqual(arrived, 0.99)
        self.assertLess(off, 0.05)


if __name__ == "__main__":
    unittest.main()
