# Writes version.cpp, only when it changed. Called at build time.
set(commit "unknown")
find_package(Git QUIET)
if(Git_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} -C ${SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude=*
                  OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(commit ${described})
  endif()
endif()
set(text "#include \"base/version.h\"

namespace cotenant {
const char* version() { return \"${VERSION}\"; }
const char* git_commit() { return \"${commit}\"; }
const char* compiler() { return \"${COMPILER}\"; }
const char* build_type() { return \"${BUILD_TYPE}\"; }
}  // namespace cotenant
")
set(old "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUTPUT} "${text}")
endif()
