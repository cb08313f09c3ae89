# Writes a C++ source that holds text files as constants: a/report.js becomes cotenant::assets::report_js. Called at
# build time with -DINPUTS=<files, separated by commas> -DOUTPUT=<source> -DHEADER=<that declares them>.
string(REPLACE "," ";" inputs "${INPUTS}")
set(source "#include \"${HEADER}\"\n\nnamespace cotenant::assets {\n")
foreach(input ${inputs})
  get_filename_component(name ${input} NAME)
  string(REPLACE "." "_" name ${name})
  file(READ ${input} text)
  string(APPEND source "const std::string_view ${name} = R\"asset(${text})asset\";\n")
endforeach()
string(APPEND source "}  // namespace cotenant::assets\n")
file(WRITE ${OUTPUT} "${source}")
