#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What watching costs the watched: a worker's cycles a packet with and without somebody looking.

One weir, saturated: generator, validate, meter, sink on one CPU; whoever looks has the other. It runs on, while windows
without watchers (A) and with them (B) take turns, paired as scripts/bench pairs does. A window's figure is what the worker
itself counted: cycles of all kinds by packets, read at both ends.
"""
import contextlib
import http.client
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

import pairs
from suite import Failed, config, main

CLAIM = 1.0
HZ = 100
SETTLE_S = 0.1
PACKETS = "weir_worker_received_packets_total"
CYCLES = tuple(f"weir_worker_{kind}_cycles_total" for kind in ("busy", "idle", "blocked", "parked", "lost"))


class Watched:
    """A running weir and its ways in."""

    def __init__(self, run, folder):
        self.run, self.control = run, os.path.join(folder, "control")
        self.cpus = os.sched_getaffinity(0)
        said = os.path.join(folder, "stderr")
        text = config(run.cpus[1:], "in: {generator: {flows: 64k, size: 60}}",
                      "all: {from: [in], stages: [validate, {meter: {max-flows: 128k}}, sink]}", "listen: 127.0.0.1:0",
                      f"control: {self.control}", "stop-after: 10min").replace("log: error", "log: notice")
        with open(said, "wb") as err:
            self.process = subprocess.Popen([self.weir, "run", "--json", "--progress", "0", "-"], stdin=subprocess.PIPE,
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

    def __init__(self, watched):
        self.port, self.stop, self.scrapes = watched.port, threading.Event(), 0
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


def watchers(watched):
    """name: how each is started. Those that this weir does not have are left out."""
    ctl = [watched.weir, "ctl", "--socket", watched.control]
    known = {f"/metrics at {HZ} Hz": lambda: Scraper(watched),
             "ctl and curl, 5 a second": lambda: command("sh", "-c", 'u=$1; shift; while "$@" && curl -s "$u"; do sleep 0.2; done', "sh",
                                                         f"http://127.0.0.1:{watched.port}/api/v1/workers", *ctl, "workers")}
    usage = subprocess.run([*ctl[:2], "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    if re.search(r"\bwatch\b", usage):
        known["ctl watch"] = lambda: command(*ctl, "watch")
    if stream_is_there(watched):
        known["/api/v1/stream, 10 a second"] = lambda: command(
            "curl", "-sN", f"http://127.0.0.1:{watched.port}/api/v1/stream?every=100ms")
    return known


def stream_is_there(watched):
    connection = http.client.HTTPConnection("127.0.0.1", watched.port, timeout=10)
    connection.request("GET", "/api/v1/stream")
    status = connection.getresponse().status
    connection.close()
    return status == 200


def window(watched, seconds, starts):
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(start()) for start in starts]
        time.sleep(SETTLE_S)
        (cycles, packets), limit = watched.counted(), time.monotonic() + 10
        time.sleep(seconds)
        while (now := watched.counted())[1] == packets:  # on a busy machine it may not have had the CPU at all
            if time.monotonic() > limit:
                raise Failed("the watched worker takes no packets")
        scrapes = sum(s.scrapes for s in started if isinstance(s, Scraper))
    return (now[0] - cycles) / (now[1] - packets), scrapes


def measure(run):
    rows, seconds = [], 0.05 if run.quick else 0.25
    count = 3 if run.quick else max(run.rounds, pairs.LEAST_PAIRS)
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        watched = Watched(run, folder)
        try:
            known = watchers(watched)
            for name, starts in [*((name, [start]) for name, start in known.items()), ("all of them", list(known.values()))]:
                scrapes = []

                def take(which, starts=starts, scrapes=scrapes):
                    cost, seen = window(watched, seconds, starts if which == "b" else [])
                    scrapes.append(seen)
                    return cost, "here"  # one worker: it has no near and far

                ratios = pairs.compare(take, count, lambda n, name=name: run.tell(f"{name}: pair {n + 1} of {count}"))
                rows.append({"what": name, "scrapes_per_s": round(sum(scrapes) / len(ratios["b_to_a"]) / (seconds + SETTLE_S), 1),
                             **pairs.judge(ratios, CLAIM)})
        finally:
            watched.stop()
    run.trip()
    return {"seconds": seconds, "rows": rows}


def report(result):
    rows = result["rows"]
    return {"tables": [(f"TSC cycles a packet of the watched worker, windows of {result['seconds']:g} s; A: nobody watches, B: this",
                        ["B", *pairs.HEADER, "scrapes/s"], [[r["what"], *pairs.cells(r), f"{r['scrapes_per_s']:.0f}"] for r in rows])],
            "lines": [pairs.sentence(r, r["what"]) for r in rows],
            "picture": pairs.picture(result)}


if __name__ == "__main__":
    sys.exit(main("watch", __doc__, measure, report, 18))
