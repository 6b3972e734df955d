// Snippets of main.cf and what becomes of them: fragments that the loader takes, notes for the rest.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "config/load.h"
#include "migrate/migration.h"

using namespace veredus;
using namespace veredus::migrate;

namespace {

using Files = std::map<std::string, std::string>;

Migration migrated(Files files) {
  auto read = [files](const std::string& path) -> Result<std::string> {
    auto found = files.find(path);
    if (found == files.end()) return fail(Errc::not_found, path + ": No such file or directory");
    return found->second;
  };
  auto out = migrate_postfix("/etc/postfix", "/new", "system.test", read);
  REQUIRE(out);
  return *out;
}

Migration of_main(const std::string& main, Files files = {}) {
  files["/etc/postfix/main.cf"] = main;
  if (!files.contains("/etc/postfix/master.cf")) files["/etc/postfix/master.cf"] = "smtp inet n - y - - smtpd\n";
  return migrated(files);
}

std::string text_of(const Migration& migration) {
  std::string out;
  for (const OutputFile& file : migration.files) out += "== " + file.name + "\n" + file.text;
  return out;
}

std::string notes_of(const Migration& migration) {
  std::string out;
  for (const Note& note : migration.notes) out += note_line(note) + "\n";
  return out;
}

ConfigResult loaded(const Migration& migration) {
  std::vector<ConfigFile> files;
  for (const OutputFile& file : migration.files)
    if (file.name.ends_with(".yaml")) files.push_back({"conf.d/" + file.name, file.text});
  std::sort(files.begin(), files.end(), [](const ConfigFile& a, const ConfigFile& b) { return a.path < b.path; });
  LoadOptions options(SystemNames{"system.test", "system.test"});
  options.known_plugins = {"access", "auth-dovecot", "dnsbl", "local", "table-file"};
  return parse_config(files, options);
}

struct Snippet {
  const char* main;
  const char* fragment;  // is in what is written; "" for nothing to look for
  const char* note;      // is in what is told; "" when nothing is
};

const Snippet kSnippets[] = {
    {"myhostname = MX.a.test\n", "hostname: mx.a.test", ""},
    {"myorigin = $mydomain\nmydomain = a.test\n", "origin: a.test", ""},
    {"myorigin = /etc/mailname\n", "", ""},
    {"mydestination = $myhostname, a.test, localhost\nmyhostname = mx.a.test\n", "local_domains: [mx.a.test, a.test, localhost]", ""},
    {"mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128 192.0.2.0/24\n", "relay_networks: [\"127.0.0.0/8\", \"::1/128\", \"192.0.2.0/24\"]", ""},
    {"mynetworks = 0.0.0.0/0\n", "relay_networks: []", "main.cf:1: not translated: mynetworks: 0.0.0.0/0 holds most of the Internet"},
    {"mynetworks = !192.0.2.1 192.0.2.0/24\n", "\"192.0.2.0/24\"", "is an exception"},
    {"relay_domains = a.test\n", "relay_domains: [a.test, \".a.test\"]", ""},
    {"relay_domains = a.test\nparent_domain_matches_subdomains =\n", "relay_domains: [a.test]", ""},
    {"relayhost = [mail.a.test]:587\n", "{ match: \"*\", to: [\"smtp://mail.a.test:587\"] }", ""},
    {"relayhost = a.test\n", "to: [\"mx:a.test\"]", ""},
    {"relayhost = a.test:26\n", "smtp://a.test:26", "look at: a.test is connected to by its address"},
    {"relayhost = [a.test]:nonsense\n", "", "not translated: mail for *"},
    {"message_size_limit = 20480000\n", "message_size: 20480000", ""},
    {"message_size_limit = 0\n", "message_size: 64GiB", ""},
    {"smtpd_client_connection_count_limit = 10\n", "connections_per_client: 10", ""},
    {"smtpd_client_connection_rate_limit = 30\n", "connection_rate: 30", ""},
    {"smtpd_client_connection_rate_limit = 30\nanvil_rate_time_unit = 1h\n", "", "rates here are by the minute"},
    {"maximal_queue_lifetime = 1d\nbounce_queue_lifetime = 12h\ndelay_warning_time = 4\n", "expire: 1d", ""},
    {"minimal_backoff_time = 300\nmaximal_backoff_time = 1200\n", "retry: [300s, 600s, 1200s]", ""},
    {"minimal_backoff_time = 4000\nmaximal_backoff_time = 300\n", "", "set queue.retry"},
    {"inet_interfaces = loopback-only\n", "address: \"127.0.0.1:25\", role: mx", ""},
    {"inet_interfaces = 192.0.2.1, mx.a.test\n", "address: \"192.0.2.1:25\"", "write the addresses of mx.a.test into listeners"},
    {"inet_protocols = ipv4\n", "ip: ipv4_only", ""},
    {"home_mailbox = Maildir/\n", "--mailbox={home}/Maildir/", ""},
    {"mailbox_command = /usr/bin/procmail -a \"$EXTENSION\"\n", "--mailbox-command=/usr/bin/procmail -a \\\"$EXTENSION\\\"", "look at: mailbox_command"},
    {"recipient_delimiter = -\n", "extension: \"-\"", ""},
    {"alias_maps = hash:/etc/aliases, hash:/etc/more\nalias_database = hash:/etc/aliases\n", "aliases: [\"/etc/aliases\", \"/etc/more\"]", ""},
    {"alias_maps = ldap:/etc/x\n", "", "is no text file"},
    {"mailbox_transport = lmtp:unix:/run/lmtp\n", "mailbox_transport: \"lmtp:///run/lmtp\"", ""},
    {"mailbox_transport = lmtp:unix:private/dovecot-lmtp\n", "/private/dovecot-lmtp\"", "look at: mailbox_transport"},
    {"mailbox_transport = uucp:x\n", "", "not translated: mailbox_transport"},
    {"local_recipient_maps =\n", "", "Postfix accepted unknown users"},
    {"smtp_tls_security_level = encrypt\n", "outbound: encrypt", ""},
    {"smtp_tls_security_level = dane\n", "outbound: dane", ""},
    {"smtpd_tls_cert_file = /c.pem\nsmtpd_tls_key_file = /k.pem\n", "{ cert: \"/c.pem\", key: \"/k.pem\" }", "must be readable for the user veredus"},
    {"smtpd_tls_chain_files = /c.pem\n", "{ cert: \"/c.pem\", key: \"/c.pem\" }", ""},
    {"smtpd_tls_security_level = encrypt\n", "", "not translated: smtpd_tls_security_level = encrypt"},
    {"smtp_tls_policy_maps = inline:{ { a.test = secure match=mx.a.test:.b.test } }\n", "{ match: a.test, level: verify, names: [mx.a.test, \".b.test\"] }", ""},
    {"smtp_tls_policy_maps = inline:{ { [b.test]:25 = encrypt } }\n", "", "no route goes there"},
    {"relayhost = [b.test]:25\nsmtp_tls_policy_maps = inline:{ { [b.test]:25 = encrypt } }\n", "to: [\"smtp://b.test:25\"], tls: encrypt }", ""},
    {"smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_rbl_client bl.a.test=127.0.0.2\n",
     "{ zone: bl.a.test, kind: client, weight: 1, codes: [\"127.0.0.2\"] }", ""},
    {"postscreen_dnsbl_sites = bl.a.test*2 bl.b.test\npostscreen_dnsbl_threshold = 2\npostscreen_dnsbl_action = enforce\n", "reject_at: 2", ""},
    {"smtpd_recipient_restrictions = check_policy_service unix:private/policyd\n", "", "plugins here: greylist"},
    {"smtpd_milters = inet:localhost:8891\n", "", "milters are not spoken to yet"},
    {"compatibility_level = 3.6\nbiff = no\nreadme_directory = no\n", "", ""},
    {"header_checks =\n", "", ""},
    {"surprise = 1\n", "", "main.cf:1: not translated: surprise = 1: not known to this command"},
    {"my_net = 192.0.2.0/24\nmynetworks = $my_net\n", "\"192.0.2.0/24\"", ""},
    {"virtual_alias_domains = v.test\nvirtual_alias_maps = inline:{ { info@v.test = ann, bob@b.test }, { @v.test = ann } }\n", "info@v.test ann, bob@b.test\n@v.test ann", ""},
    {"virtual_alias_maps = inline:{ { v.test = anything }, { x@w.test = y } }\n", "virtual_domains: [v.test]", "x@w.test: an alias for a domain that is not delivered here"},
    {"virtual_mailbox_domains = v.test\nvirtual_mailbox_base = /var/vmail\nvirtual_uid_maps = static:5000\nvirtual_mailbox_maps = inline:{ { a@v.test = v.test/a/ } }\n",
     "--virtual-root=/var/vmail", "--virtual-user"},
    {"virtual_mailbox_domains = v.test\nvirtual_transport = lmtp:inet:127.0.0.1:24\nvirtual_mailbox_maps = inline:{ { a@v.test = x } }\n",
     "{ match: v.test, to: [\"lmtp://127.0.0.1:24\"] }", ""},
    {"smtp_bind_address = 192.0.2.7\n", "sources: { postfix: { ipv4: \"192.0.2.7\" } }", ""},
    {"smtp_fallback_relay = [f.test]\n", "fallback: [\"smtp://f.test\"]", ""},
    {"smtpd_authorized_xclient_hosts = 192.0.2.9\n", "xclient_networks: [\"192.0.2.9\"]", ""},
};

}  // namespace

TEST_CASE("snippets of main.cf become fragments that load, or are told") {
  for (const Snippet& snippet : kSnippets) {
    Migration migration = of_main(snippet.main);
    INFO(std::string(snippet.main) << text_of(migration) << notes_of(migration));
    CHECK(text_of(migration).find(snippet.fragment) != std::string::npos);
    CHECK(notes_of(migration).find(snippet.note) != std::string::npos);
    ConfigResult result = loaded(migration);
    CHECK_MESSAGE(result.ok(), (result.ok() ? "" : result.error_text()));
  }
}

TEST_CASE("what needs nothing is not talked about") {
  CHECK(notes_of(of_main("compatibility_level = 3.6\nbiff = no\nappend_dot_mydomain = no\nsmtpd_banner = $myhostname ESMTP\nrecipient_delimiter = +\n")).empty());
}

TEST_CASE("passwords go to a file of their own and find their route") {
  Migration migration = of_main("relayhost = [mail.a.test]:587\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = hash:/etc/postfix/sasl\n",
                                {{"/etc/postfix/sasl", "[mail.a.test]:587 me@a.test:pa:ss word\nme@b.test u:p\n[other.test] u:p\n"}});
  std::string text = text_of(migration);
  CHECK(text.find("credentials: mail.a.test }") != std::string::npos);
  CHECK(text.find("mail.a.test: { user: \"me@a.test\", password_file: \"/new/password-mail.a.test\" }") != std::string::npos);
  const OutputFile* secret = nullptr;
  for (const OutputFile& file : migration.files)
    if (file.secret) secret = &file;
  REQUIRE(secret);
  CHECK(secret->text == "pa:ss word\n");
  for (const OutputFile& file : migration.files) CHECK((file.secret || file.text.find("pa:ss") == std::string::npos));
  CHECK(notes_of(migration).find("pa:ss") == std::string::npos);
  CHECK(notes_of(migration).find("sasl:2: not translated: password by sender") != std::string::npos);
  CHECK(notes_of(migration).find("sasl:3: not translated: password for [other.test]: no route goes there") != std::string::npos);
  CHECK(loaded(migration).ok());
}

TEST_CASE("transport maps: the order in which Postfix would look, and what has no counterpart") {
  Migration migration = of_main("transport_maps = hash:/etc/postfix/transport\nrelay_domains = a.test\n",
                                {{"/etc/postfix/transport", "* smtp:[out.test]\n.a.test lmtp:unix:private/x\na.test :[in.test]:2525\nu@a.test smtp:[x.test]\nb.test error:gone\n.b.a.test smtp:\n"}});
  auto result = loaded(migration);
  REQUIRE(result.ok());
  const auto& routes = result.value().settings->routes;
  REQUIRE(routes.size() == 5);  // and the one that the loader adds for the rest
  CHECK(routes[0].match == "a.test");
  CHECK(next_hops_text(routes[0].to) == "smtp://in.test:2525");
  CHECK(routes[1].match == ".b.a.test");
  CHECK(routes[2].match == ".a.test");
  CHECK(routes[3].match == "*");
  std::string notes = notes_of(migration);
  CHECK(notes.find("transport:4: not translated: transport for u@a.test") != std::string::npos);
  CHECK(notes.find("transport:5: not translated: mail for b.test: error:gone refuses mail") != std::string::npos);
  CHECK(notes.find("lies in the directory of Postfix") != std::string::npos);
}

TEST_CASE("master.cf: listeners with their roles") {
  Migration migration = of_main("smtpd_tls_chain_files = /c.pem\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\ninet_interfaces = 192.0.2.1\n",
                                {{"/etc/postfix/master.cf",
                                  "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n"
                                  "smtps inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject -o cleanup_service_name=other\n"
                                  "127.0.0.1:10025 inet n - n - - smtpd -o smtpd_recipient_restrictions=permit_mynetworks,reject\n"
                                  "2525 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy\nqmgr unix n - n 300 1 qmgr\npolicy unix - n n - 0 spawn user=x\n"}});
  auto result = loaded(migration);
  INFO(text_of(migration));
  REQUIRE(result.ok());
  std::string text = text_of(migration);
  CHECK(text.find("\"192.0.2.1:25\", role: mx") != std::string::npos);
  CHECK(text.find("\"192.0.2.1:587\", role: submission") != std::string::npos);
  CHECK(text.find("\"192.0.2.1:465\", role: submission, tls: implicit") != std::string::npos);
  CHECK(text.find("\"127.0.0.1:10025\", role: relay") != std::string::npos);
  CHECK(text.find("\"192.0.2.1:2525\", role: mx, proxy: true") != std::string::npos);
  CHECK(text.find("plugin: auth-dovecot\nsocket: \"/var/spool/postfix/private/auth\"") != std::string::npos);
  std::string notes = notes_of(migration);
  CHECK(notes.find("master.cf:5: not translated: service smtps: -o cleanup_service_name=other") != std::string::npos);
  CHECK(notes.find("proxy_networks") != std::string::npos);
  CHECK(notes.find("a policy service") != std::string::npos);
}

TEST_CASE("a directory without main.cf is an error; one without master.cf has the usual listener") {
  auto nothing = [](const std::string& path) -> Result<std::string> { return fail(Errc::not_found, path + ": No such file or directory"); };
  CHECK_FALSE(migrate_postfix("/etc/postfix", "/new", "h.test", nothing).ok());
  CHECK(text_of(migrated({{"/etc/postfix/main.cf", ""}})).find("0.0.0.0:25") != std::string::npos);
}

TEST_CASE("in a copy of a file system, absolute names lie in it") {
  auto read = [](const std::string& path) -> Result<std::string> {
    if (path == "/copy/etc/postfix/main.cf") return std::string("transport_maps = hash:/etc/postfix/t\nmydestination = /etc/names\n");
    if (path == "/copy/etc/postfix/t") return std::string("b.test smtp:[c.test]\n");
    if (path == "/copy/etc/names") return std::string("local.test\n");
    return fail(Errc::not_found, path + ": No such file or directory");
  };
  auto out = migrate_postfix("/copy/etc/postfix/", "/new", "h.test", read);
  REQUIRE(out);
  CHECK(text_of(*out).find("smtp://c.test") != std::string::npos);
  CHECK(text_of(*out).find("local_domains: [local.test]") != std::string::npos);
}
