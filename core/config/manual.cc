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
.B /etc/veredus/conf.d/NN-name.yaml
.SH DESCRIPTION
The configuration is a directory of fragments, by default
.IR /etc/veredus/conf.d .
Only files named with two digits, a hyphen, a name and
.I .yaml
are read, in the order of their names.
Each holds one YAML mapping.
.PP
A fragment either holds
.BR core: ,
with the settings below, or begins with
.BI plugin: " NAME"
and holds that plugin's settings.
.B core:
may be split over several files; the same setting given twice is an error that names both places.
Settings that hold named entries (hosts, sources, pools, providers, outbound_limits) may be split too,
each name given once.
Anchors, aliases and tags of YAML are not used.
.PP
A dotted name such as
.B queue.retry
stands for the key
.B retry
in the mapping
.BR queue: .
Settings of the mapping
.B limits:
may also stand directly under
.BR core: .
.PP
A configuration is tested whole before it is used.
.B veredus config check
prints every error with file, line and column, and
.B veredus config show
the effective values and where each comes from.
.SS Values
.TP
durations
A number and a unit: ms, s, m, h, d or w, as in 30s or 5d.
.TP
sizes
A number of octets, or with a unit: KiB, MiB or GiB.
.TP
networks
An address with a prefix length, an address alone, or the word
.B loopback
for 127.0.0.0/8 and ::1.
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
(the mail exchangers of the recipient's domain),
.BI mx: DOMAIN\fR,
.BI smtp:// HOST\fR[\fB:25\fR]
(addresses of the host only),
.BI lmtp:// HOST : PORT
or
.BI lmtp:/// PATH\fR.
.SH SETTINGS
)";

constexpr std::string_view kPlugins = R"(.SH PLUGIN FRAGMENTS
These keys may stand beside a plugin's own settings.
.TP
.B plugin
The plugin's name; the first key of the fragment.
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

constexpr std::string_view kAfter = R"(.SH EXAMPLE
.nf
core:
  hostname: mx.example.test
  listeners:
    - { address: "0.0.0.0:25", role: mx }
  relay_domains: [example.test]
  routes:
    - { match: example.test, to: ["smtp://mail.example.test:25"] }
.fi
.SH SEE ALSO
.BR veredus (1),
.BR veredusd (8),
.BR veredus\-internals (7)
)";

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

std::string entry(const std::string& name, const Setting& setting) {
  std::string out = ".TP\n.B " + roff(name) + "\n" + roff(setting.doc) + "\n.br\n";
  out += "Type: " + roff(type_hint(setting)) + ".\n" + default_text(setting) + "\n";
  if (!setting.reloadable) out += "A change takes effect after a restart.\n";
  if (setting.secret) out += "Never shown.\n";
  return out;
}

}  // namespace

std::string settings_reference_man() {
  std::string out(kBefore);
  each_setting([&](const std::string& name, const Setting& setting) { out += entry(name, setting); });
  out += kPlugins;
  out += kAfter;
  return out;
}

}  // namespace veredus
