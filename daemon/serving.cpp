#include "daemon/serving.h"

#include <time.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "daemon/api/control_service.h"
#include "daemon/api/host.h"
#include "daemon/api/page_tables.h"
#include "daemon/api/trace_service.h"
#include "daemon/base/late_sweep.h"
#include "daemon/base/log.h"
#include "daemon/capture/session.h"
#include "daemon/counters/counters.h"
#include "daemon/host/own_memory.h"
#include "daemon/http/server.h"
#include "daemon/inventory/inventory.h"
#include "daemon/listen/listen.h"
#include "daemon/metrics/collector.h"
#include "daemon/metrics/metric_counters.h"
#include "daemon/metrics/openmetrics.h"
#include "daemon/serving_options.h"
#include "daemon/store/store.h"
#include "daemon/store/store_sink.h"
#include "prometheus/text_serializer.h"

namespace swaptrail::daemon {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr absl::Duration kGrace = absl::Seconds(1);  // for calls that are running at the end
constexpr uint64_t kGiveBackEvery_s = 10;

store::Store::Options store_options(const options::Options& options) {
  store::Store::Options result;
  result.max_bytes = options.store_mib << 20;
  result.regret_ns = options.regret_ms * kNsPerMs;
  return result;
}

counters::Counters::Options counters_options(const options::Options& options) {
  counters::Counters::Options result;
  result.since_ns = base::monotonic_ns();
  result.regret_ns = options.regret_ms * kNsPerMs;
  return result;
}

metrics::MetricOptions metric_options(const options::Options& options) {
  metrics::MetricOptions result;
  result.cgroups = static_cast<uint32_t>(options.metrics_cgroups);
  result.regret_ns = options.regret_ms * kNsPerMs;
  return result;
}

double unix_seconds(uint64_t monotonic_at_ns) {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  const double now = static_cast<double>(wall.tv_sec) + static_cast<double>(wall.tv_nsec) / 1e9;
  return now - static_cast<double>(base::monotonic_ns() - monotonic_at_ns) / 1e9;
}

metrics::ApiUse api_use(const listen::ApiServer& server, uint64_t watchers) {
  const auto of = [](const char* access, const listen::ConnectionCounts::Class& counts) {
    return metrics::ApiUse::Connections{access,
                                        counts.open,
                                        counts.accepted,
                                        counts.refused_full,
                                        counts.refused_user,
                                        counts.closed_over_limits,
                                        counts.throttled};
  };
  const listen::ConnectionCounts counts = server.counts();
  return {watchers,
          {of("full", counts.full), of("reading", counts.reading), of("tcp", counts.tcp)}};
}

metrics::HttpUse http_use(const http::HttpCounts& counts) {
  return {counts.connections,       counts.accepted,          counts.closed_full,
          counts.closed_address,    counts.refused_malformed, counts.refused_queue,
          counts.refused_passwords, counts.config_is_current};
}

// A scrape does not wait long for a pipeline that is busy: then there are no such series.
std::shared_ptr<const pipeline::SlotHolders> holders_now(pipeline::PipelineRequests& requests) {
  std::shared_ptr<const pipeline::SlotHolders> holders;
  const absl::Status asked =
      requests.ask([&](pipeline::PipelineView& view) { holders = view.holders(); },
                   absl::Now() + absl::Milliseconds(500));
  return asked.ok() ? holders : nullptr;
}

http::Page page_of(const metrics::Collector& collector, std::string_view accept) {
  const auto families = collector.Collect();
  if (metrics::prefers_openmetrics(accept))
    return {std::string(metrics::kOpenMetricsType), metrics::openmetrics_text(families)};
  return {std::string(metrics::kTextType), prometheus::TextSerializer().Serialize(families)};
}

}  // namespace

// In the order of dependency: the last is the first to be destroyed.
struct Serving::Parts {
  Parts(const options::Options& all, host::Cgroups& known, std::optional<host::PageFrames> found)
      : options(all),
        cgroups(known),
        frames(found),
        counters(counters_options(all)),
        metric_counters(metric_options(all)) {}

  const options::Options& options;
  host::Cgroups& cgroups;
  const std::optional<host::PageFrames> frames;
  pipeline::StatusBoard status_board;
  pipeline::PipelineRequests requests;
  std::unique_ptr<store::Store> store;
  std::optional<store::StoreSink> store_sink;
  counters::Counters counters;
  metrics::MetricCounters metric_counters;
  std::unique_ptr<host::ProcessMemory> memory;
  std::unique_ptr<api::PageTables> tables;
  std::optional<inventory::Inventory> inventory;
  std::unique_ptr<listen::ApiServer> listener;

  std::optional<api::Host> host;
  std::optional<api::Host> reading_host;  // for callers who may not see everything
  std::optional<api::TraceService> trace, reading_trace;
  std::optional<api::ControlService> control;
  api::RefusingControlService refusing;
  std::optional<metrics::Collector> collector;
  // before the server: the collector reads them while it starts
  const std::shared_ptr<http::HttpCounts> http_counts = std::make_shared<http::HttpCounts>();
  std::unique_ptr<http::HttpServer> http;
  std::jthread housekeeping;
};

Serving::Serving(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Serving::~Serving() { stop(); }

absl::StatusOr<std::unique_ptr<Serving>> Serving::prepare(const options::Options& options,
                                                          host::Cgroups& cgroups,
                                                          std::optional<host::PageFrames> frames) {
  auto parts = std::make_unique<Parts>(options, cgroups, frames);
  auto memory = host::ProcessMemory::start(options.enable_pageout);
  if (!memory.ok()) return memory.status();
  parts->memory = *std::move(memory);
  parts->tables = api::page_tables_of(parts->memory.get());
  parts->inventory.emplace(inventory::Inventory::on_host(*parts->memory, cgroups), parts->requests,
                           options.inventory_cpu);
  auto store = store::Store::create(store_options(options));
  if (!store.ok()) return store.status();
  parts->store = *std::move(store);
  parts->store_sink.emplace(*parts->store);
  auto listener = listen::ApiServer::bind(listen_options(options));
  if (!listener.ok()) return listener.status();
  parts->listener = *std::move(listener);
  return std::unique_ptr<Serving>(new Serving(std::move(parts)));
}

pipeline::StatusBoard& Serving::status_board() { return parts_->status_board; }
pipeline::PipelineRequests& Serving::requests() { return parts_->requests; }
std::vector<lifecycles::LifecycleSink*> Serving::sinks() {
  return {&*parts_->store_sink, &parts_->counters, &parts_->metric_counters};
}
void Serving::after_sweep() { parts_->metric_counters.settle(); }

void Serving::name_areas(host::AreaWatch& areas) {
  const auto note = [&metric_counters = parts_->metric_counters,
                     &counters = parts_->counters](const host::AreaInstance& area) {
    metric_counters.on_area(area);
    const uint32_t type = area.seen.area.type;
    if (type != host::kTypeNotKnown && area.until_ns == host::kStillOn)
      counters.note_area(type, area.number);
  };
  for (const host::AreaInstance& area : areas.timeline()->instances) note(area);
  areas.add_listener(note);
}

// A sample has no events of most slots, so what is found would never be freed.
void Serving::start_inventory() {
  const options::Options& options = parts_->options;
  inventory::Inventory& inventory = *parts_->inventory;
  if (options.inventory_cpu == 0)
    inventory.set_off("--inventory-cpu=0");
  else if (options.counts_only)
    inventory.set_off("--detail=counters follows no slots");
  else if (options.may_sample())
    inventory.set_off("with --sample and --cpu-limit not all slots are followed");
  else
    inventory.start();
}

absl::Status Serving::start(const probe::AttachPlan& plan, host::AreaWatch& areas) {
  parts_->metric_counters.set_returns_are_seen(
      (probe::visible_kinds(plan) & lifecycles::kind_bit(SWAPTRAIL_SWAP_IN)) != 0);
  name_areas(areas);
  if (absl::Status status = serve_api(plan, areas); !status.ok()) return status;
  if (absl::Status status = serve_metrics(plan, areas); !status.ok()) return status;
  start_inventory();
  parts_->housekeeping = std::jthread([this](const std::stop_token& stop) { keep_house(stop); });
  return absl::OkStatus();
}

absl::Status Serving::serve_api(const probe::AttachPlan& plan, const host::AreaWatch& areas) {
  Parts& parts = *parts_;
  parts.host.emplace(api::Host{.store = *parts.store,
                               .counters = parts.counters,
                               .status_board = parts.status_board,
                               .requests = parts.requests,
                               .cgroups = parts.cgroups,
                               .plan = plan,
                               .areas = areas,
                               .inventory = &*parts.inventory,
                               .frames = parts.frames,
                               .pageout_enabled = parts.options.enable_pageout});
  parts.host->watchers = [&parts] {
    return parts.trace->watchers() + parts.reading_trace->watchers();
  };
  parts.reading_host.emplace(*parts.host);
  parts.reading_host->full_access = false;
  // not before: if the start is refused, only one line is printed, with the reason
  for (const std::string& warning : parts.listener->warnings()) base::log_line(warning);
  parts.trace.emplace(*parts.host, parts.tables.get());
  parts.reading_trace.emplace(*parts.reading_host, parts.tables.get());
  parts.control.emplace(*parts.host, parts.tables.get());
  return parts.listener->serve(
      {&*parts.trace, &*parts.reading_trace, &*parts.control, &parts.refusing});
}

absl::Status Serving::serve_metrics(const probe::AttachPlan& plan, const host::AreaWatch& areas) {
  Parts& parts = *parts_;
  if (parts.options.web_listen.empty()) return absl::OkStatus();
  parts.collector.emplace(
      metrics::Sources{.metric_counters = parts.metric_counters,
                       .status_board = parts.status_board,
                       .store = *parts.store,
                       .cgroups = parts.cgroups,
                       .plan = plan,
                       .areas = [&areas] { return areas.now(); },
                       .api = [&parts] { return api_use(*parts.listener, parts.host->watchers()); },
                       .http = [&parts] { return http_use(*parts.http_counts); },
                       .holders = [&parts] { return holders_now(parts.requests); },
                       .most_cgroups = parts.options.metrics_cgroups,
                       .revision = SWAPTRAIL_REVISION,
                       .start_seconds = unix_seconds(parts.status_board.newest()->start_ns)});
  http::Site site;
  site.telemetry_path = parts.options.web_path;
  site.metrics = [&parts](std::string_view accept) { return page_of(*parts.collector, accept); };
  site.ready = [&parts] {
    return parts.requests.open() &&
           parts.status_board.sweep_age_ns(base::monotonic_ns()) < base::kSweepIsLate_ns;
  };
  site.version = SWAPTRAIL_VERSION;
  site.counts = parts.http_counts;
  auto server = http::HttpServer::start(http_options(parts.options), std::move(site));
  if (!server.ok()) return server.status();
  parts.http = *std::move(server);
  return absl::OkStatus();
}

// Once a second, so that even a short-lived cgroup is known by its name.
void Serving::keep_house(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  host::UnusedMemory unused;
  for (uint64_t seconds = 0; !stop.stop_requested(); ++seconds) {
    parts_->cgroups.refresh_if_changed(base::monotonic_ns());
    parts_->metric_counters.tick(parts_->cgroups);
    if (seconds % kGiveBackEvery_s == 0) {
      if (absl::Status status = unused.give_back(base::monotonic_ns()); !status.ok())
        base::log_line(std::string(status.message()) + " again; the daemon itself may be swapped");
    }
    wake.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
  }
}

void Serving::stop() {
  Parts& parts = *parts_;
  parts.inventory->stop();
  parts.http.reset();
  for (auto* service : {&parts.trace, &parts.reading_trace})
    if (*service) (*service)->stop_watchers();
  if (parts.listener) parts.listener->shutdown(absl::Now() + kGrace);
  parts.listener.reset();  // before the services that it refers to
  parts.housekeeping = {};
}

}  // namespace swaptrail::daemon
