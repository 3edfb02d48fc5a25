#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The flows of captures as weir and as softflowd with nfdump see them.

    scripts/bench softflowd [--json] [--list] CAPTURE…

Needs Debian's packages softflowd and nfdump. All time-outs are a day, so that a flow is what its key says: VLAN, protocol, the two
addresses and ports. softflowd exports NetFlow 9 to nfcapd; each of its records, and each direction of one of weir's that has
packets, is one way of a flow. Two are the same if key and packets are. Ports of ICMP, where softflowd puts type and code, are not looked at.
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from suite import Failed, main

PORT = 39995
DAY = [f"-t{name}=86400" for name in ("tcp", "tcp.rst", "tcp.fin", "udp", "icmp", "general", "maxlife")]
ICMP = ("1", "58")


def of_weir(run, capture, folder):
    file = os.path.join(folder, "weir.jsonl")
    text = (f"version: 1\nlisten: off\nmemory: normal\nlog: error\nexports: {{flows: {{file: {json.dumps(file)}}}}}\n"
            f"ports: {{in: {{file: {json.dumps(os.path.abspath(capture))}}}}}\n"
            "pools: {all: {from: [in], stages: [validate, {meter: {idle: 24h, active: 24h, tcp-end: 24h, records: flows}}, sink]}}\n")
    end = run.weir(text)
    ways, flows = collections.Counter(), 0
    with open(file, encoding="utf-8") as lines:
        for r in map(json.loads, lines):
            flows += 1
            for i in (0, 1):
                if r["packets"][i]:
                    ways[key(r["vlan"], r["protocol"], r["address"][i], r["port"][i], r["address"][1 - i], r["port"][1 - i])] += r["packets"][i]
    return ways, flows, end["dropped"]


def key(vlan, protocol, source, source_port, target, target_port):
    ports = ("0", "0") if str(protocol) in ICMP else (str(source_port), str(target_port))
    return (str(vlan), str(protocol), source, ports[0], target, ports[1])


def of_softflowd(capture, folder):
    collected = os.path.join(folder, "nfcapd")
    os.mkdir(collected)
    with subprocess.Popen(["nfcapd", "-l", collected, "-p", str(PORT), "-b", "127.0.0.1", "-t", "3600", "-B", "4000000"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as collector:
        try:
            bound, limit = f":{PORT:04X} ", time.monotonic() + 10
            while bound not in open("/proc/net/udp", encoding="ascii").read():  # pylint: disable=consider-using-with
                if time.monotonic() > limit:
                    raise Failed("nfcapd does not listen")
                time.sleep(0.05)
            said = subprocess.run(["softflowd", "-d", "-r", capture, "-n", f"127.0.0.1:{PORT}", "-v9", "-T", "vlan", "-m", "1000000", *DAY,
                                   "-texpint=0", "-c", "none", "-p", os.path.join(folder, "pid")], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False).stdout
            time.sleep(0.3)
        finally:
            collector.terminate()
    dump = subprocess.run(["nfdump", "-R", collected, "-q", "-N", "-6", "-o", "fmt:%svln,%pr,%sa,%sp,%da,%dp,%pkt"], stdout=subprocess.PIPE,
                          text=True, check=False).stdout
    ways, records = collections.Counter(), 0
    for line in dump.splitlines():
        f = [part.strip() for part in line.split(",")]
        if len(f) == 7:
            records += 1
            ways[key(*f[:3], f[3].split(".")[0], f[4], f[5].split(".")[0])] += int(f[6])
    sent = re.search(r"\((\d+) records\)", said)
    ignored = re.search(r"Ignored packets: (\d+)", said)
    if sent is None or int(sent.group(1)) != records:
        return None, said
    return ways, int(ignored.group(1)) if ignored else 0


def measure(run):
    rows, only = [], []
    for capture in run.given.captures:
        name = os.path.basename(capture)
        run.tell(name)
        with tempfile.TemporaryDirectory(prefix="weir-softflowd-") as folder:
            ours, flows, dropped = of_weir(run, capture, folder)
            theirs, ignored = of_softflowd(capture, folder)
        if theirs is None:
            rows.append({"file": name, "flows": flows, "error": ignored.strip().splitlines()[-1] if ignored.strip() else "no answer"})
            continue
        same = sum(theirs.get(k) == n for k, n in ours.items())
        rows.append({"file": name, "flows": flows, "ways": len(ours), "softflowd": len(theirs), "same": same, "dropped": dropped,
                     "ignored": ignored})
        if run.given.list:
            only += [f"{name}: {who}: {' '.join(k)}: {n} packets" for who, mine, other in (("weir", ours, theirs), ("softflowd", theirs, ours))
                     for k, n in sorted(mine.items()) if other.get(k) != n]
    return {"rows": rows, "only_one": only}


def report(result):
    columns = ("flows", "ways", "softflowd", "same", "dropped", "ignored")
    return {"tables": [("", ["capture", *columns], [[r["file"], *(str(r.get(c, "")) for c in columns)] for r in result["rows"]])],
            "lines": [f"{r['file']}: softflowd: {r['error']}" for r in result["rows"] if "error" in r] + result["only_one"]}


def options(parser):
    parser.add_argument("captures", nargs="+", metavar="CAPTURE")
    parser.add_argument("--list", action="store_true", help="what only one of them has")


if __name__ == "__main__":
    sys.exit(main("softflowd", __doc__, measure, report, add=options))
