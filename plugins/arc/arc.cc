// arc: checks the ARC chain of mail that comes (RFC 8617), says so to later hooks, and seals what is passed on. All loops call one object; nothing
// in it changes. See README.md.
#include "common/tasks.hpp"
#include "mailauth/base/message_input.h"
#include "mailauth/base/received.h"
#include "mailauth/spf/timed_dns.h"
#include "settings.h"
#include "words.h"

namespace {

using arc::SealWhat;
using mailauth::ArcAnswer;

constexpr const char* kChainNote = "arc.chain";
constexpr const char* kMetricResults[] = {"none", "pass", "fail", "temperror", nullptr};
constexpr size_t kMostInput = 64 << 20, kPiece = 262'144;
constexpr uint64_t kAtOnce = 65'536;  // octets of a body hashed on the loop

bool has_arc(std::string_view header) {
  using mailauth::may_have_field;
  return may_have_field(header, "ARC-Seal") || may_have_field(header, "ARC-Message-Signature") || may_have_field(header, "ARC-Authentication-Results");
}

template <class Sink>
void read_body(const vrd::View& view, Sink& sink) {
  for (uint64_t at = view.body_start(), end = view.size(); at < end; at += kPiece) sink.body(view.read(at, kPiece));
}

class Arc : public vrd::Plugin<> {
 public:
  explicit Arc(vrd::Setup& setup)
      : Plugin(setup),
        options_(setup),
        checked_(setup.metric(VRD_METRIC_COUNTER, "checked_total", "Messages with a chain by its result", "result", kMetricResults)),
        sealed_(setup.counter("sealed_total", "Messages sealed")),
        tasks_(host) {}

  vrd::Task<vrd::Verdict> on_message(vrd::CoCall call) const;
  vrd::Task<vrd::Verdict> on_seal(vrd::CoCall call) const;
  void check(vrd::CommandCall call);
  void sign(vrd::CommandCall call);

 private:
  bool is_ours(const vrd::View& view) const;
  bool wants_seal(const vrd::View& view) const;
  vrd::Task<ArcAnswer> chain_of(vrd::KeptView view, std::string header) const;
  void tell(vrd::CoCall& call, const ArcAnswer& answer) const;
  vrd::Task<void> tell_check(vrd::CommandCall call, std::string message, bool json);
  vrd::Task<void> tell_sealed(vrd::CommandCall call, mailauth::MessageInput input, mailauth::SigningKey key, mailauth::SignOptions options, std::string id);

  const arc::Options options_;
  const vrd::Metric checked_;
  const vrd::Metric sealed_;
  common::Tasks tasks_;
};

// What we or our own people send has no chain to check, and is signed with DKIM instead.
bool Arc::is_ours(const vrd::View& view) const {
  std::string_view role = view.text(VRD_ATTR_LISTENER_ROLE);
  bool internal = !view.has(VRD_ATTR_CLIENT_ADDRESS);
  return internal || view.has(VRD_ATTR_AUTH_ACCOUNT) || role == "submission" || role == "relay" || options_.is_ours(view.text(VRD_ATTR_CLIENT_ADDRESS));
}

// Keys are asked for here; a large message is read and hashed elsewhere.
vrd::Task<ArcAnswer> Arc::chain_of(vrd::KeptView view, std::string header) const {
  // The job owns what it works on: this coroutine may end before it.
  struct Job {
    Job(vrd::KeptView of, std::string block, uint32_t bits) : view(std::move(of)), header(std::move(block)), verifier(header, bits) {}
    ArcAnswer run() {
      if (verifier.wants_body()) mailauth::each_received_piece(view, [this](std::string_view piece) { verifier.body(piece); });
      return verifier.finish();
    }
    vrd::KeptView view;
    std::string header;
    mailauth::ChainVerifier verifier;
  };
  auto job = std::make_shared<Job>(std::move(view), std::move(header), options_.least_rsa_bits);
  mailauth::TimedDns dns(host, options_.dns_timeout, options_.dns_timeout * 2);
  vrd::Task<void> keys = job->verifier.fetch_keys(dns);
  co_await keys;
  if (job->view.received_size() - job->view.received_body_start() <= kAtOnce && job->verifier.cost() <= mailauth::kLoopCost) co_return job->run();
  vrd::WorkResult<ArcAnswer> done = co_await host.work([job] { return job->run(); });
  if (done.value) co_return std::move(*done.value);
  ArcAnswer late;
  late.result = "temperror";
  late.reason = "there is too much to do now";
  co_return late;
}

void Arc::tell(vrd::CoCall& call, const ArcAnswer& answer) const {
  for (uint32_t i = 0; kMetricResults[i]; ++i)
    if (answer.result == kMetricResults[i]) checked_.add(1, i);
  std::string sealer = answer.sets.empty() ? std::string() : answer.sets.back().domain;
  std::string reason = common::printable(answer.reason, 200);
  if (answer.result != "none")
    host.info("checked", {{"result", answer.result}, {"sets", static_cast<int64_t>(answer.sets.size())}, {"sealer", sealer}, {"reason", reason}}, call);
  std::string oldest = std::to_string(answer.oldest_pass);
  std::optional<arc::Vouched> trusted = arc::vouched(answer, options_.trusted);
  vrd::Edits& edits = call.edits();
  std::string_view client = call.text(VRD_ATTR_CLIENT_ADDRESS);
  if (trusted)
    edits.authres("arc", answer.result, "", {{"header.oldest-pass", oldest}, {"header.d", sealer}, {"policy.trusted", trusted->domain}, {"smtp.remote-ip", client}});
  else if (answer.result == "pass") edits.authres("arc", answer.result, "", {{"header.oldest-pass", oldest}, {"header.d", sealer}, {"smtp.remote-ip", client}});
  else edits.authres("arc", answer.result, reason, {{"smtp.remote-ip", client}});
}

vrd::Task<vrd::Verdict> Arc::on_message(vrd::CoCall call) const {
  if (is_ours(call)) co_return vrd::next();
  ArcAnswer answer;
  std::string header = mailauth::received_header(call);
  if (has_arc(header)) answer = co_await chain_of(call.keep(), std::move(header));
  tell(call, answer);
  call.edits().note(kChainNote, arc::note_of(answer));
  co_return vrd::next();
}

bool Arc::wants_seal(const vrd::View& view) const {
  if (!options_.key.key || options_.seal == SealWhat::never) return false;
  if (options_.seal == SealWhat::all) return true;
  for (uint32_t i = 0; i < view.recipients(); ++i)
    if (!options_.is_local(view.text(VRD_ATTR_RECIPIENT_DOMAIN, i))) return true;
  return false;
}

vrd::Task<vrd::Verdict> Arc::on_seal(vrd::CoCall call) const {
  auto note = call.note(kChainNote);  // none: mail of our own
  std::optional<ArcAnswer> known = note ? arc::answer_of(*note) : std::nullopt;
  if (!known || !wants_seal(call)) co_return vrd::next();
  struct Job {
    vrd::KeptView view;
    ArcAnswer known;
    mailauth::SignOptions options;
    mailauth::SigningKey key;
    std::string results;
    std::vector<mailauth::NewField> run() const {
      mailauth::Signer signer(options);
      read_body(view, signer);
      return mailauth::seal_message(view.read(0, static_cast<size_t>(view.body_start())), signer, known, key, results, options.now);
    }
  };
  auto job = std::make_shared<Job>(Job{call.keep(), *known, options_.signing, options_.key, arc::results_text(options_.hostname, call.auth_results())});
  job->options.now = host.wall_ms() / 1000;
  std::vector<mailauth::NewField> fields;
  if (call.size() - call.body_start() <= kAtOnce) {
    fields = job->run();
  } else {
    auto done = co_await host.work([job] { return job->run(); });
    if (done.value) fields = std::move(*done.value);
    else co_return vrd::tempfail("4.3.0", "The message could not be sealed, try again later").rule("seal");
  }
  for (size_t i = fields.size(); i-- > 0;) call.edits().prepend_header(fields[i].name, fields[i].value);
  if (fields.empty()) host.info("not_sealed", {{"reason", known->ended ? "the chain has ended" : "the chain is full, or its keys cannot be looked up"}}, call);
  else sealed_.add();
  co_return vrd::next();
}

vrd::Task<void> Arc::tell_check(vrd::CommandCall call, std::string message, bool json) {
  mailauth::TimedDns dns(host, vrd::milliseconds(4'000), vrd::milliseconds(8'000));
  vrd::Task<ArcAnswer> checking = mailauth::verify_arc(dns, std::move(message));
  ArcAnswer answer = co_await checking;
  common::Report report = arc::report_of(answer);
  call.write(json ? report.json() : report.text()).finish(0);
}

void Arc::check(vrd::CommandCall call) {
  common::Words words(call.arguments);
  bool json = words.flag("--json");
  if (!words.left.empty()) {
    call.error("usage: veredus check arc [--json] [--dns ADDRESS:PORT] [--time EPOCH] < MESSAGE\n").finish(64);
    return;
  }
  std::string message = mailauth::message_input(common::read_input(kMostInput)).octets;
  tasks_.spawn(tell_check(std::move(call), std::move(message), json));
}

vrd::Task<void> Arc::tell_sealed(vrd::CommandCall call, mailauth::MessageInput input, mailauth::SigningKey key, mailauth::SignOptions options, std::string id) {
  mailauth::TimedDns dns(host, vrd::milliseconds(4'000), vrd::milliseconds(8'000));
  vrd::Task<ArcAnswer> checking = mailauth::verify_arc(dns, input.octets);
  ArcAnswer known = co_await checking;
  mailauth::HeaderBlock block = mailauth::read_header(input.octets);
  std::string results = id + "; none";
  for (const mailauth::Field& field : block.fields) {
    if (!mailauth::same_name(field.name, "Authentication-Results") || mailauth::read_results(field.value).authserv_id != common::lowered(id)) continue;
    results = std::string(field.value.substr(field.value.find_first_not_of(" \t\r\n")));
    break;
  }
  int64_t now = options.now;
  mailauth::Signer signer(std::move(options));
  signer.body(std::string_view(input.octets).substr(block.body));
  std::string top;
  for (const mailauth::NewField& field : mailauth::seal_message(input.octets, signer, known, key, results, now)) top += field.name + ": " + field.value + "\r\n";
  if (top.empty()) {
    std::string why = known.ended ? "the last seal says cv=fail, so nobody may add one" : known.result == "temperror" ? "a key of the chain cannot be looked up now" : "the chain is full, or the key failed";
    call.error("veredus: not sealed: " + why + "\n").finish(known.result == "temperror" ? 75 : 65);
    co_return;
  }
  call.write(mailauth::as_input(input, top + input.octets)).finish(0);
}

// Others may take away or add what these say, and the seal covers ours (RFC 8617 4.1.2).
bool may_be_signed(const std::string& name) {
  return !mailauth::same_name(name, "Authentication-Results") && !mailauth::same_name(std::string_view(name).substr(0, 4), "ARC-");
}

// "a:b:c"
std::vector<std::string> names_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t end = std::min(text.find(':'), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

void Arc::sign(vrd::CommandCall call) {
  common::Words words(call.arguments);
  mailauth::SigningKey key{common::lowered(words.option("--domain")), common::lowered(words.option("--selector")), nullptr};
  std::string file = words.option("--key"), headers = words.option("--headers"), id = words.option("--authserv-id", key.domain), problem;
  bool named = mailauth::is_host_name(key.domain) && mailauth::is_host_name(key.selector) && mailauth::is_host_name(id);
  if (!words.left.empty() || !named || file.empty()) {
    call.error("usage: veredus sign arc --domain DOMAIN --selector SELECTOR --key FILE [--headers A:B:C] [--authserv-id NAME] [--dns ADDRESS:PORT] [--time EPOCH] < MESSAGE\n").finish(64);
    return;
  }
  key.key = arc::read_key(file, problem);
  if (!key.key) {
    call.error("veredus: " + problem + "\n").finish(66);
    return;
  }
  mailauth::SignOptions options = options_.signing;
  if (!headers.empty()) {
    options.names = names_of(headers);
    if (!std::all_of(options.names.begin(), options.names.end(), may_be_signed)) {
      call.error("veredus: --headers may name neither Authentication-Results nor fields of ARC (RFC 8617 4.1.2)\n").finish(64);
      return;
    }
    options.oversigned.clear();
  }
  options.now = host.wall_ms() / 1000;
  tasks_.spawn(tell_sealed(std::move(call), mailauth::message_input(common::read_input(kMostInput)), std::move(key), std::move(options), std::move(id)));
}

constexpr vrd::About kAbout{"arc", "0.1", "Apache-2.0", "Chains of those who passed a message on, by ARC (RFC 8617): checked, and continued"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("trusted", VRD_SETTING_TEXT, nullptr, nullptr, "Domains of sealers whose findings count: when they say that DMARC passed before they changed a message, the plugin dmarc may believe it. a.test, .a.test (what is below it) or *.", VRD_SETTING_LIST),
    vrd::setting("seal", VRD_SETTING_CHOICE, "forwarded", "never|forwarded|all", "What is sealed of the mail that comes from outside: nothing, what has a recipient outside of core.relay_domains, everything."),
    vrd::setting("domain", VRD_SETTING_TEXT, "\"\"", "0..253", "Domain of our seals (d=). Without it nothing is sealed."),
    vrd::setting("selector", VRD_SETTING_TEXT, "\"\"", "0..253", "Selector of the key (s=); its record is published as for DKIM."),
    vrd::setting("key_file", VRD_SETTING_PATH, nullptr, nullptr, "File with the private key in PEM, RSA or ed25519."),
    vrd::setting("ours", VRD_SETTING_NETWORK, "[127.0.0.0/8, \"::1\"]", nullptr, "Clients whose mail is our own and is neither checked nor sealed; core.relay_networks are as well.", VRD_SETTING_LIST),
    vrd::setting("least_rsa_bits", VRD_SETTING_INT, "1024", "1024..4096", "A chain with an RSA key of fewer bits fails."),
    vrd::setting("dns_timeout", VRD_SETTING_DURATION, "5s", "100ms..20s", "How long the look-up of a key may take."),
};
constexpr vrd::Hook kHooks[] = {
    vrd::co_hook<&Arc::on_message, 60'000>(VRD_STAGE_MESSAGE, {.may = VRD_MAY_NOTES | VRD_MAY_AUTHRES, .needs = VRD_NEED_CONTENT | VRD_NEED_RECEIVED, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::co_hook<&Arc::on_seal, 60'000>(VRD_STAGE_SEAL, {.may = VRD_MAY_HEADERS, .needs = VRD_NEED_CONTENT}),
};
constexpr vrd::Command kCommands[] = {
    vrd::command<&Arc::check>("check arc", "< MESSAGE", "Check the chain of a message on standard input, as the daemon does, and tell each set.", VRD_COMMAND_OFFLINE),
    vrd::command<&Arc::sign>("sign arc", "--domain DOMAIN --selector SELECTOR --key FILE [--headers A:B:C] [--authserv-id NAME] < MESSAGE",
                             "Check the chain of a message on standard input, and write it with one more set on top, from its Authentication-Results.", VRD_COMMAND_OFFLINE),
};

}  // namespace

VEREDUS_PLUGIN(Arc, kAbout, kSettings, kHooks, kCommands)
