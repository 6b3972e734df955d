// The kinds of conditions, one class each: what it reads from the settings, at which stage it is known, when it holds. Immutable.
#ifndef VEREDUS_PLUGINS_COMMON_CONDITION_KINDS_HPP
#define VEREDUS_PLUGINS_COMMON_CONDITION_KINDS_HPP

#include <limits>

#include "common/table_key.hpp"

namespace common {

class Condition {
 public:
  explicit Condition(uint32_t known_at) : stage(known_at) {}
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;
  virtual ~Condition() = default;
  virtual Holds test(Facts& facts) const = 0;

  uint32_t stage;
  bool of_note = false;

 protected:
  static Holds holds(bool yes) { return yes ? Holds::yes : Holds::no; }
};

/** A setting made into something whose constructor throws std::invalid_argument: the error gets the place of the setting. */
template <class T>
T made(const vrd::Conf& conf) {
  try {
    return T(conf.text());
  } catch (const std::invalid_argument& error) {
    conf.refuse(error.what());
  }
}
template <class T>
std::vector<T> all_made(const vrd::Conf& conf, const char* key) {
  std::vector<T> out;
  for (const vrd::Conf& one : conf.list(key)) out.push_back(made<T>(one));
  return out;
}

class ClientIs : public Condition {
 public:
  ClientIs(const vrd::Conf& conf, Tables&) : Condition(VRD_STAGE_CONNECT), networks_(all_made<NetworkPattern>(conf, "client")) {}
  Holds test(Facts& facts) const override {
    const auto address = address_octets(facts.view.text(VRD_ATTR_CLIENT_ADDRESS));
    return holds(address && any_matches(networks_, *address));
  }

 private:
  std::vector<NetworkPattern> networks_;
};

/** An attribute that is a domain name. */
class DomainIs : public Condition {
 public:
  DomainIs(const vrd::Conf& conf, const char* key, uint32_t attr, uint32_t known_at)
      : Condition(known_at), attr_(attr), patterns_(all_made<DomainPattern>(conf, key)) {}
  Holds test(Facts& facts) const override { return holds(any_matches(patterns_, lowered(facts.view.text(attr_)))); }

 private:
  uint32_t attr_;
  std::vector<DomainPattern> patterns_;
};
struct ClientNameIs : DomainIs {
  ClientNameIs(const vrd::Conf& conf, Tables&) : DomainIs(conf, "client_name", VRD_ATTR_CLIENT_NAME, VRD_STAGE_CONNECT) {}
};
struct HeloIs : DomainIs {
  HeloIs(const vrd::Conf& conf, Tables&) : DomainIs(conf, "helo", VRD_ATTR_HELO, VRD_STAGE_HELO) {}
};

/** An attribute that is one of some words; "*" is any that is not empty. */
class WordIs : public Condition {
 public:
  WordIs(const vrd::Conf& conf, const char* key, uint32_t attr, uint32_t known_at) : Condition(known_at), attr_(attr), words_(conf.texts(key)) {}
  Holds test(Facts& facts) const override {
    const std::string_view value = facts.view.text(attr_);
    return holds(!value.empty() && std::any_of(words_.begin(), words_.end(), [&](const std::string& word) { return word == "*" || word == value; }));
  }

 private:
  uint32_t attr_;
  std::vector<std::string> words_;
};
struct RoleIs : WordIs {
  RoleIs(const vrd::Conf& conf, Tables&) : WordIs(conf, "listener_role", VRD_ATTR_LISTENER_ROLE, VRD_STAGE_CONNECT) {}
};
/** How the connection is encrypted, and the client's certificate; may still change until MAIL. */
struct TlsVersionIs : WordIs {
  TlsVersionIs(const vrd::Conf& conf, Tables&) : WordIs(conf, "tls_version", VRD_ATTR_TLS_VERSION, VRD_STAGE_MAIL) {}
};
struct TlsPeerIs : WordIs {
  TlsPeerIs(const vrd::Conf& conf, Tables&) : WordIs(conf, "tls_peer", VRD_ATTR_TLS_PEER, VRD_STAGE_MAIL) {}
};
struct TlsFingerprintIs : WordIs {
  TlsFingerprintIs(const vrd::Conf& conf, Tables&) : WordIs(conf, "tls_fingerprint", VRD_ATTR_TLS_FINGERPRINT, VRD_STAGE_MAIL) {}
};
/** Accounts and tenants may still change until MAIL. */
struct AccountIs : WordIs {
  AccountIs(const vrd::Conf& conf, Tables&) : WordIs(conf, "account", VRD_ATTR_AUTH_ACCOUNT, VRD_STAGE_MAIL) {}
};
struct TenantIs : WordIs {
  TenantIs(const vrd::Conf& conf, Tables&) : WordIs(conf, "tenant", VRD_ATTR_TENANT, VRD_STAGE_MAIL) {}
};

class SenderIs : public Condition {
 public:
  SenderIs(const vrd::Conf& conf, Tables&) : Condition(VRD_STAGE_MAIL), patterns_(all_made<AddressPattern>(conf, "sender")) {}
  Holds test(Facts& facts) const override { return holds(any_folded(patterns_, facts.view.text(VRD_ATTR_SENDER))); }

 private:
  std::vector<AddressPattern> patterns_;
};

class RecipientIs : public Condition {
 public:
  RecipientIs(const vrd::Conf& conf, Tables&) : Condition(VRD_STAGE_RCPT), patterns_(all_made<AddressPattern>(conf, "recipient")) {}
  Holds test(Facts& facts) const override {
    return facts.any_recipient([&](std::string_view address, std::string_view) { return holds(any_folded(patterns_, address)); });
  }

 private:
  std::vector<AddressPattern> patterns_;
};

class SizeOver : public Condition {
 public:
  SizeOver(const vrd::Conf& conf, Tables&) : Condition(VRD_STAGE_MESSAGE), octets_(conf.octets("size_over")) {}
  Holds test(Facts& facts) const override { return holds(facts.view.size() > octets_); }

 private:
  uint64_t octets_;
};
class SizeUnder : public Condition {
 public:
  SizeUnder(const vrd::Conf& conf, Tables&) : Condition(VRD_STAGE_MESSAGE), octets_(conf.octets("size_under")) {}
  Holds test(Facts& facts) const override { return holds(facts.view.size() < octets_); }

 private:
  uint64_t octets_;
};

/** Notes: one of them is there, has a text, or is a number above a bound. */
class NoteIs : public Condition {
 public:
  NoteIs(const vrd::Conf& conf, Tables&) : Condition(VRD_STAGE_CONNECT) {
    of_note = true;
    for (const vrd::Conf& one : conf.list("note")) {
      Row row{std::string(one.text("name")), std::nullopt, std::nullopt};
      if (one["equals"]) row.equals = std::string(one.text("equals"));
      if (one["over"]) row.over = one.number("over");
      if (row.equals && row.over) one.refuse("a note is compared by `equals` or by `over`, not by both");
      rows_.push_back(std::move(row));
    }
  }
  Holds test(Facts& facts) const override {
    return holds(std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) {
      const auto value = facts.view.note(row.name);
      if (!value) return false;
      if (row.over) return number(*value) > static_cast<double>(*row.over);
      return !row.equals || *value == *row.equals;
    }));
  }

 private:
  struct Row {
    std::string name;
    std::optional<std::string> equals;
    std::optional<int64_t> over;
  };
  static double number(std::string_view text) {
    double out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size() ? out : -std::numeric_limits<double>::infinity();
  }
  std::vector<Row> rows_;
};

/** Header fields by name: one is there, has a text in it, or matches. All fields of the name are looked at, up to a bound. */
class HeaderIs : public Condition {
 public:
  static constexpr uint32_t kMostFields = 100;
  HeaderIs(const vrd::Conf& conf, Tables&) : Condition(VRD_STAGE_HEADERS) {
    for (const vrd::Conf& one : conf.list("header")) {
      Row row;
      row.name = std::string(one.text("name"));
      if (one["contains"]) row.contains = lowered(one.text("contains"));
      if (one["matches"]) row.regex.emplace(made<Regex>(one["matches"]));
      if (one["present"]) row.present = one.flag("present");
      if ((row.contains ? 1 : 0) + (row.regex ? 1 : 0) + (row.present ? 1 : 0) != 1) one.refuse("a header field is tested by one of contains, matches, present");
      rows_.push_back(std::move(row));
    }
  }
  Holds test(Facts& facts) const override {
    const auto [place, is_new] = facts.known.try_emplace(this, Holds::no);
    if (is_new) place->second = any_of(facts);
    return place->second;
  }

 private:
  Holds any_of(Facts& facts) const {
    Holds any = Holds::no;
    for (const Row& row : rows_) {
      const Holds one = test(facts, row);
      if (one == Holds::yes) return one;
      if (one == Holds::failed) any = one;
    }
    return any;
  }
  struct Row {
    std::string name;
    std::optional<std::string> contains;
    std::optional<Regex> regex;
    std::optional<bool> present;
  };
  static Holds test(Facts& facts, const Row& row) {
    if (row.present) return holds(facts.view.header(row.name).has_value() == *row.present);
    for (uint32_t n = 1; n <= kMostFields; n++) {
      const auto value = facts.view.header(row.name, n);
      if (!value) break;
      const std::string text = unfolded(value->substr(0, 4 * Regex::kLongestText));
      const Holds one = row.regex ? facts.matches(*row.regex, text) : holds(lowered(text).find(*row.contains) != text.npos);
      if (one != Holds::no) return one;
    }
    return Holds::no;
  }
  std::vector<Row> rows_;
};

class TableHas : public Condition {
 public:
  TableHas(const vrd::Conf& conf, Tables& tables) : Condition(VRD_STAGE_CONNECT) {
    for (const vrd::Conf& one : conf.list("table")) {
      Row row{TableKey(one, tables), std::nullopt};
      if (one["equals"]) row.equals = std::string(one.text("equals"));
      stage = std::max(stage, row.key.stage());
      rows_.push_back(std::move(row));
    }
  }
  Holds test(Facts& facts) const override {
    Holds any = Holds::no;
    for (const Row& row : rows_) {
      const Holds one = row.key.look_up(facts, [&](const std::string* value) { return value != nullptr && (!row.equals || *value == *row.equals); });
      if (one == Holds::yes) return one;
      if (one != Holds::no && any != Holds::failed) any = one;
    }
    return any;
  }

 private:
  struct Row {
    TableKey key;
    std::optional<std::string> equals;
  };
  std::vector<Row> rows_;
};

}  // namespace common
#endif
