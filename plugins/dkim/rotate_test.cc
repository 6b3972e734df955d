// The rotation of keys: next, active, retired, gone.
#include "dkim/rotate.h"

#include <doctest/doctest.h>

using namespace mail_dkim;

namespace {

constexpr int64_t kDay = 86'400, kStart = 1'800'000'000;

bool all(const KeptKey&) { return true; }
bool none(const KeptKey&) { return false; }

size_t count(const RotationStep& step, KeyState state) {
  size_t out = 0;
  for (const KeptKey& key : step.keys) out += key.state == state ? 1 : 0;
  return out;
}

}  // namespace

TEST_CASE("a domain's keys from the first to the last step") {
  RotationPlan plan;
  RotationStep step = step_of({}, plan, kStart, none);
  CHECK(step.word == "created");
  CHECK(step.made.size() == 2);
  CHECK(active_text(step.keys).empty());
  step = step_of(step.keys, plan, kStart + 60, none);
  CHECK(step.word == "waiting");
  CHECK(step.made.empty());
  step = step_of(step.keys, plan, kStart + kDay, all);  // nothing signs yet: at once
  CHECK(step.word == "activated");
  CHECK(count(step, KeyState::active) == 2);
  CHECK(active_text(step.keys) == step.keys[0].selector + "\n" + step.keys[1].selector + "\n");
  const std::string first = step.keys[0].selector;
  step = step_of(step.keys, plan, kStart + 2 * kDay, all);  // the next is made ahead
  CHECK(step.word == "created");
  step = step_of(step.keys, plan, kStart + 3 * kDay, all);
  CHECK(step.word == "kept");
  CHECK(active_text(step.keys).starts_with(first));
  step = step_of(step.keys, plan, kStart + 91 * kDay, none);  // due, and not published: the old ones go on
  CHECK(step.word == "waiting");
  CHECK(active_text(step.keys).starts_with(first));
  step = step_of(step.keys, plan, kStart + 92 * kDay, all);
  CHECK(step.word == "activated");
  CHECK(count(step, KeyState::retired) == 2);
  CHECK(count(step, KeyState::active) == 2);
  CHECK_FALSE(active_text(step.keys).starts_with(first));
  step = step_of(step.keys, plan, kStart + 98 * kDay, all);
  CHECK(step.removed.empty());
  step = step_of(step.keys, plan, kStart + 99 * kDay, all);
  CHECK(step.removed.size() == 2);
  CHECK(count(step, KeyState::retired) == 0);
}

TEST_CASE("keys that are made known are changed at once when that is wanted, and never when they are not published") {
  RotationPlan plan;
  plan.kinds = {mailauth::KeyKind::rsa};
  RotationStep step = step_of({}, plan, kStart, none);
  step = step_of(step.keys, plan, kStart, all);
  step = step_of(step.keys, plan, kStart, all);
  CHECK(step.word == "created");
  plan.at_once = true;
  CHECK(step_of(step.keys, plan, kStart, none).word == "waiting");
  step = step_of(step.keys, plan, kStart, all);
  CHECK(step.word == "activated");
  CHECK(count(step, KeyState::retired) == 1);
}

TEST_CASE("the list comes back as it was written; what is not understood is said") {
  std::string problem;
  std::vector<KeptKey> keys = step_of({}, {}, kStart, none).keys;
  auto back = read_keys(keys_text(keys), problem);
  REQUIRE(back);
  CHECK(keys_text(*back) == keys_text(keys));
  for (const char* bad : {"x", "s rsa next", "s rsa next 1 more", "s dsa next 1", "s rsa other 1", "a/b rsa next 1", "s rsa next one"}) CHECK_FALSE(read_keys(bad, problem));
  CHECK(problem.starts_with("line 1 is not"));
  CHECK(read_keys("", problem)->empty());
}

TEST_CASE("names of selectors are new") {
  std::vector<KeptKey> taken{{selector_name(kStart, mailauth::KeyKind::rsa, {}), mailauth::KeyKind::rsa, KeyState::active, 0}};
  CHECK(taken[0].selector == "20270115r");
  CHECK(selector_name(kStart, mailauth::KeyKind::rsa, taken) == "20270115r2");
  CHECK(selector_name(kStart, mailauth::KeyKind::ed25519, taken) == "20270115e");
}
