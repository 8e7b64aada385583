include(${CMAKE_CURRENT_LIST_DIR}/dback-sdkTargets.cmake)
