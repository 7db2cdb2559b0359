"""stats and metrics from the outside: a folder's metrics against plain Python's, run directories, bad input."""
import json
import math
import pathlib
import struct
import unittest

from pictures import write_png as png
from winnow_cli import CliTest

FEATURES = ["--features", "winnow.toy.features"]


def picture(i):
    return [[(i * 37 + 11 * x * (i % 5) + 29 * y) % 256 for x in range(3)] for y in range(2)]


def features(i):
    """What winnow.toy.features says of a picture."""
    pixels = [p / 255 for row in picture(i) for p in row]
    return [sum(pixels) / 6, pixels[0], pixels[-1]]


def inception_score(numbers):
    ps = [[features(i)[0], 1 - features(i)[0]] for i in numbers]
    marginal = [sum(p[c] for p in ps) / len(ps) for c in range(2)]
    return math.exp(sum(p[c] * math.log(p[c] / marginal[c]) for p in ps for c in range(2)) / len(ps))


def share_inside(points, centres, k=3):
    radius = [sorted(math.dist(c, d) for d in centres)[k] for c in centres]
    return sum(any(math.dist(p, c) <= r for c, r in zip(centres, radius)) for p in points) / len(points)


class Metrics(CliTest):
    def folder_of(self, name, numbers):
        for i in numbers:
            png(self.folder / name / f"{i:03}.png", picture(i))
        return name

    def statistics(self, name="real.safetensors", numbers=range(40, 60), *words):
        self.done("stats", self.folder_of("real", numbers), *FEATURES, "--out", name, *words)
        return name

    def test_metrics_of_a_folder_equal_plain_pythons(self):
        reference = self.statistics()
        value = self.json("metrics", self.folder_of("ours", range(20)), *FEATURES, "--reference", reference)
        self.assertEqual((value["samples"], value["shape"]), (20, [1, 2, 3]))
        self.assertEqual(value["features"]["network"], "toy")
        self.assertEqual(value["missing"], {})
        found = {name: metric["value"] for name, metric in value["metrics"].items()}
        self.assertAlmostEqual(found["inception_score"], inception_score(range(20)), places=5)
        ours, real = [features(i) for i in range(20)], [features(i) for i in range(40, 60)]
        self.assertAlmostEqual(found["precision"], share_inside(ours, real))
        self.assertAlmostEqual(found["recall"], share_inside(real, ours))
        for name, metric in value["metrics"].items():
            with self.subTest(name):
                self.assertLessEqual(metric["low"], metric["value"])
                self.assertLessEqual(metric["value"], metric["high"])
        text = self.done("metrics", "ours", *FEATURES, "--reference", reference).stdout
        for name in found:
            self.assertIn(name, text)

    def test_a_set_has_no_distance_from_itself(self):
        reference = self.statistics()
        found = self.json("metrics", "real", *FEATURES, "--reference", reference)["metrics"]
        self.assertAlmostEqual(found["frechet"]["value"], 0, places=6)
        self.assertEqual((found["precision"]["value"], found["recall"]["value"]), (1, 1))

    def test_the_seed_decides_the_intervals(self):
        reference = self.statistics()
        words = ["metrics", self.folder_of("ours", range(20)), *FEATURES, "--reference", reference]
        self.assertEqual(self.json(*words, "--seed", "1"), self.json(*words, "--seed", "1"))
        one, two = (self.json(*words, "--seed", seed)["metrics"]["frechet"] for seed in ("1", "2"))
        self.assertEqual(one["value"], two["value"])
        self.assertNotEqual(one["high"], two["high"])
        self.assertIsNone(self.json(*words, "--resamples", "0")["metrics"]["frechet"]["low"])

    def test_statistics_are_a_safetensors_file(self):
        self.statistics("s.safetensors", range(40, 60), "--rows", "5", "--half")
        data = (self.folder / "s.safetensors").read_bytes()
        header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
        self.assertEqual(header["mean"]["shape"], [3])
        self.assertEqual((header["covariance"]["dtype"], header["covariance"]["shape"]), ("F64", [3, 3]))
        self.assertEqual((header["features"]["dtype"], header["features"]["shape"]), ("F16", [5, 3]))
        self.assertEqual(header["__metadata__"] | {"source": ""},
                         {"format": "winnow.statistics/1", "plugin": "winnow.toy.features", "network": "toy", "count": "20",
                          "source": ""})
        begin, end = header["mean"]["data_offsets"]
        base = len(data) - max(header[name]["data_offsets"][1] for name in ("mean", "covariance", "features"))
        mean = struct.unpack("<3d", data[base + begin:base + end])
        for c in range(3):
            self.assertAlmostEqual(mean[c], sum(features(i)[c] for i in range(40, 60)) / 20, places=6)

    def test_a_run_directory_has_scores_and_pictures(self):
        self.done("run", "toy.toml", "--quiet")
        scores = self.json("metrics", "runs/toy")["verifiers"]["brightness"]
        summary = json.loads((self.folder / "runs/toy/summary.json").read_text())
        values = sorted(task["scores"]["brightness"] for task in summary["tasks"])
        self.assertEqual(scores["n"], len(values))
        self.assertAlmostEqual(scores["mean"]["value"], sum(values) / len(values), places=6)
        self.assertAlmostEqual(scores["quantiles"]["0.5"], (values[1] + values[2]) / 2, places=6)
        best = self.json("metrics", "runs/toy", *FEATURES)
        self.assertEqual((best["samples"], list(best["verifiers"])), (4, ["brightness"]))
        first = self.json("metrics", "runs/toy", *FEATURES, "--first")
        self.assertNotEqual(first["verifiers"], best["verifiers"])
        self.assertNotEqual(first["metrics"], best["metrics"])
        self.assertEqual(self.json("metrics", "runs/toy", *FEATURES, "--count", "3")["samples"], 3)

    def test_a_run_that_is_not_finished_is_measured_with_a_warning(self):
        self.done("run", "toy.toml", "--quiet")
        self.assertNotIn("not finished", self.done("metrics", "runs/toy", *FEATURES).stderr)
        (self.folder / "runs/toy/summary.json").unlink()
        self.assertIn("the run in 'runs/toy' is not finished", self.done("metrics", "runs/toy", *FEATURES).stderr)
        self.refused(2, "metrics", "runs/toy", says=["no finished run directory"])

    def test_one_picture_has_few_metrics_and_says_why(self):
        reference = self.statistics()
        value = self.json("metrics", self.folder_of("one", [7]), *FEATURES, "--reference", reference)
        self.assertEqual([value["metrics"][name] for name in ("frechet", "precision", "recall")], [None] * 3)
        self.assertIn("two samples", value["missing"]["frechet"])
        self.assertIn("more than 3", value["missing"]["recall"])
        self.assertAlmostEqual(value["metrics"]["inception_score"]["value"], 1)
        self.assertIsNone(value["metrics"]["inception_score"]["low"])
        self.refused(2, "stats", "one", *FEATURES, "--out", "s", says=["at least two"])

    def test_sets_that_cannot_be_measured(self):
        (self.folder / "empty").mkdir()
        self.refused(2, "metrics", "empty", *FEATURES, says=["no PNG", "empty"])
        self.refused(2, "metrics", "nothing", *FEATURES, says=["'nothing'", "neither"])
        self.refused(2, "metrics", "toy.toml", *FEATURES, says=["toy.toml", "no IDX file"])
        self.refused(2, "metrics", "empty", says=["--features"])
        self.refused(2, "metrics", "nothing", says=["'nothing' is not there"])
        png(self.folder / "mixed" / "a.png", picture(1))
        png(self.folder / "mixed" / "b.png", [[1, 2], [3, 4]])
        self.refused(2, "metrics", "mixed", *FEATURES, says=["a.png", "b.png", "3 x 2", "2 x 2"])
        png(self.folder / "black" / "a.png", picture(1))
        png(self.folder / "black" / "b.png", [[0, 0, 0], [0, 0, 0]])
        self.refused(3, "metrics", "black", *FEATURES, says=["b.png", "the picture is black"])

    def test_foreign_statistics_are_refused_with_both_names(self):
        reference = self.statistics("s", range(40, 60))
        ours = self.folder_of("ours", range(20))
        self.refused(2, "metrics", ours, *FEATURES, "network=other", "--reference", reference,
                     says=["network toy", "by other", "winnow stats"])
        (self.folder / "cut").write_bytes((self.folder / "s").read_bytes()[:100])
        for file in ("cut", "toy.toml", "nothing"):
            self.refused(2, "metrics", ours, *FEATURES, "--reference", file, says=[file])

    def test_a_study_refuses_foreign_statistics_before_its_first_run(self):
        self.statistics("s", range(40, 60))
        self.write("study.toml", '[study]\nname = "tiny"\nbase = "toy.toml"\nseeds = [1]\n[metrics]\nplugin = "winnow.toy.features"\n'
                   'network = "other"\nreference = "s"\n[[sweep]]\nlabel = "N"\naxes = [{ key = "search.candidates", values = [1] }]\n')
        self.refused(2, "study", "study.toml", says=["study.toml", "[metrics]", "network toy", "by other"])
        self.assertFalse((self.folder / "studies" / "runs").exists())

    def test_plugins_without_features_and_wrong_options(self):
        ours = self.folder_of("ours", range(20))
        self.refused(3, "metrics", ours, "--features", "winnow.brightness", says=["winnow.brightness has no features", "'winnow.toy.features'"])
        self.refused(3, "metrics", ours, "--features", "winnow.nothing", says=["winnow.nothing"])
        self.refused(2, "metrics", ours, *FEATURES, "netwrok=x", says=["'network'"])
        self.refused(2, "stats", ours, "--out", "s", says=["--features"])
        self.refused(2, "stats", ours, *FEATURES, says=["--out"])
        self.refused(2, "stats", ours, *FEATURES, "--out", "nowhere/s", says=["the folder 'nowhere' for 's' is not there"])
        self.refused(2, "metrics", ours, *FEATURES, "--count", "0", says=["--count"])
        self.assertEqual([path for path in pathlib.Path(self.folder).iterdir() if path.name == "s"], [])


if __name__ == "__main__":
    unittest.main()
