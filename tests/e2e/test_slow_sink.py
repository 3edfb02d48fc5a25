# SPDX-License-Identifier: BSD-3-Clause
"""config/examples/slow-sink.yaml: the last stage stands still for a while."""
import os
import unittest

import lab

VARIANTS = ("release",)

EXAMPLE = os.path.join(lab.EXAMPLES, "slow-sink.yaml")
CONSUMED = "weir_ledger_consumed_packets_total"
STALL_S = 60 if lab.LONG else 8


class SlowSink(unittest.TestCase):
    def run_example(self, *sets):
        """The certificate, and the metrics early in the stall, late in it, and after it."""
        options = [word for setting in ("pools.out.stages.burn.stall-at=1s", f"pools.out.stages.burn.stall-for={STALL_S}s",
                   "stop-after=10min", "drain-timeout=20s", *sets) for word in ("--set", setting)]
        with lab.weir(EXAMPLE, *options) as w:
            seconds = lambda s: w.wait_for_metrics(lambda m: m.get("weir_running_seconds", 0) > s, STALL_S + 60)
            early, late = seconds(3), seconds(STALL_S - 2)
            after = w.wait_for_metrics(lambda m: m[CONSUMED] > late[CONSUMED] + 100000)
            return w.stop(), early, late, after

    def check_flat_and_recovered(self, end, early, late, after):
        self.assertEqual(end.code, 0, end)
        self.assertEqual((end["lost"], end["leaked"]), (0, 0), end)
        self.assertEqual((end["checker"]["reordered"], end["checker"]["duplicated"]), (0, 0), end)
        self.assertEqual(early[CONSUMED], late[CONSUMED], "nothing leaves while the sink stands still")
        self.assertGreater(after[CONSUMED], late[CONSUMED] + 100000, "it goes on afterwards")
        if lab.VARIANT != "release":  # a sanitizer keeps freed memory for a while
            return
        memory = [m["process_resident_memory_bytes"] for m in (early, late)]
        self.assertLess(memory[1], memory[0] * 1.02, "memory stays flat")

    @lab.only_in("release", "asan")
    def test_block_reaches_the_generator_and_loses_nothing_inside(self):
        end, early, late, after = self.run_example()
        self.check_flat_and_recovered(end, early, late, after)
        self.assertEqual(end["dropped"], end["drops"].get("rate", 0), end)
        missed = 'weir_port_missed_packets_total{port="gen",kind="generator"}'
        received = 'weir_port_received_packets_total{port="gen",kind="generator"}'
        self.assertEqual(early[received], late[received], "the generator is held up")
        self.assertGreater(after[missed], 100000, "and says what it could not hand over")
        self.assertEqual(end["checker"]["missing"], 0, end)

    @lab.only_in("release", "asan")
    def test_drop_counts_refusals_and_keeps_receiving(self):
        end, early, late, after = self.run_example("pools.out.on-full=drop")
        self.check_flat_and_recovered(end, early, late, after)
        received = 'weir_port_received_packets_total{port="gen",kind="generator"}'
        self.assertGreater(late[received], early[received], "the generator goes on")
        self.assertGreater(end["drops"]["inbox_full"], 100000, end)
        self.assertLessEqual(end["checker"]["missing"], end["dropped"], end)


if __name__ == "__main__":
    unittest.main()
