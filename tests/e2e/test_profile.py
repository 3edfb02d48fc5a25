# SPDX-License-Identifier: BSD-3-Clause
"""Where the time goes: profiles for `go tool pprof` and `google-pprof`, stacks, full inboxes, packet buffers."""
import collections
import contextlib
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

import lab

VARIANTS = ("release", "asan")

# Equal packets, 1 to 3 in work; the second sleeps when it has nothing to do, the first polls a port.
UNEQUAL = """
version: 1
seed: 7
ports:
  gen: {generator: {flows: 1k, size: 64, rate: 8kpps}}
pools:
  ingress:
    from: [gen]
    stages: [validate, {burn: {cycles: 60k}}]
  work:
    from: [ingress]
    shard-by: flow
    on-full: block
    depth: 64
    park-after: 100us
    stages: [{burn: {cycles: 180k}}, sink]
"""
PROFILE = "debug/pprof/profile?seconds=2"


def get(w, page, body=None, limit_s=90):
    """Status and bytes of a page."""
    url = w.url().replace("metrics", page)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=limit_s) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def start(w):
    w.wait_for_metrics(lambda m: sum(v for k, v in m.items() if k.startswith("weir_port_received_packets")) > 1000)


def cpu_seconds(pid):
    """Of each worker, as the kernel counts it."""
    spent = collections.Counter()
    for stat in lab.of_threads(pid, "stat").values():
        name, rest = re.fullmatch(r"\d+ \((.*)\) (.*)", stat).groups()
        lcore = re.fullmatch(r"rte-worker-(\d+)", name)
        if lcore:
            spent[f"worker_on_lcore_{lcore.group(1)}"] = sum(map(int, rest.split()[11:13])) / os.sysconf("SC_CLK_TCK")
    return spent


def parse(profile):
    """[(times seen, addresses)] of gperftools' form."""
    words = struct.unpack_from(f"={len(profile) // 8}Q", profile)
    assert words[:3] == (0, 3, 0), words[:5]
    samples, at = [], 5
    while words[at:at + 3] != (0, 1, 0):
        samples.append((words[at], words[at + 2:at + 2 + words[at + 1]]))
        at += 2 + words[at + 1]
    assert b" r-xp " in profile[8 * (at + 3):]
    return samples


def stacks_of(w, samples):
    """[(times seen, names)], as the page of symbols has them, up to the worker's own function."""
    wanted = {address - (i != 0) for _, stack in samples for i, address in enumerate(stack)}
    status, text = get(w, "pprof/symbol", "+".join(map(hex, wanted)).encode())
    assert status == 200 and text.startswith(b"num_symbols: 1\n")
    name = dict(line.split("\t") for line in text.decode().splitlines()[1:])
    for n, stack in samples:
        names = [name[hex(address - (i != 0))] for i, address in enumerate(stack)]
        last = next(i for i, name_of in enumerate(names) if name_of.startswith("worker_on_lcore_"))
        yield n, names[:last + 1]


def is_caught(pid):
    """The handler of the signal that takes stacks is there."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        caught = int(re.search(r"^SigCgt:\s*(\w+)$", file.read(), re.M).group(1), 16)
    return bool(caught >> (signal.SIGRTMIN - 1) & 1)


def timers(pid):
    with open(f"/proc/{pid}/timers", encoding="ascii") as file:
        return file.read().count("signal:")


class Profile(unittest.TestCase):
    @lab.only_in("release")
    def test_each_worker_and_stage_has_its_true_share(self):
        with lab.weir(UNEQUAL) as w, tempfile.TemporaryDirectory() as folder:
            start(w)
            self.assertFalse(is_caught(w.pid))
            spent, worker, burn = collections.Counter(), collections.Counter(), collections.Counter()
            for _ in range(3):
                before = cpu_seconds(w.pid)
                status, profile = get(w, PROFILE)
                passed = cpu_seconds(w.pid)
                self.assertEqual(status, 200, profile)
                passed.subtract(before)
                seen = collections.Counter(), collections.Counter()
                for n, stack in stacks_of(w, parse(profile)):
                    seen[0][stack[-1]] += n
                    seen[1][stack[-1]] += n * ("burn_process" in stack)
                spent += passed
                worker += seen[0]
                # A burn goes by the clock, also while others have its CPU: it is worth its cycles only if they seldom do.
                starved = passed["worker_on_lcore_1"] < 1.2  # of 2 s
                burn += seen[1] if not starved else {}
                truth = {name: value / spent.total() for name, value in spent.items()}
                said = f"{worker} seen, by the kernel {truth} of {spent.total()} s; in burn {burn}"
                self.assertEqual(set(worker), set(spent), said)
                true = all(abs(worker[name] / worker.total() - truth[name]) < 0.05 for name in truth)
                if true and burn and abs(burn["worker_on_lcore_2"] / burn.total() - 0.75) < 0.05:
                    break
            if not true and spent.total() < 3:  # of 12 s: too few samples for 5 points
                self.skipTest(f"the workers hardly got a CPU: {said}")
            self.assertTrue(true, said)
            self.assertAlmostEqual(worker.total() * 0.01, spent.total(), delta=0.1 * spent.total() + 0.1, msg=said)
            self.assertTrue(is_caught(w.pid))
            self.assertEqual(timers(w.pid), 0)
            self.check_programs(os.path.join(folder, "cpu"), profile, seen[0])
            end = w.stop()
        self.assertEqual((end.code, end["lost"]), (0, 0), end)
        if not burn:
            self.skipTest("the workers hardly got a CPU: no word on the shares of stages")
        self.assertLess(abs(burn["worker_on_lcore_2"] / burn.total() - 0.75), 0.05, said)

    def check_programs(self, path, profile, worker):
        with open(path, "wb") as file:
            file.write(profile)
        for program, command in (("go", ["go", "tool", "pprof", "-top", "-nodecount=100", "-nodefraction=0"]),
                                 ("google-pprof", ["google-pprof", "--text"])):
            with self.subTest(program):
                if shutil.which(program) is None:
                    self.skipTest(f"needs {program}")
                done = subprocess.run([*command, lab.WEIR, path], capture_output=True, text=True, check=True,
                                      env={**os.environ, "PPROF_TMPDIR": os.path.dirname(path)})
                rows = {row.split()[5]: row.split() for row in done.stdout.splitlines() if len(row.split()) > 5}
                self.assertIn("burn_process", rows, done.stdout)
                for name, n in worker.items():
                    self.assertAlmostEqual(float(rows[name][4].rstrip("%")), 100 * n / worker.total(), delta=1, msg=done.stdout)

    def test_one_pool_and_one_at_a_time(self):
        with lab.weir(UNEQUAL) as w:
            start(w)
            got = []
            first = threading.Thread(target=lambda: got.append(get(w, "debug/pprof/profile?seconds=5&pool=work")))
            first.start()
            lab.wait_until(lambda: timers(w.pid) == 1, 60, "the timer of one worker")
            status, text = get(w, "pprof/profile?seconds=1")
            self.assertEqual(status, 409, text)
            self.assertIn(b"another is being taken", text)
            self.assertIn("weir_build", lab.fetch(w.url()))  # nobody else waits
            first.join()
            self.assertEqual(got[0][0], 200)
            self.assertEqual({stack[-1] for _, stack in stacks_of(w, parse(got[0][1]))}, {"worker_on_lcore_2"})
            for query, code in (("seconds=0", 400), ("seconds=301", 400), ("seconds=x", 400), ("seconds=1&pool=no", 404)):
                self.assertEqual(get(w, "debug/pprof/profile?" + query)[0], code, query)
            end = w.stop()
        self.assertEqual((end.code, end["lost"]), (0, 0), end)

    def test_the_end_does_not_wait_for_a_profile(self):
        with lab.weir(UNEQUAL) as w:
            start(w)
            client = subprocess.Popen(["curl", "-s", w.url().replace("metrics", "debug/pprof/profile?seconds=300")])
            lab.wait_until(lambda: timers(w.pid) == 2, 60, "a timer for each worker")
            end = w.stop()
            self.assertNotEqual(client.wait(60), 0)
        self.assertEqual((end.code, end["lost"]), (0, 0), end)

    def test_pages_for_people(self):
        with lab.weir(UNEQUAL) as w:
            start(w)
            for line in (rb"in all", rb"free", rb"in the ring from ingress\.0 to work\.0", rb"stash of work\.0", rb"the rest"):
                self.assertRegex(get(w, "debug/mempool")[1], rb"(?m)^ *\d+  .*" + line)
            self.assertIn(b"/debug/pprof/block", get(w, "debug/pprof/")[1])
            self.assertEqual(get(w, "pprof/cmdline")[1].split(b"\0")[1], b"run")
            self.assertEqual(get(w, "pprof/symbol")[1], b"num_symbols: 1\n")
            self.assertEqual(get(w, "pprof/symbol", b"0x1")[1], b"num_symbols: 1\n0x1\t0x1\n")
            with contextlib.suppress(OSError):  # it may hang up before all of that is there
                self.assertEqual(get(w, "pprof/symbol", b"1" * (2 << 20))[0], 413)
            w.stop()


STUCK = """
version: 1
ports:
  gen: {generator: {flows: 1k, size: 64, rate: 8kpps}}
pools:
  ingress: {from: [gen], stages: [validate]}
  work:
    from: [ingress]
    shard-by: flow
    on-full: block
    depth: 64
    stages: [{burn: {stall-at: 100ms, stall-for: FORs}}, sink]
"""


def stacks(w, pattern):
    """The page that matches: on a busy machine a worker may wait for its CPU for longer than the page waits for it."""
    seen = []

    def look():
        seen[:] = [get(w, "debug/workers?stack=1")[1].decode()]
        return re.search(pattern, seen[0])

    lab.wait_until(look, 30, lambda: seen)
    return seen[0]


class Stuck(unittest.TestCase):
    def test_stacks_of_a_worker_that_does_not_come_back(self):
        for stall_s in (4, 30):
            with contextlib.suppress(AssertionError):  # before all was seen; or hardly on a CPU, so that it was not sure
                return self.check_stuck(stall_s)
        return self.check_stuck(120)

    def check_stuck(self, stall_s):
        with lab.weir(STUCK.replace("FOR", str(stall_s))) as w:
            w.wait_for("has not come back from a stage", stall_s + 10)
            text = get(w, "debug/workers")[1].decode()
            self.assertRegex(text, r"(?s)^worker 0 of ingress \(cpu \d+, lcore 1\): running.*\nworker 0 of work .*: stuck")
            self.assertNotIn("burn_process", text)
            self.assertFalse(is_caught(w.pid))
            stacks(w, r"worker 0 of ingress .*\n(    .*\n)*    worker_on_lcore_1\n(    .*\n)*"
                      r"worker 0 of work .*: stuck.*\n(    .*\n)*    burn_process\n(    .*\n)*    worker_on_lcore_2\n")
            w.terminate(signal.SIGQUIT)
            w.wait_for(r"notice:     (burn_process|no answer)")
            w.wait_for(r"notice:     (worker_on_lcore_1|no answer)")
            self.check_block(w)
            w.wait_for("goes on after")
            end = w.stop()
        self.assertEqual((end.code, end["lost"]), (0, 0), end)

    def check_block(self, w):
        text = get(w, "debug/pprof/block?debug=1")[1].decode()
        waits = re.search(r"^ *([\d.]+) s  worker 0 of ingress, behind validate: full inbox of work$", text, re.M)
        self.assertGreater(float(waits.group(1)), 0.1, text)
        if lab.VARIANT != "release" or shutil.which("go") is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "block")
            with open(path, "wb") as file:
                file.write(get(w, "debug/pprof/block")[1])
            done = subprocess.run(["go", "tool", "pprof", "-top", lab.WEIR, path], capture_output=True, text=True,
                                  check=True, env={**os.environ, "PPROF_TMPDIR": folder})
        self.assertRegex(done.stdout, r"validate_process")
        self.assertRegex(done.stdout, r"worker_on_lcore_1")

    @lab.needs_root
    def test_a_worker_without_a_cpu_does_not_answer(self):
        with lab.weir(UNEQUAL) as w:
            start(w)
            tracer = lab.hang(w.pid, "rte-worker-2")
            try:
                text = stacks(w, r"    worker_on_lcore_1\n")
                self.assertRegex(text, r"worker 0 of work .*\n    no answer: it does not get a CPU\n")
            finally:
                tracer.kill()
                tracer.wait()
                tracer.stdout.close()
            stacks(w, r"    worker_on_lcore_2\n")
            end = w.stop()
        self.assertEqual((end.code, end["lost"]), (0, 0), end)


if __name__ == "__main__":
    unittest.main()
