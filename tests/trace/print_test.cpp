#include "trace/report/print.h"

#include <gtest/gtest.h>

#include "tests/scene/trace_scene.h"
#include "trace/decode.h"

namespace swaptrail::report {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(text, out);
  return out;
}

std::string duration(uint64_t ns) {
  std::string out;
  append_duration(ns, out);
  return out;
}

TEST(TracePrint, JsonStrings) {
  EXPECT_EQ(quoted("a\"b\\c\n\t\r\x01\x7f"), "\"a\\\"b\\\\c\\n\\t\\r\\u0001\\u007f\"");
  EXPECT_EQ(quoted("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
  EXPECT_EQ(quoted("\xff"), "\"\\ufffd\"");
  EXPECT_EQ(quoted("cut \xe2\x82"), "\"cut \\ufffd\\ufffd\"");
  EXPECT_EQ(quoted("\xc0\x80"), "\"\\ufffd\\ufffd\"");             // overlong
  EXPECT_EQ(quoted("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");  // surrogate
}

TEST(TracePrint, Durations) {
  EXPECT_EQ(duration(0), "0 ns");
  EXPECT_EQ(duration(999), "999 ns");
  EXPECT_EQ(duration(1230), "1.23 us");
  EXPECT_EQ(duration(45'600'000), "45.6 ms");
  EXPECT_EQ(duration(2'000'000'000), "2.00 s");
  EXPECT_EQ(duration(7'200'000'000'000), "2.00 h");
}

class SomeNames : public Names {
 public:
  std::optional<uint64_t> pfn_of(uint64_t) const override { return 4660; }
  std::optional<std::string_view> cgroup_path(uint64_t) const override { return "/a.slice"; }
};

Lifecycle some_lifecycle() {
  Scene scene;
  scene.whole_sync(page_at(1));
  return scene.run().kept.lifecycles.at(0);
}

TEST(TracePrint, LifecycleJsonExactly) {
  std::string out;
  append_json(some_lifecycle(), SomeNames(), out);
  EXPECT_EQ(
      out, R"({"type":"lifecycle","id":1,"pid":100,"comm":"victim","address":"0x7f0000040000",)"
           R"("pages":1,"pfn":4660,"swap_type":1,"swap_offset":1001,"generation":0,)"
           R"("cgroup":"/a.slice","shmem":false,"ksm":false,)"
           R"("mappings":[{"pid":100,"comm":"victim","address":"0x7f0000040000",)"
           R"("first_page":0,"ptes":1}],"mapping_count":1,)"
           R"("reclaimer":{"pid":7,"tid":7,"comm":"kswapd0","origin":"kswapd"},)"
           R"("freed_by":{"pid":7,"tid":7,"comm":"kswapd0","origin":"kswapd"},)"
           R"("outcome":"freed_device","abort_reason":null,"kept_because":null,"waiting_for":null,)"
           R"("backend":"device","passes":1,"stages":{"isolated":10000001000,)"
           R"("slot_allocated":10000002000,"unmapped":10000004000,"write_begin":10000005000,)"
           R"("write_issued":10000006000,"write_end":10000008000,)"
           R"("write_completed":10000007000,"removed":10000009000},"complete":true,)"
           R"("incomplete":null,"overlapped_loss":false,"object":null,"fallback_from":null})"
           "\n");
}

TEST(TracePrint, LifecycleJsonWithoutOwnerSlotOrNames) {
  Lifecycle life;
  life.id = 3;
  life.outcome = Outcome::kAborted;
  life.abort_reason = AbortReason::kNoSlot;
  life.incomplete = IncompleteReason::kDropped;
  life.cgroup = 9;
  std::string out;
  append_json(life, Names(), out);
  for (const char* part : {"\"pid\":0,\"comm\":\"\",\"address\":null,",
                           "\"pfn\":null,\"swap_type\":null,\"swap_offset\":null,", "\"cgroup\":9,",
                           "\"mappings\":[],\"mapping_count\":0,", "\"abort_reason\":\"no_slot\"",
                           "\"stages\":{},\"complete\":false,\"incomplete\":\"dropped\","}) {
    EXPECT_NE(out.find(part), std::string::npos) << part << "\n" << out;
  }
}

TEST(TracePrint, TheOthersInJson) {
  std::string out;
  Return back;
  back.entry = make_entry(2, 8);
  append_json(back, out);
  EXPECT_EQ(out, R"({"type":"return","lifecycle":null,"swap_type":2,"swap_offset":8,"pages":1,)"
                 R"("how":"swapped_in","after_ns":null,"fault_ns":null,"major":false,"pid":0,)"
                 R"("comm":"","address":null,"tid":0,"owner_pid":null,"mapped":0,"passes":0,)"
                 R"("shmem":false,"backend":"unknown"})"
                 "\n");
  out.clear();
  append_json(Loss{1, 2, 3, 4}, out);
  append_json(Loss{1, 2, 3, kNoCpu}, out);
  EXPECT_EQ(out,
            R"({"type":"loss","cpu":4,"from_ns":1,"to_ns":2,"count":3,"cause":"no_room"})"
            "\n"
            R"({"type":"loss","cpu":null,"from_ns":1,"to_ns":2,"count":3,"cause":"skipped_runs"})"
            "\n");
  out.clear();
  append_json(Violation{"some_rule", 5, 1, make_entry(0, 6), 7, "said \"so\""}, SomeNames(), out);
  EXPECT_EQ(out, R"({"type":"violation","rule":"some_rule","lifecycle":5,"pfn":4660,"swap_type":0,)"
                 R"("swap_offset":6,"time_ns":7,"text":"said \"so\""})"
                 "\n");
}

TEST(TracePrint, LifecycleText) {
  std::string out;
  Lifecycle life = some_lifecycle();
  life.mappings[0].comm = {'e', 'v', '\x1b', 'l', '\n'};
  append_text(life, SomeNames(), 10 * kSecond, out);
  EXPECT_EQ(
      out,
      "   0.000009 #1 100 ev?l? 0x7f0000040000 -> 1:1001 1 page in /a.slice by kswapd 7 kswapd0: "
      "freed_device | isolated, slot +1.00 us, unmapped +2.00 us, write +1.00 us, "
      "issued +1.00 us, completed +1.00 us, written +1.00 us, removed +1.00 us\n");
}

// Balanced brackets, and no comma where none may be: enough to catch a slip in the printers.
void expect_well_formed(const std::string& json) {
  int depth = 0;
  char before = ' ';
  for (const char character : json) {
    if (character == '{' || character == '[') ++depth;
    if (character == '}' || character == ']') {
      --depth;
      EXPECT_NE(before, ',');
    }
    if (character == ',') {
      EXPECT_TRUE(before != '{' && before != '[' && before != ',');
    }
    before = character;
  }
  EXPECT_EQ(depth, 0);
}

TEST(TracePrint, SummaryInBothForms) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.begin();
  scene.slot(page_at(2), -12);
  scene.end();
  scene.now += 5 * kMs;
  scene.swap_in(page_at(1).entry);
  const Outcomes out = scene.run();
  Summary summary;
  for (const Lifecycle& life : out.kept.lifecycles) summary.on_lifecycle(life);
  for (const Return& back : out.kept.returns) summary.on_return(back);
  const std::vector<ReconcileRow> rows = {{"pswpout", 2, 1, -1, "pages given to a swap device"}};
  std::string json, text;
  append_json(Report{summary, out.counters, {}, rows}, json);
  expect_well_formed(json);
  for (const char* part :
       {"{\"type\":\"summary\",\"total\":{\"lifecycles\":2,\"pages\":2}",
        "\"complete_share\":1.000000",
        "\"abort_reasons\":{\"no_slot\":{\"lifecycles\":1,\"pages\":1}}",
        "\"regretted\":{\"lifecycles\":1",
        "\"victims\":[{\"pid\":100,\"comm\":\"victim\",\"pages\":{\"kswapd\":1}}]",
        "\"reconciliation\":[{\"counter\":\"pswpout\",\"kernel_delta\":2,\"ours\":1,\"difference\":"
        "-1"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << "\n" << json;
  }
  append_text(Report{summary, out.counters, {.late = 7}, rows}, text);
  for (const char* part : {"2 lifecycles of 2 pages, 100.00 % complete", "freed_device", "no_slot",
                           "device_write", "victim", "regretted", "pswpout"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(TraceDecode, RejectsWhatIsNoEvent) {
  swaptrail_event event{};
  event.kind = SWAPTRAIL_WRITE_END;
  event.u.page.backend = SWAPTRAIL_BACKEND_ZERO;
  EXPECT_TRUE(decode_event(&event, sizeof(event)).ok());
  EXPECT_FALSE(decode_event(&event, sizeof(event) - 1).ok());
  event.u.page.backend = SWAPTRAIL_BACKEND_END;
  EXPECT_FALSE(decode_event(&event, sizeof(event)).ok());
  event.kind = SWAPTRAIL_REMOVED;  // has no backend
  EXPECT_TRUE(decode_event(&event, sizeof(event)).ok());
  event.origin = SWAPTRAIL_ORIGIN_END;
  EXPECT_FALSE(is_valid_event(event));
  event.origin = 0;
  for (const int kind : {0, int{SWAPTRAIL_KIND_END}, 255}) {
    event.kind = static_cast<uint8_t>(kind);
    EXPECT_FALSE(is_valid_event(event)) << kind;
  }
}

TEST(TraceDecode, Names) {
  EXPECT_EQ(kind_name(SWAPTRAIL_SLOT_ALLOCATED), "slot_allocated");
  EXPECT_EQ(kind_name(SWAPTRAIL_PAGE_FREED), "page_freed");
  EXPECT_EQ(origin_name(SWAPTRAIL_ORIGIN_PAGEOUT), "madv_pageout");
  EXPECT_EQ(origin_name(SWAPTRAIL_ORIGIN_NODE), "node_reclaim");
  EXPECT_EQ(origin_name(200), "unknown");
  EXPECT_EQ(backend_name(SWAPTRAIL_BACKEND_ZSWAP), "zswap");
  EXPECT_EQ(abort_reason_name(AbortReason::kSlotGone), "slot_gone");
  EXPECT_EQ(waiting_name(Waiting::kSecondPass), "second_pass");
}

TEST(TraceDecode, EntryCodec) {
  const uint64_t entry = make_entry(31, (uint64_t{1} << 58) - 1);
  EXPECT_EQ(entry_type(entry), 31u);
  EXPECT_EQ(entry_offset(entry), (uint64_t{1} << 58) - 1);
  EXPECT_EQ(make_entry(1, 5), 0x400000000000005u);
}

}  // namespace
}  // namespace swaptrail::report
