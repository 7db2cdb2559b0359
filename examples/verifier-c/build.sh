#!/bin/sh
# build.sh: makes the package build/org.example.symmetry: the library, and the manifest with its
# size and sha256. WINNOW_SDK names the folder where winnow's SDK was installed.
set -eu
cd "$(dirname "$0")"
sdk=${WINNOW_SDK:-/usr/local}
[ -d "$sdk/include/winnow" ] || { echo "build.sh: no SDK in $sdk, set WINNOW_SDK" >&2; exit 1; }
manifest=$sdk/lib/cmake/winnow-sdk/winnow_manifest.py
package=build/org.example.symmetry
mkdir -p "$package"
python3 "$manifest" header winnow-plugin.toml build/winnow_manifest.h
${CC:-cc} -std=c99 -O2 -Wall -Wextra -shared -fPIC -fvisibility=hidden -I build -I "$sdk/include" \
  symmetry.c -o "$package/libsymmetry.so" -lm
python3 "$manifest" finish winnow-plugin.toml "$package/winnow-plugin.toml" \
  --library "$package/libsymmetry.so"
