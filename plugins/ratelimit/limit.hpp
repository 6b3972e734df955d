// One limit: what it counts, by which key, for whom, and what happens above it. Read once from the settings, then immutable; any thread.
#ifndef VEREDUS_PLUGINS_RATELIMIT_LIMIT_HPP
#define VEREDUS_PLUGINS_RATELIMIT_LIMIT_HPP

#include <veredus/plugin.hpp>

#include "bucket.hpp"
#include "common/network.hpp"

namespace ratelimit {

#define RATELIMIT_KEYS "client|client_net|tenant|sender|sender_domain|account|recipient|recipient_domain"
#define RATELIMIT_WHATS "connections|messages|recipients|octets"
#define RATELIMIT_OVERS "defer|reject|disconnect|mark"
#define RATELIMIT_ROLES "mx|submission|relay|lmtp"

enum Key : size_t { client, client_net, tenant, sender, sender_domain, account, recipient, recipient_domain };
enum What : size_t { connections, messages, recipients, octets };
enum Over : size_t { defer, reject, disconnect, mark };

inline uint32_t stage_of(What what) {
  constexpr uint32_t kStages[] = {VRD_STAGE_CONNECT, VRD_STAGE_MAIL, VRD_STAGE_RCPT, VRD_STAGE_MESSAGE};
  return kStages[what];
}

/** Empty: not known, or nobody in particular as the null sender: the limit does not count then. */
inline std::string value_of(Key key, const vrd::View& view) {
  switch (key) {
    case client: return std::string(view.text(VRD_ATTR_CLIENT_ADDRESS));
    case client_net: {
      const auto address = common::address_octets(view.text(VRD_ATTR_CLIENT_ADDRESS));
      return address ? common::network_of(*address, 24, 64) : std::string();
    }
    case tenant: return std::string(view.text(VRD_ATTR_TENANT));
    case sender: return common::lowered(view.text(VRD_ATTR_SENDER));
    case sender_domain: return common::lowered(view.text(VRD_ATTR_SENDER_DOMAIN));
    case account: return std::string(view.text(VRD_ATTR_AUTH_ACCOUNT));
    case recipient: return common::lowered(view.text(VRD_ATTR_RECIPIENT));
    case recipient_domain: return common::lowered(view.text(VRD_ATTR_RECIPIENT_DOMAIN));
  }
  return {};
}

/** `when` or `not`: what is known of who sends. Entries of a list: any of them. */
class Who {
 public:
  explicit Who(const vrd::Conf& conf)
      : networks_(common::patterns_of<common::NetworkPattern>(conf, "client")), accounts_(conf.texts("account")), tenants_(conf.texts("tenant")), roles_(conf.texts("listener_role")) {}
  bool asks_account() const { return !accounts_.empty(); }

  bool all(const vrd::View& view) const {
    return (networks_.empty() || client_is(view)) && (accounts_.empty() || is(view, VRD_ATTR_AUTH_ACCOUNT, accounts_)) &&
           (tenants_.empty() || is(view, VRD_ATTR_TENANT, tenants_)) && (roles_.empty() || is(view, VRD_ATTR_LISTENER_ROLE, roles_));
  }
  bool any(const vrd::View& view) const {
    return client_is(view) || is(view, VRD_ATTR_AUTH_ACCOUNT, accounts_) || is(view, VRD_ATTR_TENANT, tenants_) || is(view, VRD_ATTR_LISTENER_ROLE, roles_);
  }

 private:
  bool client_is(const vrd::View& view) const {
    const auto address = common::address_octets(view.text(VRD_ATTR_CLIENT_ADDRESS));
    return address && common::any_matches(networks_, *address);
  }
  static bool is(const vrd::View& view, uint32_t attr, const std::vector<std::string>& words) {
    const std::string_view value = view.text(attr);
    return !value.empty() && std::any_of(words.begin(), words.end(), [&](const std::string& word) { return word == "*" || word == value; });
  }
  std::vector<common::NetworkPattern> networks_;
  std::vector<std::string> accounts_, tenants_, roles_;
};

class Limit {
 public:
  explicit Limit(const vrd::Conf& conf)
      : name(conf.text("name")), what(static_cast<What>(conf.choice("what"))), over(static_cast<Over>(conf.choice("over"))), when_(conf["when"]), not_(conf["not"]) {
    const bool plain = std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; });
    if (!plain) conf["name"].refuse("the name of a limit has a to z, 0 to 9, - and _ only");
    for (const vrd::Conf& one : conf.list("per")) {
      per_.push_back(static_cast<Key>(one.number()));
      if (!known(per_.back())) one.refuse("'" + std::string(one.text()) + "' is not known yet when " + std::string(conf.text("what")) + " are counted");
    }
    const bool asks_account = when_.asks_account() || not_.asks_account();
    if (asks_account && what == connections) conf.refuse("accounts are not known yet when connections are counted");
    read_rate(conf);
    reply_ = conf["reply"] ? std::string(conf.text("reply")) : default_reply();
    if (!std::all_of(reply_.begin(), reply_.end(), [](char c) { return c >= 0x20 && c < 0x7f; })) conf["reply"].refuse("a reply is printable ASCII");
  }

  const std::string name;
  const What what;
  const Over over;
  Bucket bucket;

  /** The key of the bucket for what the view shows, without the name; empty: it does not count here. */
  std::string key(const vrd::View& view) const {
    if (!when_.all(view) || not_.any(view)) return {};
    std::string out;
    for (Key one : per_) {
      const std::string value = value_of(one, view);
      if (value.empty()) return {};
      out += (out.empty() ? "" : "|") + value;
    }
    return out;
  }

  std::string reply(int64_t wait_ms) const {
    constexpr std::string_view kPlace = "{seconds}";
    std::string out = reply_;
    const std::string seconds = std::to_string(std::max<int64_t>(1, (wait_ms + 999) / 1000));
    for (size_t at = out.find(kPlace); at != out.npos; at = out.find(kPlace, at + seconds.size())) out.replace(at, kPlace.size(), seconds);
    return out;
  }

 private:
  bool known(Key key) const {
    if (key == recipient || key == recipient_domain) return what == recipients;
    return what != connections || key == client || key == client_net || key == tenant;
  }
  void read_rate(const vrd::Conf& conf) {
    try {
      const Rate rate = rate_of(conf.text("rate"));
      const int64_t burst = conf["burst"] ? conf.number("burst") : rate.count;
      bucket = Bucket(rate, burst);
    } catch (const std::invalid_argument& error) {
      conf["rate"].refuse(error.what());
    }
  }
  std::string default_reply() const {
    constexpr const char* kWhats[] = {"connections", "messages", "recipients", "octets"};
    return std::string("Too many ") + kWhats[what] + " within a short time, try again in {seconds} seconds";
  }

  std::vector<Key> per_;
  Who when_, not_;
  std::string reply_;
};

}  // namespace ratelimit
#endif
