// The meter of frames against frames that are written here, whole and in pieces.
#include "daemon/listen/frame_meter.h"

#include <string>

#include "daemon/listen/rate_limit.h"
#include "gtest/gtest.h"
#include "tests/api/http2_frames.h"

namespace swaptrail::listen {
namespace {

// With a payload of so many bytes.
std::string frame(uint8_t type, uint8_t flags, uint32_t stream, size_t size) {
  return listen::frame(type, flags, stream, std::string(size, 'x'));
}

// The sum of the costs; -1: refused.
int64_t cost_in_pieces(FrameMeter& meter, const std::string& bytes, size_t piece) {
  int64_t sum = 0;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const auto cost = meter.on_client(std::string_view(bytes).substr(at, piece));
    if (!cost) return -1;
    sum += static_cast<int64_t>(*cost);
  }
  return sum;
}

TEST(FrameMeterTest, CostsDoNotDependOnWhereBytesAreCut) {
  const std::string bytes = kPreface + frame(4, 0, 0, 0) + frame(1, kEndHeaders, 1, 3000) +
                            frame(0, 0, 1, 5000) + frame(6, 0, 0, 8) + frame(3, 0, 1, 4);
  constexpr int64_t kSum = 8 + (4 + 2) + (1 + 4) + 1 + 256;
  for (const size_t piece :
       {size_t{1}, size_t{2}, size_t{7}, size_t{9}, size_t{1000}, bytes.size()}) {
    FrameMeter meter;
    EXPECT_EQ(cost_in_pieces(meter, bytes, piece), kSum) << piece;
    EXPECT_EQ(meter.open_streams(), 0u);
  }
}

TEST(FrameMeterTest, WhatIsNoHttp2IsRefused) {
  for (const std::string& text : {std::string("GET / HTTP/1.1\r\n"), std::string("\x16\x03\x01"),
                                  std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX")}) {
    FrameMeter meter;
    EXPECT_EQ(cost_in_pieces(meter, text, 1), -1) << text;
  }
}

TEST(FrameMeterTest, StreamsEndByEitherSide) {
  FrameMeter meter;
  ASSERT_TRUE(meter.on_client(kPreface + frame(1, kEndHeaders, 1, 10) +
                              frame(1, kEndHeaders, 3, 10) + frame(1, kEndHeaders, 5, 10) +
                              frame(1, kEndHeaders, 7, 10)));
  EXPECT_EQ(meter.open_streams(), 4u);
  ASSERT_TRUE(meter.on_client(frame(1, kEndHeaders | kEndStream, 1, 10)));  // the client's end only
  EXPECT_EQ(meter.open_streams(), 4u);
  meter.on_server(frame(1, kEndHeaders, 1, 10) + frame(0, 0, 1, 100));
  EXPECT_EQ(meter.open_streams(), 4u);
  meter.on_server(frame(1, kEndHeaders | kEndStream, 1, 10));
  meter.on_server(frame(0, kEndStream, 3, 10));
  EXPECT_EQ(meter.open_streams(), 2u);
  meter.on_server(frame(3, 0, 5, 4));
  ASSERT_TRUE(meter.on_client(frame(3, 0, 7, 4)));
  EXPECT_EQ(meter.open_streams(), 0u);
}

TEST(FrameMeterTest, TooManyOpenStreamsAreRefused) {
  FrameMeter meter;
  ASSERT_TRUE(meter.on_client(kPreface));
  uint32_t stream = 1;
  for (; stream < 2 * FrameMeter::kMostOpenStreams; stream += 2)
    ASSERT_TRUE(meter.on_client(frame(1, kEndHeaders, stream, 10)));
  EXPECT_EQ(meter.open_streams(), FrameMeter::kMostOpenStreams);
  EXPECT_FALSE(meter.on_client(frame(1, kEndHeaders, stream, 10)));
}

TEST(FrameMeterTest, HeaderBlocksHaveAnEnd) {
  FrameMeter meter;
  ASSERT_TRUE(meter.on_client(kPreface + frame(1, 0, 1, 1000)));
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(meter.on_client(frame(9, 0, 1, 1000)));
  EXPECT_FALSE(meter.on_client(frame(9, 0, 1, 1000)));

  FrameMeter many;
  ASSERT_TRUE(many.on_client(kPreface));
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(many.on_client(frame(1, 0, 1, 1000) + frame(9, kEndHeaders, 1, 1000)));
}

TEST(RateLimitTest, DebtIsPaidWithTime) {
  constexpr uint64_t kMs = 1'000'000, kHour = 3'600'000 * kMs;
  RateLimit limit(1000, 100, 0);
  EXPECT_TRUE(limit.full(0));
  limit.spend(100, 0);
  EXPECT_FALSE(limit.in_debt(0));
  limit.spend(50, 0);
  EXPECT_TRUE(limit.in_debt(0));
  EXPECT_TRUE(limit.in_debt(49 * kMs));
  EXPECT_FALSE(limit.in_debt(51 * kMs));
  EXPECT_FALSE(limit.full(149 * kMs));
  EXPECT_TRUE(limit.full(kHour)) << "and no fuller";
  limit.spend(101, kHour);
  EXPECT_TRUE(limit.in_debt(kHour));
}

}  // namespace
}  // namespace swaptrail::listen
