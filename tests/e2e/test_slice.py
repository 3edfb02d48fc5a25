# SPDX-License-Identifier: BSD-3-Clause
"""The main job: stamped packets through chained pools and through one, with nothing lost and nothing out of order."""
import unittest

import lab

# Stamped packets with each number of workers; other cases take a part of it.
PACKETS = 10**8 if lab.LONG else 10**7
if lab.SANITIZED:
    PACKETS //= 50

CHAIN = """
version: 1
seed: 7
listen: "off"
ports:
  gen:
    generator: {{flows: {flows}, size: {size}, rate: {rate}, count: {count}}}
pools:
  ingress:
    from: [gen]
    stages: [validate, {{admit: {{per: port, rate: max}}}}]
  work:
    from: [ingress]
    shard-by: flow
    on-full: {on_full}
    depth: {depth}
    workers: {workers}
    stages: [{{burn: {{cycles: {cycles}}}}}, meter]
  out:
    from: [work]
    shard-by: flow
    on-full: block
    stages: [{{sink: {{check: order}}}}]
"""

ONE_POOL = """
version: 1
listen: "off"
ports:
  gen:
    generator: {{flows: 64k, size: 64, rate: max, count: {count}}}
pools:
  all:
    from: [gen]
    stages: [validate, {{admit: {{per: port, rate: max}}}}, meter, {{sink: {{check: order}}}}]
"""

TWO_PORTS = """
version: 1
listen: "off"
ports:
  one: {{generator: {{flows: 1000, rate: max, count: {count}}}}}
  two: {{generator: {{flows: 5000, size: imix, rate: max, count: {count}}}}}
pools:
  ingress:
    from: [one, two]
    workers: 2
    stages: [validate]
  work:
    from: [ingress]
    shard-by: flow
    on-full: block
    workers: 3
    stages: [meter, {{sink: {{check: order}}}}]
"""

RELAXED = """
version: 1
listen: "off"
ports:
  gen: {{generator: {{flows: 1, rate: max, count: {count}}}}}
pools:
  ingress: {{from: [gen], stages: [validate]}}
  work: {{from: [ingress], shard-by: none, order: relaxed, on-full: block, workers: 2, stages: [burn]}}
  out: {{from: [work], shard-by: none, on-full: block, stages: [sink]}}
"""


def chain(**changes):
    values = {"flows": "64k", "size": 64, "rate": "max", "count": 100000, "on_full": "block", "depth": 1024,
              "workers": 1, "cycles": 0, **changes}
    return CHAIN.format(**values)


class Slice(unittest.TestCase):
    def check_whole(self, end, count):
        self.assertEqual(end.code, 0, end)
        self.assertEqual((end["accepted"], end["sent"], end["dropped"]), (count, count, 0), end)
        self.assertEqual((end["lost"], end["leaked"], end["abandoned"], end["held"]), (0, 0, 0, 0), end)
        checker = end["checker"]
        self.assertEqual(checker["checked"], count, end)
        self.assertEqual((checker["missing"], checker["reordered"], checker["duplicated"]), (0, 0, 0), end)
        self.assertEqual(end["why_stopped"], "end of input")

    def test_block_loses_and_reorders_nothing_with_1_2_and_4_workers(self):
        count = PACKETS
        for workers in (1, 2, 4):
            with self.subTest(workers=workers):
                self.check_whole(lab.run(chain(workers=workers, count=count), limit_s=1800), count)

    def test_small_rings_and_few_flows(self):
        count = PACKETS // 20
        end = lab.run(chain(workers=2, count=count, flows=3, depth=64, size="imix"), limit_s=900)
        self.check_whole(end, count)
        self.assertEqual(end.stage("meter")["counters"]["flows"], 3, end)

    def test_everything_in_one_pool(self):
        count = PACKETS // 5
        end = lab.run(ONE_POOL.format(count=count), limit_s=900)
        self.check_whole(end, count)
        self.assertEqual(end["rings"], [], "run to completion has no ring")

    def test_two_ports_two_producers_three_consumers(self):
        count = PACKETS // 20
        end = lab.run(TWO_PORTS.format(count=count), limit_s=900)
        self.check_whole(end, 2 * count)
        flows = end.stage("meter")["counters"]["flows"]
        self.assertLessEqual(flows, 6000, end)
        if not lab.SANITIZED:  # enough packets that each flow has one
            self.assertEqual(flows, 6000, end)

    def test_without_shards_one_flow_is_shared_by_all_workers(self):
        count = PACKETS // 50
        end = lab.run(RELAXED.format(count=count), limit_s=300)
        self.assertEqual((end.code, end["sent"], end["lost"], end["leaked"]), (0, count, 0, 0), end)
        received = [w["received"] for w in end["workers"] if w["pool"] == "work"]
        self.assertEqual(sum(received), count, end)
        self.assertGreater(min(received), count // 4, end)

    def test_drop_counts_every_refusal(self):
        end = lab.run(chain(on_full="drop", count=PACKETS // 20, depth=64, cycles=5000), limit_s=900)
        self.assertEqual(end.code, 0, end)
        self.assertEqual((end["lost"], end["leaked"]), (0, 0), end)
        self.assertGreater(end["drops"]["inbox_full"], 0, end)
        self.assertEqual(end["sent"] + end["dropped"], PACKETS // 20, end)
        checker = end["checker"]
        self.assertEqual((checker["reordered"], checker["duplicated"]), (0, 0), end)
        self.assertLessEqual(checker["missing"], end["drops"]["inbox_full"], end)

    def test_admit_keeps_its_rate(self):
        # Offered at 400 kpps for 500 000 packets, admitted at 100 kpps with a burst of 30 000: a quarter and the burst. A
        # worker that loses its CPU for up to 300 ms catches up.
        text = chain(rate="400kpps, queue: 1M", count=500000).replace(
            "admit: {per: port, rate: max}", "admit: {per: port, rate: 100kpps, burst: 1920000}")
        end = lab.run(text, limit_s=300)
        self.assertEqual(end.code, 0, end)
        self.assertEqual(end["sent"] + end["drops"]["rate"], end["accepted"], end)
        offered = end.port("gen")["offered"]
        self.assertEqual(offered, 500000 + end.port("gen")["missed"], end)
        granted = 100000 * end["running_seconds"] + 30000
        self.assertLess(end["sent"], granted * 1.01, end)
        if lab.VARIANT == "release":
            self.assertGreater(end["sent"], min(granted, end["accepted"]) * 0.7, end)


if __name__ == "__main__":
    unittest.main()
