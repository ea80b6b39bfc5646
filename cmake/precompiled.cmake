# What nearly every file includes is parsed once, which makes a whole build a third shorter. For a second
# build of the same sources: a file that forgot an #include compiles here, too.
file(WRITE ${CMAKE_BINARY_DIR}/precompiled.cpp "")
set(precompiled_standard
    <algorithm> <array> <chrono> <cstdint> <expected> <filesystem> <functional> <map> <memory>
    <optional> <span> <string> <string_view> <utility> <vector> <fmt/format.h>)

add_library(pop_precompiled STATIC ${CMAKE_BINARY_DIR}/precompiled.cpp)
target_link_libraries(pop_precompiled PRIVATE pop_flags fmt::fmt-header-only)
target_precompile_headers(pop_precompiled PRIVATE ${precompiled_standard})

if(TARGET pop_test_main)
  add_library(pop_test_precompiled STATIC ${CMAKE_BINARY_DIR}/precompiled.cpp)
  target_link_libraries(pop_test_precompiled PRIVATE pop_test_main fmt::fmt-header-only)
  target_precompile_headers(pop_test_precompiled PRIVATE
    ${precompiled_standard} ${CMAKE_SOURCE_DIR}/tests/support/catch.h)
endif()

function(pop_use_precompiled directory)
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(type ${target} TYPE)
    if(target MATCHES "pop(spool|bull)$")
      continue()  # GMime's definitions make it another language
    endif()
    if(target MATCHES "^unit_")
      target_precompile_headers(${target} REUSE_FROM pop_test_precompiled)
    elseif(type STREQUAL "STATIC_LIBRARY" AND NOT target STREQUAL "pop_test_main")
      target_precompile_headers(${target} REUSE_FROM pop_precompiled)
    endif()
  endforeach()
  get_property(folders DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(folder ${folders})
    pop_use_precompiled(${folder})
  endforeach()
endfunction()
foreach(folder common popper popauth poppassd popcheck tests)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${folder}/CMakeLists.txt)
    pop_use_precompiled(${CMAKE_SOURCE_DIR}/${folder})
  endif()
endforeach()
