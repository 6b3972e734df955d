// local: users of this host and their mail: aliases, .forward, mailboxes, commands, virtual addresses. Next hop `plugin:local`, to which
// the core sends local_domains by itself. Whatever needs the rights of a user is done by the helper process `veredus-local`.
#include "shard.h"

namespace local {

Local::Local(vrd::Setup& setup)
    : Plugin(setup),
      options(setup),
      mailboxes(setup.counter("mailboxes_total", "Copies written to mailboxes and files")),
      commands(setup.counter("commands_total", "Copies taken by commands")),
      forwarded(setup.counter("forwarded_total", "New messages made for the targets of aliases and .forward files")),
      deferred(setup.counter("deferred_total", "Recipients put off")),
      refused(setup.counter("refused_total", "Recipients that failed for good")) {}

namespace {

constexpr vrd::About kAbout{"local", "0.1", "Apache-2.0",
                            "Delivers to users of this host: aliases, .forward, mailboxes, commands, virtual addresses"};
constexpr vrd_setting kSettings[] = {
    vrd::setting(
        "aliases", VRD_SETTING_PATH, "[/etc/aliases]", nullptr,
        "Files of aliases, see veredus-aliases(5). They are read again when they change; the first file that has a name holds for it.",
        VRD_SETTING_LIST),
    vrd::setting("domains", VRD_SETTING_PATTERN, nullptr, nullptr,
                 "Domains whose local parts are users and aliases of this host. Default: core.local_domains.", VRD_SETTING_LIST),
    vrd::setting("extension", VRD_SETTING_TEXT, "+", "0..8",
                 "Separates user and extension in a local part: mail for user+lists goes to user. Empty: nothing does."),
    vrd::setting("root_to", VRD_SETTING_TEXT, nullptr, "0..64",
                 "The user who gets root's mail when there is no alias for root. Unset: it waits in the queue and says so, as nothing is "
                 "delivered as root."),
    vrd::setting("mailbox_transport", VRD_SETTING_TEXT, nullptr, "1..255",
                 "Next hop for the mailboxes of users, such as lmtp:///run/dovecot/lmtp, instead of the helper's --mailbox. Aliases and "
                 ".forward are looked at all the same."),
    vrd::setting("virtual", VRD_SETTING_TABLE, nullptr, nullptr,
                 "Table of addresses that lead to others: user@domain, then user@domain without the extension, then @domain; values as in "
                 "aliases, but without commands and files."),
    vrd::setting("virtual_domains", VRD_SETTING_PATTERN, "[]", nullptr,
                 "Domains whose addresses are those of the tables `virtual` and `mailboxes` only, not users of this host. Name them in "
                 "core.local_domains too, so that they are accepted.",
                 VRD_SETTING_LIST),
    vrd::setting("mailboxes", VRD_SETTING_TABLE, nullptr, nullptr,
                 "Table of mailboxes of virtual_domains: the same keys, the value a path below --virtual-root of the helper; ends with / "
                 "for a Maildir."),
    vrd::setting("max_targets", VRD_SETTING_INT, "10000", "1..100000", "Targets that one address may lead to; more fail with 554 5.4.6."),
    vrd::setting("user_cache", VRD_SETTING_DURATION, "1m", "0s..1h",
                 "How long a user that was found is remembered; that there is none a tenth of it."),
    vrd::setting(
        "users", VRD_SETTING_PATH, nullptr, nullptr,
        "Users from a file in the form of passwd(5) instead of the system's, for tests; the helper needs --passwd with the same file."),
    vrd::setting("helper", VRD_SETTING_TEXT, "local", "1..64", "Name of the helper in core.helpers that delivers as the recipient."),
};
constexpr vrd::Hook kHooks[] = {
    vrd::co_hook<&Local::Shard::on_rcpt, 30'000>(VRD_STAGE_RCPT),
    vrd::hook<&Local::Shard::on_route>(VRD_STAGE_ROUTE, {.may = VRD_MAY_ROUTE}),
};

}  // namespace
}  // namespace local

VEREDUS_PLUGIN(local::Local, local::kAbout, local::kSettings, local::kHooks)
