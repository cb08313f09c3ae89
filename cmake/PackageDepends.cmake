# Read by cpack: the package depends on the libraries of the program alone. CPack's own search would add those of the
# CUDA module, which is opened only where there is a GPU, and its libraries with it.
set(scratch ${CPACK_PACKAGE_DIRECTORY}/_CPack_depends)
file(MAKE_DIRECTORY ${scratch}/debian)
file(WRITE ${scratch}/debian/control "Source: cotenant\n\nPackage: cotenant\nArchitecture: any\n")
execute_process(COMMAND dpkg-shlibdeps -O ${CPACK_COTENANT_BINARY} WORKING_DIRECTORY ${scratch}
                OUTPUT_VARIABLE depends RESULT_VARIABLE failed ERROR_VARIABLE reason)
if(failed)
  message(FATAL_ERROR "dpkg-shlibdeps (package dpkg-dev) failed: ${reason}")
endif()
string(REGEX REPLACE ".*shlibs:Depends=([^\n]*).*" "\\1" CPACK_DEBIAN_PACKAGE_DEPENDS "${depends}")
