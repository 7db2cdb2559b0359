#!/bin/sh
# test.sh: checks the package in build/, runs run.toml with it, and compares what that prints with
# expected.txt.
set -eu
cd "$(dirname "$0")"
"${WINNOW:-winnow}" plugins check build/org.example.jpeg_size
rm -rf build/run
"${WINNOW:-winnow}" run run.toml --plugin build/org.example.jpeg_size --out build/run |
  grep -v -e '^  time ' -e '^  gallery ' -e '^  summary ' | diff -b expected.txt -
