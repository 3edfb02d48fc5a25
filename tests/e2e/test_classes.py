# SPDX-License-Identifier: BSD-3-Clause
"""Classes: every packet is of one, each has its rate, and what only observes drops nothing."""
import os
import unittest

import lab

VARIANTS = ("release", "asan")
EXAMPLE = os.path.join(lab.EXAMPLES, "classes.yaml")
SECONDS = 5

COUNTED = """version: 1
listen: off
memory: normal
ports: {{gen: {{generator: {{flows: 100, size: 64-1400, count: 200k}}}}}}
classes:
{classes}
pools: {{all: {{from: [gen], stages: [validate, classify, sink]}}}}
"""


def classes_of(end, stage):
    return end.stage(stage)["classes"]


class Classes(unittest.TestCase):
    # A machine that has other things to do stops a worker for longer than a burst lasts, and what comes then at once is
    # over the rate by right: these figures stand on bursts of a second, and on generators that catch up.
    BURST_BYTES = 6250000
    SETS = [word for setting in (f"classes.small.burst={BURST_BYTES}", "classes.large.burst=62500k", "ports.phones.generator.queue=1M",
                                 "ports.servers.generator.queue=1M") for word in ("--set", setting)]

    @lab.only_in("release")
    def test_a_class_is_held_to_its_rate_and_leaves_the_others_alone(self):
        end = lab.run(EXAMPLE, "--set", f"stop-after={SECONDS}s", "--set", "listen=off", *self.SETS)
        self.assertEqual((end.code, end["lost"]), (0, 0), end)
        seconds = end["running_seconds"]
        small, large = (classes_of(end, "admit")[name] for name in ("small", "large"))
        granted = 50e6 / 8 * seconds
        self.assertGreaterEqual(small["passed_bytes"], 0.97 * granted, end)
        self.assertLessEqual(small["passed_bytes"], 1.03 * granted + self.BURST_BYTES, end)
        self.assertGreater(small["over_rate"], 0)
        self.assertGreaterEqual(large["passed_packets"], 0.99 * classes_of(end, "classify")["large"]["packets"], end)
        self.assertEqual(end["drops"]["rate"], small["over_rate"] + large["over_rate"], end)

    @lab.only_in("release")
    def test_to_observe_drops_nothing_and_counts_what_it_would(self):
        end = lab.run(EXAMPLE, "--set", f"stop-after={SECONDS}s", "--set", "listen=off", "--set",
                      "pools.ingress.stages.admit.mode=observe", *self.SETS)
        self.assertEqual((end.code, end["lost"], end["drops"]["rate"]), (0, 0, 0), end)
        admit, found = end.stage("admit"), classes_of(end, "classify")
        self.assertEqual(admit["in"], admit["out"], end)
        self.assertEqual(admit["counters"]["would_drop"], sum(c["over_rate"] for c in admit["classes"].values()), end)
        over = admit["classes"]["small"]["over_rate"] * 200
        self.assertEqual(admit["classes"]["small"]["passed_packets"], found["small"]["packets"], end)
        granted = 50e6 / 8 * end["running_seconds"]
        self.assertAlmostEqual(found["small"]["bytes"] - over, granted, delta=0.03 * granted + self.BURST_BYTES, msg=end)

    def test_every_packet_is_of_one_class_and_is_counted_there(self):
        lines = ['  - tcp: {match: tcp}', '  - big: {match: "udp and greater 1000"}', '  - low: {match: "udp[2:2] < 20000"}']
        end = lab.run(COUNTED.format(classes="\n".join(lines)))
        found = classes_of(end, "classify")
        self.assertEqual((end.code, list(found)), (0, ["other", "tcp", "big", "low"]), end)
        self.assertEqual(sum(c["packets"] for c in found.values()), 200000, end)
        self.assertEqual(sum(c["bytes"] for c in found.values()), end.port("gen")["received_bytes"], end)
        self.assertEqual(found["tcp"]["packets"], 0)
        for name in ("big", "low", "other"):
            self.assertGreater(found[name]["packets"], 10000, end)

    def test_two_hundred_and_fifty_five_classes(self):
        lines = [f'  - c{i}: {{match: "udp and ip[{i % 60}] = {i} or udp port {i}"}}' for i in range(255)]
        end = lab.run(COUNTED.format(classes="\n".join(lines)))
        self.assertEqual((end.code, end["lost"]), (0, 0), end)
        self.assertEqual(len(classes_of(end, "classify")), 256)
        self.assertEqual(sum(c["packets"] for c in classes_of(end, "classify").values()), 200000, end)

    def test_the_class_is_a_label_of_the_metrics(self):
        with lab.weir(EXAMPLE, "--set", "listen=127.0.0.1:0") as w:
            metrics = w.wait_for_metrics(lambda m: any(
                name.startswith("weir_classify_packets_total{") and 'class="small"' in name and value > 0
                for name, value in m.items()))
            end = w.stop()
        self.assertEqual(end.code, 0, end)
        for stage, counters in (("classify", ("packets", "bytes")), ("admit", ("passed_packets", "passed_bytes", "over_rate"))):
            for counter in counters:
                names = [n for n in metrics if n.startswith(f"weir_{stage}_{counter}_total{{")]
                self.assertEqual([n.split('class="')[1].split('"')[0] for n in names], ["other", "control", "small", "large"])

    def test_a_wrong_expression_ends_with_78_at_its_place(self):
        for match, what in (("udp prt 53", "syntax error"), ("inbound", "only a live capture knows")):
            end = lab.run(COUNTED.format(classes=f"  - a: {{match: {match}}}"))
            self.assertEqual(end.code, 78, end)
            self.assertRegex(end.err, f":6:16: match `{match}`.*{what}.*allowed: ")

    def test_pools_divide_the_classes_of_one(self):
        text = COUNTED.format(classes='  - big: {match: "udp and greater 1000"}\n  - low: {match: "udp[2:2] < 20000"}')
        text = text[:text.index("pools:")] + """pools:
  in: {from: [gen], stages: [validate, classify]}
  large: {from: [in], shard-by: flow, on-full: block, take: [big], workers: 2, stages: [{sink: {check: order}}]}
  low: {from: [in], shard-by: none, on-full: block, take: [low], workers: 2, order: relaxed, stages: [burn, sink]}
  rest: {from: [in], shard-by: flow, on-full: block, stages: [meter, sink]}
"""
        end = lab.run(text)
        self.assertEqual((end.code, end["lost"], end["dropped"]), (0, 0, 0), end)
        found = classes_of(end, "classify")
        for pool, name in (("large", "big"), ("low", "low"), ("rest", "other")):
            self.assertEqual(end.stage("sink", pool)["out"], found[name]["packets"], end)
            self.assertGreater(found[name]["packets"], 10000, end)


if __name__ == "__main__":
    unittest.main()
