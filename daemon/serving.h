// What swaptraild serves: the memory store by gRPC, metrics by HTTP.
//
// The order matters: prepare() while there is one thread with all privileges, start() when the
// capabilities are gone, since a thread inherits those of its creator.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/host/area_watch.h"
#include "daemon/host/cgroups.h"
#include "daemon/host/page_frames.h"
#include "daemon/options/options.h"
#include "daemon/pipeline/requests.h"
#include "daemon/pipeline/status.h"
#include "daemon/probe/attach_plan.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::daemon {

// For the main thread.
class Serving {
 public:
  // Allocates the store, forks the reader of page tables, and binds the gRPC socket. `options` and
  // `cgroups` must outlive it. Errors: of Store, ProcessMemory and ApiServer::bind.
  static absl::StatusOr<std::unique_ptr<Serving>> prepare(const options::Options& options,
                                                          host::Cgroups& cgroups,
                                                          std::optional<host::PageFrames> frames);
  ~Serving();
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  // For the pipeline.
  std::vector<lifecycles::LifecycleSink*> sinks();
  pipeline::StatusBoard& status_board();
  pipeline::PipelineRequests& requests();
  void after_sweep();

  // Serves from here on. `plan` and `areas` must outlive stop(). Call it before the pipeline runs.
  // Errors: of ApiServer::serve and HttpServer.
  absl::Status start(const probe::AttachPlan& plan, host::AreaWatch& areas);
  // Ends streams and connections, within seconds. The destructor does it too.
  void stop();

 private:
  struct Parts;
  explicit Serving(std::unique_ptr<Parts> parts);
  absl::Status serve_api(const probe::AttachPlan& plan, const host::AreaWatch& areas);
  absl::Status serve_metrics(const probe::AttachPlan& plan, const host::AreaWatch& areas);
  void name_areas(host::AreaWatch& areas);
  void start_inventory();
  void keep_house(const std::stop_token& stop);

  std::unique_ptr<Parts> parts_;
};

}  // namespace swaptrail::daemon
