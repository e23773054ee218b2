// Exit codes, and the one line on stderr that goes with a refusal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace swaptrail::cli {

// Their meanings: kExitCodeTable, which --help and the manual print.
enum CommandExit : int {
  kDone = 0,
  kFound = 1,       // damage or violations; doctor: not every hook is served
  kUnusable = 2,    // bad flag, or a file that can't be used
  kNotWritten = 3,  // the output could not be written
  kNoMode = 4,      // doctor: this kernel permits no mode
  kNoConnection = 5,
  kRefused = 6,
  kAnswerError = 7,
  kTooSlow = 8,
  kNothingThere = 9,
  kNotEnabled = 10,
  kAtLimit = 11,
};

struct ExitCodeMeaning {
  CommandExit code;
  const char* meaning;
};

// Every exit code of every command, in order.
inline constexpr ExitCodeMeaning kExitCodeTable[] = {
    {kDone, "ok; also a stream that SIGINT ended"},
    {kFound, "damage, findings or violations were found; doctor: not every hook is served"},
    {kUnusable, "bad flag or value, not a recording, or a newer version"},
    {kNotWritten, "the output could not be written, or nobody reads it any more"},
    {kNoMode, "doctor: this kernel permits no mode"},
    {kNoConnection, "no connection to swaptraild"},
    {kRefused, "swaptraild, or its socket, is not for this user"},
    {kAnswerError, "swaptraild answered with an error"},
    {kTooSlow, "no answer within --timeout"},
    {kNothingThere, "what was asked for is not there"},
    {kNotEnabled, "swaptraild was not started with what this needs"},
    {kAtLimit, "swaptraild is at one of its limits: try again"},
};

// "Exit codes: 0 ok; ..." of these codes, as one line.
std::string exit_codes(const std::vector<CommandExit>& codes);

inline constexpr const char* kExitCodes =
    "Exit codes: 0 ok; 1 damage or violations were found; 2 bad flag, not a recording, or a newer "
    "version; 3 the output could not be written.";

// Prints "swaptrail: WHAT; WHAT_TO_DO" and returns `code`.
int complain(CommandExit code, std::string_view what, std::string_view what_to_do);

// For a recording that was read. DataLoss is kFound, everything else kUnusable.
int complain_of_input(const absl::Status& status);

// For a file that was to be written. AlreadyExists and InvalidArgument are kUnusable, everything else
// kNotWritten.
int complain_of_output(const absl::Status& status);

// The status with "PATH: " before its text, unless the path is in it.
absl::Status with_path(const absl::Status& status, const std::string& path);

}  // namespace swaptrail::cli
