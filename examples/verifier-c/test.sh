#!/bin/sh
# test.sh: runs run.toml with the package in build/ and compares what it prints with expected.txt.
set -eu
cd "$(dirname "$0")"
rm -rf build/run
"${WINNOW:-winnow}" run run.toml --plugin build/org.example.symmetry --out build/run |
  grep -v -e '^  time ' -e '^  gallery ' -e '^  summary ' | diff -b expected.txt -
