// SPF records (RFC 7208 4.5, 4.6, 12): which TXT record is one, and what is in it. What is read holds views into the text. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mailauth/spf/address.h"
#include "mailauth/spf/spf.h"

namespace mailauth::spf {

enum class Mechanism { all, include, a, mx, ptr, ip4, ip6, exists };

// A directive.
struct Term {
  Mechanism mechanism = Mechanism::all;
  SpfResult qualifier = SpfResult::pass;
  std::string_view text;    // as published
  std::string_view domain;  // domain-spec; empty: the domain of the record
  Address network;          // ip4, ip6
  uint32_t bits4 = 32, bits6 = 128;
  bool asks_dns() const { return mechanism != Mechanism::all && mechanism != Mechanism::ip4 && mechanism != Mechanism::ip6; }
};

struct Record {
  std::vector<Term> terms;
  std::string_view redirect, exp;  // domain-specs; empty: not given
  std::string problem;             // not empty: the record has an error, in this sentence; nothing else in it counts
};

// Whether a TXT record is meant as one: "v=spf1", alone or before a space.
bool is_record(std::string_view text);

// Every error is found, wherever it stands. Time grows with the length of the text only.
Record read_record(std::string_view text);

}  // namespace mailauth::spf
