"""Verifiers that do not do what they should: each failure is the picture's, says what happened, and is survived."""
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import unittest

from fake_host import SDK, HostTest
from winnow_sdk import verifier
from winnow_sdk.verifiers import BadResult, checked, score_batch, text_of

BUFFER = "@verifier(images='buffer')\ndef score(images, conditions):\n"
FIRST = "image[0, 0, 0]"


class Decorator(unittest.TestCase):
    def test_what_is_no_verifier_is_refused_with_the_signature(self):
        cases = [(lambda images: 0, "expected a function of (images, conditions)"),
                 (lambda images, conditions, window=3: 0, "options after '*'"),
                 (lambda *images: 0, "expected a function of (images, conditions)"),
                 (3, "a verifier is a function or a class, found int"),
                 (type("Judge", (), {}), "has no method score"),
                 (type("Judge", (), {"score": lambda self, images: 0}), "(self, images, conditions)"),
                 (type("Judge", (), {"__init__": lambda self, window: None, "score": lambda self, images, conditions: 0}),
                  "options come by keyword, __init__(self, *, window)")]
        for bad, says in cases:
            with self.subTest(says), self.assertRaisesRegex(TypeError, says.replace("(", r"\(").replace(")", r"\)").replace("*", r"\*")):
                verifier(bad)

        with self.assertRaisesRegex(TypeError, r"expected a function of \(images, conditions, previews\)"):
            verifier(preview_time=0.5)(lambda images, conditions: 0)

        async def later(images, conditions):
            return []
        with self.assertRaises(TypeError):
            verifier(later)

    def test_an_older_python_is_refused_in_one_line(self):
        code = "import sys; sys.version_info, sys.version = (3, 9, 18), '3.9.18 (main)'; import winnow_sdk"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(SDK)})
        self.assertEqual(done.stderr.splitlines()[-1],
                         f"ImportError: winnow_sdk needs Python 3.11 or newer, {sys.executable} is 3.9.18")

    def test_settings_are_checked(self):
        for words, says in [({"images": "jax"}, "'numpy', 'torch', 'buffer'"), ({"max_batch": -1}, "max_batch=-1"),
                            ({"preferred_batch": 2.5}, "preferred_batch=2.5"), ({"preview_time": 2}, "preview_time=2, expected 0 to 1")]:
            with self.subTest(says), self.assertRaisesRegex(ValueError, says):
                verifier(**words)(lambda images, conditions: [])

    def test_the_function_stays_as_it_was(self):
        def score(images, conditions, *, window: int = 11):
            return [window]
        self.assertIs(verifier(score), score)
        self.assertEqual(verifier(score)(None, None, window=3), [3])


class Rows:
    """As Pictures, of anything."""

    def __init__(self, rows):
        self.rows = rows

    def all(self):
        return self.rows

    def alone(self, i, times):
        return [self.rows[i]] * times


class Results(unittest.TestCase):
    def test_numbers_of_all_sorts_are_numbers(self):
        self.assertEqual(checked([1, 0.5], 2), [1, 0.5])
        self.assertEqual(checked((2,), 1), [2])
        try:
            import numpy
        except ImportError:
            return
        self.assertEqual(checked(numpy.array([1, 0.5]), 2), [1, 0.5])
        self.assertEqual(checked([numpy.float64(0.5), numpy.int32(3)], 2), [0.5, 3])

    def test_what_is_no_list_of_n_is_refused(self):
        for bad, says in [(None, "None, expected a list of 2"), (0.5, "a float"), ("ab", "a str"), ([1], "1 scores for 2 pictures"),
                          ([1, 2, 3], "3 scores for 2 pictures"), ({0: 1, 1: 2}, "a dict"), (iter([1, 2]), "iterator")]:
            with self.subTest(says), self.assertRaisesRegex(BadResult, says):
                checked(bad, 2)

    def test_what_is_no_number_fails_its_picture_alone(self):
        bad = [float("nan"), float("inf"), -float("inf"), 1e39, 10 ** 400, 10 ** 5000, None, "1", True, [1], 1j]
        for value in bad:
            good, failed = checked([1, value], 2)
            self.assertEqual(good, 1)
            self.assertIn("for this picture, expected a", failed.text)

    def test_a_batch_that_fails_is_tried_picture_by_picture_at_the_same_size(self):
        sizes = []

        def score(images, conditions):
            sizes.append(len(conditions))
            if "bad" in images:
                raise ValueError("a bad one")
            return [len(image) for image in images]

        for invariant, alone in ((False, 3), (True, 1)):
            sizes.clear()
            results = score_batch(score, [Rows(["a", "bad", "abcd"])], [None] * 3, invariant, self.fail)
            self.assertEqual((results[0], results[2], sizes), (1, 4, [3, alone, alone, alone]))
            self.assertTrue(results[1].text.startswith("ValueError: a bad one\n"), results[1])

    def test_a_batch_of_one_is_tried_again_as_a_batch_of_many_is_and_both_are_warned_of(self):
        for rows in (["a"], ["a", "ab", "abc"]):
            calls, warnings = [], []

            def score(images, conditions):
                calls.append(images)
                if len(calls) == 1:
                    raise ValueError("not yet")
                return [len(image) for image in images]
            results = score_batch(score, [Rows(rows)], [None] * len(rows), True, warnings.append)
            self.assertEqual((results, len(calls)), ([len(row) for row in rows], len(rows) + 1))
            self.assertEqual(warnings, [f"score() failed for a batch of {len(rows)}, and then for none of its pictures alone, so "
                                        f"{len(rows) + 1} calls were made for it: ValueError: not yet"])

    def test_any_exception_has_a_text(self):
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError
        for error in (Mute(), BadResult("plain"), SystemExit(3), ValueError("x" * 10 ** 6), KeyboardInterrupt()):
            text = text_of(error)
            self.assertTrue(0 < len(text) < 4200, text[:100])


class Misuse(HostTest):
    def failures(self, body: str, *images, **words):
        host = self.host(BUFFER + body, **words)
        results = host.score(*(images or ([0.5],)))
        self.assertEqual(host.score([0.25])[0] is None, False)  # it still answers
        return results

    def test_an_exception_arrives_with_its_traceback_and_without_ours(self):
        host = self.host("import helper\n" + BUFFER + "  return helper.look(images)\n",
                         '[[data]]\nfile = "helper.py"\nsha256 = ""\n', helper="def look(images):\n  raise ValueError('too dark')\n")
        (text,) = host.score([0.5])
        self.assertEqual(text, f'ValueError: too dark\n  File "{self.folder}/judge.py", line 5, in score\n    return helper.look(images)\n'
                               f'           ^^^^^^^^^^^^^^^^^^^\n  File "{self.folder}/helper.py", line 2, in look\n'
                               "    raise ValueError('too dark')")

    def test_only_the_picture_that_raises_fails(self):
        results = self.failures(f"  for image in images: 1 / {FIRST}\n  return [{FIRST} for image in images]\n", [0.5], [0], [1])
        self.assertEqual((results[0], results[2]), (0.5, 1))
        self.assertTrue(results[1].startswith("ZeroDivisionError"), results)

    def test_a_batch_that_fails_without_need_is_warned_of_once(self):
        host = self.host(BUFFER + "  if len(images) > 1: raise RuntimeError('my batch path is broken')\n  return [1]\n",
                         batch_invariant=True)
        for _ in range(2):
            self.assertEqual(host.score([0.5], [1]), [1, 1])
        ((level, text),) = host.log
        self.assertEqual(level, 3)
        self.assertTrue(text.endswith("so 3 calls were made for it: RuntimeError: my batch path is broken"), text)

    def test_pictures_cannot_be_written_to_in_batches_of_any_size_nor_alone(self):
        writes = "  images[0][0, 0, 0] = 2\n  return [1] * len(images)\n"
        heads = {"buffer": "TypeError: cannot modify read-only memory"}
        try:
            import numpy  # noqa: F401
            heads["numpy"] = "ValueError: assignment destination is read-only"
        except ImportError:
            pass
        for (form, says), invariant in itertools.product(heads.items(), (False, True)):
            host = self.host(f"@verifier(images='{form}')\ndef score(images, conditions):\n{writes}", batch_invariant=invariant)
            for images in ([[0.5]], [[0.5], [1], [0]]):
                with self.subTest(form=form, n=len(images), invariant=invariant):
                    for text in host.score(*images):
                        self.assertTrue(text.startswith(says), text)
            self.assertEqual(host.log, [])

    def test_torch_does_not_notice_a_write_and_the_kernel_ends_the_process_also_when_a_picture_is_alone(self):
        try:
            import torch  # noqa: F401
        except ImportError:
            self.skipTest("there is no torch")
        for batch in ("", "  if images[0, 0, 0, 0] != images[-1, 0, 0, 0]: raise ValueError\n"):
            host = self.host(f"@verifier(images='torch')\ndef score(images, conditions):\n{batch}  images[0] = 2\n  return [1, 1]\n")
            with self.assertRaises((EOFError, ConnectionError)):
                host.score([0.5], [1])
            self.assertEqual(host.close()[0], -signal.SIGSEGV)

    def test_what_led_to_an_exception_is_said_too(self):
        (text,) = self.failures("  try: {}['weights']\n  except KeyError: raise ValueError('no weights')\n")
        self.assertTrue(text.startswith("ValueError: no weights\n"), text)
        self.assertTrue(text.endswith("\nafter KeyError: 'weights'"), text)
        (text,) = self.failures("  try: {}['weights']\n  except KeyError: raise ValueError('no weights') from None\n")
        self.assertNotIn("after KeyError", text)

    def test_endless_recursion_and_huge_texts_are_cut(self):
        for body in ("  def again(): again()\n  again()\n", "  raise ValueError('x' * 10 ** 8)\n",
                     "  raise ExceptionGroup('many', [ValueError('y' * 10 ** 6)] * 9)\n"):
            (text,) = self.failures(body)
            self.assertLess(len(text), 4200)
            self.assertRegex(text, "^(RecursionError|ValueError|ExceptionGroup): ")
            self.assertIn("judge.py", text)

    def test_what_a_function_should_not_return_is_said(self):
        for body, says in [("  return [0.5] * (len(images) + 1)\n", "score() returned"),
                           ("  pass\n", "score() returned None, expected a list"),
                           ("  return [float('nan')] * len(images)\n", "score() returned nan for this picture"),
                           ("  return ['0.5'] * len(images)\n", "score() returned a str for this picture")]:
            with self.subTest(says):
                for text in self.failures(body, [0.5], [1]):
                    self.assertIn(says, text)

    def test_leaving_python_by_sys_exit_fails_the_picture_only(self):
        for word, name in [("sys.exit(3)", "SystemExit: 3"), ("raise KeyboardInterrupt", "KeyboardInterrupt"),
                           ("raise GeneratorExit", "GeneratorExit")]:
            host = self.host(f"import sys\n{BUFFER}  if images[0][0, 0, 0]: {word}\n  return [0]\n")
            (text,) = host.score([1])
            self.assertTrue(text.startswith(name), text)
            self.assertEqual(host.score([0]), [0])

    def test_what_is_not_utf8_in_a_message_is_written_as_an_escape(self):
        (text,) = self.failures("  raise ValueError(b'\\xff\\xfe'.decode('utf-8', 'surrogateescape') + 'ü')\n")
        self.assertTrue(text.startswith("ValueError: \\udcff\\udcfeü\n"), text)

    def test_prints_go_to_stdout_at_once_and_harm_nothing(self):
        host = self.host(BUFFER + "  print('hello', flush=False)\n  return [1]\n")
        self.assertEqual(host.score([0]), [1])
        self.assertEqual(host.close(), (0, "hello\n"))


class Loading(HostTest):
    def refused(self, code, *options, says, **words):
        host = self.started(self.package(code, *options, **words))
        self.assertEqual(host.loaded["status"], 13)
        self.assertIn(says, host.loaded["text"])
        return host.loaded["text"]

    def test_what_cannot_be_loaded_says_why(self):
        option = '[[plugin.option]]\nkey = "window"\ntype = "i64"\ndefault = 11\n'
        with_option = "@verifier\ndef score(images, conditions, *, window: {} = {}): return []\n"
        for code, options, says in [
                ("def score(images, conditions): pass\n", "", "judge has no function or class under @verifier"),
                ("syntax error\n", "", "SyntaxError"),
                ("import not_there\n", "", "No module named 'not_there'"),
                ("1 / 0\n", "", "ZeroDivisionError"),
                ("raise SystemExit(1)\n", "", "SystemExit"),
                (BUFFER + "  pass\n@verifier\ndef other(images, conditions): pass\n", "", "several verifiers with one id"),
                ("@verifier(id='test.other')\ndef score(images, conditions): pass\n", "", "no verifier 'test.judge' in judge"),
                (BUFFER + "  pass\n", 'provides = ["wn.verifier/1", "wn.verifier.grad/1"]\n', "provides wn.verifier.grad/1 by the manifest"),
                (BUFFER + "  pass\n", option, "has no option 'window' after '*'"),
                (with_option.format("int", 11), "", "no [[plugin.option]] 'window'"),
                (with_option.format("int", 12), option, "12 by default in the code, 11 in the manifest"),
                (with_option.format("str", "'x'"), option, "is str in the code, \"i64\" in the manifest"),
                (BUFFER + "  pass\n", "[oops\n", "winnow-plugin.toml"),
        ]:
            with self.subTest(says):
                self.refused(code, options, says=says)

    def test_a_missing_module_is_blamed_on_the_environment(self):
        text = self.refused("import not_there\n", says="No module named 'not_there'")
        self.assertIn("the environment of ", text)
        self.assertNotIn("importlib", text)

    def test_so_is_the_library_that_pictures_come_in(self):
        text = self.refused("import sys\nsys.modules['numpy'] = None\n@verifier\ndef score(images, conditions): pass\n", says="numpy")
        self.assertEqual(text.splitlines()[1:], [f"the environment of {sys.executable} lacks it; winnow takes the active one, or one "
                                                 "for this package alone"])

    def test_code_that_the_manifest_does_not_name_is_not_taken(self):
        self.refused("import helper\n" + BUFFER + "  pass\n", says='file = "helper.py"', helper="")

    def test_nor_is_it_when_it_is_imported_late(self):
        host = self.host(BUFFER + "  import helper\n  return [helper.x]\n", helper="x = 1\n")
        for _ in range(2):
            (text,) = host.score([0])
            self.assertIn('helper.py is imported, but winnow-plugin.toml does not name it: add\n[[data]]\nfile = "helper.py"', text)

    def test_an_interpreter_that_does_not_fit_is_named(self):
        package = self.package(BUFFER + "  pass\n")
        manifest = package / "winnow-plugin.toml"
        good = manifest.read_text()
        for need, fits in [(">=3.11", True), (">=3.11,<4", True), ("==3.*", True), (">=99", False), ("<3", False), ("soon", False)]:
            manifest.write_text(good.replace(">=3.11", need))
            loaded = self.started(package).loaded
            self.assertEqual(loaded["status"] == 0, fits, (need, loaded))
            if need == ">=99":
                self.assertIn("needs Python >=99", loaded["text"])

    def test_an_exception_of_a_class_in_the_making_fails_create(self):
        host = self.started(self.package("@verifier(images='buffer')\nclass Judge:\n  def __init__(self): raise OSError('no weights')\n"
                                         "  def score(self, images, conditions): pass\n"))
        self.assertTrue(host.create()["text"].startswith("OSError: no weights\n"))

    def test_a_file_with_a_dash_is_a_module_and_one_of_pythons_own_names_is_not(self):
        package = self.package(BUFFER + "  return [1]\n")
        manifest = package / "winnow-plugin.toml"
        good = manifest.read_text()
        (package / "judge.py").rename(package / "my-judge.py")
        manifest.write_text(good.replace("judge.py", "my-judge.py"))
        self.assertEqual(self.started(package, file="my-judge.py").loaded["text"], "")
        (package / "my-judge.py").rename(package / "random.py")
        manifest.write_text(good.replace("judge.py", "random.py"))
        self.assertIn("another module called 'random'", self.started(package, file="random.py").loaded["text"])


if __name__ == "__main__":
    unittest.main()
