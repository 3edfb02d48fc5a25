#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir between two cables: TCP through it beside dpdk-testpmd io on the same veth pairs, and what the wire sees when weir
is restarted or killed.  Started by scripts/bench; needs root (network namespaces).

Rounds alternate their order. Both use one polling core, bursts of 32, normal pages. The hosts' own work, TCP and the veth
pairs, takes what is left of the machine: the ratio counts, not the figure.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import lab
from machine import describe, headline, print_columns, tell, two_cpus

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
s.settimeout(3)
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
        sender = left.popen("python3", "-c", SENDER, right.address, "4")
        time.sleep(1)
        if event != "nothing":
            stop(process, signal.SIGKILL if event == "kill -9" else signal.SIGTERM)
            process = start("weir", device, cpus, left, right, log)
        sender.wait(30)
        said = receiver.communicate(timeout=30)[0]
        stop(process)
        return json.loads(said)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench wire")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one short round: whether it works, not how fast it is")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("scripts/bench wire: network namespaces need root")
    rounds, seconds = (1, 1) if given.quick else (given.rounds, 4)
    load_before, cpus, rows, gaps = os.getloadavg(), two_cpus(), [], []
    trip = json.loads(subprocess.run([os.path.join(given.build, "tests/bench/line_round_trip"), *map(str, cpus)],
                                     stdout=subprocess.PIPE, check=True, text=True).stdout)
    with tempfile.TemporaryFile("w") as log:
        for name, device in DEVICES.items():
            seen = {"weir": [], "testpmd": []}
            for number in range(rounds):
                for program in sorted(seen, reverse=bool(number % 2)):
                    tell(f"{name}, round {number + 1} of {rounds}: {program}")
                    seen[program].append(throughput(program, device, cpus, seconds, log))
            ratios = [w / t for w, t in zip(seen["weir"], seen["testpmd"])]
            rows += [{"device": name, "program": program, "gbps": round(statistics.median(values), 3), "rounds": rounds,
                      "ratio_testpmd": round(statistics.median(ratios), 3) if program == "weir" else 1} for program, values in seen.items()]
        for name, device in DEVICES.items():
            for event in ("nothing", "restart", "kill -9"):
                tell(f"{name}: {event}")
                results = [gap(event, device, cpus, log) for _ in range(1 if given.quick else 5)]
                gaps.append({"device": name, "event": event, "gap_ms": statistics.median(r["gap_ms"] for r in results),
                             "lost": statistics.median(r["lost"] for r in results), "sent": results[0]["sent"], "rounds": len(results)})
    tell("")
    machine = describe(cpus, trip["tsc_hz"], load_before)
    if given.json:
        print(json.dumps({"suite": "wire", "machine": machine, "line_round_trip_tsc": trip["median"], "rows": rows, "gaps": gaps}, indent=1))
        return
    print(headline("weir between two cables", machine))
    print(f"line round trip {trip['median']:.0f} TSC cycles; {rounds} rounds of {seconds} s\n")
    print_columns(["one TCP stream", "program", "Gbit/s", "to testpmd io"],
                  [[r["device"], r["program"], f"{r['gbps']:.2f}", f"{r['ratio_testpmd']:.2f}"] for r in rows])
    worst = min(r["ratio_testpmd"] for r in rows)
    print(f"target {TARGET} of testpmd: {'met' if worst >= TARGET else 'missed'}\n")
    print_columns(["2000 datagrams a second", "event", "longest silence", "lost"],
                  [[g["device"], g["event"], f"{g['gap_ms']:.0f} ms", f"{g['lost']:.0f}"] for g in gaps])


if __name__ == "__main__":
    main()
