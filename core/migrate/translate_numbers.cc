// Limits, times and what else is one value here and there.
#include "base/text.h"
#include "config/scalars.h"
#include "migrate/translate.h"
#include "migrate/words.h"

namespace veredus::migrate {

namespace {

enum class Group : unsigned char { limits, queue, outbound };
enum class Form : unsigned char { count, size, seconds, minutes, hours, days };

struct Row {
  std::string_view name, key;
  Group group;
  Form form;
  std::string_view zero = "0";  // what 0 means here
  unsigned long long low = 0, high = 0;  // bounds of ours; 0: none
};

constexpr Row kRows[] = {
    {"message_size_limit", "message_size", Group::limits, Form::size, "64GiB", 1024, 1ULL << 36},
    {"header_size_limit", "header_size", Group::limits, Form::size, "64MiB", 1024, 1 << 26},
    {"smtpd_recipient_limit", "recipients", Group::limits, Form::count, "1", 1, 1'000'000},
    {"smtpd_hard_error_limit", "errors", Group::limits, Form::count, "1", 1, 100'000},
    {"smtpd_junk_command_limit", "junk_commands", Group::limits, Form::count, "1", 1, 1'000'000},
    {"smtpd_client_connection_count_limit", "connections_per_client", Group::limits, Form::count, "0", 0, 1'000'000},
    {"hopcount_limit", "received_hops", Group::limits, Form::count, "5", 5, 1000},
    {"smtpd_timeout", "command_timeout", Group::limits, Form::seconds, "1s", 1, 3600},
    {"maximal_queue_lifetime", "expire", Group::queue, Form::days, "1s", 1, 7'776'000},
    {"bounce_queue_lifetime", "expire_bounce", Group::queue, Form::days, "1s", 1, 7'776'000},
    {"delay_warning_time", "delay_warning", Group::queue, Form::hours, "0s", 0, 7'776'000},
    {"default_destination_concurrency_limit", "connections_per_destination", Group::outbound, Form::count, "10000", 1, 10'000},
    {"default_destination_recipient_limit", "recipients_per_transaction", Group::outbound, Form::count, "10000", 1, 10'000},
    {"smtp_connect_timeout", "connect_timeout", Group::outbound, Form::seconds, "30s", 1, 600},
    {"smtp_helo_timeout", "helo_timeout", Group::outbound, Form::seconds, "5m", 1, 3600},
    {"smtp_mail_timeout", "mail_timeout", Group::outbound, Form::seconds, "5m", 1, 3600},
    {"smtp_rcpt_timeout", "rcpt_timeout", Group::outbound, Form::seconds, "5m", 1, 3600},
    {"smtp_data_init_timeout", "data_timeout", Group::outbound, Form::seconds, "2m", 1, 3600},
    {"smtp_data_xfer_timeout", "block_timeout", Group::outbound, Form::seconds, "3m", 1, 3600},
    {"smtp_data_done_timeout", "dot_timeout", Group::outbound, Form::seconds, "10m", 1, 3600},
};

// Counted by Postfix for each anvil_rate_time_unit.
constexpr Row kRates[] = {
    {"smtpd_client_connection_rate_limit", "connection_rate", Group::limits, Form::count, "0", 0, 10'000'000},
    {"smtpd_client_message_rate_limit", "message_rate", Group::limits, Form::count, "0", 0, 10'000'000},
    {"smtpd_client_recipient_rate_limit", "recipient_rate", Group::limits, Form::count, "0", 0, 10'000'000},
};

std::vector<SettingLine>& group_of(Draft& draft, Group group) {
  return group == Group::limits ? draft.limits : group == Group::queue ? draft.queue : draft.outbound;
}

char unit_of(Form form) { return form == Form::seconds ? 's' : form == Form::minutes ? 'm' : form == Form::hours ? 'h' : 'd'; }

// The value as we write it, and as a number for the bounds.
std::optional<std::string> value_of(const Row& row, const std::string& text, unsigned long long& number) {
  if (row.form == Form::count || row.form == Form::size) {
    auto read = parse_uint(text);
    if (!read) return std::nullopt;
    number = *read;
    return text;
  }
  auto duration = read_duration(text, unit_of(row.form));
  if (!duration) return std::nullopt;
  number = seconds_of(*duration).value_or(0);
  return duration;
}

void take_row(Postfix& postfix, Draft& draft, const Row& row) {
  auto set = postfix.take(row.name);
  if (!set) return;
  unsigned long long number = 0;
  auto value = value_of(row, set->value, number);
  if (!value) return postfix.untranslated(set->at, set->name + ": " + printable(set->value, 40) + " is no value for it");
  if (number == 0) value = row.zero;
  else if (number < row.low || number > row.high)
    return postfix.untranslated(set->at, set->name + ": " + printable(set->value, 40) + " is beyond the bounds of " + std::string(row.key) +
                                             "; see veredus config explain");
  group_of(draft, row.group).push_back({std::string(row.key), *value, set->at});
}

void take_rates(Postfix& postfix, Draft& draft) {
  auto unit = postfix.take("anvil_rate_time_unit");
  auto seconds = unit ? seconds_of(read_duration(unit->value, 's').value_or("")) : 60;
  for (const Row& row : kRates) {
    if (!seconds || *seconds != 60) {
      if (auto set = postfix.take(row.name); set && set->value != "0")
        postfix.untranslated(set->at, set->name + ": rates here are by the minute, anvil_rate_time_unit is another; set limits." + std::string(row.key));
    } else {
      take_row(postfix, draft, row);
    }
  }
}

// Postfix waits as long as a message has waited so far, within bounds: that doubles.
void take_back_off(Postfix& postfix, Draft& draft) {
  auto low = postfix.take("minimal_backoff_time");
  auto high = postfix.take("maximal_backoff_time");
  postfix.take("queue_run_delay");
  if (!low && !high) return;
  Origin at = low ? low->at : high->at;
  auto first = seconds_of(read_duration(postfix.value("minimal_backoff_time"), 's').value_or(""));
  auto last = seconds_of(read_duration(postfix.value("maximal_backoff_time"), 's').value_or(""));
  if (!first || !last || *first == 0 || *last < *first || *last > 2'592'000)
    return postfix.untranslated(at, "minimal_backoff_time, maximal_backoff_time: not two times in order; set queue.retry");
  std::string list;
  for (unsigned long long wait = *first; wait < *last; wait *= 2) list += std::to_string(wait) + "s, ";
  draft.queue.push_back({"retry", "[" + list + std::to_string(*last) + "s]", at});
}

void take_protocols(Postfix& postfix, Draft& draft) {
  if (auto set = postfix.take("smtp_address_preference"); set && (set->value == "ipv4" || set->value == "ipv6"))
    draft.outbound.push_back({"ip", set->value, set->at});
  auto set = postfix.take("inet_protocols");
  if (!set || (set->value != "ipv4" && set->value != "ipv6")) return;
  std::erase_if(draft.outbound, [](const SettingLine& line) { return line.key == "ip"; });
  draft.outbound.push_back({"ip", set->value + "_only", set->at});
}

void take_fallback(Postfix& postfix, Draft& draft) {
  auto set = postfix.take("smtp_fallback_relay");
  if (!set || set->value.empty()) return;
  std::vector<std::string> hops;
  for (const std::string& word : split_words(set->value)) {
    Hop hop = read_hop(word, false, "");
    if (!hop.to.empty()) hops.push_back(hop.to);
    else postfix.untranslated(set->at, "smtp_fallback_relay: " + printable(word, 60) + " cannot be a next hop here");
  }
  if (!hops.empty()) draft.outbound.push_back({"fallback", yaml_list(hops), set->at});
}

// An address to send from is a source, and a pool of it.
void take_source(Postfix& postfix, Draft& draft) {
  auto ipv4 = postfix.take("smtp_bind_address"), ipv6 = postfix.take("smtp_bind_address6"), helo = postfix.take("smtp_helo_name");
  std::string fields;
  Origin at;
  auto add = [&](const std::optional<Parameter>& set, const char* key) {
    if (!set || set->value.empty()) return;
    fields += (fields.empty() ? "" : ", ") + std::string(key) + ": " + yaml_text(set->value);
    at = set->at;
  };
  add(ipv4, "ipv4"), add(ipv6, "ipv6");
  if (helo && lowered(helo->value) != lowered(postfix.value("myhostname")) && is_domain(helo->value)) add(helo, "helo");
  if (fields.empty()) return;
  draft.host.push_back({"sources", "{ postfix: { " + fields + " } }", at});
  draft.host.push_back({"pools", "{ default: [postfix] }", at});
}

}  // namespace

void translate_numbers(Postfix& postfix, Draft& draft) {
  for (const Row& row : kRows) take_row(postfix, draft, row);
  take_rates(postfix, draft);
  take_back_off(postfix, draft);
  take_protocols(postfix, draft);
  take_fallback(postfix, draft);
  take_source(postfix, draft);
  if (auto set = postfix.take("soft_bounce"); set && is_yes(set->value)) draft.queue.push_back({"soft_bounce", "true", set->at});
  if (auto set = postfix.take("smtpd_peername_lookup"); set && !is_yes(set->value)) draft.host.push_back({"ptr_lookup", "false", set->at});
}

}  // namespace veredus::migrate
