// The table itself: documented, with defaults that parse and keep their bounds, and with a row for every
// member of Settings.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "config/schema.h"
#include "config/show.h"
#include "config/yaml.h"

using namespace veredus;

namespace {

struct Anything {
  template <typename T>
  operator T() const;
};

template <typename T, size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return requires { T{((void)I, Anything{})...}; };
}

// How many members an aggregate has.
template <typename T, size_t N = 64>
constexpr size_t member_count() {
  if constexpr (N == 0)
    return 0;
  else if constexpr (takes<T>(std::make_index_sequence<N>{}))
    return N;
  else
    return member_count<T, N - 1>();
}

using Addresses = std::set<const void*>;

Addresses addresses_of(std::span<const Setting> rows, const void* object) {
  Addresses out;
  for (const Setting& row : rows) out.insert(row.member.address(object));
  return out;
}

template <typename T>
size_t inside(const Addresses& all, const T& part) {
  auto* begin = reinterpret_cast<const char*>(&part);
  size_t count = 0;
  for (const void* address : all) count += address >= begin && address < begin + sizeof part;
  return count;
}

template <typename T>
size_t fields_of(const char* row) {
  T object{};
  return addresses_of(find_core_setting(row)->fields, &object).size();
}

}  // namespace

TEST_CASE("every row is named once and documented") {
  std::set<std::string> names;
  each_setting([&](const std::string& name, const Setting& setting) {
    CHECK_MESSAGE(names.insert(name).second, name);
    CHECK_MESSAGE(setting.doc.size() > 10, name);
    CHECK_MESSAGE(setting.doc.ends_with('.'), name);
    CHECK_MESSAGE((setting.required || !setting.fallback.empty() || !setting.derived.empty()), name);
    CHECK_MESSAGE((setting.type != Type::choice || !setting.choices.empty()), name);
    CHECK_MESSAGE((setting.type != Type::record || !setting.fields.empty()), name);
    CHECK_MESSAGE(!setting.since.empty(), name);
  });
  CHECK(names.size() > 80);
}

TEST_CASE("every default parses and keeps its own bounds") {
  for (const Setting& setting : core_settings()) {
    Settings settings;
    Problems problems;
    ReadContext context{problems, nullptr, std::string(setting.name)};
    if (setting.fallback.empty()) continue;
    auto node = read_yaml(setting.fallback, "default", problems);
    REQUIRE_MESSAGE(node, setting.name);
    CHECK_MESSAGE(store_setting(setting, *node, context, &settings), setting.name);
    for (const ConfigError& error : problems.take_errors()) FAIL(error.full());
  }
}

TEST_CASE("the defaults of a record's fields parse too") {
  Problems problems;
  ReadContext context{problems, nullptr, ""};
  auto node =
      read_yaml("{ address: \"127.0.0.1:1\", match: a.test, to: [mx], cert: /c, key: /k }", "x", problems);
  each_setting([&](const std::string& name, const Setting& setting) {
    for (const Setting& field : setting.fields) {
      if (field.fallback.empty()) continue;
      auto value = read_yaml(field.fallback, "default", problems);
      ListenerSettings listener;
      RouteSettings route;
      SourceSettings source;
      ProviderSettings provider;
      LimitSettings limit;
      CertificateSettings certificate;
      TlsPolicySettings policy;
      CredentialSettings credential;
      SenderSettings sender;
      HelperSettings helper;
      void* object = setting.name == "listeners"         ? static_cast<void*>(&listener)
                     : setting.name == "routes"          ? static_cast<void*>(&route)
                     : setting.name == "sources"         ? static_cast<void*>(&source)
                     : setting.name == "providers"       ? static_cast<void*>(&provider)
                     : setting.name == "outbound_limits" ? static_cast<void*>(&limit)
                     : setting.name == "helpers"         ? static_cast<void*>(&helper)
                     : setting.name == "tls.policies"    ? static_cast<void*>(&policy)
                     : setting.name == "credentials"     ? static_cast<void*>(&credential)
                     : setting.name == "auth.senders"    ? static_cast<void*>(&sender)
                                                         : static_cast<void*>(&certificate);
      CHECK_MESSAGE(store_setting(field, *value, context, object), name);
    }
  });
  CHECK_FALSE(problems.any_error());
}

TEST_CASE("bounds come in pairs and are in order") {
  each_setting([](const std::string& name, const Setting& setting) {
    CHECK_MESSAGE(setting.low.empty() == setting.high.empty(), name);
    bool numeric = setting.type == Type::integer || setting.type == Type::size ||
                   setting.type == Type::duration || setting.type == Type::percent;
    CHECK_MESSAGE(numeric == !setting.low.empty(), name);
  });
}

TEST_CASE("every member of Settings is set by some row") {
  Settings s;
  Addresses all = addresses_of(core_settings(), &s);
  CHECK(inside(all, s.queue) == member_count<QueueSettings>());
  CHECK(inside(all, s.outbound) == member_count<OutboundSettings>());
  CHECK(inside(all, s.limits) == member_count<LimitsSettings>());
  CHECK(inside(all, s.spool) == member_count<SpoolSettings>());
  CHECK(inside(all, s.metrics) == member_count<MetricsSettings>());
  CHECK(inside(all, s.tls) == member_count<TlsSettings>());
  CHECK(inside(all, s.auth) == member_count<AuthSettings>());
  CHECK(inside(all, s.submission) == member_count<SubmissionSettings>());
  CHECK(inside(all, s.kv) == member_count<KvSettings>());
  CHECK(inside(all, s.plugins) == member_count<PluginsSettings>());
  size_t grouped = inside(all, s.queue) + inside(all, s.outbound) + inside(all, s.limits) +
                   inside(all, s.spool) + inside(all, s.metrics) + inside(all, s.tls) + inside(all, s.kv) +
                   inside(all, s.plugins) + inside(all, s.auth) + inside(all, s.submission);
  CHECK(all.size() == core_settings().size());
  CHECK(all.size() - grouped == member_count<Settings>() - 10 - 2);  // ten groups, origins, and local_delivery
}

TEST_CASE("every member of a record is set by some field, its name by its key") {
  CHECK(fields_of<ListenerSettings>("listeners") == member_count<ListenerSettings>());
  CHECK(fields_of<RouteSettings>("routes") == member_count<RouteSettings>());
  CHECK(fields_of<SourceSettings>("sources") == member_count<SourceSettings>() - 1);
  CHECK(fields_of<ProviderSettings>("providers") == member_count<ProviderSettings>() - 1);
  CHECK(fields_of<LimitSettings>("outbound_limits") == member_count<LimitSettings>() - 1);
  CHECK(fields_of<CertificateSettings>("tls.certificates") == member_count<CertificateSettings>());
  CHECK(fields_of<TlsPolicySettings>("tls.policies") == member_count<TlsPolicySettings>());
  CHECK(fields_of<SenderSettings>("auth.senders") == member_count<SenderSettings>());
  CHECK(fields_of<CredentialSettings>("credentials") == member_count<CredentialSettings>());
  CHECK(fields_of<HelperSettings>("helpers") == member_count<HelperSettings>());
}

TEST_CASE("no word means both a limit at the top and something else") {
  for (const Setting& setting : core_settings()) {
    if (!setting.name.starts_with("limits.")) continue;
    std::string word(setting.name.substr(7));
    CHECK_MESSAGE(!find_core_setting(word), word);
    for (const Setting& other : core_settings()) CHECK_MESSAGE(!other.name.starts_with(word + "."), word);
  }
}
