"""python -m winnow_sdk package, from the outside."""
import hashlib
import os
import subprocess
import sys
import tomllib
import unittest

from fake_host import SDK, HostTest

CODE = "@verifier(images='buffer')\ndef score(images, conditions): return [1] * len(images)\n"


class Package(HostTest):
    def make(self, *words):
        return subprocess.run([sys.executable, "-m", "winnow_sdk", "package", *map(str, words)], cwd=self.folder, text=True,
                              capture_output=True, env=os.environ | {"PYTHONPATH": str(SDK), "PYTHONDONTWRITEBYTECODE": "1"})

    def test_a_package_holds_the_named_files_and_their_hashes_and_works(self):
        project = self.package("import helper\n" + CODE, '[[data]]\nfile = "helper.py"   # beside it\n', helper="")
        (project / "README.md").write_text("read me\n")
        (project / "notes.txt").write_text("not for others\n")
        done = self.make()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        folder = project / "build/test.package"
        self.assertEqual(done.stdout.strip(), "build/test.package")
        self.assertEqual(sorted(path.name for path in folder.iterdir()), ["README.md", "helper.py", "judge.py", "winnow-plugin.toml"])
        made = tomllib.loads((folder / "winnow-plugin.toml").read_text())
        code = (project / "judge.py").read_bytes()
        self.assertEqual((made["variant"][0]["sha256"], made["variant"][0]["size"]), (hashlib.sha256(code).hexdigest(), len(code)))
        self.assertEqual(made["data"][0]["sha256"], hashlib.sha256(b"").hexdigest())
        host = self.started(folder)
        self.assertEqual((host.loaded["text"], host.create()["text"], host.score([0])), ("", "", [1]))
        (project / "judge.py").write_text("from winnow_sdk import verifier\nimport helper\n" + CODE.replace("[1]", "[2]"))
        self.assertEqual(self.make().returncode, 0)
        host = self.started(folder)
        self.assertEqual((host.create()["text"], host.score([0])), ("", [2]))

    def test_a_project_with_a_mistake_makes_no_package(self):
        for code, options, says in [(CODE, '[[plugin.option]]\nkey = "x"\ntype = "i64"\n', "has no option 'x'"),
                                    (CODE, '[[data]]\nfile = "weights.bin"\n', "no file 'weights.bin'"),
                                    (CODE, '[[data]]\nfile = "judge.py"\nsha256 = "0"\n', "are filled in here"),
                                    (CODE, '[[data]]\nfile = "../secret.txt"\n', "lies outside the project"),
                                    (CODE, '[[data]]\n"file" = "helper.py"\n', "on a line of its own in [[data]]"),
                                    ("1 / 0\n" + CODE, "", "ZeroDivisionError: division by zero\n  File"),
                                    ("import not_there\n" + CODE, "", "No module named 'not_there'"),
                                    ("def score(\n" + CODE, "", "SyntaxError"),
                                    ("import helper\n" + CODE, "", 'file = "helper.py"')]:
            with self.subTest(says):
                self.package(code, options, helper="")
                done = self.make()
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn(says, done.stderr)
                self.assertNotIn("Traceback", done.stderr)
                self.assertFalse((self.folder / "build/test.package").exists())

    def test_a_folder_that_is_no_package_is_not_replaced(self):
        self.package(CODE)
        (self.folder / "precious").mkdir()
        done = self.make(".", "--out", "precious")
        self.assertIn("is there and is no package", done.stderr)
        self.assertTrue((self.folder / "precious").exists())


if __name__ == "__main__":
    unittest.main()
