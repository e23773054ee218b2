// Standard output of all commands: what was not written is never taken for written.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "trace/recording/bytes.h"

namespace swaptrail {

// Not buffered. After the first error nothing more is written. A reader that has gone away kills the
// program by SIGPIPE, as it does others; where that is ignored it is an error. One thread.
class StandardOutput : public ByteSink {
 public:
  // Errors: Cancelled (nobody reads any more), Internal (any other, with errno's text); the same one
  // again for all that comes after it.
  absl::Status append(std::string_view bytes) override;
  // The same for who asks at the end only.
  void write(std::string_view text) { append(text).IgnoreError(); }

  // False: nobody reads any more, or writing failed. Stop.
  bool open() const { return status_.ok(); }
  // The exit code: `code` if all was written, else kNotWritten, whatever `code` is. Why is reported on
  // stderr; of a reader that has gone away nothing is reported, as it is usual.
  int exit_code(int code) const;

 private:
  absl::Status status_;
};

}  // namespace swaptrail
