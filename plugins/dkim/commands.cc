// Commands of the plugin dkim. One shot, offline: they may block.
#include <filesystem>

#include "check.h"
#include "common/report.hpp"
#include "dkim.h"
#include "keyring.h"
#include "mailauth/base/dns.h"
#include "mailauth/dkim/signature.h"
#include "rotate.h"

namespace mail_dkim {

namespace {

using common::Words;
constexpr size_t kMostInput = 64u << 20, kMostSigned = 15u << 20;  // what is signed is printed, and waits in memory
constexpr int kUsage = 64, kData = 65, kNoInput = 66, kCannotCreate = 73;
constexpr vrd::milliseconds kDnsTimeout{4'000};

// Which key a command is about.
struct Subject {
  std::string domain, selector, directory, file;
  std::string path() const { return file.empty() ? key_path(directory, domain, selector) : file; }
  bool names_key() const { return mailauth::is_host_name(domain) && mailauth::is_host_name(selector); }
};

Subject subject_of(Words& words) {
  Subject out;
  out.domain = common::lowered(words.option("--domain"));
  if (out.domain.ends_with('.')) out.domain.pop_back();
  out.selector = words.option("--selector");
  out.directory = words.option("--dir", kKeyDirectory);
  out.file = words.option("--key");
  return out;
}

std::string record_text(const Subject& subject, const mailauth::PrivateKey& key) {
  const std::string record = mailauth::key_record_text(key);
  return "name: " + subject.selector + "._domainkey." + subject.domain + "\nzone: " + zone_line(subject.domain, subject.selector, record) + "\nrecord: " + record + "\n";
}

void usage(vrd::CommandCall& call, const char* text) { call.error(std::string("usage: veredus ") + text + "\n").finish(kUsage); }

vrd::Task<void> check_message(const vrd::Host& host, vrd::CommandCall call, std::shared_ptr<const Engine> engine, mailauth::DkimPolicy policy, int64_t now, bool json) {
  const std::string input = common::read_input(kMostInput);
  if (input.size() > kMostInput) {
    call.error("the message is larger than 64 MiB\n").finish(kData);
    co_return;
  }
  const mailauth::MessageInput message = mailauth::message_input(input);
  const size_t body = mailauth::read_header(message.octets).body;
  auto verifier = engine->verifier(std::string_view(message.octets).substr(0, body), policy, now);
  mailauth::HostDns dns(host, kDnsTimeout);
  vrd::Task<void> keys = verifier->fetch_keys(dns);
  co_await keys;
  if (verifier->wants_body()) verifier->body(std::string_view(message.octets).substr(body));
  const std::vector<mailauth::DkimResult> results = verifier->finish();
  call.write(json ? check_json(results) : check_text(results)).finish(0);
}

vrd::Task<void> test_key(const vrd::Host& host, vrd::CommandCall call, std::vector<Subject> subjects) {
  mailauth::HostDns dns(host, kDnsTimeout);
  std::string out;
  for (const Subject& subject : subjects) {
    std::string problem;
    const auto key = read_key(subject.path(), problem);
    if (!key) {
      call.error(problem + "\n").finish(kNoInput);
      co_return;
    }
    const std::string name = subject.selector + "._domainkey." + subject.domain;
    const vrd::DnsResult answer = co_await dns.ask(name, VRD_DNS_TXT);
    const Published published = compare(mailauth::key_of(answer), *key);
    out += published.word + " " + name + ": " + common::printable(published.text) + "\n";
    for (const std::string& one : published.advice) out += "fix: " + one + "\n";
    if (std::string loose = loose_mode(subject.path()); !loose.empty()) out += "fix: " + loose + "\n";
    if (published.word != "pass") out += record_text(subject, *key);
  }
  call.write(out).finish(0);
}

struct Rotation {
  std::string domain, directory;
  RotationPlan plan;
  int64_t now = 0;
  std::string folder() const { return directory + "/" + domain; }
  Subject subject(const KeptKey& key) const { return {domain, key.selector, directory, {}}; }
};

// Files of a step: keys first, then who signs, then the list, so that a stop between leaves nothing that signs without a file.
std::string carry_out(const Rotation& rotation, const RotationStep& step, std::string& records) {
  std::string problem;
  for (const KeptKey& key : step.made) {
    const Subject subject = rotation.subject(key);
    std::error_code error;
    if (std::filesystem::exists(subject.path(), error)) std::filesystem::remove(subject.path(), error);  // of a step that was cut short
    const auto made = make_key(subject.path(), key.kind, 2'048, problem);
    if (!made) return problem;
    records += record_text(subject, *made);
  }
  problem = write_file(rotation.folder() + "/active", active_text(step.keys), 0644);
  if (problem.empty()) problem = write_file(rotation.folder() + "/keys", keys_text(step.keys), 0644);
  if (!problem.empty()) return problem;
  for (const KeptKey& key : step.removed) std::filesystem::remove(rotation.subject(key).path());
  return {};
}

vrd::Task<std::vector<std::string>> published_of(const vrd::Host& host, Rotation rotation, std::vector<KeptKey> keys) {
  mailauth::HostDns dns(host, kDnsTimeout);
  std::vector<std::string> out;
  for (const KeptKey& kept : keys) {
    if (kept.state != KeyState::next) continue;
    std::string problem;
    const auto key = read_key(rotation.subject(kept).path(), problem);
    const vrd::DnsResult answer = co_await dns.ask(kept.selector + "._domainkey." + rotation.domain, VRD_DNS_TXT);
    if (key && compare(mailauth::key_of(answer), *key).word == "pass") out.push_back(kept.selector);
  }
  co_return out;
}

vrd::Task<void> rotate_keys(const vrd::Host& host, vrd::CommandCall call, Rotation rotation) {
  std::string problem, text;
  std::error_code error;
  const std::string list = rotation.folder() + "/keys";
  if (std::filesystem::exists(list, error)) {
    FILE* file = std::fopen(list.c_str(), "rbe");
    text.resize(65'536);
    text.resize(file ? std::fread(text.data(), 1, text.size(), file) : 0);
    if (file) std::fclose(file);
  }
  auto keys = read_keys(text, problem);
  if (!keys) {
    call.error(list + ": " + problem + "\n").finish(kData);
    co_return;
  }
  const std::vector<std::string> published = co_await published_of(host, rotation, *keys);
  RotationStep step = step_of(std::move(*keys), rotation.plan, rotation.now, [&](const KeptKey& key) { return std::find(published.begin(), published.end(), key.selector) != published.end(); });
  std::string records;
  problem = carry_out(rotation, step, records);
  if (!problem.empty()) {
    call.error(problem + "\n").finish(kCannotCreate);
    co_return;
  }
  std::string out = step.word + "\n";
  for (const std::string& one : step.told) out += "step: " + one + "\n";
  for (const KeptKey& key : step.keys) out += "key: " + key.selector + " " + std::string(mailauth::algorithm_of(key.kind)) + " " + std::string(state_word(key.state)) + "\n";
  if (step.word == "waiting")
    for (const KeptKey& key : step.keys)
      if (const auto made = key.state == KeyState::next ? read_key(rotation.subject(key).path(), problem) : nullptr) records += record_text(rotation.subject(key), *made);
  call.write(out + records).finish(0);
}

}  // namespace

void Dkim::check(vrd::CommandCall call) {
  Words words(call.arguments);
  const bool json = words.flag("--json");
  const int64_t now = words.number("--time", host.wall_ms() / 1000, 0, INT64_MAX);
  const std::string name = words.option("--engine", "native");
  std::shared_ptr<const Engine> of_name;
  if (name == "native") of_name = std::make_shared<NativeEngine>();
  if (name == "opendkim") of_name = opendkim_engine();
  if (!words.left.empty() || now < 0 || (!of_name && name != "opendkim")) return usage(call, "check dkim [--engine native|opendkim] [--dns ADDRESS:PORT] [--time EPOCH] [--json] < MESSAGE");
  if (!of_name) return call.error("this build has no libopendkim\n").finish(kUsage);
  tasks_.spawn(check_message(host, std::move(call), std::move(of_name), options.policy, now, json));
}

void Dkim::sign(vrd::CommandCall call) {
  Words words(call.arguments);
  const Subject subject = subject_of(words);
  mailauth::SignOptions signing = options.signing;
  const std::string headers = words.option("--headers");
  signing.now = words.number("--time", host.wall_ms() / 1000, 1, INT64_MAX);
  if (!words.left.empty() || signing.now < 0 || !subject.names_key() || subject.domain.find('.') == std::string::npos || subject.file.empty())
    return usage(call, "sign dkim --domain DOMAIN --selector NAME --key FILE [--headers a:b:c] [--time EPOCH] < MESSAGE");
  std::string problem;
  const auto key = read_key(subject.file, problem);
  if (!key) return call.error(problem + "\n").finish(kNoInput);
  const std::string input = common::read_input(kMostSigned);
  if (input.size() > kMostSigned) return call.error("the message is larger than 15 MiB\n").finish(kData);
  const mailauth::MessageInput message = mailauth::message_input(input);
  const mailauth::HeaderBlock block = mailauth::read_header(message.octets);
  const bool has_from = std::any_of(block.fields.begin(), block.fields.end(), [](const mailauth::Field& field) { return mailauth::same_name(field.name, "From"); });
  if (!has_from) return call.error("the message has no field From, which a signature must cover\n").finish(kData);
  if (!headers.empty()) cover(signing, headers, block);
  const mailauth::SigningKey signer{subject.domain, subject.selector, key};
  const auto body = [&](const Take& take) { take(std::string_view(message.octets).substr(block.body)); };
  const auto fields = NativeEngine().sign({std::string_view(message.octets).substr(0, block.body), body}, signing, {&signer, 1});
  if (fields.front().value.empty()) return call.error("the signature cannot be computed\n").finish(70);
  call.write(with_field(message, input, fields.front())).finish(0);
}

void Dkim::keygen(vrd::CommandCall call) {
  Words words(call.arguments);
  const Subject subject = subject_of(words);
  const std::string type = words.option("--type", "rsa");
  const int64_t bits = words.number("--bits", 2'048, 1'024, 4'096);
  if (!words.left.empty() || !subject.names_key() || bits < 0 || (type != "rsa" && type != "ed25519"))
    return usage(call, "dkim keygen --domain DOMAIN --selector NAME [--type rsa|ed25519] [--bits 1024..4096] [--dir DIRECTORY | --key FILE]");
  std::string problem;
  const auto key = make_key(subject.path(), type == "rsa" ? mailauth::KeyKind::rsa : mailauth::KeyKind::ed25519, static_cast<uint32_t>(bits), problem);
  if (!key) return call.error(problem + "\n").finish(kCannotCreate);
  call.write("created " + subject.path() + "\n" + record_text(subject, *key)).finish(0);
}

void Dkim::record(vrd::CommandCall call) {
  Words words(call.arguments);
  const Subject subject = subject_of(words);
  if (!words.left.empty() || !subject.names_key()) return usage(call, "dkim record --domain DOMAIN --selector NAME [--dir DIRECTORY | --key FILE]");
  std::string problem;
  const auto key = read_key(subject.path(), problem);
  if (!key) return call.error(problem + "\n").finish(kNoInput);
  call.write(record_text(subject, *key)).finish(0);
}

void Dkim::test(vrd::CommandCall call) {
  Words words(call.arguments);
  const Subject subject = subject_of(words);
  std::vector<Subject> subjects;
  if (!subject.selector.empty()) subjects.push_back(subject);
  if (subject.selector.empty() && subject.file.empty() && mailauth::is_host_name(subject.domain)) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(subject.directory + "/" + subject.domain, error))
      if (entry.path().extension() == ".pem") subjects.push_back({subject.domain, entry.path().stem().string(), subject.directory, {}});
    std::sort(subjects.begin(), subjects.end(), [](const Subject& a, const Subject& b) { return a.selector < b.selector; });
    if (subjects.empty()) return call.error("there are no keys in " + subject.directory + "/" + subject.domain + "\n").finish(kNoInput);
  }
  if (!words.left.empty() || subjects.empty() || !subjects.front().names_key())
    return usage(call, "dkim test --domain DOMAIN [--selector NAME] [--dir DIRECTORY | --key FILE] [--dns ADDRESS:PORT]");
  tasks_.spawn(test_key(host, std::move(call), std::move(subjects)));
}

void Dkim::rotate(vrd::CommandCall call) {
  Words words(call.arguments);
  const Subject subject = subject_of(words);
  const std::string type = words.option("--type", "both");
  Rotation rotation;
  rotation.domain = subject.domain;
  rotation.directory = subject.directory;
  const int64_t every = words.number("--every", 90, 1, 3'650), keep = words.number("--keep", 7, 0, 3'650);
  rotation.now = words.number("--time", host.wall_ms() / 1000, 1, INT64_MAX);
  rotation.plan.at_once = words.flag("--now");
  rotation.plan.every = every * 86'400;
  rotation.plan.keep = keep * 86'400;
  if (type == "rsa") rotation.plan.kinds = {mailauth::KeyKind::rsa};
  if (type == "ed25519") rotation.plan.kinds = {mailauth::KeyKind::ed25519};
  const bool known = type == "rsa" || type == "ed25519" || type == "both";
  if (!words.left.empty() || !known || every < 0 || keep < 0 || rotation.now < 0 || !mailauth::is_host_name(subject.domain) || !subject.file.empty() || !subject.selector.empty())
    return usage(call, "dkim rotate --domain DOMAIN [--dir DIRECTORY] [--type rsa|ed25519|both] [--every DAYS] [--keep DAYS] [--now] [--dns ADDRESS:PORT]");
  tasks_.spawn(rotate_keys(host, std::move(call), std::move(rotation)));
}

}  // namespace mail_dkim
