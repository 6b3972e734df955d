// The rows of the table of settings that conditions need, for a plugin whose rules are records: COMMON_CONDITION_SETTINGS("rules[].").
// COMMON_STAGE_SETTING adds the key `stage`.
#ifndef VEREDUS_PLUGINS_COMMON_CONDITION_SETTINGS_HPP
#define VEREDUS_PLUGINS_COMMON_CONDITION_SETTINGS_HPP

#include "common/table_key.hpp"

#define COMMON_STAGES "connect|helo|mail|rcpt|data|headers|message"

#define COMMON_CONDITION_ROWS(P)                                                                                                              \
  vrd::setting(P ".client", VRD_SETTING_NETWORK, nullptr, nullptr, "Address of the client.", VRD_SETTING_LIST),                               \
  vrd::setting(P ".client_name", VRD_SETTING_PATTERN, nullptr, nullptr, "Verified name of the client.", VRD_SETTING_LIST),                    \
  vrd::setting(P ".helo", VRD_SETTING_TEXT, nullptr, "1..255", "Name that the client gave: a.test, .a.test, *.", VRD_SETTING_LIST),           \
  vrd::setting(P ".listener_role", VRD_SETTING_CHOICE, nullptr, "mx|submission|relay|lmtp", "Role of the listener.", VRD_SETTING_LIST),       \
  vrd::setting(P ".tls_version", VRD_SETTING_TEXT, nullptr, "1..16", "TLS1.2, TLS1.3; * is any, under `not` it means clear.", VRD_SETTING_LIST),  \
  vrd::setting(P ".tls_peer", VRD_SETTING_TEXT, nullptr, "1..512", "Subject of the client's trusted certificate; * is any.", VRD_SETTING_LIST), \
  vrd::setting(P ".tls_fingerprint", VRD_SETTING_TEXT, nullptr, "1..64", "SHA-256 of the client's certificate, lower-case hex; * is any.",       \
               VRD_SETTING_LIST),                                                                                                             \
  vrd::setting(P ".account", VRD_SETTING_TEXT, nullptr, "1..255", "Authenticated account; * is any.", VRD_SETTING_LIST),                      \
  vrd::setting(P ".tenant", VRD_SETTING_TEXT, nullptr, "1..255", "Tenant; * is any.", VRD_SETTING_LIST),                                      \
  vrd::setting(P ".sender", VRD_SETTING_TEXT, nullptr, "1..320", "Envelope sender: user@a.test, @a.test, .a.test, user@, <> or *.",           \
               VRD_SETTING_LIST),                                                                                                             \
  vrd::setting(P ".recipient", VRD_SETTING_TEXT, nullptr, "1..320", "Recipient, written as a sender; after rcpt any of them.",                \
               VRD_SETTING_LIST),                                                                                                             \
  vrd::setting(P ".size_over", VRD_SETTING_SIZE, nullptr, nullptr, "The message is larger."),                                                 \
  vrd::setting(P ".size_under", VRD_SETTING_SIZE, nullptr, nullptr, "The message is smaller."),                                               \
  vrd::setting(P ".header", VRD_SETTING_RECORD, nullptr, nullptr, "A header field.", VRD_SETTING_LIST),                                       \
  vrd::setting(P ".header[].name", VRD_SETTING_TEXT, nullptr, "1..76", "Its name.", VRD_SETTING_REQUIRED),                                    \
  vrd::setting(P ".header[].contains", VRD_SETTING_TEXT, nullptr, "1..1024", "Its value has this text in it; case does not count."),          \
  vrd::setting(P ".header[].matches", VRD_SETTING_TEXT, nullptr, "1..1024", "Its value matches this regular expression."),                    \
  vrd::setting(P ".header[].present", VRD_SETTING_BOOL, nullptr, nullptr, "There is one, or there is none."),                                 \
  vrd::setting(P ".note", VRD_SETTING_RECORD, nullptr, nullptr, "A note that a plugin left.", VRD_SETTING_LIST),                              \
  vrd::setting(P ".note[].name", VRD_SETTING_TEXT, nullptr, "1..64", "Its key: dnsbl.score.", VRD_SETTING_REQUIRED),                          \
  vrd::setting(P ".note[].equals", VRD_SETTING_TEXT, nullptr, "0..1024", "It is this text. Without equals and over: there is one."),          \
  vrd::setting(P ".note[].over", VRD_SETTING_INT, nullptr, nullptr, "It is a larger number."),                                                \
  vrd::setting(P ".table", VRD_SETTING_RECORD, nullptr, nullptr, "A table has a key.", VRD_SETTING_LIST),                                     \
  vrd::setting(P ".table[].name", VRD_SETTING_TABLE, nullptr, nullptr, "The table.", VRD_SETTING_REQUIRED),                                   \
  vrd::setting(P ".table[].key", VRD_SETTING_CHOICE, nullptr, COMMON_TABLE_KEYS, "What is looked up.", VRD_SETTING_REQUIRED),                 \
  vrd::setting(P ".table[].equals", VRD_SETTING_TEXT, nullptr, "0..1024", "Its value is this text. Unset: any value will do.")

#define COMMON_CONDITION_SETTINGS(P)                                                                                                          \
  vrd::setting(P "when", VRD_SETTING_RECORD, nullptr, nullptr, "What must hold: all of it. Of a list, any entry. Unset: always."),            \
  COMMON_CONDITION_ROWS(P "when"),                                                                                                            \
  vrd::setting(P "not", VRD_SETTING_RECORD, nullptr, nullptr, "What must not hold: none of it."),                                             \
  COMMON_CONDITION_ROWS(P "not")

#define COMMON_STAGE_SETTING(P) \
  vrd::setting(P "stage", VRD_SETTING_CHOICE, nullptr, COMMON_STAGES, "Decide at this later stage than the earliest possible one.")

#endif
