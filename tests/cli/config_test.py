"""Configs and plugins that cannot be used: refused before anything is spent, with one clear sentence and the right exit code."""
import re
import unittest

from winnow_cli import PLUGINS, TOY, CliTest, only


class Mistakes(CliTest):
    def test_mistakes_are_shown_at_their_place_all_at_once(self):
        self.write("bad.toml", TOY.replace("seed = 1", "sede = 1").replace("nfe = 64", "nfe = -64"))
        for verb in ("run", "plan", "check"):
            with self.subTest(verb):
                self.refused(2, verb, "bad.toml", says=["bad.toml:3:1", "3 | sede = 1", "| ^^^^", "did you mean 'seed'?", "bad.toml:6:7", "'budget.nfe' is -64"])

    def test_mistakes_in_overrides_are_shown_there(self):
        self.refused(2, "check", "toy.toml", "search.canddates=3", says=["override 1", "did you mean 'candidates'?"])
        self.refused(2, "check", "toy.toml", "budget.nfe=", says=["override 1"])
        self.refused(2, "check", "toy.toml", "nonsense", says=["nonsense"])

    def test_bad_inputs_are_refused(self):
        for override, says in [("tasks.classes=[]", "classes"), ("tasks.repeat=0", "repeat"), ("budget.nfe=-1", "-1"),
                               ("budget.seconds=-3.5", "-3.5"), ("budget.nfe='lots'", "lots"), ("sampler.size=0", "size")]:
            with self.subTest(override):
                self.refused(2, "run", "toy.toml", override, says=[says])
                self.assertFalse((self.folder / "runs").exists())

    def test_a_class_that_the_sampler_does_not_know_is_refused_before_anything_is_made(self):
        self.refused(2, "run", "toy.toml", "tasks.classes=[1, 12]", says=["task 1", "class 12"])
        self.assertFalse((self.folder / "runs").exists())

    def test_a_budget_below_one_candidate_is_refused_before_anything_is_made(self):
        for search in ("random", "zero_order", "paths"):
            for verb in (["check", "--load"], ["plan"], ["run"]):
                with self.subTest(search, verb=verb):
                    self.refused(2, *verb, "toy.toml", "budget.nfe=1", f"search.plugin=winnow.{search}",
                                 says=["the budget of 1 NFE does not reach for one candidate"])
        self.assertFalse((self.folder / "runs").exists())

    def test_check_says_what_it_leaves_to_the_plugins(self):
        self.assertIn("--load", self.done("check", "toy.toml").stdout)
        self.assertNotIn("--load", self.done("check", "toy.toml", "--load").stdout)

    def test_a_missing_model_is_named_with_the_nearest_file(self):
        if not (PLUGINS / "winnow.class_probability").is_dir():
            self.skipTest("built without LibTorch")
        self.write("classifier.safetensors", "")
        self.refused(2, "check", "--load", "toy.toml", "verifier.0={plugin='winnow.class_probability', weights='clasifier.safetensors'}",
                     says=["clasifier.safetensors", "weights: did you mean 'classifier.safetensors'?"])

    def test_a_study_and_a_run_config_are_told_apart(self):
        self.write("study.toml", "[study]\nname = 's'\nbase = 'toy.toml'\n[[sweep]]\nlabel = 'a'\n")
        self.refused(2, "run", "study.toml", says=["this is a study, expected a run config", "winnow study"])
        self.refused(2, "study", "toy.toml", says=["this is a run config, expected a study", "winnow run"])

    def test_a_search_without_an_end_is_refused(self):
        self.write("endless.toml", TOY.replace("nfe = 64", ""))
        for verb in (["run"], ["plan"], ["check", "--load"]):
            self.refused(2, *verb, "endless.toml", says=["budget"])

    def test_options_of_searches_that_make_no_sense_are_refused_before_anything_is_spent(self):
        for search, says in [("zero_order', cosine=1.0", "option 'cosine' of winnow.zero_order is 1, expected a value in (0, 1)"),
                             ("zero_order', cosine=0", "option 'cosine' of winnow.zero_order is 0, expected a value in (0, 1)"),
                             ("zero_order', cosine=-0.5", "option 'cosine' of winnow.zero_order is -0.5, expected a value in (0, 1)"),
                             ("zero_order', neighbours=0", "option 'neighbours' of winnow.zero_order is 0, expected a value in [1, 65536]"),
                             ("zero_order', no_improvement='stay'", "is 'stay', expected 'keep' or 'redraw'"),
                             ("first_order', step=0.0", "option 'step' of winnow.first_order is 0, expected a value in (0, 100]"),
                             ("paths', sigma=0.0", "option 'sigma' of winnow.paths is 0, expected a value in (0, 1]"),
                             ("paths', paths=0", "option 'paths' of winnow.paths is 0, expected a value in [1, 65536]")]:
            for verb in ("check", "plan", "run"):
                with self.subTest(search, verb=verb):
                    self.refused(2, verb, "toy.toml", f"search={{plugin='winnow.{search}}}", says=["override 1:1:", says])
        for paths, says in [("delta_b=0.78", "winnow.paths 1.0.0: create failed: delta_b is 0.78 and delta_f is 0.78: delta_b must be greater, or the paths never reach the data"),
                            ("delta_f=0.9", "delta_b is 0.81 and delta_f is 0.9: delta_b must be greater"),
                            ("sigma=0.5", "sigma is 0.5 and delta_f is 0.78: together they must be at most 1, the time of pure noise"),
                            ("delta_f=0.81, delta_b=0.810001", "so sigma = 0.11 takes more than 10000 rounds")]:
            for verb in (["check", "--load"], ["plan"], ["run"]):
                with self.subTest(paths, verb=verb):
                    self.refused(2, *verb, "toy.toml", f"search={{plugin='winnow.paths', {paths}}}", says=[says])
        self.assertFalse((self.folder / "runs").exists())

    def test_a_search_that_branches_is_refused_where_no_noise_tells_the_branches_apart(self):
        for search in ("fk", "svdd", "rbf", "tree"):
            for verb in (["check", "--load"], ["plan"], ["run"]):
                with self.subTest(search, verb=verb):
                    self.refused(2, *verb, "toy.toml", f"search={{plugin='winnow.{search}'}}", says=[
                        f"winnow.{search}: the sampler draws no noise on the way", "search.stochasticity = 1"])
                    self.refused(2, *verb, "toy.toml", f"search={{plugin='winnow.{search}', stochasticity=1}}", says=[
                        f"winnow.{search}: the search asks for stochasticity 1, but winnow.toy.sampler has no noise on the way"])
        self.assertFalse((self.folder / "runs").exists())
        self.done("check", "--load", "toy.toml", "search={plugin='winnow.fk'}", "sampler.eta=0.5")
        self.done("check", "--load", "toy.toml", "search={plugin='winnow.fk', stochasticity=-1}")

    def test_the_old_names_of_the_options_of_paths_still_count(self):
        resolved = self.done("check", "toy.toml", "search={plugin='winnow.paths', forward=0.5, back=0.6}", "--print").stdout
        self.assertIn("delta_f = 0.5", resolved)
        self.assertIn("delta_b = 0.6", resolved)

    def test_a_search_is_refused_where_an_interface_that_it_needs_is_missing_with_the_names_of_both(self):
        plain, target = "sampler={plugin='winnow.toy.plain_sampler'}", "verifier.0={plugin='winnow.toy.target'}"
        ranks = "selection.rule='mean-rank'"
        for search, others, says in [("paths", [plain], "winnow.paths goes back to noise, but winnow.toy.plain_sampler has no renoise"),
                                     ("first_order", [plain, target], "winnow.first_order follows gradients, but winnow.toy.plain_sampler has no vjp"),
                                     ("first_order", [], "winnow.first_order follows gradients, but winnow.brightness has no grad"),
                                     ("first_order", [target, ranks], "winnow.first_order follows gradients, but selection.rule ranks within a pool")]:
            for verb in (["check"], ["check", "--load"], ["plan"], ["run"]):
                with self.subTest(search, verb=verb):
                    self.refused(2, *verb, "toy.toml", f"search={{plugin='winnow.{search}'}}", *others, says=[says])
        self.assertFalse((self.folder / "runs").exists())
        self.done("check", "toy.toml", "search={plugin='winnow.first_order'}", target)

    def test_missing_files_are_named_with_the_nearest(self):
        self.refused(2, "run", "tyo.toml", says=["tyo.toml", "did you mean", "toy.toml"])
        (self.folder / "empty").mkdir()
        self.refused(2, "run", "empty", says=["run.toml"])

    def test_the_resolved_config_checks_itself(self):
        resolved = self.done("check", "toy.toml", "sampler.steps=3", "--print").stdout
        self.assertIn("steps = 3", resolved)
        self.write("resolved.toml", resolved)
        self.assertEqual(self.done("check", "resolved.toml", "--print").stdout, resolved)


class Plugins(CliTest):
    def setUp(self):
        super().setUp()
        for id in ("winnow.toy.sampler", "winnow.brightness", "winnow.random"):
            self.package("packages", id)
        self.environment["WN_PLUGIN_PATH"] = str(self.folder / "packages")
        self.victim = self.folder / "packages" / "winnow.brightness"

    def edit_manifest(self, pattern, replacement):
        manifest = self.victim / "winnow-plugin.toml"
        text, n = re.subn(pattern, replacement, manifest.read_text(), flags=re.MULTILINE)
        self.assertGreater(n, 0, manifest.read_text())
        manifest.write_text(text)

    def refused_everywhere(self, *says):
        for verb in ("run", "plan", "check"):
            with self.subTest(verb):
                done = self.refused(3, verb, "toy.toml", says=says)
                self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
        self.assertFalse((self.folder / "runs").exists())

    def test_a_copied_package_is_found_and_used(self):
        self.done("run", "toy.toml")
        self.assertIn(str(self.victim), self.done("plugins", "list", "--why").stdout)

    def test_a_package_named_on_the_command_line_wins(self):
        other = self.package("other", "winnow.brightness")
        value = self.json("check", "toy.toml", "--plugin", other)
        self.assertIn(str(other), [plugin["library"] for plugin in value["plugins"] if plugin["kind"] == "verifier"][0])
        why = self.done("plugins", "list", "--why", "--plugin", other).stdout
        self.assertIn("shadowed by", why)
        self.refused(3, "check", "toy.toml", "--plugin", "nowhere", says=["nowhere"])

    def test_an_unknown_plugin_gets_the_nearest_id(self):
        self.refused(3, "run", "toy.toml", "search.plugin=winnow.randm", says=["winnow.random"])

    def test_an_altered_library_is_refused(self):
        with only(self.victim, ".so").open("r+b") as library:
            library.seek(-1, 2)
            last = library.read(1)
            library.seek(-1, 2)
            library.write(bytes([last[0] ^ 1]))
        self.refused_everywhere("winnow.brightness", "sha256")

    def test_a_missing_library_is_refused(self):
        only(self.victim, ".so").unlink()
        self.refused_everywhere("winnow.brightness", "is missing")

    def test_another_architecture_is_refused(self):
        self.edit_manifest(r'^arch = ".*"', 'arch = "sparc64"')
        self.refused_everywhere("winnow.brightness", "sparc64")

    def test_another_major_of_the_abi_is_refused(self):
        self.edit_manifest(r"^major = 1", "major = 2")
        self.refused_everywhere("winnow.brightness", "plugin ABI 2")

    def test_a_newer_minor_than_the_hosts_is_refused(self):
        self.edit_manifest(r"^needs_minor = 0", "needs_minor = 99")
        self.edit_manifest(r"^built_minor = 0", "built_minor = 99")
        self.refused_everywhere("winnow.brightness", "1.99")

    def test_an_unreadable_manifest_is_told_by_why(self):
        (self.victim / "winnow-plugin.toml").write_text("[package\n")
        self.refused_everywhere("winnow.brightness", str(self.victim), "winnow plugins list --why")
        self.assertIn("winnow-plugin.toml:1", self.done("plugins", "list", "--why").stdout)
        self.assertEqual(len(self.json("plugins", "list", "--why")["broken"]), 1)


if __name__ == "__main__":
    unittest.main()
