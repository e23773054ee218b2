#include "engine/workloads/lackey.h"

#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kMostAddress = kMostWorkloadPages * kWorkloadPageBytes;
constexpr size_t kShownBytes = 32;  // of a line that is refused

int hex_digit(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

// "1ffefffe98,8": at most 16 and 4 digits, of which there is one at least.
bool parse_access(std::string_view text, uint64_t& address, uint64_t& size) {
  size_t at = 0;
  address = size = 0;
  for (; at < text.size() && text[at] != ','; ++at) {
    const int digit = hex_digit(text[at]);
    if (digit < 0 || at == 16) return false;
    address = address << 4 | static_cast<uint64_t>(digit);
  }
  if (at == 0 || at == text.size()) return false;
  const size_t digits = ++at;
  for (; at < text.size(); ++at) {
    if (text[at] < '0' || text[at] > '9' || at - digits == 4) return false;
    size = size * 10 + static_cast<uint64_t>(text[at] - '0');
  }
  return at != digits;
}

bool is_of_valgrind(std::string_view line) {
  const std::string_view two = line.substr(0, 2);
  return two == "==" || two == "--" || two == "**";
}

}  // namespace

bool LackeyTrace::next(WorkloadStep& step) {
  Touch touch;
  while (next_touch(touch)) {
    if (pending_ && pending_->page == touch.page && (pending_->write || !touch.write)) {
      ++counters_.folded;
      continue;
    }
    const std::optional<Touch> done = std::exchange(pending_, touch);
    if (!done) continue;
    touch = *done;
    ++counters_.steps;
    step = {StepKind::kTouch, touch.write, 0, 0, touch.page};
    return true;
  }
  if (!pending_) {
    if (status_.ok()) known_steps_ = counters_.steps;
    return false;
  }
  ++counters_.steps;
  step = {StepKind::kTouch, pending_->write, 0, 0, pending_->page};
  pending_.reset();
  return true;
}

void LackeyTrace::rewind() {
  begin_ = end_ = 0;
  second_.reset();
  pending_.reset();
  counters_ = {};
  status_ = bytes_.rewind();
}

bool LackeyTrace::next_touch(Touch& touch) {
  if (second_) {
    touch = *std::exchange(second_, std::nullopt);
    return true;
  }
  std::string_view line;
  while (next_line(line)) {
    ++counters_.lines;
    if (take_line(line, touch)) return true;
  }
  const uint64_t accesses = counters_.loads + counters_.stores + counters_.modifies;
  if (status_.ok() && accesses == 0)
    status_ = absl::InvalidArgumentError(
        "no access to memory in it: give what valgrind --tool=lackey --trace-mem=yes has written");
  return false;
}

// Without its end. False: there is none, or an error.
bool LackeyTrace::next_line(std::string_view& line) {
  size_t looked_at = 0;
  while (status_.ok()) {
    const char* const text = buffer_.data() + begin_;
    const void* const end = std::memchr(text + looked_at, '\n', end_ - begin_ - looked_at);
    if (end != nullptr) {
      line = {text, static_cast<size_t>(static_cast<const char*>(end) - text)};
      begin_ += line.size() + 1;
      return true;
    }
    looked_at = end_ - begin_;
    if (!fill()) return false;
  }
  return false;
}

// Appends to what is in the buffer. False: there is no more, or an error.
bool LackeyTrace::fill() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= std::exchange(begin_, 0);
  if (end_ == buffer_.size()) {
    ++counters_.lines;
    return refuse({buffer_.data(), end_}, "has no end");
  }
  const absl::StatusOr<size_t> count = bytes_.read(buffer_.data() + end_, buffer_.size() - end_);
  if (!count.ok()) {
    status_ = count.status();
    return false;
  }
  end_ += *count;
  if (*count == 0 && end_ != 0)
    status_ =
        absl::DataLossError(absl::StrCat("it ends in the middle of line ", counters_.lines + 1));
  return *count != 0;
}

// True: it touches memory.
bool LackeyTrace::take_line(std::string_view line, Touch& touch) {
  if (is_of_valgrind(line)) {
    ++counters_.other_lines;
    return false;
  }
  uint64_t address = 0, size = 0;
  if (line.size() < 4 || line[2] != ' ' || !parse_access(line.substr(3), address, size))
    return refuse(line, "is none of lackey's");
  if (size == 0 || size > kLargestAccess) return refuse(line, "has no size that can be");
  if (line[0] == 'I' && line[1] == ' ') {
    ++counters_.instructions;
    return false;
  }
  if (line[0] != ' ') return refuse(line, "is none of lackey's");
  if (address > kMostAddress - size) return refuse(line, "has an address above 48 bits");
  return take_data(line[1], address, size, touch) || refuse(line, "is none of lackey's");
}

bool LackeyTrace::take_data(char kind, uint64_t address, uint64_t size, Touch& touch) {
  switch (kind) {
    case 'L':
      ++counters_.loads;
      break;
    case 'S':
      ++counters_.stores;
      break;
    case 'M':
      ++counters_.modifies;
      break;
    default:
      return false;
  }
  const uint64_t last_page = (address + size - 1) / kWorkloadPageBytes;
  touch = {address / kWorkloadPageBytes, kind != 'L'};
  if (last_page != touch.page) {
    ++counters_.crossings;
    second_ = Touch{last_page, touch.write};
  }
  return true;
}

bool LackeyTrace::refuse(std::string_view line, std::string_view why) {
  const std::string_view begin = line.substr(0, kShownBytes);
  status_ =
      absl::InvalidArgumentError(absl::StrCat("line ", counters_.lines, " ", std::string(why),
                                              ": '", absl::CHexEscape({begin.data(), begin.size()}),
                                              begin.size() < line.size() ? "..." : "", "'"));
  return false;
}

}  // namespace swaptrail::engine
