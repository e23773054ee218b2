#include "cli/base/errors.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "trace/utf8.h"

namespace swaptrail::cli {
namespace {

constexpr size_t kMostPart_bytes = 8192;  // a path and more

std::string text_of(const absl::Status& status) { return std::string(status.message()); }

const char* advice(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kDataLoss:
      return "what is readable can be saved with swaptrail repair FILE -o OUT";
    case absl::StatusCode::kFailedPrecondition:
      return "swaptrail --version prints which one this is";
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
      return "check the path and its permissions";
    default:
      return "give files that swaptraild --record or --flight has written";
  }
}

}  // namespace

std::string exit_codes(const std::vector<CommandExit>& codes) {
  std::string line = "Exit codes:";
  for (const CommandExit code : codes) {
    absl::StrAppend(&line, line.back() == ':' ? " " : "; ", static_cast<int>(code));
    for (const ExitCodeMeaning& row : kExitCodeTable)
      if (row.code == code) absl::StrAppend(&line, " ", row.meaning);
  }
  return line + ".";
}

int complain(CommandExit code, std::string_view what, std::string_view what_to_do) {
  const std::string line =
      printable_line(what, kMostPart_bytes) + "; " + printable_line(what_to_do, kMostPart_bytes);
  std::fprintf(stderr, "swaptrail: %s\n", line.c_str());
  return code;
}

int complain_of_input(const absl::Status& status) {
  const CommandExit code = absl::IsDataLoss(status) ? kFound : kUnusable;
  return complain(code, text_of(status), advice(status.code()));
}

int complain_of_output(const absl::Status& status) {
  if (absl::IsAlreadyExists(status))
    return complain(kUnusable, text_of(status), "give another -o, or --force to replace it");
  if (absl::IsInvalidArgument(status))
    return complain(kUnusable, text_of(status), "give another -o");
  return complain(kNotWritten, text_of(status), "nothing was left behind");
}

absl::Status with_path(const absl::Status& status, const std::string& path) {
  if (status.ok() || text_of(status).find(path) != std::string::npos) return status;
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

}  // namespace swaptrail::cli
