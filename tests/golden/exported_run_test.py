"""winnow.exported from the command line: a program runs only where somebody allowed it; isolation changes no result.

exported_run_test.py BUILD SOURCE: with a committed bundle and any Python.
"""
import json
import os
import pathlib
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile

BUILD, SOURCE = map(pathlib.Path, sys.argv[1:3])
RUN = """[run]
deterministic = true
[budget]
candidates = 3
[tasks]
prompts = ["a red circle"]
[sampler]
plugin = "winnow.exported"
bundle = "flux"
steps = 2
threads = 1
[[verifier]]
plugin = "winnow.brightness"
[search]
plugin = "winnow.random"
"""


def winnow(*words):
    done = subprocess.run([BUILD / "bin/winnow", *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def refused(status, says, *words):
    found, text = winnow(*words)
    text = " ".join(text.split())
    assert found == status and says in text, (words, found, text)
    return text


def done(*words):
    status, text = winnow(*words)
    assert status == 0, (words, status, text)
    return text


def best(run):
    """The recipe of the best candidate, and its sample's hash and scores."""
    task = json.loads((pathlib.Path(run) / "summary.json").read_text())["tasks"][0]
    return task["best"], task["hash"], task["scores"]


def size(picture):
    """(width, height) of a PNG"""
    return struct.unpack(">II", pathlib.Path(picture).read_bytes()[16:24])


def a_video_is_searched():
    """Its frames lie side by side in the pictures."""
    shutil.copytree(SOURCE / "tests/golden/bundles/ltx", "ltx")
    video = ["sampler.bundle=ltx", "sampler.trust=full", "search.plugin=winnow.zero_order"]
    done("run", "run.toml", *video, "--out", "video", "--quiet")
    assert best("video") and size("video/samples/t00000-best.png") == (5 * 32, 32)
    assert size("video/gallery.png")[0] > 2 * 5 * 32  # the first and the best one
    done("run", "run.toml", *video, "sampler.frames=2", "--out", "two", "--quiet")
    assert size("two/samples/t00000-best.png") == (2 * 32, 32)
    refused(2, "frames is 6, the videos have 5", "run", "run.toml", *video, "sampler.frames=6", "--out", "six")


def a_study_has_a_row_for_each_budget():
    """And goes on with the bundle that its runs were made with."""
    pathlib.Path("study.toml").write_text("""[study]
name = "curve"
base = "run.toml"
seeds = [1]
[[sweep]]
label = "best of N"
set = { "output.keep" = "all" }
axes = [{ key = "budget.candidates", values = [3, 1] }]
""")
    assert "2 made, 0 were finished, 2 in the table" in done("study", "study.toml", "--out", "studies", "--progress", "none")
    assert "0 made, 2 were finished, 2 in the table" in done("study", "study.toml", "--out", "studies", "--progress", "none")
    os.rename("winnow-plugins.lock", "kept.lock")
    refused(3, "option bundle of winnow.exported names a program", "study", "study.toml", "--out", "unlocked")
    os.rename("kept.lock", "winnow-plugins.lock")


def as_advised(text):
    """Allows a program with the command that a refusal prints."""
    words = " ".join(text.split()).split("allow exactly this one: winnow ")[1].split("; or whatever")[0]
    done(*shlex.split(words))


def what_overrides_and_studies_name_is_locked_as_the_refusal_says():
    shutil.copytree("flux", "another one")
    toml = pathlib.Path("another one/bundle.toml")
    toml.write_text(toml.read_text().replace("steps = ", "steps  = "))
    other = 'sampler.bundle="another one"'
    kept = pathlib.Path("winnow-plugins.lock").read_text()
    as_advised(refused(3, "names a program", "check", "run.toml", other))
    done("check", "run.toml", other)
    pathlib.Path("winnow-plugins.lock").write_text(kept)
    pathlib.Path("bundles.toml").write_text("""[study]
name = "bundles"
base = "run.toml"
seeds = [1]
[[sweep]]
label = "x"
axes = [{ key = "sampler.bundle", values = ["flux", "another one"] }]
""")
    as_advised(refused(3, "names a program", "study", "bundles.toml", "--plan"))
    done("study", "bundles.toml", "--plan")
    pathlib.Path("winnow-plugins.lock").write_text(kept)


def main():
    shutil.copytree(SOURCE / "tests/golden/bundles/flux", "flux")
    pathlib.Path("run.toml").write_text(RUN)
    # Nobody has allowed it.
    for verb in ("run", "check", "plan"):
        text = refused(3, "option bundle of winnow.exported names a program", verb, "run.toml")
    assert 'trust = "full"' in text and "winnow plugins lock run.toml" in text, text
    assert not pathlib.Path("runs").exists()
    done("run", "run.toml", "sampler.trust=full", "--out", "trusted", "--quiet")
    # Isolated, it does the same.
    done("run", "run.toml", "sampler.trust=full", "sampler.isolate=plugin", "--out", "isolated", "--quiet")
    assert best("trusted") == best("isolated"), (best("trusted"), best("isolated"))
    a_video_is_searched()
    # By the lock.
    assert "flux" in done("plugins", "lock", "run.toml")
    lock = pathlib.Path("winnow-plugins.lock").read_text()
    assert lock.count("[[code]]") == 1 and 'name = "flux"' in lock, lock
    done("plugins", "lock", "run.toml")
    assert pathlib.Path("winnow-plugins.lock").read_text() == lock
    done("run", "run.toml", "--out", "locked", "--quiet")
    assert best("locked") == best("trusted")
    a_study_has_a_row_for_each_budget()
    what_overrides_and_studies_name_is_locked_as_the_refusal_says()
    # A run directory may go on with what it was made with, and with nothing else.
    done("show", "locked", "best")
    # Any prompt is encoded on the way; what is not seen of it is said, and isolation changes nothing.
    long = 'tasks.prompts=["a red square, ' + "naïve 東京, " * 9 + '"]'
    assert "is longer than the 16 tokens of tokenizer.json" in " ".join(done(
        "run", "run.toml", long, "--out", "other").split())
    assert "is longer than the 16 tokens" in " ".join(done(
        "run", "run.toml", long, "sampler.isolate=plugin", "--out", "other-isolated").split())
    assert best("other") == best("other-isolated") != best("trusted")
    # Without text encoders, what is not encoded is found out before anything is spent.
    refused(2, "the prompt 'a red square' is not among the 2", "run", "run.toml", 'tasks.prompts=["a red square"]',
            f"sampler.bundle={SOURCE}/tests/golden/bundles/sd15", "sampler.trust=full", "--out", "none")
    # Any change of it, though bundle.toml agrees, is another program.
    toml = pathlib.Path("flux/bundle.toml")
    toml.write_text(toml.read_text().replace("steps = ", "steps =  "))
    refused(3, "is not in", "run", "run.toml", "--out", "changed")
    for verb in (["show", "locked", "best"], ["verify", "locked"], ["run", "locked"]):
        refused(2, "is not what the run in", *verb)
    with open("flux/denoiser.pt", "ab") as file:
        file.write(b" ")
    refused(2, "denoiser.pt is not the file that was exported", "run", "run.toml", "sampler.trust=full", "--out", "changed")
    refused(2, "expected", "check", "run.toml", "sampler.trust=half")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.environ.update(OMP_NUM_THREADS="1", XDG_DATA_HOME=folder + "/data", XDG_CACHE_HOME=folder + "/cache")
    main()
print("allowed, isolated and refused as expected")
