// What the plugin arc writes and reads as text: results for a set of its own, the note between stages, whom a chain lets us trust. Values; any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/patterns.hpp"
#include "common/report.hpp"
#include "mailauth/arc/chain.h"
#include "mailauth/arc/results.h"

namespace arc {

// "mx.test;\r\n\tspf=pass smtp.mailfrom=a@b.test": what stands behind i= in ARC-Authentication-Results.
std::string results_text(std::string_view hostname, const std::vector<vrd::AuthResult>& results);

// "pass 2 0": the result, how many sets, whether the chain has ended; from stage `message` to `seal`.
std::string note_of(const mailauth::ArcAnswer& answer);
std::optional<mailauth::ArcAnswer> answer_of(std::string_view note);

// RFC 8617 7.2: a sealer that is trusted, and trusted all sealers after it, may vouch for what it found. Empty: none does.
struct Vouched {
  std::string domain;   // of the sealer
  std::string finding;  // "dmarc=pass", as it found it
};
std::optional<Vouched> vouched(const mailauth::ArcAnswer& answer, const std::vector<common::DomainPattern>& trusted);

// For `veredus check arc`.
common::Report report_of(const mailauth::ArcAnswer& answer);

}  // namespace arc
