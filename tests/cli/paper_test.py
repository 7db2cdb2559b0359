"""The paper's experiments, small: every study runs to its end, and draws all of its figures."""
import pathlib
import unittest

from winnow_cli import PLUGINS, CliTest

PAPER = pathlib.Path(__file__).parents[2] / "configs/paper"


class Paper(CliTest):
    def test_the_quick_version_makes_every_table_and_figure(self):
        if not (PLUGINS / "winnow.sit").is_dir():
            self.skipTest("built without LibTorch")
        files = sorted(PAPER.glob("*.toml"))
        self.assertEqual(len(files), 8)
        self.environment["OMP_WAIT_POLICY"] = "passive"
        for file in files:
            study = self.json("study", file, "--quick", "--out", "paper")["studies"][0]
            with self.subTest(file.name):
                self.assertEqual(study["failed"], [])
                self.assertEqual(len(study["figures"]), file.read_text().count("[[figure]]"))
                for figure in study["figures"]:
                    self.assertGreater((self.folder / figure).read_text().count("<text"), 5)


if __name__ == "__main__":
    unittest.main()
