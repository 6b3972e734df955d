// dkim: verifies signatures when mail arrives, signs our own when it leaves. See README.md.
#include "dkim.h"

#include "incoming.h"
#include "mailauth/base/dns.h"
#include "mailauth/base/received.h"
#include "outgoing.h"

namespace mail_dkim {

namespace {

constexpr const char* kMetricResults[] = {"none", "neutral", "pass", "fail", "policy", "temperror", "permerror", nullptr};
constexpr const char* kMetricSigned[] = {"signed", "no_key", "no_author", "failed", nullptr};
enum Sealed : uint32_t { kSigned, kNoKey, kNoAuthor, kFailed };

std::unique_ptr<const Engine> engine_of(const vrd::Setup& setup, EngineKind kind) {
  if (kind == EngineKind::native) return std::make_unique<NativeEngine>();
  std::unique_ptr<const Engine> out = opendkim_engine();
  if (!out) setup.conf["engine"].refuse("this build has no libopendkim; use native");
  return out;
}

uint32_t label_of(std::string_view result) {
  for (uint32_t i = 0; kMetricResults[i]; ++i)
    if (result == kMetricResults[i]) return i;
  return 1;
}

// The pool has no room, or the message cannot be read.
std::vector<mailauth::DkimResult> not_now() {
  mailauth::DkimResult out;
  out.result = "temperror";
  out.reason = "the signatures cannot be verified now";
  return {out};
}

// vrd::Edits takes lists of properties that are known when it is compiled.
void add_result(vrd::Edits& edits, const vrd::Interfaces& host, const Told& told) {
  std::vector<vrd_pair> properties;
  for (const auto& [name, value] : told.properties) properties.push_back({vrd::str(name), vrd::str(value)});
  const vrd_authres one{VRD_SIZED(vrd_authres), 0, vrd::str("dkim"), vrd::str(told.result), vrd::str(told.reason), properties.data(), properties.size()};
  vrd::check(vrd::Interfaces::need(host.authres).add(edits.raw(), &one), "adding an authentication result");
}

std::string words_of(const std::vector<mailauth::SigningKey>& keys) {
  std::string out;
  for (const mailauth::SigningKey& key : keys) out += (out.empty() ? "" : " ") + key.selector + ":" + std::string(mailauth::algorithm_of(key.key->kind()));
  return out;
}

}  // namespace

Dkim::Dkim(vrd::Setup& setup)
    : Plugin(setup),
      options(setup),
      engine(engine_of(setup, options.engine)),
      verified(setup.metric(VRD_METRIC_COUNTER, "verified_total", "Signatures by their result, and messages without one", "result", kMetricResults)),
      sealed(setup.metric(VRD_METRIC_COUNTER, "sealed_total", "Our own messages by what became of their signing", "outcome", kMetricSigned)),
      tasks_(host) {}

vrd::Task<std::vector<mailauth::DkimResult>> Dkim::Shard::check(vrd::KeptView view, std::string header) {
  auto job = std::make_shared<CheckJob>();
  job->engine = plugin.engine.get();
  job->policy = plugin.options.policy;
  job->now = host.wall_ms() / 1000;
  job->header = std::move(header);
  job->view = std::move(view);
  if (job->has_heavy_header()) {
    vrd::WorkResult<void> done = co_await host.work([job] { job->prepare(); });
    if (!done.ok()) co_return not_now();
  } else {
    job->prepare();
  }
  mailauth::HostDns dns(host, plugin.options.dns_timeout);
  vrd::Task<void> keys = job->verifier->fetch_keys(dns);
  co_await keys;
  if (!job->is_heavy()) co_return job->run();
  vrd::WorkResult<std::vector<mailauth::DkimResult>> done = co_await host.work([job] { return job->run(); });
  if (!done.value) co_return not_now();
  co_return std::move(*done.value);
}

void Dkim::Shard::tell(vrd::CoCall& call, const std::vector<mailauth::DkimResult>& results) const {
  if (results.empty()) plugin.verified.add(1, label_of("none"));
  for (const mailauth::DkimResult& each : results) plugin.verified.add(1, label_of(each.result));
  const mailauth::DkimResult* best = best_of(results);
  const std::string word = best ? best->result : results.empty() ? "none" : "neutral";
  host.info("verified", {{"result", word}, {"signatures", results.size()}, {"domain", best ? best->domain : ""}, {"reason", best ? printable_part(best->reason, 200) : ""}}, call);
  if (plugin.options.action(word) == Action::accept) return;
  if (results.empty()) call.edits().authres("dkim", "none", "no signature");
  for (const Told& each : told_of(results, plugin.options.policy.most_signatures)) add_result(call.edits(), host.interfaces(), each);
}

vrd::Verdict Dkim::Shard::judge(const std::vector<mailauth::DkimResult>& results) const {
  const mailauth::DkimResult* best = best_of(results);
  const std::string word = best ? best->result : results.empty() ? "none" : "neutral";
  const Action action = plugin.options.action(word);
  const std::string status = word == "none" ? ".7.20" : word == "temperror" ? ".7.5" : ".7.20";  // RFC 7372
  const std::string text = reply_text(plugin.options.reply, word, best);
  if (action == Action::hold) return vrd::hold().rule(word);
  if (action == Action::tempfail) return vrd::tempfail("4" + status, text).rule(word);
  if (action == Action::reject) return vrd::reject("5" + status, text).rule(word);
  return vrd::next();
}

vrd::Task<vrd::Verdict> Dkim::Shard::on_message(vrd::CoCall call) {
  if (!plugin.options.verify || is_ours(call, plugin.options)) co_return vrd::next();
  std::vector<mailauth::DkimResult> results;
  std::string header = mailauth::received_header(call);
  if (mailauth::may_have_field(header, "DKIM-Signature")) results = co_await check(call.keep(), std::move(header));
  tell(call, results);
  co_return judge(results);
}

vrd::Task<std::vector<mailauth::NewField>> Dkim::Shard::sign(vrd::KeptView view, std::string header, Keys keys) {
  auto job = std::make_shared<SignJob>();
  job->engine = plugin.engine.get();
  job->options = plugin.options.signing;
  job->options.now = host.wall_ms() / 1000;
  job->header = std::move(header);
  job->view = std::move(view);
  job->keys = std::move(keys);
  if (!job->is_heavy()) co_return job->run();
  vrd::WorkResult<std::vector<mailauth::NewField>> done = co_await host.work([job] { return job->run(); });
  std::vector<mailauth::NewField> out;
  if (done.value) out = std::move(*done.value);
  co_return out;
}

vrd::Verdict Dkim::Shard::not_signed(const vrd::View& call, const std::string& domain, const std::string& problem) const {
  plugin.sealed.add(1, kFailed);
  host.warning("not_signed", {{"domain", domain}, {"reason", problem}}, call);
  if (plugin.options.on_failure == OnFailure::send) return vrd::next();
  return vrd::tempfail("4.3.0", "this message cannot be signed now, try again later").rule("signing");
}

vrd::Task<vrd::Verdict> Dkim::Shard::on_seal(vrd::CoCall call) {
  if (!plugin.options.sign || !is_ours(call, plugin.options)) co_return vrd::next();
  std::string header = call.read(0, static_cast<size_t>(call.body_start()));
  const Owner owner = owner_of(header, call.text(VRD_ATTR_SENDER_DOMAIN), plugin.options.sender_fallback);
  if (owner.domain.empty()) {
    plugin.sealed.add(1, kNoAuthor);
    host.info("not_ours_to_sign", {{"reason", printable_part(owner.problem, 200)}}, call);
    co_return vrd::next();
  }
  Keys keys = co_await ring_.keys_of(std::string(call.text(VRD_ATTR_TENANT)), owner.domain);
  if (!keys->problem.empty()) co_return not_signed(call, owner.domain, keys->problem);
  if (keys->keys.empty()) {
    plugin.sealed.add(1, kNoKey);
    host.debug("no_key", {{"domain", owner.domain}}, call);
    co_return vrd::next();
  }
  std::vector<mailauth::NewField> fields = co_await sign(call.keep(), std::move(header), keys);
  bool whole = fields.size() == keys->keys.size();
  for (const mailauth::NewField& each : fields) whole = whole && !each.value.empty();
  if (!whole) co_return not_signed(call, owner.domain, "a signature could not be computed");
  for (size_t i = fields.size(); i > 0; --i) call.edits().prepend_header(fields[i - 1].name, fields[i - 1].value);
  plugin.sealed.add(1, kSigned);
  host.info("signed", {{"domain", keys->keys.front().domain}, {"keys", words_of(keys->keys)}}, call);
  co_return vrd::next();
}

namespace {

constexpr vrd::About kAbout{"dkim", "0.1", "Apache-2.0", "Signatures of domains: verified on mail that arrives, put on mail that leaves"};
#define DKIM_ACTIONS "accept|mark|hold|tempfail|reject"
constexpr vrd_setting action_on(const char* key, const char* doc) { return vrd::setting(key, VRD_SETTING_CHOICE, "mark", DKIM_ACTIONS, doc); }
constexpr vrd_setting kSettings[] = {
    vrd::setting("engine", VRD_SETTING_CHOICE, "native", "native|opendkim", "Who computes signatures: our own code, or libopendkim."),
    vrd::setting("verify", VRD_SETTING_BOOL, "true", nullptr, "Verify the signatures of mail that is not ours."),
    vrd::setting("most_signatures", VRD_SETTING_INT, "10", "1..30", "Signatures that are looked at, from the top; the others are told as policy."),
    vrd::setting("least_rsa_bits", VRD_SETTING_INT, "1024", "512..4096", "Signatures with shorter RSA keys do not count; they are told as policy."),
    vrd::setting("partial_counts", VRD_SETTING_BOOL, "false", nullptr, "Let a signature pass whose l= leaves the end of the body out. Anybody may then have added to it."),
    vrd::setting("clock_skew", VRD_SETTING_DURATION, "10m", "0s..1d", "How far t= of a signature may be ahead of our clock."),
    vrd::setting("dns_timeout", VRD_SETTING_DURATION, "5s", "100ms..25s", "How long the look-up of keys may take; all keys of a message are asked for at once."),
    vrd::setting("actions", VRD_SETTING_RECORD, nullptr, nullptr,
                 "What becomes of mail, by the best result of its signatures: accept goes on and tells nothing; mark tells it in Authentication-Results; hold, tempfail and reject tell it too."),
    action_on("actions.none", "There is no signature."),
    action_on("actions.neutral", "No signature can be read, or all are of domains that only test."),
    action_on("actions.pass", "A signature is right."),
    action_on("actions.fail", "A signature is wrong."),
    action_on("actions.policy", "A signature does not count: weak key, l=, too many, made in the future."),
    action_on("actions.temperror", "A key cannot be looked up now."),
    action_on("actions.permerror", "There is no such key, or it is not for this."),
    vrd::setting("reply", VRD_SETTING_TEXT, "\"no valid DKIM signature ({result}): {reason}\"", "1..200", "Text of the reply that refuses; {result}, {domain} and {reason} are filled in."),
    vrd::setting("sign", VRD_SETTING_BOOL, "true", nullptr, "Sign mail that is ours: of accounts, of listeners for submission and relay, of core.relay_networks and `ours`, and what is made here."),
    vrd::setting("ours", VRD_SETTING_NETWORK, nullptr, nullptr, "More networks whose mail is ours: it is signed, and not verified.", VRD_SETTING_LIST),
    vrd::setting("rules", VRD_SETTING_RECORD, nullptr, nullptr, "Which keys sign the mail of which domains; the first rule that fits holds.", VRD_SETTING_LIST),
    vrd::setting("rules[].domains", VRD_SETTING_PATTERN, nullptr, nullptr, "Domains of the From field.", VRD_SETTING_LIST | VRD_SETTING_REQUIRED),
    vrd::setting("rules[].tenants", VRD_SETTING_TEXT, nullptr, "1..64", "Only for mail of these tenants.", VRD_SETTING_LIST),
    vrd::setting("rules[].sign_as", VRD_SETTING_TEXT, nullptr, "1..253", "The domain that signs (d=), when it is not the one of the From field."),
    vrd::setting("rules[].keys", VRD_SETTING_RECORD, nullptr, nullptr, "The keys, each of which signs. None: this mail is not signed.", VRD_SETTING_LIST),
    vrd::setting("rules[].keys[].selector", VRD_SETTING_TEXT, nullptr, "1..63", "Name under which the key is published: SELECTOR._domainkey.DOMAIN.", VRD_SETTING_REQUIRED),
    vrd::setting("rules[].keys[].file", VRD_SETTING_PATH, nullptr, nullptr, "The private key in PEM; {domain}, {tenant} and {selector} are filled in.", VRD_SETTING_REQUIRED),
    vrd::setting("rules[].keys[].algorithm", VRD_SETTING_CHOICE, "any", "any|rsa|ed25519", "What the key must be."),
    vrd::setting("key_table", VRD_SETTING_TABLE, nullptr, nullptr, "A table that says for a domain SELECTOR=/PATH or SELECTOR=base64:KEY (PKCS #8), with commas between. Asked when no rule fits."),
    vrd::setting("key_table_key", VRD_SETTING_TEXT, "\"{domain}\"", "1..200", "What the table is asked for; {domain} and {tenant} are filled in."),
    vrd::setting("key_files", VRD_SETTING_PATH, "/etc/veredus/dkim/{domain}/{selector}.pem", nullptr,
                 "Where keys are of domains that no rule and no row of the table is about; {tenant} may be in it too. Empty: nowhere."),
    vrd::setting("selectors", VRD_SETTING_TEXT, nullptr, "1..63", "Selectors of key_files that sign, those that have a file. Unset: those that the file `active` beside the keys names, which `veredus dkim rotate` keeps.",
                 VRD_SETTING_LIST),
    vrd::setting("fallback", VRD_SETTING_CHOICE, "sender", "sender|none", "Whose mail it is when the From field names no domain: of the envelope sender's, or of nobody."),
    vrd::setting("on_failure", VRD_SETTING_CHOICE, "tempfail", "tempfail|send", "What becomes of mail whose key is there and cannot be used: the client tries again, or it goes without a signature."),
    vrd::setting("signed", VRD_SETTING_TEXT, nullptr, "1..76", "Header fields to sign as far as they are there; unset: the usual ones, see veredus-dkim(7). From is always signed.", VRD_SETTING_LIST),
    vrd::setting("oversigned", VRD_SETTING_TEXT, nullptr, "1..76",
                 "Header fields signed once more than they are there, so that none can be added; unset: From, To, Subject, Date, Message-ID, Content-Type.", VRD_SETTING_LIST),
    vrd::setting("canonical_header", VRD_SETTING_CHOICE, "relaxed", "relaxed|simple", "Canonical form of header fields in our signatures."),
    vrd::setting("canonical_body", VRD_SETTING_CHOICE, "relaxed", "relaxed|simple", "Canonical form of bodies in our signatures."),
    vrd::setting("expire", VRD_SETTING_DURATION, "0s", "0s..365d", "How long our signatures hold (x=); 0s: for ever."),
    vrd::setting("table_timeout", VRD_SETTING_DURATION, "10s", "100ms..25s", "How long a look-up in the table may take."),
    vrd::setting("key_cache", VRD_SETTING_INT, "2000", "16..1000000", "Domains whose keys a loop keeps in memory, about 10 KB for an RSA key of 2048 bits."),
    vrd::setting("key_refresh", VRD_SETTING_DURATION, "1m", "1s..1d", "Keys are read again after this."),
};
constexpr vrd::Hook kHooks[] = {
    vrd::co_hook<&Dkim::Shard::on_message, 60'000>(VRD_STAGE_MESSAGE,
                                                    {.may = VRD_MAY_AUTHRES, .needs = VRD_NEED_CONTENT | VRD_NEED_RECEIVED, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::co_hook<&Dkim::Shard::on_seal, 60'000>(VRD_STAGE_SEAL, {.may = VRD_MAY_HEADERS, .needs = VRD_NEED_CONTENT, .on_fault = VRD_ON_FAULT_TEMPFAIL}),
};
constexpr vrd::Command kCommands[] = {
    vrd::command<&Dkim::check>("check dkim", "[--engine native|opendkim]", "Verify the DKIM signatures of the message on standard input: one line a signature, its result first.", VRD_COMMAND_OFFLINE),
    vrd::command<&Dkim::sign>("sign dkim", "--domain D --selector S --key FILE [--headers a:b:c]", "Sign the message on standard input.", VRD_COMMAND_OFFLINE),
    vrd::command<&Dkim::keygen>("dkim keygen", "--domain D --selector S [--type rsa|ed25519] [--bits N] [--dir DIR | --key FILE]", "Make a private key and print the DNS record that publishes it.", VRD_COMMAND_OFFLINE),
    vrd::command<&Dkim::record>("dkim record", "--domain D --selector S [--dir DIR | --key FILE]", "Print the DNS record of a key.", VRD_COMMAND_OFFLINE),
    vrd::command<&Dkim::test>("dkim test", "--domain D [--selector S] [--dir DIR | --key FILE]", "Compare what DNS publishes with the private key.", VRD_COMMAND_OFFLINE),
    vrd::command<&Dkim::rotate>("dkim rotate", "--domain D [--dir DIR] [--type rsa|ed25519|both] [--every DAYS] [--keep DAYS] [--now]",
                                "Take the next step in the rotation of a domain's keys: make the next, use it once it is published, retire the one before.", VRD_COMMAND_OFFLINE),
};

}  // namespace
}  // namespace mail_dkim

using mail_dkim::Dkim;
using mail_dkim::kAbout;
using mail_dkim::kCommands;
using mail_dkim::kHooks;
using mail_dkim::kSettings;
VEREDUS_PLUGIN(Dkim, kAbout, kSettings, kHooks, kCommands)
