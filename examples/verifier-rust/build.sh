#!/bin/sh
# build.sh: makes the package build/org.example.well_lit: the library, and the manifest with its
# size and sha256. WINNOW_SDK names the folder where winnow's SDK was installed.
set -eu
cd "$(dirname "$0")"
sdk=${WINNOW_SDK:-/usr/local}
[ -d "$sdk/include/winnow" ] || { echo "build.sh: no SDK in $sdk, set WINNOW_SDK" >&2; exit 1; }
package=build/org.example.well_lit
mkdir -p "$package"
${RUSTC:-rustc} --edition 2021 --crate-type cdylib --crate-name plugin -C opt-level=3 \
  -C strip=symbols src/lib.rs -o "$package/libwell_lit.so"
python3 "$sdk/lib/cmake/winnow-sdk/winnow_manifest.py" finish winnow-plugin.toml \
  "$package/winnow-plugin.toml" --library "$package/libwell_lit.so"
