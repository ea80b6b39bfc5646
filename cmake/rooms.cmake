# A room is its folder: every .cpp in it, one static library, one list of what it may use.

find_program(POPPER_CCACHE ccache)
if(POPPER_CCACHE AND NOT POPPER_PRECOMPILE)  # it would keep nothing of such a build
  set(CMAKE_CXX_COMPILER_LAUNCHER ${POPPER_CCACHE})
endif()

add_library(pop_flags INTERFACE)
target_compile_options(pop_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Wformat=2
  -Wno-missing-field-initializers
  -fstack-protector-strong -fstack-clash-protection -fcf-protection)
target_compile_definitions(pop_flags INTERFACE
  _GLIBCXX_ASSERTIONS POPPER_VERSION="${PROJECT_VERSION}")
target_link_options(pop_flags INTERFACE -Wl,-z,relro,-z,now)
target_include_directories(pop_flags INTERFACE ${CMAKE_SOURCE_DIR}/common ${CMAKE_SOURCE_DIR})
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(pop_flags INTERFACE -Wno-unused-private-field)
endif()
if(POPPER_WERROR)
  target_compile_options(pop_flags INTERFACE -Werror)
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT POPPER_SANITIZE)
  target_compile_definitions(pop_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
if(POPPER_SANITIZE)
  target_compile_options(pop_flags INTERFACE
    -fsanitize=${POPPER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(pop_flags INTERFACE -fsanitize=${POPPER_SANITIZE})
endif()

# pop_room(NAME USES target...): the library pop_NAME from common/NAME.
function(pop_room name)
  cmake_parse_arguments(ROOM "" "" "USES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  if(sources)
    add_library(pop_${name} STATIC ${sources})
    target_link_libraries(pop_${name} PUBLIC pop_flags ${ROOM_USES})
  else()
    add_library(pop_${name} INTERFACE)
    target_link_libraries(pop_${name} INTERFACE pop_flags ${ROOM_USES})
  endif()
endfunction()

# pop_program(NAME USES target...): build/bin/NAME from every .cpp of the current folder.
function(pop_program name)
  cmake_parse_arguments(PROGRAM "" "" "USES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE pop_flags ${PROGRAM_USES})
endfunction()
