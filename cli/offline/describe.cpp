#include "cli/offline/describe.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/base/errors.h"
#include "cli/base/standard_output.h"
#include "cli/offline/observation.h"
#include "trace/utf8.h"

namespace swaptrail::offline {
namespace {

const char* moment_name(recording::Reading::Moment moment) {
  return moment == recording::Reading::Moment::kBegin ? "begin"
         : moment == recording::Reading::Moment::kEnd ? "end"
                                                      : "last";
}

const char* known_text(recording::Known known, const char* yes, const char* no) {
  return known == recording::Known::kYes ? yes : known == recording::Known::kNo ? no : "";
}

class Text {
 public:
  Text(const std::string& file, const recording::RecordingContents& contents)
      : contents_(contents), header_(contents.header) {
    line("Recording", file);
  }

  std::string make() && {
    host();
    amounts();
    lists();
    for (const recording::Damage& damage : contents_.damages)
      line("Damage", damage.status().message());
    return std::move(out_);
  }

 private:
  template <typename... Parts>
  void line(const char* name, const Parts&... parts) {
    absl::StrAppendFormat(&out_, "%-12s %s\n", name, printable(absl::StrCat(parts...)));
  }

  std::string moment(uint64_t time_ns) const {
    const uint64_t start_ns = header_.reconstruction.start_ns;
    const uint64_t since = time_ns - std::min(time_ns, start_ns);
    return absl::StrFormat("%d.%06d s, %s", since / 1'000'000'000, since / 1'000 % 1'000'000,
                           time_of_day(time_ns, header_));
  }

  void host() {
    line("Written by", header_.program, ", part ", header_.part);
    line("Host", "Linux ", header_.release, " ", header_.machine, ", ", header_.cpus, " CPUs");
    line("Boot", header_.boot_id);
    line("Mode", header_.mode, " (", header_.mode_reason, ")");
    line("Pages", header_.reconstruction.page_size, " bytes, page frame numbers are ",
         header_.page_frames_base != 0 ? "known" : "not known");
  }

  void amounts() {
    line("Start", moment(header_.reconstruction.start_ns));
    line("First event", moment(contents_.first_ns));
    line("Last event", moment(contents_.last_ns));
    line("End", contents_.finished ? moment(contents_.end_ns) : "not finished");
    line("Events", contents_.events, ", ", contents_.losses, " losses, ", contents_.gaps.size(),
         " gaps");
    line("Blocks", contents_.blocks, ", ", contents_.indexed ? "indexed" : "without a good index");
    const double each = contents_.events == 0 ? 0.0
                                              : static_cast<double>(contents_.block_bytes) /
                                                    static_cast<double>(contents_.events);
    line("Size", contents_.file_bytes, " bytes, ", absl::StrFormat("%.2f", each),
         " bytes an event");
    if (!header_.lacks().empty()) line("Lacks", std::string(header_.lacks()));
    if (contents_.unknown_records != 0)
      line("Unknown", contents_.unknown_records, " records of a newer version, ",
           contents_.unknown_bytes, " bytes: passed over");
  }

  void lists() {
    for (const recording::RecordedHook& hook : header_.hooks)
      line("Hook", hook.hook, ": ", hook.state, hook.target.empty() ? "" : " ", hook.target,
           hook.reason.empty() ? "" : ", ", hook.reason, hook.costs.empty() ? "" : ": ",
           hook.costs);
    for (const recording::SwapArea& area : contents_.areas)
      line("Swap area", area.type, ": ", area.path, ", ", area.bytes, " bytes, priority ",
           area.priority, known_text(area.rotational, ", rotational", ""),
           known_text(area.synchronous, ", synchronous", ", asynchronous"),
           known_text(area.zswap, ", behind zswap", ""));
    for (const recording::CgroupName& cgroup : contents_.cgroups)
      line("Cgroup", cgroup.id, ": ", cgroup.path);
    if (!contents_.processes.empty()) line("Processes", contents_.processes.size(), " names");
    for (const recording::Reading& reading : contents_.readings)
      line("Reading", moment_name(reading.moment), " at ", moment(reading.at_ns), ": ",
           reading.consumed, " records received");
    for (const recording::Gap& gap : contents_.gaps)
      line("Gap", gap.events(), " events not recorded, ", moment(gap.from_ns), " to ",
           moment(gap.to_ns), ": ", gap.reason);
  }

  const recording::RecordingContents& contents_;
  const recording::RecordingHeader& header_;
  std::string out_;
};

}  // namespace

std::string description_text(const std::string& file,
                             const recording::RecordingContents& contents) {
  return Text(file, contents).make();
}

int describe(const std::string& file, bool json) {
  cli::Progress progress("info", cli::Progress::style_here(false));
  auto source = WatchedFile::open(file, progress);
  if (!source.ok()) return cli::complain_of_input(source.status());
  auto reader = recording::RecordingReader::open(**source);
  if (!reader.ok()) return cli::complain_of_input(cli::with_path(reader.status(), file));
  const recording::RecordingContents& contents = (*reader)->contents();
  cli::StandardOutput output;
  output.write(json ? description_json(file, contents) : description_text(file, contents));
  return output.exit_code(contents.damages.empty() ? cli::kDone : cli::kFound);
}

void add_describe(CLI::App& app, int& code) {
  struct Options {
    std::string file;
    std::string format = "table";
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("info", "what is in a recording");
  command->footer(std::string(cli::kExitCodes) +
                  " Only damage that shows at once: swaptrail verify reads everything.");
  command->add_option("FILE", options->file, "a recording")->required();
  command->add_option("-o,--output", options->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->callback(
      [options, &code] { code = describe(options->file, options->format == "json"); });
}

}  // namespace swaptrail::offline
