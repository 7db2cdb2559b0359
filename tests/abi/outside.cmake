# outside.cmake: installs the SDK and builds a plugin against it as a stranger would, with nothing
# else of this repository: cmake -DBUILD=... -DSOURCE=... -P outside.cmake
set(work ${BUILD}/tests/outside)
file(REMOVE_RECURSE ${work})
file(COPY ${SOURCE}/plugins/verifiers/brightness.c ${SOURCE}/plugins/verifiers/brightness.toml
     DESTINATION ${work}/source)
file(WRITE ${work}/source/CMakeLists.txt [[
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES C)
find_package(winnow-sdk 1 REQUIRED)
winnow_add_plugin(NAME winnow.brightness SOURCES brightness.c MANIFEST brightness.toml)
]])

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
run(${CMAKE_COMMAND} --install ${BUILD} --component sdk --prefix ${work}/sdk)
run(${CMAKE_COMMAND} -G Ninja -S ${work}/source -B ${work}/build -DCMAKE_PREFIX_PATH=${work}/sdk
    -DCMAKE_INSTALL_PREFIX=${work}/installed)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${CMAKE_COMMAND} --install ${work}/build --strip)

foreach(package ${work}/build/lib/winnow/plugins/winnow.brightness
                ${work}/installed/lib/winnow/plugins/winnow.brightness)
  file(SHA256 ${package}/libwinnow_brightness.so sha256)
  file(READ ${package}/winnow-plugin.toml manifest)
  string(FIND "${manifest}" "sha256 = \"${sha256}\"" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "${package}: the manifest does not hold the library's sha256 ${sha256}")
  endif()
endforeach()
