# page.cmake: docs/check.md is what the program would print.
execute_process(COMMAND ${WINNOW} docs check OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
file(READ ${PAGE} kept)
if(NOT printed STREQUAL kept)
  message(FATAL_ERROR "${PAGE} is out of date: write it anew with `winnow docs check > ${PAGE}`")
endif()
