// Deciding a hook call that may need tables: at once when everything is known, else after the look-ups, with a kept view. Loop threads.
#ifndef VEREDUS_PLUGINS_COMMON_DECIDE_HPP
#define VEREDUS_PLUGINS_COMMON_DECIDE_HPP

#include <functional>
#include <memory>
#include <optional>

#include "common/answers.hpp"

namespace common {

/** What came of a hook call: the answer, and the wanted changes. */
struct Decision {
  vrd::Verdict verdict;
  std::function<void(vrd::Edits&)> edits;
};

/** How long one look-up may take, and all that one hook call needs. */
constexpr vrd::milliseconds kLookUp{5'000}, kAllLookUps{30'000};

namespace detail {

/** A decision that waits for tables. Owned by the callbacks it waits for. */
template <class Walk>
struct Waiting {
  Waiting(const vrd::Host& with, vrd::KeptView kept, vrd::Pending token, std::shared_ptr<Answers> known, Walk how)
      : host(with), view(std::move(kept)), pending(std::move(token)), answers(std::move(known)), walk(std::move(how)) {}
  const vrd::Host& host;
  vrd::KeptView view;
  vrd::Pending pending;
  std::shared_ptr<Answers> answers;
  Walk walk;

  static void go_on(const std::shared_ptr<Waiting>& self) {
    self->answers->fetch(self->host, kLookUp, [self] {
      std::optional<Decision> decision = self->walk(self->view, *self->answers);
      if (!decision) return go_on(self);  // each round answers a row that was not known, so this ends
      vrd::OwnEdits edits;
      if (decision->edits) {
        edits = self->pending.edits();
        decision->edits(edits);
      }
      self->pending.answer(decision->verdict, std::move(edits));
    });
  }
};

}  // namespace detail

/** `walk(view, answers)` gives a Decision, or nothing when rows are wanted; it is then called again, from the start, when they are there. */
template <class Walk>
vrd::Verdict decide(const vrd::Host& host, vrd::Call& call, Walk walk) {
  auto answers = std::make_shared<Answers>();
  std::optional<Decision> decision = walk(static_cast<const vrd::View&>(call), *answers);
  if (!decision) {
    using Job = detail::Waiting<Walk>;
    Job::go_on(std::make_shared<Job>(host, call.keep(), call.defer(kAllLookUps), std::move(answers), std::move(walk)));
    return vrd::later();
  }
  if (decision->edits) {
    vrd::Edits edits = call.edits();
    decision->edits(edits);
  }
  return decision->verdict;
}

}  // namespace common
#endif
