# What `make install` puts where. Configuration is never installed into its place: the samples lie
# with the documentation, so an upgrade cannot overwrite what a site has written.

foreach(program ${programs})
  install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
endforeach()

set(doc_dir ${CMAKE_INSTALL_DATADIR}/doc/popper)
install(FILES README.md HACKING.md SECURITY.md CHANGELOG.md LICENSE DESTINATION ${doc_dir})
if(EXISTS ${CMAKE_SOURCE_DIR}/doc)
  install(DIRECTORY doc/ DESTINATION ${doc_dir}/examples)
endif()
if(EXISTS ${CMAKE_SOURCE_DIR}/completions)
  foreach(program ${programs})
    install(FILES completions/${program}.bash OPTIONAL RENAME ${program}
            DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  endforeach()
endif()
