// Output that appears as a whole or not at all.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trace/recording/bytes.h"
#include "trace/recording/file.h"

namespace swaptrail::cli {

// A file that is written under another name beside `path`, and gets its own name by commit(). Without
// commit() nothing is left behind, not even after SIGINT, SIGPIPE or SIGTERM. One at a time; one
// thread.
class AtomicFile : public recording::ByteSink {
 public:
  // Errors: AlreadyExists (there is something at `path`, and not `force`), InvalidArgument (it is
  // not a regular file, whatever `force`), and those of FileSink::create.
  static absl::StatusOr<std::unique_ptr<AtomicFile>> create(const std::string& path, bool force);
  ~AtomicFile() override;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  absl::Status append(std::string_view bytes) override { return file_->append(bytes); }

  // Syncs the file to the disk, then puts it in place. Errors: AlreadyExists (somebody was faster),
  // ResourceExhausted, Internal.
  absl::Status commit();
  uint64_t size() const { return file_->size(); }

 private:
  AtomicFile(std::string path, std::string temporary, bool force);

  const std::string path_;
  const std::string temporary_;
  const bool force_;
  std::unique_ptr<recording::FileSink> file_;
};

}  // namespace swaptrail::cli
