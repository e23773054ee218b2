// Names and bcrypt hashes of those who may read the pages.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace swaptrail::http {

using Users = std::map<std::string, std::string>;  // name -> bcrypt hash

// OK, or what is wrong with a hash: it must be $2a$, $2b$ or $2y$ with a cost of 4 to 16. The text
// does not have the hash in it.
absl::Status check_hash(const std::string& hash);

enum class Verdict : uint8_t { kRight, kWrong, kBusy };

// Any thread. A bcrypt comparison takes long on purpose: one at a time is made, so that wrong
// passwords take one CPU at most, and few wait for it, so that they do not take all threads. What was
// right before is remembered (at most kMostKnown) and does not wait.
class Passwords {
 public:
  static constexpr size_t kMostKnown = 128;
  static constexpr uint32_t kMostComparing = 4;  // one, and those that wait

  explicit Passwords(Users users);

  bool empty() const { return users_.empty(); }
  // As much work for a name that is not there as for one that is.
  // kBusy: kMostComparing others are being compared.
  Verdict check(const std::string& name, const std::string& password);

 private:
  using Digest = std::array<uint8_t, 32>;
  Digest digest_of(const std::string& name, const std::string& password,
                   const std::string& hash) const;
  bool matches(const std::string& password, const std::string& hash);
  bool knows(const Digest& digest);
  void remember(const Digest& digest);

  const Users users_;
  std::string dearest_;  // the hash that takes longest
  Digest salt_{};
  std::mutex one_at_a_time_;
  std::atomic<uint32_t> comparing_{0};
  std::mutex mutex_;  // of known_
  std::vector<Digest> known_;
  size_t oldest_ = 0;
};

}  // namespace swaptrail::http
