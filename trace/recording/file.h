// Recordings in files. The only file of trace/ that uses the operating system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trace/recording/bytes.h"

namespace swaptrail::recording {

// Appends to a file with write(2); blocks as long as the file system does. One thread.
class FileSink : public ByteSink {
 public:
  // Creates `path`, mode 0600 whatever the umask is; it must not exist. Errors: AlreadyExists, PermissionDenied,
  // NotFound, ResourceExhausted (no space), Internal; all with the path.
  static absl::StatusOr<std::unique_ptr<FileSink>> create(const std::string& path);
  // The same for a name in an open folder, wherever the folder's path leads by now. `path` is used in
  // messages.
  static absl::StatusOr<std::unique_ptr<FileSink>> create_in(int folder, const std::string& name,
                                                             const std::string& path);
  ~FileSink() override;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  // Undoes a write that did not fit as a whole. Errors: ResourceExhausted (disk full, quota or file
  // size limit), Internal.
  absl::Status append(std::string_view bytes) override;

  // fdatasync(2): what was appended survives a crash of the machine. Errors: as append().
  absl::Status sync();

  uint64_t size() const { return size_; }

 private:
  FileSink(int file, std::string path) : file_(file), path_(std::move(path)) {}

  int file_;
  std::string path_;
  uint64_t size_ = 0;
};

// A regular file: complete, or read only up to the size that it had when it was opened.
class FileSource : public ByteSource {
 public:
  // Errors: NotFound, PermissionDenied, InvalidArgument (not a regular file), Internal.
  static absl::StatusOr<std::unique_ptr<FileSource>> open(const std::string& path);
  ~FileSource() override;
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  uint64_t size() const override { return size_; }
  // Errors: Internal (medium), DataLoss (the file has become shorter).
  absl::Status read_at(uint64_t offset, char* out, size_t count) const override;

 private:
  FileSource(int file, std::string path, uint64_t size)
      : file_(file), path_(std::move(path)), size_(size) {}

  int file_;
  std::string path_;
  uint64_t size_;
};

}  // namespace swaptrail::recording
