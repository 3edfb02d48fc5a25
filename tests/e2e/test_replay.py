# SPDX-License-Identifier: BSD-3-Clause
"""A capture as a source of load: passes, rates, rhythm, and many flows of one."""
import collections
import csv
import os
import subprocess
import tempfile
import unittest

import lab

VARIANTS = ("release",)

TEXT = """
version: 1
memory: normal
listen: "off"
ports: {{in: {{file: {{path: {path}, {keys}}}}}}}
pools:
  all:
    from: [in]
    stages:
      - validate: {{checksums: verify, ip_checksum_bad: drop, l4_checksum_bad: drop}}
      - meter: {{max-flows: 1M, idle: 24h, active: 24h, tcp-end: 24h}}
      - {end}
drain-timeout: 20s
"""
COPIES = 5


def total(frame):
    """The Internet checksum's sum."""
    words = sum(int.from_bytes(frame[i:i + 2].ljust(2, b"\0"), "big") for i in range(0, len(frame), 2))
    while words >> 16:
        words = (words & 0xffff) + (words >> 16)
    return words


def tcp(version, source, target, ports, body):
    """A frame with right checksums."""
    segment = bytearray(ports + bytes(8) + bytes([0x50, 0x10, 1, 0, 0, 0, 0, 0]) + body)
    segment[16:18] = (~total(source + target + bytes([0, 6]) + len(segment).to_bytes(2, "big") + segment) & 0xffff).to_bytes(2, "big")
    if version == 6:
        header, kind = bytearray(b"\x60\0\0\0" + len(segment).to_bytes(2, "big") + b"\x06\x40"), "86dd"
    else:
        header, kind = bytearray(b"\x45\0" + (20 + len(segment)).to_bytes(2, "big") + b"\0\1\0\0\x40\x06\0\0"), "0800"
        header[10:12] = (~total(header + source + target) & 0xffff).to_bytes(2, "big")
    return bytes.fromhex("020000000002 020000000001" + kind) + bytes(header) + source + target + bytes(segment)


def conversations():
    """Four flows of both directions, and something that is not IP."""
    frames = [bytes.fromhex("ffffffffffff 020000000001 0806") + bytes(46)]
    for i in range(2):
        for version, a, b in ((4, bytes([10, 0, 0, 1 + i]), bytes([192, 168, 0, 9])),
                              (6, bytes([0x20, 1]) + bytes(13) + bytes([i]), bytes([0xfe, 0x80]) + bytes(13) + b"\2")):
            frames += [tcp(version, a, b, b"\x10\x00\x00\x50", b"ask"), tcp(version, b, a, b"\x00\x50\x10\x00", b"answer")]
    return frames


class Replay(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-replay-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "in.pcap")
        self.out = os.path.join(folder.name, "out.pcap")
        lab.write_capture(self.path, conversations())

    def run_with(self, keys, *options, path=None, end="sink"):
        end = lab.run(TEXT.format(path=path or self.path, keys=keys, end=end), *options)
        self.assertEqual((end.code, end["lost"], end["leaked"]), (0, 0, 0), end)
        return end

    def test_copies_are_flows_of_their_own_with_right_checksums(self):
        end = self.run_with("multiply: 1000, loop: 3")
        self.assertEqual((end["accepted"], end["dropped"]), (9 * 3000, 0), end)
        self.assertEqual(end.stage("meter")["counters"]["flows"], 4 * 1000)

    @lab.needs_program("tshark")
    def test_tshark_finds_the_checksums_right_and_the_flows_it_should(self):
        self.run_with(f"multiply: {COPIES}", end=f"write: {{file: {self.out}}}")
        fields = ("ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "ip.checksum.status", "tcp.checksum.status")
        checks = [word for name in ("ip.check_checksum", "tcp.check_checksum") for word in ("-o", f"{name}:TRUE")]
        seen = subprocess.run(["tshark", "-n", "-r", self.out, *checks, "-Y", "tcp", "-T", "fields", *(w for f in fields for w in ("-e", f))],
                              check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        rows = [line.split("\t") for line in seen.splitlines()]
        self.assertEqual(len(rows), 8 * COPIES)
        self.assertEqual(collections.Counter(r[5] for r in rows), {"1": 8 * COPIES}, "1 = good")
        self.assertEqual(collections.Counter(r[4] for r in rows if r[0]), {"1": 4 * COPIES})
        self.assertEqual(len({frozenset((r[0] + r[1], r[2] + r[3])) for r in rows}), 4 * COPIES)
        frames = lab.read_capture(self.out)
        self.assertEqual([f for f in frames if f[12:14] == b"\x08\x06"], conversations()[:1] * COPIES)
        self.assertTrue(set(conversations()) <= set(frames), "the first copy is the capture itself")

    @lab.needs_corpus
    def test_captures_of_the_corpus_have_so_many_times_the_flows(self):
        with open(os.path.join(lab.CORPUS, "flows", "expected.tsv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))[::14]
        for row in rows:
            with self.subTest(row["file"]):
                path = os.path.join(lab.CORPUS, "flows", row["file"])
                once, many = self.run_with("loop: 1", path=path), self.run_with(f"multiply: {COPIES}", path=path)
                self.assertEqual(once.stage("meter")["counters"]["flows"] * COPIES, many.stage("meter")["counters"]["flows"])
                self.assertEqual({k: v * COPIES for k, v in once["drops"].items()}, many["drops"], "right stays right, wrong wrong")

    def test_a_rate_without_end_is_offered_until_it_stops(self):
        end = self.run_with("rate: 20kpps, loop: 0, multiply: 10", "--set", "stop-after=1s")
        port = end.port("in")
        self.assertEqual(port["offered"], port["received"] + port["missed"], end)
        self.assertLess(port["offered"], 20000 * end["running_seconds"] * 1.01 + 1)
        self.assertGreater(port["offered"], 20000 * end["running_seconds"] / 2)
        self.assertEqual(end.stage("meter")["counters"]["flows"], 40)

    def test_a_pipeline_that_is_too_slow_misses(self):
        stages = "burn: {cycles: 1000000}\n      - sink"
        end = self.run_with("rate: 1Mpps, loop: 0, queue: 32", "--set", "stop-after=500ms", end=stages)
        port = end.port("in")
        self.assertGreater(port["missed"], port["received"])
        self.assertEqual(port["offered"], port["received"] + port["missed"], end)

    def test_its_own_rhythm_takes_as_long_as_the_capture(self):
        lab.write_capture(self.path, conversations())
        with open(self.path, "r+b") as file: # nine packets, 100 ms apart
            head, rest = file.read(24), file.read()
            at, out = 0, [head]
            for i in range(9):
                size = int.from_bytes(rest[at + 8:at + 12], "little")
                out.append((0).to_bytes(4, "little") + (100000 * i).to_bytes(4, "little") + rest[at + 8:at + 16 + size])
                at += 16 + size
            file.seek(0)
            file.write(b"".join(out))
        slow = self.run_with("speed: 1")
        fast = lab.again_unless(lambda end: end["running_seconds"] < slow["running_seconds"], lambda: self.run_with("speed: 8"))
        self.assertEqual((slow["accepted"], fast["accepted"]), (9, 9))
        self.assertGreater(slow["running_seconds"], 0.79)
        self.assertLess(fast["running_seconds"], slow["running_seconds"])
        self.assertEqual(slow.port("in")["offered"], 9)


if __name__ == "__main__":
    unittest.main()
