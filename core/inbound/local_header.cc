// The header of locally submitted mail.
#include "inbound/local_header.h"

#include <algorithm>

#include "base/text.h"
#include "inbound/submission.h"
#include "mail/fixups.h"
#include "mail/headers.h"
#include "mail/mailbox_list.h"

namespace veredus {

namespace {

constexpr uint32_t kAtTheEnd = UINT32_MAX;
constexpr std::string_view kAddressFields[] = {"From", "Sender", "Reply-To", "To", "Cc", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc"};

// Finds where addresses without a domain end. One pass over a value that the parser of mailbox lists has accepted.
class Scanner {
 public:
  explicit Scanner(std::string_view value) : value_(value) {}

  std::vector<size_t> ends() {
    for (; at_ < value_.size(); ++at_) {
      char c = value_[at_];
      if (c == '(') skip_comment();
      else if (c == '"') skip_quoted();
      else if (c == ',' || c == ';') finish();
      else if (c == ':') forget();
      else if (c == '<') forget();
      else if (c == '[') at_ = std::min(value_.find(']', at_), value_.size());
      else if (c == '>') finish(), closed_ = true;
      else if (c == '@') domain_ = true;
      else if (static_cast<unsigned char>(c) > ' ') end_ = at_ + 1;
    }
    finish();
    return std::move(out_);
  }

 private:
  void skip_comment() {
    for (int depth = 0; at_ < value_.size(); ++at_) {
      if (value_[at_] == '\\') ++at_;
      else if (value_[at_] == '(') ++depth;
      else if (value_[at_] == ')' && --depth == 0) return;
    }
  }
  void skip_quoted() {
    for (++at_; at_ < value_.size() && value_[at_] != '"'; ++at_)
      if (value_[at_] == '\\') ++at_;
    end_ = std::min(at_ + 1, value_.size());
  }
  void finish() {
    if (end_ > 0 && !domain_ && !closed_) out_.push_back(end_);
    closed_ = false;
    forget();
  }
  void forget() {
    end_ = 0;
    domain_ = false;
  }

  std::string_view value_;
  size_t at_ = 0, end_ = 0;
  bool domain_ = false, closed_ = false;
  std::vector<size_t> out_;
};

bool lacks_domain(std::string_view value) {
  auto list = parse_mailbox_list(value);
  return list && std::any_of(list->begin(), list->end(), [](const Mailbox& mailbox) { return mailbox.domain.empty(); });
}

void qualify_fields(const HeaderBlock& block, std::string_view origin, std::vector<Edit>& out) {
  for (std::string_view name : kAddressFields)
    for (size_t occurrence = 1; const HeaderField* field = block.find(name, occurrence); ++occurrence) {
      std::string_view value = block.value(*field);
      if (!lacks_domain(value)) continue;
      std::string whole = qualified(value, origin);
      if (whole != value) out.push_back(ReplaceHeader{std::string(name), static_cast<uint32_t>(occurrence), std::string(trimmed(whole))});
    }
}

std::string from_value(const Envelope& envelope, const LocalHeaderRules& rules) {
  std::string address = with_domain(envelope.sender.empty() ? quoted_local(rules.user) : envelope.sender.text(), rules.origin);
  return rules.name.empty() ? address : display_name(rules.name) + " <" + address + ">";
}

}  // namespace

std::string qualified(std::string_view value, std::string_view origin) {
  std::vector<size_t> ends = Scanner(value).ends();
  std::string out(value);
  for (auto end = ends.rbegin(); end != ends.rend(); ++end) out.insert(*end, "@" + std::string(origin));
  auto before = parse_mailbox_list(value), after = parse_mailbox_list(out);
  return before && after && before->size() == after->size() && !lacks_domain(out) ? out : std::string(value);
}

Result<std::vector<Edit>> local_edits(std::string_view header, const Envelope& envelope, const LocalHeaderRules& rules, std::span<const Edit> wanted) {
  auto block = HeaderBlock::parse(header);
  if (!block) return block.error();
  auto edits = submission_edits(header, envelope, rules.hostname, wanted);
  if (!edits) return edits.error();
  std::vector<Edit> out;
  qualify_fields(*block, rules.origin, out);
  for (Edit& edit : *edits) {
    if (auto* insert = std::get_if<InsertHeader>(&edit); insert && insert->name == "From") insert->value = from_value(envelope, rules);
    out.push_back(std::move(edit));
  }
  for (const char* name : {"Return-Path", "Content-Length"})
    if (block->count(name) > 0) out.push_back(RemoveHeader{name, 0});
  bool only_bcc = block->count("Bcc") > 0 && block->count("To") == 0 && block->count("Cc") == 0;
  if (only_bcc) out.push_back(InsertHeader{kAtTheEnd, "To", "undisclosed-recipients:;"});
  return out;
}

}  // namespace veredus
