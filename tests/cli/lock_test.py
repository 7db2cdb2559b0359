"""winnow-plugins.lock from the outside: what it lets through, and what it refuses before anything is spent."""
import hashlib
import tomllib
import unittest

from winnow_cli import CliTest

ID = "winnow.brightness"


class Lock(CliTest):
    def setUp(self):
        super().setUp()
        self.own = self.package("own", ID)
        self.plugin = ["--plugin", self.own]
        self.lock = self.folder / "winnow-plugins.lock"

    def rebuild(self):
        """Another build of the plugin: as good, but not the same. Returns the manifest's hash."""
        manifest = self.own / "winnow-plugin.toml"
        manifest.write_text(manifest.read_text() + "# built again\n")
        return hashlib.sha256(manifest.read_bytes()).hexdigest()

    def entries(self):
        return {entry["id"]: entry for entry in tomllib.loads(self.lock.read_text())["plugin"]}

    def test_a_lock_holds_the_plugins_of_its_configs_and_their_hashes(self):
        value = self.json("plugins", "lock", "toy.toml", *self.plugin)
        self.assertEqual(value["file"], str(self.lock))
        entries = self.entries()
        self.assertEqual(sorted(entries), [ID, "winnow.random", "winnow.toy.sampler"])
        for file, key in [("winnow-plugin.toml", "manifest"), ("libwinnow_brightness.so", "library")]:
            self.assertEqual(entries[ID][key], hashlib.sha256((self.own / file).read_bytes()).hexdigest())
        self.assertEqual((entries[ID]["version"], entries[ID]["kind"]), ("1.0.0", "verifier"))
        before = self.lock.read_text()
        self.done("plugins", "lock", "toy.toml", *self.plugin)
        self.assertEqual(self.lock.read_text(), before)
        self.done("plugins", "lock", "--file", self.lock, "winnow.sharpness")  # beside what is there
        self.assertEqual(sorted(self.entries()), sorted([*entries, "winnow.sharpness"]))
        for verb in ("check", "plan", "run"):
            self.done(verb, "toy.toml", *self.plugin)

    def test_a_run_with_another_build_is_refused_with_both_hashes_before_anything_is_made(self):
        self.done("plugins", "lock", "toy.toml", *self.plugin)
        was, now = self.entries()[ID]["manifest"], self.rebuild()
        self.write("study.toml", '[study]\nname = "tiny"\nbase = "toy.toml"\nseeds = [1]\n[[sweep]]\nlabel = "x"\n'
                                 'axes = [{ key = "search.candidates", values = [1, 2] }]\n')
        for words in (["run", "toy.toml"], ["check", "toy.toml"], ["plan", "toy.toml"], ["study", "study.toml"]):
            with self.subTest(words):
                self.refused(3, *words, *self.plugin, says=[str(self.lock), ID, was, now, "winnow plugins lock --file"])
        for made in ("runs", "studies"):
            self.assertFalse((self.folder / made).exists())
        self.done("plugins", "lock", "--file", self.lock, "toy.toml", *self.plugin)  # as the message says
        self.assertEqual(self.entries()[ID]["manifest"], now)
        self.done("run", "toy.toml", *self.plugin, "--quiet")

    def test_a_plugin_that_is_not_in_the_lock_is_refused(self):
        self.done("plugins", "lock", "toy.toml")
        self.refused(3, "run", "toy.toml", "search.plugin=winnow.zero_order",
                     says=["winnow.zero_order: is not in the lock"])
        self.done("plugins", "lock", "--file", self.lock, "winnow.zero_order")
        self.done("check", "toy.toml", "search.plugin=winnow.zero_order")

    def test_only_a_lock_beside_the_config_counts(self):
        self.done("plugins", "lock", "toy.toml", *self.plugin)
        self.rebuild()
        other = self.folder / "other"
        other.mkdir()
        (other / "toy.toml").write_text(self.config.read_text())
        self.done("check", other / "toy.toml", *self.plugin)
        self.refused(3, "check", self.config, *self.plugin, says=["installed in"])

    def test_a_lock_that_cannot_be_read_is_a_mistake_with_its_place(self):
        self.done("plugins", "lock", "toy.toml")
        good = self.lock.read_text()
        for before, after, says in [("version", "vresion", "did you mean 'version'?"), ("manifest = \"", "manifest = \"x", "no sha256"),
                                    ("file_format = \"1.0\"", "file_format = \"2.0\"", "expected file_format"),
                                    ("[[plugin]]", "[[plugin", "winnow-plugins.lock:")]:
            with self.subTest(after):
                self.lock.write_text(good.replace(before, after, 1))
                self.refused(2, "check", "toy.toml", says=[says])

    def test_a_lock_that_leads_nowhere_lets_nothing_through(self):
        self.lock.symlink_to("gone.lock")
        self.refused(2, "check", "toy.toml", says=["winnow-plugins.lock", "no file"])

    def test_a_studys_own_plugins_are_locked_too(self):
        self.done("plugins", "lock", "toy.toml")
        text = ('[study]\nname = "tiny"\nbase = "toy.toml"\nseeds = [1]\n[[sweep]]\nlabel = "x"\n'
                'axes = [{ key = "search.plugin", values = ["winnow.random"] }]\n')
        study = self.write("study.toml", text)
        self.done("study", study, "--plan")
        self.write("study.toml", text + '[metrics]\nplugin = "winnow.toy.features"\n')
        self.refused(3, "study", study, "--plan", says=["winnow.toy.features: is not in the lock"])
        self.write("study.toml", text.replace("winnow.random", "winnow.zero_order"))
        done = self.refused(3, "study", study, "--plan", says=["winnow.zero_order: is not in the lock"])
        self.done(*done.stderr.split("accept what is installed: winnow ")[1].split())  # as the message says
        self.done("study", study, "--plan")

    def test_a_lock_takes_the_overrides_of_a_run_and_all_points_of_a_study(self):
        self.done("plugins", "lock", "toy.toml", "search.plugin=winnow.zero_order")
        self.assertEqual(sorted(self.entries()), [ID, "winnow.toy.sampler", "winnow.zero_order"])
        self.done("run", "toy.toml", "search.plugin=winnow.zero_order", "--quiet")
        (self.folder / "studies").mkdir()
        self.write("studies/study.toml", '[study]\nname = "tiny"\nbase = "../toy.toml"\nseeds = [1]\n[[sweep]]\nlabel = "x"\n'
                   'axes = [{ key = "search.plugin", values = ["winnow.random", "winnow.paths"] }]\n[quick]\nset = { "sampler.steps" = 2 }\n'
                   '[metrics]\nplugin = "winnow.toy.features"\n')
        self.assertEqual(self.json("plugins", "lock", "studies/study.toml")["file"], str(self.lock))
        self.assertEqual(sorted(self.entries()), [ID, "winnow.paths", "winnow.random", "winnow.toy.features", "winnow.toy.sampler",
                                                  "winnow.zero_order"])
        self.done("study", "studies/study.toml", "--plan")
        self.refused(2, "plugins", "lock", "search.plugin=winnow.paths", "toy.toml", says=["stands behind no config"])
        self.refused(2, "plugins", "lock", "studies/study.toml", "search.round=2", says=["stands behind the study"])
        self.refused(2, "plugins", "lock", "toy.toml", "search.runds=2", says=["did you mean"])

    def test_what_cannot_be_locked(self):
        self.refused(3, "plugins", "lock", "winnow.randm", says=["did you mean 'winnow.random'?"])
        for near in ("brightness", "brightnes", "other.brightness"):
            self.refused(3, "plugins", "lock", near, says=["did you mean 'winnow.brightness'?"])
        done = self.refused(3, "plugins", "lock", "quite.different", says=["no plugin 'quite.different'", "winnow plugins list"])
        self.assertLess(len(done.stderr), 200)
        self.refused(2, "plugins", "lock", "nothing.toml", says=["nothing.toml"])
        with (self.own / "libwinnow_brightness.so").open("ab") as library:
            library.write(b"\0")
        self.refused(3, "plugins", "lock", "toy.toml", *self.plugin, says=["bytes"])
        self.assertFalse(self.lock.exists())


if __name__ == "__main__":
    unittest.main()
