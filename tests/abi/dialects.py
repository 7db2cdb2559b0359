"""winnow.h and score.h in every dialect that authors use, winnow.hpp in C++20, by gcc and clang, without a warning, and
winnow.h without hidden padding: dialects.py INCLUDE COMPILER..."""
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SCORE = ["-Wconversion", "-Wshadow"]
C = [(f"c{year}", *one) for year in (99, 11, 17) for one in (("header.c", ["-Wpadded"]), ("score.c", SCORE))]
CXX = [(f"c++{year}", *one) for year in (11, 14, 17, 20)
       for one in (("header.cpp", ["-Wpadded"]), ("score.c", ["-xc++", *SCORE]))]
SDK = [("c++20", "sdk.cpp", [])]

include, *compilers = sys.argv[1:]
wrong = tried = 0
for compiler in compilers:
    if not shutil.which(compiler):
        print(f"{compiler}: not installed")
        continue
    for standard, source, flags in CXX + SDK if "++" in compiler else C:
        done = subprocess.run([compiler, f"-std={standard}", *FLAGS, *flags, "-I", include, HERE / source],
                              capture_output=True, text=True)
        print(f"{compiler} -std={standard} {source}: {'REFUSED' if done.returncode else 'sound'}\n{done.stderr}", end="")
        wrong += done.returncode != 0
        tried += 1
sys.exit(bool(wrong) or not tried)
