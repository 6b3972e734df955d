#include "settings.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace arc {

std::shared_ptr<const mailauth::PrivateKey> read_key(const std::string& file, std::string& problem) {
  std::unique_ptr<FILE, int (*)(FILE*)> in(std::fopen(file.c_str(), "rbe"), std::fclose);
  std::string text(65'536, '\0');
  if (in) text.resize(std::fread(text.data(), 1, text.size(), in.get()));
  if (!in || std::ferror(in.get())) {
    problem = "the key file " + file + " cannot be read: " + std::strerror(errno);
    return nullptr;
  }
  std::string what;
  auto key = mailauth::PrivateKey::from_pem(text, &what);
  if (!key) problem = "the key file " + file + " " + what;
  return key;
}

Options::Options(const vrd::Setup& setup) : hostname(setup.host.core("hostname")), ours(common::patterns_of<common::NetworkPattern>(setup.conf, "ours")) {
  const vrd::Conf& conf = setup.conf;
  common::add_patterns(ours, setup.host.core("relay_networks"));
  common::add_patterns(local, setup.host.core("relay_domains"));
  trusted = common::patterns_of<common::DomainPattern>(conf, "trusted");
  seal = static_cast<SealWhat>(conf.choice("seal"));
  least_rsa_bits = static_cast<uint32_t>(conf.number("least_rsa_bits"));
  dns_timeout = conf.duration("dns_timeout");
  signing.names = mailauth::usually_signed();
  signing.names.emplace_back("DKIM-Signature");
  signing.oversigned = {"From", "Subject", "Date"};
  key.domain = common::lowered(conf.text("domain"));
  key.selector = common::lowered(conf.text("selector"));
  std::string file(conf.text("key_file"));
  if (file.empty() && key.domain.empty() && key.selector.empty()) return;
  if (!mailauth::is_host_name(key.domain) || key.domain.find('.') == std::string::npos) conf["domain"].refuse("to seal, it takes a domain");
  if (!mailauth::is_host_name(key.selector)) conf["selector"].refuse("to seal, it takes a selector: letters, digits, hyphens");
  std::string problem;
  key.key = read_key(file, problem);
  if (!key.key) conf["key_file"].refuse(problem);
}

bool Options::is_ours(std::string_view client) const {
  const auto address = common::address_octets(client);
  return address && common::any_matches(ours, *address);
}

bool Options::is_local(std::string_view domain) const {
  return std::any_of(local.begin(), local.end(), [&](const common::DomainPattern& each) { return each.matches(domain); });
}

}  // namespace arc
