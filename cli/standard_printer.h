// Lifecycles and the rest on standard output.
#pragma once

#include <string_view>

#include "cli/fresh_file.h"
#include "trace/printer.h"

namespace swaptrail {

class StandardPrinter : public Printer {
 public:
  using Printer::Printer;

 protected:
  bool write(std::string_view text) override { return output_.append(text).ok(); }

 private:
  StandardOutput output_;
};

}  // namespace swaptrail
