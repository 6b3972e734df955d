// Settings: the immutable typed snapshot of the core's configuration. Filled only by the declared table
// (config/schema), which also holds every default; `default_settings()` returns those. Shared between threads
// as shared_ptr<const Settings>.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address_ip.h"
#include "base/clock.h"

namespace veredus {

enum class Role : uint8_t { mx, submission, relay, lmtp, local };  // local: the submission socket, never a listener of the settings
enum class IpPreference : uint8_t { system, ipv4, ipv6, ipv4_only, ipv6_only };
enum class BareNewlines : uint8_t { reject, normalise };
// How a connection to a next hop is secured, in words of `tls.outbound`, from weakest to strictest.
enum class TlsLevel : uint8_t { none, opportunistic, encrypt, verify, dane, dane_only, mta_sts };
enum class ListenerTls : uint8_t { starttls, implicit, none };
enum class UnlistedSender : uint8_t { allow, refuse };

struct ListenerSettings {
  Endpoint address;
  Role role = Role::mx;
  bool proxy = false;
  ListenerTls tls = ListenerTls::starttls;
  bool operator==(const ListenerSettings&) const = default;
};

// One entry of a route's `to`: "mx", "mx:DOMAIN", "smtp://HOST[:25]", "lmtp://HOST:PORT", "lmtp:///PATH", "plugin:NAME[/ARGUMENT]",
// "router:NAME"; with "*WEIGHT" behind it in a balanced list. In an ARGUMENT, %XX stands for an octet; its text() writes , | * % and
// what is not printable so.
struct NextHop {
  enum class Kind : uint8_t { mx, smtp, lmtp, lmtp_unix, plugin, router } kind = Kind::mx;
  std::string host;  // domain, host name, address or path; name of a plugin or its instance
  uint16_t port = 0;
  uint16_t weight = 1;   // its share of a balanced list
  std::string argument;  // for the plugin
  bool operator==(const NextHop&) const = default;
  std::string text() const;
  static std::optional<NextHop> parse(std::string_view text);

  static constexpr uint16_t kMostWeight = 100;
  static constexpr size_t kLongestArgument = 255;
};

// Fail-over list of balanced lists.
using NextHops = std::vector<std::vector<NextHop>>;
constexpr size_t kMostNextHops = 32, kLongestNextHops = 1024;
// "A|B*3,C": commas separate what is tried in order, bars what is balanced. Strict: no spaces, a router stands alone.
std::optional<NextHops> parse_next_hops(std::string_view text);
std::string next_hops_text(const NextHops& to);

struct RouteSettings {
  std::string match;  // "a.test", ".a.test" or "*", in lower case
  NextHops to;        // outer list: fail-over in order; inner list: balanced
  std::string pool;   // source pool; empty = default
  IpPreference ip = IpPreference::system;
  std::string tls;            // a level (parse_tls_level); empty = as tls.policies and tls.outbound say
  std::string credentials;      // a name of Settings::credentials; empty = no AUTH
};

struct SourceSettings {  // one sending identity
  std::string name;
  IpAddress address4;  // either may be absent
  IpAddress address6;
  std::string helo;  // empty = hostname
};

struct PoolSettings {
  std::string name;
  std::vector<std::string> sources;  // names
};

struct ProviderSettings {  // a group of next hops for limits and reports
  std::string name;
  std::vector<std::string> mx;  // patterns on MX host names
  std::vector<Network> networks;
};

// A limit on outbound work, counted per value of every key in `per`; applies where all patterns given match.
struct LimitSettings {
  std::string name;
  std::vector<std::string> per;  // of: source pool provider mx_address domain tenant account destination
  std::map<std::string, std::string> match;  // key -> pattern
  uint32_t connections = 0;                  // 0 = no bound
  uint32_t messages_per_connection = 0;
  uint32_t rate = 0;  // messages in `rate_period`
  Millis rate_period{60'000};
};

struct QueueSettings {
  std::vector<Millis> retry;
  Millis expire{};
  Millis expire_bounce{};  // for null-sender messages
  Millis delay_warning{};  // 0 = none
  uint32_t jitter = 0;     // per cent
  bool soft_bounce = false;
  uint64_t memory = 0;  // cap on message octets kept for the first attempt
};

struct OutboundSettings {
  uint16_t port = 25;
  Millis idle{};
  uint32_t connections = 0;  // all together
  uint32_t connections_per_destination = 0;
  uint32_t messages_per_connection = 0;
  uint32_t recipients_per_transaction = 0;
  IpPreference ip = IpPreference::system;
  Millis connect_timeout{}, banner_timeout{}, helo_timeout{}, mail_timeout{}, rcpt_timeout{}, data_timeout{},
      block_timeout{}, dot_timeout{};
  NextHops fallback;
};

struct LimitsSettings {  // inbound
  uint64_t message_size = 0;
  uint64_t header_size = 0;
  uint32_t command_line = 0;
  uint32_t auth_line = 0;
  uint32_t recipients = 0;
  uint32_t errors = 0;         // per connection, then 421
  uint32_t junk_commands = 0;  // NOOP, VRFY, RSET, HELP ... without progress
  uint32_t connections = 0;
  uint32_t connections_per_client = 0;
  uint32_t connections_per_network = 0;  // /24 and /56; 0 = off
  uint32_t connection_rate = 0;          // per client and minute; 0 = off
  uint32_t message_rate = 0;             // per client and minute; 0 = off
  uint32_t recipient_rate = 0;           // per client and minute; 0 = off
  uint32_t messages_per_connection = 0;  // 0 = off
  uint64_t bytes_per_connection = 0;     // total octets received; 0 = off
  uint32_t received_hops = 0;            // more Received fields than this: 5.4.6
  Millis ban{};                          // how long a client that broke its error limit is refused; 0 = off
  Millis command_timeout{}, data_timeout{};
  Millis stress_timeout{};         // command time-out while connections are scarce
  uint32_t minimum_data_rate = 0;  // octets a second over a minute, under stress
  uint64_t memory = 0;             // octets of messages being received, all sessions together
};

struct SpoolSettings {
  std::string path;
  uint64_t segment_size = 0;
  uint64_t inline_size = 0;  // larger bodies get their own file
  uint64_t reserve = 0;      // free octets kept for finishing the work in hand
  Millis sync_delay{};       // state changes are durable at the latest after this
};

struct CertificateSettings {
  std::string cert;
  std::string key;
};

struct TlsPolicySettings {
  std::string match;  // recipient domains: "a.test", ".a.test" or "*", in lower case
  TlsLevel level = TlsLevel::opportunistic;
  std::vector<std::string> names;  // verify: of the certificate; empty: the name of the next hop, or of the domain for mx
  std::string ca;                  // verify: file of trust anchors; empty: tls.ca
  std::vector<std::string> fingerprints;  // verify: any of these certificates, and nothing else is looked at
};

struct TlsSettings {
  std::vector<CertificateSettings> certificates;
  std::string certificate_table;  // server name -> "CERT KEY"; empty: none
  uint32_t certificate_cache = 0;
  std::string priority;           // GnuTLS priority string; empty: the safe default
  std::string client_ca;          // empty: nobody's client certificate is trusted
  bool ask_client = false;
  Millis tickets{};               // life of a key for session tickets; 0 = no resumption
  Millis handshake{};             // time-out
  TlsLevel outbound = TlsLevel::opportunistic;
  std::vector<TlsPolicySettings> policies;  // first match wins
  std::string policy_table;                 // recipient domain -> "LEVEL [key=value ...]"; asked before `policies`
  std::string ca;                           // trust anchors of `verify` and `mta-sts`
  std::string outbound_priority;
  std::string outbound_cert, outbound_key;  // our own certificate as a client; empty: none
  std::vector<std::string> revoked, key_directories;  // fingerprints nobody may use; where the table has files that only root reads
  std::vector<Network> trusted_resolvers;   // whose AD bit is believed
};

struct SenderSettings {
  std::string match;                  // "user@a.test", "@a.test" or "*", in lower case
  std::vector<std::string> accounts;  // that may send as it; "*" = every account
};

struct AuthSettings {
  std::vector<std::string> providers;   // plugins or instances; empty = all that know accounts, in their order
  std::vector<std::string> mechanisms;  // upper case; empty = all
  std::vector<Role> roles;              // listeners that offer AUTH
  bool clear_text = false;              // mechanisms that show a password also without TLS
  uint32_t failures = 0;                // of a client or an account in failure_period, then refused; 0 = no bound
  Millis failure_period{};
  Millis delay{};                       // before a refusal; doubles with each one, up to 32 times
  std::vector<SenderSettings> senders;  // the more exact entry counts
  std::string sender_table;             // the same as a table; value: accounts parted by commas or spaces
  UnlistedSender unlisted_senders = UnlistedSender::allow;
};

struct SubmissionSettings {
  bool hide_client = false;         // Received does not name the client
  bool check_from = false;          // From must be a sender that the account may use
  uint32_t account_message_rate = 0;    // an hour; 0 = no bound
  uint32_t account_recipient_rate = 0;  // an hour; 0 = no bound
  bool subtract_arguments = false;      // sendmail -t: addresses among the arguments are taken away from those of the header
};

// How this host authenticates to a next hop.
struct CredentialSettings {
  std::string user, acting_as;
  std::string password, password_file;  // one of these, or a table, or a token
  std::string table;                    // next hop's host name -> "USER PASSWORD"
  std::vector<std::string> mechanisms;  // empty = the best that is offered
  std::string token_file;               // bearer token that somebody else keeps fresh
  std::string token_url;                // or: OAuth 2.0 token endpoint, with the next four
  std::string client_id, client_secret_file, refresh_token_file, scope;
};

struct MetricsSettings {
  Endpoint listen;  // port 0 = off
};

struct KvSettings {   // what plugins remember
  std::string store;  // plugin; empty = the embedded store
  std::string path;   // of the embedded store; resolved default included
};

struct PluginsSettings {
  Millis slow{};  // a hook call that blocks its loop for longer is logged
};

struct HelperSettings {  // a program the supervisor starts for plugins
  std::string name;
  std::vector<std::string> command;  // the first word is an absolute path
  std::string user;                  // empty = the worker's
  std::string group;                 // empty = the user's
  std::string directory;
  bool operator==(const HelperSettings&) const = default;
};

struct Settings {
  std::string hostname;
  std::string user;
  SpoolSettings spool;
  std::string state;
  std::string control;
  std::string submit, drop;  // how programs of this host hand in mail: Unix socket; directory, while the daemon is not there
  std::string origin;  // domain of addresses that have none
  std::string control_mode;                             // permissions of the control socket, octal text
  std::vector<Endpoint> resolvers;                      // empty = /etc/resolv.conf
  std::map<std::string, std::vector<IpAddress>> hosts;  // lower-case name -> addresses
  uint32_t loops = 0;                                   // 0 = one per core
  std::vector<ListenerSettings> listeners;
  std::vector<Network> relay_networks, proxy_networks, xclient_networks;
  std::vector<Network> exempt_networks;     // from per-client limits; defaults to loopback + relay_networks
  std::vector<Network> normalise_networks;  // where bare_newlines: normalise holds
  BareNewlines bare_newlines = BareNewlines::reject;
  std::vector<std::string> relay_domains, local_domains;  // patterns, lower case
  bool local_delivery = false;  // a plugin delivers as `local`: local_domains have effect; said by the enabled plugins, not by a setting
  std::string postmaster;                                 // resolved default included
  std::vector<RouteSettings> routes;                      // always ends with "*" -> mx
  std::map<std::string, SourceSettings> sources;
  std::map<std::string, PoolSettings> pools;
  std::vector<ProviderSettings> providers;
  std::vector<LimitSettings> outbound_limits;
  QueueSettings queue;
  OutboundSettings outbound;
  LimitsSettings limits;
  MetricsSettings metrics;
  bool ptr_lookup = false;
  std::string log_level;
  Millis drain{};                 // SIGTERM: how long sessions and attempts may finish
  bool allow_open_relay = false;  // silences the refusal of an open relay
  TlsSettings tls;
  AuthSettings auth;
  SubmissionSettings submission;
  std::map<std::string, CredentialSettings> credentials;
  std::string resolver;  // plugin that answers DNS; empty = built in
  KvSettings kv;
  PluginsSettings plugins;
  std::vector<HelperSettings> helpers;

  std::map<std::string, std::string> origins;  // setting -> "conf.d/00-core.yaml:3:5"; absent = default
};

using SettingsPtr = std::shared_ptr<const Settings>;

std::optional<TlsLevel> parse_tls_level(std::string_view text);  // "dane-only"
std::string_view tls_level_text(TlsLevel level);

Settings default_settings();
// "a.test", ".a.test", "*" against a lower-case domain.
bool matches_domain(std::string_view pattern, std::string_view domain);
bool matches_any_domain(const std::vector<std::string>& patterns, std::string_view domain);
// Is this the domain, in lower case, of users of this host, and is there a plugin that delivers to them?
bool is_local_domain(const Settings& settings, std::string_view domain);

}  // namespace veredus
