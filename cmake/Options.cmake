# How every target is compiled: C++20, warnings are errors, optional sanitizers.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# The oldest in which the language and the library that are used here were tried.
foreach(least GNU=12 Clang=14)
  string(REPLACE "=" ";" least ${least})
  list(GET least 0 name)
  list(GET least 1 version)
  if(CMAKE_CXX_COMPILER_ID STREQUAL name AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS version)
    message(FATAL_ERROR "${CMAKE_CXX_COMPILER} is ${name} ${CMAKE_CXX_COMPILER_VERSION}; cotenant needs C++20 as GCC 12 or "
                        "Clang 14 have it, or newer. Another compiler is taken by -DCMAKE_CXX_COMPILER=g++-12")
  endif()
endforeach()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(cotenant_options INTERFACE)
target_compile_options(cotenant_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Fires on plain concatenations of std::string (GCC bug 105651).
  target_compile_options(cotenant_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(COTENANT_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${COTENANT_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer> $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=all>)
  # At a fixed address: a loader that moves a program writes to the millions of places where the checks name their sources,
  # which took most of the time of a test that is short.
  add_link_options(-fsanitize=${COTENANT_SANITIZE} $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
  # What a compiler warns of between a sanitizer's checks is shown; it is an error where it means something, in a release.
  target_compile_options(cotenant_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-error>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Sanitizers hide from GCC what the standard library initialises, in <regex> among others.
    target_compile_options(cotenant_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
  endif()
endif()
if(COTENANT_FUZZ)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
