// Recipients of a submission.
#include "sendmail/recipients.h"

#include <unordered_set>

#include "base/text.h"
#include "mail/address.h"
#include "mail/headers.h"
#include "mail/mailbox_list.h"

namespace veredus {

namespace {

constexpr std::string_view kFields[] = {"To", "Cc", "Bcc"};
constexpr std::string_view kResent[] = {"Resent-To", "Resent-Cc", "Resent-Bcc"};

class List {
 public:
  Status add(std::string_view text, std::string_view where) {
    auto mailboxes = parse_mailbox_list(text);
    if (!mailboxes) return fail(Errc::invalid, std::string(where) + ": '" + printable(text, 80) + "' cannot be read: " + mailboxes.error().text);
    for (const Mailbox& mailbox : *mailboxes) {
      std::string address = mailbox.address();
      if (Status legal = check(mailbox, address, where); !legal) return legal;
      if (!seen_.insert(key_of(mailbox)).second) continue;
      order_.push_back({key_of(mailbox), std::move(address)});
    }
    return order_.size() > kMostRecipients ? Status(fail(Errc::invalid, "more than " + std::to_string(kMostRecipients) + " recipients")) : Status();
  }

  std::vector<std::string> without(const List* taken_away) const {
    std::vector<std::string> out;
    for (const auto& [key, address] : order_)
      if (!taken_away || !taken_away->seen_.contains(key)) out.push_back(address);
    return out;
  }

 private:
  static std::string key_of(const Mailbox& mailbox) { return mailbox.local + "@" + lowered(mailbox.domain); }
  static Status check(const Mailbox& mailbox, const std::string& address, std::string_view where) {
    auto legal = Address::parse(mailbox.domain.empty() ? address + "@x.invalid" : address);
    return legal ? Status() : Status(fail(Errc::invalid, std::string(where) + ": '" + printable(address, 80) + "': " + legal.error().text));
  }

  std::unordered_set<std::string> seen_;
  std::vector<std::pair<std::string, std::string>> order_;  // key, as spelled
};

Status add_fields(List& list, const HeaderBlock& block, std::span<const std::string_view> names) {
  for (std::string_view name : names)
    for (size_t occurrence = 1; const HeaderField* field = block.find(name, occurrence); ++occurrence)
      if (Status added = list.add(block.value(*field), name); !added) return added;
  return {};
}

// Who sends a message again names the new recipients in fields of their own; the old ones have it.
Status add_header(List& list, std::string_view header) {
  auto block = HeaderBlock::parse(header);
  if (!block) return block.error();
  bool resent = false;
  for (std::string_view name : kResent) resent = resent || block->count(name) > 0;
  return resent ? add_fields(list, *block, kResent) : add_fields(list, *block, kFields);
}

}  // namespace

Result<std::vector<std::string>> find_recipients(const std::vector<std::string>& arguments, std::string_view header, const RecipientRules& rules) {
  List given, all;
  for (const std::string& argument : arguments)
    for (List* list : {&given, &all}) {
      bool wanted = list == &given || !rules.subtract || !rules.extract;
      if (!wanted) continue;
      if (Status added = list->add(argument, "arguments"); !added) return added.error();
    }
  if (!rules.extract) return given.without(nullptr);
  if (Status added = add_header(all, header); !added) return added.error();
  return all.without(rules.subtract ? &given : nullptr);
}

Result<std::string> read_sender(std::string_view text) {
  text = trimmed(text);
  if (text.empty() || text == "<>") return std::string();
  auto list = parse_mailbox_list(text);
  if (!list) return fail(Errc::invalid, "the sender '" + printable(text, 80) + "' cannot be read: " + list.error().text);
  if (list->size() != 1) return fail(Errc::invalid, "the sender '" + printable(text, 80) + "' is not one address");
  std::string address = list->front().address();
  auto legal = Address::parse(list->front().domain.empty() ? address + "@x.invalid" : address);
  if (!legal) return fail(Errc::invalid, "the sender '" + printable(text, 80) + "': " + legal.error().text);
  return address;
}

std::string without_bcc(std::string_view header) {
  auto block = HeaderBlock::parse(header);
  if (!block) return std::string(header);
  std::string out;
  for (const HeaderField& field : block->fields())
    if (!iequals(block->name(field), "Bcc") && !iequals(block->name(field), "Resent-Bcc")) out += block->whole(field);
  return out;
}

}  // namespace veredus
