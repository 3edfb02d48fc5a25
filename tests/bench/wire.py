#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir between two cables: TCP through it beside dpdk-testpmd io on the same veth pairs, and what the wire sees when weir
is restarted or killed.  Needs root (network namespaces).

Rounds alternate their order. Both use one polling core, bursts of 32, normal pages. The hosts' own work, TCP and the veth
pairs, takes what is left of the machine: the ratio counts, not the figure. weir validates and meters each packet on the way, testpmd
does not look at them. The silence at a restart is the start of DPDK and of the device: the new one starts when the old one has ended.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import lab
import plot
from suite import Skipped, figure, figures, main, median, reached

DEVICES = {"AF_PACKET": "net_af_packet", "AF_XDP": "net_af_xdp"}
ADDRESSES = ("10.76.0.1/24", "10.76.0.2/24")
TARGET = 0.95

CONFIG = """
version: 1
name: bench-wire
memory: normal
listen: off
log: error
drain-timeout: 1s
cpus: "{cpus}"
ports:
  a: {{vdev: "{device}0,iface={a}"}}
  b: {{vdev: "{device}1,iface={b}"}}
pools:
  all:
    from: [a, b]
    stages: [validate, meter, {{transmit: {{a: b, b: a}}}}]
"""

# A datagram each half millisecond; the receiver prints what is missing and the longest silence.
SENDER = """
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
start = time.monotonic()
for n in range(int(float(sys.argv[2]) * 2000)):
    while time.monotonic() < start + n / 2000: pass
    try: s.sendto(struct.pack("!I", n), (sys.argv[1], 9000))
    except OSError: pass
"""
RECEIVER = """
import socket, struct, time, json
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(("", 9000))
print("ready", flush=True)
s.settimeout(1.5)
seen, last, gap, highest = 0, None, 0, 0
try:
    while True:
        n, = struct.unpack("!I", s.recv(64))
        now = time.monotonic()
        gap = max(gap, now - last if last else 0)
        last, seen, highest = now, seen + 1, max(highest, n)
except TimeoutError:
    print(json.dumps({"gap_ms": round(gap * 1000, 1), "lost": highest + 1 - seen, "sent": highest + 1}))
"""


def start(program, device, cpus, left, right, log):
    """weir or testpmd between the two; running when a ping passes."""
    if program == "weir":
        file = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False)
        with file:
            file.write(CONFIG.format(cpus=",".join(map(str, cpus)), device=device, a=left.outer, b=right.outer))
        command = [lab.WEIR, "run", "--json", "--progress", "0", file.name]
    else:
        command = ["dpdk-testpmd", "--no-huge", "-m", "256", "--no-pci", "--no-telemetry", "--no-shconf", "--iova-mode=va",
                   "--lcores", f"0@{cpus[0]},1@{cpus[1]}", "--vdev", f"{device}0,iface={left.outer}", "--vdev",
                   f"{device}1,iface={right.outer}", "--", "--forward-mode=io", "--burst=32", "--nb-cores=1", "--mbcache=512",
                   "--total-num-mbufs=16384", "--stats-period=1"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    lab.wait_until(lambda: left.run("ping", "-c", "1", "-W", "1", right.address).returncode == 0, 30, "a ping through " + program)
    return process


def stop(process, number=signal.SIGTERM):
    process.send_signal(number)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def throughput(program, device, cpus, seconds, log):
    with lab.namespaces(*ADDRESSES) as (left, right):
        process = start(program, device, cpus, left, right, log)
        server = right.popen("iperf3", "-s", "-1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.wait_until(lambda: ":5201" in right.run("ss", "-ltn").stdout, 30, "iperf3 listening")
        done = left.run("iperf3", "-J", "-c", right.address, "-t", str(seconds))
        server.wait(30)
        stop(process)
        return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e9


def gap(event, device, cpus, log):
    with lab.namespaces(*ADDRESSES) as (left, right):
        process = start("weir", device, cpus, left, right, log)
        receiver = right.popen("python3", "-c", RECEIVER, stdout=subprocess.PIPE, text=True)
        receiver.stdout.readline()
        sender = left.popen("python3", "-c", SENDER, right.address, "3")
        time.sleep(1)
        if event != "nothing":
            stop(process, signal.SIGKILL if event == "kill -9" else signal.SIGTERM)
            process = start("weir", device, cpus, left, right, log)
        sender.wait(30)
        said = receiver.communicate(timeout=30)[0]
        stop(process)
        return json.loads(said)


def measure(run):
    if os.geteuid() != 0:
        raise Skipped("network namespaces need root")
    lab.WEIR = os.path.join(run.build, "weir")
    seconds, times, rows, gaps = (1, 1, [], []) if run.quick else (3, 3, [], [])
    devices = dict(list(DEVICES.items())[:1]) if run.quick else DEVICES
    run.trip()
    for name, device in devices.items():
        seen = {"weir": [], "testpmd": []}
        for number in range(run.rounds):
            for program in sorted(seen, reverse=bool(number % 2)):
                run.tell(f"{name}, round {number + 1} of {run.rounds}: {program}")
                seen[program].append(throughput(program, device, run.cpus, seconds, run.log))
        run.trip()
        ratios = {"weir": [w / t for w, t in zip(seen["weir"], seen["testpmd"])], "testpmd": [1] * run.rounds}
        rows += [{"device": name, "program": program, **figures("gbps", values, 3), "rounds": run.rounds,
                  **figures("ratio_testpmd", ratios[program], 3)} for program, values in seen.items()]
    for name, device in devices.items():
        for event in ("restart",) if run.quick else ("nothing", "restart", "kill -9"):
            run.tell(f"{name}: {event}")
            results = [gap(event, device, run.cpus, run.log) for _ in range(1 if event == "nothing" else times)]
            gaps.append({"device": name, "event": event, "gap_ms": median([r["gap_ms"] for r in results]),
                         "lost": median([r["lost"] for r in results], 0), "sent": results[0]["sent"], "rounds": len(results)})
    return {"seconds": seconds, "rows": rows, "gaps": gaps}


def report(result):
    devices = list(dict.fromkeys(r["device"] for r in result["rows"]))
    worst = min(r["ratio_testpmd"] for r in result["rows"] if r["program"] == "weir")
    of = {(r["program"], r["device"]): r["gbps"] for r in result["rows"]}
    return {
        "tables": [(f"One TCP stream, {result['seconds']} s", ["device", "program", "Gbit/s", "to testpmd io", "rounds"],
                    [[r["device"], r["program"], figure(r, "gbps", 2), figure(r, "ratio_testpmd", 2), str(r["rounds"])]
                     for r in result["rows"]]),
                   ("2 000 datagrams a second, medians", ["device", "event", "longest silence", "lost", "times"],
                    [[g["device"], g["event"], f"{g['gap_ms']:.0f} ms", f"{g['lost']:.0f} of {g['sent']}", str(g["rounds"])]
                     for g in result["gaps"]])],
        "lines": [f"weir carries at least {worst:.2f} of what testpmd does; at least {TARGET} {reached(worst >= TARGET)}."],
        "picture": plot.draw("One TCP stream between two namespaces, Gbit/s", result["machine"]["cpu"], devices,
                             {"": {p: [of[p, d] for d in devices] for p in ("weir", "testpmd")}}, bars=True)}


if __name__ == "__main__":
    sys.exit(main("wire", __doc__, measure, report, 8))
