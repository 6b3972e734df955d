// Settings of the plugin srs: domains of ours, secrets, rules. Read once, then only read.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/conditions.hpp"
#include "srs/address.h"

namespace srs {

// Secrets as given; without any, one of this host's own, made once and kept in its state directory. Throws when that cannot be had.
std::vector<std::string> secrets_of(const vrd::Setup& setup);

class Options {
 public:
  explicit Options(const vrd::Setup& setup);

  // Domains whose mail stays here, or is sent from here.
  bool ours(std::string_view domain) const;
  bool takes(std::string_view domain) const;  // of rewritten addresses, also earlier ones
  const std::string& domain() const { return domains_.front(); }

  const Scheme scheme;
  const bool bounces_only, redirected;
  const vrd::milliseconds max_age;
  std::vector<common::NetworkPattern> inside;
  std::vector<std::unique_ptr<common::Conditions>> forward, except;

 private:
  void read_domains(const vrd::Setup& setup);
  std::vector<std::string> domains_;
  std::vector<common::DomainPattern> ours_;
};

}  // namespace srs
