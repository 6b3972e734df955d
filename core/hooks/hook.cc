// Views and the order of hooks.
#include "hooks/hook.h"

#include <algorithm>
#include <tuple>
#include <typeinfo>

#include "hooks/edits.h"
#include "hooks/stage_table.h"

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

HookView::HookView(Stage stage, const Subject& subject, std::span<const Edit> earlier)
    : stage_(stage),
      origin_(copied(subject.origin)),
      envelope_(copied(subject.envelope)),
      content_(copied(subject.content)),
      original_(copied(subject.original)),
      recipient_(copied(subject.recipient)),
      reply_(copied(subject.reply)),
      recipient_index_(subject.recipient_index),
      destination_(subject.destination),
      remote_(subject.remote),
      state_(subject.state),
      header_(subject.header),
      chunk_(subject.chunk),
      outbound_tls_(copied(subject.outbound_tls)),
      attempts_(subject.attempts),
      declared_size_(subject.declared_size),
      last_(subject.last) {
  if (subject.connection_notes) connection_notes_ = *subject.connection_notes;
  if (subject.auth_results) auth_results_ = *subject.auth_results;
  take_auth_results(auth_results_, earlier);
}

Subject HookView::subject() const {
  Subject out;
  out.origin = pointer(origin_);
  out.envelope = pointer(envelope_);
  out.content = pointer(content_);
  out.original = pointer(original_);
  out.recipient = pointer(recipient_);
  out.recipient_index = recipient_index_;
  out.reply = pointer(reply_);
  out.destination = destination_;
  out.remote = remote_;
  out.outbound_tls = pointer(outbound_tls_);
  out.attempts = attempts_;
  out.declared_size = declared_size_;
  out.state = state_;
  out.header = header_;
  out.chunk = chunk_;
  out.last = last_;
  out.connection_notes = &connection_notes_;
  out.auth_results = &auth_results_;
  return out;
}

std::shared_ptr<const HookView> HookCall::view() {
  if (!view_) view_ = std::make_shared<const HookView>(stage(), subject_, earlier_);
  return view_;
}

PendingToken HookCall::defer(Millis timeout) {
  if (!may_defer_ || pending_) return 0;
  if (info_->timeout_ms > 0) timeout = std::min(timeout, Millis(info_->timeout_ms));
  auto pending = std::make_unique<PendingCall>(table_);
  PendingToken token = pending->open(timeout);
  if (token != 0) pending_ = std::move(pending);
  return token;
}

void HookCall::emit(std::string_view octets) {
  if (stage_info(stage()).kind != StageKind::stream) emit_problem_ = "octets emitted at a stage without a body";
  if ((info_->may & kMayBody) == 0) emit_problem_ = "octets emitted without the right";
  if (octets.size() > kMostEmitted - emitted_.size()) emit_problem_ = "too many octets emitted";
  if (emit_problem_.empty()) emitted_.append(octets);
}

HookStats HookCounters::snapshot() const {
  auto read = [](const Cell& cell) { return cell.load(std::memory_order_relaxed); };
  HookStats out;
  out.calls = read(calls_);
  out.nanos = read(nanos_);
  out.faults = read(faults_);
  out.timeouts = read(timeouts_);
  out.slow = read(slow_);
  out.edits_refused = read(edits_refused_);
  for (size_t i = 0; i < kActionCount; ++i) out.answers[i] = read(answers_[i]);
  for (size_t i = 0; i < HookStats::kBuckets; ++i) out.histogram[i] = read(histogram_[i]);
  return out;
}

const Notes& Subject::notes() const {
  static const Notes kNothing;
  if (envelope) return envelope->notes;
  return connection_notes ? *connection_notes : kNothing;
}

HookSet::HookSet(std::vector<std::shared_ptr<Hook>> hooks, uint64_t generation) : generation_(generation) {
  std::stable_sort(hooks.begin(), hooks.end(), before);
  for (std::shared_ptr<Hook>& hook : hooks) {
    size_t stage = stage_index(hook->info().stage);
    needs_[stage] |= hook->info().needs;
    may_[stage] |= hook->info().may;
    may_all_ |= hook->info().may;
    stages_[stage].push_back(std::move(hook));
    const Hook &first = *stages_[stage].front(), &last = *stages_[stage].back();
    uniform_[stage] = typeid(first) == typeid(last) && (stages_[stage].size() == 1 || uniform_[stage]);
  }
}

}  // namespace veredus
