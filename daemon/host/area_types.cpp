#include "daemon/host/area_types.h"

#include <algorithm>
#include <bit>

#include "trace/decode.h"

namespace swaptrail::host {
namespace {

bool fits(const KernelArea& kernel, uint64_t page_bytes, const SeenArea& line) {
  const bool known = line.file != AreaFile();
  return kernel.pages * page_bytes == line.area.bytes && kernel.priority == line.area.priority &&
         (!known || kernel.file == line.file);
}

uint64_t bit(uint32_t type) { return type < kMostAreaTypes ? uint64_t{1} << type : 0; }

}  // namespace

bool is_same_area(const SeenArea& a, const SeenArea& b) {
  const AreaFile unknown;
  return a.area.path == b.area.path && a.area.bytes == b.area.bytes &&
         a.area.priority == b.area.priority &&
         (a.file == b.file || a.file == unknown || b.file == unknown);
}

bool set_types(std::span<const KernelArea> kernel, uint64_t page_bytes, std::span<SeenArea> lines) {
  size_t next = 0;
  bool all_known = true;
  for (SeenArea& line : lines) {
    while (next < kernel.size() && !fits(kernel[next], page_bytes, line)) ++next;
    if (next == kernel.size()) break;
    line.area.type = kernel[next++].type;
    all_known = all_known && line.file != AreaFile();
  }
  const bool placed = std::ranges::all_of(
      lines, [](const SeenArea& line) { return line.area.type != kTypeNotKnown; });
  // without its file a line could be any of several that look alike
  if (placed && (all_known || kernel.size() == lines.size())) return true;
  for (SeenArea& line : lines) line.area.type = kTypeNotKnown;
  return false;
}

void TypesByUse::update(std::span<SeenArea> lines) {
  keep(lines);
  lines_.assign(lines.begin(), lines.end());
  infer();
  for (size_t at = 0; at < lines.size(); ++at) lines[at].area.type = types_[at];
}

// Keeps the types of lines that were there before, and sets those of new lines as far as they are
// certain.
void TypesByUse::keep(std::span<const SeenArea> lines) {
  const bool was_complete =
      started_ ? std::ranges::find(types_, kTypeNotKnown) == types_.end() : lines.empty();
  started_ = true;
  std::vector<uint32_t> types(lines.size(), kTypeNotKnown);
  uint64_t used = 0, gone = 0;
  size_t lost = 0;
  for (size_t before = 0; before < lines_.size(); ++before) {
    used |= bit(types_[before]);
    const auto found = std::ranges::find_if(
        lines, [&](const SeenArea& line) { return is_same_area(line, lines_[before]); });
    if (found != lines.end()) {
      types[static_cast<size_t>(found - lines.begin())] = types_[before];
      continue;
    }
    gone |= bit(types_[before]);
    ++lost;
  }
  if (lost != 0) uses_ = 0;
  types_ = std::move(types);
  if (was_complete) place_new(used, gone);
  if (!is_in_order()) forget();
}

// `used`: the types before; `gone`: those of them that were swapped off since.
void TypesByUse::place_new(uint64_t used, uint64_t gone) {
  const auto fresh = std::ranges::count(types_, kTypeNotKnown);
  if (fresh == 0 || (gone != 0 && fresh > 1)) return;
  if (gone == 0) {
    for (uint32_t& type : types_) {
      if (type != kTypeNotKnown) continue;
      type = static_cast<uint32_t>(std::countr_one(used));
      used |= bit(type);
    }
    return;
  }
  // it came before or after those went: any of their types below the free one could be its own
  const auto place = std::ranges::find(types_, kTypeNotKnown);
  const auto free = static_cast<uint32_t>(std::countr_one(used));
  uint32_t possible = kTypeNotKnown;
  for (uint32_t type = 0; type <= free; ++type) {
    if (type != free && (gone & bit(type)) == 0) continue;
    *place = type;
    if (!is_in_order()) continue;
    if (possible != kTypeNotKnown) {
      *place = kTypeNotKnown;
      return;
    }
    possible = type;
  }
  *place = possible;
}

bool TypesByUse::is_in_order() const {
  int64_t highest = -1;
  for (const uint32_t type : types_) {
    if (type == kTypeNotKnown) continue;
    if (type <= highest) return false;
    highest = type;
  }
  return true;
}

void TypesByUse::forget() {
  std::ranges::fill(types_, kTypeNotKnown);
  uses_ = 0;
}

bool TypesByUse::on_use(uint32_t type) {
  if (type >= kMostAreaTypes || (uses_ & bit(type)) != 0) return false;
  const std::vector<uint32_t> before = types_;
  uses_ |= bit(type);
  if (static_cast<size_t>(std::popcount(uses_)) > types_.size()) {
    forget();
    uses_ = bit(type);
  }
  infer();
  return types_ != before;
}

// For each use, finds the first and the last line that it can belong to. If they are the same line,
// that is the answer.
void TypesByUse::infer() {
  uint64_t known = 0;
  for (const uint32_t type : types_) known |= bit(type);
  const bool all = std::ranges::find(types_, kTypeNotKnown) == types_.end();
  uint64_t taken = known | uses_;
  if (static_cast<size_t>(std::popcount(taken)) > types_.size() || (all && taken != known)) {
    taken = uses_;
    std::ranges::fill(types_, kTypeNotKnown);
  }
  const auto count = static_cast<int>(std::popcount(taken)),
             lines = static_cast<int>(types_.size());
  if (count > lines) return;
  std::vector<int> first(count), last(count);
  std::vector<uint32_t> of(count);
  for (int at = 0, low = -1; at < count; ++at, taken &= taken - 1) {
    of[at] = static_cast<uint32_t>(std::countr_zero(taken));
    const auto fixed = std::ranges::find(types_, of[at]);
    low = fixed != types_.end() ? static_cast<int>(fixed - types_.begin()) : low + 1;
    first[at] = low;
  }
  for (int at = count - 1, high = lines; at >= 0; --at) {
    const auto fixed = std::ranges::find(types_, of[at]);
    // the line at place k has a type of at least k
    high = fixed != types_.end() ? static_cast<int>(fixed - types_.begin())
                                 : std::min(high - 1, static_cast<int>(of[at]));
    last[at] = high;
  }
  for (int at = 0; at < count; ++at)
    if (first[at] == last[at]) types_[static_cast<size_t>(first[at])] = of[at];
}

}  // namespace swaptrail::host
