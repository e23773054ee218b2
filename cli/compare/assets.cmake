# Writes TO, a C++ file with the contents of files in the folder FROM as constants.
set(text "#include \"cli/compare/assets.h\"\n\nnamespace swaptrail::compare {\n\n")
foreach(pair "kChartScript;uplot.min.js" "kChartStyle;uplot.min.css" "kReportScript;report.js" "kReportStyle;report.css")
  list(GET pair 0 name)
  list(GET pair 1 file)
  file(READ ${FROM}/${file} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND text "static constexpr char ${name}Bytes[] = {${bytes}};\n"
    "const std::string_view ${name}(${name}Bytes, sizeof(${name}Bytes));\n")
endforeach()
file(WRITE ${TO} "${text}\n}  // namespace swaptrail\n")
