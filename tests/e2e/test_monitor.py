# SPDX-License-Identifier: BSD-3-Clause
"""What is seen from outside: all views say the same, and no client harms the pipeline or another client."""
import glob
import json
import os
import re
import socket
import subprocess
import sys
import time
import unittest

import lab

VARIANTS = ("release", "asan")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGING = os.path.join(ROOT, "scripts", "packaging")

# The generator makes what it is told to and ends; the other port keeps weir running, and nothing comes from it.
COUNTED = """
version: 1
name: counted
seed: 7
ports:
  gen: {generator: {flows: 1k, rate: 200kpps, count: 20k}}
  quiet: {vdev: net_ring0}
pools:
  ingress:
    from: [gen, quiet]
    stages: [validate, {admit: {rate: 50kpps, burst: 100}}]
  work:
    from: [ingress]
    shard-by: flow
    on-full: block
    workers: 2
    stages: [meter, {sink: {check: order}}]
"""
STEADY = """
version: 1
seed: 7
ports:
  gen: {generator: {flows: 1k, rate: 20kpps}}
pools:
  ingress: {from: [gen], stages: [validate]}
  work: {from: [ingress], shard-by: flow, on-full: block, stages: [meter, {sink: {check: order}}]}
"""
# These go on where no packet does.
OF_TIME = re.compile(r"_cycles_total|_gaps?_|_steps_total|_parks_total|_sweeps_|_seconds|^process_|_idle|_mempool_|looks|wake")


def samples(vars_):
    """/debug/vars as {(name, labels): value}."""
    flat = {}
    for name, value in vars_.items():
        for row in value if isinstance(value, list) else [{"value": value}]:
            flat[name, tuple(sorted((k, v) for k, v in row.items() if k != "value"))] = row["value"]
    return {key: value for key, value in flat.items() if not OF_TIME.search(key[0])}


def parsed(text):
    """The Prometheus text likewise."""
    flat = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            sample, value = line.rsplit(" ", 1)
            name, _, labels = sample.partition("{")
            flat[name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels)))] = float(value)
    return {key: value for key, value in flat.items() if not OF_TIME.search(key[0])}


def differing(one, other):
    """Of two maps what is not in both."""
    return [{key: value for key, value in a.items() if b.get(key) != value} for a, b in ((one, other), (other, one))]


def telemetry(pid):
    """A connection to the telemetry socket of this weir, or None."""
    for path in glob.glob("/var/run/dpdk/weir/dpdk_telemetry.v2*") + glob.glob(
            os.environ.get("XDG_RUNTIME_DIR", "/tmp") + "/dpdk/weir/dpdk_telemetry.v2*"):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            s.connect(path)
            if json.loads(s.recv(1024))["pid"] == pid:
                return s
        except OSError:
            pass
        s.close()
    return None


def ask_telemetry(s, command):
    s.send(command.encode())
    return json.loads(s.recv(1 << 16))[command.split(",")[0]]


def ctl(w, *words, limit_s=60):
    return subprocess.run([lab.WEIR, "ctl", "--socket", w.control, *words], capture_output=True, text=True,
                          timeout=limit_s, check=False)


class Views(unittest.TestCase):
    def test_all_say_the_same(self):
        with lab.weir(COUNTED) as w:
            w.wait_for_metrics(lambda m: m["weir_ledger_accepted_packets_total"] == 20000 and
                               m["weir_ledger_held_packets"] == 0 and m["weir_ledger_lost_packets"] == 0)
            text = parsed(lab.fetch(w.url()))
            books, workers = w.ask("GET /api/v1/stats")[1], w.ask("GET /api/v1/workers")[1]
            told = {name: json.loads(lab.fetch(w.url().replace("/metrics", name)))
                    for name in ("/debug/vars", "/api/v1/stats", "/api/v1/workers")}
            self.assertEqual(*differing(samples(told["/debug/vars"]), text))
            self.assertGreater(len(text), 100)

            s = telemetry(w.pid)
            self.assertIsNotNone(s, "no telemetry socket")
            names = ask_telemetry(s, "/weir/metrics")
            self.assertEqual(set(names), set(told["/debug/vars"]))
            flat = {}
            for name in names:
                rows = ask_telemetry(s, "/weir/metrics," + name)
                flat[name] = rows["value"] if "value" in rows else list(rows.values())
            self.assertEqual(*differing(samples(flat), text))
            there = ask_telemetry(s, "/weir/ledger")
            for key in ("accepted", "copied", "sent", "consumed", "transmitted", "dropped", "held", "lost", "drops"):
                self.assertEqual(there[key], books[key], key)
            self.assertEqual([(row["pool"], row["index"], row["received"], row["shards"])
                              for row in ask_telemetry(s, "/weir/workers").values()],
                             [(row["pool"], row["index"], row["received"], row["shards"]) for row in workers])
            s.close()

            def metric(name, **labels):
                return text["weir_" + name, tuple(sorted(labels.items()))]

            for key, name in (("accepted", "accepted"), ("copied", "copied"), ("transmitted", "sent"),
                              ("consumed", "consumed"), ("dropped", "dropped")):
                self.assertEqual(books[key], metric(f"ledger_{name}_packets_total"), key)
            self.assertGreater(books["dropped"], 0)
            for reason, packets in books["drops"].items():
                self.assertEqual(packets, metric("dropped_packets_total", reason=reason), reason)
            ledger = ctl(w, "ledger").stdout.replace(" ", "")
            for key in ("accepted", "sent", "dropped"):
                self.assertRegex(ledger, f"{key}{books[key]}\\b")
            self.assertEqual(json.loads(ctl(w, "--json", "stats").stdout)["accepted"], 20000)
            end = w.stop()
        self.assertEqual((end.code, end["lost"], end["leaked"]), (0, 0, 0), end)
        same = ("accepted", "copied", "sent", "transmitted", "consumed", "dropped", "drops", "held", "lost", "checker")
        self.assertEqual({key: end[key] for key in same}, {key: books[key] for key in same})
        for part, keys in (("ports", ("received", "received_bytes", "sent", "tx_errors", "missed", "offered")),
                           ("stages", ("in", "out", "drops")), ("rings", ("pushed", "refused", "depth")),
                           ("workers", ("received", "held", "shards"))):
            self.assertEqual([[row[key] for key in keys] for row in end[part]],
                             [[row[key] for key in keys] for row in books[part]], part)

    def test_watch(self):
        with lab.weir(STEADY) as w:
            w.wait_for_metrics(lambda m: m["weir_ledger_accepted_packets_total"] > 0)
            self.assertIn("BLOCKED%", ctl(w, "stats").stdout)
            refused = ctl(w, "--interval", "1ms", "watch")
            self.assertEqual((refused.returncode, refused.stdout), (64, ""))
            self.assertIn("from 100ms to 5s", refused.stderr)
            lines = []
            for more in ([], ["--json"]):
                watch = subprocess.Popen([lab.WEIR, "ctl", "--socket", w.control, "--interval", "100ms", *more, "watch"],
                                         stdout=subprocess.PIPE, text=True)
                lines.append([watch.stdout.readline() for _ in range(5)])
                if more:
                    break
                watch.kill()
                watch.communicate()
            for line in lines[0]:
                self.assertRegex(line, r"^[\d.]+ s  in .*bps  out .*pps.*busy.*  lost -?\d+\n$")
            accepted = [json.loads(line)["accepted"] for line in lines[1]]
            self.assertEqual(accepted, sorted(accepted))
            self.assertLess(accepted[0], accepted[-1])
            end = w.stop()
            self.assertEqual(watch.wait(60), 0, "it ends with the weir")
            watch.stdout.close()
        self.assertEqual((end.code, end["lost"]), (0, 0), end)


def connect(port, receive_buffer=None):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(10)
    s.connect(("127.0.0.1", port))
    return s


# In a process of its own, for it shares no lock with those that are not good: how many answers it had, and how many not.
GOOD = """
import sys, threading, time, urllib.request
done, counts = threading.Event(), [0, 0]
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
while not done.is_set():
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=60) as reply:
            counts[b"weir_build_info" not in reply.read()] += 1
    except OSError as error:
        counts[1] += 1
        print(repr(error), file=sys.stderr, flush=True)
    print(*counts, flush=True)
    time.sleep(0.02)
"""


class Clients(unittest.TestCase):
    GARBAGE = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9, b"\0" * 300, b"GET " + b"A" * 20000,
               b"GET / HTTP/1.1\r\nX: " + b"y" * 20000, b"POST /metrics HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\n",
               b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"hello\r\n\r\n", b"\r\n" * 5000]

    def misbehave(self, port, i):
        """Of one bad client: a socket that stays open."""
        s = connect(port, 1024 if i % 4 == 3 else None)
        try:
            if i % 4 == 1:
                s.send(b"GET /metrics HT")
            elif i % 4 == 2:
                s.send(self.GARBAGE[i // 4 % len(self.GARBAGE)])
            elif i % 4 == 3:  # asks, and does not read
                s.send(b"GET /api/v1/stream?every=100ms HTTP/1.1\r\n\r\n" if i % 8 == 3 else
                       b"GET /debug/vars HTTP/1.1\r\nHost: weir\r\n\r\n" * 20)
        except OSError:  # it was told what it is
            pass
        return s

    def test_a_thousand_bad_ones_harm_nobody(self):
        with lab.weir(STEADY) as w:
            port = int(re.search(r":(\d+)/", w.url()).group(1))
            w.wait_for_metrics(lambda m: m["weir_ledger_accepted_packets_total"] > 0)
            folder = f"/proc/{w.pid}/fd"

            def wave():
                sockets = [self.misbehave(port, i) for i in range(500)]
                for s in sockets:
                    s.close()

            def quiet():
                return len(os.listdir(folder)) <= descriptors

            descriptors = len(os.listdir(folder))
            for _ in range(3):  # what these take, stacks and buffers, is there for the next
                wave()
            lab.wait_until(quiet, 60, lambda: f"descriptors: {os.listdir(folder)}")
            before = lab.rss_bytes(w.pid)
            counts = os.path.join(w.folder.name, "counts")
            with open(counts, "w", encoding="ascii") as file:
                good = subprocess.Popen([sys.executable, "-c", GOOD, w.url()], stdin=subprocess.PIPE, stdout=file)

            def answers():
                with open(counts, encoding="ascii") as file:
                    return [int(n) for n in (["0 0"] + file.read().split("\n")[:-1])[-1].split()]

            waves, deadline = 0, time.monotonic() + 15
            while waves < 4 or (sum(answers()) < 20 and time.monotonic() < deadline):
                wave()
                waves += 1
            good.communicate(b"")
            served, failed = answers()
            lab.wait_until(quiet, 60, lambda: f"descriptors: {os.listdir(folder)}")
            if os.environ.get("WEIR_VARIANT", "release") == "release":
                self.assertLess(lab.rss_bytes(w.pid) - before, 16 << 20)
            print(f"note: {served} good answers, {failed} not; RSS {(lab.rss_bytes(w.pid) - before) >> 10} KiB more", flush=True)
            self.assertGreater(served, 2)
            self.assertLessEqual(failed, max(1, served // 10))
            end = w.stop()
        self.assertEqual((end.code, end["lost"], end["leaked"], end["checker"]["missing"]),
                         (0, 0, 0, 0), end)


@lab.needs_program("promtool")
class Packaging(unittest.TestCase):
    RULES = os.path.join(PACKAGING, "prometheus-rules.yml")

    def promtool(self, *words):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_rules_fire_when_they_should(self):
        self.promtool("check", "rules", self.RULES)
        self.promtool("test", "rules", os.path.join(PACKAGING, "prometheus-rules-test.yml"))

    def test_each_metric_named_exists(self):
        with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as file:
            known = set(re.findall(r"^\| `(\w+)` \|", file.read(), re.M))
        for name in ("prometheus-rules.yml", "prometheus-rules-test.yml", "grafana-dashboard.json"):
            with open(os.path.join(PACKAGING, name), encoding="utf-8") as file:
                named = set(re.findall(r"\bweir_\w+", file.read()))
            named = {re.sub(r"_bucket$", "", metric) for metric in named}
            self.assertGreater(len(named), 5, name)
            self.assertEqual(named - known, set(), name)

    def test_each_alert_is_tested(self):
        with open(self.RULES, encoding="utf-8") as file:
            alerts = set(re.findall(r"alert: (\w+)", file.read()))
        with open(os.path.join(PACKAGING, "prometheus-rules-test.yml"), encoding="utf-8") as file:
            self.assertEqual(alerts - set(re.findall(r"alertname: (\w+)", file.read())), set())


if __name__ == "__main__":
    unittest.main()
