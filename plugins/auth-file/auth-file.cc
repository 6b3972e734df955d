// auth-file: svc.auth over a file of accounts. Passwords are checked on the pool, so many at once on each loop; the file is looked at every
// `check` and loaded again when it changed; questions read the accounts of that moment without a lock of their own.
#include <termios.h>
#include <unistd.h>

#include <deque>

#include <veredus/plugin.hpp>

#include "accounts.h"
#include "common/watched_file.hpp"

namespace {

using AccountsPtr = std::shared_ptr<const auth_file::Accounts>;
using Looks = common::FileLooks<auth_file::Accounts>;
enum class Offer : uint8_t { automatic, yes, no };

// A password, until it goes or moves.
class Password {
 public:
  explicit Password(std::string_view text) : text_(text) {}
  Password(Password&& other) noexcept : text_(other.text_) { auth_file::wipe(other.text_); }
  Password& operator=(Password&&) = delete;
  ~Password() { auth_file::wipe(text_); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// One password to check: with the account's hash, or, for accounts that do not exist, with another that nobody is told the answer of.
struct Trial {
  AccountsPtr accounts;
  const auth_file::Account* account = nullptr;
  const auth_file::Hash* hash = nullptr;
  Password password;
  vrd::AuthAnswer answer;
};

auth_file::Options options_of(const vrd::Conf& conf) {
  auth_file::Options out;
  out.file = conf.text("file");
  out.fold = conf.choice("case") == 0;
  return out;
}

class AuthFile : public vrd::Plugin<> {
 public:
  explicit AuthFile(vrd::Setup& setup)
      : Plugin(setup),
        options(options_of(setup.conf)),
        watched(options.file, [this](std::string& error) { return auth_file::load(options, error); }),
        scram(static_cast<Offer>(setup.conf.choice("scram"))),
        check(setup.conf.duration("check")),
        at_once(static_cast<size_t>(setup.conf.number("at_once"))),
        waiting(static_cast<size_t>(setup.conf.number("waiting"))),
        proven(setup.counter("proven_total", "Questions that were answered with yes")),
        denied(setup.counter("denied_total", "Questions that were answered with no")),
        busy(setup.counter("busy_total", "Questions put off because too many were waiting")),
        refused(setup.counter("refused_total", "Changed files that were not taken because of an error")) {
    watched.begin(first(setup));
    kinds_ = kinds_for(*now());
  }

  uint32_t auth_kinds() const { return kinds_; }
  AccountsPtr now() const { return watched.now(); }

  // Mechanisms that find no secret refuse everybody, and clients try no other: SCRAM is offered when all accounts can use it.
  uint32_t kinds_for(const auth_file::Accounts& accounts) const {
    bool all_scram = accounts.passwords() > 0 && accounts.scram_secrets() == accounts.passwords();
    bool offer = scram == Offer::yes || (scram == Offer::automatic && all_scram);
    uint32_t certificates = accounts.certificates() > 0 ? 1u << VRD_AUTH_EXTERNAL : 0;
    return 1u << VRD_AUTH_PASSWORD | (offer ? 1u << VRD_AUTH_SECRET : 0) | certificates;
  }

  void hash(vrd::CommandCall call);

  struct Shard : vrd::ShardOf<AuthFile>, vrd::AuthProvider {
    explicit Shard(const vrd::ShardSetup<AuthFile>& setup) : ShardOf(setup) {
      if (loop == 0 && !plugin.options.file.empty())
        looks_.emplace(host, plugin.watched, plugin.check, [this](const Looks::Look& look) { taken(look); });
    }
    void check(const vrd_auth_request& request, vrd::AuthAnswer answer) override {
      switch (request.kind) {
        case VRD_AUTH_PASSWORD: return check_password(request, std::move(answer));
        case VRD_AUTH_SECRET: return give_secret(request, std::move(answer));
        case VRD_AUTH_EXTERNAL: return check_certificate(request, std::move(answer));
        default: deny(answer);
      }
    }

   private:
    void deny(vrd::AuthAnswer& answer) const {
      plugin.denied.add();
      answer.denied();
    }
    void prove(vrd::AuthAnswer& answer, const auth_file::Account& account, std::string_view secret = {}) const {
      plugin.proven.add();
      answer.proven(account.name, account.tenant, secret);
    }

    void give_secret(const vrd_auth_request& request, vrd::AuthAnswer answer) const {
      AccountsPtr accounts = plugin.now();
      const auth_file::Account* account = accounts->find(vrd::view(request.account));
      bool there = account && account->hash.scheme == auth_file::Scheme::scram && accounts->may_act(*account, vrd::view(request.acting_as));
      if (there) prove(answer, *account, account->hash.text);
      else deny(answer);
    }
    void check_certificate(const vrd_auth_request& request, vrd::AuthAnswer answer) const {
      AccountsPtr accounts = plugin.now();
      const auth_file::Account* owner = accounts->owner(vrd::view(request.secret));
      bool named = request.account.len > 0;
      bool good = owner && (!named || accounts->find(vrd::view(request.account)) == owner) && accounts->may_act(*owner, vrd::view(request.acting_as));
      if (good) prove(answer, *owner);
      else deny(answer);
    }
    void check_password(const vrd_auth_request& request, vrd::AuthAnswer answer) {
      AccountsPtr accounts = plugin.now();
      std::string_view name = vrd::view(request.account);
      const auth_file::Account* account = accounts->find(name);
      bool possible = account && account->hash.scheme != auth_file::Scheme::none && accounts->may_act(*account, vrd::view(request.acting_as));
      const auth_file::Hash* hash = possible ? &account->hash : accounts->decoy(name);
      if (!hash) return deny(answer);
      if (trials_.size() >= plugin.waiting) {
        plugin.busy.add();
        answer.fail(VRD_E_TEMPORARY);
        return;
      }
      trials_.push_back({accounts, possible ? account : nullptr, hash, Password(vrd::view(request.secret)), std::move(answer)});
      go_on();
    }
    void go_on() {
      while (!trials_.empty() && running_ < plugin.at_once) {
        auto trial = std::make_shared<Trial>(std::move(trials_.front()));
        trials_.pop_front();
        ++running_;
        host.work([trial] { return auth_file::fits(*trial->hash, trial->password.text()); }).then([this, trial](vrd::WorkResult<bool> fits) {
          --running_;
          finish(*trial, fits);
          go_on();
        });
      }
    }
    void finish(Trial& trial, const vrd::WorkResult<bool>& fits) const {
      if (!fits.ok() || !fits.value) trial.answer.fail(VRD_E_TEMPORARY);
      else if (*fits.value && trial.account) prove(trial.answer, *trial.account);
      else deny(trial.answer);
    }

    void taken(const Looks::Look& look) const {
      if (!look.error.empty()) {
        plugin.refused.add();
        host.error("refused", {{"reason", look.error}, {"remedy", "the accounts of before stay in use; mend the file"}});
      }
      if (!look.held) return;
      plugin.watched.replace(look.held);
      plugin.tell_loaded(*look.held);
      if (plugin.kinds_for(*look.held) != plugin.auth_kinds())
        host.notice("mechanisms", {{"reason", "the accounts could now use other mechanisms than are offered"}, {"remedy", "veredus reload"}});
    }

    std::deque<Trial> trials_;
    size_t running_ = 0;
    std::optional<Looks> looks_;  // of loop 0
  };

  void tell_loaded(const auth_file::Accounts& accounts) const {
    host.notice("loaded", {{"file", options.file}, {"accounts", accounts.size()}, {"scram", accounts.scram_secrets()}, {"certificates", accounts.certificates()}});
  }

  const auth_file::Options options;
  common::WatchedFile<auth_file::Accounts> watched;
  const Offer scram;
  const vrd::milliseconds check;
  const size_t at_once, waiting;
  const vrd::Metric proven, denied, busy, refused;

 private:
  // A file that an instance before this one has loaded, and that is still the same, is not read again.
  AccountsPtr first(const vrd::Setup& setup) const {
    if (options.file.empty()) {  // the command 'hash' needs no accounts
      if (setup.conf.where().find(".yaml") != std::string_view::npos) setup.conf.refuse("the setting 'file' is missing: the file of the accounts");
      return std::make_shared<const auth_file::Accounts>();
    }
    if (const auto* before = setup.previous<AuthFile>()) {
      AccountsPtr accounts = before->now();
      bool same = accounts->options.file == options.file && accounts->options.fold == options.fold;
      if (same) accounts = common::WatchedFile<auth_file::Accounts>::unless_changed(std::move(accounts), options.file);
      if (same && accounts) return accounts;
    }
    std::string error;
    AccountsPtr accounts = auth_file::load(options, error);
    if (!accounts) setup.conf["file"].refuse(error);
    tell_loaded(*accounts);
    return accounts;
  }

  uint32_t kinds_ = 0;
};

// The first line of standard input; what is typed on a terminal is not shown.
Password read_password() {
  termios before{};
  bool terminal = isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &before) == 0;
  if (terminal) {
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    static_cast<void>(write(STDERR_FILENO, "Password: ", 10) + 0);
  }
  std::string line;
  line.reserve(2048);  // is not moved while it grows, so that wiping it is enough
  for (char c = 0; line.size() < 2000 && read(STDIN_FILENO, &c, 1) == 1 && c != '\n';) line += c;
  if (terminal) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    static_cast<void>(write(STDERR_FILENO, "\n", 1) + 0);
  }
  if (line.ends_with('\r')) line.pop_back();
  Password out(line);
  auth_file::wipe(line);
  return out;
}

struct HashWanted {
  std::string account, scheme = "argon2id", problem;
};

HashWanted read_arguments(const std::vector<std::string>& words) {
  HashWanted out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--scheme" && i + 1 < words.size()) out.scheme = words[++i];
    else if (words[i].starts_with("--scheme=")) out.scheme = words[i].substr(9);
    else if (words[i].starts_with("-")) out.problem = "there is no option '" + words[i] + "'; usage: veredus auth-file hash [ACCOUNT] [--scheme argon2id|yescrypt|scram-sha-256]";
    else if (!out.account.empty()) out.problem = "one account at a time";
    else out.account = words[i];
  }
  return out;
}

void AuthFile::hash(vrd::CommandCall call) {
  HashWanted wanted = read_arguments(call.arguments);
  if (!wanted.problem.empty()) {
    call.error(wanted.problem + "\n").finish(64);
    return;
  }
  Password password = read_password();
  std::string problem, made = auth_file::make_hash(wanted.scheme, password.text(), problem);
  std::string line = wanted.account.empty() ? made : wanted.account + ":" + made;
  auth_file::Account account;
  if (problem.empty() && !wanted.account.empty()) problem = auth_file::read_account(line, account);
  if (!problem.empty()) call.error(problem + "\n").finish(65);
  else call.write(line + "\n").finish(0);
}

constexpr vrd::About kAbout{"auth-file", "0.1", "Apache-2.0", "Accounts in a file, with modern password hashes, SCRAM secrets and certificates"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("file", VRD_SETTING_PATH, nullptr, nullptr, "The file of accounts, required. It is loaded at the start and whenever it changes."),
    vrd::setting("case", VRD_SETTING_CHOICE, "fold", "fold|exact", "Whether the case of ASCII letters in names counts."),
    vrd::setting("scram", VRD_SETTING_CHOICE, "auto", "auto|yes|no", "Whether SCRAM mechanisms are offered. auto: when every account with a password has a SCRAM secret."),
    vrd::setting("check", VRD_SETTING_DURATION, "2s", "100ms..1d", "How often the file is looked at."),
    vrd::setting("at_once", VRD_SETTING_INT, "2", "1..64", "Passwords checked at the same time, on each loop."),
    vrd::setting("waiting", VRD_SETTING_INT, "100", "1..10000", "Passwords that may wait for that, on each loop; more are put off."),
};
constexpr vrd::Command kCommands[] = {
    vrd::command<&AuthFile::hash>("auth-file hash", "[ACCOUNT] [--scheme argon2id|yescrypt|scram-sha-256]",
                                  "Reads a password from standard input and prints its hash, or with ACCOUNT the line for the file.", VRD_COMMAND_OFFLINE),
};

}  // namespace

VEREDUS_PLUGIN(AuthFile, kAbout, kSettings, kCommands)
