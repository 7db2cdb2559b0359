# WinnowAddPlugin: one call makes a plugin package.
#
#   winnow_add_plugin(NAME org.example.sharp SOURCES sharp.cpp MANIFEST winnow-plugin.toml
#                     [LIBRARIES target...])
#
# Makes the package <WINNOW_PLUGIN_OUTPUT_DIRECTORY>/<NAME>/ (default:
# <build>/lib/winnow/plugins/<NAME>/): a library that exports wn_plugin_negotiate_v1 and nothing
# else, and the manifest with a [[variant]] (file, sha256, size, os, arch) added after each link.
# Sources include the generated "winnow_manifest.h":
#   WINNOW_MANIFEST_TOML        the manifest's text
#   WINNOW_PACKAGE_VERSION      [package] version
#   WINNOW_OPTIONS_<ID>         the plugin's [[plugin.option]] tables, or NULL; <ID> is its id in
#   WINNOW_VERSION_<ID>         capitals with _ for . and -
# LIBRARIES winnow::torch makes the plugin one that uses the host's LibTorch. The target is NAME;
# `cmake --install` puts the package under <prefix>/lib/winnow/plugins, unless
# WINNOW_PLUGIN_NO_INSTALL is set.
include_guard(GLOBAL)
find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)

function(winnow_add_plugin)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;MANIFEST" "SOURCES;LIBRARIES")
  foreach(needed NAME MANIFEST SOURCES)
    if(NOT arg_${needed})
      message(FATAL_ERROR "winnow_add_plugin: ${needed} is missing")
    endif()
  endforeach()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "winnow_add_plugin(${arg_NAME}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT WINNOW_PLUGIN_OUTPUT_DIRECTORY)
    set(WINNOW_PLUGIN_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/winnow/plugins)
  endif()
  get_filename_component(manifest ${arg_MANIFEST} ABSOLUTE)
  set(script ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/winnow_manifest.py)
  set(package ${WINNOW_PLUGIN_OUTPUT_DIRECTORY}/${arg_NAME})
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}.generated)
  string(MAKE_C_IDENTIFIER ${arg_NAME} output_name)

  add_custom_command(
    OUTPUT ${generated}/winnow_manifest.h
    COMMAND ${Python3_EXECUTABLE} ${script} header ${manifest} ${generated}/winnow_manifest.h
    DEPENDS ${manifest} ${script} VERBATIM)

  add_library(${arg_NAME} MODULE ${arg_SOURCES} ${generated}/winnow_manifest.h)
  target_include_directories(${arg_NAME} PRIVATE ${generated})
  target_link_libraries(${arg_NAME} PRIVATE winnow::sdk)
  set(torch "")
  if("winnow::torch" IN_LIST arg_LIBRARIES)
    winnow_use_libtorch(${arg_NAME})
    # LibTorch is not part of the package: the installed plugin finds it where it was built against, or by LD_LIBRARY_PATH.
    set_target_properties(${arg_NAME} PROPERTIES INSTALL_RPATH ${WINNOW_LIBTORCH_DIR}/lib)
    set(torch --libtorch ${WINNOW_LIBTORCH_VERSION})
    list(REMOVE_ITEM arg_LIBRARIES winnow::torch)
  endif()
  target_link_libraries(${arg_NAME} PRIVATE ${arg_LIBRARIES})
  set_target_properties(${arg_NAME} PROPERTIES
    PREFIX lib OUTPUT_NAME ${output_name} DEFINE_SYMBOL "" LIBRARY_OUTPUT_DIRECTORY ${package}
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/winnow-plugin.map;${manifest};${script}")
  target_link_options(${arg_NAME} PRIVATE
    -Wl,--version-script=${CMAKE_CURRENT_FUNCTION_LIST_DIR}/winnow-plugin.map
    -Wl,--exclude-libs,ALL -Wl,-z,defs -Wl,--as-needed)

  set(os linux)
  set(finish ${script} finish ${manifest})
  set(facts --os ${os} --arch ${CMAKE_SYSTEM_PROCESSOR} ${torch})
  add_custom_command(TARGET ${arg_NAME} POST_BUILD
    COMMAND ${Python3_EXECUTABLE} ${finish} ${package}/winnow-plugin.toml
            --library $<TARGET_FILE:${arg_NAME}> ${facts}
    BYPRODUCTS ${package}/winnow-plugin.toml VERBATIM)

  if(WINNOW_PLUGIN_NO_INSTALL)
    return()
  endif()
  # Installing may strip the library or change its rpath, so the installed manifest is made anew.
  set(destination lib/winnow/plugins/${arg_NAME})
  install(TARGETS ${arg_NAME} LIBRARY DESTINATION ${destination})
  list(JOIN finish "\" \"" finish)
  list(JOIN facts "\" \"" facts)
  install(CODE "
    set(package \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${destination}\")
    execute_process(
      COMMAND \"${Python3_EXECUTABLE}\" \"${finish}\" \"\${package}/winnow-plugin.toml\"
              --library \"\${package}/$<TARGET_FILE_NAME:${arg_NAME}>\" \"${facts}\"
      COMMAND_ERROR_IS_FATAL ANY)")
endfunction()
