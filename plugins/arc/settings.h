// Settings of the plugin arc, read once. Any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/network.hpp"
#include "mailauth/arc/chain.h"

namespace arc {

enum class SealWhat : size_t { never, forwarded, all };

struct Options {
  explicit Options(const vrd::Setup& setup);

  bool is_ours(std::string_view client) const;
  bool is_local(std::string_view domain) const;

  std::string hostname;
  std::vector<common::NetworkPattern> ours;  // core.relay_networks among them
  std::vector<common::DomainPattern> local, trusted;
  SealWhat seal = SealWhat::forwarded;
  mailauth::SigningKey key;  // without a key: nothing is sealed
  mailauth::SignOptions signing;
  uint32_t least_rsa_bits = 1024;
  vrd::milliseconds dns_timeout{};
};

// The key in a file. Null and `problem`: a sentence.
std::shared_ptr<const mailauth::PrivateKey> read_key(const std::string& file, std::string& problem);

}  // namespace arc
