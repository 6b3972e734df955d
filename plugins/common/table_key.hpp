// Which table is asked, and with what: `{ name: T, key: sender_domain }`. Immutable; any thread.
#ifndef VEREDUS_PLUGINS_COMMON_TABLE_KEY_HPP
#define VEREDUS_PLUGINS_COMMON_TABLE_KEY_HPP

#include "common/facts.hpp"

namespace common {

#define COMMON_TABLE_KEYS "client|client_domain|sender|sender_domain|recipient|recipient_domain|account|helo"

class TableKey {
 public:
  static constexpr size_t kLongest = 512;
  enum Kind : size_t { client, client_domain, sender, sender_domain, recipient, recipient_domain, account, helo };

  TableKey(const vrd::Conf& conf, Tables& tables) : table_(tables.open(conf.text("name"))), kind_(static_cast<Kind>(conf.choice("key"))) {}

  /** The earliest stage at which the key is known. */
  uint32_t stage() const {
    constexpr uint32_t kStages[] = {VRD_STAGE_CONNECT, VRD_STAGE_CONNECT, VRD_STAGE_MAIL, VRD_STAGE_MAIL, VRD_STAGE_RCPT, VRD_STAGE_RCPT, VRD_STAGE_MAIL, VRD_STAGE_HELO};
    return kStages[kind_];
  }

  /** Looks up and gives the value, or null, to `test`, which says whether it will do. With several recipients the first that will. */
  template <class Test>
  Holds look_up(Facts& facts, Test test) const {
    if (kind_ == recipient || kind_ == recipient_domain)
      return facts.any_recipient([&](std::string_view address, std::string_view domain) {
        return one(facts, kind_ == recipient ? address_key(address) : lowered(domain), test);
      });
    return one(facts, own_key(facts.view), test);
  }

 private:
  std::string own_key(const vrd::View& view) const {
    switch (kind_) {
      case client: return std::string(view.text(VRD_ATTR_CLIENT_ADDRESS));
      case client_domain: return lowered(view.text(VRD_ATTR_CLIENT_NAME));
      case sender: return view.text(VRD_ATTR_SENDER).empty() ? "<>" : address_key(view.text(VRD_ATTR_SENDER));
      case sender_domain: return lowered(view.text(VRD_ATTR_SENDER_DOMAIN));
      case account: return std::string(view.text(VRD_ATTR_AUTH_ACCOUNT));
      default: return lowered(view.text(VRD_ATTR_HELO));
    }
  }
  template <class Test>
  Holds one(Facts& facts, const std::string& key, Test& test) const {
    if (key.empty() || key.size() > kLongest) return test(nullptr) ? Holds::yes : Holds::no;
    const Answers::Row& row = facts.answers.row(table_, key);
    if (row.state == Answers::Row::State::failed) {
      facts.why = "a table does not answer";
      return Holds::failed;
    }
    if (row.state != Answers::Row::State::known) return Holds::unknown;
    return test(row.value ? &*row.value : nullptr) ? Holds::yes : Holds::no;
  }

  vrd::Table table_;
  Kind kind_;
};

}  // namespace common
#endif
