// Names and bcrypt hashes of the users who may read the pages.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "daemon/base/client_address.h"
#include "daemon/http/fair_queue.h"

namespace swaptrail::http {

using Users = std::map<std::string, std::string>;  // name -> bcrypt hash

// OK, or what is wrong with a hash: it must be $2a$, $2b$ or $2y$ with a cost of 4 to 16. The text
// does not contain the hash.
absl::Status check_hash(const std::string& hash);

enum class PasswordCheck : uint8_t { kRight, kWrong, kBusy };

// Any thread. A bcrypt comparison is slow on purpose. Only one runs at a time, so wrong passwords take
// one CPU at most; few wait for it, so they don't take all threads; and clients take turns, so a flood
// from one costs another client a few comparisons of waiting, but never its place. A password that was
// right before is remembered (at most kMostKnown) and does not wait.
class Passwords {
 public:
  static constexpr size_t kMostKnown = 128;
  static constexpr size_t kMostWaiting = 5,
                          kMostWaitingOfOne = 2;  // besides the one that is being compared

  explicit Passwords(Users users);

  bool empty() const { return users_.empty(); }
  // The same work for every name and every wrong password, whatever the hashes cost. Waits for its turn.
  // kBusy: too many others wait, in total or from the client at `from`.
  PasswordCheck check(const base::ClientAddress& from, const std::string& name,
                      const std::string& password);

 private:
  using Digest = std::array<uint8_t, 32>;
  enum class Turn : uint8_t { kWaits, kCompares, kRefused };

  Digest digest_of(const std::string& name, const std::string& password,
                   const std::string& hash) const;
  bool begin_turn(const base::ClientAddress& from);
  void end_turn();
  void start_next();
  bool matches(const std::string& password, const std::string* hash) const;
  bool knows(const Digest& digest);
  void remember(const Digest& digest);

  const Users users_;
  std::map<int, std::string> dummies_;  // a hash for each cost that occurs
  Digest salt_{};
  std::mutex turns_;  // of the next three, and of the turns that wait
  std::condition_variable turned_;
  FairQueue<Turn*> waiting_{kMostWaitingOfOne, kMostWaiting};
  bool comparing_ = false;
  std::mutex mutex_;  // of known_
  std::vector<Digest> known_;
  size_t oldest_ = 0;
};

}  // namespace swaptrail::http
