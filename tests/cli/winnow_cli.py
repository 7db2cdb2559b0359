"""What the tests of the command line share: the program, toy configs, scratch folders. Standard library only.

The environment names what is tested: WINNOW (the program), WN_TEST_PLUGINS (the folder of the toy plugins) and
WN_PLUGINS (the folder of the shipped ones).
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["WINNOW"]
TEST_PLUGINS = pathlib.Path(os.environ["WN_TEST_PLUGINS"])
PLUGINS = pathlib.Path(os.environ["WN_PLUGINS"])

TOY = """\
[run]
name = "toy"
seed = 1
deterministic = true
[budget]
nfe = 64
[tasks]
classes = [0, 1]
repeat = 2
[execution]
isolate = "none"
[sampler]
plugin = "winnow.toy.sampler"
[[verifier]]
plugin = "winnow.brightness"
[search]
plugin = "winnow.random"
"""
# Long enough to be stopped in the middle, by a factor of many.
LONG = ["budget.nfe=400000", "sampler.size=16"]


class CliTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="winnow-cli-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.config = self.write("toy.toml", TOY)
        # Nothing of the user's own reaches the tests.
        self.environment = {"PATH": os.environ["PATH"], "HOME": folder.name, "LC_ALL": "C.UTF-8",
                            "WN_PLUGIN_PATH": f"{PLUGINS}:{TEST_PLUGINS}", "TERM": "xterm"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def winnow(self, *words, **environment):
        return subprocess.run([PROGRAM, *map(str, words)], cwd=self.folder, env=self.environment | environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)

    def refused(self, code, *words, says=(), **environment):
        """Runs a command that must fail with `code`, print no result, and say all of `says` on stderr."""
        done = self.winnow(*words, **environment)
        self.assertEqual(done.returncode, code, done)
        if "--json" not in words:
            self.assertEqual(done.stdout, "")
        for text in says:
            self.assertIn(text, done.stderr)
        self.assertNotIn("terminate called", done.stderr)
        return done

    def done(self, *words, **environment):
        """Runs a command that must succeed."""
        done = self.winnow(*words, **environment)
        self.assertEqual(done.returncode, 0, done)
        return done

    def json(self, *words, **environment):
        """The one object that a command prints under --json; its exit code is the process's."""
        done = self.winnow(*words, "--json", **environment)
        value = json.loads(done.stdout)
        self.assertIsInstance(value, dict)
        stated = value.get("error", value).get("exit")
        if stated is not None or done.returncode:
            self.assertEqual(stated, done.returncode, done)
        return value

    def start(self, *words):
        """A command in the background, killed at the end of the test. Ctrl-C reaches it even where the test's parent
        ignores it."""
        child = subprocess.Popen([PROGRAM, *map(str, words)], cwd=self.folder, env=self.environment,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

        def end():
            if child.poll() is None:
                child.kill()
            child.communicate()

        self.addCleanup(end)
        return child

    def wait_until_busy(self, child, run):
        """Returns once `child` has finished a candidate of the run directory `run`, which may be a function that looks
        for it."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if child.poll() is not None:
                self.fail(f"it ended too early, with {child.returncode}: {child.communicate()}")
            directory = run() if callable(run) else self.folder / run
            if directory and (directory / "run.toml").exists():
                state = self.json("status", directory)
                if state.get("candidates_done"):
                    return state
            time.sleep(0.02)
        self.fail("the run does not start")

    def package(self, name, id):
        """A copy of a package that tests may damage, in a folder of its own; returns the package's folder."""
        source = next(root / id for root in (PLUGINS, TEST_PLUGINS) if (root / id).is_dir())
        return pathlib.Path(shutil.copytree(source, self.folder / name / id))


def only(folder, ending):
    found = [path for path in folder.iterdir() if path.name.endswith(ending)]
    assert len(found) == 1, found
    return found[0]
