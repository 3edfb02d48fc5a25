# SPDX-License-Identifier: BSD-3-Clause
"""Records of flows: each leaves once, whatever ended it, and its packets add up; a bad disk costs records and nothing else."""
import collections
import csv
import glob
import json
import os
import subprocess
import tempfile
import unittest

import lab

VARIANTS = ("release", "asan", "tsan")
TEXT = """
version: 1
ports: {{gen: {{generator: {{flows: {flows}, rate: {rate}}}}}}}
exports: {{flows: {{file: {file}{export}}}}}
pools:
  in: {{from: [gen], stages: [validate]}}
  work:
    from: [in]
    shard-by: flow
    on-full: block
    workers: 2
    stages: [{{meter: {{max-flows: {limit}, idle: {idle}, active: {active}, records: flows}}}}, {{sink: {{check: order}}}}]
"""
READ = """
version: 1
ports: {{in: {{file: {read}}}}}
exports: {{flows: {{file: {file}{export}}}}}
pools: {{all: {{from: [in], stages: [validate, {{meter: {{records: flows}}}}, sink]}}}}
"""
DEFAULTS = {"flows": "5k", "rate": "20kpps", "export": "", "limit": "20k", "idle": "30s", "active": "60s"}
# 10 million new flows a minute for ten minutes, or less of it for a few seconds.
CHURN = ({"flows": "16M", "rate": "170kpps", "limit": "1M", "idle": "3s"}, 600) if lab.LONG else \
        ({"flows": "1M", "rate": "20kpps", "limit": "100k", "idle": "500ms"}, 8)


class Records(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-records-")
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "flows")

    def text(self, **given):
        return TEXT.format(file=self.file, **{**DEFAULTS, **given})

    def check(self, end, code=0):
        """The books, and that every flow's records are numbered without a gap."""
        self.assertEqual(end.code, code, end)
        self.assertEqual((end["lost"], end["leaked"], end["held"]), (0, 0, 0), end)
        counts = end.stage("meter")["counters"]
        self.assertEqual(counts["packets"] + counts["untracked"], end["accepted"], end)
        left = sum(counts[name] for name in ("flows_expired", "flows_cut", "flows_tcp_end", "flows_evicted", "flows"))
        self.assertEqual(counts["flows_created"] + counts["flows_cut"], left, end)
        self.assertEqual(counts["records"] + counts["records_lost"] + counts["records_failed"], left, end)
        return counts

    def check_file(self, counts):
        self.assertEqual(counts["records_lost"] + counts["records_failed"], 0)
        packets, size, n, ends = 0, 0, 0, collections.Counter()
        numbers = collections.defaultdict(list)
        for name in glob.glob(self.file + "*"):
            size += os.path.getsize(name)
            with open(name, encoding="utf-8") as file:
                for line in file:
                    r = json.loads(line)
                    n += 1
                    packets += sum(r["packets"])
                    ends[r["end"]] += 1
                    self.assertLessEqual(r["first"], r["last"])
                    numbers[(*r["address"], *r["port"])].append((r["first"], r["sequence"], r["end"]))
        self.assertEqual((n, packets, size), (counts["records"], counts["packets"], counts["records_bytes"]))
        for name, end in (("flows_expired", "idle"), ("flows_cut", "active"), ("flows_evicted", "evicted"), ("flows", "drain")):
            self.assertEqual(counts[name], ends[end], name)
        for flow, records in numbers.items():
            expected = 0
            for _, sequence, end in sorted(records):
                self.assertEqual(sequence, expected, (flow, records))
                expected = sequence + 1 if end == "active" else 0
        return ends

    def test_each_flow_leaves_once_and_its_packets_add_up(self):
        with lab.weir(self.text(active="1s", idle="10s")) as w:
            w.wait_for_metrics(lambda m: total(m, "weir_meter_flows_cut_total") > 3000)
            end = w.stop()
        ends = self.check_file(self.check(end))
        self.assertGreater(ends["active"], 3000)
        self.assertGreater(ends["drain"], 1000, "at the end every live flow has its record")

    def test_at_the_limit_flows_give_way(self):
        with lab.weir(self.text(flows="100k", limit="10k")) as w:
            w.wait_for_metrics(lambda m: total(m, "weir_meter_flows_evicted_total") > 5000)
            end = w.stop()
        counts = self.check(end)
        self.check_file(counts)
        self.assertGreaterEqual(counts["flows"], 9500, end)
        self.assertEqual(counts["untracked"], 0, end)

    @lab.only_in("release", "asan")  # its threads do what they do in the others
    def test_nobody_gives_way_below_the_limit(self):
        with lab.weir(self.text(flows="9k", limit="10k", rate="50kpps")) as w:  # of 9 000 all but a few are seen soon
            w.wait_for_metrics(lambda m: total(m, "weir_meter_flows") > 8900)
            end = w.stop()
        counts = self.check(end)
        self.assertEqual((counts["flows_evicted"], counts["untracked"]), (0, 0), end)

    def test_in_an_elastic_pool_nobody_gives_way_below_the_limit(self):
        text = self.text(flows="38k", limit="40k", rate="20kpps").replace("workers: 2", "workers: 1-4")
        with lab.weir(text) as w:  # one worker of four has all shards
            w.wait_for_metrics(lambda m: total(m, "weir_meter_flows") > 36000)
            w.ask("POST /control/resize?pool=work&workers=4")
            w.ask("POST /control/resize?pool=work&workers=1")
            seen = total(w.metrics(), "weir_meter_packets_total")
            w.wait_for_metrics(lambda m: total(m, "weir_meter_packets_total") > seen + 20000)
            end = w.stop()
        counts = self.check(end)
        self.assertLess(counts["flows_evicted"], 400, end)  # none, but for a machine that lets a sleeper sleep on

    @lab.only_in("release", "asan")
    def test_files_have_their_length_and_go_on_after_a_restart(self):
        text = self.text(export=", rotate: 500k", active="500ms")
        n = 0
        for _ in range(2):
            with lab.weir(text) as w:
                w.wait_for_metrics(lambda m: total(m, "weir_meter_records_total") > 5000)
                end = w.stop()
            n += self.check(end)["records"]
        files = glob.glob(self.file + ".*")
        self.assertGreater(len(files), 3)
        for name in files:
            self.assertGreaterEqual(os.path.getsize(name), 500000)
            self.assertLess(os.path.getsize(name), 700000)
        lines = 0
        for name in files + [self.file]:
            with open(name, encoding="utf-8") as file:
                lines += sum(1 for line in file if json.loads(line))
        self.assertEqual(lines, n)

    @lab.only_in("release", "asan")
    def test_csv_says_the_same(self):
        with lab.weir(self.text(export=", format: csv")) as w:
            w.wait_for_metrics(lambda m: total(m, "weir_meter_flows") > 1000)
            end = w.stop()
        counts = self.check(end)
        with open(self.file, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), counts["records"])
        self.assertEqual(sum(int(r["packets_0"]) + int(r["packets_1"]) for r in rows), counts["packets"])
        self.assertEqual(sum(int(r["bytes_0"]) + int(r["bytes_1"]) for r in rows), counts["bytes"])
        self.assertEqual({r["end"] for r in rows}, {"drain"})

    @lab.only_in("release", "asan")
    @lab.needs_program("tshark")
    def test_endpoints_are_those_that_tshark_sees(self):
        """IPv4 and IPv6, with and without VLAN, both directions; the sender of the first packet is the source."""
        frames = []
        for vlan in (0, 5):
            for low, high in (((4, "0a000001"), (4, "0a000002")), ((6, "20010db8" + 22 * "0" + "01"), (6, "fe80" + 26 * "0" + "02"))):
                for first in ((low, high), (high, low)):
                    for protocol, port in ((6, 1000), (17, 2000), (1 if low[0] == 4 else 58, 0)):
                        port += 2 * (first[0] is low) if port else 0
                        there = frame(*first, vlan, protocol, port, port + 1)
                        back = frame(first[1], first[0], vlan, protocol, port + 1, port)
                        frames += [there, back, there]
        capture = self.file + ".pcap"
        lab.write_capture(capture, frames)
        for export, read in ((", format: csv", csv_rows), ("", json_rows)):
            with self.subTest(export):
                self.file += "x"
                end = lab.run(READ.format(read=capture, file=self.file, export=export))
                self.assertEqual((end.code, end["dropped"]), (0, 0), end)
                self.assertEqual(collections.Counter(read(self.file)), seen_by_tshark(capture))

    @lab.needs_program("prlimit")
    def test_a_full_disk_is_said_once_and_costs_records_only(self):
        with lab.weir(self.text(active="100ms"), "--set", "memory=normal", prefix=("prlimit", "--fsize=300000")) as w:
            w.wait_for("records are missing in .*: File too large")
            w.wait_for_metrics(lambda m: total(m, "weir_meter_records_failed_total") > 3000)
            end = w.stop()
        counts = self.check(end, code=71)
        self.assertEqual(end.err.count("records are missing"), 1, end)
        with open(self.file, encoding="utf-8") as file:
            self.assertEqual(sum(1 for line in file if json.loads(line)), counts["records"])

    def test_a_file_that_cannot_be_followed_grows_on_and_says_so(self):
        os.mkdir(self.file + ".next")
        with lab.weir(self.text(export=", rotate: 100k", active="100ms")) as w:
            w.wait_for("grew beyond its length: .*: Is a directory; no record is missing")
            w.wait_for_metrics(lambda m: total(m, "weir_meter_records_bytes_total") > 300000)
            self.assertFalse(os.path.exists(self.file + ".1"))
            os.rmdir(self.file + ".next")
            lab.wait_until(lambda: os.path.exists(self.file + ".1"), 60, "the next file begins")
            end = w.stop()
        self.check_file(self.check(end, code=71))
        self.assertFalse(os.path.exists(self.file + ".next"))

    @lab.only_in("release", "asan")
    @lab.needs_root
    @lab.needs_program("mount", "umount")
    def test_a_full_disk_leaves_no_file_without_its_header(self):
        folder = os.path.dirname(self.file)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=260k", "weir", folder], check=False).returncode:
            self.skipTest("needs the right to mount")
        self.addCleanup(subprocess.run, ["umount", folder], check=False)
        with lab.weir(self.text(export=", rotate: 256KiB, format: csv", active="100ms", flows="200", rate="2kpps")) as w:
            w.wait_for("grew beyond its length|records are missing")
            w.wait_for_metrics(lambda m: total(m, "weir_meter_records_failed_total") > 500)
            subprocess.run(["mount", "-o", "remount,size=2m", folder], check=True)
            written = total(w.metrics(), "weir_meter_records_total")
            w.wait_for_metrics(lambda m: total(m, "weir_meter_records_total") > written + 1000)
            lab.wait_until(lambda: os.path.exists(self.file + ".1"), 60, "the next file begins")
            end = w.stop()
        counts, rows = self.check(end, code=71), 0
        for name in glob.glob(self.file + "*"):
            with open(name, encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    self.assertIn(row["end"], ("active", "drain"), (name, row))
                    rows += 1
        self.assertEqual(rows, counts["records"], end)

    @lab.only_in("release")  # a sanitizer stops all threads itself, at the end
    def test_a_disk_that_does_not_answer_does_not_hold_up_the_end(self):
        with lab.weir(self.text(active="100ms"), "--set", "drain-timeout=2s") as w:
            w.wait_for_metrics(lambda m: total(m, "weir_meter_records_total") > 1000)
            tracer = lab.hang(w.pid, "weir-write")
            before = total(w.metrics(), "weir_meter_packets_total")
            w.wait_for_metrics(lambda m: total(m, "weir_meter_packets_total") > before + 20000)
            end = w.stop()
        with tracer.stdout:
            tracer.wait(30)
        self.assertGreater(self.check(end, code=71)["records_lost"], 1000, end)
        self.assertIn("the disk does not answer", end["trouble"][0])

    def test_churn_takes_no_memory_and_loses_no_flow(self):
        keys, seconds = CHURN
        with lab.weir(self.text(**keys), "--set", "drain-timeout=60s") as w:
            w.wait_for_metrics(lambda m: total(m, "weir_meter_flows_expired_total") > (4000000 if lab.LONG else 40000), 300)
            before = resident(w.pid)
            start = total(w.metrics(), "weir_meter_packets_total")
            wanted = start + seconds * (170000 if lab.LONG else 20000) / (10 if lab.SANITIZED else 1)
            w.wait_for_metrics(lambda m: total(m, "weir_meter_packets_total") > wanted, 60 + 3 * seconds)
            after = resident(w.pid)
            end = w.stop(120)
        counts = self.check(end)
        self.assertEqual((counts["flows_evicted"], counts["untracked"], counts["records_lost"]), (0, 0, 0), end)
        if lab.LONG:  # a hundred million lines: no two are equal
            lines = lab.call("sh", "-c", f"LC_ALL=C sort -u -S 30% -T '{os.path.dirname(self.file)}' '{self.file}'* | wc -l").stdout
            self.assertEqual(int(lines), counts["records"])
        else:
            self.check_file(counts)
        sweeps = {name: counts[name] for name in counts if name.startswith("sweeps_")}
        print(f"\nnote: {counts['flows_created']} flows, resident {before >> 20} MiB, then {after >> 20} MiB, {sweeps}")
        if not lab.SANITIZED:
            self.assertLess(after, before * 1.1 + (8 << 20))


def frame(source, target, vlan, protocol, *ports):
    """Ethernet, perhaps a tag, IP, and the header of what it carries; ICMP is an echo."""
    l4 = b"".join(p.to_bytes(2, "big") for p in ports)
    l4 = {6: l4 + bytes(8) + b"\x50\x10" + bytes(6), 17: l4 + b"\0\x08\0\0"}.get(protocol, bytes([8 if protocol == 1 else 128]) + bytes(7))
    version, a, b = source[0], bytes.fromhex(source[1]), bytes.fromhex(target[1])
    if version == 4:
        ip = b"\x45\0" + (20 + len(l4)).to_bytes(2, "big") + bytes(4) + bytes([64, protocol, 0, 0]) + a + b
    else:
        ip = b"\x60\0\0\0" + len(l4).to_bytes(2, "big") + bytes([protocol, 64]) + a + b
    tag = b"\x81\0" + vlan.to_bytes(2, "big") if vlan else b""
    return bytes(11) + b"\1" + tag + (b"\x08\0" if version == 4 else b"\x86\xdd") + ip + l4


def seen_by_tshark(capture):
    """vlan, protocol, source and its port, target and its port, packets each way, of every flow; the first packet's is the source."""
    fields = ("vlan.id", "ip.proto", "ipv6.nxt", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "udp.srcport",
              "tcp.dstport", "udp.dstport")
    done = subprocess.run(["tshark", "-n", "-r", capture, "-T", "fields", *(a for f in fields for a in ("-e", f))], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    flows = {}
    for line in done.stdout.splitlines():
        f = line.split("\t")
        a, b = (f[3] or f[4], f[7] or f[8] or "0"), (f[5] or f[6], f[9] or f[10] or "0")
        way = (f[0] or "0", f[1] or f[2], *b, *a) in flows
        key = (f[0] or "0", f[1] or f[2], *(b + a if way else a + b))
        flows.setdefault(key, [0, 0])[way] += 1
    return collections.Counter((*key, *map(str, n)) for key, n in flows.items())


def csv_rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        for r in csv.DictReader(file):
            yield tuple(r[k] for k in ("vlan", "protocol", "address_0", "port_0", "address_1", "port_1", "packets_0", "packets_1"))


def json_rows(path):
    with open(path, encoding="utf-8") as file:
        for r in map(json.loads, file):
            (a, b), (p, q), (m, n) = r["address"], r["port"], r["packets"]
            yield (str(r["vlan"]), str(r["protocol"]), a, str(p), b, str(q), str(m), str(n))


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def total(metrics, name):
    return sum(value for key, value in metrics.items() if key.startswith(name + "{"))


if __name__ == "__main__":
    unittest.main()
