// Translators: each takes what it understands out of the Postfix, writes it into the draft, and notes the rest. Pure but for the files that
// Postfix reads; one thread. Order: host, local, routes, tls, access, listeners, and last what nobody took.
#pragma once

#include "migrate/draft.h"
#include "migrate/postfix.h"

namespace veredus::migrate {

void translate_host(Postfix& postfix, Draft& draft);       // names, networks, domains
void translate_numbers(Postfix& postfix, Draft& draft);    // limits, queue, outbound
void translate_local(Postfix& postfix, Draft& draft);      // aliases, mailboxes, virtual tables
void translate_routes(Postfix& postfix, Draft& draft);     // relayhost, transport_maps, passwords
void translate_tls(Postfix& postfix, Draft& draft);
void translate_auth(Postfix& postfix, Draft& draft);       // smtpd_sasl_*, sender maps
void translate_access(Postfix& postfix, Draft& draft);     // restrictions, block lists, postscreen
void translate_listeners(Postfix& postfix, Draft& draft);  // master.cf
void list_the_rest(Postfix& postfix);                      // what is set and nobody took

bool is_yes(std::string_view value);
// Adds what is not there yet.
void add_once(std::vector<std::string>& list, const std::string& text);
// What a transport of master.cf is: smtp, lmtp, local, virtual, error, discard, or another command's name; "" if there is none.
std::string kind_of_transport(const Postfix& postfix, std::string_view name);
// Mail for one domain pattern by "lmtp:unix:private/x", "relay:[mail.a.test]"; notes what it cannot do.
bool add_route(Postfix& postfix, Draft& draft, const std::string& match, const std::string& transport, const Origin& at);

}  // namespace veredus::migrate
