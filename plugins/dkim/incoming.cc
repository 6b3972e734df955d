#include "incoming.h"

#include <algorithm>

#include "mailauth/base/received.h"
#include "outgoing.h"

namespace mail_dkim {

namespace {

constexpr std::array<std::string_view, 6> kBestFirst{"pass", "temperror", "fail", "policy", "permerror", "neutral"};
constexpr size_t kLongestReason = 200, kLongestReply = 400;

size_t rank_of(const mailauth::DkimResult& result) {
  // A domain that only tries asks not to be judged by failures (RFC 6376 3.6.1, t=y).
  if (result.testing && result.result != "pass") return kBestFirst.size();
  return static_cast<size_t>(std::find(kBestFirst.begin(), kBestFirst.end(), result.result) - kBestFirst.begin());
}

void add_property(Told& out, const char* name, std::string_view value, size_t most) {
  if (!value.empty()) out.properties.emplace_back(name, printable_part(value, most));
}

}  // namespace

std::string printable_part(std::string_view text, size_t most) {
  std::string out(text.substr(0, most));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

bool CheckJob::has_heavy_header() const { return header.size() > kLight; }

bool CheckJob::is_heavy() const { return view.received_size() > kLight || verifier->cost() > mailauth::kLoopCost; }

std::vector<mailauth::DkimResult> CheckJob::run() const {
  if (verifier->wants_body()) mailauth::each_received_piece(view, [&](std::string_view piece) { verifier->body(piece); });
  return verifier->finish();
}

std::vector<Told> told_of(const std::vector<mailauth::DkimResult>& results, size_t most) {
  std::vector<Told> out;
  for (const mailauth::DkimResult& each : results) {
    if (out.size() == most) {
      out.push_back({"policy", "there are " + std::to_string(results.size() - most) + " more signatures, which were not looked at", {}});
      break;
    }
    Told told{each.result, printable_part(each.reason, kLongestReason), {}};
    if (each.testing) told.reason += told.reason.empty() ? "the key is in testing (t=y)" : "; the key is in testing (t=y)";
    add_property(told, "header.d", each.domain, 253);
    add_property(told, "header.s", each.selector, 253);
    add_property(told, "header.a", each.algorithm, 64);
    add_property(told, "header.b", each.body_b, 8);
    add_property(told, "header.i", each.identity, 320);
    out.push_back(std::move(told));
  }
  return out;
}

const mailauth::DkimResult* best_of(const std::vector<mailauth::DkimResult>& results) {
  const mailauth::DkimResult* out = nullptr;
  for (const mailauth::DkimResult& each : results)
    if (rank_of(each) < (out ? rank_of(*out) : kBestFirst.size())) out = &each;
  return out;
}

std::string reply_text(std::string_view pattern, std::string_view word, const mailauth::DkimResult* result) {
  std::string out;
  const std::pair<std::string_view, std::string> words[] = {
      {"{result}", std::string(word)}, {"{domain}", result ? result->domain : std::string("this message")}, {"{reason}", result ? result->reason : std::string("there is no signature")}};
  while (!pattern.empty()) {
    auto place = std::find_if(std::begin(words), std::end(words), [&](const auto& each) { return pattern.starts_with(each.first); });
    out += place == std::end(words) ? std::string(1, pattern.front()) : place->second;
    pattern.remove_prefix(place == std::end(words) ? 1 : place->first.size());
  }
  return printable_part(out, kLongestReply);
}

}  // namespace mail_dkim
