#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What watching costs the watched: a worker's cycles a packet with and without somebody looking.

One weir, saturated: generator, validate, meter, sink on one CPU; whoever looks has the other, and so have the threads of weir that
answer. It runs on, while windows without watchers (A) and with them (B) take turns, paired as scripts/bench pairs does; of each
pair's figures four are taken in succession, and the mean of the middle two counts. A window's figure is what the worker itself
counted: cycles of all kinds by packets, read at both ends. Beside it, the CPU time of the worker by packets: that has the cache
lines and interrupts that watching costs, and not what others on a busy machine took of its CPU.

A stranger that takes as much CPU time as weir for as many answers of the same size shows what the machine makes of a busy neighbour.
And where each core has a worker, who answers has its CPU: that is a row, too.
"""
import contextlib
import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import pairs
from suite import Failed, config, figure, figures, main

CLAIM = 1.0
HZ = 100
SETTLE_S, LEAVE_S = 0.08, 0.02
IN_SUCCESSION = 4
PACKETS = "weir_worker_received_packets_total"
CYCLES = tuple(f"weir_worker_{kind}_cycles_total" for kind in ("busy", "idle", "blocked", "parked", "lost"))


class Watched:
    """A running weir and its ways in."""

    def __init__(self, run, folder, *before):
        self.run, self.control = run, os.path.join(folder, "control")
        self.cpus = os.sched_getaffinity(0)
        said = os.path.join(folder, "stderr")
        text = config(run.cpus[1:], "in: {generator: {flows: 64k, size: 60}}",
                      "all: {from: [in], stages: [validate, {meter: {max-flows: 128k}}, sink]}", "listen: 127.0.0.1:0",
                      f"control: {self.control}", "stop-after: 10min").replace("log: error", "log: notice")
        with open(said, "wb") as err:
            self.process = subprocess.Popen([*before, self.weir, "run", "--json", "--progress", "0", "-"], stdin=subprocess.PIPE,
                                            stdout=subprocess.DEVNULL, stderr=err)
        self.process.stdin.write(text.encode())
        self.process.stdin.close()
        self.port = self.wait_for_port(said)
        os.sched_setaffinity(0, {run.cpus[0]})  # and whoever is started from here

    @property
    def weir(self):
        return os.path.join(self.run.build, "weir")

    def wait_for_port(self, said):
        limit = time.monotonic() + 30
        while time.monotonic() < limit and self.process.poll() is None:
            with open(said, encoding="utf-8", errors="replace") as file:
                found = re.search(r"http://127\.0\.0\.1:(\d+)", file.read())
            if found:
                return int(found.group(1))
            time.sleep(0.02)
        raise Failed("weir did not start")

    def get(self, path="/metrics"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def cpu_ns(self):
        """CPU time of the worker, and of the other threads, those that have ended included."""
        total, worker = time.clock_gettime_ns(~self.process.pid << 3 | 2), 0  # as clock_getcpuclockid(3) makes it
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            about = f"/proc/{self.process.pid}/task/{thread}/"
            with contextlib.suppress(OSError), open(about + "comm", encoding="ascii") as name, open(about + "schedstat", encoding="ascii") as times:
                worker += int(times.read().split()[0]) if name.read().startswith("rte-worker") else 0
        return worker, total - worker

    def counted(self):
        """Cycles and packets of the worker."""
        text = self.get()[1]
        seen = {name: float(value) for name, value in re.findall(r"^(weir_worker_\w+)\{.*\} (\S+)$", text, re.M)}
        return sum(seen.get(name, 0) for name in CYCLES), seen[PACKETS]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        os.sched_setaffinity(0, self.cpus)


# ---- who watches: context managers ----

class Scraper:
    """/metrics, so often a second, over one connection."""

    def __init__(self, port):
        self.port, self.stop, self.scrapes = port, threading.Event(), 0
        self.thread = threading.Thread(target=self.look)

    def look(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        due = time.monotonic()
        while not self.stop.wait(max(0, due - time.monotonic())):
            connection.request("GET", "/metrics")
            connection.getresponse().read()
            self.scrapes, due = self.scrapes + 1, due + 1 / HZ
        connection.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Stranger:
    """Answers as long as weir does, for as much CPU time, and shares nothing with it."""

    SERVER = """
import socket, sys, time
size, cpu_s = int(sys.argv[1]), float(sys.argv[2])
answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % size + bytes(size)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    client = listener.accept()[0]
    while client.recv(65536):
        until = time.thread_time() + cpu_s
        client.sendall(answer)
        while time.thread_time() < until:
            pass
"""

    def __init__(self, watched):
        scrapes, before = 50, watched.cpu_ns()[1]
        size = max(len(watched.get()[1]) for _ in range(scrapes))
        self.cpu_us = (watched.cpu_ns()[1] - before) / scrapes / 1e3
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([sys.executable, "-c", self.SERVER, str(size), str(self.cpu_us * 1e-6)], stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def end(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def command(*words):
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, 15)
        child.wait(10)


SCRAPES = f"/metrics at {HZ} Hz"
OWN_CPU = f"{SCRAPES}, answered on the worker's CPU"


def watchers(watched):
    """name: how each is started."""
    ctl, url = [watched.weir, "ctl", "--socket", watched.control], f"http://127.0.0.1:{watched.port}"
    return {SCRAPES: lambda: Scraper(watched.port),
            "ctl watch": lambda: command(*ctl, "watch"),
            "/api/v1/stream, 10 a second": lambda: command("curl", "-sN", f"{url}/api/v1/stream?every=100ms"),
            "ctl and curl, 5 a second": lambda: command("sh", "-c", 'u=$1; shift; while "$@" && curl -s "$u"; do sleep 0.2; done', "sh",
                                                        f"{url}/api/v1/workers", *ctl, "workers")}


def window(watched, seconds, starts):
    """A packet's cycles, and its nanoseconds of the worker's CPU time; scrapes; the part of a CPU that weir's other threads took."""
    with contextlib.ExitStack() as stack:
        scrapers = [s for s in [stack.enter_context(start()) for start in starts] if isinstance(s, Scraper)]
        time.sleep(SETTLE_S if starts else LEAVE_S)
        (cycles, packets), limit = watched.counted(), time.monotonic() + 10
        begin, scrapes, (worker_ns, own_ns) = time.monotonic(), sum(s.scrapes for s in scrapers), watched.cpu_ns()
        time.sleep(seconds)
        while (now := watched.counted())[1] == packets:  # on a busy machine it may not have had the CPU at all
            if time.monotonic() > limit:
                raise Failed("the watched worker takes no packets")
        scrapes, passed, (worker_end, own_end) = sum(s.scrapes for s in scrapers) - scrapes, time.monotonic() - begin, watched.cpu_ns()
    n = now[1] - packets
    return (now[0] - cycles) / n, (worker_end - worker_ns) / n, scrapes / passed, (own_end - own_ns) * 1e-9 / passed


def middle(ratios):
    """Of so many in succession the mean of the middle two."""
    return {key: [statistics.median(all_of[i:i + IN_SUCCESSION]) for i in range(0, len(all_of), IN_SUCCESSION)] if key != "left_out" else all_of
            for key, all_of in ratios.items()}


def row(run, watched, name, starts, seconds, count):
    seen, worker_ns = [], {"a": [], "b": []}

    def take(which):
        cost, ns, *rest = window(watched, seconds, starts if which == "b" else [])
        worker_ns[which].append(ns)
        if which == "b":
            seen.append(rest)
        return cost, "here"  # one worker: it has no near and far

    many = count * IN_SUCCESSION
    ratios = middle(pairs.compare(take, many, lambda n: run.tell(f"{name}: {n + 1} of {many}")))
    a = worker_ns["a"]  # twice in each pair
    worker = middle({"b_to_a": [2 * b / (a[2 * i] + a[2 * i + 1]) for i, b in enumerate(worker_ns["b"])]})
    return {"what": name, "scrapes_per_s": round(statistics.mean(s for s, _ in seen), 1),
            "own_cpu_percent": round(100 * statistics.mean(o for _, o in seen), 2), **figures("worker_cpu_b_to_a", worker["b_to_a"], 4),
            **pairs.judge(ratios, CLAIM)}


def measure(run):
    rows, seconds = [], 0.05 if run.quick else 0.3
    count = 3 if run.quick else max(run.rounds, pairs.LEAST_PAIRS)
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        watched = Watched(run, folder)
        stranger = Stranger(watched)
        try:
            known = watchers(watched)
            for name, starts in ((SCRAPES, [known[SCRAPES]]), ("as much work by a stranger", [lambda: Scraper(stranger.port)]),
                                 ("ctl watch, /api/v1/stream, ctl and curl", [start for what, start in known.items() if what != SCRAPES]),
                                 ("all of them", list(known.values()))):
                rows.append(row(run, watched, name, starts, seconds, count))
        finally:
            stranger.end()
            watched.stop()
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        watched = Watched(run, folder, "taskset", "-c", str(run.cpus[1]))
        try:
            rows.append(row(run, watched, OWN_CPU, [lambda: Scraper(watched.port)], seconds, count))
        finally:
            watched.stop()
    run.trip()
    return {"seconds": seconds, "in_succession": IN_SUCCESSION, "scrape_cpu_us": round(stranger.cpu_us, 1), "rows": rows}


def report(result):
    rows = result["rows"]
    return {"tables": [(f"TSC cycles a packet of the watched worker, {result['in_succession']} windows of {result['seconds']:g} s a pair; A: nobody "
                        "watches, B: this; its CPU time: B to A, without what others took of its CPU; own: what weir's other threads took",
                        ["B", *pairs.HEADER, "its CPU time", "scrapes/s", "own"],
                        [[r["what"], *pairs.cells(r), figure(r, "worker_cpu_b_to_a", 3),
                          f"{r['scrapes_per_s']:.0f}", f"{r['own_cpu_percent']:.2f} %"] for r in rows])],
            "lines": [*(pairs.sentence(r, r["what"]) for r in rows),
                      f"A scrape with a connection of its own takes weir {result['scrape_cpu_us']:.0f} us of CPU time."],
            "picture": pairs.picture(result)}


if __name__ == "__main__":
    sys.exit(main("watch", __doc__, measure, report, 15))
