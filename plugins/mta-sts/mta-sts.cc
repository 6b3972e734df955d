// mta-sts: svc.tls_policy over MTA-STS (RFC 8461). Serial: one loop knows all domains, so that each policy is fetched once. See README.md.
#include "check.hpp"
#include "keeper.hpp"

namespace {

using mta_sts::Options;

Options options_of(const vrd::Conf& conf) {
  Options out;
  out.source.port = conf.number("port");
  out.source.ca_file = conf.text("ca_file");
  out.source.timeout = conf.duration("fetch_timeout");
  out.patience = conf.duration("patience");
  out.refresh = conf.duration("refresh");
  out.failure = conf.duration("retry");
  out.cache = static_cast<size_t>(conf.number("cache"));
  out.testing_as_enforce = conf.flag("testing_as_enforce");
  return out;
}

class MtaSts : public vrd::Plugin<VRD_SERIAL> {
 public:
  explicit MtaSts(vrd::Setup& setup)
      : Plugin(setup),
        options(options_of(setup.conf)),
        counters{setup.counter("questions_total", "Questions for the policy of a domain"), setup.counter("fetches_total", "Policies fetched or tried to"),
                 setup.counter("failures_total", "Fetches that failed")},
        tasks_(host) {}

  struct Shard : vrd::ShardOf<MtaSts>, vrd::TlsPolicyProvider {
    explicit Shard(const vrd::ShardSetup<MtaSts>& setup) : ShardOf(setup), keeper_(host, plugin.options, plugin.counters) {}
    void find(std::string_view domain, vrd::TlsPolicyAnswer answer) override { keeper_.find(std::string(domain), std::move(answer)); }

   private:
    mta_sts::Keeper keeper_;
  };

  void check(vrd::CommandCall call);
  void check_record(vrd::CommandCall call);
  void check_policy(vrd::CommandCall call);

  const Options options;
  const mta_sts::Counters counters;

 private:
  vrd::Task<void> tell(vrd::CommandCall call, std::string domain, mta_sts::Source source, bool json);
  common::Tasks tasks_;
};

constexpr size_t kMostInput = 1 << 20;

vrd::Task<void> MtaSts::tell(vrd::CommandCall call, std::string domain, mta_sts::Source source, bool json) {
  common::Report report = co_await mta_sts::check_domain(host, domain, source);
  call.write(json ? report.json(domain) : report.text(domain)).finish(0);
}

void MtaSts::check(vrd::CommandCall call) {
  common::Words words(call.arguments);
  mta_sts::Source source = options.source;
  bool json = words.flag("--json");
  source.port = words.number("--port", source.port, 1, 65'535);
  source.ca_file = words.option("--ca", source.ca_file);
  int64_t seconds = words.number("--timeout", 8, 1, 15);
  source.timeout = vrd::milliseconds(seconds * 1000);
  source.dns_timeout = vrd::milliseconds(4'000);
  std::string domain = words.left.size() == 1 ? mta_sts::lowered(words.left[0]) : "";
  if (domain.ends_with('.')) domain.pop_back();
  if (source.port < 0 || seconds < 0 || !mta_sts::is_domain(domain)) {
    call.error("usage: veredus check mta-sts DOMAIN [--port N] [--ca FILE] [--timeout SECONDS] [--dns ADDRESS:PORT]; the domain in its ASCII form\n").finish(64);
    return;
  }
  tasks_.spawn(tell(std::move(call), std::move(domain), std::move(source), json));
}

template <typename Check>
void check_input(vrd::CommandCall& call, const char* usage, Check check) {
  common::Words words(call.arguments);
  bool json = words.flag("--json");
  if (!words.left.empty()) {
    call.error(usage).finish(64);
    return;
  }
  common::Report report = check(common::read_input(kMostInput));
  call.write(json ? report.json() : report.text()).finish(0);
}

void MtaSts::check_record(vrd::CommandCall call) {
  check_input(call, "usage: veredus check mta-sts-record < RECORD\n", [](const std::string& text) { return mta_sts::check_record(text); });
}
void MtaSts::check_policy(vrd::CommandCall call) {
  check_input(call, "usage: veredus check mta-sts-policy < FILE\n", [](const std::string& text) { return mta_sts::check_policy(text); });
}

constexpr vrd::About kAbout{"mta-sts", "0.1", "Apache-2.0", "How recipient domains want their mail secured, by MTA-STS (RFC 8461)"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("port", VRD_SETTING_INT, "443", "1..65535", "Port of the policy fetch."),
    vrd::setting("ca_file", VRD_SETTING_PATH, nullptr, nullptr, "Certificates of the authorities to trust for the policy fetch; unset: those of the system."),
    vrd::setting("fetch_timeout", VRD_SETTING_DURATION, "60s", "100ms..5m", "How long a policy fetch may take."),
    vrd::setting("patience", VRD_SETTING_DURATION, "8s", "10ms..25s", "How long mail waits for the policy of a domain that nothing is known of; then it goes without."),
    vrd::setting("refresh", VRD_SETTING_DURATION, "1d", "1s..30d", "Policies that hold are fetched again after this, and sooner when half of their life is over or the record's id has changed."),
    vrd::setting("retry", VRD_SETTING_DURATION, "5m", "100ms..1h", "After a fetch that failed none is tried for so long; doubles up to an hour."),
    vrd::setting("cache", VRD_SETTING_INT, "100000", "100..10000000", "Domains kept in memory; policies are in the store as well."),
    vrd::setting("testing_as_enforce", VRD_SETTING_BOOL, "false", nullptr, "Treat policies in mode testing as if they were in mode enforce."),
};
constexpr vrd::Command kCommands[] = {
    vrd::command<&MtaSts::check>("check mta-sts", "DOMAIN [--port N] [--ca FILE] [--timeout SECONDS]",
                                 "Look at the MTA-STS of a domain: record, fetch, certificate, policy, each mail exchanger, what happens to mail, what to mend.", VRD_COMMAND_OFFLINE),
    vrd::command<&MtaSts::check_record>("check mta-sts-record", "", "Read a TXT record from standard input and say whether it is valid.", VRD_COMMAND_OFFLINE),
    vrd::command<&MtaSts::check_policy>("check mta-sts-policy", "", "Read a policy file from standard input and say whether it is valid.", VRD_COMMAND_OFFLINE),
};

}  // namespace

VEREDUS_PLUGIN(MtaSts, kAbout, kSettings, kCommands)
