#include "outgoing.h"

#include "mailauth/dmarc/author.h"

namespace mail_dkim {

bool is_ours(const vrd::View& view, const Options& options) {
  const std::string_view role = view.text(VRD_ATTR_LISTENER_ROLE), protocol = view.text(VRD_ATTR_PROTOCOL);
  if (view.has(VRD_ATTR_AUTH_ACCOUNT) || role == "submission" || role == "relay") return true;
  if (protocol == "internal" || protocol == "local") return true;
  return role != "lmtp" && options.trusts(view.text(VRD_ATTR_CLIENT_ADDRESS));
}

Owner owner_of(std::string_view header, std::string_view sender_domain, bool sender_fallback) {
  const mailauth::HeaderBlock block = mailauth::read_header(header);
  std::vector<std::string_view> values;
  for (const mailauth::Field& field : block.fields)
    if (mailauth::same_name(field.name, "From")) values.push_back(field.value);
  const mailauth::Author author = mailauth::read_author(values);
  using State = mailauth::AuthorState;
  if ((author.state == State::one || author.state == State::several) && !author.domains.empty()) return {author.domains.front(), {}};
  if (author.state == State::absent || author.state == State::repeated) return {{}, author.problem};
  std::string sender = sender_fallback ? mailauth::domain_of(sender_domain) : std::string();
  return {sender, sender.empty() ? author.problem : std::string()};
}

void each_piece(const vrd::View& view, uint64_t from, const Take& take) {
  constexpr size_t kPiece = 131'072;
  const uint64_t end = view.size();
  while (from < end) {
    const std::string piece = view.read(from, kPiece);
    if (piece.empty()) throw vrd::Error(VRD_E_IO, "the message is shorter than it was");
    take(piece);
    from += piece.size();
  }
}

std::vector<mailauth::NewField> SignJob::run() const {
  const uint64_t begin = view.body_start();
  return engine->sign({header, [&](const Take& take) { each_piece(view, begin, take); }}, options, keys->keys);
}

bool SignJob::is_heavy() const {
  if (view.size() > kLight) return true;
  uint32_t cost = 0;  // of RSA keys of 2048 bits
  for (const mailauth::SigningKey& key : keys->keys)
    if (key.key->kind() == mailauth::KeyKind::rsa) cost += key.key->bits() > 2'048 ? 4 : 1;
  return cost > 1;
}

}  // namespace mail_dkim
