// Prints docs/METRICS.md.
#include <cstdio>

#include "daemon/metrics/catalogue.h"

int main() {
  const std::string text = swaptrail::metrics::catalogue_text();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
