// Which recipients of a message are forwarded: mail from outside that leaves again for outside. One decision, on one loop.
#pragma once

#include <string_view>
#include <vector>

#include "srs/settings.h"

namespace srs {

// Whether a message may be rewritten at all: its sender is somebody elsewhere, and no account of ours sent it.
bool from_elsewhere(const Options& options, const vrd::View& view);

struct Parted {
  std::vector<uint32_t> forwarded, others;
  bool waits = false;   // tables must be asked first
  bool failed = false;  // it cannot be decided now; `why` says it
  std::string why;
};

Parted part(const Options& options, const vrd::View& view, common::Answers& answers);

}  // namespace srs
