// Exit codes, and the one line on stderr that goes with a refusal.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace swaptrail {

// The manual and --help list them.
enum CommandExit : int {
  kDone = 0,
  kFound = 1,       // damage or violations; doctor: not every hook is served
  kUnusable = 2,    // bad flag, or a file that can't be used
  kNotWritten = 3,  // the output could not be written
  kNoMode = 4,      // doctor: this kernel permits no mode
};

inline constexpr const char* kExitCodes =
    "Exit codes: 0 ok; 1 damage or violations were found; 2 bad flag, not a recording, or a newer "
    "version; 3 the output could not be written.";

// Prints "swaptrail: WHAT; WHAT_TO_DO" and returns `code`.
int complain(CommandExit code, std::string_view what, std::string_view what_to_do);

// About a recording that was read. DataLoss is kFound, all else kUnusable.
int complain_of_input(const absl::Status& status);

// About output. AlreadyExists and InvalidArgument are kUnusable, all else kNotWritten.
int complain_of_output(const absl::Status& status);

// The status with "PATH: " before its text, unless the path is in it.
absl::Status with_path(const absl::Status& status, const std::string& path);

// Text of unknown origin, fit for a terminal: control characters and bytes that are not ASCII
// become '?'.
std::string printable(std::string_view text);

}  // namespace swaptrail
