# find_package(winnow-sdk): winnow::sdk (headers), winnow_add_plugin(), and for plugins that use the
# host's LibTorch winnow_find_libtorch(), which defines winnow::torch.
include(${CMAKE_CURRENT_LIST_DIR}/winnow-sdk-targets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/WinnowLibTorch.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/WinnowAddPlugin.cmake)
