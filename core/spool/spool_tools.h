// What `veredus spool verify|list|export|import` do, without the daemon. Verify, list and export only read and may run beside it;
// import takes the spool's lock. Blocking; one thread.
#pragma once

#include <functional>

#include "spool/log_spool.h"

namespace veredus {

using SpoolLine = std::function<void(std::string_view)>;  // without a line end

struct VerifyReport {
  bool running = false;  // a daemon has the spool open: an unfinished tail is not a problem
  uint64_t segments = 0, records = 0, messages = 0, bodies = 0, octets = 0;
  uint64_t problems = 0;  // one line was given for each
};
// Compares every checksum of every record and body.
Result<VerifyReport> verify_spool(Storage& storage, SpoolLine line);

// Every unfinished message, oldest first; false stops.
Status list_spool(Storage& storage, std::function<bool(const StoredMessage&)> visit);

struct TransferReport {
  uint64_t messages = 0;
  uint64_t skipped = 0;  // export: could not be read; import: the id exists. One line was given for each
};
// One stream of everything unfinished: envelopes, results so far, octets. No bad message stops the rest.
Result<TransferReport> export_spool(Storage& storage, std::function<Status(std::string_view)> write, SpoolLine line);

// `read` gives at most `most` octets, none at the end. Ids are kept. Errc::corrupt when the stream is damaged or cut: what came
// before is stored.
Result<TransferReport> import_spool(Storage& storage, const Clock& clock, LogSpoolOptions options,
                                    std::function<Result<std::string>(size_t most)> read, SpoolLine line);

}  // namespace veredus
