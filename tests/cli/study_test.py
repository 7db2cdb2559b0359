"""Studies from the outside: runs, tables, going on after a stop, mistakes."""
import csv
import json
import os
import pathlib
import re
import signal
import sqlite3
import time
import unittest

from winnow_cli import PLUGINS, CliTest

PAPER = pathlib.Path(__file__).parents[2] / "configs/paper"

STUDY = """\
[study]
name = "tiny"
base = "toy.toml"
seeds = [1, 2]
[[sweep]]
label = "best of N"
axes = [{ key = "search.candidates", values = [1, 2, 4], quick = [1, 2] }]
[[figure]]
file = "score.svg"
x = "total_nfe"
y = "brightness_mean"
[quick]
seeds = [1]
set = { "tasks.repeat" = 1 }
"""

COMPARE = """\
[[compare]]
of = "search.candidates"
against = 1
metrics = ["brightness_mean"]
"""


class Studies(CliTest):
    def setUp(self):
        super().setUp()
        self.study = self.write("study.toml", STUDY)

    def table(self, name="table.csv", study="tiny"):
        with (self.folder / "studies" / study / name).open(newline="") as file:
            return list(csv.DictReader(file))

    def test_a_study_ends_with_tables_and_figures(self):
        self.write("study.toml", STUDY + COMPARE)
        done = self.done("study", "study.toml", "--progress", "none")
        for text in ("6 made, 0 were finished, 6 in the table", "tiny/table.csv", "tiny/score.svg"):
            self.assertIn(text, done.stdout)
        rows = self.table()
        self.assertEqual([row["search.candidates"] for row in rows], ["1", "1", "2", "2", "4", "4"])
        self.assertEqual([row["seed"] for row in rows], ["1", "2"] * 3)
        summary = self.table("summary.csv")
        self.assertEqual([row["seeds"] for row in summary], ["2"] * 3)
        self.assertLess(float(summary[0]["brightness_mean"]), float(summary[2]["brightness_mean"]))
        differences = self.table("differences.csv")
        self.assertEqual([row["search.candidates"] for row in differences], ["2", "4"])
        better = float(summary[2]["brightness_mean"]) - float(summary[0]["brightness_mean"])
        self.assertAlmostEqual(float(differences[1]["difference"]), better)
        self.assertIn("## Differences", (self.folder / "studies/tiny/summary.md").read_text())
        for row in rows:
            self.assertEqual(float(row["total_nfe"]), float(row["search_nfe"]) + float(row["final_nfe"]))
            self.assertTrue((self.folder / "studies" / row["run"] / "summary.json").is_file())
        database = sqlite3.connect(self.folder / "studies/tiny/table.sqlite")
        self.addCleanup(database.close)
        self.assertEqual(database.execute("SELECT count(*), max(\"search.candidates\") FROM points").fetchone(), (6, 4))
        self.assertEqual(database.execute("SELECT count(*) FROM summary").fetchone(), (3,))

    def test_a_finished_study_makes_nothing_and_its_table_is_rebuilt(self):
        self.done("study", "study.toml")
        before = (self.folder / "studies/tiny/table.csv").read_bytes()
        (self.folder / "studies/tiny/table.csv").unlink()
        again = self.json("study", "study.toml")["studies"][0]
        self.assertEqual((again["made"], again["were_finished"], again["rows"]), (0, 6, 6))
        self.assertEqual((self.folder / "studies/tiny/table.csv").read_bytes(), before)
        (self.folder / "studies/tiny/table.csv").unlink()
        self.done("study", "study.toml", "--table")
        self.assertEqual((self.folder / "studies/tiny/table.csv").read_bytes(), before)

    def test_the_plan_is_what_is_walked(self):
        plan = self.json("study", "study.toml", "--plan")["studies"][0]
        self.assertEqual((plan["runs"], plan["finished"], plan["exact"]), (6, 0, True))
        self.assertFalse((self.folder / "studies").exists())
        self.done("study", "study.toml")
        walked = sum(float(row["walked_nfe"]) * int(row["tasks"]) for row in self.table())
        self.assertEqual(plan["nfe"], walked)
        self.assertEqual(self.json("study", "study.toml", "--plan")["studies"][0]["finished"], 6)

    def test_quick_is_a_small_study_of_its_own(self):
        self.done("study", "study.toml", "--quick")
        rows = self.table(study="tiny-quick")
        self.assertEqual([(row["search.candidates"], row["tasks"]) for row in rows], [("1", "2"), ("2", "2")])

    def test_studies_share_the_runs_they_have_in_common(self):
        self.write("other.toml", STUDY.replace("tiny", "other").replace("[1, 2, 4]", "[2, 8]"))
        both = self.json("study", "study.toml", "other.toml")["studies"]
        self.assertEqual([(one["made"], one["were_finished"]) for one in both], [(6, 0), (2, 2)])
        self.refused(2, "study", "study.toml", "study.toml", says=["both called 'tiny'"])

    def test_one_sweep_alone(self):
        self.write("two.toml", STUDY + '[[sweep]]\nlabel = "worst"\nset = { "search.candidates" = 1 }\n')
        self.assertEqual(self.json("study", "two.toml", "--only", "worst")["studies"][0]["made"], 2)
        plan = self.json("study", "two.toml", "--only", "best of N", "--plan")["studies"][0]
        self.assertEqual((plan["runs"], plan["finished"]), (6, 2))
        self.refused(2, "study", "two.toml", "--only", "wrost", says=["did you mean 'worst'?"])

    def test_a_stopped_study_goes_on(self):
        self.write("long.toml", STUDY.replace("[[sweep]]", '[[sweep]]\nset = { "sampler.size" = 16, "budget.nfe" = 400000 }')
                   .replace("values = [1, 2, 4]", "values = [1, 400000]"))
        child = self.start("study", "long.toml", "--json")
        runs = self.folder / "studies/runs"
        self.wait_until_busy(child, lambda: next((run for run in runs.glob("*") if not (run / "summary.json").exists()), None))
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=120)
        self.assertEqual(child.returncode, 75, err)
        self.assertIn("the same command goes on", err)
        made = self.json("study", "long.toml", "--only", "best of N")["studies"][0]
        self.assertEqual(made["rows"], 4)
        self.assertEqual(made["made"] + made["were_finished"], 4)

    def at_once(self):
        """The rows of a study that was made with --jobs, without what no two runs have in common."""
        with (self.folder / "at-once/tiny/table.csv").open(newline="") as file:
            return [{k: v for k, v in row.items() if "seconds" not in k} for row in csv.DictReader(file)]

    def test_runs_made_at_once_give_the_same_table(self):
        self.done("study", "study.toml")
        one = [{k: v for k, v in row.items() if "seconds" not in k} for row in self.table()]
        words = ("study", "study.toml", "--jobs", "3", "--out", "at-once")
        both = self.json(*words)["studies"][0]
        self.assertEqual((both["made"], both["were_finished"], both["failed"]), (6, 0, []))
        self.assertEqual(one, self.at_once())
        again = self.json(*words)["studies"][0]
        self.assertEqual((again["made"], again["were_finished"]), (0, 6))
        self.refused(2, "study", "study.toml", "--jobs", "0", says=["--jobs"])

    def test_runs_made_at_once_wait_for_their_pools(self):
        pool = STUDY.replace("[[sweep]]", '[[pool]]\nlabel = "pool"\nset = { "search.candidates" = 4 }\n[[sweep]]\npools = ["pool"]')
        self.write("study.toml", pool)
        for jobs, out in ("1", "one"), ("4", "at-once"):
            made = self.json("study", "study.toml", "--jobs", jobs, "--out", out)["studies"][0]
            self.assertEqual((made["made"], made["failed"]), (8, []))
        replayed = [{run.parent.name: json.loads(run.read_text())["replayed_candidates"] for run in (self.folder / out).glob("runs/*/execution.json")}
                    for out in ("one", "at-once")]
        self.assertEqual(len(set(replayed[0].values())), 4)  # all of 1, 2 or 4 for each task, and none by the pools
        self.assertEqual(*replayed)

    def test_equal_runs_of_two_sweeps_are_made_once(self):
        self.long_study()
        self.write("long.toml", (self.folder / "long.toml").read_text().replace("values = [1, 400000]", "values = [400000]").replace("400000", "40000")
                   + '[[sweep]]\nlabel = "again"\nset = { "sampler.size" = 16, "budget.nfe" = 40000, "search.candidates" = 40000 }\n')
        study = self.json("study", "long.toml", "--jobs", "4")["studies"][0]
        self.assertEqual((study["made"], study["were_finished"], study["failed"]), (2, 2, []))

    def long_study(self):
        self.write("long.toml", STUDY.replace("[[sweep]]", '[[sweep]]\nset = { "sampler.size" = 16, "budget.nfe" = 400000 }')
                   .replace("values = [1, 2, 4]", "values = [1, 400000]"))

    def busy_worker(self, child):
        runs = self.folder / "studies/runs"
        self.wait_until_busy(child, lambda: next((run for run in runs.glob("*") if not (run / "summary.json").exists()), None))
        workers = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        self.assertEqual(len(workers), 2)
        return int(workers[0])

    def test_a_stopped_study_with_jobs_goes_on(self):
        self.long_study()
        child = self.start("study", "long.toml", "--jobs", "2", "--json")
        worker = self.busy_worker(child)
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=120)
        self.assertEqual(child.returncode, 75, err)
        self.assertIn("the same command goes on", err)
        self.assertFalse(pathlib.Path(f"/proc/{worker}").exists())
        made = self.json("study", "long.toml", "--jobs", "2")["studies"][0]
        self.assertEqual((made["rows"], made["made"] + made["were_finished"]), (4, 4))

    def test_a_killed_worker_fails_its_point_alone(self):
        self.long_study()
        child = self.start("study", "long.toml", "--jobs", "2", "--json")
        os.kill(self.busy_worker(child), signal.SIGKILL)
        out, err = child.communicate(timeout=240)
        self.assertEqual(child.returncode, 3, err)
        study = json.loads(out)["studies"][0]
        self.assertEqual([failed["why"] for failed in study["failed"]], ["the process at work on it was ended by SIGKILL"])
        self.assertEqual(study["made"], 3)
        self.assertEqual(self.json("study", "long.toml", "--jobs", "2")["studies"][0]["made"], 1)

    def test_a_killed_study_takes_its_workers_along(self):
        self.long_study()
        child = self.start("study", "long.toml", "--jobs", "2", "--json")
        worker = self.busy_worker(child)
        child.kill()
        child.communicate(timeout=120)
        deadline = time.monotonic() + 120
        while pathlib.Path(f"/proc/{worker}/exe").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertFalse(pathlib.Path(f"/proc/{worker}/exe").exists())

    def test_mistakes_are_refused_before_anything_is_made(self):
        for edit, says in [(("seeds =", "seds ="), "did you mean 'seeds'?"), (("toy.toml", "tyo.toml"), "did you mean 'toy.toml'?"),
                           (('"brightness_mean"', '"brightnes_mean"'), "did you mean 'brightness_mean'?"),
                           (("search.candidates", "search.canddates"), "in tiny: best of N, search.canddates = 1"),
                           (("values = [1, 2, 4]", "values = [1, -2]"), "study.toml:7:51")]:
            with self.subTest(edit):
                self.write("study.toml", STUDY.replace(*edit))
                self.refused(2, "study", "study.toml", says=[says])
                self.assertFalse((self.folder / "studies").exists())
        self.refused(2, "study", "nothing.toml", says=["nothing.toml"])

    def test_a_comparison_against_what_is_not_there_is_refused_before_anything_is_made(self):
        self.write("study.toml", STUDY + COMPARE.replace("against = 1", "against = 3"))
        for words in ([], ["--plan"], ["--table"]):
            self.refused(2, "study", "study.toml", *words, says=["no point has '3' for 'search.candidates'", "there are '1', '2' or '4'"])
        self.write("study.toml", STUDY + COMPARE.replace("against = 1", "against = 4"))
        self.done("study", "study.toml", "--plan")
        self.done("study", "study.toml", "--quick", "--plan")  # which leaves out 4
        self.write("study.toml", STUDY + COMPARE.replace('of = "search.candidates"\nagainst = 1', 'against = { sweep = "best of N" }'))
        self.refused(2, "study", "study.toml", "--plan", says=["study.toml", "3 points are meant by 'against', expected one", "'search.candidates'"])
        self.write("study.toml", STUDY + COMPARE.replace("against = 1", "against = { tasks = 2 }").replace('of = "search.candidates"\n', ""))
        self.refused(2, "study", "study.toml", "--plan", says=["'tasks' is measured"])
        self.write("study.toml", STUDY + COMPARE.replace("against = 1", "against = { sweep = 1 }"))
        self.refused(2, "study", "study.toml", "--plan", says=["'of' beside an 'against' that tells one point"])
        self.write("study.toml", STUDY + COMPARE.replace('of = "search.candidates"', ""))
        self.refused(2, "study", "study.toml", "--plan", says=["a comparison without 'of'"])
        self.assertFalse((self.folder / "studies").exists())

    def test_a_point_that_fails_does_not_stop_the_others(self):
        self.write("study.toml", STUDY.replace("axes =", 'axes = [{ key = "tasks.classes", values = [{ label = "bad", value = [99] }, '
                                               '{ label = "good", value = [1] }] }] #'))
        done = self.winnow("study", "study.toml", "--json")
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("class 99", done.stderr)
        self.assertEqual([row["tasks.classes"] for row in self.table()], ["good", "good"])


class Paper(CliTest):
    def test_the_studies_of_the_paper_can_be_made(self):
        if not (PLUGINS / "winnow.sit").is_dir():
            self.skipTest("built without LibTorch")
        files = sorted(PAPER.glob("*.toml"))
        self.assertGreaterEqual(len(files), 6)
        for file in files:
            with self.subTest(file.name):
                models = re.findall(r'"([^"]*\.safetensors)"', file.read_text())
                missing = [model for model in models if not (PAPER / model).exists()]
                if missing:
                    self.skipTest(f"{missing} not there")
                for words in (["--quick"], []):
                    plan = self.json("study", file, "--plan", "--out", "nowhere", *words)["studies"][0]
                    self.assertEqual(plan["finished"], 0)
                    self.assertGreater(plan["nfe"], 0)


if __name__ == "__main__":
    unittest.main()
