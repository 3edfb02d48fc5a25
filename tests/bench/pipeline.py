#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir's packet path beside dpdk-testpmd 5tswap, in one run.  Started by scripts/bench.

What makes it fair: both poll the same kind of DPDK vdev (net_preload.c: a net_ring with real UDP frames that
go round and round; net_null as a second row), with bursts of 32, normal pages, mbufs of one pool with a cache
of 512, on the same CPU, saturated. Rounds alternate their order, every run is bracketed by the round trip of a
cache line between the two CPUs, and a ratio is taken within its round only.

cycles per packet = TSC Hz x cores used / packets leaving per second: wall clock, idle and polling included.
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

from machine import between, describe, headline, print_columns, tell, two_cpus

FLOWS = 65536
FRAME_BYTES = 60          # without the FCS; 64 on the wire. net_preload.c
MEMORY_MIB = 512          # for 64 Ki mbufs and either program's own pool
TARGET, AIM = 1.0, 0.85   # weir-rtc's cycles as a part of testpmd's
PORTS = {"net_preload": f"net_preload0,flows={FLOWS}", "net_null": "net_null0"}

RTC = """
version: 1
name: bench-rtc
memory: normal
cpus: "{cpus}"
listen: off
ports:
  loop: {{vdev: "{vdev}"}}
pools:
  all:
    from: [loop]
    stages:
      - validate: {{non-ip: pass}}
      - admit: {{per: port, rate: 1Gpps}}
      - meter: {{max-flows: 128k}}
      - transmit: {{loop: loop}}
stop-after: {seconds}s
"""

PIPELINE = """
version: 1
name: bench-pipeline
memory: normal
cpus: "{cpus}"
listen: off
ports:
  loop: {{vdev: "{vdev}"}}
pools:
  ingress:
    from: [loop]
    stages:
      - validate: {{non-ip: pass}}
      - admit: {{per: port, rate: 1Gpps}}
  work:
    from: [ingress]
    shard-by: flow
    on-full: block
    stages:
      - meter: {{max-flows: 128k}}
      - transmit: {{loop: loop}}
stop-after: {seconds}s
"""


class Failed(Exception):
    pass


class Bench:
    def __init__(self, build, cpus, seconds, log):
        self.build, self.cpus, self.seconds, self.log = build, cpus, seconds, log
        self.tsc_hz = 0
        self.plugin = ["env", "LD_PRELOAD=" + os.path.join(build, "tests/bench/net_preload.so")]
        self.limit = ["timeout", "-k", "5", str(seconds + 60)]

    # The plugin is loaded before main and not by `-d`, which EAL refuses below any directory that all may write.
    def run_weir(self, text, cores, vdev):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text.format(cpus=",".join(map(str, self.cpus)), vdev=vdev, seconds=self.seconds))
            file.flush()
            done = subprocess.run(
                [*self.limit, *self.plugin, os.path.join(self.build, "weir"), "run", "--json",
                 "--eal", "-m", "--eal", str(MEMORY_MIB), file.name],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"weir ended with {done.returncode}")
        end = json.loads(done.stdout)
        if end["dropped"] != 0 or end["sent"] == 0:
            raise Failed(f"weir sent {end['sent']} and dropped {end['dropped']}: that measures another path")
        packets_per_s = end["sent"] * end["tsc_hz"] / end["running_tsc"]
        return cores * end["tsc_hz"] / packets_per_s, packets_per_s / 1e6

    def run_testpmd(self, vdev):
        command = [
            *self.limit, *self.plugin, "dpdk-testpmd",
            "--no-huge", "-m", str(MEMORY_MIB), "--no-pci", "--no-telemetry", "--no-shconf", "--iova-mode=va",
            "--lcores", f"0@{self.cpus[0]},1@{self.cpus[1]}", "--vdev", vdev, "--",
            "--forward-mode=5tswap", "--burst=32", "--nb-cores=1", "--mbcache=512", "--total-num-mbufs=8192",
            "--stats-period=1", "--no-flush-rx"]  # a flush would free the preloaded frames
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        try:
            packets_per_s = self.watch_testpmd(child)
        finally:
            child.send_signal(signal.SIGTERM)
            child.communicate()
        return self.tsc_hz / packets_per_s, packets_per_s / 1e6

    # Each line covers the time since the one before; the first two are start and warm-up.
    def watch_testpmd(self, child):
        last, packets, passed, seen = 0.0, 0.0, 0.0, 0
        for line in child.stdout:
            self.log.write(line)
            words = line.split()
            if words[:1] != ["Tx-pps:"]:
                continue
            now, seen = time.monotonic(), seen + 1
            if seen > 2:
                passed += now - last
                packets += int(words[1]) * (now - last)
            last = now
            if passed > self.seconds - 0.5 and packets > 0:
                return packets / passed
        raise Failed(f"dpdk-testpmd ended with {child.wait()} before it had measured")

    def round_trip(self):
        tool = os.path.join(self.build, "tests/bench/line_round_trip")
        done = subprocess.run([tool, *map(str, self.cpus)], stdout=subprocess.PIPE, check=True, text=True)
        seen = json.loads(done.stdout)
        self.tsc_hz = seen["tsc_hz"]
        return seen["median"]


def variants(bench):
    """One row each, as [port, path, cores, what to run]."""
    rows = []
    for port, vdev in PORTS.items():
        rows += [
            (port, "testpmd-5tswap", 1, lambda v=vdev: bench.run_testpmd(v)),
            (port, "weir-rtc", 1, lambda v=vdev: bench.run_weir(RTC, 1, v)),
            (port, "weir-pipeline", 2, lambda v=vdev: bench.run_weir(PIPELINE, 2, v)),
        ]
    return rows


def measure(bench, rounds):
    """Cycles, Mpps, ratio to testpmd on the same port in the same round, and round trips of each variant."""
    rows = variants(bench)
    seen = [[] for _ in rows]
    for round_number in range(rounds):
        order = list(range(len(rows)))
        if round_number % 2:
            order.reverse()
        cycles, mpps, trips, before = {}, {}, {}, bench.round_trip()
        for i in order:
            port, path, _, run = rows[i]
            tell(f"round {round_number + 1} of {rounds}: {path} on {port}")
            cycles[i], mpps[i] = run()
            after = bench.round_trip()
            trips[i], before = (before, after), after
        reference = {rows[i][0]: cycles[i] for i in order if rows[i][1] == "testpmd-5tswap"}
        for i in order:
            seen[i].append((cycles[i], mpps[i], cycles[i] / reference[rows[i][0]], trips[i]))
    tell("")
    return [row(*rows[i][:3], seen[i]) for i in range(len(rows))]


def row(port, path, cores, rounds):
    cycles, mpps, ratios, trips = zip(*rounds)
    trips = [t for pair in trips for t in pair]

    def spread(values, digits):
        return [round(min(values), digits), round(max(values), digits)]

    return {
        "path": path if port == "net_preload" else f"{path} ({port})",
        "port": port,
        "cores": cores,
        "flows": FLOWS if port == "net_preload" else 0,
        "cycles_per_packet": round(statistics.median(cycles), 1),
        "cycles_per_packet_spread": spread(cycles, 1),
        "mpps": round(statistics.median(mpps), 2),
        "ratio_testpmd_5tswap": round(statistics.median(ratios), 3),
        "ratio_spread": spread(ratios, 3),
        "line_round_trip_tsc": round(statistics.median(trips)),
        "line_round_trip_spread": spread(trips, 0),
        "rounds": len(rounds),
    }


COLUMNS = {
    "path": lambda r: r["path"],
    "cores": lambda r: str(r["cores"]),
    "flows": lambda r: str(r["flows"]),
    "cycles/packet": lambda r: f"{r['cycles_per_packet']:.1f} {between(r['cycles_per_packet_spread'])}",
    "Mpps": lambda r: f"{r['mpps']:.2f}",
    "ratio to 5tswap": lambda r: f"{r['ratio_testpmd_5tswap']:.3f} {between(r['ratio_spread'])}",
    "line round trip": lambda r: f"{r['line_round_trip_tsc']} {between(r['line_round_trip_spread'])}",
}


def print_table(result):
    m = result["machine"]
    print(headline("pipeline", m))
    print(f"{result['rounds']} rounds, {result['seconds']} s each: median [least, most]; load average before: "
          f"{m['load_average_before']:.2f}")
    print(f"UDP frames of {FRAME_BYTES} bytes ({FRAME_BYTES + 4} with FCS), bursts of 32, normal pages; "
          "on net_null 64 zero bytes, which are not IP\n")
    print_columns(list(COLUMNS), [[show(r) for show in COLUMNS.values()] for r in result["rows"]])
    ratio = next(r["ratio_testpmd_5tswap"] for r in result["rows"] if r["path"] == "weir-rtc")
    print(f"\nweir-rtc takes {ratio:.2f} of testpmd's cycles; target: at most {TARGET:.2f} "
          f"({'reached' if ratio <= TARGET else 'not reached'}), aim {AIM:.2f}.")
    print("weir validates, admits and meters each packet; testpmd swaps addresses and ports. weir is built for\n"
          "this CPU, testpmd is Debian's, built for any. Cycles: TSC, all cores used, wall clock, idle included.")


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench pipeline", description="weir's packet path beside dpdk-testpmd 5tswap, in one run.")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often all is measured (3)")
    parser.add_argument("--quick", action="store_true", help="one round of 2 s: to see that it works")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("--rounds: at least 1")
    return given


def main():
    given = arguments()
    cpus = two_cpus()
    load_before = os.getloadavg()[0]
    build = os.path.abspath(given.build)
    log_path = os.path.join(build, "bench-pipeline.log")
    with open(log_path, "w", encoding="utf-8") as log:
        bench = Bench(build, cpus, 2 if given.quick else 5, log)
        try:
            rows = measure(bench, 1 if given.quick else given.rounds)
        except Failed as failure:
            print(f"scripts/bench: {failure}; see {os.path.relpath(log_path)}", file=sys.stderr)
            return 1
    result = {"bench": "pipeline", "rounds": rows[0]["rounds"], "seconds": bench.seconds, "burst": 32,
              "frame_bytes": FRAME_BYTES, "machine": describe(bench.cpus, bench.tsc_hz, load_before), "rows": rows}
    if given.json:
        json.dump(result, sys.stdout, indent=2)
        print()
    else:
        print_table(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
