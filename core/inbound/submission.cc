// Reading the header of a submitted message.
#include "inbound/submission.h"

#include <algorithm>

#include "base/text.h"
#include "mail/fixups.h"
#include "mail/headers.h"
#include "mail/mailbox_list.h"

namespace veredus {

namespace {

constexpr uint32_t kAtTheEnd = UINT32_MAX;

bool added_by(std::span<const Edit> edits, std::string_view name) {
  return std::any_of(edits.begin(), edits.end(), [&](const Edit& edit) {
    const auto* insert = std::get_if<InsertHeader>(&edit);
    const auto* replace = std::get_if<ReplaceHeader>(&edit);
    return (insert && iequals(insert->name, name)) || (replace && iequals(replace->name, name));
  });
}

}  // namespace

Result<std::vector<Edit>> submission_edits(std::string_view header, const Envelope& envelope, std::string_view hostname, std::span<const Edit> wanted) {
  auto block = HeaderBlock::parse(header);
  if (!block) return block.error();
  std::vector<Edit> out;
  auto add = [&](std::string_view name, std::string value) {
    if (block->count(name) == 0 && !added_by(wanted, name)) out.push_back(InsertHeader{kAtTheEnd, std::string(name), std::move(value)});
  };
  for (const char* name : {"Bcc", "Resent-Bcc"})
    if (block->count(name) > 0) out.push_back(RemoveHeader{name, 0});
  std::string sender = envelope.sender.text();
  if (sender.empty()) sender = "MAILER-DAEMON";
  add("Date", rfc5322_date(envelope.arrived));
  add("From", with_domain(sender, hostname));
  add("Message-ID", message_id_of(envelope.id, hostname));
  return out;
}

Result<std::vector<std::string>> from_addresses(std::string_view header) {
  auto block = HeaderBlock::parse(header);
  if (!block) return block.error();
  if (block->count("From") != 1) return fail(Errc::invalid, block->count("From") == 0 ? "there is no From field" : "there are several From fields");
  auto list = parse_mailbox_list(block->value(*block->find("From")));
  if (!list) return list.error();
  std::vector<std::string> out;
  for (const Mailbox& mailbox : *list) out.push_back(mailbox.address());
  if (out.empty()) return fail(Errc::invalid, "the From field names nobody");
  return out;
}

}  // namespace veredus
