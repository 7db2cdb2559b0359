"""winnow plugins check: every test fails on an animal that makes just that mistake, and on no sound one; the words of the
verb. The environment names what is tested: WINNOW (the program), ZOO (packages), ZOO_LIBRARIES (libraries)."""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = os.environ["WINNOW"]
ZOO = pathlib.Path(os.environ["ZOO"])
LIBRARIES = pathlib.Path(os.environ["ZOO_LIBRARIES"])

# Test -> the library of LIBRARIES on which it must fail (or warn).
OF_LIBRARIES = {
    "one-symbol": "extra_symbol", "needed-once": "two_openmps", "one-openmp": "two_openmps",
    "no-static-tls": "static_tls", "no-fast-math": "fast_math", "loads": "magic", "matches-manifest": "other_version", "options-match": "other_options",
    "provides-all": "no_interface", "unknown-interfaces": "any_interface", "provides-no-more": "hidden_interface",
    "interfaces-constant": "changing_interface", "handshake": "takes_all", "handshake-in-bounds": "writes_beyond",
    "load-time": "slow", "load-starts-no-thread": "starts_thread", "load-keeps-state": "changes_folder",
}
# Test -> what is changed in the package of the sound library.
OF_MANIFESTS = {
    "manifest-parses": ("[package]", "[package"), "ids-and-versions": ('version = "1.0.0"', 'version = "01.0.0"'),
    "fits-this-host": ('os = "linux"', 'os = "linux"\narch = "riscv64"'),
    "hashes-and-sizes": ('sha256 = "', 'sha256 = "00'),  # replaced whole below
    "glibc-declared": ('os = "linux"', 'os = "linux"\nlibc = "glibc>=2.1"'),
    "explained": ('summary = "A test."\n', ''),
}
# Test -> plugin, flaw.
OF_INSTANCES = {
    "create": ("zoo.verifier", "create_fails"), "two-instances": ("zoo.verifier", "global"),
    "destroy-at-once": ("zoo.verifier", "destroy_unused"), "any-thread": ("zoo.verifier", "thread_local"),
    "option-limits": ("zoo.verifier", "limits"), "concurrent-instances": ("zoo.verifier", "not_thread_safe"),
    "state-kept": ("zoo.verifier", "umask"), "prints-nothing": ("zoo.verifier", "prints"),
    "cancelled": ("zoo.verifier", "sleeps"), "shutdown": ("zoo.verifier", "shutdown"),
    "state-round-trip": ("zoo.set", "state"), "odd-options": ("zoo.verifier", "texts"),
    "threads-joined": ("zoo.verifier", "thread"), "create-memory": ("zoo.verifier", "leak_create"),
    "another-process": ("zoo.verifier", "environment"), "use-memory": ("zoo.verifier", "leak_score"),
    "scores-finite": ("zoo.verifier", "nan"), "info-sane": ("zoo.verifier", "flags"),
    "batch-sizes": ("zoo.verifier", "batch"), "info-in-bounds": ("zoo.verifier", "info_beyond"),
    "plain-pictures": ("zoo.verifier", "black"), "inputs-read-only": ("zoo.verifier", "writes_inputs"),
    "outputs-in-bounds": ("zoo.verifier", "writes_beyond"), "empty-batch": ("zoo.verifier", "empty"),
    "odd-conditions": ("zoo.verifier", "class"), "pointers-not-kept": ("zoo.verifier", "keeps"),
    "odd-pixels": ("zoo.verifier", "spreads"), "odd-sizes": ("zoo.verifier", "size"),
    "byte-offset": ("zoo.verifier", "offset"), "claims-agree": ("zoo.verifier", "claims"),
    "features": ("zoo.verifier", "features"), "set-level": ("zoo.set", "reset"),
    "previews": ("zoo.verifier", "previews"), "deterministic": ("zoo.verifier", "counts"),
    "batch-invariant": ("zoo.verifier", "order"), "gradient": ("zoo.verifier", "gradient"),
    "reentrant": ("zoo.verifier", "reentrant"),
    "search-ends": ("zoo.search", "endless"), "search-lawful": ("zoo.search", "ids"),
    "search-best": ("zoo.search", "best"), "search-max-n": ("zoo.search", "max_n"),
    "search-replay": ("zoo.search", "clock"), "search-failures": ("zoo.search", "failures"),
    "search-all-fail": ("zoo.search", "all_fail"), "search-interrupted": ("zoo.search", "leftovers"),
    "search-small-budgets": ("zoo.search", "small"), "search-ranked": ("zoo.search", "ranked"),
    "search-task-seed": ("zoo.search", "seed"), "search-no-gradients": ("zoo.search", "gradients"),
    "search-best-is-best": ("zoo.search", "worst"),
    "sampler-info": ("zoo.sampler", "schedule"), "sampler-path": ("zoo.sampler", "nan"),
    "sampler-legs": ("zoo.sampler", "legs"), "sampler-same-noise": ("zoo.sampler", "no_noise"),
    "sampler-info-in-bounds": ("zoo.sampler", "info_beyond"), "sampler-preview": ("zoo.sampler", "preview"),
    "sampler-read-only": ("zoo.sampler", "writes_times"), "sampler-carry": ("zoo.sampler", "carry"),
    "sampler-noise": ("zoo.sampler", "draws"), "sampler-empty-batch": ("zoo.sampler", "empty"),
    "sampler-odd-conditions": ("zoo.sampler", "class"), "sampler-claims-agree": ("zoo.sampler", "claims"),
    "sampler-neighbours": ("zoo.sampler", "neighbours"), "sampler-mixed-times": ("zoo.sampler", "mixed"),
    "sampler-renoise": ("zoo.sampler", "renoise"), "sampler-gradient": ("zoo.sampler", "gradient"),
}


class Check(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="winnow-check-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.environment = {"PATH": os.environ["PATH"], "HOME": folder.name, "LC_ALL": "C.UTF-8", "WN_PLUGIN_PATH": str(ZOO),
                            "OMP_WAIT_POLICY": "PASSIVE"}

    def winnow(self, *words):
        return subprocess.run([PROGRAM, *map(str, words)], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=240)

    def check(self, *words, seed=1):
        done = self.winnow("plugins", "check", *words, "--json", "--reproduce", seed)
        value = json.loads(done.stdout)
        self.assertNotIn("error", value, done)
        self.assertEqual(done.returncode, 3 if value["failed"] else 0, done)
        return value

    def result(self, test, *words, seed=1):
        results = self.check(*words, "--only", test, seed=seed)["results"]
        self.assertEqual({each["test"] for each in results}, {test})
        return results[0]

    def package(self, library, change=None):
        """A package of one library, with a change in its manifest's text."""
        folder = self.folder / library
        folder.mkdir(exist_ok=True)
        code = (LIBRARIES / f"{library}.so").read_bytes()
        (folder / "plugin.so").write_bytes(code)
        text = ('file_format = "1.0"\n[package]\nid = "test.plugin"\nversion = "1.0.0"\nsummary = "A test."\n'
                'license = "Apache-2.0"\n[abi]\nmajor = 1\nneeds_minor = 0\nbuilt_minor = 0\n[[plugin]]\nid = "test.plugin"\n'
                'kind = "verifier"\nsummary = "A test."\nprovides = ["wn.verifier/1"]\n[[variant]]\nfile = "plugin.so"\n'
                f'sha256 = "{hashlib.sha256(code).hexdigest()}"\nsize = {len(code)}\nos = "linux"\n')
        if change:
            self.assertIn(change[0], text)
            text = text.replace(*change)
        (folder / "winnow-plugin.toml").write_text(text)
        return folder


class ZooTest(Check):
    def test_every_test_is_in_one_of_the_tables(self):
        listed = [test["name"] for test in json.loads(self.winnow("plugins", "check", "--list", "--json").stdout)["tests"]]
        self.assertEqual(sorted(listed), sorted([*OF_LIBRARIES, *OF_MANIFESTS, *OF_INSTANCES]))
        self.assertGreaterEqual(len(listed), 40)

    def test_the_sound_animals_pass_every_test(self):
        for package in ("zoo.verifier", "zoo.search", "zoo.sampler"):
            for each in self.check(ZOO / package, "--level", 10)["results"]:
                with self.subTest(package=package, test=each["test"]):
                    self.assertIn(each["outcome"], ("passed", "skipped"), each)
        self.assertEqual(self.result("previews", "zoo.verifier", "preview_time=0.5")["outcome"], "passed")
        for test in (*OF_LIBRARIES, *OF_MANIFESTS):
            with self.subTest(test=test):
                self.assertEqual(self.result(test, self.package("none"))["outcome"], "passed")

    def test_every_test_of_a_library_fails_on_one_with_that_flaw(self):
        for test, library in OF_LIBRARIES.items():
            with self.subTest(test=test):
                found = self.result(test, self.package(library))
                self.assertEqual(found["outcome"], "failed", found)
                self.assertTrue(found["text"])

    def test_every_test_of_a_manifest_fails_on_one_with_that_flaw(self):
        for test, change in OF_MANIFESTS.items():
            with self.subTest(test=test):
                folder = self.package("none", change if test != "hashes-and-sizes" else None)
                if test == "hashes-and-sizes":
                    with open(folder / "plugin.so", "ab") as library:
                        library.write(b"x")
                found = self.result(test, folder)
                self.assertEqual(found["outcome"], "warned" if test == "explained" else "failed", found)

    def test_every_test_of_instances_fails_on_one_with_that_flaw(self):
        for test, (plugin, flaw) in OF_INSTANCES.items():
            with self.subTest(test=test):
                found = self.result(test, plugin, f'flaw="{flaw}"')
                self.assertEqual(found["outcome"], "failed", found)
                self.assertTrue(found["text"])


class CrashesTest(Check):
    def test_crashes_exits_and_hangs_are_results(self):
        self.assertIn("exit(0)", self.result("scores-finite", "zoo.verifier", 'flaw="exits"')["text"])
        self.assertIn("SIGSEGV while", self.result("inputs-read-only", "zoo.verifier", 'flaw="writes_inputs"')["text"])
        hang = self.result("scores-finite", "zoo.verifier", 'flaw="hangs"', "--timeout", 1)
        self.assertIn("not over after 1 s, while", hang["text"])

    def test_what_depends_on_what_failed_is_skipped_and_says_so(self):
        for flaw, failed, words in (("create_fails", "create", ()), ("create_crashes", "create", ()),
                                    ("hangs", "scores-finite", ("--timeout", 0.5)), ("exits", "scores-finite", ())):
            with self.subTest(flaw=flaw):
                results = self.check("zoo.verifier", f'flaw="{flaw}"', "--level", 10, *words)["results"]
                self.assertEqual([each["test"] for each in results if each["outcome"] == "failed"], [failed])
                skipped = [each for each in results if each["text"] == f"`{failed}` failed"]
                self.assertGreater(len(skipped), 20)
                self.assertEqual({each["outcome"] for each in skipped}, {"skipped"})
                outcomes = {each["test"]: each["outcome"] for each in results}
                self.assertEqual(outcomes["provides-all"], "passed")  # needs no instance
                self.assertEqual(outcomes["info-in-bounds"], "passed" if failed != "create" else "skipped")

    def test_results_are_printed_as_they_come(self):
        words = [PROGRAM, "plugins", "check", "zoo.verifier", 'flaw="hangs_later"', "--level", "2"]
        child = subprocess.Popen(words, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(child.stdout.close)
        line = child.stdout.readline()
        self.assertIsNone(child.poll())  # it hangs in the next test
        child.kill()
        child.wait()
        self.assertIn("info-sane", line)

    def test_a_reader_that_has_seen_enough_is_no_error(self):
        words = [PROGRAM, "plugins", "check", "zoo.verifier", 'flaw="flags"', "--level", "3", "--verbose"]
        child = subprocess.Popen(words, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        child.stdout.readline()
        child.stdout.close()
        self.assertEqual(child.stderr.read(), "")
        child.stderr.close()
        self.assertEqual(child.wait(), 3)

    def test_failures_without_a_sound_text_and_unknown_statuses_are_found(self):
        self.assertIn("no UTF-8: gr??", self.result("create", "zoo.verifier", 'flaw="latin"')["text"])
        self.assertIn("without a text", self.result("create", "zoo.verifier", 'flaw="silent"')["text"])
        self.assertIn("7777", self.result("create", "zoo.verifier", 'flaw="status"')["text"])


class BeastsTest(Check):
    """tests/broken/beasts.cpp: what the host itself must survive, check must find before."""
    TOLERATED = {"many texts"}  # winnow.h: later ones become notes

    def failed(self, beast, flaw):
        value = self.check(f"test.beast.{beast}", f'flaw="{flaw}"', "--plugin", os.environ["BEASTS"], "--timeout", 6)
        return {each["test"] for each in value["results"] if each["outcome"] == "failed"}

    def test_beasts_are_caught(self):
        source = pathlib.Path(os.environ["BEASTS_SOURCE"]).read_text()
        parts = re.split(r"// ---- the (verifier|search|sampler)", source)
        for beast, part in zip(parts[1::2], parts[2::2]):
            flaws = set(re.findall(r'is\("([^"]+)"\)', part))
            self.assertGreater(len(flaws), 10)
            before = self.failed(beast, "")  # the sampler has no use for noise, which is a flaw
            for flaw in flaws - self.TOLERATED:
                with self.subTest(beast=beast, flaw=flaw):
                    self.assertTrue(self.failed(beast, flaw) - before)


class ReportsTest(Check):
    def test_the_seed_is_printed_and_taken_again(self):
        done = self.winnow("plugins", "check", "zoo.search", "--level", 1)
        self.assertEqual(done.returncode, 0, done)
        seed = done.stdout.rsplit("seed ", 1)[1].split(")")[0]
        again = self.winnow("plugins", "check", "zoo.search", "--level", 1, "--reproduce", seed)
        self.assertEqual(again.stdout.splitlines()[-1], done.stdout.splitlines()[-1])

    def test_the_same_seed_gives_the_same_inputs(self):
        first, again, other = (self.result("batch-invariant", "zoo.verifier", 'flaw="order"', seed=seed)["text"]
                               for seed in (5, 5, 6))
        self.assertIn("picture scores", first)
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_one_test_of_one_plugin_runs_again_as_the_summary_says(self):
        done = self.winnow("plugins", "check", ZOO / "zoo.verifier", 'flaw="nan"', "--level", 1)
        again = [line.split()[2:] for line in done.stdout.splitlines() if line.startswith("that again: ")]
        self.assertEqual([words[1] for words in again], ["zoo.verifier:scores-finite", "zoo.set:scores-finite"])
        once_more = self.winnow("plugins", "check", ZOO / "zoo.verifier", 'flaw="nan"', "--json", *again[1])
        value = json.loads(once_more.stdout)
        self.assertEqual([(each["subject"], each["outcome"]) for each in value["results"]], [("zoo.set", "failed")])
        self.assertEqual(str(value["seed"]), again[1][3])

    def test_junit_holds_every_result(self):
        value = self.check("zoo.verifier", 'flaw="nan"', "--level", 2, "--junit", self.folder / "junit.xml")
        root = xml.etree.ElementTree.parse(self.folder / "junit.xml").getroot()
        cases = list(root.iter("testcase"))
        self.assertEqual(len(cases), len(value["results"]))
        self.assertEqual(len(list(root.iter("failure"))), value["failed"])
        self.assertGreater(value["failed"], 0)

    def test_in_process_gives_the_same_results(self):
        apart = self.check("zoo.search", "--level", 4)
        within = self.check("zoo.search", "--level", 4, "--in-process")
        outcomes = [[each["outcome"] for each in value["results"] if each["subject"] != "package"] for value in (apart, within)]
        self.assertEqual(*outcomes)

    def test_a_verifier_of_few_words_is_asked_for_what_it_knows(self):
        without = self.result("scores-finite", "zoo.verifier", 'flaw="vocabulary"')
        self.assertEqual(without["outcome"], "failed")
        self.assertIn("it takes no picture: expected 'two circles'", without["text"])
        self.assertIn("--prompt", without["text"])
        value = self.check("zoo.verifier", 'flaw="vocabulary"', "--level", 10, "--prompt", "two circles")
        self.assertEqual([each for each in value["results"] if each["outcome"] == "failed"], [])

    def test_a_verifier_that_refuses_all_for_several_reasons_is_quoted_with_each(self):
        text = self.result("scores-finite", "zoo.verifier", 'flaw="picky"')["text"]
        self.assertEqual(text.splitlines()[1:], [
            "of every shape without a prompt: it needs a prompt",
            "of 1x28x28 with the prompt 'a red apple on a table'; 1x28x28 with the prompt 'a red circle': it wants colours",
            "of 3x32x32, 3x64x64, 3x224x224, 3x512x512 with the prompt 'a red apple on a table'; 3x32x32, 3x64x64, 3x224x224, "
            "3x512x512 with the prompt 'a red circle': it does not know the word 'red'"])
        self.assertEqual(self.result("scores-finite", "zoo.verifier", 'flaw="circles"')["outcome"], "passed")

    def test_a_test_that_is_killed_leaves_no_files(self):
        self.environment["TMPDIR"] = str(self.folder)
        self.assertEqual(self.result("odd-options", "zoo.verifier", 'flaw="texts"')["outcome"], "failed")
        self.assertEqual(list(self.folder.glob("winnow-check-*")), [])

    def test_mistakes_on_the_command_line_come_with_a_suggestion(self):
        for words, says in ((["zoo.serch"], "zoo.search"), (["zoo.search", "--only", "search-end"], "search-ends"),
                            (["zoo.search", "flow=1"], "flaw"),
                            (["zoo.search", "--only", "zoo.sot:search-ends"], "zoo.search"), ([self.folder], "is no package"), ([], "which package"),
                            (["zoo.search", "--level", "11"], "--level"), (["zoo.verifier", "--shape", "3x"], "3x64x64")):
            with self.subTest(words=words):
                done = self.winnow("plugins", "check", *words)
                self.assertEqual(done.returncode, 2, done)
                self.assertIn(says, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"] + sys.argv[1:])
