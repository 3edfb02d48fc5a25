#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weir's packet path beside dpdk-testpmd and beside the same pipeline in Go, in one run.

weir and testpmd poll the same kind of DPDK vdev (net_preload.c: a net_ring with real UDP frames that go round and round;
net_null as a second one), with bursts of 32, normal pages, mbufs of one pool with a cache of 512, on the same CPUs, saturated.
The Go program (tests/bench/go, needs Debian's golang-go) has the same frames in memory and does the same with each: parse,
key and hash, token bucket, channel, flow table, count; it has no device to receive from or to send to, and ages no flow.

Rounds alternate their order, every run is bracketed by the round trip of a cache line between the two CPUs, and a ratio is
taken within its round: `all` has every round, near and far only those where both runs of the ratio were so throughout.

cycles per packet = TSC Hz x cores used / packets leaving per second: wall clock, idle and polling included.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import plot
from machine import placement
from suite import Failed, config, figure, figures, main, median, reached

FLOWS = 65536
MEMORY_MIB = 512         # for 64 Ki mbufs and either program's own pool
TARGET, AIM = 1.0, 0.85  # weir-rtc's cycles as a part of testpmd's 5tswap
GO_LEAST = {"go-items": 40, "go-slices": 10}  # times weir-rtc, on one core, faster than these on two
GO_SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "go", "pipeline.go")
DEVICES = {"net_preload": ("net_preload0", f"net_preload0,flows={FLOWS}"), "net_null": ("net_null0", "net_null0")}

VALIDATE, ADMIT = "{validate: {non-ip: pass}}", "{admit: {per: port, rate: 1Gpps}}"
METER, TRANSMIT = "{meter: {max-flows: 128k}}", "{transmit: {loop: loop}}"
POOLS = {
    "weir-rtc": f"all: {{from: [loop], stages: [{VALIDATE}, {ADMIT}, {METER}, {TRANSMIT}]}}",
    "weir-pipeline": (f"ingress: {{from: [loop], stages: [{VALIDATE}, {ADMIT}]}}, "
                      f"work: {{from: [ingress], shard-by: flow, on-full: block, stages: [{METER}, {TRANSMIT}]}}"),
}

# path: device, cores
ROWS = {
    ("testpmd-io", "net_preload"): 1, ("testpmd-macswap", "net_preload"): 1, ("testpmd-5tswap", "net_preload"): 1,
    ("weir-rtc", "net_preload"): 1, ("weir-pipeline", "net_preload"): 2,
    ("testpmd-5tswap", "net_null"): 1, ("weir-rtc", "net_null"): 1, ("weir-pipeline", "net_null"): 2,
    ("go-direct", "memory"): 1, ("go-items", "memory"): 2, ("go-slices", "memory"): 2,
    ("go-items-one-core", "memory"): 1, ("go-slices-one-core", "memory"): 1,
}


class Bench:
    """What each row runs. All return packets a second."""

    def __init__(self, run):
        self.run, self.seconds = run, 0.3 if run.quick else 1.5
        # Loaded before main and not by `-d`, which EAL refuses below any directory that all may write.
        self.plugin = ["env", "LD_PRELOAD=" + run.tool("net_preload.so")]
        self.go = self.build_go()

    def build_go(self):
        if shutil.which("go") is None:
            return None
        program = os.path.join(self.run.build, "tests/bench/go-pipeline")
        there = {"GO111MODULE": "off", "GOPROXY": "off", "CGO_ENABLED": "0", "GOCACHE": os.path.join(self.run.build, "go-cache")}
        done = subprocess.run(["go", "build", "-o", program, GO_SOURCE], stdout=self.run.log, stderr=self.run.log,
                              env={**os.environ, **there}, check=False)
        if done.returncode != 0:
            raise Failed("the Go program was not built")
        return program

    def measure(self, path, device):
        program, _, rest = path.partition("-")
        return {"weir": self.weir, "testpmd": self.testpmd, "go": self.of_go}[program](path, rest, device)

    def weir(self, path, _, device):
        name, vdev = DEVICES[device]
        text = config(self.run.cpus, f'loop: {{vdev: "{vdev}"}}', POOLS[path], f"stop-after: {self.seconds}s")
        end = self.run.weir(text, "--eal", "-m", "--eal", str(MEMORY_MIB), before=self.plugin)
        if end["dropped"] != 0 or end["sent"] == 0:
            raise Failed(f"weir sent {end['sent']} and dropped {end['dropped']} on {name}: that measures another path")
        return end["sent"] * end["tsc_hz"] / end["running_tsc"]

    def of_go(self, _, rest, device):
        del device
        mode, _, one = rest.partition("-")
        cpus = self.run.cpus[1:] if one or mode == "direct" else self.run.cpus
        done = subprocess.run(["taskset", "-c", ",".join(map(str, cpus)), self.go, "-mode", mode, "-flows", str(FLOWS), "-seconds",
                               str(self.seconds)], stdout=subprocess.PIPE, stderr=self.run.log, text=True,
                              env={**os.environ, "GOMAXPROCS": str(len(cpus))}, check=False)
        if done.returncode != 0:
            raise Failed(f"the Go program ended with {done.returncode}")
        return 1e9 / json.loads(done.stdout)["ns_per_packet"]

    def testpmd(self, _, mode, device):
        cpus = self.run.cpus
        child = subprocess.Popen(
            ["timeout", "-k", "5", str(self.seconds + 60), *self.plugin, "dpdk-testpmd",
             "--no-huge", "-m", str(MEMORY_MIB), "--no-pci", "--no-telemetry", "--no-shconf", "--iova-mode=va",
             "--lcores", f"0@{cpus[0]},1@{cpus[1]}", "--vdev", DEVICES[device][1], "--",
             f"--forward-mode={mode}", "--burst=32", "--nb-cores=1", "--mbcache=512", "--total-num-mbufs=8192",
             "--stats-period=1", "--no-flush-rx"],  # a flush would free the preloaded frames
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.run.log, text=True)
        try:
            return self.watch_testpmd(child)
        finally:
            child.send_signal(signal.SIGTERM)
            child.communicate()

    # Each line covers the time since the one before; the first two are start and warm-up.
    def watch_testpmd(self, child):
        last, packets, passed, seen = 0.0, 0.0, 0.0, 0
        for line in child.stdout:
            self.run.log.write(line)
            words = line.split()
            if words[:1] != ["Tx-pps:"]:
                continue
            now, seen = time.monotonic(), seen + 1
            if seen > (1 if self.run.quick else 2):
                passed += now - last
                packets += int(words[1]) * (now - last)
            last = now
            if passed > self.seconds - 0.5 and packets > 0:
                return packets / passed
        raise Failed(f"dpdk-testpmd ended with {child.wait()} before it had measured")


def measure(run):
    bench = Bench(run)
    todo = [key for key in ROWS if bench.go is not None or not key[0].startswith("go-")]
    rounds = []
    for number in range(run.rounds):
        seen, before = {}, run.trip()
        for path, device in todo[::-1 if number % 2 else 1]:
            run.tell(f"round {number + 1} of {run.rounds}: {path} on {device}")
            per_s = bench.measure(path, device)
            after = run.trip()
            seen[path, device], before = (per_s, before, after), after
        rounds.append(seen)
    rows = [r for place in ("all", "near", "far") for key in todo if (r := row(key, place, rounds, run.tsc_hz)) is not None]
    return {"seconds": bench.seconds, "burst": 32, "flows": FLOWS, "go": bench.go is not None, "rows": rows}


def row(key, place, rounds, tsc_hz):
    """A row of one placement, or None where it was not seen. Ratios are of cycles to 5tswap, and of packets a second to weir-rtc."""
    path, device = key

    def is_there(*runs):
        return place == "all" or placement([trip for _, *trips in runs for trip in trips]) == place

    own = [seen[key] for seen in rounds if is_there(seen[key])]
    if not own:
        return None
    result = {"path": path, "port": device, "placement": place, "cores": ROWS[key], "rounds": len(own),
              **figures("cycles_per_packet", [ROWS[key] * tsc_hz / per_s for per_s, *_ in own]),
              "mpps": median([per_s / 1e6 for per_s, *_ in own], 2)}
    peers = {"ratio_testpmd_5tswap": ("testpmd-5tswap", device if device in DEVICES else "net_preload"),
             "weir_rtc_times_faster": ("weir-rtc", device if device in DEVICES else "net_preload")}
    for name, peer in peers.items():
        pairs = [(seen[key][0], seen[peer][0]) for seen in rounds if is_there(seen[key], seen[peer])]
        ratios = [ROWS[key] * other / mine if name.startswith("ratio") else other / mine for mine, other in pairs]
        result.update(figures(name, ratios, 3) if ratios else {name: None})
    return result


def verdicts(result):
    of = {(r["path"], r["port"], r["placement"]): r for r in result["rows"]}
    ratio = of["weir-rtc", "net_preload", "all"]["ratio_testpmd_5tswap"]
    yield (f"weir on one core takes {ratio:.2f} of the cycles of testpmd 5tswap; at most {TARGET:.2f} {reached(ratio <= TARGET)}, aim {AIM:.2f}.")
    for path, least in GO_LEAST.items():
        for place in ("near", "far"):
            if not result["go"]:
                continue
            r = of.get((path, "memory", place))
            times = r and r["weir_rtc_times_faster"]
            yield (f"weir on one core beside {path} on two, {place}: " +
                   (f"{times:.1f} times the packets; at least {least} {reached(times >= least)}." if times else "not observed."))
    if not result["go"]:
        yield "Go: skipped, there is no `go`; `apt-get install golang-go` (0.5 GB) brings it."
    yield ("weir validates, admits and meters each packet; testpmd swaps what its mode says. weir is built for this CPU, testpmd is "
           "Debian's, built for any; the port imitates a driver at the cost of a ring.")


def report(result):
    rows = result["rows"]
    header = ["path", "cores", "cycles/packet", "Mpps", "cycles, to 5tswap", "weir-rtc: times its packets", "rounds"]

    def table(place):
        return [[r["path"] + ("" if r["port"] != "net_null" else " (net_null)"), str(r["cores"]), figure(r, "cycles_per_packet"),
                 f"{r['mpps']:.2f}", figure(r, "ratio_testpmd_5tswap", 2), figure(r, "weir_rtc_times_faster", 2), str(r["rounds"])]
                for r in rows if r["placement"] == place]

    titles = {"all": f"All rounds: UDP frames of 60 bytes (64 with FCS), {result['flows']} flows, bursts of 32, normal pages; on net_null 64 "
                     "zero bytes, which are not IP",
              "near": "Near", "far": "Far"}
    names = [r["path"] for r in rows if r["placement"] == "all" and r["port"] != "net_null"]
    of = {(r["path"], r["placement"]): r["mpps"] for r in rows if r["port"] != "net_null"}
    panels = {place: {n: [of.get((n, place))] for n in names} for place in titles if any((n, place) in of for n in names)}
    return {"tables": [(titles[place], header, table(place)) for place in titles if table(place)], "lines": list(verdicts(result)),
            "picture": plot.draw("Packets a second, 64-byte frames", result["machine"]["cpu"], ["million packets a second"], panels, bars=True, log=True)}


if __name__ == "__main__":
    sys.exit(main("pipeline", __doc__, measure, report, 4))
