// Views and the order of hooks.
#include "hooks/hook.h"

#include <algorithm>
#include <tuple>

namespace veredus {

namespace {

template <typename T>
std::optional<T> copied(const T* object) {
  return object ? std::optional<T>(*object) : std::nullopt;
}

template <typename T>
const T* pointer(const std::optional<T>& object) {
  return object ? &*object : nullptr;
}

bool before(const std::shared_ptr<Hook>& a, const std::shared_ptr<Hook>& b) {
  const HookInfo& x = a->info();
  const HookInfo& y = b->info();
  return std::tie(x.fragment, x.order, x.plugin) < std::tie(y.fragment, y.order, y.plugin);
}

}  // namespace

HookView::HookView(Stage stage, const Subject& subject)
    : stage_(stage),
      origin_(copied(subject.origin)),
      envelope_(copied(subject.envelope)),
      content_(copied(subject.content)),
      recipient_(copied(subject.recipient)),
      reply_(copied(subject.reply)),
      recipient_index_(subject.recipient_index),
      destination_(subject.destination),
      state_(subject.state),
      header_(subject.header) {}

Subject HookView::subject() const {
  Subject out;
  out.origin = pointer(origin_);
  out.envelope = pointer(envelope_);
  out.content = pointer(content_);
  out.recipient = pointer(recipient_);
  out.recipient_index = recipient_index_;
  out.reply = pointer(reply_);
  out.destination = destination_;
  out.state = state_;
  out.header = header_;
  return out;
}

std::shared_ptr<const HookView> HookCall::view() {
  if (!view_) view_ = std::make_shared<const HookView>(stage_, subject_);
  return view_;
}

HookSet::HookSet(std::vector<std::shared_ptr<Hook>> hooks, uint64_t generation) : generation_(generation) {
  std::stable_sort(hooks.begin(), hooks.end(), before);
  for (std::shared_ptr<Hook>& hook : hooks) {
    size_t stage = stage_index(hook->info().stage);
    needs_[stage] |= hook->info().needs;
    stages_[stage].push_back(std::move(hook));
  }
}

}  // namespace veredus
