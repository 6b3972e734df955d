// From words to a plugin's command, and from its output to the client. A client that goes away ends the command.
#include "plugin/command_bridge.h"

#include <sysexits.h>

#include "plugin/hook_adapter.h"
#include "plugin/plugin_command.h"
#include "plugin/providers_auth.h"

namespace veredus {

namespace {

constexpr Seconds kLook{1};        // how often a silent command's client is looked at
constexpr Seconds kPatience{30};

bool gone(const Result<size_t>& got) { return (got && *got == 0) || (!got && got.error().code != Errc::timeout); }

Task<int> carry_out(Loop& loop, std::shared_ptr<Generation> generation, FoundCommand found, std::vector<std::string> words, Output* output) {
  PluginCommand command(loop);
  Status begun = command.begin(*found.instance, *found.command, std::span(words).subspan(found.words));
  if (!begun) {
    output->error(begun.error().text + "\n");
    co_return EX_SOFTWARE;
  }
  for (;;) {
    PluginCommand::Progress progress = co_await command.next(Deadline::in(loop, kLook));
    output->print(progress.out);
    if (!progress.err.empty()) output->error(progress.err);
    if (progress.exit) co_return *progress.exit;
    Status sent = co_await output->flush();
    auto got = co_await output->stream().fill(Deadline::in(loop, Millis(0)));
    if (!sent || gone(got)) co_return EX_TEMPFAIL;
  }
}

}  // namespace

std::optional<Task<int>> plugin_command(PluginHost& host, std::vector<std::string> words, Output& output) {
  std::shared_ptr<Generation> generation = host.current();
  FoundCommand found = find_plugin_command(*generation, words);
  if (!found) return std::nullopt;
  return carry_out(host.main().loop, std::move(generation), found, std::move(words), &output);
}

Task<AuthTest> ask_password(PluginHost& host, std::string plugin, std::string account, std::string password) {
  Deadline deadline = Deadline::in(host.main().loop, kPatience);
  AuthTrial trial = co_await try_password(host, std::move(plugin), std::move(account), std::move(password), deadline);
  AuthTest out;
  out.mechanisms = mechanisms_of(trial.kinds);
  if (trial.kinds == 0) out.result = AuthTest::Result::unknown;
  else if (trial.answer.kind == AuthAnswer::Kind::ok) out.result = AuthTest::Result::ok;
  else if (trial.answer.kind == AuthAnswer::Kind::denied) out.result = AuthTest::Result::denied;
  out.account = std::move(trial.answer.account);
  out.tenant = std::move(trial.answer.tenant);
  co_return out;
}

}  // namespace veredus
