// A bounded queue in which clients take turns, however much each of them has put into it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <list>
#include <optional>
#include <utility>

#include "daemon/base/client_address.h"

namespace swaptrail::http {

// One thread, or under the caller's lock. Cost grows with the number of clients in it, so `most` is
// small.
template <typename Item>
class FairQueue {
 public:
  // At most `most` items, and `most_of_one` of one client; both at least 1.
  FairQueue(size_t most_of_one, size_t most) : most_of_one_(most_of_one), most_(most) {}

  // Returns the item that finds no room: `item`, if its client has most_of_one or nobody has more
  // than it would have; otherwise the newest item of the client that has most.
  std::optional<Item> push(const base::ClientAddress& from, Item item) {
    auto turn = std::find_if(turns_.begin(), turns_.end(),
                             [&](const Turn& one) { return one.from == from; });
    const size_t own = turn == turns_.end() ? 0 : turn->items.size();
    if (own >= most_of_one_) return item;
    std::optional<Item> gone;
    if (size_ >= most_) {
      const auto most = std::max_element(
          turns_.begin(), turns_.end(),
          [](const Turn& one, const Turn& other) { return one.items.size() < other.items.size(); });
      if (most->items.size() <= own + 1) return item;
      gone = std::move(most->items.back());
      most->items.pop_back();
      --size_;
    }
    if (turn == turns_.end()) turn = turns_.insert(turns_.end(), Turn{from, {}});
    turn->items.push_back(std::move(item));
    ++size_;
    return gone;
  }

  // The oldest item of the next client in turn for which `may` holds; none if there is no such
  // client.
  template <typename May>
  std::optional<std::pair<base::ClientAddress, Item>> pop(const May& may) {
    const auto turn =
        std::find_if(turns_.begin(), turns_.end(), [&](const Turn& one) { return may(one.from); });
    if (turn == turns_.end()) return std::nullopt;
    std::pair<base::ClientAddress, Item> next(turn->from, std::move(turn->items.front()));
    turn->items.pop_front();
    --size_;
    if (turn->items.empty())
      turns_.erase(turn);
    else
      turns_.splice(turns_.end(), turns_, turn);
    return next;
  }

  size_t size() const { return size_; }

 private:
  struct Turn {
    base::ClientAddress from;
    std::deque<Item> items;  // never empty
  };
  const size_t most_of_one_, most_;
  std::list<Turn> turns_;  // the first is next
  size_t size_ = 0;
};

}  // namespace swaptrail::http
