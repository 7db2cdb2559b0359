"""Binary plugins of every release run on this host as they did when they were built: corpus_test.py [record].

The environment's WINNOW is the program. `record` writes RELEASE/golden.json where there is none: what a host of that release
makes of its binaries. Numbers are compared exactly; the plugins compute with + - x / and sqrt in double only.
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
RELEASES = sorted(path.parent for path in HERE.glob("*/SHA256SUMS"))

HEAD = """
[run]
seed = 11
deterministic = true
[budget]
nfe = 96
[tasks]
classes = [0, 3, 8]
"""
SAMPLER = '[sampler]\nplugin = "corpus.{}.sampler"\n'
SEARCH = '[search]\nplugin = "corpus.{}.search"\n'
VERIFIER = '[[verifier]]\nplugin = "corpus.{}.{}"\nname = "{}"\n'


ISOLATE = "none", "plugin", "instance"


def verifiers(*names: str, kind: str = "verifier") -> str:
    text = ""
    for name in names:
        text += VERIFIER.format(name, kind, name)
        if name.startswith("c_"):
            text += 'file = "run.toml"\nflip = true\nshift = 1\n'
    return text


RUNS = {
    "C alone, by gcc": HEAD + SAMPLER.format("c_gcc") + verifiers("c_gcc") + SEARCH.format("c_gcc"),
    "C alone, by clang": HEAD + SAMPLER.format("c_clang") + verifiers("c_clang") + SEARCH.format("c_clang"),
    "all verifiers at once": HEAD + SAMPLER.format("c_gcc") + SEARCH.format("c_gcc") + '[selection]\nrule = "mean-rank"\n'
    + verifiers("c_gcc", "c_clang", "cpp_shared", "cpp_static", "rust"),
    "C++ with the shared library": HEAD + SAMPLER.format("c_gcc") + SEARCH.format("cpp_shared") + verifiers("cpp_shared"),
    "C++ with a library of its own": HEAD + SAMPLER.format("c_clang") + SEARCH.format("cpp_static")
    + verifiers("cpp_static", "rust") + '[selection]\nrule = "weighted-sum"\n',
    "gradients, shared": HEAD + SAMPLER.format("c_gcc") + SEARCH.format("cpp_shared") + "gradients = true\n"
    + verifiers("cpp_shared", kind="slope"),
    "gradients, of its own": HEAD + SAMPLER.format("c_clang") + SEARCH.format("cpp_static") + "gradients = true\n"
    + verifiers("cpp_static", kind="slope"),
}


def outcome(release: pathlib.Path, config: str, isolate: str) -> dict:
    """What a run gives that may never change, or the last words of a run that failed."""
    with tempfile.TemporaryDirectory(prefix="winnow-corpus-") as folder:
        (pathlib.Path(folder) / "run.toml").write_text(config + f'[execution]\nisolate = "{isolate}"\n')
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "WN_PLUGIN_PATH": str(release)}
        done = subprocess.run([os.environ["WINNOW"], "run", "run.toml", "--out", "out", "--progress", "none"], cwd=folder,
                              env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
        if done.returncode:
            return {"exit": done.returncode, "stderr": done.stderr}
        summary = json.loads((pathlib.Path(folder) / "out/summary.json").read_text())
    ledger = summary["ledger"]
    return {
        "ledger": {key: ledger[key] for key in ("search_nfe", "backward_nfe", "candidates", "failed_candidates")},
        "tasks": [{"path": [step["id"] for step in task["best"]["path"]], "scores": task["scores"], "hash": task["hash"],
                   "first": task.get("first", {}).get("scores")} for task in summary["tasks"]],
    }


class Corpus(unittest.TestCase):
    maxDiff = None

    def test_there_is_a_release_and_all_are_small(self):
        self.assertTrue(RELEASES)
        size = sum(path.stat().st_size for release in RELEASES for path in release.glob("*/plugin.so"))
        self.assertLess(size, 2_000_000)

    def test_the_binaries_are_those_that_were_built(self):
        for release in RELEASES:
            sums = [line.split() for line in (release / "SHA256SUMS").read_text().splitlines() if not line.startswith("#")]
            kept = {name: digest for digest, name in sums if name.endswith("/plugin.so")}
            found = {f"{release.name}/{path.parent.name}/plugin.so": hashlib.sha256(path.read_bytes()).hexdigest()
                     for path in release.glob("*/plugin.so")}
            self.assertEqual(found, kept)

    def test_each_run_gives_what_it_gave(self):
        for release in RELEASES:
            golden = json.loads((release / "golden.json").read_text())
            self.assertEqual(set(golden), set(RUNS))
            for name, config in RUNS.items():
                for isolate in ISOLATE:
                    with self.subTest(f"{release.name}: {name}", isolate=isolate):
                        self.assertEqual(outcome(release, config, isolate), golden[name])


def record() -> None:
    for release in RELEASES:
        golden = release / "golden.json"
        if golden.exists():
            print(f"{golden}: is there already")
            continue
        outcomes = {name: outcome(release, config, ISOLATE[0]) for name, config in RUNS.items()}
        for name, found in outcomes.items():
            if "exit" in found:
                sys.exit(f"{release.name}: {name}: {found['stderr']}")
        golden.write_text(json.dumps(outcomes, indent=1) + "\n")


if __name__ == "__main__":
    record() if sys.argv[1:] == ["record"] else unittest.main()
