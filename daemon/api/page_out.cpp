#include "daemon/api/page_out.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "daemon/api/control_service.h"
#include "daemon/api/convert.h"
#include "daemon/api/filter.h"
#include "daemon/api/rpc_status.h"
#include "daemon/base/page_bytes.h"

namespace swaptrail::api {
namespace {

constexpr uint32_t kUsualWait_ms = 5000, kMostWait_ms = 60'000;
constexpr absl::Duration kReportEvery = absl::Milliseconds(20);
constexpr absl::Duration kCountEvery = absl::Milliseconds(100);
// The pipeline sweeps every 25 ms: by then the pages that stayed are reported.
constexpr absl::Duration kUntilSwept = absl::Milliseconds(100);

store::Filter of_process(uint32_t pid) {
  store::Filter filter;
  filter.pids = {pid};
  return filter;
}

uint64_t end_of_store(const Host& host) { return host.store.snapshot().next_sequence(); }

absl::Status cancelled() { return absl::CancelledError("the caller has gone"); }

}  // namespace

absl::Status check_page_out(const v1::PageOutRequest& request) {
  if (request.pid() == 0 || request.pid() > 1u << 22) {  // PID_MAX_LIMIT
    return out_of_bounds("pid", absl::StrCat(request.pid()), "1 to 4194304");
  }
  const uint64_t page = base::page_bytes();
  if (request.address() % page != 0) {
    return out_of_bounds("address", absl::StrCat("0x", absl::Hex(request.address())),
                         absl::StrCat("the begin of a page of ", page, " bytes"));
  }
  const uint64_t length = request.length_bytes();
  if (length == 0 || length % page != 0 || length > host::ProcessMemory::kMaxRange_bytes) {
    return out_of_bounds("length_bytes", absl::StrCat(length),
                         absl::StrCat("whole pages of ", page, " bytes, up to 1 GiB"));
  }
  if (request.address() + length < request.address()) {
    return out_of_bounds("length_bytes", absl::StrCat(length), "what ends below 2^64");
  }
  if (request.wait_ms() > kMostWait_ms) {
    return out_of_bounds("wait_ms", absl::StrCat(request.wait_ms()), "1 to 60000, or 0 for 5000");
  }
  return absl::OkStatus();
}

PageOut::PageOut(const Host& host, PageTables& tables, Clock& clock,
                 const v1::PageOutRequest& request, const grpc::ServerContext& context,
                 grpc::ServerWriter<v1::PageOutResponse>& writer)
    : host_(host),
      tables_(tables),
      clock_(clock),
      request_(request),
      context_(context),
      writer_(writer),
      follower_(
          of_process(request.pid()),
          [this](const store::RecordView& record) { return is_in_range(record); },
          end_of_store(host)) {
  sizes_.page = static_cast<uint32_t>(base::page_bytes());
}

bool PageOut::is_in_range(const store::RecordView& record) const {
  const uint64_t first = request_.address() / sizes_.page;
  const uint64_t end = first + request_.length_bytes() / sizes_.page;
  return std::ranges::any_of(record.mappings(), [&](const Mapping& mapping) {
    const store::Units units = store::mapped_units(mapping, record.hot().nr_pages, sizes_);
    return mapping.tgid == request_.pid() && units.count != 0 && units.first < end &&
           units.first + units.count > first;
  });
}

void PageOut::note_freed(const v1::Lifecycle& lifecycle) {
  if (lifecycle.outcome() >= v1::OUTCOME_FREED_DEVICE &&
      lifecycle.outcome() <= v1::OUTCOME_FREED_CLEAN) {
    freed_pages_ += lifecycle.nr_pages();
  }
}

absl::StatusOr<host::RangeCount> PageOut::count() {
  return tables_.count(request_.pid(), request_.address(), request_.length_bytes());
}

absl::Status PageOut::run() {
  const auto before = count();
  if (!before.ok()) return before.status();
  before_ = now_ = *before;
  if (auto status = advise(); !status.ok()) return status;
  if (auto status = wait(); !status.ok()) return status;
  v1::PageOutResponse last;
  v1::PageOutResult& result = *last.mutable_result();
  result.set_advised_bytes(advised_bytes_);
  result.set_resident_before_pages(before_.resident);
  result.set_resident_after_pages(now_.resident);
  result.set_swapped_after_pages(now_.swapped);
  return writer_.Write(last) ? absl::OkStatus() : cancelled();
}

absl::Status PageOut::advise() {
  const uint64_t end = request_.address() + request_.length_bytes();
  for (uint64_t at = request_.address(); at < end;) {
    if (context_.IsCancelled()) return cancelled();
    const auto advised =
        tables_.page_out(request_.pid(), at, std::min(ControlService::kStep_bytes, end - at));
    if (!advised.ok()) return advised.status();
    if (*advised == 0) return absl::InternalError("the kernel reported success for no bytes");
    at += *advised;  // it may have stopped early
    advised_bytes_ += *advised;
    if (auto status = report_news(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Waits until as many pages have been reported as left since the begin. A page that comes back
// meanwhile looks as if it had not left: then the time limit decides.
absl::Status PageOut::wait() {
  const absl::Time begin = absl::Now();
  const absl::Time end =
      begin + absl::Milliseconds(request_.wait_ms() == 0 ? kUsualWait_ms : request_.wait_ms());
  absl::Time counted = absl::InfinitePast();
  while (true) {
    if (context_.IsCancelled()) return cancelled();
    if (auto status = report_news(); !status.ok()) return status;
    const absl::Time now = absl::Now();
    if (now - counted >= kCountEvery || now >= end) {
      const auto counts = count();
      if (!counts.ok()) return counts.status();
      now_ = *counts;
      counted = now;
    }
    const uint64_t left = now_.swapped - std::min(now_.swapped, before_.swapped);
    if (now >= end || (freed_pages_ >= left && now - begin >= kUntilSwept)) break;
    absl::SleepFor(std::min(kReportEvery, end - now));
  }
  return absl::OkStatus();
}

absl::Status PageOut::report_news() {
  Converter converter(host_, clock_.now(), false);
  bool more = true;
  while (more) {
    v1::PageOutResponse news;
    uint64_t missed = 0;
    more = follower_.read(host_.store.snapshot(), converter, *news.mutable_lifecycles(), missed);
    news.set_missed(missed);
    for (const v1::Lifecycle& lifecycle : news.lifecycles()) note_freed(lifecycle);
    if (news.lifecycles().empty() && missed == 0) continue;
    if (!writer_.Write(news)) return cancelled();
  }
  return absl::OkStatus();
}

}  // namespace swaptrail::api
