# SPDX-License-Identifier: BSD-3-Clause
"""What was lost, as events, and what each worker is at: a slow stage, a full inbox and a class over its rate, each by name."""
import subprocess
import unittest
import urllib.request

import lab

VARIANTS = ("release", "asan")

TROUBLED = """
version: 1
ports:
  gen:
    generator: {flows: 64k, size: 64, rate: 1Mpps, to-ports: {53: 1, 443: 3}}
classes:
  - dns: {match: "udp dst port 53", rate: 100kbps}
pools:
  ingress:
    from: [gen]
    stages: [validate, classify, {admit: {per: class}}]
  work:
    from: [ingress]
    shard-by: flow
    on-full: ON_FULL
    stages: [meter]
  out:
    from: [work]
    shard-by: flow
    on-full: block
    stages: [{burn: {cycles: 20000}}, sink]
"""
HELD_UP = "ingress.0 waited for room in the inbox of work.0"


class Events(unittest.TestCase):
    def until(self, w, page, condition):
        """What the page says once the condition holds; workers share CPUs here, so that a look may show something else."""
        answer = []

        def look():
            answer[:] = w.ask(f"GET {page}")[1]
            return condition(answer)

        w.wait_for_metrics(lambda m: m.get("weir_running_seconds", 0) > 0.5)
        lab.wait_until(look, 120, page)
        return answer

    def test_each_of_three_troubles_is_named(self):
        # What the machine did at the worst moment may be that somebody else had its CPU.
        machine = lab.again_unless(lambda machine: HELD_UP in machine, self.see_three_troubles)
        self.assertIn(HELD_UP, machine)

    def see_three_troubles(self):
        with lab.weir(TROUBLED.replace("ON_FULL", "block")) as w:
            events = self.until(w, "/api/v1/events", lambda all: {(e["place"], e["reason"]) for e in all} >= {
                ("class dns, stage `admit` of ingress", "rate"), ("port gen", "missed")})
            missed = next(e for e in events if e["place"] == "port gen")
            doing = {}

            def seen(rows):
                for row in rows:
                    doing.setdefault(row["pool"], set()).add(row["doing"])
                return ("waits for room in the inbox of work.0" in doing["ingress"] and
                        "waits for room in the inbox of out.0" in doing["work"] and
                        "works, most of it in `burn`" in doing["out"])

            try:
                self.until(w, "/api/v1/workers", seen)
            finally:
                print(f"\nnote: {missed['machine'] or missed}\nnote: {doing}", end="")
            says = subprocess.run([lab.WEIR, "ctl", "--socket", w.control, "workers"], capture_output=True, text=True, check=True).stdout
            self.assertRegex(says, r"ingress\.0 [a-z].* for [\d.]+ s; cycles a packet: validate \d+")
            with urllib.request.urlopen(w.url().rsplit("/", 1)[0] + "/debug/workers") as page:
                self.assertRegex(page.read().decode(), r"worker 0 of out .*; for [\d.]+ s it [a-z]")
            text = subprocess.run([lab.WEIR, "ctl", "--socket", w.control, "events"], capture_output=True, text=True, check=True).stdout
            self.assertRegex(text, r"class dns, stage `admit` of ingress, rate")
            end = w.stop()
        self.assertEqual((end.code, end["lost"]), (0, 0), end)
        self.assertIn("loss begins: class dns", end.err)
        return missed["machine"]

    def test_the_events_of_an_inbox_are_what_it_refused(self):
        with lab.weir(TROUBLED.replace("ON_FULL", "drop"), "--set", "ports.gen.generator.rate=1kpps",
                      "--set", "ports.gen.generator.spike={at: 300ms, for: 200ms, times: 1000}") as w:
            w.wait_for("loss ended: inbox of work.0")
            refused = w.ask("GET /api/v1/stats")[1]["drops"]["inbox_full"]
            events = [e for e in w.ask("GET /api/v1/events")[1] if e["place"] == "inbox of work.0"]
            end = w.stop()
        self.assertEqual((end.code, end["lost"]), (0, 0), end)
        self.assertGreater(refused, 0)
        self.assertEqual(sum(e["packets"] for e in events), refused, events)
        self.assertTrue(all(e["reason"] == "inbox_full" and e["seconds"] >= 0 for e in events), events)

    def test_without_loss_there_is_none(self):
        with lab.weir(TROUBLED.replace("ON_FULL", "block"), "--set", "ports.gen.generator.rate=100pps") as w:
            w.wait_for_metrics(lambda m: m.get("weir_ledger_consumed_packets_total", 0) > 20)
            events = [e for e in w.ask("GET /api/v1/events")[1] if e["reason"] != "rate"]
            w.stop()
        self.assertEqual(events, [])


if __name__ == "__main__":
    unittest.main()
