"""Progress as terminals and files see it."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import unittest

from winnow_cli import LONG, PROGRAM, CliTest


class ProgressOutput(CliTest):
    def on_a_terminal(self, columns, *words, **environment):
        """All that a command writes to a terminal of so many columns as its stderr."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        child = subprocess.Popen([PROGRAM, *words], cwd=self.folder, env=self.environment | environment,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        text = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            text += part
        os.close(ours)
        self.assertEqual(child.wait(), 0)
        return text.decode()

    def test_in_a_file_progress_is_plain(self):
        done = self.done("run", "toy.toml")
        self.assertRegex(done.stderr, r"^search \d+% \| NFE [\d,]+/256")
        self.assertRegex(done.stderr, r"\nsearch 100% \| NFE 256/256 .* tasks 4/4.*\n$")
        self.assertEqual(done.stderr.count("\n"), 2)
        self.assertNotRegex(done.stderr, r"[\x00-\x09\x0b-\x1f\x7f]")

    def test_none_and_quiet_are_silent(self):
        self.assertEqual(self.done("run", "toy.toml", "--progress", "none").stderr, "")
        self.assertEqual(self.done("run", "toy.toml", "-q", "--out", "b").stderr, "")

    def test_a_line_never_passes_the_terminals_width(self):
        for columns in (40, 72, 200):
            with self.subTest(columns):
                text = self.on_a_terminal(columns, "run", "toy.toml", "budget.nfe=40000", "sampler.size=16", "--out", f"w{columns}")
                self.assertIn("\r\x1b[K", text)
                self.assertNotIn("\n", text)
                lines = [line for line in re.split(r"\r\x1b\[K", text) if line]
                self.assertTrue(all(line.startswith("search ") for line in lines), lines)
                self.assertLess(max(map(len, lines)), columns)

    def test_the_line_is_taken_away_at_the_end(self):
        self.assertTrue(self.on_a_terminal(80, "run", "toy.toml").endswith("\r\x1b[K"))

    def test_a_dumb_terminal_gets_plain_lines(self):
        self.assertNotIn("\x1b", self.on_a_terminal(80, "run", "toy.toml", TERM="dumb"))

    def test_colours_are_for_terminals_without_no_color(self):
        def error(**environment):
            ours, theirs = pty.openpty()
            subprocess.run([PROGRAM, "run", "nothing.toml"], cwd=self.folder, env=self.environment | environment, stderr=theirs)
            os.close(theirs)
            text = os.read(ours, 65536)
            os.close(ours)
            return text
        self.assertIn(b"\x1b[1;31merror: ", error())
        self.assertNotIn(b"\x1b", error(NO_COLOR="1"))
        self.assertNotIn("\x1b", self.refused(2, "run", "nothing.toml").stderr)


if __name__ == "__main__":
    unittest.main()
