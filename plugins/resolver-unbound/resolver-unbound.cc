// resolver-unbound: svc.resolver by libunbound, which asks and validates within this process. One context for all loops, with its own cache;
// a reload begins with an empty one.
#include <unistd.h>

#include <filesystem>

#include <veredus/plugin.hpp>

#include "engine.hpp"
#include "rdata.hpp"
#include "settings.hpp"

namespace {

using namespace resolver_unbound;

constexpr size_t kMostRecords = 100, kMostTlsa = 4'000;
constexpr const char* kResults[] = {"secure", "insecure", "bogus", "failed", nullptr};
enum Result : uint32_t { secure, insecure, bogus, failed };

std::vector<std::string> addresses(const vrd::Conf& conf, std::string_view text) {
  std::vector<std::string> out;
  for (const std::string& word : words_of(text)) {
    const auto address = unbound_address(word);
    if (!address) conf.refuse("'" + word + "' is no address: 192.0.2.1, 192.0.2.1:53, \"[2001:db8::1]:53\"");
    out.push_back(*address);
  }
  if (out.empty()) conf.refuse("an address is missing");
  return out;
}

std::vector<std::string> domains(const vrd::Conf& conf, const char* key) {
  std::vector<std::string> out;
  for (const vrd::Conf& one : conf.list(key)) {
    if (!is_zone(one.text())) one.refuse("'" + std::string(one.text()) + "' is no domain");
    out.emplace_back(one.text());
  }
  return out;
}

void add_caches(const vrd::Conf& conf, EngineOptions& out) {
  const uint64_t size = conf.octets("cache_size");
  const auto seconds = [&](const char* key) { return std::to_string(conf.duration(key).count() / 1000); };
  const auto add = [&](const char* name, std::string value) { out.options.emplace_back(name, std::move(value)); };
  add("msg-cache-size:", std::to_string(size / 3));
  add("rrset-cache-size:", std::to_string(size - size / 3));
  add("cache-max-ttl:", seconds("max_ttl"));
  add("cache-max-negative-ttl:", seconds("max_negative_ttl"));
  add("outgoing-range:", std::to_string(conf.number("sockets")));
  add("num-queries-per-thread:", std::to_string(conf.number("sockets") * 2));
}

void add_own_options(const vrd::Conf& conf, EngineOptions& out) {
  for (const vrd::Conf& one : conf.list("options")) {
    const auto option = option_of(one.text());
    if (!option) one.refuse("'" + std::string(one.text()) + "' is not of the form \"NAME: VALUE\"");
    out.options.push_back(*option);
  }
}

/** It begins with what root_anchor trusts; libunbound writes it anew, beside it first, when the root's keys change. */
std::string followed(const vrd::Conf& conf, const std::string& root_anchor) {
  std::string file(conf.text("followed_anchor"));
  if (file.empty()) return file;
  std::error_code error;
  if (!std::filesystem::exists(file)) std::filesystem::copy_file(root_anchor, file, error);
  const std::string directory = file.substr(0, file.rfind('/') + 1);
  if (error || access(file.c_str(), R_OK | W_OK) != 0 || access(directory.c_str(), W_OK) != 0)
    conf["followed_anchor"].refuse("'" + file + "' cannot be written; name a file in a directory that the worker's user owns, such as core.state");
  return file;
}

EngineOptions options_of(const vrd::Conf& conf) {
  EngineOptions out;
  out.root_anchor = conf.text("root_anchor");
  if (access(out.root_anchor.c_str(), R_OK) != 0)
    conf["root_anchor"].refuse("the trust anchor '" + out.root_anchor + "' cannot be read; install the package dns-root-data, or name a file with DS or DNSKEY records");
  out.followed_anchor = followed(conf, out.root_anchor);
  for (const vrd::Conf& one : conf.list("forward"))
    for (std::string& address : addresses(one, one.text())) out.forward.push_back(std::move(address));
  for (const auto& [zone, text] : conf.map("stubs")) {
    if (!is_zone(zone)) conf["stubs"].refuse("'" + zone + "' is no domain");
    out.stubs.emplace_back(zone, addresses(conf["stubs"], text));
    out.reserved.push_back(zone);
  }
  out.insecure = domains(conf, "insecure");
  for (std::string& domain : domains(conf, "reserved")) out.reserved.push_back(std::move(domain));
  add_caches(conf, out);
  if (asks_loopback(out)) out.options.emplace_back("do-not-query-localhost:", "no");
  add_own_options(conf, out);
  return out;
}

vrd::DnsRecord record_of(const ub_result& result, int at, const std::string& owner) {
  vrd::DnsRecord out;
  auto data = read_rdata(static_cast<uint32_t>(result.qtype), {result.data[at], static_cast<size_t>(result.len[at])});
  if (!data) return out;  // of type 0
  out.type = static_cast<uint32_t>(result.qtype);
  out.ttl = static_cast<uint32_t>(std::max(result.ttl, 0));
  out.preference = data->preference;
  out.owner = owner;
  out.text = std::move(data->text);
  out.data = std::move(data->data);
  return out;
}

std::vector<vrd::DnsRecord> records_of(const ub_result& result) {
  std::vector<vrd::DnsRecord> out;
  std::string owner = result.canonname != nullptr ? result.canonname : result.qname;
  if (owner.ends_with('.')) owner.pop_back();
  const size_t most = result.qtype == VRD_DNS_TLSA ? kMostTlsa : kMostRecords;
  for (int at = 0; result.havedata != 0 && result.data[at] != nullptr && out.size() < most; at++) {
    vrd::DnsRecord record = record_of(result, at, owner);
    if (record.type != 0) out.push_back(std::move(record));
  }
  return out;
}

class ResolverUnbound : public vrd::Plugin<> {
 public:
  explicit ResolverUnbound(vrd::Setup& setup)
      : Plugin(setup), answers(setup.metric(VRD_METRIC_COUNTER, "answers_total", "Questions answered, by what was found out", "result", kResults)), engine(options_of(setup.conf)) {
    vrd::Interfaces::need(setup.host.interfaces().service);
  }
  void quiesce() { engine.stop(); }

  struct Shard : vrd::ShardOf<ResolverUnbound>, vrd::ResolverProvider {
    using ShardOf::ShardOf;
    void resolve(std::string_view name, uint32_t type, vrd::milliseconds, vrd::ResolverAnswer answer) override {
      // The answer may come when this shard is gone; the plugin ends its engine before.
      const auto promise = std::make_shared<vrd::ResolverAnswer>(std::move(answer));
      plugin.engine.ask(std::string(name), type, [of = &plugin, promise](const ub_result* result, const std::string& problem) { of->say(*promise, result, problem); });
    }
  };

 private:
  void say(vrd::ResolverAnswer& answer, const ub_result* result, const std::string& problem) const {
    if (result == nullptr) return fail(answer, "?", problem);
    if (result->bogus != 0) {
      host.info("bogus", {{"name", result->qname}, {"type", result->qtype}, {"reason", result->why_bogus != nullptr ? result->why_bogus : ""}});
      answers.add(1, bogus);
      answer.bogus();
      return;
    }
    const bool nothing = result->rcode == 3 && result->nxdomain != 0;
    if (result->rcode != 0 && !nothing) return fail(answer, result->qname, "response code " + std::to_string(result->rcode));
    answers.add(1, result->secure != 0 ? secure : insecure);
    answer.records(records_of(*result), result->secure != 0, nothing);
  }
  void fail(vrd::ResolverAnswer& answer, std::string_view name, const std::string& problem) const {
    host.debug("failed", {{"name", name}, {"reason", problem}});
    answers.add(1, failed);
    answer.fail(VRD_E_TEMPORARY);
  }

  const vrd::Metric answers;
  Engine engine;  // last: its thread uses the others
};

constexpr vrd::About kAbout{"resolver-unbound", "0.1", "Apache-2.0", "DNS with DNSSEC validation in the daemon, by libunbound"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("root_anchor", VRD_SETTING_PATH, "/usr/share/dns/root.key", nullptr, "File with the DS or DNSKEY records that are trusted. The default is that of the package dns-root-data."),
    vrd::setting("followed_anchor", VRD_SETTING_PATH, nullptr, nullptr, "File in which the keys of the root are followed as they change (RFC 5011), in a directory that the worker's user owns. It begins as a copy of root_anchor, which is not looked at from then on."),
    vrd::setting("forward", VRD_SETTING_TEXT, "[]", "1..300", "Resolvers that are asked for everything: 192.0.2.1, \"[2001:db8::1]:53\". None: name servers are asked, from the root on.", VRD_SETTING_LIST),
    vrd::setting("stubs", VRD_SETTING_MAP, nullptr, nullptr, "Zones whose name servers are given: { example.test: \"192.0.2.1:53 192.0.2.2:53\" }."),
    vrd::setting("insecure", VRD_SETTING_TEXT, "[]", "1..255", "Domains that are not validated, whatever their parents say.", VRD_SETTING_LIST),
    vrd::setting("reserved", VRD_SETTING_TEXT, "[]", "1..255", "Names kept for private use that are asked for nevertheless: home.arpa, 10.in-addr.arpa. Stubs are by themselves.", VRD_SETTING_LIST),
    vrd::setting("cache_size", VRD_SETTING_SIZE, "48MiB", "1MiB..64GiB", "Memory for answers."),
    vrd::setting("max_ttl", VRD_SETTING_DURATION, "1d", "0s..7d", "How long an answer is kept at most."),
    vrd::setting("max_negative_ttl", VRD_SETTING_DURATION, "1h", "0s..1d", "How long it is kept at most that there is nothing."),
    vrd::setting("sockets", VRD_SETTING_INT, "900", "16..30000", "Questions to name servers that may be under way at once."),
    vrd::setting("options", VRD_SETTING_TEXT, "[]", "3..1000", "Other options of the section server of unbound.conf(5): \"do-ip6: no\".", VRD_SETTING_LIST),
};

}  // namespace

VEREDUS_PLUGIN(ResolverUnbound, kAbout, kSettings)
