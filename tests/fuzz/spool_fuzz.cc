// Spool records. An even first octet: octets of a good segment are overwritten at places the input names; the spool still opens and every
// message whose record was not touched is read back. An odd one: the rest is the payload of a record with a right checksum, of the
// type the second octet names; nothing crashes.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>

#include "base/checksum.h"
#include "loop/scope.h"
#include "spool/message_reader.h"
#include "spool/power_cut_storage.h"
#include "spool/segment_reader.h"

namespace {

using namespace veredus;
using namespace veredus::spool_detail;

const std::string kSegment = "segments/00000001.log";

class Silent final : public SpoolObserver {
 public:
  void spool_event(SpoolEvent, std::string_view, std::string_view) override {}
};

struct Extent {
  uint64_t from = 0, to = 0;
};

Task<void> store_all(Loop& loop, LogSpool& spool) {
  for (uint64_t i = 1; i <= 4; ++i) {
    auto message = std::make_shared<Message>();
    message->envelope.id = MessageId{i << 30};
    message->envelope.recipients.resize(i % 2 + 1);
    message->content.head = "Subject: " + std::to_string(i) + "\r\n\r\n";
    message->content.memory = std::make_shared<const std::string>(i * 50, 'a');
    (void)co_await spool.store(loop, message);
    StateChange change{message->envelope.id, 0, {}};
    change.status.reply = "450 later";
    (void)co_await spool.record_now(loop, {change});
  }
  loop.stop();
}

// A sealed segment with four messages, and where each of them lies.
struct Good final : RecordVisitor {
  Good() {
    RealClock clock;
    Loop loop(clock);
    LogSpoolOptions options;
    options.segment_size = 8192;
    options.reserve = 0;
    {
      auto spool = LogSpool::open(storage, clock, options, silent);
      Scope scope(loop);
      scope.spawn(store_all(loop, **spool));
      loop.run();
    }
    format = storage.content("format");
    octets = storage.content(kSegment);
    mark = *decode_format(format);
    auto file = storage.open(kSegment, OpenMode::read);
    FileWindow window(**file, octets.size());
    scan_segment(window, 1, mark.salt, UINT64_MAX, *this);
    if (extents.size() != 4) std::abort();
    bodies = std::make_shared<BodyStore>(storage, real, mark.salt, 0);
  }
  void record(const RecordHeader& header, uint64_t offset, std::string_view) override {
    if (header.type == RecordType::message) extents[header.id] = {offset, offset + record_size(header.length)};
    if (header.type == RecordType::footer) footer = offset;
  }
  void damage(uint64_t, uint64_t) override { std::abort(); }

  RealClock real;
  PowerCutStorage storage;
  Silent silent;
  FormatMark mark;
  std::string format, octets;
  uint64_t footer = 0;
  std::map<MessageId, Extent> extents;
  std::shared_ptr<BodyStore> bodies;
};

Good& good() {
  static Good* one = new Good;  // its threads end with the process
  return *one;
}

void check(const std::string& segment, const std::map<MessageId, Extent>& untouched) {
  PowerCutStorage storage;
  storage.replace("format", good().format);
  storage.replace(kSegment, segment);
  Index index;
  auto found = recover(storage, good().mark, index, good().silent, Access::owner);
  if (!found) {
    if (!untouched.empty()) std::abort();
    return;
  }
  MessageReader reader(storage, index, good().mark.salt, good().silent, good().bodies);
  for (MessageId id : index.ids()) {
    (void)reader.describe(id);
    (void)reader.load(id);
  }
  for (const auto& [id, extent] : untouched) {
    auto message = reader.load(id);
    if (!message || (*message.value()).content.memory->size() != (id.value >> 30) * 50) std::abort();
  }
  // Sealing what was found leaves it readable.
  if (!seal_segment(storage, 1, good().mark.salt, UINT64_MAX)) return;
  Index again;
  if (!recover(storage, good().mark, again, good().silent, Access::owner)) std::abort();
  for (const auto& [id, extent] : untouched)
    if (!again.find(id)) std::abort();
}

void overwrite(const uint8_t* data, size_t size) {
  std::string segment = good().octets;
  auto untouched = good().extents;
  for (size_t i = 0; i + 3 <= size; i += 3) {
    size_t at = (data[i] | size_t{data[i + 1]} << 8) % segment.size();
    segment[at] = static_cast<char>(data[i + 2]);
    std::erase_if(untouched, [at](const auto& one) { return at >= one.second.from && at < one.second.to; });
  }
  check(segment, untouched);
}

void forge(const uint8_t* data, size_t size) {
  std::string payload(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string segment = good().octets.substr(0, good().footer);
  uint64_t id = (data[0] >> 4) % 8;
  auto header = encode_header({static_cast<RecordType>(data[0] % 10), 1, static_cast<uint32_t>(payload.size()), crc32(payload),
                               MessageId{id << 30}, 1}, good().mark.salt);
  segment.append(header.begin(), header.end());
  segment += payload;
  segment.resize(padded(segment.size()), '\0');
  if (data[0] % 10 == 6) segment += encode_trailer(1, good().footer, good().mark.salt);
  check(segment, {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  if (data[0] % 2 == 0)
    overwrite(data + 1, size - 1);
  else
    forge(data + 1, size - 1);
  return 0;
}
