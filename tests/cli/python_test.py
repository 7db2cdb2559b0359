"""Verifiers in Python from the outside, with the system's interpreter and nothing else: in runs, in rescore, as packages."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest
import xml.etree.ElementTree

from winnow_cli import TOY, CliTest

ID = "test.judge"
MANIFEST = """\
file_format = "1.0"
[package]
id = "test.judge"
version = "1.0.0"
summary = "For tests."
[abi]
major = 1
[[plugin]]
id = "test.judge"
kind = "verifier"
claims = { deterministic = true, batch_invariant = true }
OPTIONS
[[variant]]
file = "judge.py"
python = ">=3.11"
sha256 = "SHA256"
"""
OPTION = '[[plugin.option]]\nkey = "power"\ntype = "i64"\ndefault = 2\nmin = 1\nhelp = "Of the distance."\n'
HEAD = "from winnow_sdk import verifier\n@verifier(images='buffer')\n"
MEAN = """\
def pixels(image): return [x for plane in image.tolist() for row in plane for x in row]
def score(images, conditions, *, power: int = 2):
    return [-abs(sum(pixels(image)) / len(pixels(image)) - 0.5) ** power for image in images]
"""
MEAN = "from winnow_sdk import verifier\n" + MEAN.replace("def score", "@verifier(images='buffer')\ndef score")


class Python(CliTest):
    def setUp(self):
        super().setUp()
        self.environment["XDG_DATA_HOME"] = str(self.folder / "data")

    def judge(self, code=MEAN, options=OPTION, name="judge"):
        """A package; returns its folder."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "judge.py").write_text(code)
        sha256 = hashlib.sha256(code.encode()).hexdigest()
        (folder / "winnow-plugin.toml").write_text(MANIFEST.replace("OPTIONS", options).replace("SHA256", sha256))
        return folder

    def write_config(self, **execution):
        text = TOY.replace('"winnow.brightness"', f'"{ID}"\nisolate = "plugin"')
        self.write("run.toml", text.replace("[sampler]", "".join(f"{k} = {v}\n" for k, v in execution.items()) + "[sampler]"))

    def run_judge(self, code=MEAN, options=OPTION, *words, exit=0, **execution):
        """The summary of a run with the verifier in `code`, and what it wrote to stderr."""
        self.write_config(**execution)
        done = self.winnow("run", "run.toml", "--plugin", self.judge(code, options), "--out", "out", *words)
        self.assertEqual(done.returncode, exit, done)
        return json.loads((self.folder / "out/summary.json").read_text()), done.stderr

    def failures(self, body, *words, **execution):
        """Of a run whose verifier executes `body` for pictures whose first pixel is bright, as some are."""
        code = "import os, sys, time\n" + HEAD + "def score(images, conditions):\n" \
               f"    for image in images:\n        if image[0, 0, 0] > 0.56:\n            {body}\n    return [1] * len(images)\n"
        summary, stderr = self.run_judge(code, "", *words, **execution)
        failures = [failure["why"] for task in summary["tasks"] for failure in task.get("failures", [])]
        self.assertTrue(0 < len(failures) < summary["ledger"]["candidates"], summary)
        return failures, stderr

    def test_a_run_chooses_by_it_and_its_scores_are_those_of_the_same_formula_in_cpp(self):
        mine, stderr = self.run_judge()
        self.assertNotIn("warning", stderr)
        self.done("run", "toy.toml", "--out", "other", "--quiet")
        other = json.loads((self.folder / "other/summary.json").read_text())
        self.assertEqual([task["best"]["candidate"] for task in mine["tasks"]],
                         [task["best"]["candidate"] for task in other["tasks"]])
        for a, b in zip(mine["tasks"], other["tasks"]):
            self.assertAlmostEqual(a["scores"]["judge"], b["scores"]["brightness"], places=6)
        self.assertEqual(mine["ledger"]["candidates"], other["ledger"]["candidates"])

    def test_an_option_of_the_config_reaches_it(self):
        one, _ = self.run_judge()
        shutil.rmtree(self.folder / "out")
        two, _ = self.run_judge(MEAN, OPTION, "verifier.judge.power=1")
        for a, b in zip(one["tasks"], two["tasks"]):
            self.assertAlmostEqual(a["scores"]["judge"], -b["scores"]["judge"] ** 2, places=6)

    def test_options_are_checked_and_described_without_any_python(self):
        folder = self.judge()
        self.write_config()
        words = ["--plugin", folder]
        none = {"PATH": "/nowhere"}
        self.refused(2, "check", "run.toml", "verifier.judge.power=0", *words, says=["power", "of at least 1"], **none)
        self.refused(2, "check", "run.toml", 'verifier.judge.powr=2', *words, says=["did you mean 'power'?"], **none)
        self.done("check", "run.toml", *words, **none)
        self.assertIn("Of the distance.", self.done("plugins", "docs", ID, *words, **none).stdout)
        self.assertIn("power = 2", self.done("plugins", "info", ID, *words, **none).stdout)
        self.assertIn("is written in Python, and there is neither", self.done("plugins", "list", "--why", *words, **none).stdout)
        self.refused(3, "run", "run.toml", *words, says=["is written in Python", "data/winnow/python/test.judge", "PATH"], **none)

    def test_exceptions_fail_their_pictures_with_a_traceback_and_the_run_goes_on(self):
        failures, _ = self.failures("raise ValueError('too bright')")
        for why in failures:
            self.assertTrue(why.startswith("test.judge: ValueError: too bright\n  File \""), why)
            self.assertIn('judge.py", line 7, in score\n', why)

    def test_a_process_that_ends_fails_its_picture_and_comes_back(self):
        failures, stderr = self.failures("sys.stdout.write('last words'); os._exit(3)", restarts=1000)
        self.assertIn("exited with status 3 (last words: last words) in score, item ", failures[0])
        self.assertIn("wrote: last words", stderr)

    def test_a_crash_names_the_line_that_did_it(self):
        failures, _ = self.failures("import ctypes; ctypes.string_at(0)", "tasks.repeat=1", restarts=1000)
        self.assertRegex(failures[0], r'killed by SIGSEGV \(last words: File ".*ctypes/__init__.py", line \d+ in string_at\) in score')

    def test_previews_reach_it(self):
        code = "from winnow_sdk import verifier\n@verifier(images='buffer', preview_time=0.9)\n" \
               "def score(images, conditions, previews):\n" \
               "    assert [a.shape for a in images] == [b.shape for b in previews]\n" \
               "    assert images[0].tolist() != previews[0].tolist()\n    return [1] * len(images)\n"
        summary, _ = self.run_judge(code, "")
        self.assertEqual([task.get("failures", []) for task in summary["tasks"]], [[]] * 4)

    def test_check_proves_and_refutes_what_it_claims(self):
        def verdict(test, code):
            done = self.winnow("plugins", "check", self.judge(code, ""), "--only", test, "--reproduce", 1, "--json")
            (result,) = json.loads(done.stdout)["results"]
            self.assertEqual(done.returncode, 3 * (result["outcome"] == "failed"), done)
            return result["outcome"], result.get("text", "")
        good = HEAD + "def score(images, conditions): return [image[0, 0, 0] for image in images]\n"
        first = good.replace("image[0, 0, 0]", "images[0][0, 0, 0]")
        counts = "calls = []\n" + HEAD + "def score(images, conditions):\n    calls.append(0)\n    return [len(calls)] * len(images)\n"
        alone = HEAD + "def score(images, conditions):\n    if len(images) > 1: raise RuntimeError('my batch path is broken')\n" \
            "    return [images[0][0, 0, 0]]\n"
        dies = "import os\n" + HEAD + "def score(images, conditions): os._exit(3)\n"
        for test, bad, says in [("batch-invariant", first, "it claims to be batch invariant, but"),
                                ("deterministic", counts, "it claims to be deterministic, but"),
                                ("batch-sizes", alone, "none of its pictures alone, so 4 calls were made for it: RuntimeError: my batch"),
                                ("scores-finite", dies, "exited with status 3 in score"),
                                ("loads", "1 / 0\n", "test.judge: ZeroDivisionError")]:
            with self.subTest(test):
                self.assertEqual(verdict(test, good)[0], "passed")
                outcome, text = verdict(test, bad)
                self.assertEqual(outcome, "failed")
                self.assertIn(says, text)

    def test_one_fault_is_one_failure_that_says_what_python_said(self):
        folder = self.judge(HEAD + "def score(images, conditions):\n    raise ValueError('never\\x07 ready')\n", "")
        done = self.winnow("plugins", "check", folder, "--reproduce", 1, "--level", 10, "--junit", "junit.xml")
        self.assertEqual(done.returncode, 3, done)
        failed, what, where, line = done.stdout[done.stdout.index("failed   "):].splitlines()[:4]
        self.assertRegex(failed, "^failed   test.judge: scores-finite ")
        self.assertEqual((what, line), ("         it takes no picture: ValueError: never? ready", " " * 13 + "raise ValueError('never\\x07 ready')"))
        self.assertIn('judge.py", line 4, in score', where)
        self.assertRegex(done.stdout, r"\ntest\.judge: [1-9][0-9] tests were skipped, since `scores-finite` failed\n.*, 1 failed \(")
        value = json.loads(self.winnow("plugins", "check", folder, "--reproduce", 1, "--json").stdout)
        (text,) = [one["text"] for one in value["results"] if one["outcome"] == "failed"]
        self.assertIn("never? ready\n  File ", text)
        (failure,) = xml.etree.ElementTree.parse(self.folder / "junit.xml").getroot().iter("failure")
        self.assertEqual(failure.get("message"), text)

    def test_a_manifest_with_a_mistake_is_shown_as_it_is_written(self):
        manifest = self.judge() / "winnow-plugin.toml"
        manifest.write_text(manifest.read_text().replace("summary = ", "sumary = "))
        done = self.winnow("plugins", "check", manifest.parent, "--level", 1)
        self.assertIn('\n         5 | sumary = "For tests."\n', done.stdout)

    def test_what_it_may_not_reach_it_does_not_reach(self):
        secret = self.write("secret.txt", "secret")
        tries = [f"open({str(secret)!r})", "open('/etc/passwd')", f"open({str(self.folder / 'new.txt')!r}, 'w')",
                 "__import__('socket').socket()", "__import__('os').fork()", "__import__('subprocess').run(['/bin/true'])",
                 "__import__('os').execv('/proc/self/exe', ['python3'])",
                 "__import__('os').kill(__import__('os').getppid(), 0)"]
        code = "from winnow_sdk import verifier\nimport os\nreached = []\n" + "".join(
            f"try:\n    {one}\n    reached.append({one!r})\nexcept OSError: pass\n" for one in tries)
        code += "@verifier(images='buffer')\ndef score(images, conditions):\n    assert not reached, reached\n" \
                "    assert 'SECRET' not in os.environ and 'HOME' not in os.environ, os.environ\n    return [1] * len(images)\n"
        self.environment["SECRET"] = "1"
        summary, stderr = self.run_judge(code, "")
        self.assertEqual([task.get("failures", []) for task in summary["tasks"]], [[]] * 4, stderr)
        self.assertFalse((self.folder / "new.txt").exists())

    def test_a_call_that_takes_too_long_is_ended_and_named(self):
        failures, _ = self.failures("time.sleep(1000)", "tasks.classes=[0]", call_timeout=1, restarts=1000)
        self.assertIn("did not come back from score within 1 s", failures[0])

    def test_ctrl_c_ends_a_call_at_once_and_the_run_can_go_on(self):
        marker = "import time\n" + MEAN.replace("    return", "    print('scoring')\n    time.sleep(60)\n    return")
        self.write_config()
        child = self.start("run", "run.toml", "--plugin", self.judge(marker), "--out", "out")
        deadline = time.monotonic() + 60
        while not (self.folder / "out/journal").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        child.wait(timeout=50)
        self.assertLess(time.monotonic() - begin, 40)
        self.assertEqual(child.returncode, 130, child.communicate())

    def test_it_is_never_in_winnows_own_process(self):
        self.write_config()
        self.refused(3, "run", "run.toml", 'verifier.judge.isolate="none"', "--plugin", self.judge(),
                     says=["is written in Python, which does not run in winnow's process", 'isolate = "plugin"'])

    def test_code_other_than_the_manifests_is_refused_and_what_does_not_load_says_why(self):
        self.write_config()
        folder = self.judge()
        (folder / "judge.py").write_text(MEAN + "\n")
        self.refused(3, "run", "run.toml", "--plugin", folder, says=["judge.py: its sha256 is", "the file is damaged"])
        self.refused(3, "run", "run.toml", "--plugin", self.judge(MEAN.replace("power: int = 2", "power: int = 3")),
                     says=["test.judge: option 'power' is 3 by default in the code, 2 in the manifest"])
        done = self.refused(3, "run", "run.toml", "--plugin", self.judge("import not_there\n"),
                            says=["No module named 'not_there'", "the environment of /"])
        self.assertIn("judge.py\", line 1", done.stderr)

    def test_an_environment_of_its_own_comes_before_the_path(self):
        environment = self.folder / f"data/winnow/python/{ID}"
        base = next(path for folder in os.environ["PATH"].split(":")
                    if (path := pathlib.Path(folder) / "python3").exists() and path.read_bytes()[:4] == b"\x7fELF")
        subprocess.run([base, "-m", "venv", "--without-pip", environment], check=True)
        library = next(environment.glob("lib/python3*/site-packages"))
        (library / "only_there.py").write_text("x = 4\n")
        code = "import only_there\n" + HEAD + "def score(images, conditions): return [only_there.x] * len(images)\n"
        summary, _ = self.run_judge(code, "")
        self.assertEqual(summary["tasks"][0]["scores"]["judge"], 4)
        inspected = self.json("plugins", "inspect", self.folder / "judge")
        self.assertEqual(inspected["libraries"][0]["interpreter"], str(environment / "bin/python3"))
        (environment / "bin/python3").unlink()
        shutil.rmtree(self.folder / "out")
        self.refused(3, "run", "run.toml", "--plugin", self.folder / "judge", "--out", "out", says=["has no interpreter bin/python3"])

    def test_a_package_is_inspected_packed_installed_verified_locked_and_rescores(self):
        folder = self.judge()
        (folder / "judge.py").write_text(MEAN + "# newer\n")
        packed = self.json("plugins", "pack", folder, "--out", "p.tar.gz")
        self.assertEqual((packed["manifest_changed"], packed["files"]), (True, ["judge.py", "winnow-plugin.toml"]))
        inspected = self.json("plugins", "inspect", "p.tar.gz")
        self.assertTrue(inspected["intact"])
        self.assertEqual(self.done("plugins", "pack", folder, "--out", "again.tar.gz").stderr, "")
        self.assertEqual(inspected["libraries"][0]["python"], ">=3.11")
        text = self.done("plugins", "inspect", "p.tar.gz").stdout
        self.assertIn("Python >=3.11", text)
        self.assertNotIn("no ELF", text)
        checked = self.json("plugins", "check", folder)
        self.assertEqual(checked["exit"], 0)
        by_name = {one["test"]: one for one in checked["results"]}
        self.assertEqual(by_name["hashes-and-sizes"]["outcome"], "passed")
        self.assertEqual(by_name["one-symbol"]["outcome"], "skipped")
        self.assertIn("is written in Python", by_name["one-symbol"]["text"])
        self.assertEqual(by_name["batch-invariant"]["outcome"], "passed")
        self.done("plugins", "install", "p.tar.gz")
        self.environment["WN_ADD_PLUGIN_PATH"] = self.environment.pop("WN_PLUGIN_PATH")
        self.done("plugins", "verify")
        self.done("run", "toy.toml", 'output.keep="all"', "--out", "out")
        value = self.json("rescore", "out", "--verifier", ID)
        self.assertEqual((value["samples"], value["failed"], value["changed"]), (32, 0, 0))
        self.assertGreater(value["rank_correlation"]["brightness"]["over_all"], 0.99)
        self.write_config()
        self.done("run", "run.toml", "--out", "mine")
        self.assertIn(ID, self.done("verify", "mine").stdout)
        self.done("plugins", "lock", ID)
        self.assertIn(ID, (self.folder / "winnow-plugins.lock").read_text())


if __name__ == "__main__":
    unittest.main()
