# A room is one static library made of every *.cpp in its folder. Its headers are visible as "<room>/<header>.h" to
# the rooms that link it and to nobody else: each room's include directory holds one link, to the room itself. COLD:
# nothing of it runs while requests are measured, or long enough to be waited for; less time is then spent on optimising
# it.
function(cotenant_room name)
  cmake_parse_arguments(room "COLD" "" "DEPS;SYSTEM" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/native/(cpu|cuda|cupti)/|/stress/cuda/|/engine/command/|/engine/server/")  # optional: added by their own lists
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/rooms/${name})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_BINARY_DIR}/rooms/${name}/${name} SYMBOLIC)
  list(TRANSFORM room_DEPS PREPEND cotenant_)
  if(NOT sources)  # headers only
    add_library(cotenant_${name} INTERFACE)
    target_include_directories(cotenant_${name} INTERFACE ${CMAKE_BINARY_DIR}/rooms/${name})
    target_link_libraries(cotenant_${name} INTERFACE ${room_DEPS} ${room_SYSTEM})
    return()
  endif()
  add_library(cotenant_${name} STATIC ${sources})
  target_include_directories(cotenant_${name} PUBLIC ${CMAKE_BINARY_DIR}/rooms/${name})
  target_link_libraries(cotenant_${name} PUBLIC ${room_DEPS} PRIVATE cotenant_options PUBLIC ${room_SYSTEM})
  if(room_COLD)
    target_compile_options(cotenant_${name} PRIVATE $<$<CONFIG:Release>:-O1>)
    if(COTENANT_SANITIZE MATCHES address AND NOT COTENANT_FUZZ)
      target_compile_options(cotenant_${name} PRIVATE -O0)
    endif()
  endif()
endfunction()

# COTENANT_TEST_OBJECTS: in the list `variable` of the sources of test_<name>, puts the object that the other build made of
# a source in its place. What is not the same in every build (COTENANT_SANITIZED) is compiled again.
function(cotenant_take_objects variable name)
  set(taken)
  foreach(source ${${variable}})
    get_filename_component(file ${source} NAME)
    set(object ${COTENANT_TEST_OBJECTS}/tests/${name}/CMakeFiles/test_${name}.dir/${file}.o)
    file(STRINGS ${source} differs REGEX COTENANT_SANITIZED LIMIT_COUNT 1)
    if(EXISTS ${object} AND NOT differs)
      set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON)
      list(APPEND taken ${object})
    else()
      list(APPEND taken ${source})
    endif()
  endforeach()
  set(${variable} ${taken} PARENT_SCOPE)
endfunction()

# tests/<room>/*_test.cpp become one executable, test_<room>; each case is a CTest of its own. ON_GPU: GoogleTest's
# patterns of cases that use a GPU. Their label is gpu instead of the room, and they run one at a time, since a run counts
# a second program on its GPU as a disturbance.
function(cotenant_tests name)
  cmake_parse_arguments(test "" "TIMEOUT" "DEPS;SYSTEM;ON_GPU" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp)
  if(COTENANT_TEST_OBJECTS)
    cotenant_take_objects(sources ${name})
  endif()
  add_executable(test_${name} ${sources})
  add_dependencies(tests test_${name})
  list(TRANSFORM test_DEPS PREPEND cotenant_)
  set_target_properties(test_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(test_${name} PRIVATE cotenant_options ${test_DEPS} ${test_SYSTEM} cotenant_places
                        GTest::gmock GTest::gtest_main)
  if(NOT test_TIMEOUT)
    set(test_TIMEOUT 120)
  endif()
  # Passive: tests run side by side, and OpenMP threads that spin at a barrier then wait for each other's time slices.
  set(properties TIMEOUT ${test_TIMEOUT} ENVIRONMENT OMP_WAIT_POLICY=passive)
  list(JOIN test_ON_GPU ":" on_gpu)
  if(NOT on_gpu STREQUAL "*")
    gtest_discover_tests(test_${name} DISCOVERY_MODE PRE_TEST TEST_FILTER "-${on_gpu}" TEST_LIST ${name}_tests
      PROPERTIES ${properties} LABELS ${name})
  endif()
  if(on_gpu)
    gtest_discover_tests(test_${name} DISCOVERY_MODE PRE_TEST TEST_FILTER "${on_gpu}" TEST_LIST ${name}_gpu_tests
      PROPERTIES ${properties} LABELS gpu RESOURCE_LOCK gpu)
  endif()
endfunction()
