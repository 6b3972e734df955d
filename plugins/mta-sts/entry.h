// Entry: the policy of a domain as it is kept, and its form in core.kv. A value; any thread.
#pragma once

#include <optional>

#include "policy.h"

namespace mta_sts {

struct Entry {
  std::string id;         // of the record that announced it
  Policy policy;
  int64_t fetched = 0;    // milliseconds since 1970
  int64_t expires = 0;
  int64_t used = 0;       // asked for last
  int64_t retry = 0;      // not fetched again before: after a failure

  bool holds(int64_t now) const { return now < expires; }
  // After `interval`, or when half of its life is over if that is sooner.
  bool due(int64_t now, int64_t interval) const {
    int64_t life = (expires - fetched) / 2;
    return now >= fetched + (life < interval ? life : interval) && now >= retry;
  }
};

std::string encoded(const Entry& entry);
std::optional<Entry> decoded(std::string_view text);  // none: it is not of ours, or damaged

}  // namespace mta_sts
