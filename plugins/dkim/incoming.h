// Mail that arrives: verification, what is told of it, what becomes of it. Values; any thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine.h"
#include "settings.h"

namespace mail_dkim {

// Verifies one message; owns what it reads. First prepare(), then the keys, then run().
struct CheckJob {
  const Engine* engine = nullptr;
  vrd::KeptView view;
  std::string header;
  mailauth::DkimPolicy policy;
  int64_t now = 0;
  std::unique_ptr<mailauth::Verifier> verifier;

  bool has_heavy_header() const;
  bool is_heavy() const;
  void prepare() { verifier = engine->verifier(header, policy, now); }
  std::vector<mailauth::DkimResult> run() const;
};

// For Authentication-Results.
struct Told {
  std::string result, reason;
  std::vector<std::pair<std::string, std::string>> properties;
};

// One a signature, at most `most`; what is left out is counted in one more.
std::vector<Told> told_of(const std::vector<mailauth::DkimResult>& results, size_t most);

// The result that speaks for the message: a pass if there is one, else what may still become one, else a failure. Null: none counts.
const mailauth::DkimResult* best_of(const std::vector<mailauth::DkimResult>& results);

// "rsa-sha256, 2048 bits" and the like.
std::string printable_part(std::string_view text, size_t most);

// The reply with {result}, {domain} and {reason} filled in.
std::string reply_text(std::string_view pattern, std::string_view word, const mailauth::DkimResult* result);

}  // namespace mail_dkim
