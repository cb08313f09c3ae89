# `make install` and the Debian package.
install(TARGETS cotenant RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/cotenant)
install(PROGRAMS adapters/hf_transformers.py DESTINATION ${CMAKE_INSTALL_DATADIR}/cotenant/adapters)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The manual page and the completions are what the program itself says.
set(shell_dir ${CMAKE_BINARY_DIR}/shell)
install(CODE "
  file(MAKE_DIRECTORY \"${shell_dir}\")
  foreach(what \"manual>cotenant.1\" \"completion bash>cotenant\" \"completion zsh>_cotenant\")
    string(REGEX MATCH \"(.*)>(.*)\" all \"\${what}\")
    set(output \"${shell_dir}/\${CMAKE_MATCH_2}\")
    string(REPLACE \" \" \";\" arguments \"\${CMAKE_MATCH_1}\")
    execute_process(COMMAND \"$<TARGET_FILE:cotenant>\" \${arguments} OUTPUT_FILE \"\${output}\" COMMAND_ERROR_IS_FATAL ANY)
  endforeach()")
install(FILES ${shell_dir}/cotenant.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${shell_dir}/cotenant DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${shell_dir}/_cotenant DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The cotenant developers <cotenant@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gnuplot-nox, libcurl4 | libcurl4t64 | libcurl3-gnutls | libcurl3t64-gnutls")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_STRIP_FILES ON)
# What the program is linked with, found when the package is made.
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/PackageDepends.cmake)
set(CPACK_COTENANT_BINARY ${CMAKE_BINARY_DIR}/cotenant)
include(CPack)
