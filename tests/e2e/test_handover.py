# SPDX-License-Identifier: BSD-3-Clause
"""Shards move between workers while packets flow: nothing lost, nothing reordered, and it ends."""
import http.client
import os
import random
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import lab

MOVING = """
version: 1
drain-timeout: 5s
ports:
  gen:
    generator: {{flows: 64k, size: 64, rate: {rate}}}
pools:
  ingress:
    from: [gen]
    stages: [validate]
  work:
    from: [ingress]
    shard-by: flow
    on-full: {on_full}
    depth: 256
    workers: 1-4
    stages: [meter, {{burn: {{cycles: {cycles}}}}}]
  out:
    from: [work]
    shard-by: flow
    on-full: {on_full}
    depth: 256
    workers: 2
    stages: [{{sink: {{check: order}}}}]
"""


def moving(on_full="block", rate="max", cycles=0):
    return MOVING.format(on_full=on_full, rate=rate, cycles=cycles)


def under_load(w, packets=1000):
    w.wait_for_metrics(lambda m: m.get("weir_ledger_consumed_packets_total", 0) > packets)


def some_order(dice, active):
    """An order, and how many workers have shards after it."""
    what = dice.random()
    if what < 0.4:
        n = dice.randint(1, 4)
        return f"POST /control/resize?pool=work&workers={n}", n
    if what < 0.9 or active == 1:
        return f"POST /control/move?pool=work&shard={dice.randrange(1024)}&worker={dice.randrange(active)}", active
    return "POST /control/shuffle?pool=work", active


def share(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def within_s(before, after):
    """Seconds that 99 % of the probes between two looks at the metrics took at most."""
    start = 'weir_latency_seconds_bucket{pool="out",le="'
    more = {name[len(start):-2]: n - before.get(name, 0) for name, n in after.items() if name.startswith(start)}
    return float(next((bound for bound, n in more.items() if n >= 0.99 * more["+Inf"]), "nan"))


class HandOver(unittest.TestCase):
    def check_whole(self, end, dropped=False):
        self.assertEqual(end.code, 0, end)
        self.assertEqual((end["lost"], end["leaked"], end["abandoned"], end["held"]), (0, 0, 0, 0), end)
        self.assertEqual((end["checker"]["reordered"], end["checker"]["duplicated"]), (0, 0), end)
        if not dropped:
            self.assertEqual((end["dropped"], end["checker"]["missing"]), (0, 0), end)

    def shake(self, on_full, orders, packets):
        """Random orders until both numbers are reached; the end, and what the orders were told."""
        seed = random.SystemRandom().randrange(2**32)
        print(f"\nnote: {on_full}: seed {seed}", end="")
        dice, active, told = random.Random(seed), 1, []
        with lab.weir(moving(on_full)) as w:
            under_load(w)
            begin = w.metrics()
            time.sleep(0.5)
            quiet = w.metrics()
            while len(told) < orders or w.metrics()["weir_ledger_accepted_packets_total"] < packets:
                for _ in range(50):
                    order, n = some_order(dice, active)
                    status, answer = w.ask(order)
                    self.assertEqual(status, 200, (seed, order, answer, w.err()))
                    told.append(answer)
                    active = n
            latency = [f"{within_s(*looks) * 1e6:.0f} us" for looks in ((begin, quiet), (quiet, w.metrics()))]
            stash = max(row["stash_high_water"] for row in w.ask("GET /api/v1/workers")[1])
            shards = [row["shards"] for row in w.ask("GET /api/v1/workers")[1] if row["pool"] == "work"]
            self.assertEqual((sum(shards), sum(1 for n in shards if n)), (1024, active), shards)
            end = w.stop()
        us = [answer["slowest_ns"] / 1e3 for answer in told if answer["moves"]]
        placed = sorted(set(re.findall(r"\((near|far)\)", end.err)))
        print(f"; {'/'.join(placed)} cores, {len(told)} orders, {sum(a['moves'] for a in told)} moves of {sum(a['shards'] for a in told)} shards, "
              f"{end['accepted']} packets; live after {share(us, 0.5):.0f} us (median), {share(us, 0.99):.0f} us (p99); "
              f"stash at most {stash}; p99 of the latency at most {latency[1]}, {latency[0]} without moves", end="")
        self.assertGreater(stash, 0, "no packet ever came before its shard: this proves nothing")
        return end

    def sizes(self):
        orders = 1000 if lab.VARIANT == "release" else 60
        packets = 10**7 if lab.VARIANT == "release" else 10**5
        return (2 * 10**4, 10**9) if lab.LONG and lab.VARIANT == "release" else (orders, packets)

    def test_random_orders_under_block_lose_and_reorder_nothing(self):
        self.check_whole(self.shake("block", *self.sizes()))

    def test_random_orders_under_drop_reorder_nothing_and_name_each_drop(self):
        end = self.shake("drop", *self.sizes())
        self.check_whole(end, dropped=True)
        self.assertEqual(end["dropped"], sum(row["refused"] for row in end["rings"]), end)
        self.assertEqual(end["checker"]["missing"] <= end["dropped"], True, end)

    def test_sigterms_half_of_them_during_moves(self):
        for number in range(50 if lab.LONG else 20 if lab.VARIANT == "release" else 4):
            with lab.weir(moving(cycles=500)) as w:
                under_load(w)
                if number % 2 == 0:
                    stop = threading.Event()

                    def shuffle(w=w, stop=stop):
                        while not stop.is_set():
                            try:
                                w.ask("POST /control/resize?pool=work&workers=4")
                                w.ask("POST /control/shuffle?pool=work")
                                w.ask("POST /control/resize?pool=work&workers=1")
                            except (OSError, ValueError, http.client.HTTPException):
                                return  # it has ended

                    thread = threading.Thread(target=shuffle)
                    thread.start()
                    time.sleep(random.random() / 20)
                    end = w.stop()
                    stop.set()
                    thread.join()
                else:
                    end = w.stop()
            self.check_whole(end)
            self.assertFalse(end["deadline_passed"], end)

    def test_the_end_of_the_input_in_the_middle_of_moves(self):
        with tempfile.TemporaryDirectory() as folder:
            capture = os.path.join(folder, "flows.pcap")
            frames = [bytes.fromhex("020000000001020000000002080045000032000000004011") + bytes(2) +
                      bytes([10, 0, n >> 8 & 255, n & 255, 10, 1, 0, 1]) + bytes.fromhex("04d20050001e0000") + bytes(22)
                      for n in range(50000)]
            lab.write_capture(capture, frames)
            text = moving(cycles=50000).replace("generator: {flows: 64k, size: 64, rate: max}", f'file: "{capture}"')
            text = text.replace("{check: order}", "{}")

            def take():
                carried_out = 0
                with lab.weir(text) as w:
                    while w.running():
                        try:
                            carried_out += w.ask("POST /control/resize?pool=work&workers=4")[0] == 200
                            carried_out += w.ask("POST /control/resize?pool=work&workers=1")[0] == 200
                        except (OSError, ValueError, http.client.HTTPException):
                            time.sleep(0.01)  # not yet, or not any more
                    end = w.finish()
                self.assertEqual((end.code, end["lost"], end["leaked"], end["dropped"]), (0, 0, 0, 0), end)
                self.assertEqual(end["accepted"], len(frames), end)
                return carried_out

            for _ in range(3 if lab.VARIANT == "release" else 1):
                self.assertGreater(lab.again_unless(lambda carried_out: carried_out > 2, take), 2)

    @lab.only_in("release")
    def test_a_parked_pool_costs_nothing_and_wakes(self):
        text = moving(rate="10pps").replace("workers: 1-4", "park-after: 1ms\n    workers: 4")

        def looked(w):
            """Seconds on a CPU of the threads of the pool, and its parks."""
            names = {f"rte-worker-{lcore}" for lcore in range(2, 6)}  # 1 is ingress
            stats = lab.of_threads(w.pid, "schedstat")
            spent = sum(int(stats[thread].split()[0]) / 1e9 for thread, name in lab.threads(w.pid).items() if name in names)
            metrics = w.metrics()
            return spent, sum(metrics[key] for key in metrics if key.startswith('weir_worker_parks_total{pool="work"'))

        with lab.weir(text) as w:
            under_load(w, 5)
            begin, before = time.monotonic(), looked(w)
            time.sleep(3)
            after, took = looked(w), time.monotonic() - begin
            end = w.stop()
        part = 100 * (after[0] - before[0]) / took
        print(f"\nnote: 4 parked workers that get 10 packets a second: {part:.1f} % of a CPU, {after[1] - before[1]:.0f} parks", end="")
        self.assertGreater(after[1] - before[1], 20)
        self.assertTrue(0 < part < 5, part)
        self.check_whole(end)


class Ctl(unittest.TestCase):
    def ctl(self, w, *words):
        return subprocess.run([lab.WEIR, "ctl", "--socket", w.control, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)

    def test_says_what_it_did_and_why_not(self):
        with lab.weir(moving(rate="10kpps")) as w:
            under_load(w, 10)
            done = self.ctl(w, "resize", "work", "3")
            self.assertEqual((done.returncode, done.stderr), (0, ""), done)
            self.assertRegex(done.stdout, r"^682 shards moved in 1 batch; the slowest was live after [\d.]+ us\n$")
            done = self.ctl(w, "workers")
            self.assertEqual(re.findall(r"^work +(\d) +\d+ running +(\d+)", done.stdout, re.M),
                             [("0", "342"), ("1", "341"), ("2", "341"), ("3", "0")], done)
            for words, why in (
                    (("resize", "work", "5"), "pool `work` cannot have 5 workers; allowed: 1 .. 4"),
                    (("resize", "work", "0"), "pool `work` cannot have 0 workers; allowed: 1 .. 4"),
                    (("resize", "walk", "2"), "there is no pool `walk`"),
                    (("resize", "ingress", "2"), "pool `ingress` has no shards"),
                    (("move", "work", "1024", "0"), "pool `work` has no shard 1024; allowed: 0 .. 1023"),
                    (("move", "work", "3", "3"), "pool `work` has no worker 3 at work; allowed: 0 .. 2")):
                done = self.ctl(w, *words)
                self.assertEqual((done.returncode, done.stdout), (75, ""), (words, done))
                self.assertIn(why, done.stderr, words)
            done = self.ctl(w, "resize", "w\u00e4lk", "2")
            self.assertEqual((done.returncode, done.stdout), (64, ""), done)
            self.assertIn("the query lacks the name of a pool", done.stderr)
            for words in ((), ("rezise", "work", "2"), ("resize", "work"), ("resize", "work", "2", "3"),
                          ("resize", "work", "two"), ("resize", "work", "99999999999"), ("--soket", "x")):
                done = self.ctl(w, *words)
                self.assertEqual((done.returncode, done.stdout), (64, ""), (words, done))
                self.assertIn("weir ctl --help", done.stderr, words)
            self.assertEqual(self.ctl(w, "drain").stdout, "it drains\n")
            end = w.finish()
            self.assertEqual((end.code, end["lost"]), (0, 0), end)
            self.assertFalse(os.path.exists(w.control), "the socket stays behind")
            self.assertEqual(self.ctl(w, "workers").returncode, 69)

    def test_shows_the_books_the_configuration_and_whether_all_is_well(self):
        with lab.weir(moving(rate="10kpps")) as w:
            under_load(w, 10)
            self.assertIn("in the pool", self.ctl(w, "ledger").stdout)
            self.assertIn("workers: 1-4", self.ctl(w, "config").stdout)
            self.assertEqual(self.ctl(w, "ready").stdout, "ready\n")
            w.terminate(signal.SIGUSR1)
            w.wait_for("in the pool")
            w.terminate(signal.SIGQUIT)
            w.wait_for(r"worker 0 of work \(cpu \d+, lcore \d+\): running, 1024 shards, holds \d+ packets")
            end = w.stop()
            self.assertEqual((end.code, end["lost"]), (0, 0), end)

    def test_the_socket_is_for_its_owner_and_group_and_the_address_changes_nothing(self):
        with lab.weir(moving(rate="10kpps")) as w:
            under_load(w, 10)
            self.assertEqual(os.stat(w.control).st_mode & 0o777, 0o660)
            address = w.url().rsplit("/", 1)[0]
            done = lab.call("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST",
                            address + "/control/drain")
            self.assertEqual(done.stdout, "404")
            self.assertEqual(w.ask("POST /control/resize?pool=work&workers=2")[0], 200)

    def test_a_socket_left_by_a_kill_is_replaced_and_one_in_use_is_not(self):
        with lab.weir(moving(rate="10kpps")) as w:
            under_load(w, 10)
            again = lab.run(moving(), "--set", f"control={w.control}", "--set", "stop-after=1s")
            self.assertEqual(again.code, 71, again)
            self.assertIn("is the socket of a weir that runs", again.err)
            self.assertEqual(w.ask("GET /api/v1/workers")[0], 200)
            w.process.kill()
            w.process.wait()
            self.assertTrue(os.path.exists(w.control))
            again = lab.run(moving(rate="10kpps"), "--set", f"control={w.control}", "--set", "stop-after=1s")
            self.assertEqual(again.code, 0, again)
            with open(w.control, "w", encoding="ascii") as file:
                file.write("precious")
            again = lab.run(moving(rate="10kpps"), "--set", f"control={w.control}", "--set", "stop-after=1s")
            self.assertEqual(again.code, 71, again)
            with open(w.control, encoding="ascii") as file:
                self.assertEqual(file.read(), "precious")

    def test_a_second_drain_changes_nothing_and_an_order_under_way_is_answered(self):
        with lab.weir(moving(cycles=200000).replace("drain-timeout: 5s", "drain-timeout: 60s")) as w:
            under_load(w, 10)
            answers = []
            thread = threading.Thread(target=lambda: answers.append(w.ask("POST /control/resize?pool=work&workers=4")))
            thread.start()
            self.assertEqual(w.ask("POST /control/drain")[0], 200)
            self.assertEqual(w.ask("POST /control/drain")[0], 200)
            end = w.finish()
            thread.join()
        self.assertEqual((end.code, end["dropped"], end["lost"], end["why_stopped"]), (0, 0, 0, "ctl drain"), end)
        self.assertIn(answers[0][0], (200, 409), answers)


if __name__ == "__main__":
    unittest.main()
