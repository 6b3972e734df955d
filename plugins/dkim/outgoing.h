// Mail that leaves: whether it is ours, whose domain it is signed for, and the signing. Values; any thread but where it says loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "keys.h"

namespace mail_dkim {

// The core knows that it is ours: an account, a listener for our own, a network of ours, made here. What a message says of itself does not count.
bool is_ours(const vrd::View& view, const Options& options);

// Whose mail it is by its From field, else by its envelope sender when that is wanted.
struct Owner {
  std::string domain;   // empty: of nobody
  std::string problem;  // why, as a phrase
};
Owner owner_of(std::string_view header, std::string_view sender_domain, bool sender_fallback);

// Signs one message; owns what it reads.
struct SignJob {
  const Engine* engine = nullptr;
  vrd::KeptView view;
  std::string header;
  mailauth::SignOptions options;
  Keys keys;

  std::vector<mailauth::NewField> run() const;
  // More than a loop should do at once.
  bool is_heavy() const;
};

constexpr size_t kLight = 32'768;  // octets that a loop may hash at once

// The octets of a body, piece by piece.
void each_piece(const vrd::View& view, uint64_t from, const Take& take);

}  // namespace mail_dkim
