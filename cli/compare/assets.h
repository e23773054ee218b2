// The files of cli/compare/assets, as they are. assets.cpp is made by the build.
#pragma once

#include <string_view>

namespace swaptrail::compare {

extern const std::string_view kChartScript;  // uPlot
extern const std::string_view kChartStyle;
extern const std::string_view kReportScript;
extern const std::string_view kReportStyle;

}  // namespace swaptrail::compare
