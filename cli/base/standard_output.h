// Standard output of all commands: lost output never goes unnoticed.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "trace/recording/bytes.h"

namespace swaptrail::cli {

// Not buffered. After the first error nothing more is written. If the reader goes away, SIGPIPE
// kills the program, as with other tools; if SIGPIPE is ignored, it is an error. One thread.
class StandardOutput : public recording::ByteSink {
 public:
  // Errors: Cancelled (nobody reads any more), Internal (any other, with errno's text). Every later
  // call returns the same error.
  absl::Status append(std::string_view bytes) override;
  // The same, for callers that check only at the end.
  void write(std::string_view text) { append(text).IgnoreError(); }

  // False: nobody reads any more, or writing failed. Stop.
  bool open() const { return status_.ok(); }
  // The exit code: `code` if everything was written, otherwise kNotWritten, whatever `code` is.
  // Reports the reason on stderr, except if the reader has gone away, which is usual.
  int exit_code(int code) const;

 private:
  absl::Status status_;
};

}  // namespace swaptrail::cli
