#include "rotate.h"

#include <algorithm>
#include <ctime>
#include <sstream>

#include "mailauth/dkim/signature.h"

namespace mail_dkim {

namespace {

using mailauth::KeyKind;

constexpr std::string_view kStates[] = {"next", "active", "retired"};

std::string_view kind_word(KeyKind kind) { return kind == KeyKind::rsa ? "rsa" : "ed25519"; }

bool has(const std::vector<KeptKey>& keys, KeyState state) {
  return std::any_of(keys.begin(), keys.end(), [&](const KeptKey& key) { return key.state == state; });
}

std::optional<KeptKey> read_line(const std::string& line) {
  std::istringstream words(line);
  std::string kind, state, rest;
  KeptKey out;
  if (!(words >> out.selector >> kind >> state >> out.since) || (words >> rest)) return std::nullopt;
  auto place = std::find(std::begin(kStates), std::end(kStates), state);
  if (place == std::end(kStates) || (kind != "rsa" && kind != "ed25519") || !mailauth::is_host_name(out.selector)) return std::nullopt;
  out.kind = kind == "rsa" ? KeyKind::rsa : KeyKind::ed25519;
  out.state = static_cast<KeyState>(place - std::begin(kStates));
  return out;
}

std::string days(int64_t seconds) { return std::to_string((seconds + 86'399) / 86'400) + " days"; }

// Old enough to hand over: the youngest of the active keys counts.
bool is_due(const std::vector<KeptKey>& keys, const RotationPlan& plan, int64_t now) {
  return plan.at_once || std::all_of(keys.begin(), keys.end(), [&](const KeptKey& key) { return key.state != KeyState::active || now - key.since >= plan.every; });
}

void remove_old(RotationStep& step, const RotationPlan& plan, int64_t now) {
  auto old = [&](const KeptKey& key) { return key.state == KeyState::retired && now - key.since >= plan.keep; };
  for (const KeptKey& key : step.keys) {
    if (!old(key)) continue;
    step.removed.push_back(key);
    step.told.push_back(key.selector + " has been retired for " + days(plan.keep) + ": its file is removed; remove its DNS record too");
  }
  std::erase_if(step.keys, old);
}

void make_next(RotationStep& step, const RotationPlan& plan, int64_t now) {
  for (KeyKind kind : plan.kinds) {
    KeptKey key{selector_name(now, kind, step.keys), kind, KeyState::next, now};
    step.keys.push_back(key);
    step.made.push_back(key);
  }
  step.word = "created";
}

void activate(RotationStep& step, int64_t now) {
  for (KeptKey& key : step.keys) {
    if (key.state == KeyState::retired) continue;
    key.state = key.state == KeyState::active ? KeyState::retired : KeyState::active;
    key.since = now;
    step.told.push_back(key.selector + (key.state == KeyState::active ? " signs from now on" : " is retired: leave its DNS record where it is"));
  }
  step.word = "activated";
}

}  // namespace

std::string_view state_word(KeyState state) { return kStates[static_cast<size_t>(state)]; }

std::optional<std::vector<KeptKey>> read_keys(std::string_view text, std::string& problem) {
  std::vector<KeptKey> out;
  std::istringstream lines{std::string(text)};
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    auto key = read_line(line);
    if (!key) {
      problem = "line " + std::to_string(number) + " is not SELECTOR rsa|ed25519 next|active|retired SECONDS";
      return std::nullopt;
    }
    out.push_back(std::move(*key));
  }
  return out;
}

std::string keys_text(const std::vector<KeptKey>& keys) {
  std::string out = "# Kept by `veredus dkim rotate`: selector, algorithm, state, since.\n";
  for (const KeptKey& key : keys) out += key.selector + " " + std::string(kind_word(key.kind)) + " " + std::string(state_word(key.state)) + " " + std::to_string(key.since) + "\n";
  return out;
}

std::string active_text(const std::vector<KeptKey>& keys) {
  std::string out;
  for (const KeptKey& key : keys)
    if (key.state == KeyState::active) out += key.selector + "\n";
  return out;
}

std::string selector_name(int64_t now, KeyKind kind, const std::vector<KeptKey>& taken) {
  time_t seconds = now;
  tm parts{};
  char date[16] = {};
  gmtime_r(&seconds, &parts);
  strftime(date, sizeof date, "%Y%m%d", &parts);
  const std::string base = std::string(date) + (kind == KeyKind::rsa ? "r" : "e");
  std::string out = base;
  for (int more = 2; std::any_of(taken.begin(), taken.end(), [&](const KeptKey& key) { return key.selector == out; }); ++more) out = base + std::to_string(more);
  return out;
}

RotationStep step_of(std::vector<KeptKey> keys, const RotationPlan& plan, int64_t now, const std::function<bool(const KeptKey&)>& is_published) {
  RotationStep out;
  out.keys = std::move(keys);
  remove_old(out, plan, now);
  if (!has(out.keys, KeyState::next)) {
    make_next(out, plan, now);
    for (const KeptKey& key : out.made) out.told.push_back(key.selector + " is the next key: publish its record");
    return out;
  }
  size_t missing = 0;
  for (const KeptKey& key : out.keys) {
    if (key.state != KeyState::next || is_published(key)) continue;
    ++missing;
    out.told.push_back(key.selector + " is not published yet, or with another key");
  }
  out.word = missing > 0 ? "waiting" : "kept";
  if (missing > 0) return out;
  if (is_due(out.keys, plan, now)) activate(out, now);
  else out.told.push_back("the next key is published; the active one signs until it is " + days(plan.every) + " old");
  return out;
}

}  // namespace mail_dkim
