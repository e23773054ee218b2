// What valgrind's lackey writes, as a workload.
#include "engine/workloads/lackey.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/scene/text_stream.h"
#include "tests/scene/workload_steps.h"

namespace swaptrail::engine {
namespace {

struct Parsed {
  std::string steps;
  absl::Status status;
  LackeyCounters counters;
};

Parsed parsed(std::string_view text, size_t piece = SIZE_MAX, size_t broken_at = SIZE_MAX) {
  TextStream stream(text, piece, broken_at);
  const auto trace = std::make_unique<LackeyTrace>(stream);
  const std::vector<WorkloadStep> steps = steps_of(*trace);
  EXPECT_EQ(broken_promise(steps), "");
  EXPECT_EQ(trace->counters().steps, steps.size());
  const Parsed result = {text_of(steps), trace->status(), trace->counters()};
  trace->rewind();
  EXPECT_TRUE(steps_of(*trace) == steps) << "another after rewind()";
  EXPECT_EQ(trace->status(), result.status);
  return result;
}

std::string refusal(std::string_view text) {
  const Parsed result = parsed(text);
  EXPECT_TRUE(absl::IsInvalidArgument(result.status)) << result.status;
  return std::string(result.status.message());
}

// As valgrind 3.19 writes it.
constexpr std::string_view kTrace =
    "==4711== Lackey, an example Valgrind tool\n"
    "==4711== \n"
    "I  04020290,3\n"
    "I  04020293,5\n"
    " S 1ffefffe98,8\n"
    "I  04020fc0,1\n"
    " S 1ffefffe90,8\n"
    " L 0403bfd8,8\n"
    " M 0403b000,4\n"
    " L 1ffefffe98,8\n"
    "==4711== \n"
    "==4711== Counted 1 call to main()\n";

TEST(Lackey, ATrace) {
  const Parsed result = parsed(kTrace);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.steps, "w33550335 r16443 w16443 r33550335");
  EXPECT_EQ(result.counters.lines, 12u);
  EXPECT_EQ(result.counters.other_lines, 4u);
  EXPECT_EQ(result.counters.instructions, 3u);
  EXPECT_EQ(result.counters.loads, 2u);
  EXPECT_EQ(result.counters.stores, 2u);
  EXPECT_EQ(result.counters.modifies, 1u);
  EXPECT_EQ(result.counters.folded, 1u);
}

TEST(Lackey, PiecesOfAnySizeAreTheSame) {
  const std::string whole = parsed(kTrace).steps;
  for (size_t piece = 1; piece < 40; ++piece) EXPECT_EQ(parsed(kTrace, piece).steps, whole);
}

TEST(Lackey, LinesOverTheEndOfTheBuffer) {
  std::string text;
  std::vector<WorkloadStep> expected;
  for (uint64_t page = 1; text.size() < 3 * LackeyTrace::kLongestLine; ++page) {
    char line[32];
    snprintf(line, sizeof(line), " L %lx,8\n", page * 4096);
    text += line;
    expected.push_back({StepKind::kTouch, false, 0, 0, page});
  }
  EXPECT_EQ(parsed(text).steps, text_of(expected));
  EXPECT_EQ(parsed(text, 4093).steps, text_of(expected));
}

TEST(Lackey, FoldsWhatIsOfTheSameOrLesserKind) {
  EXPECT_EQ(parsed(" L 1000,1\n L 1fff,1\n").steps, "r1");
  EXPECT_EQ(parsed(" L 1000,1\n S 1000,1\n L 1000,1\n M 1000,1\n").steps, "r1 w1");
  EXPECT_EQ(parsed(" M 1000,1\n S 1000,1\n L 2000,1\n L 1000,1\n").steps, "w1 r2 r1");
}

TEST(Lackey, TwoPages) {
  const Parsed result = parsed(" L 1ffd,4\n S 2fff,2\n L 3000,4096\n");
  EXPECT_EQ(result.steps, "r1 r2 w2 w3");
  EXPECT_EQ(result.counters.crossings, 2u);
  EXPECT_EQ(result.counters.folded, 1u);
}

TEST(Lackey, TheHighestAddress) {
  EXPECT_EQ(parsed(" L ffffffffffff,1\n").steps, "r68719476735");
  EXPECT_EQ(refusal(" L ffffffffffff,2\n"),
            "line 1 has an address above 48 bits: ' L ffffffffffff,2'");
  EXPECT_EQ(refusal(" L ffffffffffffffff,8\n"),
            "line 1 has an address above 48 bits: ' L ffffffffffffffff,8'");
}

TEST(Lackey, RefusesWhatIsNotOne) {
  for (const std::string_view line :
       {" X 1000,4", "L  1000,4", " L 1000", " L ,4", " L 1000,", " L 1000,4 ", " L 0x10,4",
        " L 10000000000000000,4", " L 1000,00001", "I 1000,4", "sort: no such file", "", " ", " L",
        " L\t1000,4", "I  1000,4\r", "SB 04012345"}) {
    const std::string text = " L 1000,4\n" + std::string(line) + "\n L 2000,4\n";
    EXPECT_EQ(refusal(text), "line 2 is none of lackey's: '" +
                                 (line.ends_with('\r')   ? "I  1000,4\\r"
                                  : line == " L\t1000,4" ? " L\\t1000,4"
                                                         : std::string(line)) +
                                 "'");
  }
  EXPECT_EQ(refusal(" L 1000,0\n"), "line 1 has no size that can be: ' L 1000,0'");
  EXPECT_EQ(refusal(" L 1000,4097\n"), "line 1 has no size that can be: ' L 1000,4097'");
}

TEST(Lackey, WhatCameBeforeAnErrorIsThere) {
  EXPECT_EQ(parsed(" L 1000,4\n S 2000,4\nrubbish\n").steps, "r1 w2");
}

TEST(Lackey, BytesOfAnyKind) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(refusal(bytes + "\n"),
            "line 1 is none of lackey's: "
            "'\\x00\\x01\\x02\\x03\\x04\\x05\\x06\\x07\\x08\\t'");
}

TEST(Lackey, AnEndlessLine) {
  EXPECT_EQ(refusal(std::string(1 << 20, ' ')),
            "line 1 has no end: '                                ...'");
  // Valgrind's own may be long: it tells the command.
  const std::string command = "==1== Command: " + std::string(60000, 'x') + "\n L 1000,4\n";
  EXPECT_EQ(parsed(command).steps, "r1");
}

TEST(Lackey, OneThatWasCutOff) {
  const Parsed result = parsed(" L 1000,4\n L 2000,1");
  EXPECT_TRUE(absl::IsDataLoss(result.status));
  EXPECT_EQ(result.status.message(), "it ends in the middle of line 2");
  EXPECT_EQ(result.steps, "r1");
}

TEST(Lackey, OneWithoutAccesses) {
  const std::string none =
      "no access to memory in it: give what valgrind --tool=lackey --trace-mem=yes has written";
  EXPECT_EQ(refusal(""), none);
  EXPECT_EQ(refusal("==1== Memcheck, a memory error detector\n"), none);
  EXPECT_EQ(refusal("I  1000,4\n"), none);
}

TEST(Lackey, TheMediumBreaks) {
  const Parsed result = parsed(kTrace, SIZE_MAX, 150);
  EXPECT_EQ(result.status, absl::InternalError("the medium is broken"));
  EXPECT_EQ(result.steps, "w33550335 r16443");
}

TEST(Lackey, KnowsItsLengthAfterwards) {
  TextStream stream(kTrace);
  const auto trace = std::make_unique<LackeyTrace>(stream);
  EXPECT_EQ(trace->expected_steps(), 0u);
  steps_of(*trace);
  trace->rewind();
  EXPECT_EQ(trace->expected_steps(), 4u);
}

}  // namespace
}  // namespace swaptrail::engine
