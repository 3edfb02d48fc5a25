# SPDX-License-Identifier: BSD-3-Clause
"""Captures in: packet and byte counts as the corpus says; hostile ones leave the ledger balanced."""
import csv
import os
import unittest

import lab

EXAMPLE = os.path.join(lab.EXAMPLES, "capture.yaml")
THREE = ("http.pcapng", "dos_win98_smb_netbeui.pcap", "hsrp2_ipv6.pcapng")


def replay(path):
    return lab.run(EXAMPLE, "--set", f"ports.in.file={path}", "--set", "listen=off")


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
        names = sorted(rows) if lab.LONG or lab.VARIANT == "release" else THREE
        for name in names:
            with self.subTest(name):
                self.check(name, rows[name])

    @lab.only_in("asan")
    def test_hostile_captures_balance_or_are_refused(self):
        folder = os.path.join(lab.CORPUS, "hostile")
        names = sorted(n for n in os.listdir(folder) if n.endswith((".pcap", ".pcapng")))
        replayed = refused = 0
        for name in names if lab.LONG else names[::8]:
            with self.subTest(name):
                end = replay(os.path.join(folder, name))
                self.assertIn(end.code, (0, 65), end)
                if end.code == 65:
                    self.assertRegex(end.err, r"link type|not a capture|claims")
                    refused += 1
                    continue
                self.assertEqual((end["lost"], end["leaked"], end["held"]), (0, 0, 0), end)
                self.assertEqual(end["sent"] + end["dropped"], end["accepted"], end)
                replayed += 1
        print(f"{replayed} replayed, {refused} refused")
        self.assertGreater(replayed, 0)


if __name__ == "__main__":
    unittest.main()
