// From the queue's callback to the hooks.
#include "outbound/finished_stage.h"

namespace veredus {

void FinishedStage::note(const FinishedRecipient& finished) {
  if (!runner_.any(Stage::finished)) return;
  if (noted_.empty()) runner_.pending().loop().post_call([this] { tell_all(); });
  Noted out;
  bool same = !noted_.empty() && noted_.back().envelope->id == finished.envelope.id;
  out.envelope = same ? noted_.back().envelope : std::make_shared<const Envelope>(finished.envelope);
  out.recipient = finished.recipient;
  out.state = finished.state;
  out.destination = finished.destination;
  out.remote = finished.remote;
  out.reply = finished.reply;
  noted_.push_back(std::move(out));
}

void FinishedStage::tell_all() {
  std::vector<Noted> now = std::exchange(noted_, {});
  for (const Noted& one : now) {
    Subject subject;
    subject.origin = &one.envelope->origin;
    subject.envelope = one.envelope.get();
    subject.recipient = &one.envelope->recipients[one.recipient];
    subject.recipient_index = one.recipient;
    subject.reply = &one.reply;
    subject.destination = one.destination;
    subject.remote = one.remote;
    subject.state = state_name(one.state);
    runner_.tell(Stage::finished, subject);
  }
}

}  // namespace veredus
