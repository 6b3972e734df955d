// Slots: stale handles find nothing.
#include "base/slots.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

using namespace veredus;

TEST_CASE("a stale handle finds nothing, also when its slot is used again") {
  Slots<std::unique_ptr<std::string>> slots;
  SlotHandle first = slots.insert(std::make_unique<std::string>("a"));
  CHECK(**slots.find(first) == "a");
  CHECK(slots.take(first).has_value());
  CHECK(slots.find(first) == nullptr);
  SlotHandle second = slots.insert(std::make_unique<std::string>("b"));
  CHECK(slots.find(first) == nullptr);
  CHECK(!slots.take(first).has_value());
  CHECK(**slots.find(second) == "b");
  CHECK(slots.size() == 1);
  CHECK(slots.find(SlotHandle{}) == nullptr);
}
