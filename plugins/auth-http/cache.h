// Cache: what an API has said yes to, bounded; the oldest goes first. Questions are kept as digests with a key of this process, so that no
// password lies in memory for longer than its check. Belongs to one loop.
#pragma once

#include <gnutls/crypto.h>

#include <array>
#include <cstdint>
#include <deque>
#include <map>

#include "exchange.h"

namespace auth_http {

using Digest = std::array<unsigned char, 32>;

class Cache {
 public:
  explicit Cache(size_t most) : most_(most) { sound_ = gnutls_rnd(GNUTLS_RND_KEY, key_.data(), key_.size()) == 0; }

  // Of everything that the answer depends on but the client's address.
  Digest digest(const Question& question) const {
    std::string text;
    for (std::string_view part : {question.mechanism, question.account, question.acting_as, question.secret})
      text.append(std::to_string(part.size())).append(":").append(part);
    text += static_cast<char>('0' + question.kind);
    Digest out{};
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key_.data(), key_.size(), text.data(), text.size(), out.data()) != 0) out = {};
    gnutls_memset(text.data(), 0, text.size());
    return out;
  }
  void put(const Digest& digest, Known known, int64_t until) {
    if (most_ == 0 || !sound_) return;
    auto [place, fresh] = entries_.insert_or_assign(digest, Entry{std::move(known), until});
    if (!fresh) return;
    order_.push_back(place->first);
    if (order_.size() <= most_) return;
    entries_.erase(order_.front());
    order_.pop_front();
  }
  const Known* find(const Digest& digest, int64_t now) const {
    auto found = entries_.find(digest);
    return found != entries_.end() && found->second.until > now ? &found->second.known : nullptr;
  }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Known known;
    int64_t until = 0;  // milliseconds of a clock that never goes back
  };
  size_t most_;
  bool sound_ = false;
  Digest key_{};
  std::map<Digest, Entry> entries_;
  std::deque<Digest> order_;
};

}  // namespace auth_http
