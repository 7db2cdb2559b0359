"""rescore from the outside: its numbers against plain Python's, what it needs, what it refuses."""
import csv
import hashlib
import json
import math
import unittest

from pictures import first_pixel, write_png
from winnow_cli import TEST_PLUGINS, CliTest

PIXEL = ["--verifier", "winnow.toy.first_pixel"]


def ranks(values):
    return [(sum(v < x for v in values) + sum(v <= x for v in values) - 1) / 2 for x in values]


def correlation(x, y):
    a, b = ranks(x), ranks(y)
    mean = (len(a) - 1) / 2
    return (sum((p - mean) * (q - mean) for p, q in zip(a, b)) /
            math.sqrt(sum((p - mean) ** 2 for p in a) * sum((q - mean) ** 2 for q in b)))


class Rescore(CliTest):
    def run_all(self, *overrides):
        """A finished run that kept all candidates."""
        self.done("run", "toy.toml", 'output.keep="all"', *overrides, "--quiet")
        return self.folder / "runs/toy"

    def samples(self, run, task):
        """First pixels of a task's candidates, by number."""
        return {int(path.stem[-6:]): first_pixel(path) for path in sorted((run / "samples").glob(f"t{task:05}-c*.png"))}

    def test_choices_means_and_correlations_are_those_of_plain_python(self):
        run = self.run_all()
        summary = json.loads((run / "summary.json").read_text())["tasks"]
        value = self.json("rescore", run, *PIXEL, "--out", "rows.csv")
        with (self.folder / "rows.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), 32)
        before, now, chosen, changed, within = [], [], [], 0, []
        for task, one in zip(summary, value["tasks"]):
            pixels = self.samples(run, task["task"])
            best = max(pixels, key=pixels.get)
            self.assertEqual((one["chosen"]["candidate"], one["would_be_chosen"]["candidate"]),
                             (task["best"]["candidate"], best))
            self.assertAlmostEqual(one["would_be_chosen"]["score"], pixels[best], places=6)
            self.assertAlmostEqual(one["chosen"]["scores"]["brightness"], task["scores"]["brightness"], places=6)
            changed += best != task["best"]["candidate"]
            mine = [row for row in rows if int(row["task"]) == task["task"]]
            self.assertEqual([int(row["candidate"]) for row in mine], list(pixels))
            self.assertEqual([int(row["candidate"]) for row in mine if row["would_be_chosen"] == "1"], [best])
            old = [float(row["run.brightness"]) for row in mine]
            within.append(correlation(old, [float(row["score"]) for row in mine]))
            before.append(max(old))
            now.append(old[list(pixels).index(best)])
            chosen.append(pixels[task["best"]["candidate"]])
        self.assertEqual((value["compared"], value["changed"], value["failed"]), (4, changed, 0))
        self.assertGreater(changed, 0)
        means = value["means"]
        self.assertAlmostEqual(means["run"]["brightness"]["chosen"], sum(before) / 4, places=6)
        self.assertAlmostEqual(means["run"]["brightness"]["would_be_chosen"], sum(now) / 4, places=6)
        self.assertAlmostEqual(means["new"]["chosen"], sum(chosen) / 4, places=6)
        agreement = value["rank_correlation"]["brightness"]
        self.assertAlmostEqual(agreement["within_tasks"], sum(within) / 4, places=6)
        self.assertAlmostEqual(agreement["over_all"], correlation([float(row["run.brightness"]) for row in rows],
                                                                  [float(row["score"]) for row in rows]), places=6)

    def test_the_runs_own_verifier_would_choose_the_same(self):
        run = self.run_all()
        value = self.json("rescore", run, "--verifier", "winnow.brightness")
        self.assertEqual(value["changed"], 0)
        self.assertAlmostEqual(value["means"]["new"]["chosen"], value["means"]["run"]["brightness"]["chosen"],
                               places=3)  # samples are saved in 8 bits
        self.assertGreater(value["rank_correlation"]["brightness"]["within_tasks"], 0.95)
        other = self.json("rescore", run, "--verifier", "winnow.brightness", "target=0.9")
        self.assertLess(other["means"]["new"]["chosen"], -0.05)

    def test_no_sampler_is_needed_and_the_run_stays_as_it_is(self):
        run = self.run_all()

        def state():
            return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.rglob("*") if path.is_file()}

        before = state()
        value = self.json("rescore", run, *PIXEL, WN_PLUGIN_PATH=str(TEST_PLUGINS / "winnow.toy.verifiers"))
        self.assertEqual(value["samples"], 32)
        self.assertEqual(state(), before)
        self.refused(2, "rescore", run, *PIXEL, "--out", run / "x.csv", says=["lies in the run directory"])
        self.refused(2, "rescore", run, *PIXEL, "--out", "x.txt", says=[".csv or .json"])
        self.refused(2, "rescore", run, *PIXEL, "--out", "nothing/x.csv", says=["nothing"])
        self.assertEqual(state(), before)

    def test_of_kept_best_samples_there_are_scores_but_no_other_choice(self):
        self.done("run", "toy.toml", "--quiet")
        value = self.json("rescore", "runs/toy", *PIXEL, "--out", "x.json")
        self.assertEqual((value["keeps_all"], value["changed"]), (False, None))
        samples = self.folder / "runs/toy/samples"
        chosen = [first_pixel(path) for path in sorted(samples.glob("*-best.png"))]
        first = [first_pixel(path) for path in sorted(samples.glob("*-first.png"))]
        self.assertAlmostEqual(value["means"]["new"]["chosen"], sum(chosen) / 4, places=6)
        self.assertAlmostEqual(value["means"]["new"]["first"], sum(first) / 4, places=6)
        self.assertNotIn("would_be_chosen", value["tasks"][0])
        rows = json.loads((self.folder / "x.json").read_text())["rows"]
        self.assertEqual(len(rows), value["samples"])
        self.assertIn("only the best samples were kept", self.done("rescore", "runs/toy", *PIXEL).stdout)

    def test_a_run_that_kept_no_samples_says_so_wherever_they_are_wanted(self):
        self.done("run", "toy.toml", 'output.keep="none"', "--quiet")
        says = ['kept no samples (output.keep = "none")']
        self.refused(2, "rescore", "runs/toy", *PIXEL, says=says)
        self.refused(2, "metrics", "runs/toy", "--features", "winnow.toy.features", says=says)
        self.refused(2, "stats", "runs/toy", "--features", "winnow.toy.features", "--out", "x.safetensors", says=says)
        self.assertIn("brightness", self.done("metrics", "runs/toy").stdout)
        self.done("verify", "runs/toy")
        self.done("show", "runs/toy", "0/1", "--out", "shown.png")

    def test_a_completed_winner_is_compared_by_what_was_written(self):
        run = self.run_all("search.preview_times=[0.5]")
        value = self.json("rescore", run, *PIXEL)
        for task in value["tasks"]:
            self.assertAlmostEqual(task["chosen"]["score"], first_pixel(run / f"samples/t{task['task']:05}-best.png"))

    def test_what_the_tasks_ask_for_reaches_the_verifier(self):
        asked = ["--verifier", "winnow.toy.asked"]
        value = self.json("rescore", self.run_all(), *asked)
        for task in value["tasks"]:
            pixel = first_pixel(self.folder / task["chosen"]["file"])
            self.assertAlmostEqual(task["chosen"]["score"], int(task["condition"].split()[1]) + pixel / 10, places=5)
        self.done("run", "toy.toml", 'tasks.prompts=["ab", "abcd\\u00e9"]', "tasks.repeat=1", "--out", "prompts", "--quiet")
        scores = [task["chosen"]["score"] for task in self.json("rescore", "prompts", *asked)["tasks"]]
        self.assertEqual([math.floor(score) for score in scores], [2, 6])
        write_png(self.folder / "a.png", [[255, 0]])
        write_png(self.folder / "b.png", [[0, 0]])
        self.done("run", "toy.toml", 'tasks.images=["a.png", "b.png"]', "tasks.repeat=1", "--out", "images", "--quiet")
        scores = [task["chosen"]["score"] for task in self.json("rescore", "images", *asked)["tasks"]]
        self.assertEqual([math.floor(score) for score in scores], [1, 0])
        write_png(self.folder / "b.png", [[9, 0]])
        self.refused(2, "rescore", "images", *asked, says=["b.png", "has changed since the run"])
        (self.folder / "b.png").unlink()
        self.refused(2, "rescore", "images", *asked, says=["b.png", "not there any more"])

    def test_a_verifier_of_sets_rates_additions_to_its_own_choices(self):
        run = self.run_all()
        value = self.json("rescore", run, "--verifier", "winnow.toy.balance")
        total = 0
        for t, task in enumerate(value["tasks"]):
            pixels = self.samples(run, task["task"])
            scores = {c: -abs((total + pixel) / (t + 1) - 0.5) for c, pixel in pixels.items()}
            self.assertAlmostEqual(task["would_be_chosen"]["score"], max(scores.values()), places=6)
            self.assertAlmostEqual(task["chosen"]["score"], scores[task["chosen"]["candidate"]], places=6)
            total += pixels[task["would_be_chosen"]["candidate"]]

    def test_samples_that_fail_are_counted_and_a_task_without_any_ends_with_4(self):
        run = self.run_all()
        nan = ["--verifier", "winnow.toy.sometimes_nan"]
        pixels = {t: self.samples(run, t) for t in range(4)}
        value = self.json("rescore", run, *nan)
        self.assertEqual(value["failed"], sum(p < 0.5 for of in pixels.values() for p in of.values()))
        self.assertGreater(value["failed"], 0)
        for task in value["tasks"]:
            best = max(pixels[task["task"]].values())
            self.assertAlmostEqual(task["would_be_chosen"]["score"], best, places=6)
        self.done("run", "toy.toml", "budget.candidates=1", "--out", "one", "--quiet")
        dark = [first_pixel(path) < 0.5 for path in (self.folder / "one/samples").glob("*-best.png")]
        self.assertTrue(any(dark))
        done = self.winnow("rescore", "one", *nan)
        self.assertEqual(done.returncode, 4)
        self.assertIn("the score is not finite", done.stderr)

    def test_a_verifier_of_previews_is_shown_the_samples_with_a_warning(self):
        run = self.run_all()
        done = self.done("rescore", run, "--verifier", "winnow.toy.preview_pixel")
        self.assertIn("previews, which are not saved", done.stderr)

    def test_what_cannot_be_rescored_is_refused_with_the_nearest_name(self):
        self.done("run", "toy.toml", "--quiet")
        self.refused(2, "rescore", "nothing", *PIXEL, says=["'nothing' is no run directory"])
        self.refused(2, "rescore", "runs/toy", says=["--verifier"])
        self.refused(3, "rescore", "runs/toy", "--verifier", "winnow.brigthness", says=["did you mean 'winnow.brightness'?"])
        self.refused(3, "rescore", "runs/toy", "--verifier", "winnow.random", says=["is a search, not a verifier"])
        self.refused(2, "rescore", "runs/toy", "--verifier", "winnow.brightness", "traget=1", says=["did you mean 'target'?"])
        (self.folder / "runs/toy/summary.json").unlink()
        self.refused(2, "rescore", "runs/toy", *PIXEL, says=["is not finished", "winnow run runs/toy goes on"])
        self.done("run", "runs/toy", "--quiet")
        (self.folder / "runs/toy/samples/t00001-best.png").write_bytes(b"no picture")
        self.refused(2, "rescore", "runs/toy", *PIXEL, says=["t00001-best.png"])


if __name__ == "__main__":
    unittest.main()
