// The rotation of a domain's keys: next (made, to be published) -> active (signs) -> retired (published still, for mail on its way) -> gone.
// DIR/DOMAIN/keys has a line a key: SELECTOR ALGORITHM STATE SINCE; DIR/DOMAIN/active the selectors that sign, for the daemon. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keyring.h"

namespace mail_dkim {

enum class KeyState { next, active, retired };
std::string_view state_word(KeyState state);

struct KeptKey {
  std::string selector;
  mailauth::KeyKind kind = mailauth::KeyKind::rsa;
  KeyState state = KeyState::next;
  int64_t since = 0;  // seconds, since it is in this state
};

struct RotationPlan {
  int64_t every = 90 * 86'400, keep = 7 * 86'400;  // seconds: how long a key signs; how long it stays published after that
  bool at_once = false;                            // as if the active keys were old enough
  std::vector<mailauth::KeyKind> kinds{mailauth::KeyKind::rsa, mailauth::KeyKind::ed25519};
};

// What is to be done now, by time and by what is published.
struct RotationStep {
  std::vector<KeptKey> keys;               // as they are after it
  std::vector<KeptKey> made, removed;      // files to make, files to remove
  std::string word;                        // created, waiting, activated, kept
  std::vector<std::string> told;           // sentences
};

// Nothing: a line that is not understood; `problem` says which.
std::optional<std::vector<KeptKey>> read_keys(std::string_view text, std::string& problem);
std::string keys_text(const std::vector<KeptKey>& keys);
std::string active_text(const std::vector<KeptKey>& keys);

// "20261128r", "20261128e"; with a letter behind while the name is taken.
std::string selector_name(int64_t now, mailauth::KeyKind kind, const std::vector<KeptKey>& taken);

RotationStep step_of(std::vector<KeptKey> keys, const RotationPlan& plan, int64_t now, const std::function<bool(const KeptKey&)>& is_published);

}  // namespace mail_dkim
