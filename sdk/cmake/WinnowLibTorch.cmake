# WinnowLibTorch: finds a LibTorch and makes it the target winnow::torch.
#
# Not find_package(Torch): the configuration file of a CUDA wheel demands the CUDA toolkit, which
# code that only uses ATen does not need.
#
#   winnow_locate_libtorch(OUT)  the folder of the first LibTorch >= 2.6, or ""; works with cmake -P
#   winnow_find_libtorch()       defines winnow::torch, WINNOW_LIBTORCH_VERSION, WINNOW_LIBTORCH_DIR
#   winnow_use_libtorch(TARGET)  links it, with the one precompiled ATen header of this build
set(WINNOW_LIBTORCH_LEAST 2.6)

function(_winnow_libtorch_version folder out)
  set(${out} "" PARENT_SCOPE)
  foreach(header include/torch/headeronly/version.h
                 include/torch/csrc/api/include/torch/version.h)
    if(EXISTS ${folder}/${header})
      file(STRINGS ${folder}/${header} lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      string(REGEX REPLACE "[^0-9;]+" "" numbers "${lines}")
      list(LENGTH numbers length)
      if(length EQUAL 3)
        list(JOIN numbers . version)
        set(${out} ${version} PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
endfunction()

# Where `python` would import torch from, without importing it.
function(_winnow_libtorch_of_python python out)
  execute_process(
    COMMAND ${python} -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    set(folder "")
  endif()
  set(${out} "${folder}" PARENT_SCOPE)
endfunction()

function(winnow_locate_libtorch out)
  set(folders "")
  foreach(config IN ITEMS "${Torch_DIR}" "$ENV{Torch_DIR}")  # .../share/cmake/Torch
    if(config)
      get_filename_component(folder "${config}/../../.." ABSOLUTE)
      list(APPEND folders "${folder}")
    endif()
  endforeach()
  foreach(python "$ENV{VIRTUAL_ENV}/bin/python" "$ENV{CONDA_PREFIX}/bin/python" python3
                 "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../../.venv/bin/python")
    _winnow_libtorch_of_python("${python}" folder)
    list(APPEND folders "${folder}")
  endforeach()
  set(${out} "" PARENT_SCOPE)
  foreach(folder IN LISTS folders)
    _winnow_libtorch_version("${folder}" version)
    if(version VERSION_GREATER_EQUAL WINNOW_LIBTORCH_LEAST AND EXISTS "${folder}/lib/libtorch.so")
      set(${out} "${folder}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

function(winnow_find_libtorch)
  winnow_locate_libtorch(folder)
  if(NOT folder)
    message(STATUS "LibTorch: none found, what needs it is left out")
    return()
  endif()
  _winnow_libtorch_version("${folder}" version)
  message(STATUS "LibTorch: ${version} in ${folder}")
  set(WINNOW_LIBTORCH_VERSION ${version} CACHE INTERNAL "")
  set(WINNOW_LIBTORCH_DIR ${folder} CACHE INTERNAL "")

  file(STRINGS ${folder}/share/cmake/Torch/TorchConfig.cmake abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
  add_library(winnow::torch INTERFACE IMPORTED GLOBAL)
  target_include_directories(winnow::torch INTERFACE
    ${folder}/include ${folder}/include/torch/csrc/api/include)
  if(abi)
    target_compile_definitions(winnow::torch INTERFACE _GLIBCXX_USE_CXX11_ABI=0)
  endif()
  # libtorch.so has no symbols of its own; it is what brings the CUDA half along.
  target_link_libraries(winnow::torch INTERFACE
    -Wl,--no-as-needed ${folder}/lib/libtorch.so -Wl,--as-needed
    ${folder}/lib/libtorch_cpu.so ${folder}/lib/libc10.so)
endfunction()

# Precompiled headers fit only what is compiled alike: hence -fPIC for programs too, and no macro
# that names the target.
function(winnow_use_libtorch target)
  target_link_libraries(${target} PRIVATE winnow::torch)
  set_target_properties(${target} PROPERTIES DEFINE_SYMBOL "" INSTALL_RPATH_USE_LINK_PATH ON)
  if(TARGET winnow_torch_header)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC -fpch-preprocess)  # the latter for ccache
    target_precompile_headers(${target} REUSE_FROM winnow_torch_header)
  endif()
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  winnow_locate_libtorch(folder)
  message("${folder}")
endif()
