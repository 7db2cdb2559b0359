"""The words of the command line: help, versions, typing errors, JSON, where results go."""
import json
import subprocess
import unittest

from winnow_cli import PROGRAM, CliTest


class Words(CliTest):
    def test_version_names_the_abi(self):
        self.assertRegex(self.done("--version").stdout, r"^winnow \d+\.\d+\.\d+\S* \(plugin ABI 1\.\d+")
        self.assertEqual(self.json("--version")["abi"]["major"], 1)

    def test_help_of_every_verb(self):
        for words in ([], ["run"], ["study"], ["plan"], ["check"], ["show"], ["status"], ["stats"], ["metrics"], ["plugins"], ["plugins", "list"],
                      ["plugins", "info"], ["plugins", "new"], ["rescore"], ["plugins", "inspect"], ["plugins", "pack"], ["plugins", "install"],
                      ["plugins", "remove"], ["plugins", "verify"], ["plugins", "lock"], ["plugins", "docs"],
                      ["plugins", "check"], ["docs", "check"], ["docs"], ["docs", "configuration"]):
            with self.subTest(words):
                done = self.done(*words, "--help")
                self.assertIn(" ".join(["winnow", *words]), done.stdout)
                self.assertEqual(done.stderr, "")

    def test_no_verb_lists_the_verbs(self):
        self.refused(2, says=["'run'", "'plan'", "'status'"])

    def test_misspelt_verbs_and_flags_get_the_nearest_one(self):
        for words, meant in [(["rnu", "toy.toml"], "'run'"), (["chek", "toy.toml"], "'check'"),
                             (["plugin", "list"], "'plugins'"), (["plugins", "ifno", "x"], "'info'"),
                             (["plugins", "instal", "x"], "'install'"), (["rescroe", "x"], "'rescore'"),
                             (["rescore", "x", "--verifer", "y"], "'--verifier'"),
                             (["docs", "configuratoin"], "'configuration'"),
                             (["run", "toy.toml", "--progres", "none"], "'--progress'"),
                             (["run", "toy.toml", "--ou=x"], "'--out'"), (["plan", "toy.toml", "--no-mesure"], "'--no-measure'"),
                             (["show", "x", "--taks", "1"], "'--task'"), (["status", "x", "--jsno"], "'--json'"),
                             (["run", "toy.toml", "--progress", "lines"], "'line'"),
                             (["plugins", "list", "--kind=verifer"], "'verifier'")]:
            with self.subTest(words):
                self.refused(2, *words, says=[f"did you mean {meant}?"])

    def test_errors_under_json_are_one_object_with_the_same_exit_code(self):
        for code, words in [(2, ["rnu"]), (2, ["run"]), (2, ["run", "nothing.toml"]), (2, ["run", "toy.toml", "--ou", "x"]),
                            (2, ["status", "nothing"]), (2, ["show", "nothing"]), (3, ["plugins", "info", "nothing"]),
                            (3, ["check", "toy.toml", "search.plugin=winnow.nothing"]), (2, [])]:
            with self.subTest(words):
                value = self.json(*words)
                self.assertEqual(list(value), ["error"])
                self.assertEqual(value["error"]["exit"], code)
                self.assertEqual(self.refused(code, *words).returncode, code)

    def test_a_result_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([PROGRAM, "plugins", "list"], env=self.environment, stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 6)
        self.assertIn("No space left", done.stderr)

    def test_a_reader_that_has_seen_enough_is_no_error(self):
        done = subprocess.run(["bash", "-c", 'set -o pipefail; "$0" docs configuration | head -c 1', PROGRAM], env=self.environment,
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_plugins_are_listed_and_described(self):
        self.assertIn("winnow.brightness", self.done("plugins", "list").stdout)
        of_a_kind = self.json("plugins", "list", "--kind", "search")["plugins"]
        self.assertEqual({plugin["kind"] for plugin in of_a_kind}, {"search"})
        self.assertIn("winnow.random", [plugin["id"] for plugin in of_a_kind])
        info = self.json("plugins", "info", "winnow.brightness")
        self.assertEqual([option["key"] for option in info["options"]], ["target"])
        self.assertIn("target = 0.5", self.done("plugins", "info", "winnow.brightness").stdout)
        self.refused(3, "plugins", "info", "brightness", says=["'winnow.brightness'"])

    def test_check_and_help_are_quick(self):
        # Ten times the target, which is 100 ms: CI machines are busy.
        for words in (["--help"], ["check", "toy.toml"], ["plan", "toy.toml", "--no-measure"]):
            with self.subTest(words):
                subprocess.run([PROGRAM, *words], cwd=self.folder, env=self.environment, check=True, timeout=1.0, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    unittest.main()
