// Prints lifecycles and the rest on standard output.
#pragma once

#include <string_view>

#include "cli/base/standard_output.h"
#include "trace/report/printer.h"

namespace swaptrail::cli {

class StandardPrinter : public report::Printer {
 public:
  using report::Printer::Printer;

  // For text after the summary.
  void print_more(std::string_view text) { output_.write(text); }
  // See StandardOutput.
  int exit_code(int code) const { return output_.exit_code(code); }

 protected:
  bool write(std::string_view text) override { return output_.append(text).ok(); }

 private:
  StandardOutput output_;
};

}  // namespace swaptrail::cli
