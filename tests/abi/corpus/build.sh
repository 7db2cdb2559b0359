#!/bin/sh
# build.sh RELEASE: builds the binaries of a release into RELEASE/, once, when it is made. They are
# kept as they are, and every later host must load them; so this script is part of no build. A
# release candidate that changed on purpose is built anew, after `rm -r RELEASE`.
# Needs gcc, clang, rustc; the golden output is recorded afterwards by `corpus_test.py record`.
set -eu
cd "$(dirname "$0")"
sdk=../../../sdk
release=$1
[ ! -e "$release" ] || { echo "$release is there already: binaries of a release are not rebuilt" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

flags="-O2 -ffp-contract=off -fvisibility=hidden -fPIC -shared -s -Wall -Wextra -Werror
  -Wl,--version-script=$sdk/cmake/winnow-plugin.map -Wl,--exclude-libs,ALL -Wl,-z,defs -Wl,--gc-sections
  -I $sdk/include -I $work"

# package NAME SOURCE COMPILER...: the compiler gets the source and where the library is to lie.
package() {
  name=$1 source=$2 libraries=
  shift 2
  mkdir -p "$release/$name"
  sed "s/@NAME@/$name/" "sources/${source%.*}.toml" > "$work/manifest.toml"
  python3 -B $sdk/cmake/winnow_manifest.py header "$work/manifest.toml" "$work/winnow_manifest.h"
  id=CORPUS_$(echo "$name" | tr '[:lower:]' '[:upper:]')
  if [ "$1" != rustc ]; then
    set -- "$@" "-DNAME=\"$name\""
    for plugin in SAMPLER VERIFIER SLOPE SEARCH; do
      set -- "$@" "-D${plugin}_OPTIONS=WINNOW_OPTIONS_${id}_$plugin"
    done
  fi
  [ "${source##*.}" != c ] || libraries=-lm
  "$@" "sources/$source" -o "$release/$name/plugin.so" $libraries
  python3 -B $sdk/cmake/winnow_manifest.py finish "$work/manifest.toml" "$release/$name/winnow-plugin.toml" \
    --library "$release/$name/plugin.so"
}

package c_gcc c.c gcc -std=c99 $flags
package c_clang c.c clang -std=c99 $flags
package cpp_shared cpp.cpp g++ -std=c++20 -ffunction-sections $flags
package cpp_static cpp.cpp g++ -std=c++20 -ffunction-sections $flags -static-libstdc++ -static-libgcc
package rust rust.rs rustc --edition 2021 --crate-type cdylib --crate-name plugin -C opt-level=s \
  -C strip=symbols -C lto -D warnings

{
  echo "# Made by build.sh $release with $(gcc --version | head -n 1); $(clang --version | head -n 1); $(rustc --version)."
  sha256sum "$release"/*/plugin.so sources/* $sdk/include/winnow/*.h $sdk/include/winnow/*.hpp
} > "$release/SHA256SUMS"
du -shc "$release"/*/plugin.so
