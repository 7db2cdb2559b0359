"""What crosses between winnow and a verifier in Python, by a host written down here a second time."""
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import unittest

from fake_host import SDK, HostTest, condition, option
from winnow_sdk import wire
from winnow_sdk.wire import Message, Reader

BUFFER = "@verifier(images='buffer')\ndef score(images, conditions):\n"


class Protocol(HostTest):
    def test_a_reply_and_its_parts_are_read_back(self):
        data = wire.reply(13, "why \udc80", [(2, "two"), (7, "sieben \u00fc")], wire.array("i", [1, 2]))
        reader = Reader(data)
        self.assertEqual((reader.get("i"), reader.text(), reader.get("Q")), (13, "why \\udc80", 2))
        self.assertEqual([(reader.get("Q"), reader.text()) for _ in range(2)], [(2, "two"), (7, "sieben \u00fc")])
        self.assertEqual(reader.array("i"), (1, 2))
        with self.assertRaises(wire.Malformed):
            reader.get("B")

    def test_it_offers_a_verifier_and_says_what_the_manifest_claims(self):
        host = self.host("@verifier(images='buffer', preferred_batch=4, max_batch=9)\ndef score(images, conditions): return []\n",
                         batch_invariant=True)
        reader = Reader(host.loaded["body"])
        self.assertEqual((reader.get("Q"), reader.text(), reader.text()), (1, "wn.verifier/1", ""))
        self.assertEqual(struct.unpack("<IIIIIId", host.call(Message.VERIFIER_INFO)["body"]), (32, 4 | 8, 1, 4, 9, 0, -1.0))
        self.assertEqual(host.close(), (0, ""))

    def test_scores_come_back_for_each_picture_in_order(self):
        host = self.host(BUFFER + "  return [sum(image.tolist()[0][0]) for image in images]\n")
        self.assertEqual(host.score([0.25, 0.5], [1, 1], [0, 0.5]), [0.75, 2, 0.5])
        self.assertEqual(host.score([0.25]), [0.25])

    def test_numpy_sees_the_hosts_memory_itself_and_cannot_write_to_it(self):
        try:
            import numpy  # noqa: F401
        except ImportError:
            self.skipTest("there is no numpy")
        host = self.host("@verifier\ndef score(images, conditions):\n"
                         "  assert images.dtype == 'float32' and images.shape == (2, 1, 1, 2), images\n"
                         "  assert not images.flags.owndata and not images.flags.writeable\n"
                         "  at = images.__array_interface__['data'][0]\n"
                         "  lines = [line for line in open('/proc/self/maps') if 'memfd' in line and ' r--s ' in line]\n"
                         "  maps = [line.split()[0].split('-') for line in lines]\n"
                         "  assert any(int(a, 16) <= at < int(b, 16) for a, b in maps), maps\n"
                         "  return images.sum(axis=(1, 2, 3))\n")
        self.assertEqual(host.score([0.25, 0.5], [1, 1]), [0.75, 2])

    def test_torch_sees_it_too_without_a_word(self):
        try:
            import torch  # noqa: F401
        except ImportError:
            self.skipTest("there is no torch")
        host = self.host("@verifier(images='torch')\ndef score(images, conditions):\n"
                         "  assert images.dtype.itemsize == 4 and tuple(images.shape) == (2, 1, 1, 2), images\n"
                         "  return images.sum(dim=(1, 2, 3))\n")
        self.assertEqual(host.score([0.25, 0.5], [1, 1]), [0.75, 2])
        self.assertEqual(host.close(), (0, ""))

    def test_conditions_arrive_and_equal_ones_are_one_object(self):
        host = self.host("seen = []\n" + BUFFER +
                         "  seen.append(conditions[0])\n"
                         "  assert seen[0] is conditions[0] and conditions[0] is conditions[2]\n"
                         "  a, b = conditions[:2]\n"
                         "  assert {a: 1, b: 2}[b] == 2 and a != b\n"
                         "  try: b.tensors['image'] = 0\n"
                         "  except TypeError: pass\n"
                         "  else: assert False\n"
                         "  assert (a.task, a.prompt, a.class_id) == (3, 'zwölf', None), a\n"
                         "  assert b.class_id == 5 and b.tensors['image'].tolist() == [[0.5, 1.0]], b\n"
                         "  return [1, 2, 3]\n")
        two = [condition(3, "zwölf"), condition(0, "", 5, [("image", [1, 2], [0.5, 1])])]
        for _ in range(2):
            self.assertEqual(host.score([0], [0], [0], conditions=two, which=[0, 1, 0]), [1, 2, 3])

    def test_options_of_all_types_arrive_under_the_names_of_parameters(self):
        kinds = ["bool", "i64", "f64", "str", "path", "i64[]", "f64[]", "str[]"]
        tables = "".join(f'[[plugin.option]]\nkey = "o.{kind.rstrip("[]")}{"-s" if "[" in kind else ""}"\ntype = "{kind}"\n'
                         for kind in kinds)
        host = self.host("@verifier(images='buffer')\n"
                         "def score(images, conditions, *, o_bool, o_i64, o_f64, o_str, o_path, o_i64_s, o_f64_s, o_str_s):\n"
                         "  assert [o_bool, o_i64, o_f64, o_str, o_path] == [True, -7, 0.5, 'x', '/p'], locals()\n"
                         "  assert [o_i64_s, o_f64_s, o_str_s] == [[1, -2], [0.25], ['a', '']], locals()\n"
                         "  return [1]\n", tables,
                         create=[option(1, "o.bool", 1), option(2, "o.i64", -7), option(3, "o.f64", 0, 0.5), option(4, "o.str", text="x"),
                                 option(5, "o.path", text="/p"), option(6, "o.i64-s", values=[1, -2]),
                                 option(7, "o.f64-s", values=[0.25]), option(8, "o.str-s", values=["a", ""])])
        self.assertEqual(host.score([0]), [1])

    def test_a_class_is_made_once_with_its_options(self):
        host = self.host("@verifier(images='buffer')\nclass Judge:\n"
                         "  def __init__(self, *, weight: float = 2.0): self.weight, self.calls = weight, 0\n"
                         "  def score(self, images, conditions):\n"
                         "    self.calls += 1\n"
                         "    return [self.weight * self.calls for _ in images]\n",
                         '[[plugin.option]]\nkey = "weight"\ntype = "f64"\ndefault = 2.0\n', create=[option(3, "weight", 0, 3.0)])
        self.assertEqual([host.score([0]), host.score([0])], [[3], [6]])

    def test_an_instance_that_was_never_made_is_a_malformed_message(self):
        host = self.host(BUFFER + "  return [0]\n")
        self.assertIn("malformed", host.call(Message.VERIFIER_INFO, instance=9)["text"])
        self.assertEqual(host.call(Message.DESTROY)["status"], 0)
        self.assertIn("malformed", host.call(Message.VERIFIER_INFO)["text"])

    def test_a_tensor_outside_the_arena_is_refused(self):
        host = self.host(BUFFER + "  return [0]\n")
        batch = host.batch([[0.0]], [condition()], [0])
        place = batch.index(struct.pack("<IQ", 0, 4096))
        bad = batch[:place] + struct.pack("<IQ", 0, 1 << 40) + batch[place + 12:]
        self.assertIn("malformed", host.call(Message.SCORE, bad)["text"])
        self.assertEqual(host.score([0]), [0])

    def test_a_host_of_another_wire_is_refused_with_both_before_anything_else_of_it_is_read(self):
        for words in (["99"], ["99", "one", "two"], ["1.5", *"345", "m", "f", "id", ""], []):
            done = subprocess.run([sys.executable, "-m", "winnow_sdk", "serve", *words], capture_output=True, text=True,
                                  env=os.environ | {"PYTHONPATH": str(SDK), "PYTHONDONTWRITEBYTECODE": "1"})
            self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (1, "", 1), done)
            self.assertRegex(done.stderr, f"winnow_sdk .* speaks wire {wire.WIRE}, this winnow speaks wire {words[0] if words else 'unknown'}: ")

    def test_the_wire_is_the_hosts(self):
        header = SDK.parents[1] / "host/isolation/python.hpp"
        self.assertIn(f"kPythonWire = {wire.WIRE};", header.read_text())

    def test_of_two_variants_the_one_that_winnow_chose_is_loaded(self):
        package = self.package(BUFFER + "  return [1]\n", '[[variant]]\nfile = "other.py"\npython = ">=3.11"\n',
                               other="from winnow_sdk import verifier\n" + BUFFER + "  return [2]\n")
        for file, score in (("judge.py", 1), ("other.py", 2)):
            host = self.started(package, file=file)
            self.assertEqual((host.loaded["text"], host.create()["text"], host.score([0])), ("", "", [score]))

    def test_previews_come_with_the_pictures_they_are_of(self):
        host = self.host("@verifier(images='buffer', preview_time=0.5)\ndef score(images, conditions, previews):\n"
                         "  for one in images: 1 / one[0, 0, 0]\n"
                         "  return [a[0, 0, 0] + 10 * b[0, 0, 0] for a, b in zip(images, previews)]\n")
        self.assertEqual(struct.unpack("<IIIIIId", host.call(Message.VERIFIER_INFO)["body"])[-1], 0.5)
        self.assertEqual(host.score([1], [2], previews=[[3], [4]]), [31, 42])
        one, two, three = host.score([1], [0], [2], previews=[[3], [4], [5]])
        self.assertEqual((one, three), (31, 52))
        self.assertIn("ZeroDivisionError", two)
        self.assertEqual(host.score([1]), [9, "there are no previews of these pictures"])

    def test_a_call_that_should_stop_ends_at_once_and_the_next_one_works(self):
        for wait in ("  while True: pass\n", "  time.sleep(100)\n",
                     "  while True:\n    try: time.sleep(100)\n    except Exception: pass\n"):
            with self.subTest(wait):
                host = self.host("import time\n" + BUFFER + "  if images[0][0, 0, 0] == 0: return [5]\n" + wait)
                timer = threading.Timer(0.3, lambda: host.exchange.__setitem__(slice(0, 4), struct.pack("<i", 1)))
                timer.start()
                begin = time.monotonic()
                self.assertEqual(host.score([1]), [wire.CANCELLED, ""])
                self.assertLess(time.monotonic() - begin, 10)
                self.assertEqual(host.score([0]), [5])

    def test_it_can_start_no_programs(self):
        host = self.host("import subprocess, os\n" + BUFFER +
                         "  if images[0][0, 0, 0]: os.execv('/bin/true', ['true'])\n  subprocess.run(['/bin/true'])\n  return [0]\n")
        for pixel in (0, 1):
            (failure,) = host.score([pixel])
            self.assertIn("Operation not permitted", failure)

    def test_it_ends_when_the_host_is_gone(self):
        host = self.host("import atexit\natexit.register(lambda: print('bye'))\n" + BUFFER + "  return [0]\n")
        self.assertEqual(host.close(), (0, "bye\n"))

    def test_a_write_to_the_pictures_ends_the_process_and_names_the_line(self):
        try:
            import torch  # noqa: F401
        except ImportError:
            self.skipTest("there is no torch")
        host = self.host("@verifier(images='torch')\ndef score(images, conditions):\n  images.mul_(2)\n  return [0]\n")
        with self.assertRaises(EOFError):
            host.score([0.5])
        status, written = host.close()
        self.assertEqual(status, -signal.SIGSEGV)
        self.assertIn("judge.py\", line 4 in score", written)


if __name__ == "__main__":
    unittest.main()
