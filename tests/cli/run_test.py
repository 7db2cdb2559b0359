"""Runs from the outside: what they print and leave, going on, being stopped, being refused."""
import json
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from winnow_cli import LONG, PROGRAM, CliTest


class Runs(CliTest):
    def test_a_run_ends_with_costs_gains_and_files(self):
        done = self.done("run", "toy.toml", "--progress", "none")
        self.assertEqual(done.stderr, "")
        for text in ("search NFE  256", "brightness", "runs/toy/gallery.png", "runs/toy/summary.json"):
            self.assertIn(text, done.stdout)
        for name in ("gallery.png", "summary.json", "run.toml", "lock.json"):
            self.assertTrue((self.folder / "runs/toy" / name).is_file(), name)

    def test_the_plan_is_what_the_run_spends(self):
        plan = self.json("plan", "toy.toml")
        run = self.json("run", "toy.toml")
        self.assertTrue(plan["exact"])
        self.assertEqual(plan["ledger"], run["ledger"])
        self.assertEqual(plan["ledger"], json.loads((self.folder / "runs/toy/summary.json").read_text())["ledger"])
        self.assertIsNone(self.json("plan", "toy.toml", "--no-measure")["seconds"])

    def test_the_scores_printed_are_the_means_of_the_summary(self):
        run = self.json("run", "toy.toml")
        tasks = json.loads((self.folder / run["summary"]).read_text())["tasks"]
        best = [task["scores"]["brightness"] for task in tasks]
        first = [task["first"]["scores"]["brightness"] for task in tasks]
        self.assertAlmostEqual(run["scores"]["brightness"]["best"], sum(best) / 4)
        self.assertAlmostEqual(run["scores"]["brightness"]["first"], sum(first) / 4)
        self.assertGreater(sum(best), sum(first))

    def test_a_finished_run_says_so(self):
        self.done("run", "toy.toml")
        before = (self.folder / "runs/toy/summary.json").stat().st_mtime_ns
        for words in (["toy.toml"], ["runs/toy"], ["runs/toy/run.toml"]):
            done = self.done("run", *words, "--quiet")
            self.assertIn("was finished before", done.stdout)
            self.assertIn("gallery.png", done.stdout)
            self.assertEqual(done.stderr, "")
        self.assertEqual((self.folder / "runs/toy/summary.json").stat().st_mtime_ns, before)

    def test_a_changed_config_is_refused_with_the_difference(self):
        self.done("run", "toy.toml")
        self.refused(2, "run", "toy.toml", "run.seed=2", says=["run.seed: 1 -> 2", "--out"])
        self.done("run", "toy.toml", "run.seed=2", "--out", "runs/other")
        # How the work is done may change.
        self.done("run", "toy.toml", "execution.batch=3")

    def test_the_directory_is_out_then_the_configs_then_the_name(self):
        self.done("run", "toy.toml", "output.dir=there")
        self.assertTrue((self.folder / "there/summary.json").exists())
        self.done("run", "toy.toml", "output.dir=there", "--out", "here")
        self.assertTrue((self.folder / "here/summary.json").exists())

    def test_folders_that_cannot_be_used_are_refused(self):
        self.refused(2, "run", "toy.toml", "--out", "toy.toml/x", says=["toy.toml"])
        self.refused(2, "run", "toy.toml", "--out", "/proc/winnow", says=["/proc/winnow"])
        (self.folder / "full").mkdir()
        (self.folder / "full/thesis.txt").write_text("mine")
        self.refused(2, "run", "toy.toml", "--out", "full", says=["full"])
        self.assertEqual([path.name for path in (self.folder / "full").iterdir()], ["thesis.txt"])

    def test_a_program_whose_file_was_replaced_while_it_runs_goes_on(self):
        shutil.copy(PROGRAM, self.folder / "winnow")
        subprocess.run(["bash", "-c", "exec 3<winnow; rm winnow; /proc/self/fd/3 run toy.toml --quiet"], cwd=self.folder,
                       env=self.environment, check=True, capture_output=True)
        self.assertIn("was finished before", self.done("run", "toy.toml").stdout)

    def test_plugins_in_processes_of_their_own_give_the_same_run(self):
        here = self.json("run", "toy.toml", "--out", "here")
        there = self.json("run", "toy.toml", "execution.isolate=plugin", "--out", "there")
        self.assertEqual(here["scores"], there["scores"])
        self.assertEqual((self.folder / "here/summary.json").read_text(), (self.folder / "there/summary.json").read_text())

    def test_show_says_which_scores_are_not_the_journals(self):
        drift = '[[verifier]]\nplugin = "winnow.odd.drift"\nrole = "report"\n'
        self.write("drift.toml", self.config.read_text() + drift + '[output]\nkeep = "all"\n')
        self.done("run", "drift.toml", "--out", "drift")
        text = self.done("show", "drift", "3/2").stdout
        self.assertRegex(text, r"brightness +[0-9.e-]+, as in the journal")
        self.assertRegex(text, r"drift +[0-9.]+, the journal says [0-9.]+")
        self.assertIn("largest score difference", text)
        value = self.json("show", "drift", "3/2")
        self.assertNotEqual(value["scores"]["drift"], value["journal_scores"]["drift"])

    def test_a_failed_candidate_is_named_with_the_reason(self):
        self.write("nan.toml", self.config.read_text().replace("winnow.brightness", "winnow.toy.sometimes_nan"))
        done = self.done("run", "nan.toml", "--out", "nan")
        self.assertRegex(done.stdout, r"\d+/\d+ failed: .*sometimes_nan.*finite")
        looks_on = '[[verifier]]\nplugin = "winnow.toy.sometimes_nan"\nrole = "report"\n'
        self.write("report.toml", self.config.read_text().replace("repeat = 2", "repeat = 20") + looks_on)
        done = self.done("run", "report.toml", "--out", "report")
        self.assertRegex(done.stdout, r"task \d+ has no sometimes_nan: .*finite")

    def test_show_makes_a_candidate_again(self):
        self.done("run", "toy.toml")
        best = self.json("show", "runs/toy", "best", "--task", "2")
        self.assertTrue(best["hash_equal"])
        self.assertEqual(best["largest_score_difference"], 0)
        chosen = json.loads((self.folder / "runs/toy/summary.json").read_text())["tasks"][2]["best"]["candidate"]
        self.assertEqual(best["recipe"]["candidate"], chosen)
        one = self.json("show", "runs/toy", "3/2", "--out", "two.png")
        self.assertEqual((one["recipe"]["task"], one["recipe"]["candidate"]), (3, 2))
        self.assertEqual((self.folder / "two.png").read_bytes()[:4], b"\x89PNG")
        self.refused(2, "show", "runs/toy", "second", says=["second"])
        self.assertNotIn("deterministic", self.done("show", "runs/toy", "3/2").stdout)
        self.refused(2, "show", "runs/toy", "999", says=["999"])
        self.refused(2, "show", "runs/toy", "--task", "9", says=["9"])


class FullDisk(CliTest):
    def test_a_full_disk_ends_with_6_and_the_run_goes_on_once_there_is_room(self):
        disk = self.folder / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True).returncode:
            self.skipTest("mounting needs root")
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        more = ["budget.nfe=40000", "--out", "disk/run"]
        self.refused(6, "run", "toy.toml", *more, says=["disk/run"])
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        ledger = self.json("run", "toy.toml", *more)["ledger"]
        self.assertEqual(ledger, self.json("run", "toy.toml", "budget.nfe=40000", "--out", "undisturbed")["ledger"])
        for name in ("summary.json", "gallery.png"):
            self.assertEqual((disk / "run" / name).read_bytes(), (self.folder / "undisturbed" / name).read_bytes(), name)


class Stopped(CliTest):
    def stop(self, number):
        child = self.start("run", "toy.toml", *LONG, "--json")
        self.wait_until_busy(child, "runs/toy")
        child.send_signal(number)
        out, err = child.communicate(timeout=120)
        return child.returncode, json.loads(out), err

    def test_sigterm_stops_after_a_checkpoint_and_the_same_command_goes_on(self):
        code, value, err = self.stop(signal.SIGTERM)
        self.assertEqual((code, value["exit"], value["finished"]), (75, 75, False), err)
        self.assertIn("the same command goes on", err)
        status = self.json("status", "runs/toy")
        self.assertEqual(status["state"], "stopped")
        self.assertGreater(status["candidates_done"], 0)
        done = self.done("run", "runs/toy", "--json", "--progress", "none")
        self.assertIn("going on", done.stderr)
        ledger = json.loads(done.stdout)["ledger"]
        self.assertEqual(ledger["search_nfe"], 4 * 400000)
        self.assertEqual(self.json("status", "runs/toy")["state"], "finished")

    def test_ctrl_c_ends_with_130(self):
        code, value, err = self.stop(signal.SIGINT)
        self.assertEqual((code, value["exit"]), (130, 130), err)
        self.assertEqual(self.json("status", "runs/toy")["state"], "stopped")

    def test_no_process_of_a_plugin_outlives_the_run(self):
        for number in (signal.SIGINT, signal.SIGKILL):
            child = self.start("run", "toy.toml", *LONG, "execution.isolate=plugin", "--out", f"runs/{number}")
            self.wait_until_busy(child, f"runs/{number}")
            processes = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
            self.assertGreaterEqual(len(processes), 3)
            child.send_signal(number)
            child.communicate(timeout=120)
            deadline = time.monotonic() + 20
            while left := [p for p in processes if self.runs(p)]:
                self.assertLess(time.monotonic(), deadline, left)
                time.sleep(0.02)

    @staticmethod
    def runs(process):
        """What is dead, and not waited for by whoever inherited it, does not."""
        try:
            return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def test_a_second_writer_is_refused_and_status_is_not(self):
        child = self.start("run", "toy.toml", *LONG)
        self.wait_until_busy(child, "runs/toy")
        self.refused(5, "run", "toy.toml", *LONG, says=["in use by process", str(child.pid)])
        self.assertEqual(self.json("status", "runs/toy")["state"], "running")
        self.assertIsNone(child.poll())

    def test_kill_leaves_a_run_that_goes_on(self):
        child = self.start("run", "toy.toml", *LONG)
        self.wait_until_busy(child, "runs/toy")
        child.kill()
        child.wait()
        self.assertEqual(self.json("status", "runs/toy")["state"], "stopped")
        self.assertEqual(self.json("run", "runs/toy")["ledger"]["search_nfe"], 4 * 400000)


if __name__ == "__main__":
    unittest.main()
