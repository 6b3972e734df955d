// The engine on libopendkim. It keeps to what is read and decided in mailauth/dkim (limits, syntax, keys, policy) and lets the library compute:
// canonical forms, hashes, signatures. In front of each fault of the library that is known stands a guard; README.md lists them.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

#include <sys/types.h>

#define _Bool bool  // the header is C
#include <opendkim/dkim.h>
#undef _Bool

#include "engine.h"

namespace mail_dkim {

namespace {

using mailauth::Canonical;
using mailauth::Field;
using mailauth::KeyKind;

constexpr size_t kLongestNames = 3'000;  // of h=: the library leaves names out of longer ones without a word
constexpr size_t kLongestRecord = 1'000;  // it cuts longer ones

struct Close {
  void operator()(DKIM_LIB* it) const { dkim_close(it); }
  void operator()(DKIM* it) const { dkim_free(it); }
};
using Library = std::unique_ptr<DKIM_LIB, Close>;
using Handle = std::unique_ptr<DKIM, Close>;

unsigned char* octets_of(const std::string& text) { return const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(text.data())); }
dkim_canon_t form_of(Canonical form) { return form == Canonical::simple ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED; }

template <class T>
void set(DKIM_LIB* library, dkim_opts_t option, T value) {
  dkim_options(library, DKIM_OP_SETOPT, option, &value, sizeof value);
}

// Records of keys that were looked up before, by the names of the keys.
using Records = std::map<std::string, std::string>;

DKIM_CBSTAT find_record(DKIM* handle, DKIM_SIGINFO* signature, u_char* buffer, size_t size) {
  const auto* records = static_cast<const Records*>(dkim_get_user_context(handle));
  std::string name = std::string(reinterpret_cast<const char*>(dkim_sig_getselector(signature))) + "._domainkey." + reinterpret_cast<const char*>(dkim_sig_getdomain(signature));
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  auto place = records ? records->find(name) : Records::const_iterator();
  if (!records || place == records->end() || place->second.size() >= size) return DKIM_CBSTAT_NOTFOUND;
  std::memcpy(buffer, place->second.c_str(), place->second.size() + 1);
  return DKIM_CBSTAT_CONTINUE;
}

Library new_library(int64_t now) {
  Library out(dkim_init(nullptr, nullptr));
  if (!out) throw std::bad_alloc();
  set(out.get(), DKIM_OPTS_FIXEDTIME, static_cast<uint64_t>(now));
  dkim_set_key_lookup(out.get(), find_record);
  return out;
}

// The body, with the line end at its end that the library wants.
class Feed {
 public:
  explicit Feed(DKIM* handle) : handle_(handle) {}
  void add(std::string_view piece) {
    if (piece.empty()) return;
    std::string copy(piece);  // the library takes no constant octets
    good_ = good_ && dkim_body(handle_, octets_of(copy), copy.size()) == DKIM_STAT_OK;
    last_two_ += copy.substr(copy.size() - std::min<size_t>(2, copy.size()));
    if (last_two_.size() > 2) last_two_.erase(0, last_two_.size() - 2);
    any_ = true;
  }
  bool end() {
    if (any_ && last_two_ != "\r\n") add(last_two_.ends_with('\r') ? "\n" : "\r\n");
    return good_;
  }

 private:
  DKIM* handle_;
  bool good_ = true, any_ = false;
  std::string last_two_;
};

// A field of no octets aborts the process; names are printable by what read_header() says.
bool add_fields(DKIM* handle, std::span<const Field* const> fields) {
  for (const Field* field : fields) {
    if (field->whole.empty()) continue;
    std::string copy(field->whole);
    if (dkim_header(handle, octets_of(copy), copy.size()) != DKIM_STAT_OK) return false;
  }
  return true;
}

class OpendkimVerifier : public mailauth::Verifier {
 public:
  OpendkimVerifier(std::string_view header, const mailauth::DkimPolicy& policy, int64_t now) : Verifier(header, policy, now) {}

  void body(std::string_view piece) override {
    if (begin()) feed_->add(piece);
    Verifier::body(piece);  // for l=: how many octets there are
  }
  std::vector<mailauth::DkimResult> finish() override;

 private:
  bool begin();
  void judge_by_library(Judged& judged, const std::map<std::string, DKIM_SIGINFO*>& known) const;
  std::string judge_signature(DKIM_SIGINFO* info) const;

  Records records_;
  Library library_;
  Handle handle_;
  std::optional<Feed> feed_;
  bool begun_ = false;
};

// Once, when the keys are known.
bool OpendkimVerifier::begin() {
  if (begun_) return feed_.has_value();
  begun_ = true;
  for (const Judged& judged : signatures_)
    if (judged.result.result.empty() && judged.key.text.size() < kLongestRecord) records_[judged.signature.key_name()] = judged.key.text;
  if (records_.empty()) return false;
  library_ = new_library(now_);
  set(library_.get(), DKIM_OPTS_CLOCKDRIFT, static_cast<uint64_t>(policy_.skew));
  set(library_.get(), DKIM_OPTS_MINKEYBITS, static_cast<unsigned int>(policy_.least_rsa_bits));
  DKIM_STAT status = DKIM_STAT_OK;
  handle_.reset(dkim_verify(library_.get(), reinterpret_cast<const unsigned char*>("veredus"), nullptr, &status));
  if (!handle_) return false;
  dkim_set_user_context(handle_.get(), &records_);
  // Of more signatures than count the library is told nothing: each costs it a computation.
  std::vector<const Field*> fields;
  size_t signatures = 0;
  for (const Field& field : block_.fields)
    if (!mailauth::same_name(field.name, "DKIM-Signature") || signatures++ < policy_.most_signatures) fields.push_back(&field);
  bool good = add_fields(handle_.get(), fields);
  DKIM_STAT end = good ? dkim_eoh(handle_.get()) : DKIM_STAT_SYNTAX;
  if (end == DKIM_STAT_OK || end == DKIM_STAT_NOKEY || end == DKIM_STAT_CANTVRFY) feed_.emplace(handle_.get());
  return feed_.has_value();
}

std::string OpendkimVerifier::judge_signature(DKIM_SIGINFO* info) const {
  const unsigned int flags = dkim_sig_getflags(info);
  if ((flags & DKIM_SIGFLAG_PROCESSED) == 0) dkim_sig_process(handle_.get(), info);
  if ((dkim_sig_getflags(info) & DKIM_SIGFLAG_PASSED) != 0 && dkim_sig_getbh(info) == DKIM_SIGBH_MATCH) return {};
  if (dkim_sig_getbh(info) == DKIM_SIGBH_MISMATCH) return "the body is not the one that was signed";
  const int error = dkim_sig_geterror(info);
  if (error == DKIM_SIGERROR_OK || error == DKIM_SIGERROR_BADSIG || error == DKIM_SIGERROR_UNKNOWN) return "the signature does not fit the header and the key";
  return std::string("libopendkim says: ") + dkim_sig_geterrorstr(error);
}

void OpendkimVerifier::judge_by_library(Judged& judged, const std::map<std::string, DKIM_SIGINFO*>& known) const {
  mailauth::DkimResult& out = judged.result;
  const mailauth::Signature& read = judged.signature;
  auto place = known.find(read.signature);
  if (judged.key.text.size() >= kLongestRecord) out.result = "neutral", out.reason = "the key's record is longer than libopendkim reads";
  if (place == known.end() && out.result.empty()) out.result = "neutral", out.reason = "libopendkim cannot read the message or the signature";
  if (!out.result.empty()) return;
  const uint64_t size = bodies_[judged.body].hash.canonical_size();
  out.partial = read.body_length && *read.body_length < size;
  out.reason = judge_signature(place->second);
  out.result = out.reason.empty() ? "pass" : "fail";
  if (out.result != "pass" || !out.partial || policy_.partial_counts) return;
  out.result = "policy";
  out.reason = "the signature covers only the beginning of the body (l=)";
}

std::vector<mailauth::DkimResult> OpendkimVerifier::finish() {
  std::map<std::string, DKIM_SIGINFO*> known;  // by the decoded b=
  if (begin() && feed_->end()) {
    dkim_eom(handle_.get(), nullptr);
    DKIM_SIGINFO** list = nullptr;
    int count = 0;
    if (dkim_getsiglist(handle_.get(), &list, &count) != DKIM_STAT_OK) count = 0;
    for (int i = 0; i < count; ++i) {
      const auto* value = dkim_sig_gettagvalue(list[i], false, reinterpret_cast<u_char*>(const_cast<char*>("b")));
      auto decoded = value ? mailauth::decode_base64(reinterpret_cast<const char*>(value)) : std::nullopt;
      if (decoded) known.emplace(std::move(*decoded), list[i]);
    }
  }
  for (mailauth::Verifier::Body& each : bodies_) each.digest = each.hash.finish();
  std::vector<mailauth::DkimResult> out;
  for (Judged& judged : signatures_) {
    if (judged.result.result.empty()) judge_by_library(judged, known);
    out.push_back(std::move(judged.result));
  }
  return out;
}

class OpendkimEngine : public Engine {
 public:
  explicit OpendkimEngine(Ed25519 edwards) : edwards_(edwards) {}
  std::unique_ptr<mailauth::Verifier> verifier(std::string_view header, const mailauth::DkimPolicy& policy, int64_t now) const override {
    return std::make_unique<OpendkimVerifier>(header, policy, now);
  }
  std::vector<mailauth::NewField> sign(const Source& source, const mailauth::SignOptions& options, std::span<const mailauth::SigningKey> keys) const override;

 private:
  bool is_for_library(const mailauth::SigningKey& key) const { return key.key->kind() == KeyKind::rsa || edwards_ == Ed25519::by_library; }

  Ed25519 edwards_;
};

// Names given to the library as the list that it ends with a null.
class NameList {
 public:
  explicit NameList(std::vector<std::string> names) : names_(std::move(names)) {
    for (const std::string& name : names_) pointers_.push_back(name.c_str());
    pointers_.push_back(nullptr);
  }
  void give(DKIM_LIB* library, dkim_opts_t option) { dkim_options(library, DKIM_OP_SETOPT, option, pointers_.data(), sizeof(const char**)); }

 private:
  std::vector<std::string> names_;
  std::vector<const char*> pointers_;
};

size_t length_of(const std::vector<std::string>& names) {
  size_t out = 0;
  for (const std::string& name : names) out += name.size() + 4;
  return out;
}

std::vector<std::string> all_names(const mailauth::SignOptions& options) {
  std::vector<std::string> out = options.names;
  out.insert(out.end(), options.oversigned.begin(), options.oversigned.end());
  return out;
}

std::string sign_with(DKIM_LIB* library, const Source& source, std::span<const Field* const> fields, const mailauth::SignOptions& options, const mailauth::SigningKey& key) {
  const bool rsa = key.key->kind() == KeyKind::rsa;
  std::string pem = key.key->pem();
  // ed25519 with simple header fields comes out wrong.
  const Canonical form = rsa ? options.header_form : Canonical::relaxed;
  DKIM_STAT status = DKIM_STAT_OK;
  Handle handle(dkim_sign(library, reinterpret_cast<const unsigned char*>("veredus"), nullptr, octets_of(pem), octets_of(key.selector), octets_of(key.domain), form_of(form), form_of(options.body_form),
                          rsa ? DKIM_SIGN_RSASHA256 : DKIM_SIGN_ED25519SHA256, -1, &status));
  if (!handle) return {};
  if (!options.identity.empty()) dkim_set_signer(handle.get(), octets_of(options.identity));
  if (!add_fields(handle.get(), fields) || dkim_eoh(handle.get()) != DKIM_STAT_OK) return {};
  Feed feed(handle.get());
  source.body([&](std::string_view piece) { feed.add(piece); });
  if (!feed.end() || dkim_eom(handle.get(), nullptr) != DKIM_STAT_OK) return {};
  u_char* text = nullptr;
  size_t size = 0;
  constexpr size_t kName = sizeof "DKIM-Signature: " - 1;
  if (dkim_getsighdr_d(handle.get(), kName, &text, &size) != DKIM_STAT_OK) return {};
  return {reinterpret_cast<const char*>(text), size};
}

std::vector<mailauth::NewField> OpendkimEngine::sign(const Source& source, const mailauth::SignOptions& options, std::span<const mailauth::SigningKey> keys) const {
  const mailauth::HeaderBlock block = mailauth::read_header(source.header);
  const std::vector<std::string> names = mailauth::names_to_sign(block, options);
  if (length_of(names) > kLongestNames) return NativeEngine().sign(source, options, keys);
  Library library = new_library(options.now);
  if (options.lifetime) set(library.get(), DKIM_OPTS_SIGNATURETTL, static_cast<uint64_t>(*options.lifetime));
  NameList covered(all_names(options)), oversigned(options.oversigned);
  covered.give(library.get(), DKIM_OPTS_SIGNHDRS);
  oversigned.give(library.get(), DKIM_OPTS_OVERSIGNHDRS);
  std::vector<const Field*> fields;
  for (const Field& field : block.fields)
    if (std::any_of(names.begin(), names.end(), [&](const std::string& name) { return mailauth::same_name(name, field.name); })) fields.push_back(&field);
  std::vector<mailauth::NewField> out;
  for (const mailauth::SigningKey& key : keys)
    out.push_back(is_for_library(key) ? mailauth::NewField{"DKIM-Signature", sign_with(library.get(), source, fields, options, key)} : NativeEngine().sign(source, options, {&key, 1}).front());
  return out;
}

}  // namespace

std::unique_ptr<Engine> opendkim_engine(Ed25519 edwards) { return std::make_unique<OpendkimEngine>(edwards); }

}  // namespace mail_dkim
