# SPDX-License-Identifier: BSD-3-Clause
"""Where the time of a worker goes: by regime, by stage, and where it did not run at all."""
import os
import signal
import subprocess
import time
import unittest

import lab

VARIANTS = ("release",)

PIPELINE = """
version: 1
log: info
ports:
  gen:
    generator: {flows: 1k, size: 64, rate: 100kpps}
pools:
  ingress:
    from: [gen]
    stages: [validate]
  work:
    from: [ingress]
    shard-by: flow
    on-full: block
    stages: [{burn: {cycles: 3000}}, meter, sink]
"""
QUIET = """
version: 1
drain-timeout: 5s
ports:
  gen: {generator: {flows: 16, rate: 100pps}}
pools:
  all: {from: [gen], park-after: 100us, idle-sleep: 1ms, probe-every: 1, stages: [validate, {sink: {check: order}}]}
"""
REGIMES = ("busy_percent", "idle_percent", "blocked_percent", "parked_percent", "lost_percent")


def workers_of(w):
    return {row["pool"]: row for row in w.ask("GET /api/v1/workers")[1]}


def on_cpu_s(w, name):
    """What the thread of that name has had of a CPU."""
    for task in os.listdir(f"/proc/{w.pid}/task"):
        with open(f"/proc/{w.pid}/task/{task}/comm", encoding="ascii") as comm:
            if comm.read().strip() != name:
                continue
        with open(f"/proc/{w.pid}/task/{task}/schedstat", encoding="ascii") as stat:
            return int(stat.read().split()[0]) / 1e9
    raise AssertionError(f"no thread {name}")


class Times(unittest.TestCase):
    def test_by_regime_and_by_stage(self):
        with lab.weir(PIPELINE) as w:
            w.wait_for_metrics(lambda m: m.get("weir_ledger_consumed_packets_total", 0) > 20000)
            rows = workers_of(w)
            said = subprocess.run([lab.WEIR, "ctl", "--socket", w.control, "workers"], check=True, capture_output=True,
                                  text=True).stdout
            end = w.stop()
        self.assertEqual(end.code, 0, end)
        for row in rows.values():
            self.assertAlmostEqual(sum(row[name] for name in REGIMES), 100, delta=0.01, msg=row)
            batch = row["batch_packets"]
            self.assertTrue(0 < batch["samples"] and 1 <= batch["p50"] <= batch["p99"] <= batch["max"] <= 32, row)
        self.assertEqual(rows["ingress"]["inbox_packets"]["samples"], 0, "it has ports, and no ring")
        inbox = rows["work"]["inbox_packets"]
        self.assertTrue(inbox["samples"] > 0 and inbox["max"] <= 1024, rows)
        stages = {stage["stage"]: stage for stage in rows["work"]["stages"]}
        self.assertEqual(list(stages), ["burn", "meter", "sink"])
        self.assertGreater(stages["burn"]["cycles_per_packet"], 3000)
        self.assertLess(stages["sink"]["cycles_per_packet"], stages["burn"]["cycles_per_packet"])
        for stage in stages.values():
            times = stage["batch_ns"]
            self.assertTrue(0 < times["samples"] and times["p50"] <= times["p99"] <= times["max"], stages)
        self.assertRegex(said, r"cycles a packet: burn \d+, meter \d+, sink \d+; batches of \d+")

    def test_a_worker_that_did_not_run_says_when_and_for_how_long(self):
        with lab.weir(PIPELINE) as w:
            w.wait_for_metrics(lambda m: m.get("weir_ledger_consumed_packets_total", 0) > 1000)
            begin = time.time()
            w.terminate(signal.SIGSTOP)
            time.sleep(0.5)
            w.terminate(signal.SIGCONT)
            longest = 'weir_worker_longest_gap_cycles{pool="ingress"'  # without `idle-sleep` who polls a port never sleeps
            metrics = w.wait_for_metrics(lambda m: any(
                n > 0.4 * m["weir_tsc_hz"] for name, n in m.items() if name.startswith(longest)))
            now, rows = time.time(), workers_of(w)
            w.wait_for(r"worker 0 of \w+ \(cpu \d+\) lost \d+ us at \d\d:\d\d:\d\d")
            end = w.stop()
        self.assertEqual((end.code, end["lost"]), (0, 0), end)
        row = rows["ingress"]
        self.assertTrue(all(begin - 60 < gap["unix_seconds"] <= now + 1 for gap in row["recent_gaps"]), row)
        if len(row["recent_gaps"]) < 7:  # else a busy machine may have pushed it out
            self.assertGreater(max(gap["lost_us"] for gap in row["recent_gaps"]), 400e3, row)
        labels = f'{{pool="ingress",worker="0",cpu="{row["cpu"]}"}}'
        self.assertGreaterEqual(metrics["weir_worker_lost_cycles_total" + labels],
                                metrics["weir_worker_longest_gap_cycles" + labels])
        self.assertGreater(metrics["weir_worker_gaps_total" + labels], 0)

    def test_a_worker_that_polls_a_quiet_port_sleeps_if_it_may(self):
        shares = []
        for sleep in ("1ms", "0s"):
            with lab.weir(QUIET, "--set", f"pools.all.idle-sleep={sleep}") as w:
                w.wait_for_metrics(lambda m: m.get("weir_ledger_consumed_packets_total", 0) > 10)
                begin, before = time.monotonic(), on_cpu_s(w, "rte-worker-1")
                time.sleep(2.5)
                shares.append(100 * (on_cpu_s(w, "rte-worker-1") - before) / (time.monotonic() - begin))
                row = workers_of(w)["all"]
                asked = time.monotonic()
                end = w.stop()
                took = time.monotonic() - asked
            latency = end["latency"][0]
            print(f"\nnote: idle-sleep {sleep}: 100 packets a second take {shares[-1]:.1f} % of a CPU and wait "
                  f"{latency['p50_ns'] / 1e3:.0f} us (p50), {latency['p99_ns'] / 1e3:.0f} us (p99); asleep "
                  f"{row['parked_percent']:.1f} %, not run {row['lost_percent']:.1f} %; ended in {took:.2f} s", end="")
            self.assertEqual((end.code, end["lost"], end["dropped"], end.port("gen")["missed"]), (0, 0, 0, 0), end)
            self.assertEqual(end["accepted"], end.port("gen")["offered"], end)
            self.assertFalse(end["deadline_passed"], end)
            self.assertEqual(latency["count"], end["accepted"], end)
            self.assertEqual(row["parked_percent"] > 50, sleep == "1ms", row)
        self.assertLess(shares[0], 20)
        self.assertLess(shares[0], shares[1] / 2)
