#include "settings.h"

#include <algorithm>

namespace dmarc {

namespace {

Reporter reporter_of(const vrd::Setup& setup) {
  std::string hostname(setup.host.core("hostname")), postmaster(setup.host.core("postmaster"));
  auto text = [&](const char* key, const std::string& otherwise) {
    return setup.conf[key] ? std::string(setup.conf.text(key)) : otherwise;
  };
  Reporter out;
  out.submitter = text("submitter", hostname);
  out.organization = text("organization", out.submitter);
  out.from = text("from", postmaster.empty() ? "postmaster@" + hostname : postmaster);
  out.contact = text("contact", "");
  if (setup.conf["submitter"] && mailauth::domain_of(out.submitter) != out.submitter)
    setup.conf["submitter"].refuse("this is no domain in lower case and ASCII");
  bool address = out.from.find('@') != std::string::npos && out.from.find_first_of(" \t<>\r\n\"") == std::string::npos;
  if (!address) setup.conf["from"].refuse("'" + out.from + "' is no address");
  return out;
}

Action action_of(const vrd::Conf& actions, const char* key) {
  constexpr std::string_view kWords[] = {"accept", "mark", "tempfail", "hold", "reject"};
  return static_cast<Action>(std::find(std::begin(kWords), std::end(kWords), actions.text(key)) - std::begin(kWords));
}

Options::Actions actions_of(const vrd::Conf& conf) {
  Options::Actions out;
  if (!conf) return out;  // a record that is not given has no defaults within
  std::pair<const char*, Action*> all[] = {{"none", &out.none},     {"pass", &out.pass},           {"fail", &out.fail},
                                           {"reject", &out.reject}, {"quarantine", &out.quarantine}, {"temperror", &out.temperror},
                                           {"bad_from", &out.bad_from}, {"permerror", &out.permerror}};
  for (auto& [key, place] : all) *place = action_of(conf, key);
  return out;
}

}  // namespace

Options::Options(const vrd::Setup& setup)
    : trusted(common::patterns_of<common::NetworkPattern>(setup.conf, "trusted")),
      forwarders(common::patterns_of<common::NetworkPattern>(setup.conf, "forwarders")),
      forwarder_domains(common::patterns_of<common::DomainPattern>(setup.conf, "forwarder_domains")),
      exempt(common::patterns_of<common::DomainPattern>(setup.conf, "exempt")) {
  const vrd::Conf& conf = setup.conf;
  common::add_patterns(trusted, setup.host.core("relay_networks"));
  enforce = conf.flag("enforce");
  actions = actions_of(conf["actions"]);
  arc = conf.flag("arc");
  dns_timeout = conf.duration("dns_timeout");
  check_timeout = conf.duration("check_timeout");
  reports = static_cast<Reports>(conf.choice("reports"));
  report_recipients = conf.flag("report_recipients");
  memory = conf.octets("memory");
  report_size = conf.octets("report_size");
  times = {conf.duration("spread"), conf.duration("check"), conf.duration("give_up")};
  reporter = reporter_of(setup);
  if (!conf["public_suffixes"]) return;
  suffixes = mailauth::PublicSuffixes::load(std::string(conf.text("public_suffixes")));
  if (!suffixes) conf["public_suffixes"].refuse("this is no list of public suffixes that can be read (Debian: package publicsuffix)");
}

}  // namespace dmarc
