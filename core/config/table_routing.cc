// Settings that say where mail goes and from where: routes, sources, pools, providers, limits of delivery.
#include "config/bind.h"
#include "config/tables.h"

namespace veredus {

namespace {

using bind::at;

constexpr std::string_view kPreferences[] = {"system", "ipv4", "ipv6", "ipv4_only", "ipv6_only"};
constexpr std::string_view kTlsLevels[] = {"none", "opportunistic", "encrypt", "verify", "dane", "dane-only", "mta-sts"};
constexpr std::string_view kLimitKeys[] = {"source", "pool",   "provider", "mx_address",
                                           "domain", "tenant", "account",  "destination"};

constexpr Setting kRoute[] = {
    {.name = "match",
     .type = Type::pattern,
     .member = at<&RouteSettings::match>(),
     .required = true,
     .doc = "a.test matches exactly that, .a.test any depth below it but not itself, * everything."},
    {.name = "to",
     .type = Type::next_hop,
     .shape = Shape::hops,
     .member = at<&RouteSettings::to>(),
     .least = 1,
     .required = true,
     .doc = "Next hops, tried in this order; an inner list is balanced, by weights if its entries end in *N (1 to "
            "100). mx, mx:DOMAIN, smtp://HOST[:25], lmtp://HOST:PORT, lmtp:///PATH, plugin:NAME or "
            "plugin:NAME/ARGUMENT (the plugin delivers), or router:NAME alone (the plugin chooses)."},
    {.name = "pool",
     .type = Type::name,
     .member = at<&RouteSettings::pool>(),
     .derived = "the system's choice of source",
     .doc = "The pool of sources to send from."},
    {.name = "ip",
     .type = Type::choice,
     .member = at<&RouteSettings::ip>(),
     .fallback = "system",
     .choices = kPreferences,
     .doc = "Which addresses of a next hop to prefer, or to use alone; system: as outbound.ip says."},
    {.name = "tls",
     .type = Type::choice,
     .member = at<&RouteSettings::tls>(),
     .derived = "as tls.policies and tls.outbound say",
     .choices = kTlsLevels,
     .doc = "How connections of this route are secured, in the words of tls.outbound."},
    {.name = "credentials",
     .type = Type::name,
     .member = at<&RouteSettings::credentials>(),
     .derived = "no authentication",
     .doc = "The entry of credentials with which this host authenticates to the next hops of this route."},
};

constexpr Setting kSource[] = {
    {.name = "ipv4",
     .type = Type::ip,
     .member = at<&SourceSettings::address4>(),
     .derived = "no IPv4",
     .doc = "IPv4 address to connect from."},
    {.name = "ipv6",
     .type = Type::ip,
     .member = at<&SourceSettings::address6>(),
     .derived = "no IPv6",
     .doc = "IPv6 address to connect from."},
    {.name = "helo",
     .type = Type::domain,
     .member = at<&SourceSettings::helo>(),
     .derived = "hostname",
     .doc = "Name given in EHLO."},
};

constexpr Setting kProvider[] = {
    {.name = "mx",
     .type = Type::pattern,
     .shape = Shape::list,
     .member = at<&ProviderSettings::mx>(),
     .fallback = "[]",
     .doc = "Patterns on the names of its mail exchangers."},
    {.name = "networks",
     .type = Type::network,
     .shape = Shape::list,
     .member = at<&ProviderSettings::networks>(),
     .fallback = "[]",
     .doc = "Networks of its mail exchangers."},
};

constexpr Setting kLimit[] = {
    {.name = "per",
     .type = Type::choice,
     .shape = Shape::list,
     .member = at<&LimitSettings::per>(),
     .fallback = "[]",
     .choices = kLimitKeys,
     .doc = "Counted apart for every value of these keys; none: one count for all."},
    {.name = "match",
     .type = Type::text,
     .shape = Shape::table,
     .member = at<&LimitSettings::match>(),
     .fallback = "{}",
     .choices = kLimitKeys,
     .doc = "Applies only where each key has the value or domain pattern given."},
    {.name = "connections",
     .type = Type::integer,
     .member = at<&LimitSettings::connections>(),
     .fallback = "0",
     .low = "0",
     .high = "100000",
     .doc = "Connections at a time; 0 = no limit."},
    {.name = "messages_per_connection",
     .type = Type::integer,
     .member = at<&LimitSettings::messages_per_connection>(),
     .fallback = "0",
     .low = "0",
     .high = "1000000",
     .doc = "Messages of one connection; 0 = no limit."},
    {.name = "rate",
     .type = Type::integer,
     .member = at<&LimitSettings::rate>(),
     .fallback = "0",
     .low = "0",
     .high = "100000000",
     .doc = "Messages in one rate_period; 0 = no limit."},
    {.name = "rate_period",
     .type = Type::duration,
     .member = at<&LimitSettings::rate_period>(),
     .fallback = "1m",
     .low = "1s",
     .high = "1d",
     .doc = "The time rate is counted over."},
};

constexpr Setting kRows[] = {
    {.name = "routes",
     .type = Type::record,
     .shape = Shape::records,
     .member = at<&Settings::routes>(),
     .fallback = "[]",
     .fields = kRoute,
     .doc = "Where mail for which domains goes; the first match wins, and no match means mx."},
    {.name = "sources",
     .type = Type::record,
     .shape = Shape::table,
     .member = at<&Settings::sources>(),
     .fallback = "{}",
     .fields = kSource,
     .doc = "Sending identities of this host: addresses and the name given in EHLO."},
    {.name = "pools",
     .type = Type::name,
     .shape = Shape::table,
     .member = at<&Settings::pools>(),
     .fallback = "{}",
     .least = 1,
     .doc = "Named lists of sources: { NAME: [SOURCE, ...] }. A pool named default is used where none is "
            "named."},
    {.name = "providers",
     .type = Type::record,
     .shape = Shape::table,
     .member = at<&Settings::providers>(),
     .fallback = "{}",
     .fields = kProvider,
     .doc = "Groups of next hops under one operator, for limits and reports."},
    {.name = "outbound_limits",
     .type = Type::record,
     .shape = Shape::table,
     .member = at<&Settings::outbound_limits>(),
     .fallback = "{}",
     .fields = kLimit,
     .doc =
         "Limits of delivery; every limit that applies must have room, and a full one delays nothing else."},
};

}  // namespace

std::span<const Setting> routing_rows() {
  return kRows;
}

}  // namespace veredus
