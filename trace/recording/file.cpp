#include "trace/recording/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace swaptrail::recording {
namespace {

absl::Status failure(int error, const char* what, const std::string& path) {
  const std::string text = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  switch (error) {
    case EEXIST:
      return absl::AlreadyExistsError(text);
    case ENOENT:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::InternalError(text);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileSink>> FileSink::create(const std::string& path) {
  return create_in(AT_FDCWD, path, path);
}

absl::StatusOr<std::unique_ptr<FileSink>> FileSink::create_in(int folder, const std::string& name,
                                                              const std::string& path) {
  // O_EXCL: a link in its place is not followed either
  const int file =
      ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return failure(errno, "can't create", path);
  std::unique_ptr<FileSink> sink(new FileSink(file, path));
  if (::fchmod(file, 0600) != 0) return failure(errno, "can't set the mode of", path);
  return sink;
}

FileSink::~FileSink() { ::close(file_); }

absl::Status FileSink::append(std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written =
        ::pwrite(file_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(size_ + done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = written < 0 ? errno : ENOSPC;
      // Were this to fail too, the next append still writes over what is left.
      [[maybe_unused]] const int taken_back = ::ftruncate(file_, static_cast<off_t>(size_));
      return failure(error, "can't write", path_);
    }
    done += static_cast<size_t>(written);
  }
  size_ += bytes.size();
  return absl::OkStatus();
}

absl::Status FileSink::sync() {
  if (::fdatasync(file_) != 0) return failure(errno, "can't write", path_);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FileSource>> FileSource::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return failure(errno, "can't open", path);
  struct stat facts;
  const bool known = ::fstat(file, &facts) == 0;
  if (!known || !S_ISREG(facts.st_mode)) {
    const int error = errno;
    ::close(file);
    if (!known) return failure(error, "can't open", path);
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  return std::unique_ptr<FileSource>(
      new FileSource(file, path, static_cast<uint64_t>(facts.st_size)));
}

FileSource::~FileSource() { ::close(file_); }

absl::Status FileSource::read_at(uint64_t offset, char* out, size_t count) const {
  size_t done = 0;
  while (done < count) {
    const ssize_t got = ::pread(file_, out + done, count - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure(errno, "can't read", path_);
    if (got == 0)
      return absl::DataLossError(
          absl::StrCat(path_, " ends at byte ", offset + done, " of ", size_));
    done += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

}  // namespace swaptrail::recording
