// The source of veredus.conf.5: fixed chapters, and the reference made from the table.
#include "base/text.h"
#include "config/scalars.h"
#include "config/schema.h"
#include "config/show.h"

namespace veredus {

namespace {

constexpr std::string_view kBefore = R"(.TH VEREDUS.CONF 5 "" "Veredus" "File formats"
.SH NAME
veredus.conf \- configuration of the Veredus mail transfer agent
.SH SYNOPSIS
.B /etc/veredus/conf.d/NN\-name.yaml
.SH DESCRIPTION
The configuration is a directory of fragments, by default
.IR /etc/veredus/conf.d .
Only files named with two digits, a hyphen, a name and
.I .yaml
are read, in the order of their names.
Each holds one YAML mapping:
.PP
.EX
    core:
      hostname: mx.example.test
      listeners:
        \- { address: "0.0.0.0:25", role: mx }
      relay_domains: [example.test]
      queue:
        retry: [5m, 15m, 1h, 4h]
.EE
.PP
A fragment either holds
.BR core: ,
with the settings below, or begins with
.BI plugin: " NAME"
and holds that plugin\(aqs settings.
.B core:
may be split over several files; the same setting given twice is an error that names both places.
Settings that hold named entries (hosts, sources, pools, providers, outbound_limits) may be split too,
each name given once.
Anchors, aliases and tags of YAML are not used.
A text that contains a colon, or begins with a character that YAML gives a meaning to
.RB ( * ", " [ ),
stands in quotes.
.PP
A dotted name such as
.B queue.retry
stands for the key
.B retry
in the mapping
.BR queue: ;
.B listeners[].role
for the key
.B role
of each entry of the list
.BR listeners: ;
and
.B sources.NAME.ipv4
for the key
.B ipv4
of an entry whose name is yours to choose.
Settings of the mapping
.B limits:
may also stand directly under
.BR core: .
.PP
A configuration is tested whole before it is used: at the start, by
.BR "veredus config check" ,
and by
.B veredus reload
or SIGHUP.
A bad one changes nothing.
Every error is reported at once, with file, line and column:
.PP
.EX
    conf.d/00\-core.yaml:7:3: unknown setting \(aqhostnam\(aq (did you mean \(aqhostname\(aq?)
.EE
.PP
.B veredus config show
prints the effective values and where each comes from;
.B veredus config explain
.I SETTING
what one setting, or all of a group such as
.BR queue ,
means.
.SS Values
.TP
durations
A number and a unit: ms, s, m, h, d or w, as in 30s or 5d.
.TP
sizes
A number of octets, or with a unit: KiB, MiB or GiB.
.TP
booleans
.BR true " or " false .
.TP
networks
An address with a prefix length, an address alone, or the word
.B loopback
for 127.0.0.0/8 and ::1.
.TP
addresses with port
.I 192.0.2.1:25
or
.IR [2001:db8::1]:25 ,
in quotes.
.TP
patterns
.I a.test
is exactly that domain,
.I .a.test
any domain below it at any depth but not itself,
.B *
every domain.
.TP
next hops
.B mx
(the mail exchangers of the recipient\(aqs domain),
.BI mx: DOMAIN
(those of another domain),
.BI smtp:// HOST\fR[\fB:25\fR]
(addresses of the host only),
.BI lmtp:// HOST : PORT
or
.BI lmtp:/// PATH\fR.
A list of them is tried in order; a list within the list is one step of it, shared between its entries.
.SH SETTINGS
Each entry says what the setting does, its type and bounds, its default, and when a change is in force:
after
.B veredus reload
where nothing else is said, otherwise after a restart of the daemon.
All are there since version 0.1 where nothing else is said.
)";

constexpr std::string_view kPlugins = R"(.SH PLUGIN FRAGMENTS
This version reads and tests fragments of plugins but has no plugins yet: a fragment that names one is an error.
These keys may stand beside a plugin\(aqs own settings.
.TP
.B plugin
The plugin\(aqs name; the first key of the fragment.
.TP
.B instance
A label, when a plugin is enabled more than once.
.TP
.B isolation
How the plugin is kept apart from the core.
.TP
.B on_fault
What happens to mail when the plugin fails: tempfail, next or reject.
.TP
.B timeout
How long a hook of the plugin may stay suspended.
)";

constexpr std::string_view kAfter = R"(.SH EXAMPLES
A mail exchanger that gives the mail of its domain to a mailbox server, the second when the first is down:
.PP
.EX
    core:
      listeners: [{ address: "0.0.0.0:25", role: mx }]
      relay_domains: [example.test]
      routes:
        \- { match: example.test, to: ["lmtp://192.0.2.10:24", "lmtp://192.0.2.11:24"] }
.EE
.PP
A host that sends everything through a smarthost, and takes mail from its own network:
.PP
.EX
    core:
      listeners: [{ address: "[::]:25", role: relay }]
      relay_networks: [loopback, 192.0.2.0/24]
      routes: [{ match: "*", to: ["smtp://smarthost.example.test"] }]
.EE
.PP
Mail sent from two addresses in turn, and at most 600 messages an hour to one provider from each:
.PP
.EX
    core:
      sources:
        one: { ipv4: 192.0.2.1, helo: one.example.test }
        two: { ipv4: 192.0.2.2, helo: two.example.test }
      pools: { default: [one, two] }
      providers:
        big: { mx: [.big.test] }
      outbound_limits:
        gently: { per: [source], match: { provider: big }, rate: 600, rate_period: 1h }
.EE
.SH EXIT STATUS
A daemon that is started, and a command that is called, with a configuration that has errors prints them all and ends with 78.
.SH FILES
.TP
.I /etc/veredus/conf.d
The fragments.
.B \-\-conf
.I DIR
or the environment variable
.B VEREDUS_CONF
name another directory.
.SH SEE ALSO
.BR veredus (1),
.BR veredusd (8),
.BR veredus\-internals (7)
)";

// The chapters of the settings, each begun by the first setting of its kind.
struct Chapter {
  std::string_view first;  // name of a setting
  std::string_view title;
};

constexpr Chapter kChapters[] = {
    {"hostname", "Host, process and listeners"},
    {"relay_networks", "Who may send what"},
    {"limits.message_size", "Limits on clients"},
    {"routes", "Where mail goes, and from where"},
    {"queue.retry", "Queue"},
    {"outbound.port", "Deliveries"},
};

// Text of ours in roff: no line begins a request, hyphens, quotes and backslashes print as they are.
std::string roff(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\'')
      out += "\\(aq";
    else if (c == '"')
      out += "\\(dq";
    else
      out.push_back(c);
  }
  if (out.starts_with('.')) out.insert(0, "\\&");
  return out;
}

std::string default_text(const Setting& setting) {
  if (setting.required) return "Must be given.";
  if (setting.fallback.empty()) return "Default: " + roff(setting.derived) + ".";
  return "Default: \\fB" + roff(setting.fallback) + "\\fR.";
}

// A new sentence begins a new line of the source, so that roff spaces it rightly.
std::string sentences(std::string text) {
  for (size_t at = 0; (at = text.find(". ", at)) != std::string::npos; ++at) text[at + 1] = '\n';
  return text;
}

std::string entry(const std::string& name, const Setting& setting) {
  std::string out = ".TP\n.B " + roff(name) + "\n" + sentences(roff(setting.doc)) + "\n.br\n";
  out += "Type: " + roff(type_hint(setting)) + ".\n" + default_text(setting) + "\n";
  if (!setting.reloadable) out += "In force after a restart.\n";
  if (!setting.planned.empty())
    out += "\\fBNo effect yet\\fR: read and checked, but waits for " + roff(setting.planned) + ".\n";
  if (setting.secret) out += "Never shown.\n";
  if (setting.since != "0.1") out += "Since version " + roff(setting.since) + ".\n";
  return out;
}

std::string heading_before(const std::string& name) {
  for (const Chapter& chapter : kChapters)
    if (chapter.first == name) return ".SS " + roff(chapter.title) + "\n";
  return "";
}

}  // namespace

std::string settings_reference_man() {
  std::string out(kBefore);
  each_setting([&](const std::string& name, const Setting& setting) {
    out += heading_before(name) + entry(name, setting);
  });
  out += kPlugins;
  out += kAfter;
  return out;
}

}  // namespace veredus
