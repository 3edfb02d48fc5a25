# SPDX-License-Identifier: BSD-3-Clause
"""weir document completion: the script that bash completes by offers what the tables have, and nothing else."""
import re
import subprocess
import unittest

import lab

VARIANTS = ("release", "asan")
COMPLETE = """
source <("$1" document completion)
COMP_WORDBREAKS=$2 COMP_LINE=$3 COMP_POINT=${#3}
_weir
[[ ${#COMPREPLY[@]} -eq 0 ]] || printf '%s\\n' "${COMPREPLY[@]}"
"""
KEYS_OF_LOG = ["error", "warning", "notice", "info", "debug"]


def weir(*arguments):
    return subprocess.run([lab.WEIR, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)


@lab.needs_program("bash")
class Completion(unittest.TestCase):
    def offered(self, line, breaks=" \t\n=:"):
        done = subprocess.run(["bash", "-c", COMPLETE, "bash", lab.WEIR, breaks, line], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=60, cwd=lab.EXAMPLES, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), line)
        return done.stdout.split()

    def test_the_line_decides(self):
        for line, offered in (
                ("weir ru", ["run"]),
                ("weir document c", ["config", "completion"]),
                ("weir run --j", ["--json"]),
                ("weir run --progress ", []),
                ("weir run --json la", ["lab.yaml"]),
                ("weir check --print lab.yaml ca", ["capture.yaml"]),
                ("weir check --set mem", ["memory="]),
                ("weir check --set memory=", ["auto", "hugepages", "shared", "normal"]),
                ("weir run --json --set=log=", KEYS_OF_LOG),
                ("weir run --set seed=", []),
                ("weir run --set po", ["ports.", "pools."]),
                ("weir nonsense ", []),
                ("weir version ", [])):
            self.assertEqual(self.offered(line), offered, line)

    def test_where_the_shell_does_not_cut_at_equals_signs_the_whole_word_is_given_back(self):
        self.assertEqual(self.offered("weir run --set log=", " \t\n"), ["log=" + word for word in KEYS_OF_LOG])
        self.assertEqual(self.offered("weir run --set=log=de", " \t\n"), ["--set=log=debug"])

    def test_verbs_are_those_of_help(self):
        self.assertEqual(sorted(self.offered("weir ")), sorted(["help", *re.findall(r"^  (\w+) ", weir("--help").stdout, re.M)]))

    def test_options_are_those_of_help_and_of_the_parser(self):
        for verb in ("run", "check", "plan", "flows"):
            options = self.offered(f"weir {verb} -")
            self.assertEqual(options, re.findall(r"^  (--[\w-]+)", weir(verb, "--help").stdout, re.M))
            for option in options:
                self.assertNotIn("unrecognized", weir(verb, option).stderr)

    @lab.needs_program("shellcheck")
    def test_the_script_is_clean(self):
        done = subprocess.run(["shellcheck", "--shell=bash", "-"], input=weir("document", "completion").stdout, stdout=subprocess.PIPE,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
