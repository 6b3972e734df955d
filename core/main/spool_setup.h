// What errors of the spool are to a caller, in the codes of sysexits.h; and the spool's options from the settings. Any thread.
#pragma once

#include <sysexits.h>

#include "config/settings.h"
#include "spool/log_spool.h"

namespace veredus {

inline int exit_code_for(Errc code) {
  switch (code) {
    case Errc::busy: return EX_TEMPFAIL;
    case Errc::unsupported: return EX_CONFIG;
    case Errc::corrupt: return EX_DATAERR;
    case Errc::not_found: return EX_NOUSER;
    case Errc::no_space:
    case Errc::refused: return EX_CANTCREAT;
    default: return EX_IOERR;
  }
}

inline LogSpoolOptions spool_options(const SpoolSettings& settings) {
  LogSpoolOptions out;
  out.segment_size = settings.segment_size;
  out.inline_size = settings.inline_size;
  out.reserve = settings.reserve;
  out.sync_delay = settings.sync_delay;
  return out;
}

}  // namespace veredus
