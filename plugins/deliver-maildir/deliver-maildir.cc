// deliver-maildir: svc.deliver into Maildirs. Next hop `plugin:deliver-maildir`, or `plugin:deliver-maildir/FOLDER`. The file work runs on
// the pool; an answer of 250 comes after every fsync.
#include <unistd.h>
#include <sys/stat.h>

#include <veredus/plugin.hpp>

#include "maildir.h"

namespace {

constexpr size_t kMaxLine = 800;  // of what is put above the message

maildir::Options options_of(const vrd::Setup& setup) {
  maildir::Options out;
  const vrd::Conf& conf = setup.conf;
  out.root = conf.text("root");
  out.path = conf.text("path");
  out.extension = conf.text("extension");
  out.hostname = setup.host.core("hostname");
  if (!maildir::good_name(out.hostname)) out.hostname = "localhost";
  out.create = conf.flag("create");
  out.quota = conf.octets("quota");
  out.mode = static_cast<mode_t>(std::stoul(std::string(conf.text("mode")), nullptr, 8));
  std::string problem = maildir::template_problem(out.path);
  if (!problem.empty()) conf["path"].refuse("path '" + out.path + "': " + problem);
  struct stat info{};
  if (stat(out.root.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) conf["root"].refuse("root '" + out.root + "' is not a directory");
  if (access(out.root.c_str(), R_OK | W_OK | X_OK) != 0) conf["root"].refuse("root '" + out.root + "' is not writable for the daemon's user");
  return out;
}

// Text of an envelope on one line of a header; what could break it is left out.
std::string clean(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, kMaxLine))
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) out += c;
  return out;
}

std::string head_for(const vrd::View& message, uint32_t recipient) {
  std::string out = "Return-Path: <" + clean(message.text(VRD_ATTR_SENDER)) + ">\r\n";
  std::string_view original = message.text(VRD_ATTR_RECIPIENT_ORIGINAL, recipient);
  if (!original.empty()) out += "X-Original-To: " + clean(original) + "\r\n";
  return out + "Delivered-To: " + clean(message.text(VRD_ATTR_RECIPIENT, recipient)) + "\r\n";
}

vrd::Delivered row_of(uint32_t recipient, const std::optional<maildir::Failure>& failure) {
  vrd::Delivered out;
  out.recipient = recipient;
  out.smtp = failure ? failure->smtp : 250;
  out.enhanced = failure ? std::array<uint8_t, 3>{failure->enhanced[0], failure->enhanced[1], failure->enhanced[2]} : std::array<uint8_t, 3>{2, 1, 5};
  out.text = failure ? failure->text : "Delivered to the mailbox";
  return out;
}

// One message for all its recipients. [worker]
struct Job {
  const maildir::Options* options;
  vrd::KeptView message;
  std::vector<uint32_t> recipients;
  std::string folder;

  std::vector<vrd::Delivered> operator()() const {
    std::vector<vrd::Delivered> out;
    for (uint32_t recipient : recipients) out.push_back(row_of(recipient, deliver(recipient)));
    return out;
  }
  std::optional<maildir::Failure> deliver(uint32_t recipient) const {
    maildir::Place place;
    auto failed = maildir::find_place(*options, message.text(VRD_ATTR_RECIPIENT_LOCAL, recipient), message.text(VRD_ATTR_RECIPIENT_DOMAIN, recipient), folder, place);
    if (failed) return failed;
    return maildir::store(*options, place, head_for(message, recipient), message.size(), [this](uint64_t offset, char* buffer, size_t capacity) -> ssize_t {
      size_t got = 0;
      bool read = message.interfaces().message->read(message.raw(), offset, buffer, capacity, &got) == VRD_OK;
      return read ? static_cast<ssize_t>(got) : -1;
    });
  }
};

class DeliverMaildir : public vrd::Plugin<> {
 public:
  explicit DeliverMaildir(vrd::Setup& setup)
      : Plugin(setup),
        options(options_of(setup)),
        delivered(setup.counter("delivered_total", "Copies written to mailboxes")),
        refused(setup.counter("refused_total", "Copies refused for good or for now")) {}

  struct Shard : vrd::ShardOf<DeliverMaildir>, vrd::DeliverProvider {
    using ShardOf::ShardOf;
    void deliver(const vrd::View& message, std::span<const uint32_t> recipients, std::string_view argument, vrd::DeliverAnswer answer) override {
      Job job{&plugin.options, message.keep(), {recipients.begin(), recipients.end()}, std::string(argument)};
      host.work(std::move(job)).then([this, answer = std::move(answer)](vrd::WorkResult<std::vector<vrd::Delivered>> result) mutable {
        if (!result.ok() || !result.value) {
          answer.fail(VRD_E_TEMPORARY);
          return;
        }
        for (const vrd::Delivered& one : *result.value) note(one);
        answer.rows(*result.value);
      });
    }
    void note(const vrd::Delivered& one) const {
      (one.smtp == 250 ? plugin.delivered : plugin.refused).add();
      if (one.smtp == 451) host.warning("mailbox_failed", {{"reason", one.text}});
    }
  };

  const maildir::Options options;
  const vrd::Metric delivered, refused;
};

constexpr vrd::About kAbout{"deliver-maildir", "0.1", "Apache-2.0", "Delivers messages into Maildirs"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("root", VRD_SETTING_PATH, nullptr, nullptr, "Directory below which all mailboxes are. It must exist and be writable for the daemon's user.", VRD_SETTING_REQUIRED),
    vrd::setting("path", VRD_SETTING_TEXT, "\"{domain}/{local}/Maildir\"", "1..512", "A mailbox below the root. {local} and {domain} are those of the recipient in lower case; what would leave the root is refused."),
    vrd::setting("create", VRD_SETTING_BOOL, "true", nullptr, "Whether missing mailboxes are made. Else mail for them is refused with 550 5.1.1."),
    vrd::setting("mode", VRD_SETTING_CHOICE, "0700", "0700|0750|0770", "Mode of directories that are made; files have it without the x bits."),
    vrd::setting("extension", VRD_SETTING_TEXT, "+", "0..8", "Separates user and folder in a local part: user+lists goes to the folder .lists if there is one, else to the inbox. Empty: nothing does."),
    vrd::setting("quota", VRD_SETTING_SIZE, "0", "0..1048576GiB", "Size of a mailbox beyond which mail is deferred with 452 4.2.2; 0: no bound. Counted by listing new/ and cur/ at each delivery."),
};

}  // namespace

VEREDUS_PLUGIN(DeliverMaildir, kAbout, kSettings)
