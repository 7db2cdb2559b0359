"""The formula, without winnow: python -m unittest"""
import unittest

import numpy

from judge import score


class Judge(unittest.TestCase):
    def setUp(self):
        noise = numpy.random.default_rng(0).random((3, 32, 32), dtype=numpy.float32)
        self.images = numpy.stack([numpy.full_like(noise, 0.5), noise])

    def test_noise_needs_more_bytes_than_a_plain_picture(self):
        plain, noise = score(self.images, [None, None])
        self.assertGreater(noise, 2 * plain)

    def test_simplicity_turns_the_order_around(self):
        detail = score(self.images, [None, None])
        self.assertEqual(score(self.images, [None, None], prefer="simplicity"), [-one for one in detail])

    def test_grey_pictures_count_too_and_others_do_not(self):
        self.assertGreater(score(self.images[:, :1], [None, None])[1], 0)
        with self.assertRaisesRegex(ValueError, "2 channels"):
            score(self.images[:, :2], [None, None])


if __name__ == "__main__":
    unittest.main()
