#include "mailauth/dkim/sign.h"

#include <algorithm>

#include "mailauth/dkim/signature.h"

namespace mailauth {

namespace {

constexpr size_t kWidth = 76;

bool has_name(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& each) { return same_name(each, name); });
}

// "a:b:c" broken at colons.
std::string folded_names(const std::vector<std::string>& names) {
  std::string out;
  size_t column = 3;
  for (const std::string& name : names) {
    bool first = out.empty();
    if (!first && column + name.size() + 1 > kWidth) {
      out += ":\r\n\t ";
      column = 2;
    } else if (!first) {
      out += ':';
    }
    out += name;
    column += name.size() + 1;
  }
  return out;
}

std::string folded_base64(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size(); at += kWidth - 4) {
    if (at > 0) out += "\r\n\t ";
    out += text.substr(at, kWidth - 4);
  }
  return out;
}

}  // namespace

const std::vector<std::string>& usually_oversigned() {
  static const std::vector<std::string> the{"From", "To", "Subject", "Date", "Message-ID", "Content-Type"};
  return the;
}

const std::vector<std::string>& usually_signed() {
  static const std::vector<std::string> the{"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
                                            "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-ID", "Content-Description",
                                            "Resent-Date", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Message-ID",
                                            "List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe", "List-Post", "List-Owner",
                                            "List-Archive", "Feedback-ID"};
  return the;
}

std::vector<std::string> names_to_sign(const HeaderBlock& block, const SignOptions& options) {
  std::vector<std::string> out;
  auto count = [&](const std::string& name) {
    return std::count_if(block.fields.begin(), block.fields.end(), [&](const Field& field) { return same_name(field.name, name); });
  };
  for (const std::string& name : options.names)
    for (auto left = count(name) + (has_name(options.oversigned, name) ? 1 : 0); left > 0; --left) out.push_back(name);
  for (const std::string& name : options.oversigned)
    if (!has_name(options.names, name)) out.insert(out.end(), static_cast<size_t>(count(name)) + 1, name);
  return out;
}

Signer::Covered Signer::cover(const HeaderBlock& block) const {
  Covered out{names_to_sign(block, options_), {}};
  std::string text;
  for (const Field* field : signed_fields(block, out.names)) {
    append_canonical(options_.header_form, *field, text);
    text += "\r\n";
  }
  out.hash.add(text);
  return out;
}

std::string with_signature(std::string name, std::string value, Canonical form, Sha256 hash, const PrivateKey& key) {
  std::string whole = name + ": " + value;
  Field field{std::string_view(whole).substr(0, name.size()), std::string_view(whole).substr(name.size() + 1), whole};
  std::string text;
  append_canonical(form, field, text);
  hash.add(text);
  std::string signature = key.sign(hash.finish());
  return signature.empty() ? std::string() : value + folded_base64(encode_base64(signature));
}

NewField Signer::make(std::string name, const std::string& lead, const SigningKey& key, const Covered& covered, const std::string& body_hash) const {
  std::string value = lead + "; a=" + std::string(algorithm_of(key.key->kind())) + "; c=" + std::string(canonical_word(options_.header_form)) + "/" +
                      std::string(canonical_word(options_.body_form)) + ";\r\n\td=" + key.domain + "; s=" + key.selector + ";";
  if (!options_.identity.empty()) value += " i=" + options_.identity + ";";
  if (options_.now > 0) value += "\r\n\tt=" + std::to_string(options_.now) + ";";
  if (options_.now > 0 && options_.lifetime) value += " x=" + std::to_string(options_.now + *options_.lifetime) + ";";
  value += "\r\n\th=" + folded_names(covered.names) + ";\r\n\tbh=" + body_hash + ";\r\n\tb=";
  value = with_signature(name, std::move(value), options_.header_form, covered.hash, *key.key);
  return {std::move(name), std::move(value)};
}

std::vector<NewField> Signer::finish(const HeaderBlock& block, std::span<const SigningKey> keys) {
  std::string body_hash = encode_base64(body_.finish());
  Covered covered = cover(block);
  std::vector<NewField> out;
  for (const SigningKey& key : keys) out.push_back(make("DKIM-Signature", "v=1", key, covered, body_hash));
  return out;
}

NewField Signer::finish_arc(const HeaderBlock& block, const SigningKey& key, uint32_t instance) {
  std::string body_hash = encode_base64(body_.finish());
  Covered covered = cover(block);
  return make("ARC-Message-Signature", "i=" + std::to_string(instance), key, covered, body_hash);
}

}  // namespace mailauth
