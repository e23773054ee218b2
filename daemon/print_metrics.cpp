// Prints docs/METRICS.md.
#include <cstdio>

#include "daemon/metrics/catalogue.h"

int main() {
  const std::string text = swaptrail::metrics::catalogue_text();
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  return written && std::fflush(stdout) == 0 ? 0 : 1;
}
