"""configs/text-to-image.toml as a new user tries it, and the prompts that go wrong."""
import pathlib
import unittest

import pictures
from winnow_cli import CliTest

CONFIG = pathlib.Path(__file__).parents[2] / "configs/text-to-image.toml"
QUICK = ["budget.nfe=24", "sampler.steps=3", "--progress", "none"]


class TextToImage(CliTest):
    def prompts(self, text):
        return "tasks.prompts=[" + ", ".join(f'"{each}"' for each in text) + "]"

    def test_a_prompt_of_ones_own_becomes_a_picture_and_a_gallery(self):
        done = self.done("run", CONFIG, self.prompts(["a red circle left of a blue square"]), *QUICK, "--out", "out")
        self.assertIn("scene_match", done.stdout)
        self.assertEqual(pictures.size_of(self.folder / "out/samples/t00000-best.png"), (32, 32))
        self.assertTrue((self.folder / "out/gallery.png").exists())

    def test_words_that_no_judge_and_no_sampler_knows_are_refused_before_anything_is_made(self):
        self.refused(2, "run", CONFIG, self.prompts(["a red circle", "a red circel"]), *QUICK, "--out", "out",
                     says=["task 1", "'circel'", "circle"])
        self.refused(2, "run", CONFIG, self.prompts([""]), *QUICK, "--out", "out", says=["the prompt is empty"])

    def test_long_prompts_are_refused_in_a_few_lines(self):
        for text, says in (("red " * 2500, "2500 words, at most 32 are taken"), ("red " * 2501, "at most 10000 are taken"),
                           ("\u00fc" * 10000, "is not in the vocabulary")):
            done = self.refused(2, "run", CONFIG, self.prompts([text]), *QUICK, "--out", "out", says=[says])
            self.assertLess(len(done.stderr), 1000)

    def test_a_file_that_is_not_utf8_is_refused_where_it_is_not(self):
        (self.folder / "prompts.txt").write_bytes(b"a red circle\na red \xff circle\n")
        self.refused(2, "run", CONFIG, 'tasks.prompts="prompts.txt"', *QUICK, "--out", "out",
                     says=["not UTF-8", "prompts.txt:2:7"])

    def test_a_file_of_many_prompts_is_planned(self):
        (self.folder / "many.txt").write_text("a red circle\n" * 100_000)
        value = self.json("plan", CONFIG, 'tasks.prompts="many.txt"')
        self.assertEqual(value["tasks"], 100_000)


if __name__ == "__main__":
    unittest.main()
