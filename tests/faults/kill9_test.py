#!/usr/bin/env python3
"""kill9.py against small programs that behave like "winnow run": a good one must pass, and each bad
one must be caught. A journal line stands for a record: "done I" after sample I."""
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent

PROGRAM = '''\
#!{python} -S
import json, os, sys, time
assert sys.argv[1] == "run" and sys.argv[3] == "--out"
out, flaw = sys.argv[4], "{flaw}"
os.makedirs(out + "/samples", exist_ok=True)
begin = time.monotonic()
# Longer than the start, which on a busy machine takes long: else no kill hits the work.
born = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
nap = max(0.005, (time.clock_gettime(time.CLOCK_BOOTTIME) - born) / 2)
journal = open(out + "/journal", "a+")
journal.seek(0)
lines = journal.read().splitlines(keepends=True)
if flaw == "resumed" and lines:
    sys.exit(5)
whole = [line for line in lines if line.endswith("\\n")]
if len(whole) < len(lines):
    journal.truncate(sum(map(len, whole)))
done = set(map(int, whole))
nfe = len(lines) * 26 if flaw != "nfe" else 0
for i in range(12):
    if i in done and flaw != "twice":
        continue
    time.sleep(nap)
    with open(f"{{out}}/.tmp", "w") as f:
        f.write(f"sample {{i}}" + (str(os.getpid()) if flaw == "bytes" else ""))
    os.rename(f"{{out}}/.tmp", f"{{out}}/samples/{{i}}.png")
    journal.write(f"{{i}}\\n")
    journal.flush()
    nfe += 26
if flaw == "extra" and lines:
    open(out + "/samples/extra.png", "w").close()
summary = {{"ledger": {{"search_nfe": nfe, "recomputed_nfe": len(lines),
                       "seconds": time.monotonic() - begin}},
           "tasks": [{{"best": 3, "seconds": os.getpid()}}]}}
if flaw == "best" and lines:
    summary["tasks"][0]["best"] = 4
with open(out + "/summary.tmp", "w") as f:
    json.dump(summary, f)
os.rename(out + "/summary.tmp", out + "/summary.json")
'''


def kill9(flaw, *options):
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "winnow"
        program.write_text(PROGRAM.format(python=sys.executable, flaw=flaw))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return subprocess.run(
            [sys.executable, HERE / "kill9.py", program, "run.toml", "--kills", "8",
             "--kills-per-run", "4", "--work", pathlib.Path(folder) / "work", *options],
            capture_output=True, text=True, timeout=100)


class Kill9Test(unittest.TestCase):
    def test_a_program_that_goes_on_properly_passes(self):
        result = kill9("none")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertRegex(result.stdout, r"^\d+ kills, \d+ runs, all identical\n$")
        self.assertGreaterEqual(int(result.stdout.split()[0]), 8)

    def test_bad_programs_are_caught_by_what_they_do(self):
        for flaw, words in {
            "nfe": "ledger.search_nfe: 312 ->",
            "twice": "ledger.search_nfe: 312 ->",
            "bytes": "other bytes",
            "extra": "samples/extra.png: only in the disturbed run",
            "best": "summary.json.tasks[0].best: 3 -> 4",
        }.items():
            with self.subTest(flaw):
                result = kill9(flaw)
                self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
                self.assertIn(words, result.stdout)
                self.assertIn("different from the undisturbed run", result.stdout)

    def test_a_program_that_refuses_to_go_on_is_reported_with_its_exit_code(self):
        result = kill9("resumed")
        self.assertEqual(result.returncode, 2)
        self.assertIn("exit code 5, expected 0", result.stderr)

    def test_a_field_may_be_ignored(self):
        result = kill9("best", "--ignore", "best")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
