#include "cli/base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace swaptrail::cli {
namespace {

constexpr auto kFirstAfter = std::chrono::milliseconds(500);
constexpr auto kEvery = std::chrono::milliseconds(100);
constexpr size_t kWidth = 30;

}  // namespace

Progress::Style Progress::style_here(bool prints) {
  if (isatty(STDERR_FILENO) == 0) return Style::kSilent;
  if (prints && isatty(STDOUT_FILENO) != 0) return Style::kSilent;
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  return dumb || (no_color != nullptr && *no_color != '\0') ? Style::kPlain : Style::kBar;
}

Progress::Progress(std::string label, Style style)
    : label_(std::move(label)),
      style_(style),
      next_draw_(std::chrono::steady_clock::now() + kFirstAfter) {}

Progress::~Progress() { erase(); }

void Progress::add(uint64_t more) {
  done_ += more;
  if (style_ == Style::kSilent) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_draw_) return;
  next_draw_ = now + kEvery;
  draw();
}

std::string Progress::line(const std::string& label, uint64_t done, uint64_t expected) {
  const double share =
      expected == 0 ? 1.0
                    : std::min(1.0, static_cast<double>(done) / static_cast<double>(expected));
  const auto full = static_cast<size_t>(share * kWidth);
  return absl::StrFormat("%s [%s%s] %3d %%", label, std::string(full, '#'),
                         std::string(kWidth - full, '.'), static_cast<int>(share * 100));
}

void Progress::draw() {
  const std::string text = line(label_, done_, expected_);
  drawn_ = text.size();
  std::fprintf(stderr, "\r%s", text.c_str());
  std::fflush(stderr);
}

void Progress::erase() {
  if (drawn_ == 0) return;
  if (style_ == Style::kBar)
    std::fputs("\r\x1b[K", stderr);
  else
    std::fprintf(stderr, "\r%s\r", std::string(drawn_, ' ').c_str());
  std::fflush(stderr);
}

}  // namespace swaptrail::cli
