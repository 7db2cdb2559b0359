"""winnow plugins new: what it writes, and what it refuses. That the projects build and run is tested in tests/examples."""
import os
import pathlib
import tomllib
import unittest

from winnow_cli import CliTest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
TEMPLATES = [("verifier", "c"), ("verifier", "cpp"), ("verifier", "python"), ("verifier", "rust"), ("search", "c"),
             ("search", "cpp"), ("sampler", "cpp")]


def contents(folder):
    """Path -> (text, whether it can be executed)."""
    files = [path for path in folder.rglob("*") if path.is_file() and not {"build", "target"} & set(path.parts)]
    return {str(path.relative_to(folder)): (path.read_text(), os.access(path, os.X_OK)) for path in files}


class PluginsNew(CliTest):
    def test_under_its_own_name_a_template_is_the_example(self):
        for kind, language in TEMPLATES:
            example = EXAMPLES / f"{kind}-{language}"
            id = tomllib.loads((example / "winnow-plugin.toml").read_text())["package"]["id"]
            if id.startswith("winnow."):
                continue  # shipped, so the name is not free
            with self.subTest(id):
                self.done("plugins", "new", kind, id, "--lang", language)
                self.assertEqual(contents(self.folder / id.split(".")[-1]), contents(example))

    def test_another_name_stands_everywhere(self):
        for kind, language in TEMPLATES:
            with self.subTest(kind=kind, language=language):
                example = tomllib.loads((EXAMPLES / f"{kind}-{language}" / "winnow-plugin.toml").read_text())["package"]["id"]
                said = self.json("plugins", "new", kind, "com.mine.tools.my-Own".lower(), "--lang", language, "--out", f"{kind}/{language}")
                self.assertEqual(said["id"], "com.mine.tools.my-own")
                written = contents(pathlib.Path(said["directory"]))
                self.assertEqual(sorted(written), sorted(said["files"]))
                manifest = tomllib.loads(written["winnow-plugin.toml"][0])
                self.assertEqual((manifest["package"]["id"], manifest["plugin"][0]["id"]), ("com.mine.tools.my-own",) * 2)
                short = example.split(".")[-1]
                for path, (text, _) in written.items():
                    for old in (example, example.upper().replace(".", "_"), short, short.title().replace("_", "")):
                        self.assertNotIn(old, text + path)

    def test_a_name_without_a_domain_gets_one(self):
        done = self.done("plugins", "new", "verifier", "my-judge")
        self.assertIn("org.example.my-judge", done.stdout)
        self.assertIn("cmake --build build", done.stdout)
        self.assertIn("class MyJudgeVerifier", (self.folder / "my-judge/my-judge.cpp").read_text())

    def test_what_exists_is_left_alone(self):
        (self.folder / "judge").mkdir()
        (self.folder / "link").symlink_to("nowhere")
        self.refused(2, "plugins", "new", "verifier", "judge", says=["'judge' exists already", "--out"])
        self.refused(2, "plugins", "new", "verifier", "judge", "--out", "link", says=["'link' exists already"])
        self.assertEqual(list((self.folder / "judge").iterdir()), [])

    def test_bad_names_come_with_a_good_one(self):
        for name, says in [("My Judge", "did you mean 'my-judge'?"), ("org.Example.Judge", "did you mean 'org.example.judge'?"),
                           ("3d", "did you mean 'd'?"), ("org..judge", "did you mean 'org.judge'?"), ("", "expected letters"),
                           ("../judge", "did you mean 'judge'?"), ("é", "expected letters"), ("winnow.judge", "come with winnow"),
                           ("a" * 200, "at most 128")]:
            with self.subTest(name):
                self.refused(2, "plugins", "new", "verifier", name, says=[says])
        self.assertEqual([path.name for path in self.folder.iterdir()], ["toy.toml"])

    def test_kinds_and_languages_that_are_not_there(self):
        self.refused(2, "plugins", "new", "verifer", "x", says=["did you mean 'verifier'?"])
        self.refused(2, "plugins", "new", "verifier", "x", "--lang", "rsut", says=["did you mean 'rust'?"])
        self.refused(2, "plugins", "new", "sampler", "x", "--lang", "rust", says=["no template for a sampler in rust", "'cpp'"])
        self.refused(2, "plugins", "new", "search", "x", "--lang", "python", says=["'c' or 'cpp'"])

    def test_a_folder_that_cannot_be_written_is_an_error(self):
        (self.folder / "file").write_text("")
        self.refused(2, "plugins", "new", "verifier", "x", "--out", "file/x", says=["file"])


if __name__ == "__main__":
    unittest.main()
