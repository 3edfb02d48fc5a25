# SPDX-License-Identifier: BSD-3-Clause
"""Faults planted on purpose: each must be named by the ledger or by the checking sink, and end with exit code 70."""
import re
import unittest

import lab

VARIANTS = ("clang",)

# Not a multiple of a batch: at least the last one has room for a duplicate.
TEXT = """
version: 1
listen: "off"
ports:
  gen:
    generator: {flows: 4, rate: 2Mpps, count: 200010}
pools:
  ingress:
    from: [gen]
    stages: [validate]
  out:
    from: [ingress]
    shard-by: flow
    on-full: block
    stages: [meter, {sink: {check: order}}]
"""


class Plant(unittest.TestCase):
    def plant(self, fault):
        return lab.run(TEXT, env={"WEIR_PLANT": fault})

    def assert_place(self, end, pattern):
        self.assertTrue(any(re.search(pattern, line) for line in end["trouble"]), end)

    def test_without_a_fault_all_is_well(self):
        end = self.plant("none")
        self.assertEqual((end.code, end["lost"], end["leaked"], end["trouble"]), (0, 0, 0, []), end)

    def test_a_lost_packet(self):
        end = self.plant("loss")
        self.assertEqual((end.code, end["lost"], end["leaked"]), (70, 1, 0), end)
        self.assert_place(end, r"outbox of ingress\.0: 200010 left the stages, 200009 pushed or refused")
        self.assertEqual(end["checker"]["missing"], 1, end)
        self.assertRegex(end["checker"]["first_violation"], r"flow \d of gen: \d+ came where \d+ was due")

    def test_a_leaked_mbuf(self):
        end = self.plant("leak")
        self.assertEqual((end.code, end["lost"], end["leaked"]), (70, 0, 1), end)
        self.assert_place(end, r"validate of ingress\.0: 200010 in, 200011 out or dropped")

    def test_a_double_count(self):
        end = self.plant("double")
        self.assertEqual((end.code, end["lost"], end["leaked"]), (70, -1, 0), end)
        self.assertTrue(any("counted twice: 1" in line for line in end["trouble"]), end)
        self.assert_place(end, r"validate of ingress\.0: 200010 in, 200011 out or dropped")

    def test_two_packets_swapped(self):
        end = self.plant("swap")
        self.assertEqual((end.code, end["lost"], end["leaked"]), (70, 0, 0), end)
        self.assertGreaterEqual(end["checker"]["reordered"], 1, end)
        self.assertEqual((end["checker"]["missing"], end["checker"]["duplicated"]), (0, 0), end)
        self.assertRegex(end["checker"]["first_violation"], r"flow \d of gen: \d+ came late")

    def test_a_duplicate(self):
        end = self.plant("duplicate")
        self.assertEqual((end.code, end["lost"], end["leaked"]), (70, -1, 0), end)
        self.assertEqual(end["checker"]["duplicated"], 1, end)
        self.assert_place(end, r"outbox of ingress\.0: 200010 left the stages, 200011 pushed or refused")
        self.assertRegex(end["checker"]["first_violation"], r"flow \d of gen: \d+ came again")

    def test_an_unknown_fault_is_refused(self):
        self.assertEqual(self.plant("nonsense").code, 78)


if __name__ == "__main__":
    unittest.main()
