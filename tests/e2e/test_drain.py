# SPDX-License-Identifier: BSD-3-Clause
"""Stopping: by signal under load, at the deadline, with a stuck worker, in a hurry."""
import signal
import time
import unittest

import lab

CHAIN = """
version: 1
drain-timeout: {drain}
ports:
  gen:
    generator: {{flows: 64k, rate: {rate}}}
pools:
  ingress:
    from: [gen]
    stages: [validate, {{admit: {{per: port, rate: max}}}}]
  work:
    from: [ingress]
    shard-by: flow
    on-full: block
    workers: 2
    stages: [{{burn: {{cycles: 100{burn}}}}}, meter]
  out:
    from: [work]
    shard-by: flow
    on-full: block
    stages: [{{burn: {{{out}}}}}, {{sink: {{check: order}}}}]
"""


def chain(rate="max", drain="1s", burn="", out="cycles: 0"):
    return CHAIN.format(rate=rate, drain=drain, burn=burn, out=out)


def under_load(w, packets=50000):
    w.wait_for_metrics(lambda m: m.get("weir_ledger_consumed_packets_total", 0) > packets)


class Drain(unittest.TestCase):
    def check_whole(self, end):
        self.assertEqual(end.code, 0, end)
        self.assertEqual((end["lost"], end["leaked"], end["abandoned"], end["held"]), (0, 0, 0, 0), end)
        self.assertEqual(end["sent"] + end["dropped"], end["accepted"], end)
        self.assertEqual(end["dropped"], 0, end)
        self.assertEqual((end["checker"]["missing"], end["checker"]["reordered"]), (0, 0), end)

    @lab.only_in("release")
    def test_50_sigterms_at_80_percent_of_the_maximum(self):
        best = lab.run(chain(), "--set", "stop-after=3s")
        self.assertEqual(best.code, 0, best)
        rate = int(best["sent_pps"] * 0.95)
        held = []
        for _ in range(50):
            with lab.weir(chain(rate=f"{rate}pps")) as w:
                under_load(w)
                end = w.stop()
            self.check_whole(end)
            self.assertEqual(end["why_stopped"], "signal", end)
            self.assertLess(end["drain_ns"], 10**9, end)
            held.append(end["held_at_signal"])
        print(f"maximum {best['sent_pps'] / 1e6:.2f} Mpps, run at {rate / 1e6:.2f} Mpps; "
              f"held at signal: {sorted(held)}")
        self.assertGreaterEqual(sum(n > 0 for n in held), 45, held)

    def test_sigterm_and_sigint_under_full_load(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with lab.weir(chain(drain="20s")) as w:
                under_load(w, 1000)
                w.terminate(number)
                self.check_whole(w.finish())

    def test_stop_after_drains_too(self):
        end = lab.run(chain(drain="20s"), "--set", "stop-after=1s")
        self.check_whole(end)
        self.assertEqual(end["why_stopped"], "stop-after")

    def test_the_deadline_drops_by_name(self):
        # A last stage so slow that the rings cannot run empty in time, but that comes back from each batch.
        with lab.weir(chain(drain="100ms", out="cycles: 3M")) as w:
            w.wait_for_metrics(lambda m: m.get("weir_ledger_held_packets", 0) > 1000)
            end = w.stop()
        self.assertEqual(end.code, 75, end)
        self.assertGreater(end["drops"]["drain_deadline"], 0, end)
        self.assertEqual((end["lost"], end["leaked"], end["abandoned"]), (0, 0, 0), end)
        self.assertTrue(end["deadline_passed"], end)

    def test_a_second_signal_does_not_wait_for_the_deadline(self):
        with lab.weir(chain(drain="10min", out="cycles: 3M")) as w:
            w.wait_for_metrics(lambda m: m.get("weir_ledger_held_packets", 0) > 1000)
            w.terminate()
            time.sleep(0.3)
            self.assertTrue(w.running(), "the first signal waits for the rings to run empty")
            w.terminate()
            end = w.finish(30)
        self.assertEqual((end.code, end["why_stopped"]), (75, "second signal"), end)
        self.assertEqual((end["lost"], end["leaked"]), (0, 0), end)

    def test_a_stuck_worker_is_named_and_what_it_holds_is_abandoned(self):
        with lab.weir(chain(drain="200ms", out="stall-at: 500ms, stall-for: 10min")) as w:
            w.wait_for(r"worker 0 of out .* has not come back")
            end = w.stop()
        self.assertEqual(end.code, 75, end)
        self.assertGreater(end["abandoned"], 0, end)
        self.assertEqual(end["lost"], 0, end)
        self.assertIsNone(end["leaked"], "with a worker in the memory nothing can be counted")
        self.assertTrue(any("out.0" in line and "stuck" in line for line in end["trouble"]), end)

    def test_a_worker_that_comes_back_late_leaks_nothing(self):
        # It returns after its consumer was told to end without it, and pushes into a ring that nobody reads.
        text = chain(rate="10kpps", drain="100ms").replace("[validate, {admit",
            "[validate, {burn: {stall-at: 500ms, stall-for: 1350ms}}, {admit")
        end = lab.run(text, "--set", "stop-after=1s")
        self.assertEqual(end.code, 75, end)
        self.assertEqual(end["lost"], 0, end)
        self.assertIn(end["leaked"], (0, None), end)  # None: it was too late even for that, and left behind


if __name__ == "__main__":
    unittest.main()
