#include "mailauth/dkim/key_record.h"

#include "mailauth/base/header_block.h"
#include "mailauth/base/tag_list.h"

namespace mailauth {

namespace {

// Is the word in a list "a : b"? Case does not matter.
bool listed(std::string_view list, std::string_view word) {
  std::string packed = without_space(list);
  std::string_view rest = packed;
  while (true) {
    size_t end = rest.find(':');
    if (same_name(rest.substr(0, end), word)) return true;
    if (end == std::string_view::npos) return false;
    rest.remove_prefix(end + 1);
  }
}

std::string read_key(const std::vector<Tag>& tags, KeyRecord& out) {
  const Tag* kind = find_tag(tags, "k");
  if (kind && same_name(kind->value, "ed25519")) out.kind = KeyKind::ed25519;
  else if (kind && !same_name(kind->value, "rsa")) return "has a kind of key that is not known";
  const Tag* octets = find_tag(tags, "p");
  if (!octets) return "has no p=";
  out.revoked = octets->value.empty();
  if (out.revoked) return "is revoked";
  auto decoded = decode_base64(octets->value);
  if (!decoded) return "has a p= that is not base64";
  out.key = PublicKey::read(out.kind, *decoded);
  return out.key ? "" : "has a p= that holds no key of its kind";
}

}  // namespace

KeyRecord read_key_record(std::string_view text) {
  KeyRecord out;
  auto tags = parse_tags(text);
  if (!tags) {
    out.problem = "is no list of tags";
    return out;
  }
  const Tag* version = find_tag(*tags, "v");
  if (version && (version->value != "DKIM1" || version != tags->data())) {
    out.problem = "has another version than DKIM1, or not at its beginning";
    return out;
  }
  if (const Tag* flags = find_tag(*tags, "t")) out.testing = listed(flags->value, "y"), out.strict = listed(flags->value, "s");
  if (const Tag* service = find_tag(*tags, "s")) out.for_mail = listed(service->value, "email") || listed(service->value, "*");
  if (const Tag* hashes = find_tag(*tags, "h")) out.sha256 = listed(hashes->value, "sha256");
  if (const Tag* notes = find_tag(*tags, "n")) out.notes = std::string(notes->value);
  out.problem = read_key(*tags, out);
  if (out.problem.empty() && !out.for_mail) out.problem = "is not for mail (s=)";
  if (out.problem.empty() && !out.sha256) out.problem = "does not allow sha256 (h=)";
  return out;
}

FoundKey key_of(const vrd::DnsResult& answer) {
  FoundKey out;
  if (!answer.ok()) {
    out.temporary = true;
    out.problem = answer.bogus ? "the key's record has a wrong DNSSEC signature" : "the key cannot be looked up now";
    return out;
  }
  size_t records = 0;
  for (const vrd::DnsRecord& record : answer.records) {
    if (record.type != VRD_DNS_TXT) continue;
    ++records;
    // Of several the first that can be used: what else is at the name is not ours to judge.
    if (records > 1 && out.record.problem.empty()) continue;
    KeyRecord read = read_key_record(record.text);
    if (records > 1 && !read.problem.empty()) continue;
    out.record = std::move(read);
    out.text = record.text;
  }
  if (records == 0) out.problem = answer.nxdomain ? "there is no such key: the name does not exist" : "there is no such key: the name has no TXT record";
  else if (!out.record.problem.empty()) out.problem = "the key's record " + out.record.problem;
  return out;
}

std::string key_record_text(const PrivateKey& key) {
  return std::string("v=DKIM1; k=") + (key.kind() == KeyKind::rsa ? "rsa" : "ed25519") + "; p=" + encode_base64(key.public_octets());
}

}  // namespace mailauth
