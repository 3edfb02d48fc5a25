# SPDX-License-Identifier: BSD-3-Clause
"""Captures in: packet and byte counts as the corpus says; hostile ones leave the ledger balanced."""
import csv
import itertools
import os
import struct
import tempfile
import unittest

import lab

VARIANTS = ("release", "asan")

EXAMPLE = os.path.join(lab.EXAMPLES, "capture.yaml")
THREE = ("http.pcapng", "dos_win98_smb_netbeui.pcap", "hsrp2_ipv6.pcapng")


def replay(path):
    return lab.run(EXAMPLE, "--set", f"ports.in.file={path}", "--set", "listen=off")


class Forms(unittest.TestCase):
    """What a capture may look like, made here byte by byte."""
    # Too short to be valid, and told apart by their last byte.
    frames = [bytes.fromhex("020000000002 020000000001 88b5") + bytes([i]) * 50 for i in range(5)]

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-capture-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "in")

    def replay(self, content, code=0):
        with open(self.path, "wb") as file:
            file.write(content)
        end = replay(self.path)
        self.assertEqual(end.code, code, end)
        if code == 0:
            self.assertEqual((end["lost"], end["leaked"]), (0, 0), end)
        return end

    @staticmethod
    def pcap(order, magic, frames, link_type=1):
        head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
        return head + b"".join(struct.pack(order + "IIII", 1, 1, len(f), len(f)) + f for f in frames)

    @staticmethod
    def block(order, kind, body):
        size = 12 + len(body)
        return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)

    def section(self, order):
        return self.block(order, 0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1))

    def interface(self, order, link_type, snap=0):
        return self.block(order, 1, struct.pack(order + "HHI", link_type, 0, snap))

    def packet(self, order, interface, frame):
        padded = frame + bytes(-len(frame) % 4)
        return self.block(order, 6, struct.pack(order + "IIIII", interface, 0, 0, len(frame), len(frame)) + padded)

    def test_both_byte_orders_and_both_resolutions(self):
        for order, magic in itertools.product("<>", (0xa1b2c3d4, 0xa1b23c4d)):
            with self.subTest(order=order, magic=hex(magic)):
                end = self.replay(self.pcap(order, magic, self.frames))
                self.assertEqual((end["accepted"], end.port("in")["missed"]), (5, 0), end)
                self.assertEqual(end["trouble"], [], end)

    def test_frames_of_other_link_types_are_skipped_counted_and_said(self):
        for order in "<>":
            with self.subTest(order):
                f = self.frames
                # can, Ethernet, raw IP, Ethernet with another snapshot length; then a section that begins with Ethernet.
                end = self.replay(
                    self.section(order) + self.interface(order, 227) + self.interface(order, 1)
                    + self.packet(order, 0, b"x" * 16) + self.packet(order, 1, f[0]) + self.interface(order, 101)
                    + self.interface(order, 1, 128) + self.packet(order, 3, f[1]) + self.packet(order, 2, b"y" * 21)
                    + self.packet(order, 1, f[2]) + self.block(order, 3, struct.pack(order + "I", 8) + b"z" * 8)
                    + self.section(order) + self.interface(order, 1)
                    + self.packet(order, 0, f[3]))
                self.assertEqual((end["accepted"], end.port("in")["missed"]), (4, 3), end)
                self.assertRegex(end["trouble"][0], r"port in: \S+: skipped 3 frames of link types other than Ethernet")
                self.assertRegex(end.err, r"warning: port in: \S+: skipped 3 frames")

    def test_no_ethernet_at_all_is_refused_by_name(self):
        for content in (self.pcap("<", 0xa1b2c3d4, [b"x" * 16], 227),
                        self.section("<") + self.interface("<", 227) + self.packet("<", 0, b"x" * 16)):
            self.assertRegex(self.replay(content, code=65).err, "holds frames of link type CAN_SOCKETCAN; only Ethernet")

    def test_a_cut_tail_is_said_and_counted(self):
        whole = {"pcap": self.pcap("<", 0xa1b2c3d4, self.frames),
                 "pcapng": self.section("<") + self.interface("<", 1) + b"".join(self.packet("<", 0, f) for f in self.frames)}
        for name, content in whole.items():
            for cut in (1, 20, 64):
                with self.subTest(name, cut=cut):
                    end = self.replay(content[:-cut])
                    self.assertEqual((end["accepted"], end.port("in")["missed"]), (4, 1), end)
                    self.assertRegex(end["trouble"][0], r"port in: \S+: damaged after frame 4, which is the last: truncated")
                    self.assertRegex(end.err, r"warning: port in: \S+: damaged after frame 4")

    def test_skipped_frames_and_a_cut_tail_are_both_said(self):
        end = self.replay((self.section("<") + self.interface("<", 1) + self.interface("<", 101)
                           + self.packet("<", 1, b"x" * 20) + self.packet("<", 0, self.frames[0])
                           + self.packet("<", 0, self.frames[1]))[:-4])
        self.assertEqual((end["accepted"], end.port("in")["missed"]), (1, 2), end)
        self.assertRegex(end["trouble"][0], r"skipped 1 frames of link types other than Ethernet; \S+: damaged after frame 1,")

    def test_a_capture_without_frames_ends_at_once(self):
        for content in (self.pcap("<", 0xa1b2c3d4, []), self.section(">") + self.interface(">", 1)):
            end = self.replay(content)
            self.assertEqual((end["accepted"], end["why_stopped"]), (0, "end of input"), end)

    def test_what_is_no_capture_is_refused(self):
        for content in (b"", b"\xa1", b"not a capture, but text", self.section("<")):
            self.assertRegex(self.replay(content, code=65).err, "is not a capture")
        os.unlink(self.path)
        os.mkfifo(self.path)
        end = replay(self.path)
        self.assertEqual(end.code, 65, end)
        self.assertRegex(end.err, "is not a regular file")


@lab.needs_corpus
class Captures(unittest.TestCase):
    def expected(self):
        with open(os.path.join(lab.CORPUS, "flows", "expected.tsv"), encoding="utf-8") as file:
            return {row["file"]: row for row in csv.DictReader(file, delimiter="\t")}

    def check(self, name, row):
        end = replay(os.path.join(lab.CORPUS, "flows", name))
        self.assertEqual(end.code, 0, end)
        self.assertEqual((end["lost"], end["leaked"]), (0, 0), end)
        counters = end.stage("validate")["counters"]
        self.assertEqual((counters["ip_packets"], counters["ip_bytes"]),
                         (int(row["ip_packets"]), int(row["wire_bytes"])), name)

    def test_packets_and_bytes_are_exact(self):
        rows = self.expected()
        # All of them: test_flows, whose verb starts a weir for each.
        names = sorted(rows) if lab.LONG else sorted(rows)[::12] if lab.VARIANT == "release" else THREE
        for name in names:
            with self.subTest(name):
                self.check(name, rows[name])


if __name__ == "__main__":
    unittest.main()
