# SPDX-License-Identifier: BSD-3-Clause
"""weir check: the mistakes of a file without a machine, what is in effect and why, and the schema for editors."""
import glob
import json
import os
import re
import subprocess
import tempfile
import unittest

import lab

VARIANTS = ("release", "asan")
FILES = sorted(glob.glob(os.path.join(lab.EXAMPLES, "*.yaml")))

# Debian's interpreter has Debian's modules; the one that runs this may be another.
VALIDATE = """
import json, sys, yaml, jsonschema
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
jsonschema.Draft202012Validator.check_schema(validator.schema)
print(json.dumps([[e.message for e in validator.iter_errors(yaml.safe_load(open(f)))] for f in sys.argv[2:]]))
"""

GOOD = """version: 1
cpus: "0-3,!2"
listen: "[::1]:0"
ports:
  a: {generator: {flows: 64k, size: 64-1500, rate: 1.5Mpps}}
  b: {vdev: "net_null0,size=60"}
pools:
  in: {from: [a, b], stages: [validate, {admit: {per: port, rate: max}}]}
  out:
    from: [in]
    shard-by: flow
    on-full: drop
    stages: [meter, {sink: {check: order}}]
"""


def check(*arguments, text=None):
    return subprocess.run([lab.WEIR, "check", *arguments], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False)


class Check(unittest.TestCase):
    def test_every_example_is_fine(self):
        done = check(*FILES)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(done.stdout.splitlines()), len(FILES))

    def test_all_mistakes_of_all_files_in_one_run(self):
        with tempfile.TemporaryDirectory() as folder:
            names = [os.path.join(folder, name) for name in ("a.yaml", "b.yaml", "c.yaml")]
            for name, text in zip(names, (GOOD.replace("flows", "flow"), GOOD, GOOD.replace("drop", "dorp").replace("1.5M", "1.5Q"))):
                with open(name, "w", encoding="utf-8") as file:
                    file.write(text)
            done = check(*names)
        self.assertEqual(done.returncode, 78)
        self.assertEqual(done.stdout, f"{names[1]}: fine: 2 ports, 2 pools\n")
        places = [re.match(r"(.*?):(\d+):(\d+): ", line).groups() for line in done.stderr.splitlines()]
        self.assertEqual(places, [(names[0], "5", "19"), (names[2], "5", "52"), (names[2], "12", "14")], done.stderr)

    def test_wrong_use_is_64(self):
        for words in ((), ("--schema", "x"), ("--print", *FILES[:2]), ("--set", "a=b", *FILES[:2]), ("--nonsense",)):
            done = check(*words)
            self.assertEqual((done.returncode, done.stdout), (64, ""), words)
            self.assertIn("weir check --help", done.stderr)

    def test_what_is_printed_is_the_same_configuration(self):
        for name, text in [(f, None) for f in FILES] + [("-", GOOD)]:
            once = check("--print", name, text=text)
            self.assertEqual((once.returncode, once.stderr), (0, ""), name)
            twice = check("--print", "-", text=once.stdout)
            self.assertEqual((twice.returncode, twice.stderr), (0, ""), once.stdout)
            said = [re.sub(r"\s*# .*", "", out) for out in (once.stdout, twice.stdout)]
            self.assertEqual(said[0], said[1], name)

    def test_each_value_names_its_origin(self):
        done = check("--print", "--set", "pools.out.depth=64", "--set", "ports.c.file=x.pcap", "-",
                     text=GOOD.replace("  b: ", "  c: {file: y.pcap}\n  b: ").replace("[a, b]", "[a, b, c]"))
        said = re.sub(r" +# ", " # ", done.stdout)
        self.assertIn('cpus: "0-3,!2" # -:2:7\n', said)
        self.assertIn("depth: 64 # --set pools.out.depth=64\n", said)
        self.assertIn("memory: auto # default\n", said)
        self.assertIn('vdev: "net_null0,size=60" # -:7:13\n', said)
        self.assertIn("path: x.pcap # --set ports.c.file=x.pcap\n", said)

    def test_a_set_map_is_read_and_its_mistake_has_the_set_as_its_place(self):
        done = check("--print", "--set", "ports.b={generator: {flows: 3}}", "-", text=GOOD)
        self.assertRegex(done.stdout, r"generator:\n +flows: 3 +# --set ports.b={generator: {flows: 3}}\n")
        done = check("--set", "ports.b={generator: {flows: none}}", "-", text=GOOD)
        self.assertEqual(done.returncode, 78)
        self.assertRegex(done.stderr, r"^--set ports.b: flows `none` .*\n$")

    def test_a_device_string_is_checked_at_its_place(self):
        for device, what in (("net_af_packet0,iface=lo,framesz=4096", "framesz=4096"), ("/dev/eth1", "is no device")):
            done = check("-", text=GOOD.replace("net_null0,size=60", device))
            self.assertEqual(done.returncode, 78)
            self.assertRegex(done.stderr, f"^<stdin>:6:13: .*{what}.*; allowed: .*\\n$")
            done = check("--set", "ports.b.vdev=" + device, "-", text=GOOD)
            self.assertRegex(done.stderr, f"^--set ports.b.vdev: .*{what}")
        for kind, text, what in (("pci", "3b:00.0", "is no PCI address"), ("pci", "0000:3b:00.0 ", None), ("interface", "a" * 16, "is no name"),
                                 ("pci", "0000:3b:00.00", "is no PCI address"), ("interface", "../x", "is no name")):
            done = check("-", text=GOOD.replace('vdev: "net_null0,size=60"', f"{kind}: {text}"))
            self.assertEqual(done.returncode, 78 if what else 0, done.stderr)
            self.assertRegex(done.stderr, f"^<stdin>:6:{7 + len(kind) + 2}: .*{what}.*; allowed: .*\\n$" if what else "^$")

    def test_a_full_disk_is_not_silent(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([lab.WEIR, "check", "--schema"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 71, done.stderr)


class Schema(unittest.TestCase):
    def errors(self, *texts):
        with tempfile.TemporaryDirectory() as folder:
            schema = os.path.join(folder, "schema.json")
            said = check("--schema")
            self.assertEqual((said.returncode, said.stderr), (0, ""))
            with open(schema, "w", encoding="utf-8") as file:
                file.write(said.stdout)
            names = []
            for text in texts:
                names.append(os.path.join(folder, f"{len(names)}.yaml"))
                with open(names[-1], "w", encoding="utf-8") as file:
                    file.write(text)
            done = subprocess.run(["/usr/bin/python3", "-c", VALIDATE, schema, *names], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_it_takes_what_weir_takes(self):
        texts = [GOOD]
        for name in FILES:
            with open(name, encoding="utf-8") as file:
                texts.append(file.read())
        for text, errors in zip(texts, self.errors(*texts)):
            self.assertEqual(errors, [], text)

    def test_it_refuses_what_weir_refuses(self):
        wrong = [GOOD.replace(*pair) for pair in (
            ("flows", "flow"), ("1.5Mpps", "1.5"), ("64-1500", "64-15OO"), ("drop", "dorp"), ("version: 1", "version: 2"),
            ("per: port", "per: prot"), ("shard-by: flow", "shard-by: flow\n    depth: 7"), ("stages: [meter,", "stages: [metre,"),
            ("  out:", "  o ut:"), ('{vdev: "net_null0,size=60"}', "{}"), ("from: [in]", "from: in"))]
        for text, errors in zip(wrong, self.errors(*wrong)):
            self.assertTrue(errors, text)
            self.assertEqual(check("-", text=text).returncode, 78, text)

    def test_it_has_every_key_of_the_reference(self):
        with open(os.path.join(lab.ROOT, "docs", "config.md"), encoding="utf-8") as file:
            keys = set(re.findall(r"^\| `([a-z-]+)` \| [a-z]+ \|", file.read(), re.M))
        there = set()

        def collect(node):
            if isinstance(node, dict):
                there.update(node.get("properties", {}))
                for value in node.values():
                    collect(value)
            elif isinstance(node, list):
                for value in node:
                    collect(value)

        collect(json.loads(check("--schema").stdout))
        self.assertGreater(len(keys), 20)
        self.assertLessEqual(keys, there)


if __name__ == "__main__":
    unittest.main()
