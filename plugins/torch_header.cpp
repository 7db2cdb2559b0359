// torch_header.cpp: gives the precompiled ATen header a target; see plugins/CMakeLists.txt.
