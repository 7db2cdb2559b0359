"""The five commands of docs/bring-your-model.md lead from a diffusers directory to a scaling curve.

bring_your_model_test.py BUILD SOURCE: run by CTest with the Python of .venv. The commands are read out of the page; the pipeline
is a tiny one of the real classes, exported for small pictures and as TorchScript, for compiling takes longer than all the rest
and has a test of its own. Without diffusers it is skipped.
"""
import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BUILD, SOURCE = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
try:
    import diffusers  # noqa: F401
    import transformers  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}; ./dev setup installs it where there is a network")
    sys.exit(77)
import tiny_pipelines  # noqa: E402

HEADING = "## From a diffusers directory to a scaling curve"
FOLDER = "configs/bring-your-model"


def commands():
    page = (SOURCE / "docs/bring-your-model.md").read_text()
    block = re.search(r"```sh\n(.*?)```", page[page.index(HEADING):], re.DOTALL).group(1)
    lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) == 5, f"the page has {len(lines)} commands, expected five: {lines}"
    assert "export_diffusers.py PIPELINE_DIR " in lines[0], lines[0]
    small = "--format torchscript --height 16 --width 16 --text-length 16"
    lines[0] = lines[0].replace("PIPELINE_DIR", f"pipeline {small}")
    return lines


def run(line):
    """With `python` and `winnow` those of the test."""
    path = f"{BUILD / 'bin'}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    nothing_else = {"XDG_DATA_HOME": os.getcwd() + "/data", "XDG_CACHE_HOME": os.getcwd() + "/cache"}  # no plugins of the developer's
    done = subprocess.run(["bash", "-ec", line], env=dict(os.environ, PATH=path, **nothing_else), capture_output=True, text=True)
    print(f"$ {line}\n{done.stdout[-1500:]}")
    assert done.returncode == 0, f"{line} ended with {done.returncode}: {done.stderr[-3000:]}"


def check_results():
    summary = json.loads(pathlib.Path("first/summary.json").read_text())
    prompts = pathlib.Path(FOLDER, "prompts.txt").read_text().splitlines()
    assert len(summary["tasks"]) == len(prompts) and all(task["best"] for task in summary["tasks"]), summary
    with open("curve/bring-your-model/summary.csv") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["budget.candidates"]))
    assert [row["budget.candidates"] for row in rows] == ["1", "2", "4", "8", "16"], rows
    means, costs = ([float(row[column]) for row in rows] for column in ("sharpness_mean", "total_nfe"))
    # The best of more of the same candidates is never worse, and sixteen cost sixteen times as much as one.
    assert means == sorted(means) and means[0] < means[-1] and costs[-1] == 16 * costs[0], (means, costs)
    assert "<svg" in pathlib.Path("curve/bring-your-model/curve.svg").read_text()


with tempfile.TemporaryDirectory() as temporary:
    os.chdir(temporary)
    shutil.copytree(SOURCE / FOLDER, FOLDER, ignore=shutil.ignore_patterns("*.bundle", "*.lock"))
    pathlib.Path("examples").symlink_to(SOURCE / "examples")
    tiny_pipelines.make("flux", "pipeline")
    for command in commands():
        run(command)
    check_results()
