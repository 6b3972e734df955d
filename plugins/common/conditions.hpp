// Conditions of rules: the mappings `when` and `not`, which access, header and routing share. All of `when` must hold and none of `not`;
// a list holds when any entry does. A rule is decided at the earliest stage at which everything it names is known, or at a later one
// that it asks for. Built once in a constructor, then immutable: any thread.
#ifndef VEREDUS_PLUGINS_COMMON_CONDITIONS_HPP
#define VEREDUS_PLUGINS_COMMON_CONDITIONS_HPP

#include <memory>

#include "common/condition_kinds.hpp"
#include "common/condition_settings.hpp"

namespace common {

inline std::string_view stage_name(uint32_t stage) {
  switch (stage) {
    case VRD_STAGE_CONNECT: return "connect";
    case VRD_STAGE_HELO: return "helo";
    case VRD_STAGE_MAIL: return "mail";
    case VRD_STAGE_RCPT: return "rcpt";
    case VRD_STAGE_DATA: return "data";
    case VRD_STAGE_HEADERS: return "headers";
    default: return "message";
  }
}

class Conditions {
 public:
  Conditions() = default;
  /** `rule` is the record that has `when` and `not`. Refuses the configuration where something does not fit. */
  Conditions(const vrd::Conf& rule, Tables& tables) : when_(read(rule["when"], tables)), not_(read(rule["not"], tables)) {
    for (const auto* list : {&when_, &not_})
      for (const auto& one : *list) stage_ = std::max(stage_, one->stage), notes_ = notes_ || one->of_note;
  }

  /** The stage at which a rule with these is decided: not before `earliest`; `asked` is the rule's key `stage`, a COMMON_STAGES, or unset.
   *  When a note is left is not known: without `asked`, conditions on notes are decided last. */
  uint32_t stage(const vrd::Conf& asked, uint32_t earliest = VRD_STAGE_CONNECT) const {
    constexpr uint32_t kStages[] = {VRD_STAGE_CONNECT, VRD_STAGE_HELO, VRD_STAGE_MAIL, VRD_STAGE_RCPT, VRD_STAGE_DATA, VRD_STAGE_HEADERS, VRD_STAGE_MESSAGE};
    const uint32_t first = std::max(stage_, earliest);
    if (!asked) return notes_ ? VRD_STAGE_MESSAGE : first;
    const uint32_t wanted = kStages[static_cast<size_t>(asked.number())];
    if (wanted < first) asked.refuse("this rule cannot be decided before stage " + std::string(stage_name(first)));
    return wanted;
  }

  Holds test(Facts& facts) const {
    Holds all = Holds::yes;
    for (const auto& one : when_) {
      const Holds holds = one->test(facts);
      if (holds == Holds::no) return Holds::no;
      if (holds != Holds::yes && all != Holds::failed) all = holds;
    }
    for (const auto& one : not_) {
      const Holds holds = one->test(facts);
      if (holds == Holds::yes) return Holds::no;
      if (holds != Holds::no && all != Holds::failed) all = holds;
    }
    return all;
  }

  bool empty() const { return when_.empty() && not_.empty(); }

 private:
  using List = std::vector<std::unique_ptr<Condition>>;

  static List read(const vrd::Conf& conf, Tables& tables) {
    List out;
    if (!conf) return out;
    const auto add = [&]<class Kind>(const char* key, std::type_identity<Kind>) {
      if (conf[key]) out.push_back(std::make_unique<Kind>(conf, tables));
    };
    add("client", std::type_identity<ClientIs>());
    add("client_name", std::type_identity<ClientNameIs>());
    add("helo", std::type_identity<HeloIs>());
    add("listener_role", std::type_identity<RoleIs>());
    add("tls_version", std::type_identity<TlsVersionIs>());
    add("tls_peer", std::type_identity<TlsPeerIs>());
    add("tls_fingerprint", std::type_identity<TlsFingerprintIs>());
    add("account", std::type_identity<AccountIs>());
    add("tenant", std::type_identity<TenantIs>());
    add("sender", std::type_identity<SenderIs>());
    add("recipient", std::type_identity<RecipientIs>());
    add("size_over", std::type_identity<SizeOver>());
    add("size_under", std::type_identity<SizeUnder>());
    add("note", std::type_identity<NoteIs>());
    add("header", std::type_identity<HeaderIs>());
    add("table", std::type_identity<TableHas>());
    return out;
  }

  List when_, not_;
  uint32_t stage_ = VRD_STAGE_CONNECT;
  bool notes_ = false;
};

}  // namespace common
#endif
