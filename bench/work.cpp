// The same work each time, for tests/perf/baseline.py to count its instructions: those of counted(), by callgrind.
//
//   work live     the live path, as of live_bench, on a zram of the model
//   work many     the same records, from 64 CPUs in turn
//   work store    adds to a store that is full
//
// Prints how many records and pages, or adds, it was.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string_view>

#include "bench/live_path.h"
#include "bench/store_load.h"

namespace swaptrail {
namespace {

// callgrind finds it by its name, so it has to be a function of its own.
[[gnu::noinline]] void counted(const std::function<void()>& work) { work(); }

void live(uint32_t cpus) {
  Records records = made(engine::Device::kSynchronous, 8192, 20'000);
  if (cpus != 0)
    for (size_t at = 0; at < records.size(); ++at)
      records[at].cpu = static_cast<uint16_t>(at % cpus);
  Merger merger;
  const auto path = std::make_unique<Live>();
  counted([&] { run(records, merger, *path); });
  if (path->stored() == 0 || merger.counters().lost != 0) std::exit(1);
  std::printf("records %zu pages %zu\n", records.size(), static_cast<size_t>(moved_pages(records)));
}

void adds() {
  constexpr int kAdds = 20'000;
  store::Store::Options options;
  options.max_bytes = 8 << 20;
  auto made = store::Store::create(options);
  fail(made.status());
  store::Load load(**made);
  while ((*made)->status().evicted == 0) load.one();
  counted([&] {
    for (int adds = 0; adds < kAdds; ++adds) load.one();
  });
  std::printf("adds %d\n", kAdds);
}

}  // namespace
}  // namespace swaptrail

int main(int argc, char** argv) {
  const std::string_view what = argc == 2 ? argv[1] : "";
  if (what == "live")
    swaptrail::live(0);
  else if (what == "many")
    swaptrail::live(64);
  else if (what == "store")
    swaptrail::adds();
  else
    return 2;
  return 0;
}
