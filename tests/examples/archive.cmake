# archive.cmake: packs the SDK as a release does and compares with what `cmake --install` gives:
# cmake -DBUILD=... -P archive.cmake
set(work ${BUILD}/tests/examples/archive)
file(REMOVE_RECURSE ${work})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --component sdk --prefix ${work}/installed
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_CPACK_COMMAND} --config ${BUILD}/CPackConfig.cmake -B ${work}/packed
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(GLOB archives ${work}/packed/*.tar.gz)
list(LENGTH archives count)
if(NOT count EQUAL 1)
  message(FATAL_ERROR "expected one archive, found ${archives}")
endif()
cmake_path(GET archives STEM LAST_ONLY name)
cmake_path(GET name STEM LAST_ONLY name)  # without .tar.gz
file(ARCHIVE_EXTRACT INPUT ${archives} DESTINATION ${work}/unpacked)

file(GLOB_RECURSE installed RELATIVE ${work}/installed ${work}/installed/*)
file(GLOB_RECURSE unpacked RELATIVE ${work}/unpacked/${name} ${work}/unpacked/*)
list(SORT installed)
list(SORT unpacked)
if(NOT installed OR NOT installed STREQUAL unpacked)
  message(FATAL_ERROR "installed: ${installed}\nin ${archives}: ${unpacked}")
endif()
foreach(file IN LISTS installed)
  execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${work}/installed/${file}
                  ${work}/unpacked/${name}/${file} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
