#include "settings.h"

namespace dmarc {

namespace {

void add_networks(std::vector<common::NetworkPattern>& to, std::string_view list) {
  while (!list.empty()) {
    size_t end = std::min(list.find(','), list.size());
    to.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

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

}  // namespace

Options::Options(const vrd::Setup& setup)
    : trusted(common::patterns_of<common::NetworkPattern>(setup.conf, "trusted")),
      forwarders(common::patterns_of<common::NetworkPattern>(setup.conf, "forwarders")),
      forwarder_domains(common::patterns_of<common::DomainPattern>(setup.conf, "forwarder_domains")),
      exempt(common::patterns_of<common::DomainPattern>(setup.conf, "exempt")) {
  const vrd::Conf& conf = setup.conf;
  add_networks(trusted, setup.host.core("relay_networks"));
  enforce = conf.flag("enforce");
  on_reject = static_cast<Action>(conf.choice("on_reject"));
  on_quarantine = static_cast<Action>(conf.choice("on_quarantine"));
  bad_from = static_cast<Action>(conf.choice("bad_from"));
  temperror_waits = conf.choice("on_temperror") == 1;
  arc = conf.flag("arc");
  dns_timeout = conf.duration("dns_timeout");
  check_timeout = conf.duration("check_timeout");
  reports = static_cast<Reports>(conf.choice("reports"));
  memory = conf.octets("memory");
  report_size = conf.octets("report_size");
  spread = conf.duration("spread");
  check = conf.duration("check");
  give_up = conf.duration("give_up");
  reporter = reporter_of(setup);
  if (!conf["public_suffixes"]) return;
  suffixes = mailauth::PublicSuffixes::load(std::string(conf.text("public_suffixes")));
  if (!suffixes) conf["public_suffixes"].refuse("this is no list of public suffixes that can be read (Debian: package publicsuffix)");
}

}  // namespace dmarc
