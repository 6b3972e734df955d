// What is left: parameters that need nothing here, those that a feature of ours replaces, and those that nobody knows.
#include <map>
#include <set>

#include "base/text.h"
#include "migrate/translate.h"

namespace veredus::migrate {

namespace {

// Their work is done by another design, or they say what is so here.
const std::set<std::string_view> kNothing = {
    "compatibility_level", "config_directory", "queue_directory", "data_directory", "daemon_directory", "command_directory", "mail_owner", "setgid_group", "sendmail_path", "newaliases_path",
    "mailq_path", "html_directory", "manpage_directory", "sample_directory", "readme_directory", "shlib_directory", "meta_directory", "biff", "append_dot_mydomain", "append_at_myorigin",
    "debugger_command", "debug_peer_level", "debug_peer_list", "default_database_type", "default_process_limit", "smtpd_helo_required", "disable_vrfy_command", "strict_rfc821_envelopes",
    "smtpd_delay_reject", "smtp_tls_session_cache_database", "smtpd_tls_session_cache_database", "lmtp_tls_session_cache_database", "smtpd_tls_session_cache_timeout", "smtp_tls_session_cache_timeout",
    "smtp_tls_loglevel", "smtpd_tls_loglevel", "smtpd_tls_received_header", "smtp_tls_note_starttls_offer", "smtp_dns_support_level", "smtp_host_lookup", "smtpd_tls_dh1024_param_file",
    "smtpd_tls_dh512_param_file", "smtpd_tls_eecdh_grade", "tls_random_source", "tls_ssl_options", "maillog_file", "maillog_file_prefixes", "syslog_facility", "syslog_name", "mail_name",
    "smtpd_banner", "smtpd_error_sleep_time", "smtpd_soft_error_limit", "unknown_local_recipient_reject_code", "unverified_recipient_reject_code", "invalid_hostname_reject_code", "non_fqdn_reject_code",
    "access_map_reject_code", "maps_rbl_reject_code", "relay_domains_reject_code", "unknown_address_reject_code", "unknown_client_reject_code", "unknown_hostname_reject_code", "swap_bangpath",
    "allow_percent_hack", "owner_request_special", "expand_owner_alias", "alternate_config_directories", "process_id_directory", "import_environment",
    "export_environment", "ipc_timeout", "max_idle", "max_use", "qmgr_message_active_limit", "qmgr_message_recipient_limit", "in_flow_delay", "line_length_limit",
    "smtpd_sasl_security_options", "smtpd_sasl_tls_security_options", "smtpd_sasl_authenticated_header", "broken_sasl_auth_clients", "smtpd_forbid_bare_newline", "smtpd_forbid_bare_newline_exclusions",
    "smtpd_forbid_unauth_pipelining", "smtpd_data_restrictions_class", "strict_mailbox_ownership", "mailbox_delivery_lock", "virtual_mailbox_lock", "deliver_lock_attempts", "deliver_lock_delay",
    "fork_attempts", "fork_delay", "local_destination_concurrency_limit", "local_destination_recipient_limit", "virtual_mailbox_limit", "show_user_unknown_table_name",
    "smtputf8_enable", "enable_long_queue_ids", "address_verify_map", "proxy_read_maps", "proxy_write_maps", "smtp_sasl_auth_soft_bounce", "lmtp_sasl_auth_enable", "smtp_tls_connection_reuse",
    "postscreen_greet_action", "postscreen_greet_wait", "postscreen_cache_map", "smtpd_upstream_proxy_protocol", "postscreen_upstream_proxy_protocol", "smtpd_upstream_proxy_timeout",
    "ignore_mx_lookup_error", "smtpd_proxy_timeout", "milter_protocol", "milter_default_action", "smtp_pix_workarounds",
    "forward_expansion_filter", "multi_instance_enable", "multi_instance_name", "multi_instance_group", "smtp_destination_rate_delay_default", "bounce_size_limit", "lock_delay"};

struct Replaced {
  std::string_view name, by;
};
constexpr Replaced kReplaced[] = {
    {"smtpd_milters", "milters are not spoken to yet; for opendkim, opendmarc and policies there are the plugins dkim, dmarc, arc and spf"},
    {"non_smtpd_milters", "milters are not spoken to yet; the plugins see mail from this host too"},
    {"smtpd_discard_ehlo_keywords", "all extensions are offered to all clients"},
    {"disable_dns_lookups", "routes to smtp://HOST ask for no mail exchangers, and hosts: names addresses without DNS"},
    {"allow_mail_to_commands", "aliases files and .forward may name commands; see --forward and --aliases of veredus-local"},
    {"allow_mail_to_files", "aliases files and .forward may name files; see --forward and --aliases of veredus-local"},
    {"smtpd_client_event_limit_exceptions", "clients without limits are exempt_networks"},
    {"smtpd_sasl_local_domain", "accounts are named as the client gives them"},
    {"stale_lock_time", "see --stale-lock of veredus-local"},
    {"require_home_directory", "a user without a home still has a mailbox"},
    {"content_filter", "mail is not passed through another server; a route to the filter and a listener of role relay for its way back do it"},
    {"smtpd_proxy_filter", "mail is not passed through another server before it is accepted"},
    {"header_checks", "the plugins header and access have rules on headers"},
    {"mime_header_checks", "the plugins header and access have rules on headers"},
    {"nested_header_checks", "the plugins header and access have rules on headers"},
    {"smtp_header_checks", "the plugin header has rules on headers"},
    {"milter_header_checks", "the plugin header has rules on headers"},
    {"body_checks", "bodies are not searched"},
    {"canonical_maps", "addresses are not rewritten; a virtual table leads recipients elsewhere"},
    {"sender_canonical_maps", "addresses are not rewritten; the plugin header can change From"},
    {"recipient_canonical_maps", "addresses are not rewritten; a virtual table leads recipients elsewhere"},
    {"relocated_maps", "a rule of the plugin access can refuse with the new address"},
    {"smtp_generic_maps", "addresses are not rewritten on their way out"},
    {"masquerade_domains", "addresses are not rewritten; origin says the domain of this host's addresses"},
    {"masquerade_exceptions", "addresses are not rewritten"},
    {"always_bcc", "no copies are made"},
    {"sender_bcc_maps", "no copies are made"},
    {"recipient_bcc_maps", "a virtual table can lead an address to two"},
    {"sender_dependent_relayhost_maps", "the plugin routing has rules on senders"},
    {"sender_dependent_default_transport_maps", "the plugin routing has rules on senders"},
    {"transport_destination_concurrency_limit", "limits for next hops are outbound_limits"},
    {"fast_flush_domains", "ETRN is not offered"},
    {"address_verify_map", "recipients are not verified by calls"},
    {"smtpd_restriction_classes", "the plugin access has rules with several conditions"},
    {"forward_path", "the file is .forward, or what --forward of the helper veredus-local names, in the home"},
    {"local_header_rewrite_clients", "headers are completed for sendmail and submission only"},
    {"remote_header_rewrite_domain", "headers of others are not changed"},
    {"message_strip_characters", "messages are not changed"},
    {"authorized_submit_users", "every user may submit; the log says who did"},
    {"authorized_mailq_users", "everybody may look at the queue"},
    {"authorized_flush_users", "root and the group veredus may"},
    {"notify_classes", "the log and the metrics tell it"},
    {"error_notice_recipient", "the log and the metrics tell it"},
    {"bounce_notice_recipient", "the log and the metrics tell it"},
    {"2bounce_notice_recipient", "failed notifications are logged and end"},
    {"delay_notice_recipient", "delays are told to the sender"},
    {"double_bounce_sender", "notifications have the null sender"},
    {"bounce_template_file", "the text of notifications is fixed"},
    {"undisclosed_recipients_header", "the field is as usual"},
    {"mail_spool_directory", "see --mailbox of veredus-local"},
    {"smtpd_tls_ccert_verifydepth", "chains are verified whole"},
    {"relay_clientcerts", "relaying is by network or account"},
    {"tls_server_sni_maps", "name all certificates in tls.certificates; a client gets the one it asks for"},
    {"smtpd_sender_dependent_authentication", "see the plugin routing"},
};

// Ends of names that are the same for each transport.
constexpr Replaced kEnds[] = {
    {"_destination_concurrency_limit", "limits for next hops are outbound_limits"},
    {"_destination_recipient_limit", "see outbound.recipients_per_transaction"},
    {"_destination_rate_delay", "limits for next hops are outbound_limits"},
    {"_destination_concurrency_failed_cohort_limit", "back-off follows queue.retry"},
    {"_transport_rate_delay", "limits for next hops are outbound_limits"},
};

std::string_view replacement(std::string_view name) {
  for (const Replaced& one : kReplaced)
    if (one.name == name) return one.by;
  for (const Replaced& one : kEnds)
    if (name.ends_with(one.name)) return one.by;
  return "";
}

// Names that the administrator made up are no settings, as long as another value or a service uses them.
bool is_own_name(const Postfix& postfix, const std::string& name) {
  std::vector<std::string> forms = {"$" + name, "${" + name, "$(" + name};
  auto uses = [&](const std::string& value) {
    for (const std::string& form : forms)
      if (value.find(form) != std::string::npos) return true;
    return false;
  };
  for (const Parameter& other : postfix.all())
    if (uses(other.value)) return true;
  for (const Service& service : postfix.services())
    for (const Parameter& own : service.overrides)
      if (uses(own.value)) return true;
  return false;
}

}  // namespace

void list_the_rest(Postfix& postfix) {
  for (const Parameter& left : postfix.not_taken()) {
    if (kNothing.contains(left.name)) continue;
    std::string_view by = replacement(left.name);
    if (left.value.empty()) continue;  // says that something is not used
    if (!by.empty()) postfix.untranslated(left.at, left.name + " = " + printable(left.value, 60) + ": " + std::string(by));
    else if (!is_own_name(postfix, left.name)) postfix.untranslated(left.at, left.name + " = " + printable(left.value, 60) + ": not known to this command");
  }
}

}  // namespace veredus::migrate
