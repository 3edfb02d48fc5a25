# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end tests share: a running weir, network namespaces, and reasons to skip.

    import lab

    class Drain(unittest.TestCase):
        def test_nothing_is_lost(self):
            with lab.weir(YAML, "--set", "stop-after=2s") as w:
                end = w.finish()
            self.assertEqual((end.code, end["lost"]), (0, 0), end)

A file runs in the variants that its `VARIANTS = ("release", "asan")` names; tests/run.py reads that line, and
without it takes all but `clang`. scripts/test sets WEIR, WEIR_VARIANT and WEIR_LONG; by hand it is the release build.
"""
import contextlib
import http.client
import itertools
import json
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", os.path.join(ROOT, "build", "weir"))
VARIANT = os.environ.get("WEIR_VARIANT", "release")
LONG = os.environ.get("WEIR_LONG") == "1"
CORPUS = os.environ.get("WEIR_CORPUS")
EXAMPLES = os.path.join(ROOT, "config", "examples")

# Whatever the caller's shell ignores (a job in the background: SIGINT), weir would ignore, too.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

SANITIZED = VARIANT in ("asan", "tsan")
START_LIMIT_S = 120  # to whatever comes soon: a limit costs nothing where it does

# ---- reasons to skip ----

needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root")
needs_netns = unittest.skipUnless(
    os.geteuid() == 0 and shutil.which("unshare") and subprocess.run(
        ["unshare", "--net", "true"], check=False, capture_output=True).returncode == 0,
    "needs the right to make network namespaces")
needs_corpus = unittest.skipUnless(CORPUS and os.path.isdir(CORPUS), "needs WEIR_CORPUS")
needs_long = unittest.skipUnless(LONG, "needs scripts/test --long")


def needs_program(*names):
    missing = [name for name in names if shutil.which(name) is None]
    return unittest.skipIf(missing, "needs " + ", ".join(missing))


def only_in(*variants):
    """A test that says nothing in another build, such as a rate under a sanitizer."""
    return unittest.skipUnless(VARIANT in variants, "only in " + ", ".join(variants))


# ---- weir ----

class End(dict):
    """The certificate (its JSON), and how the process ended. Shown whole when an assertion fails."""

    def __init__(self, code, out, err):
        try:
            super().__init__(json.loads(out) if out.strip() else {})
            self.broken = None
        except ValueError as error:
            super().__init__()
            self.broken = str(error)
        self.code, self.out, self.err = code, out, err

    def __str__(self):
        return f"exit code {self.code}\n--- stdout ---\n{self.out[-6000:]}\n--- stderr ---\n{self.err[-6000:]}"

    __repr__ = __str__

    def stage(self, name, pool=None):
        """The row of a stage, all its workers together."""
        return next(row for row in self["stages"] if row["stage"] == name and pool in (None, row["pool"]))

    def port(self, name):
        return next(row for row in self["ports"] if row["name"] == name)


class Weir:
    """One weir process. `text` is YAML, or a file's path. Its output goes to files: a full pipe stops nobody, unless the
    test hands one over as `stderr` (or `stdout`)."""

    def __init__(self, text, *options, as_json=True, env=None, user=None, prefix=(), stdout=None, stderr=None):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-e2e-")
        os.chmod(self.folder.name, 0o755)
        if "\n" in text:
            file = os.path.join(self.folder.name, "weir.yaml")
            with open(file, "w", encoding="utf-8") as out:
                out.write(text)
        else:
            file = text
        binary = WEIR
        if user is not None:  # who may not be able to reach our own
            binary = shutil.copy(WEIR, self.folder.name)
            os.chmod(binary, 0o755)
        self.out_path, self.err_path = (os.path.join(self.folder.name, n) for n in ("stdout", "stderr"))
        self.control = os.path.join(self.folder.name, "control")
        control = ["--set", f"control={self.control}"] if user is None else []  # or in a folder that is not the user's
        # Who has no CPU for two seconds drains for longer; only a test of just that is impatient.
        patience = [] if any("drain-timeout" in word for word in (text, *options)) else ["--set", "drain-timeout=30s"]
        command = [*prefix, binary, "run", *control, *patience, *(["--json"] if as_json else []), *options, file]
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout or out, stderr=stderr or err, env={**os.environ, **(env or {})},
                user=user, group=None if user is None else pwd.getpwuid(user).pw_gid,
                extra_groups=None if user is None else [])

    @property
    def pid(self):
        return self.process.pid

    def err(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def out(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def running(self):
        return self.process.poll() is None

    def wait_for(self, pattern, limit_s=START_LIMIT_S):
        """Until standard error matches; the match. An end before that is a failure with its reason."""
        seen = []

        def look():
            seen[:] = [re.search(pattern, self.err(), re.M)]
            return seen[0] or not self.running()

        wait_until(look, limit_s, lambda: f"`{pattern}` on stderr:\n{self.err()}")
        if seen[0] is None:
            raise AssertionError(f"weir ended before `{pattern}`: {self.finish()}")
        return seen[0]

    def url(self):
        """Of /metrics, as printed at start."""
        return self.wait_for(r"http://[\w.:\[\]]+/metrics").group()

    def metrics(self):
        """/metrics as {"name{labels}": value}."""
        lines = fetch(self.url()).splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def wait_for_metrics(self, ready, limit_s=START_LIMIT_S):
        """Until ready(metrics) is true; those metrics."""
        seen = {}

        def look():
            seen.clear()
            seen.update(self.metrics())
            return ready(seen)

        wait_until(look, limit_s, lambda: f"metrics that never came: {seen}\n{self.err()}")
        return dict(seen)

    def ask(self, request, limit_s=60):
        """`POST /control/…` or `GET /…` over the control socket, whose path the configuration does not name: status and
        answer, as from JSON."""
        method, target = request.split(" ", 1)
        connection = http.client.HTTPConnection("weir", timeout=limit_s)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(limit_s)
        try:
            connection.sock.connect(self.control)
            connection.request(method, target)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def how_it_is(self):
        """For whoever reads a failure: whether it runs, or how it ended, and what it said; of a sanitizer's report the
        beginning."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)  # whoever hung up on us may be dying
        code = self.process.poll()
        how = "runs" if code is None else f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        lines = self.err().splitlines()
        report = next((i for i, line in enumerate(lines) if re.search(r"Sanitizer|runtime error:", line)), len(lines))
        return "\n".join([f"--- {' '.join(self.process.args)}", f"--- {how}; stderr:", *lines[max(0, report - 20):][:50]])

    def terminate(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def finish(self, limit_s=START_LIMIT_S + 60):
        """Wait for the end by itself. One that does not come is killed, and a failure."""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"weir did not end within {limit_s} s:\n{self.err()[-6000:]}") from None
        return End(code, self.out(), self.err())

    def stop(self, limit_s=60):
        """SIGTERM, then the certificate."""
        self.terminate()
        return self.finish(limit_s)

    def close(self):
        if self.running():
            self.process.kill()
        self.process.wait()
        self.folder.cleanup()


@contextlib.contextmanager
def weir(text, *options, **named):
    process = Weir(text, *options, **named)
    try:
        yield process
    except unittest.SkipTest:
        raise
    except BaseException as error:
        error.add_note(process.how_it_is())
        raise
    finally:
        process.close()


def again_unless(good, take, times=5):
    """What take() has, and again while it is not good: the machine had something else to do. The last one is judged."""
    for _ in range(times):
        taken = take()
        if good(taken):
            break
    return taken


def run(text, *options, limit_s=START_LIMIT_S + 60, **named):
    """From start to its own end."""
    with weir(text, *options, **named) as process:
        return process.finish(limit_s)


# ---- small things ----

def wait_until(done, limit_s, what):
    """Poll; `what` is text, or a call that makes it, for the failure."""
    deadline = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s} s: {what() if callable(what) else what}")
        time.sleep(0.02)


def fetch(url, limit_s=60):
    with urllib.request.urlopen(url, timeout=limit_s) as reply:
        return reply.read().decode()


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def of_threads(pid, file):
    """{thread: what the file says in its folder}. Those that answer requests come and go meanwhile."""
    found = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(
                f"/proc/{pid}/task/{thread}/{file}", encoding="ascii") as says:
            found[int(thread)] = says.read().strip()
    return found


def threads(pid):
    """{thread: its name}"""
    return of_threads(pid, "comm")


HANG = """
import ctypes, os, sys
ptrace, all_threads = ctypes.CDLL(None).ptrace, 0x40000000
ptrace.argtypes = [ctypes.c_long] * 4
thread = int(sys.argv[1])
for request in (0x4206, 0x4207):  # SEIZE, INTERRUPT
    if ptrace(request, thread, 0, 0) != 0:
        sys.exit(1)
os.waitpid(thread, all_threads)
print("hangs", flush=True)
os.waitpid(thread, all_threads)
"""


def hang(pid, name):
    """The thread of that name stops where it is, as one that waits for a disk, until weir ends."""
    thread = next(thread for thread, named in threads(pid).items() if named == name)
    tracer = subprocess.Popen(["python3", "-c", HANG, str(thread)], stdout=subprocess.PIPE, text=True)
    if tracer.stdout.readline() != "hangs\n":
        raise unittest.SkipTest("needs ptrace")
    return tracer


# ---- captures ----

def read_capture(path):
    """Frames of a capture, as tshark sees them; a complaint of tshark is a failure."""
    done = subprocess.run(["tshark", "-n", "-r", path, "-F", "pcap", "-w", "-"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    said = [line for line in done.stderr.decode().splitlines() if not line.startswith("Running as user")]
    if done.returncode != 0 or said:
        raise AssertionError(f"tshark ended with {done.returncode} on {path}: {said}")
    frames, at = [], 24
    while at < len(done.stdout):
        captured = struct.unpack_from("=I", done.stdout, at + 8)[0]
        frames.append(done.stdout[at + 16:at + 16 + captured])
        at += 16 + captured
    return frames


def write_capture(path, frames, link_type=1):
    """A pcap of our own byte order."""
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, link_type))
        for number, frame in enumerate(frames):
            file.write(struct.pack("=IIII", number, 0, len(frame), len(frame)) + frame)


# ---- network namespaces ----

def call(*command):
    """The finished process, its output as text; the caller looks at the code."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def ip(*arguments):
    done = call("ip", *arguments)
    if done.returncode != 0:
        raise AssertionError(f"ip {' '.join(arguments)}: {done.stdout}")
    return done.stdout


class Namespace:
    """One end: a namespace with `eth0` and an address. Its other end is the interface `outer` here.

    close() and open() again: all of it was deleted and made anew."""

    serial = itertools.count()

    def __init__(self, address):
        number = f"{os.getpid()}-{next(self.serial)}"
        self.name, self.outer = f"weir-{number}", f"w{number}"
        self.full_address = address
        self.address = address.split("/", maxsplit=1)[0]
        self.open()

    def open(self):
        ip("netns", "add", self.name)
        try:
            self.ip("link", "set", "lo", "up")
            self.plug()
        except BaseException:
            self.close()
            raise

    def plug(self):
        """A new cable to the same card."""
        ip("link", "add", self.outer, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        self.ip("link", "set", "eth0", "address", "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split(".")))
        self.ip("addr", "add", self.full_address, "dev", "eth0")
        # Frames as a wire would carry them: whole, with their checksums, one MTU long.
        off = [word for offload in ("rx", "tx", "tso", "gso", "gro") for word in (offload, "off")]
        for done in (self.run("ethtool", "-K", "eth0", *off), call("ethtool", "-K", self.outer, *off)):
            if done.returncode != 0:
                raise AssertionError(f"ethtool: {done.stdout}")
        # The kernel's own chatter (router solicitation) is no part of a test that counts.
        with contextlib.suppress(OSError), open(
                f"/proc/sys/net/ipv6/conf/{self.outer}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
        ip("link", "set", self.outer, "up", "promisc", "on")
        self.ip("link", "set", "eth0", "up")

    def unplug(self):
        ip("link", "del", self.outer)

    # Not `ip netns exec`: that mounts a /sys of its own, which a chroot does not allow.
    def inside(self, *command):
        return [shutil.which("nsenter"), f"--net=/run/netns/{self.name}", *command]

    def ip(self, *arguments):
        done = call(*self.inside("ip", *arguments))
        if done.returncode != 0:
            raise AssertionError(f"ip {' '.join(arguments)} in {self.name}: {done.stdout}")

    def received(self):
        """Frames that arrived at eth0."""
        rows = json.loads(call(*self.inside("ip", "-j", "-s", "link", "show", "eth0")).stdout)
        return rows[0]["stats64"]["rx"]["packets"]

    def popen(self, *command, **named):
        return subprocess.Popen(self.inside(*command), stdin=subprocess.DEVNULL, **named)

    def run(self, *command, limit_s=60):
        """The finished process, its output as text; the caller looks at the code."""
        return call("timeout", "-k", "5", str(limit_s), *self.inside(*command))

    def close(self):
        """What still runs inside is ended by its id, then the namespace and with it the cable goes."""
        for pid in re.findall(r"^\d+$", call("ip", "netns", "pids", self.name).stdout, re.M):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        call("ip", "link", "del", self.outer)
        call("ip", "netns", "del", self.name)


@contextlib.contextmanager
def namespaces(*addresses):
    """One namespace an address, as in namespaces("10.77.0.1/24", "10.77.0.2/24"); only weir joins them."""
    with contextlib.ExitStack() as stack:
        made = []
        for address in addresses:
            namespace = Namespace(address)
            stack.callback(namespace.close)
            made.append(namespace)
        yield made
