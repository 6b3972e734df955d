// Header blocks: positions cover the block without gaps, an untouched editor gives the same octets, a made
// field stays one field, submitted headers can be mended twice without change, and no address list or report
// breaks its reader.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mail/dsn.h"
#include "mail/fixups.h"
#include "mail/headers.h"
#include "mail/mailbox_list.h"
#include "mail/trace.h"

using namespace veredus;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_positions(const HeaderBlock& block) {
  size_t at = 0;
  for (const HeaderField& field : block.fields()) {
    require(field.begin == at && field.value_begin >= field.begin && field.end > field.begin &&
            field.value_begin <= field.end);
    at = field.end;
    (void)parse_mailbox_list(block.value(field));
  }
  require(at + block.end_line().size() == block.size());
}

void check_made_field(std::string_view value) {
  auto field = make_field("X-Made", value);
  require(field.ok());
  auto block = HeaderBlock::parse(*field);
  require(!block || (block->fields().size() == 1 && block->end_line().empty()));
}

void check_mending(std::string_view header) {
  FixupOptions options;
  options.hostname = "mx.test";
  auto once = mend_header(header, options);
  if (!once) return;
  auto twice = mend_header(*once, options);
  require(!twice || *twice == *once);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto block = HeaderBlock::parse(text);
  if (block) {
    check_positions(*block);
    std::string same = HeaderEditor(*block).text();
    require(block->end_line().empty() || same == block->text());
    check_mending(block->text());
  }
  check_made_field(text);
  (void)count_received(text, 100);
  (void)parse_dsn(text);
  return 0;
}
