"""What a study recommends, and a run's table of recorded scores, from the outside."""
import unittest

from winnow_cli import CliTest

STUDY = """\
[study]
name = "tiny"
base = "toy.toml"
seeds = [1, 2]
[[sweep]]
label = "searches"
axes = [
  { name = "search", values = [
    { label = "one", set = { "search.candidates" = 1 } },
    { label = "four", set = { "search.candidates" = 4 } },
  ] },
]
"""


class Recommendations(CliTest):
    def test_the_best_setting_within_the_budget_is_printed_with_its_search(self):
        # The same verifier twice, of which one is held out.
        held_out = "[[verifier]]\nplugin = 'winnow.brightness'\nname = 'twin'\nrole = 'report'\n"
        self.config.write_text(self.config.read_text() + held_out)
        self.write("study.toml", STUDY)
        self.done("study", "study.toml", "--progress", "none")
        tiny = ["recommend", "studies/tiny", "--metric", "twin_mean"]
        rich = self.done(*tiny, "--budget", "1000").stdout
        for text in ("best: search = four", "runner-up: search = one", "the difference, seed by seed, is ", "best of 2 settings",
                     "2 seeds", "[budget]", "[sampler]", "[[verifier]]", "[search]", "winnow.random", "candidates = 4"):
            self.assertIn(text, rich)
        found = self.json(*tiny, "--budget", "1000")
        self.assertGreater(found["difference"]["mean"], 0)
        self.assertEqual(found["resolved"], found["difference"]["low"] > 0)
        self.assertEqual("\nresolved: " in rich, found["resolved"])
        self.refused(2, "recommend", "studies/tiny", "--metric", "brightness_mean", "--budget", "1000",
                     says=["in all 2 settings", "take --metric of a verifier that did not select"])
        poor = self.json(*tiny, "--budget", "8")
        self.assertEqual(poor["best"]["labels"]["search"], "one")
        self.assertIsNone(poor["runner_up"])
        self.refused(2, *tiny, "--budget", "1", says=["at most 1 NFE", "the cheapest costs 8"])
        self.refused(2, "recommend", "studies/tiny", "--budget", "8", says=["no column 'judge_mean'"])
        self.refused(2, *tiny, "--budget", "8", "--where", "search", says=["expected COLUMN=LABEL"])
        self.refused(2, "recommend", "nowhere", "--budget", "8", says=["has no summary.csv"])
        self.refused(2, *tiny, "--budget", "abc", says=["--budget", "abc"])
        both = self.json(*tiny, "--budget", "1000", "--where", "search=one", "--where", "search=four")
        self.assertEqual(both["settings"], 2)
        configs = list((self.folder / "studies/runs").glob("*/run.toml"))
        self.assertTrue(configs)
        for config in configs:
            config.write_text("[budget\n")
        self.refused(2, *tiny, "--budget", "8", says=["run.toml:1:"])
        for config in configs:
            config.unlink()
        climbed = self.done("recommend", "studies/tiny", "--metric", "brightness_mean", "--budget", "1000").stdout
        self.assertIn("not known of 2 settings: whether brightness_mean selected in them", climbed)
        table = self.folder / "studies/tiny/table.csv"
        table.write_text("")
        self.refused(2, *tiny, "--budget", "8", says=["table.csv: the table is empty"])
        table.unlink()
        self.refused(2, *tiny, "--budget", "8", says=["table.csv' is missing", "--table makes it"])

    def test_a_run_is_exported_and_searched_again_without_its_sampler(self):
        self.done("run", "toy.toml", "search.preview_times=[0.5]", "--out", "recording", "--progress", "none")
        said = self.done("export", "--replay", "recording", "--out", "pool.safetensors").stdout
        self.assertIn("2 times, verifiers brightness", said)
        self.done("run", "toy.toml", "sampler={plugin='winnow.replay', table='pool.safetensors'}",
                  "verifier=[{plugin='winnow.replay_scores', table='pool.safetensors'}]", "search={plugin='winnow.pruned', at=[0.5], keep=[0.5]}",
                  "--out", "replayed", "--progress", "none")
        self.refused(2, "export", "--replay", "nothing", says=["is no run directory"])
        self.refused(2, "export", "--replay", "recording", "--out", "pool.csv", says=["is to be a .safetensors file"])
        self.done("run", "toy.toml", "search={plugin='winnow.pruned'}", "--out", "chosen", "--progress", "none")
        self.refused(2, "export", "--replay", "chosen", says=["were not judged at every time", "--survivors"])
        self.assertIn("too good", self.done("export", "--replay", "chosen", "--survivors", "--out", "chosen.safetensors").stdout)


if __name__ == "__main__":
    unittest.main()
