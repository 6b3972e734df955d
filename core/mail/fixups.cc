// Fix-ups of submitted header blocks.
#include "mail/fixups.h"

#include "mail/mailbox_list.h"

namespace veredus {

namespace {

std::string from_value(const FixupOptions& options) {
  std::string address = options.sender.text();
  if (options.sender.empty())
    address = "MAILER-DAEMON@" + options.hostname;
  else if (options.sender.domain().empty())
    address += "@" + options.hostname;
  if (options.sender_name.empty()) return address;
  return display_name(options.sender_name) + " <" + address + ">";
}

Status add_missing(HeaderEditor& editor, std::string_view name, const std::string& value) {
  if (editor.has(name)) return {};
  return editor.append(name, value);
}

void remove_all(HeaderEditor& editor, std::string_view name) {
  for (size_t left = editor.count(name); left > 0; --left)
    if (!editor.remove(name, left)) return;
}

}  // namespace

std::string message_id_of(MessageId id, std::string_view hostname) {
  return "<" + id.text() + "@" + std::string(hostname) + ">";
}

Result<std::string> mend_header(std::string_view header_block, const FixupOptions& options) {
  auto block = HeaderBlock::parse(header_block, options.limits);
  if (!block) return block.error();
  HeaderEditor editor(*block);
  remove_all(editor, "Bcc");
  remove_all(editor, "Resent-Bcc");
  if (auto added = add_missing(editor, "Date", rfc5322_date(options.now)); !added) return added.error();
  if (auto added = add_missing(editor, "From", from_value(options)); !added) return added.error();
  if (auto added = add_missing(editor, "Message-ID", message_id_of(options.id, options.hostname)); !added)
    return added.error();
  return editor.text();
}

}  // namespace veredus
