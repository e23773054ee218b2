// The attach plan against real kernels and some that never were.
//
// tests/data/kernels holds what matters of the BTF and symbols of Debian's kernels, so a wrong row in the catalogue fails
// here, without a guest. See names.txt there.
#include "daemon/probe/attach_plan.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bpf/event.h"
#include "tests/scene/hook_functions.h"

#ifndef SWAPTRAIL_TEST_DATA
#define SWAPTRAIL_TEST_DATA "tests/data"
#endif

namespace swaptrail::probe {
namespace {

std::string data_path(const std::string& name) {
  return absl::StrCat(SWAPTRAIL_TEST_DATA, "/kernels/", name);
}

// The one list of kernels, and one that was locked down.
std::vector<std::string> all_series() {
  std::vector<std::string> series = tested_series(SWAPTRAIL_SOURCE_DIR);
  series.push_back("lockeddown-6.18");
  return series;
}

// A file that is gone when the test ends.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    const int fd = mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    close(fd);
    std::ofstream(path_, std::ios::binary) << content;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = testing::TempDir() + "swaptrailXXXXXX";
};

absl::StatusOr<KernelView> open_series(const std::string& series) {
  return open_kernel(SWAPTRAIL_SOURCE_DIR, series);
}

AttachPlan plan_of(const KernelView& kernel, Mode mode = Mode::kFull) {
  return make_attach_plan(kernel, {mode, "asked for"});
}

AttachPlan plan_of(const std::string& series, Mode mode = Mode::kFull) {
  const absl::StatusOr<KernelView> kernel = open_series(series);
  EXPECT_TRUE(kernel.ok()) << kernel.status();
  return kernel.ok() ? plan_of(*kernel, mode) : AttachPlan();
}

const HookPlan& hook_of(const AttachPlan& plan, const std::string& hook) {
  static const HookPlan kNone;
  const HookPlan* found = plan.find(hook);
  EXPECT_NE(found, nullptr) << hook;
  return found != nullptr ? *found : kNone;
}

// "target entry exit", with - for no program.
std::string summary(const HookPlan& hook) {
  if (hook.state != HookState::kChosen) return hook.reason;
  const auto or_dash = [](const std::string& name) { return name.empty() ? "-" : name; };
  return absl::StrCat(hook.target.target, " ", or_dash(hook.target.entry_program), " ",
                      or_dash(hook.target.exit_program));
}

std::optional<Rejection> rejection_of(const HookPlan& hook, const std::string& target) {
  for (const RejectedCandidate& rejected : hook.rejected) {
    if (rejected.target == target) return rejected.why;
  }
  return std::nullopt;
}

// --- what every kernel must get ---

// What serves the hook from a series on, until the next row of that hook says otherwise; on a kernel that is named
// alone, whatever stands before and after it. So a new series is held to what its predecessor has.
struct Expected {
  const char* hook;
  const char* series;  // "6.1+": from 6.1 on; "6.18 6.19": on these only
  const char* chosen;
};

// Debian's cloud builds of 6.18 and 6.19 have no zswap.
const Expected kFullMode[] = {
    {"reclaim_batch", "5.10+", "shrink_page_list reclaim_begin reclaim_end_n5"},
    {"reclaim_batch", "6.1+", "shrink_folio_list reclaim_begin reclaim_end_n5"},
    {"reclaim_batch", "6.16+", "shrink_folio_list reclaim_begin reclaim_end_n6"},
    {"pageout_request", "5.10+", "reclaim_pages pageout_begin pageout_end"},
    {"node_reclaim", "5.10+", "node_reclaim node_begin node_end"},
    {"lru_gen_request", "5.10 lockeddown-6.18", "the kernel has no multi-generational LRU"},
    {"lru_gen_request", "6.1+", "lru_gen_seq_write lru_gen_begin lru_gen_end"},
    {"shmem_write", "5.10+", "shmem_writepage shmem_write_f0 -"},
    {"shmem_write", "6.16+", "shmem_writeout shmem_write_f0 -"},
    {"shmem_write", "7.3+", "shmem_writeout shmem_write_f1 -"},
    {"slot_allocated", "5.10+", "add_to_swap - slot_allocated_true_n1"},
    {"slot_allocated", "6.16+", "folio_alloc_swap - slot_allocated_zero_n2"},
    {"slot_allocated", "6.19+", "folio_alloc_swap - slot_allocated_zero_n1"},
    {"swap_ptes", "5.10+", "mm_trace_rss_stat rss_changed -"},
    {"unmapped", "5.10+", "try_to_unmap - unmapped_n2"},
    {"write", "5.10+", "swap_writepage write_begin_f0 write_end_f0_n2"},
    {"write", "6.16+", "swap_writeout write_begin_f0 write_end_f0_n2"},
    {"write", "7.3+", "swap_writeout write_begin_f1 write_end_f1_n2"},
    {"zswap_stored", "6.18 6.19", "the kernel has no zswap/frontswap"},
    {"zswap_stored", "5.10+", "__frontswap_store - zswap_stored_zero_n1"},
    {"zswap_stored", "6.12+", "zswap_store - zswap_stored_true_n1"},
    {"write_issued", "5.10+", "__swap_writepage write_issued_f0 -"},
    {"write_issued", "7.3+", "__swap_writepage write_issued_f1 -"},
    {"write_completed", "5.10+", "end_page_writeback write_completed -"},
    {"write_completed", "6.1+", "folio_end_writeback write_completed -"},
    {"removed", "5.10+", "__remove_mapping remove_begin remove_end_n4"},
    {"cache_deleted", "5.10+", "delete_from_swap_cache cache_deleted -"},
    {"cache_deleted", "6.18+", "swap_cache_del_folio cache_deleted -"},
    {"slot_freed", "5.10+", "swap_range_free slot_freed_offset -"},
    {"slot_freed", "6.12+", "swap_entry_range_free slot_freed_entry -"},
    {"slot_freed", "6.16+", "swap_entries_free slot_freed_ci_entry -"},
    {"slot_freed", "7.0+", "swap_entries_free slot_freed_ci_offset -"},
    {"slot_freed", "7.1+", "__swap_cluster_free_entries slot_freed_cluster -"},
    {"swap_in", "5.10+", "do_swap_page fault_begin fault_end_n1"},
    {"entries_dropped", "5.10+",
     "folio_put_swap: not in BTF; swap_free_nr: not in BTF; swap_free: takes swp_entry_t by value (8 "
     "bytes): a program here can take none"},
    {"entries_dropped", "6.1+", "swap_free entry_dropped -"},
    {"entries_dropped", "6.12+", "swap_free_nr entries_dropped -"},
    {"entries_dropped", "7.0+", "folio_put_swap folio_entries_dropped -"},
    {"shmem_swap_in", "5.10+", "shmem_swapin_page shmem_swap_in_begin shmem_swap_in_end"},
    {"shmem_swap_in", "6.1+", "shmem_swapin_folio shmem_swap_in_begin shmem_swap_in_end"},
    {"swap_read", "5.10+", "swap_readpage swap_read_f0 -"},
    {"swap_read", "6.12+", "swap_read_folio swap_read_f0 -"},
    {"swap_read", "7.3+", "swap_read_folio swap_read_f1 -"},
    {"zswap_loaded", "6.18 6.19", "the kernel has no zswap/frontswap"},
    {"zswap_loaded", "5.10+", "__frontswap_load - zswap_loaded_zero_n1"},
    {"zswap_loaded", "6.12+", "zswap_load - zswap_loaded_true_n1"},
    {"zswap_loaded", "6.16+", "zswap_load - zswap_loaded_zero_n1"},
    {"unmapped_one", "5.10+", "try_to_unmap_one unmap_one_begin unmap_one_end_n4"},
    {"split", "5.10+", "split_huge_page_to_list split_begin split_end_n2"},
    {"split", "6.12+", "split_huge_page_to_list_to_order split_begin split_end_n3"},
    {"split", "6.16+", "__folio_split split_begin split_end_n6"},
};

const Expected kTracepointMode[] = {
    {"origin_direct", "5.10+", "mm_vmscan_direct_reclaim_begin tp_direct_begin tp_direct_end"},
    {"origin_memcg", "5.10+", "mm_vmscan_memcg_reclaim_begin tp_memcg_begin tp_memcg_end"},
    {"origin_node", "5.10+", "mm_vmscan_node_reclaim_begin tp_node_begin tp_node_end"},
    {"owner", "5.10+", "rss_stat tp_rss -"},
    {"write", "5.10+", "mm_vmscan_writepage tp_write -"},
    {"write", "6.1+", "mm_vmscan_write_folio tp_write -"},
    {"write_issued", "5.10+", "block_bio_queue tp_bio_queue_n2 -"},
    {"write_issued", "6.1+", "block_bio_queue tp_bio_queue_n1 -"},
    {"write_completed_bio", "5.10+", "block_bio_complete tp_bio_complete_n2 -"},
    {"write_completed_rq", "5.10+", "block_rq_complete tp_rq_complete -"},
    {"page_freed", "5.10+", "mm_page_free tp_page_free -"},
};

// Where a series stands among all, from old to new.
size_t age_of(const std::string& series) {
  const std::vector<std::string> all = tested_series(SWAPTRAIL_SOURCE_DIR);
  const std::string plain = series == "lockeddown-6.18" ? "6.18" : series;
  const auto found = std::find(all.begin(), all.end(), plain);
  EXPECT_NE(found, all.end()) << series;
  return static_cast<size_t>(found - all.begin());
}

template <size_t kRows>
std::string expected_for(const Expected (&table)[kRows], const std::string& hook,
                         const std::string& series) {
  std::string chosen = "no row in the test's table";
  for (const Expected& row : table) {
    if (hook != row.hook) continue;
    const std::string listed = row.series;
    if (listed.ends_with('+')) {
      if (age_of(listed.substr(0, listed.size() - 1)) <= age_of(series)) chosen = row.chosen;
      continue;
    }
    const std::vector<std::string> alone = absl::StrSplit(listed, ' ');
    if (std::find(alone.begin(), alone.end(), series) != alone.end()) return row.chosen;
  }
  return chosen;
}

class EveryKernel : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Kernels, EveryKernel, testing::ValuesIn(all_series()),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           for (char& c : name) c = c == '.' || c == '-' ? '_' : c;
                           return name;
                         });

TEST_P(EveryKernel, FullModeFindsEveryHook) {
  const AttachPlan plan = plan_of(GetParam());
  ASSERT_EQ(plan.hooks.size(), hooks_of(Mode::kFull).size());
  for (const HookPlan& hook : plan.hooks) {
    EXPECT_EQ(summary(hook), expected_for(kFullMode, hook.hook, GetParam())) << hook.hook;
    EXPECT_EQ(hook.target.exit_entry_program, "") << hook.hook;
    EXPECT_EQ(hook.target.warning, "") << hook.hook;
  }
}

TEST_P(EveryKernel, KprobeModeUsesTheSameProgramsAndKeepsArguments) {
  const AttachPlan plan = plan_of(GetParam(), Mode::kKprobe);
  for (const HookPlan& hook : plan.hooks) {
    // An argument of one word is in a register, where a trampoline takes no struct.
    if (hook.hook == "entries_dropped" && GetParam() == "5.10") {
      EXPECT_EQ(summary(hook), "swap_free entry_dropped -");
      continue;
    }
    EXPECT_EQ(summary(hook), expected_for(kFullMode, hook.hook, GetParam())) << hook.hook;
    const std::string& exit = hook.target.exit_program;
    const bool keeps = !exit.empty() && !hook.target.by_kprobe;  // by itself, if by_kprobe
    EXPECT_EQ(hook.target.exit_entry_program, keeps ? exit + "_entry" : "") << hook.hook;
  }
}

TEST_P(EveryKernel, TracepointModeFindsItsHooksAndNamesTheRest) {
  const AttachPlan plan = plan_of(GetParam(), Mode::kTracepoint);
  const size_t own = hooks_of(Mode::kTracepoint).size();
  ASSERT_EQ(plan.hooks.size(), own + unseen_by_tracepoints().size());
  for (size_t i = 0; i < own; ++i) {
    const HookPlan& hook = plan.hooks[i];
    EXPECT_EQ(summary(hook), expected_for(kTracepointMode, hook.hook, GetParam())) << hook.hook;
  }
  for (size_t i = own; i < plan.hooks.size(); ++i) {
    EXPECT_EQ(plan.hooks[i].state, HookState::kMissing);
    EXPECT_NE(plan.hooks[i].reason, "") << plan.hooks[i].hook;
    EXPECT_NE(plan.hooks[i].costs, "") << plan.hooks[i].hook;
  }
}

TEST_P(EveryKernel, CountersDoWithFewHooks) {
  const std::set<std::string> needed = {
      "reclaim_batch", "pageout_request", "node_reclaim",  "lru_gen_request",
      "write",         "zswap_stored",    "write_issued",  "cache_deleted",
      "swap_in",       "entries_dropped", "shmem_swap_in",
  };
  for (const Mode mode : {Mode::kFull, Mode::kKprobe}) {
    const AttachPlan whole = plan_of(GetParam(), mode);
    AttachPlan plan = whole;
    keep_counting_hooks(plan);
    ASSERT_EQ(plan.hooks.size(), whole.hooks.size());
    for (size_t i = 0; i < plan.hooks.size(); ++i) {
      const HookPlan& hook = plan.hooks[i];
      ASSERT_EQ(hook.hook, whole.hooks[i].hook);
      if (needed.contains(hook.hook)) {
        EXPECT_EQ(hook.state, whole.hooks[i].state) << hook.hook;
        EXPECT_EQ(hook.target.target, whole.hooks[i].target.target) << hook.hook;
        continue;
      }
      EXPECT_EQ(hook.state, HookState::kLeftOut) << hook.hook;
      EXPECT_EQ(hook.reason, "--detail=counters does without it");
      EXPECT_EQ(hook.costs + hook.target.target, "") << "it is no defect";
    }
    EXPECT_EQ(visible_kinds(plan) & (1U << SWAPTRAIL_SLOT_FREED | 1U << SWAPTRAIL_SWAP_READ), 0U);
    EXPECT_TRUE(absl::StrContains(explain_text(plan, nullptr), "left out"));
    EXPECT_FALSE(absl::StrContains(explain_text(plan, nullptr), "MISSING slot_freed"));
  }
}

TEST_P(EveryKernel, SeesTheKindsOfItsMode) {
  uint32_t all = (1U << SWAPTRAIL_KIND_END) - 2 - (1U << SWAPTRAIL_PAGE_FREED);
  if (GetParam() == "6.18" || GetParam() == "6.19") {
    all -= 1U << SWAPTRAIL_ZSWAP_STORED | 1U << SWAPTRAIL_ZSWAP_LOADED;
  }
  EXPECT_EQ(visible_kinds(plan_of(GetParam())), all);
  EXPECT_EQ(visible_kinds(plan_of(GetParam(), Mode::kKprobe)),
            visible_kinds(plan_of(GetParam(), Mode::kFull)));
  EXPECT_EQ(visible_kinds(plan_of(GetParam(), Mode::kTracepoint)),
            1U << SWAPTRAIL_UNMAPPED_ONE | 1U << SWAPTRAIL_WRITE_END |
                1U << SWAPTRAIL_WRITE_ISSUED | 1U << SWAPTRAIL_WRITE_COMPLETED |
                1U << SWAPTRAIL_PAGE_FREED);
}

TEST_P(EveryKernel, HidesTracepointArgumentsOfTheMachinery) {
  const auto kernel = open_series(GetParam());
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  EXPECT_EQ(kernel->raw_tracepoint("mm_page_free")->text(), "void (struct page *, unsigned int)");
}

// --- traps of real kernels ---

TEST(RealKernels, NameReuseIsRejectedByItsReturnType) {
  for (const char* series : {"6.1", "6.12"}) {
    const AttachPlan plan = plan_of(series);
    EXPECT_EQ(rejection_of(hook_of(plan, "slot_allocated"), "folio_alloc_swap"),
              Rejection::kReturnsStruct);
  }
}

TEST(RealKernels, SplitPrefersTheInnerFunction) {
  const AttachPlan plan = plan_of("6.18");
  EXPECT_EQ(rejection_of(hook_of(plan, "split"), "split_huge_page_to_list_to_order"),
            Rejection::kNotNeeded);
}

TEST(RealKernels, CloneOnlySymbolsAreAbsentAlthoughBtfHasTheName) {
  for (const char* series : {"6.19", "7.0", "7.1", "7.2"}) {
    const auto kernel = open_series(series);
    ASSERT_TRUE(kernel.ok());
    EXPECT_TRUE(kernel->function("swap_writepage_bdev_sync").has_value()) << series;
    const Symbol symbol = kernel->symbol("swap_writepage_bdev_sync");
    EXPECT_EQ(symbol.state, SymbolState::kSuffixOnly) << series;
    EXPECT_EQ(symbol.twins, std::vector<std::string>{"swap_writepage_bdev_sync.isra.0"});
  }
  EXPECT_EQ(open_series("6.18")->symbol("swap_writepage_bdev_sync").state, SymbolState::kExact);
}

TEST(RealKernels, ColdTwinsAreHarmless) {
  const auto kernel = open_series("6.18");
  ASSERT_TRUE(kernel.ok());
  ASSERT_TRUE(absl::StrContains(text_of_file(data_path("6.18.symbols")), "__folio_split.cold\n"));
  EXPECT_EQ(kernel->symbol("__folio_split").state, SymbolState::kExact);
  EXPECT_TRUE(kernel->symbol("__folio_split").twins.empty());
}

TEST(RealKernels, FieldsTellKernelsApart) {
  EXPECT_FALSE(open_series("5.10")->has_field("btf_func_model", "arg_flags"));
  EXPECT_TRUE(open_series("6.1")->has_field("btf_func_model", "arg_flags"));
  EXPECT_TRUE(open_series("5.10")->has_field("bpf_map", "memory"));
  EXPECT_FALSE(open_series("6.1")->has_field("bpf_map", "memory"));
  EXPECT_FALSE(open_series("6.1")->has_field("folio", "swap"));
  EXPECT_TRUE(open_series("6.12")->has_field("folio", "swap"));
  EXPECT_FALSE(open_series("6.12")->has_field("no_such_struct", "swap"));
  EXPECT_TRUE(open_series("6.1")->has_enum_value("ttu_flags", "TTU_BATCH_FLUSH"));
  EXPECT_FALSE(open_series("6.1")->has_enum_value("ttu_flags", "TTU_MIGRATION"));
}

TEST(RealKernels, ShapesSayWhereTheFolioIs) {
  EXPECT_EQ(open_series("5.10")->function("__remove_mapping")->folio_argument(), 1);
  EXPECT_EQ(open_series("7.2")->function("swap_writeout")->folio_argument(), 0);
  EXPECT_EQ(open_series("7.3")->function("swap_writeout")->folio_argument(), 1);
  EXPECT_EQ(open_series("7.3")->function("do_swap_page")->folio_argument(), -1);
  EXPECT_EQ(open_series("7.3")->function("swap_writeout")->text(),
            "int (struct swap_io_ctx *, struct folio *)");
}

TEST(RealKernels, FixturesHoldEveryTargetOfTheCatalogue) {
  std::set<std::string> names;
  std::ifstream list(data_path("names.txt"));
  for (std::string line; std::getline(list, line);) names.insert(line);
  for (const Candidate& row : candidates_of(Mode::kFull)) {
    EXPECT_TRUE(names.contains(absl::StrCat("func ", row.target))) << row.target;
  }
  for (const Candidate& row : candidates_of(Mode::kTracepoint)) {
    EXPECT_TRUE(names.contains(absl::StrCat("tp ", row.target))) << row.target;
    if (row.end_target.empty()) continue;
    EXPECT_TRUE(names.contains(absl::StrCat("tp ", row.end_target))) << row.end_target;
  }
}

TEST(RealKernels, DocumentHasTheFunctions) {
  const auto table = function_table(SWAPTRAIL_SOURCE_DIR);
  ASSERT_TRUE(table.ok()) << table.status();
  const std::string page = text_of_file(SWAPTRAIL_SOURCE_DIR "/docs/KERNELS.md");
  EXPECT_TRUE(absl::StrContains(page, absl::StrCat(std::string(kFunctionsHead), *table, "\n")))
      << "ninja -C build/dev kernels_doc writes it";
}

// --- the catalogue itself ---

TEST(Catalogue, EveryRowHasAHookAndEveryHookHasRows) {
  for (const Mode mode : {Mode::kFull, Mode::kKprobe, Mode::kTracepoint}) {
    std::map<absl::string_view, int> rows;
    for (const Hook& hook : hooks_of(mode)) {
      EXPECT_TRUE(rows.emplace(hook.name, 0).second) << hook.name << " twice";
      EXPECT_FALSE(hook.costs.empty()) << hook.name;
    }
    for (const Candidate& row : candidates_of(mode)) {
      ASSERT_TRUE(rows.contains(row.hook)) << row.hook;
      ++rows[row.hook];
      EXPECT_FALSE(row.entry.empty() && row.exit.empty()) << row.target;
      EXPECT_TRUE(absl::StrContains(row.shape, " (") && absl::EndsWith(row.shape, ")"));
    }
    for (const auto& [hook, count] : rows) EXPECT_GT(count, 0) << hook;
  }
}

// The names of the programs in a BPF source, from the macros and sections that define them.
std::string all_sources() {
  std::string text;
  for (const char* file : {"programs.bpf.h", "tracepoint.bpf.c"}) {
    text += text_of_file(absl::StrCat(SWAPTRAIL_TEST_DATA, "/../../bpf/", file));
  }
  return text;
}

TEST(Catalogue, EveryProgramOfEveryKernelIsInTheSource) {
  const std::string source = all_sources();
  if (source.empty()) GTEST_SKIP() << "no bpf/ beside the test data";
  for (const std::string& series : all_series()) {
    for (const HookPlan& hook : plan_of(series).hooks) {
      const std::string& entry = hook.target.entry_program;
      const std::string& exit = hook.target.exit_program;
      if (hook.target.by_kprobe) {
        EXPECT_TRUE(absl::StrContains(source, "int " + entry + "("));
        EXPECT_TRUE(absl::StrContains(source, "int " + exit + "("));
        continue;
      }
      EXPECT_TRUE(entry.empty() || absl::StrContains(source, "ENTRY_PROGRAM(" + entry + ","));
      EXPECT_TRUE(exit.empty() || absl::StrContains(source, "EXIT_PROGRAM(" + exit + ",")) << exit;
    }
  }
  for (const Candidate& row : candidates_of(Mode::kTracepoint)) {
    const bool by_macro = absl::EndsWith(row.entry, "_begin");
    EXPECT_TRUE(by_macro || absl::StrContains(source, absl::StrCat("int ", row.entry, "(")));
  }
}

// docs/METRICS.md has a bound for the labels `hook` and `program`.
TEST(Catalogue, HooksAndProgramsStayWithinTheBoundOfTheMetrics) {
  std::ifstream file(SWAPTRAIL_SOURCE_DIR "/docs/METRICS.md");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const size_t row = text.find("| hooks, programs |");
  ASSERT_NE(row, std::string::npos);
  size_t most_hooks = 0, most_programs = 0;
  ASSERT_EQ(std::sscanf(text.c_str() + text.find("at most", row), "at most %zu, and %zu",
                        &most_hooks, &most_programs),
            2);
  for (const std::string& series : all_series()) {
    const AttachPlan plan = plan_of(series);
    EXPECT_LE(plan.hooks.size(), most_hooks) << series;
    std::set<std::string> programs;
    for (const HookPlan& hook : plan.hooks) {
      if (!hook.target.entry_program.empty()) programs.insert(hook.target.entry_program);
      if (!hook.target.exit_program.empty()) programs.insert(hook.target.exit_program);
    }
    EXPECT_LE(programs.size(), most_programs) << series;
  }
}

TEST(Catalogue, UnseenStagesAreHooksOfTheFullMode) {
  std::set<absl::string_view> known;
  for (const Hook& hook : hooks_of(Mode::kFull)) known.insert(hook.name);
  for (const Unseen& unseen : unseen_by_tracepoints()) EXPECT_TRUE(known.contains(unseen.hook));
}

// --- kernels that never were ---

// Types: void, int, bool, folio, page, entry (8 bytes), pair (16), big (24), si, ci, other.
class FakeKernel {
 public:
  FakeKernel() {
    types_["void"] = 0;
    types_["int"] = btf__add_int(btf_, "int", 4, BTF_INT_SIGNED);
    types_["bool"] = btf__add_int(btf_, "_Bool", 1, BTF_INT_BOOL);
    add_pointer("folio", "folio");
    add_pointer("page", "page");
    add_pointer("si", "swap_info_struct");
    add_pointer("ci", "swap_cluster_info");
    add_pointer("other", "vm_area_struct");
    add_value("entry", "swp_entry_t", 8);
    add_value("pair", "pair_t", 16);
    add_value("big", "big_t", 24);
  }
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;
  ~FakeKernel() { btf__free(btf_); }

  FakeKernel& function(const char* name, const char* result, const char* arguments) {
    const int prototype = btf__add_func_proto(btf_, types_.at(result));
    for (const absl::string_view argument : absl::StrSplit(arguments, ' ', absl::SkipEmpty())) {
      btf__add_func_param(btf_, "", types_.at(std::string(argument)));
    }
    btf__add_func(btf_, name, BTF_FUNC_GLOBAL, prototype);
    absl::StrAppend(&symbols_, name, "\n");
    return *this;
  }
  // As if the kernel were 6.1 or later.
  FakeKernel& with_struct_arguments() {
    btf__add_struct(btf_, "btf_func_model", 8);
    btf__add_field(btf_, "arg_flags", types_["int"], 0, 0);
    return *this;
  }
  FakeKernel& symbols(const char* text) {
    symbols_ = text;
    return *this;
  }

  AttachPlan plan(Mode mode = Mode::kFull) const {
    uint32_t size = 0;
    const char* data = static_cast<const char*>(btf__raw_data(btf_, &size));
    const TemporaryFile btf_file(std::string(data, size));
    const TemporaryFile symbol_file(symbols_);
    const bool checked = symbols_ != "unchecked";
    const auto kernel = KernelView::open({.btf_path = btf_file.path(),
                                          .symbols_path = checked ? symbol_file.path() : "",
                                          .release = "fake"});
    EXPECT_TRUE(kernel.ok()) << kernel.status();
    return kernel.ok() ? plan_of(*kernel, mode) : AttachPlan();
  }

 private:
  void add_pointer(const char* key, const char* name) {
    types_[key] = btf__add_ptr(btf_, btf__add_fwd(btf_, name, BTF_FWD_STRUCT));
  }
  void add_value(const char* key, const char* name, uint32_t bytes) {
    types_[key] = btf__add_typedef(btf_, name, btf__add_struct(btf_, "", bytes));
  }

  btf* btf_ = btf__new_empty();
  std::map<std::string, int> types_;
  std::string symbols_;
};

TEST(VisibleKinds, NotOfHooksThatWereDroppedNorOfThoseThatNeedThem) {
  const AttachPlan whole = plan_of("6.12");
  const auto without = [&](std::string_view hook) {
    AttachPlan plan = whole;
    for (HookPlan& one : plan.hooks) {
      if (one.hook == hook) one.state = HookState::kMissing;
    }
    return visible_kinds(whole) & ~visible_kinds(plan);
  };
  EXPECT_EQ(without("removed"), 1U << SWAPTRAIL_REMOVED);
  EXPECT_EQ(without("swap_ptes"), 1U << SWAPTRAIL_UNMAPPED_ONE);
  EXPECT_EQ(without("reclaim_batch"), 1U << SWAPTRAIL_RECLAIM_BEGIN | 1U << SWAPTRAIL_RECLAIM_END |
                                          1U << SWAPTRAIL_UNMAPPED_ONE | 1U << SWAPTRAIL_UNMAPPED |
                                          1U << SWAPTRAIL_REMOVED);
}

TEST(FakeKernels, UnknownShapeIsMissingWithThePrototype) {
  const AttachPlan plan = FakeKernel().function("swap_writeout", "int", "int other").plan();
  const HookPlan& hook = hook_of(plan, "write");
  EXPECT_EQ(hook.state, HookState::kMissing);
  EXPECT_EQ(rejection_of(hook, "swap_writeout"), Rejection::kUnknownShape);
  EXPECT_TRUE(absl::StrContains(hook.reason, "unknown shape: int (int, struct vm_area_struct *)"));
  EXPECT_EQ(hook.costs, "the decision to write a page, and where it went");
  EXPECT_EQ(visible_kinds(plan), 0U);
}

TEST(FakeKernels, AnotherReturnTypeIsAnotherShape) {
  EXPECT_EQ(rejection_of(hook_of(FakeKernel().function("zswap_store", "void", "folio").plan(),
                                 "zswap_stored"),
                         "zswap_store"),
            Rejection::kUnknownShape);
  EXPECT_EQ(
      summary(hook_of(FakeKernel().function("zswap_load", "bool", "page").plan(), "zswap_loaded")),
      "zswap_load - zswap_loaded_true_n1");
}

TEST(FakeKernels, ArgumentCountsStayWithinThePrograms) {
  const auto split = [](const char* arguments) {
    return summary(
        hook_of(FakeKernel().function("__folio_split", "int", arguments).plan(), "split"));
  };
  EXPECT_EQ(split("folio int"), "__folio_split split_begin split_end_n2");
  EXPECT_EQ(split("folio int int int int int int"), "__folio_split split_begin split_end_n7");
  EXPECT_TRUE(absl::StrContains(split("folio int int int"), "unknown shape"));
  EXPECT_TRUE(absl::StrContains(split("folio int int int int int int int"), "unknown shape"));
  EXPECT_TRUE(absl::StrContains(split("folio"), "unknown shape"));
  EXPECT_TRUE(absl::StrContains(split(""), "unknown shape: int (void)"));
}

TEST(FakeKernels, StructArgumentsNeedAKernelThatTakesThem) {
  const auto freed = [](bool recent, const char* entry, Mode mode) {
    FakeKernel kernel;
    if (recent) kernel.with_struct_arguments();
    kernel.function("swap_entries_free", "void", absl::StrCat("si ci ", entry, " int").c_str());
    return hook_of(kernel.plan(mode), "slot_freed");
  };
  const char* const kTarget = "swap_entries_free";
  EXPECT_EQ(rejection_of(freed(false, "entry", Mode::kFull), kTarget), Rejection::kStructArgument);
  EXPECT_EQ(summary(freed(true, "entry", Mode::kFull)), "swap_entries_free slot_freed_ci_entry -");
  EXPECT_EQ(rejection_of(freed(true, "pair", Mode::kFull), kTarget), Rejection::kUnknownShape);
  EXPECT_EQ(rejection_of(freed(true, "big", Mode::kFull), kTarget), Rejection::kStructArgument);
  // A kprobe reads registers: a struct of one register is no obstacle on any kernel.
  EXPECT_EQ(summary(freed(false, "entry", Mode::kKprobe)),
            "swap_entries_free slot_freed_ci_entry -");
  EXPECT_EQ(rejection_of(freed(true, "pair", Mode::kKprobe), kTarget), Rejection::kStructArgument);
}

TEST(FakeKernels, EveryShapeOfSlotFreed) {
  const auto freed = [](const char* name, const char* arguments) {
    FakeKernel kernel;
    kernel.with_struct_arguments().function(name, "void", arguments);
    return summary(hook_of(kernel.plan(), "slot_freed"));
  };
  for (const char* name : {"swap_entries_free", "swap_entry_range_free"}) {
    const std::string prefix = absl::StrCat(name, " ");
    EXPECT_EQ(freed(name, "si ci entry int"), prefix + "slot_freed_ci_entry -");
    EXPECT_EQ(freed(name, "si ci int int"), prefix + "slot_freed_ci_offset -");
    EXPECT_EQ(freed(name, "si entry int"), prefix + "slot_freed_entry -");
    EXPECT_TRUE(absl::StrContains(freed(name, "si int"), "unknown shape"));
  }
}

TEST(FakeKernels, SymbolsDecideWhatBtfOnlyClaims) {
  const auto write = [](const char* symbols) {
    FakeKernel kernel;
    kernel.function("swap_writeout", "int", "folio int").symbols(symbols);
    return hook_of(kernel.plan(), "write");
  };
  const char* const kTarget = "swap_writeout";
  const char* const kKallsyms =
      "ffffffff81000000 T swap_writeout\nffffffffc0000000 t swap_writeout\t[module]\n";
  EXPECT_EQ(write("swap_writeout\n").state, HookState::kChosen);
  EXPECT_EQ(write(kKallsyms).state, HookState::kChosen) << "a module's function is another one";
  EXPECT_EQ(write("ffffffff81000000 d swap_writeout\nf T other\n").state, HookState::kMissing);
  EXPECT_EQ(rejection_of(write("other\n"), kTarget), Rejection::kNoSymbol);
  EXPECT_EQ(rejection_of(write("swap_writeout2\n"), kTarget), Rejection::kNoSymbol);
  EXPECT_EQ(rejection_of(write("swap_writeout\nswap_writeout\n"), kTarget), Rejection::kAmbiguous);
  for (const char* clone : {".isra.0", ".constprop.0", ".llvm.1234567", ".part.0"}) {
    const HookPlan hook = write(absl::StrCat("swap_writeout", clone, "\n").c_str());
    EXPECT_EQ(rejection_of(hook, kTarget), Rejection::kSuffixOnly) << clone;
    EXPECT_TRUE(absl::StrContains(hook.reason, clone)) << hook.reason;
  }
}

TEST(FakeKernels, ACloneBesideTheFunctionIsAWarning) {
  FakeKernel kernel;
  kernel.function("swap_writeout", "int", "folio int");
  kernel.symbols("swap_writeout\nswap_writeout.part.0\nswap_writeout.cold\n");
  const AttachPlan plan = kernel.plan();
  EXPECT_EQ(hook_of(plan, "write").state, HookState::kChosen);
  EXPECT_EQ(hook_of(plan, "write").target.warning, "calls of swap_writeout.part.0 are not seen");
}

TEST(FakeKernels, UncheckedSymbolsAreSaid) {
  FakeKernel kernel;
  kernel.function("swap_writeout", "int", "folio int").symbols("unchecked");
  const AttachPlan plan = kernel.plan();
  EXPECT_FALSE(plan.symbols_checked);
  EXPECT_EQ(hook_of(plan, "write").target.warning, "symbols not checked");
  EXPECT_TRUE(absl::StrContains(explain_text(plan, nullptr), "symbols  not checked: "));
}

TEST(FakeKernels, TwoPrototypesOfOneNameAreAGuess) {
  FakeKernel kernel;
  kernel.function("swap_writeout", "int", "folio int")
      .function("swap_writeout", "int", "int folio");
  kernel.symbols("swap_writeout\n");
  EXPECT_EQ(rejection_of(hook_of(kernel.plan(), "write"), "swap_writeout"), Rejection::kAmbiguous);
}

TEST(FakeKernels, NoZswapIsNoLoss) {
  const AttachPlan plan = FakeKernel().function("do_swap_page", "int", "other").plan();
  for (const char* name : {"zswap_stored", "zswap_loaded"}) {
    EXPECT_EQ(hook_of(plan, name).state, HookState::kAbsent);
    EXPECT_EQ(hook_of(plan, name).reason, "the kernel has no zswap/frontswap");
    EXPECT_EQ(hook_of(plan, name).costs, "");
  }
}

TEST(FakeKernels, AFailedPreferenceFallsBackToTheNextName) {
  FakeKernel kernel;
  kernel.function("swap_writeout", "int", "int int")
      .function("swap_writepage", "int", "page other");
  const AttachPlan plan = kernel.plan();
  EXPECT_EQ(summary(hook_of(plan, "write")), "swap_writepage write_begin_f0 write_end_f0_n2");
  EXPECT_EQ(rejection_of(hook_of(plan, "write"), "swap_writeout"), Rejection::kUnknownShape);
}

// --- files that are no kernel ---

TEST(BadInput, MissingFilesAreNamed) {
  const auto no_btf =
      KernelView::open({.btf_path = "/no/such/btf", .symbols_path = "", .release = ""});
  EXPECT_TRUE(absl::IsNotFound(no_btf.status())) << no_btf.status();
  EXPECT_TRUE(absl::StrContains(no_btf.status().message(), "/no/such/btf"));
  const auto no_symbols = KernelView::open(
      {.btf_path = data_path("6.1.btf"), .symbols_path = "/no/such/symbols", .release = ""});
  EXPECT_TRUE(absl::IsNotFound(no_symbols.status())) << no_symbols.status();
}

TEST(BadInput, OtherFilesAreNotBtf) {
  for (const std::string content : {"", "\n", "not BTF at all",
                                    "\x7f"
                                    "ELF",
                                    "\x9f\xeb\x01"}) {
    const TemporaryFile file(content);
    const auto kernel =
        KernelView::open({.btf_path = file.path(), .symbols_path = "", .release = ""});
    EXPECT_TRUE(absl::IsInvalidArgument(kernel.status())) << kernel.status();
    EXPECT_TRUE(absl::StrContains(kernel.status().message(), "give a copy"));
  }
}

TEST(BadInput, NothingIsWaitedFor) {
  const TemporaryFile file("");
  const std::string& fifo = file.path();
  ASSERT_EQ(unlink(fifo.c_str()), 0);
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const auto no_btf = KernelView::open({.btf_path = fifo, .symbols_path = "", .release = ""});
  EXPECT_TRUE(absl::IsInvalidArgument(no_btf.status())) << no_btf.status();
  const auto no_symbols =
      KernelView::open({.btf_path = data_path("6.1.btf"), .symbols_path = fifo, .release = ""});
  ASSERT_TRUE(no_symbols.ok()) << no_symbols.status();
  EXPECT_FALSE(no_symbols->symbols_checked());
}

TEST(BadInput, EmptySymbolTablesCheckNothing) {
  const TemporaryFile file("\n\n");
  const auto kernel = KernelView::open(
      {.btf_path = data_path("6.1.btf"), .symbols_path = file.path(), .release = ""});
  ASSERT_TRUE(kernel.ok());
  EXPECT_FALSE(kernel->symbols_checked());
  EXPECT_EQ(kernel->symbol("do_swap_page").state, SymbolState::kNotChecked);
}

void survive(const std::string& content) {
  const TemporaryFile file(content);
  const auto kernel =
      KernelView::open({.btf_path = file.path(), .symbols_path = "", .release = ""});
  if (!kernel.ok()) return;
  for (const Mode mode : {Mode::kFull, Mode::kKprobe, Mode::kTracepoint}) {
    EXPECT_FALSE(explain_jsonl(plan_of(*kernel, mode), nullptr).empty());
  }
}

TEST(BadInput, TruncatedBtfIsRefused) {
  const std::string whole = text_of_file(data_path("5.10.btf"));
  for (size_t size = 0; size < whole.size(); size += 37) {
    const TemporaryFile file(whole.substr(0, size));
    const auto kernel =
        KernelView::open({.btf_path = file.path(), .symbols_path = "", .release = ""});
    EXPECT_FALSE(kernel.ok()) << size;
  }
}

TEST(BadInput, DamagedBtfIsSurvived) {
  const std::string whole = text_of_file(data_path("6.18.btf"));
  ASSERT_GT(whole.size(), 1000U);
  std::mt19937 random(20);
  for (int i = 0; i < 1000; ++i) {
    std::string damaged = whole;
    for (int flips = 0; flips < 3; ++flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    survive(damaged);
  }
}

// --- modes and host facts ---

HostFeatures host(bool tracing, bool kprobe, bool raw_tracepoint) {
  HostFeatures features;
  features.tracing = {tracing, tracing ? 0 : EPERM, tracing ? "fentry works" : "no fentry: EPERM"};
  features.kprobe = {kprobe, 0, kprobe ? "kprobes work" : "no kprobes"};
  features.raw_tracepoint = {raw_tracepoint, 0, raw_tracepoint ? "raw_tp works" : "no raw_tp"};
  return features;
}

TEST(Modes, TheBestThatTheHostAllows) {
  EXPECT_EQ(choose_mode(host(true, true, true), {})->mode, Mode::kFull);
  EXPECT_EQ(choose_mode(host(false, true, true), {})->mode, Mode::kKprobe);
  const auto last = choose_mode(host(false, false, true), {});
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last->mode, Mode::kTracepoint);
  EXPECT_EQ(last->reason, "not full: no fentry: EPERM; not kprobe: no kprobes; raw_tp works");
}

TEST(Modes, NothingAllowedIsAnErrorWithAllReasons) {
  const auto none = choose_mode(host(false, false, false), {});
  EXPECT_TRUE(absl::IsFailedPrecondition(none.status()));
  for (const char* part : {"no fentry: EPERM", "no kprobes", "no raw_tp"}) {
    EXPECT_TRUE(absl::StrContains(none.status().message(), part)) << none.status();
  }
}

TEST(Modes, ForcedIsForcedAndSaysWhatTheHostThinks) {
  for (const Mode mode : {Mode::kFull, Mode::kKprobe, Mode::kTracepoint}) {
    EXPECT_EQ(choose_mode(host(true, true, true), mode)->mode, mode);
    EXPECT_EQ(choose_mode(host(true, true, true), mode)->reason, "asked for");
    EXPECT_EQ(choose_mode(host(false, false, false), mode)->mode, mode);
    EXPECT_EQ(*parse_mode(mode_name(mode)), mode);
  }
  EXPECT_EQ(choose_mode(host(false, false, true), Mode::kFull)->reason,
            "asked for, but no fentry: EPERM");
  EXPECT_TRUE(absl::IsInvalidArgument(parse_mode("fentry").status()));
}

TEST(HostFacts, Lockdown) {
  EXPECT_TRUE(lockdown_fact("[none] integrity confidentiality\n").ok);
  EXPECT_FALSE(lockdown_fact("none [integrity] confidentiality\n").ok);
  EXPECT_EQ(lockdown_fact("none integrity [confidentiality]\n").reason, "lockdown=confidentiality");
  for (const char* odd : {"", "none", "]none[", "["}) EXPECT_TRUE(lockdown_fact(odd).ok) << odd;
}

TEST(HostFacts, Swap) {
  const std::string heading = "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n";
  EXPECT_FALSE(swap_fact("").ok);
  EXPECT_FALSE(swap_fact(heading).ok);
  EXPECT_EQ(swap_fact(heading + "/dev/vda partition 1 0 -2\n").reason, "1 swap area");
  EXPECT_EQ(swap_fact(heading + "/a file 1 0 -2\n/b file 1 0 -3\n").reason, "2 swap areas");
}

TEST(HostFacts, ProbingThisHostAnswersEverythingAndLeavesNoDescriptor) {
  const auto running = KernelView::open({});
  if (!running.ok()) GTEST_SKIP() << running.status();
  const int before = dup(0);
  close(before);
  const HostFeatures features = probe_host(*running);
  const int after = dup(0);
  close(after);
  EXPECT_EQ(before, after);
  for (const auto& [name, member] : kHostFacts) EXPECT_NE((features.*member).reason, "") << name;
}

// --- in words ---

TEST(Explain, TextNamesTheChosenTheRejectedAndTheCost) {
  const HostFeatures features = host(true, false, true);
  const std::string text = explain_text(plan_of("6.12"), &features);
  for (const char* part :
       {"kernel   6.12\n", "mode     full, by fentry/fexit\n",
        "tracing              yes fentry works",
        "write                swap_writepage                     write_begin_f0, write_end_f0_n2\n",
        "not folio_alloc_swap: returns swp_entry_t by value"}) {
    EXPECT_TRUE(absl::StrContains(text, part)) << part << "\nin\n" << text;
  }
  const std::string dark = explain_text(plan_of("6.12", Mode::kTracepoint), nullptr);
  EXPECT_TRUE(absl::StrContains(dark, "slot_freed           MISSING"));
}

TEST(Explain, JsonLinesAreOneObjectEach) {
  const HostFeatures features = host(true, false, true);
  const AttachPlan plan = plan_of("7.3", Mode::kKprobe);
  const std::vector<std::string> lines =
      absl::StrSplit(explain_jsonl(plan, &features), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), plan.hooks.size() + 1);
  EXPECT_TRUE(absl::StrContains(lines[0], R"("release":"7.3","mode":"kprobe")"));
  for (const std::string& line : lines) {
    EXPECT_TRUE(absl::StartsWith(line, "{") && absl::EndsWith(line, "}")) << line;
  }
  EXPECT_TRUE(absl::StrContains(explain_jsonl(plan, nullptr),
                                R"("exit_entry_program":"write_end_f1_n2_entry")"));
}

TEST(Explain, JsonEscapesWhatItMust) {
  AttachPlan plan;
  plan.release = "a\"b\\c\nd";
  EXPECT_TRUE(absl::StrContains(explain_jsonl(plan, nullptr), R"("a\"b\\c\nd")"));
}

// libbpf would print a line for every damaged file.
class QuietLibbpf : public testing::Environment {
 public:
  void SetUp() override { libbpf_set_print(nullptr); }
};
const auto* const kQuiet = testing::AddGlobalTestEnvironment(new QuietLibbpf);

}  // namespace
}  // namespace swaptrail::probe
