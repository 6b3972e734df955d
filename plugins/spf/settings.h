// Settings of the plugin spf, read once.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "common/network.hpp"
#include "mailauth/spf/spf.h"

namespace spf {

enum class Helo : size_t { null_sender, always, never };
enum class Action : size_t { accept, mark, tempfail, reject };
constexpr std::array<const char*, 7> kResults{"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"};  // as SpfResult

struct Options {
  explicit Options(const vrd::Setup& setup) : hostname(setup.host.core("hostname")), trusted(common::patterns_of<common::NetworkPattern>(setup.conf, "trusted")) {
    common::add_patterns(trusted, setup.host.core("relay_networks"));
    helo = static_cast<Helo>(setup.conf.choice("helo"));
    actions.fill(Action::mark);  // a record that is not given has no defaults within
    for (size_t i = 0; i < kResults.size(); ++i)
      if (vrd::Conf record = setup.conf["actions"]) actions[i] = static_cast<Action>(record.choice(kResults[i]));
    reply = setup.conf.text("reply");
    explanation = setup.conf.flag("explanation");
    received_spf = setup.conf.flag("received_spf");
    dns_timeout = setup.conf.duration("dns_timeout");
    check_timeout = setup.conf.duration("check_timeout");
    limits.lookups = static_cast<uint32_t>(setup.conf.number("lookups"));
    limits.void_lookups = static_cast<uint32_t>(setup.conf.number("void_lookups"));
    limits.mx_hosts = static_cast<uint32_t>(setup.conf.number("mx_hosts"));
    limits.ptr_names = static_cast<uint32_t>(setup.conf.number("ptr_names"));
    if (!common::is_printable(reply)) setup.conf["reply"].refuse("a reply is printable ASCII");
  }

  Action action(mailauth::SpfResult result) const { return actions[static_cast<size_t>(result)]; }

  std::string hostname, reply;
  std::vector<common::NetworkPattern> trusted;
  Helo helo = Helo::null_sender;
  std::array<Action, 7> actions{};
  bool explanation = true, received_spf = false;
  vrd::milliseconds dns_timeout{}, check_timeout{};
  mailauth::SpfLimits limits;
};

}  // namespace spf
