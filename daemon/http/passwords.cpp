#include "daemon/http/passwords.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace swaptrail::http {
namespace {

constexpr size_t kHashLength = 60;
constexpr int kLeastCost = 4, kMostCost = 16;
constexpr size_t kSaltAt = 7, kSaltLength = 22;
constexpr char kLetters[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kLastOfSalt = ".Oeu";

// -1: not a bcrypt hash.
int cost_of(const std::string& hash) {
  const bool known = absl::StartsWith(hash, "$2a$") || absl::StartsWith(hash, "$2b$") ||
                     absl::StartsWith(hash, "$2y$");
  int cost = -1;
  if (!known || hash.size() != kHashLength || hash[6] != '$') return -1;
  return absl::SimpleAtoi(hash.substr(4, 2), &cost) ? cost : -1;
}

bool same(const std::string& one, const std::string& other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

bool gives(const std::string& password, const std::string& hash) {
  const auto room = std::make_unique<crypt_data>();  // 32 KiB
  const char* made = crypt_r(password.c_str(), hash.c_str(), room.get());
  const bool right = made != nullptr && same(made, hash);
  OPENSSL_cleanse(room.get(), sizeof(crypt_data));
  return right;
}

}  // namespace

absl::Status check_hash(const std::string& hash) {
  const int cost = cost_of(hash);
  if (cost < 0) return absl::InvalidArgumentError("not a bcrypt hash (htpasswd -nB makes one)");
  if (cost < kLeastCost || cost > kMostCost) {
    return absl::InvalidArgumentError("the cost of the bcrypt hash must be 4 to 16");
  }
  // Checked here, since crypt() would take seconds for an expensive hash. Only two bits of the salt's
  // last letter count: with others set no password would ever match.
  if (hash.find_first_not_of(kLetters, kSaltAt) != std::string::npos ||
      kLastOfSalt.find(hash[kSaltAt + kSaltLength - 1]) == std::string::npos)
    return absl::InvalidArgumentError(
        "not a bcrypt hash: it has a letter that does not belong there");
  return absl::OkStatus();
}

Passwords::Passwords(Users users) : users_(std::move(users)) {
  for (const auto& [name, hash] : users_) dummies_.emplace(cost_of(hash), hash);
  RAND_bytes(salt_.data(), static_cast<int>(salt_.size()));
}

PasswordCheck Passwords::check(const base::ClientAddress& from, const std::string& name,
                               const std::string& password) {
  const auto found = users_.find(name);
  const std::string* hash = found != users_.end() ? &found->second : nullptr;
  // crypt() ends at a NUL
  const bool whole = password.find('\0') == std::string::npos;
  const Digest digest = digest_of(name, password, hash != nullptr ? *hash : "");
  if (hash != nullptr && whole && knows(digest)) return PasswordCheck::kRight;
  if (!begin_turn(from)) return PasswordCheck::kBusy;
  const bool right = matches(password, hash) && whole;
  end_turn();
  if (!right) return PasswordCheck::kWrong;
  remember(digest);
  return PasswordCheck::kRight;
}

bool Passwords::begin_turn(const base::ClientAddress& from) {
  std::unique_lock lock(turns_);
  Turn own = Turn::kWaits;
  if (const auto gone = waiting_.push(from, &own)) **gone = Turn::kRefused;
  if (!comparing_) start_next();
  turned_.notify_all();
  turned_.wait(lock, [&] { return own != Turn::kWaits; });
  return own == Turn::kCompares;
}

void Passwords::end_turn() {
  const std::lock_guard lock(turns_);
  comparing_ = false;
  start_next();
  turned_.notify_all();
}

// Under the lock.
void Passwords::start_next() {
  const auto next = waiting_.pop([](const base::ClientAddress&) { return true; });
  if (!next) return;
  *next->second = Turn::kCompares;
  comparing_ = true;
}

// Makes one comparison for each cost that occurs, one of them with `hash` if there is one: so the time
// taken shows neither which names exist nor what their hashes cost. It is less than twice the time of
// the most expensive.
bool Passwords::matches(const std::string& password, const std::string* hash) const {
  bool right = false;
  for (const auto& [cost, dummy] : dummies_) {
    const bool real = hash != nullptr && cost_of(*hash) == cost;
    const bool same_hash = gives(password, real ? *hash : dummy);
    right |= real && same_hash;
  }
  return right;
}

Passwords::Digest Passwords::digest_of(const std::string& name, const std::string& password,
                                       const std::string& hash) const {
  std::string text = std::to_string(name.size());
  text.append(":").append(name).append(hash).append(password);
  Digest digest{};
  HMAC(EVP_sha256(), salt_.data(), static_cast<int>(salt_.size()),
       reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest.data(), nullptr);
  OPENSSL_cleanse(text.data(), text.size());
  return digest;
}

bool Passwords::knows(const Digest& digest) {
  const std::lock_guard lock(mutex_);
  int found = 0;
  for (const Digest& known : known_) {
    found |= CRYPTO_memcmp(known.data(), digest.data(), digest.size()) == 0 ? 1 : 0;
  }
  return found != 0;
}

void Passwords::remember(const Digest& digest) {
  const std::lock_guard lock(mutex_);
  if (known_.size() < kMostKnown) {
    known_.push_back(digest);
    return;
  }
  known_[oldest_] = digest;
  oldest_ = (oldest_ + 1) % kMostKnown;
}

}  // namespace swaptrail::http
