// One event of the log for each that the spool knows.
#include "main/spool_events.h"

#include "log/events.h"

namespace veredus {

namespace {

const EventDef& event_of(SpoolEvent event) {
  switch (event) {
    case SpoolEvent::opened: return events::kSpoolOpened;
    case SpoolEvent::created: return events::kSpoolCreated;
    case SpoolEvent::torn_tail: return events::kSpoolTornTail;
    case SpoolEvent::damaged: return events::kSpoolDamaged;
    case SpoolEvent::missing: return events::kSpoolMissing;
    case SpoolEvent::unknown_record: return events::kSpoolUnknownRecord;
    case SpoolEvent::full: return events::kSpoolFull;
    case SpoolEvent::space_again: return events::kSpoolSpaceAgain;
    case SpoolEvent::write_failed: return events::kSpoolWriteFailed;
    case SpoolEvent::read_failed: return events::kSpoolReadFailed;
    case SpoolEvent::compacted: return events::kSpoolCompacted;
    case SpoolEvent::segment_removed: return events::kSpoolSegmentRemoved;
    case SpoolEvent::orphan_removed: return events::kSpoolOrphanRemoved;
    case SpoolEvent::slow: return events::kSpoolSlow;
  }
  return events::kSpoolDamaged;
}

}  // namespace

void SpoolEvents::spool_event(SpoolEvent event, std::string_view file, std::string_view detail) {
  std::lock_guard lock(mutex_);
  log_.write(event_of(event), {{"file", file}, {"detail", detail}});
  log_.flush();
}

}  // namespace veredus
