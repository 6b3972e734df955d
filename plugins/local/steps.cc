// From what an address leads to, to what is done: users are asked for their .forward, names of others go back to the queue.
#include <charconv>

#include "shard.h"

namespace local {

namespace {

using namespace std::chrono_literals;
constexpr auto kForwardPatience = 60s;
constexpr size_t kMostAddresses = 1'000;  // of one new message

Step step_of(Step::Kind kind, std::string text) {
  Step out;
  out.kind = kind;
  out.text = std::move(text);
  return out;
}

Step reply_step(Report report) {
  Step out;
  out.report = std::move(report);
  return out;
}

// Addresses of one list share messages, so that each of them has its own state in the queue and the content is stored once.
void add_to_queue(std::vector<Step>& steps, const std::string& owner, std::string address) {
  for (Step& step : steps)
    if (step.kind == Step::Kind::queue && !step.to_transport && step.owner == owner && step.addresses.size() < kMostAddresses)
      return step.addresses.push_back(std::move(address));
  Step step;
  step.kind = Step::Kind::queue;
  step.owner = owner;
  step.addresses.push_back(std::move(address));
  steps.push_back(std::move(step));
}

// "KIND:EXACT:CODE:TEXT", as the helper says it.
std::optional<Target> target_from(std::string_view text) {
  Target out;
  unsigned parts[3] = {};
  for (unsigned& part : parts) {
    size_t colon = text.find(':');
    if (colon == text.npos) return std::nullopt;
    auto [end, error] = std::from_chars(text.data(), text.data() + colon, part);
    if (error != std::errc() || end != text.data() + colon) return std::nullopt;
    text.remove_prefix(colon + 1);
  }
  if (parts[0] > static_cast<unsigned>(Target::Kind::blackhole) || parts[2] > 599) return std::nullopt;
  out.kind = static_cast<Target::Kind>(parts[0]);
  out.exact = parts[1] != 0;
  out.code = static_cast<uint16_t>(parts[2]);
  out.text = text;
  return out;
}

}  // namespace

std::string Step::key() const {
  std::string all = std::to_string(static_cast<int>(kind)) + "\n" + user + "\n" + extension + "\n" + text + "\n" + source + "\n" + owner;
  for (const std::string& address : addresses) all += "\n" + address;
  if (to_transport) all += "\n";
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : all) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(hash));
  return hex;
}

Report unknown_user() {
  return Report::of(550, 1, 1, "User unknown");
}

Report reply_of(uint16_t code, const std::string& text) {
  Report out = code / 100 == 4 ? Report::of(code, 2, 1, text) : Report::of(code, 1, 1, text);
  unsigned parts[3] = {};
  int used = 0;
  bool status = std::sscanf(text.c_str(), "%1u.%3u.%3u %n", &parts[0], &parts[1], &parts[2], &used) == 3 && used > 0;
  if (status && parts[0] == code / 100 && parts[1] < 256 && parts[2] < 256)
    out = Report::of(code, static_cast<uint8_t>(parts[1]), static_cast<uint8_t>(parts[2]), text.substr(static_cast<size_t>(used)));
  if (out.text.empty()) out.text = code / 100 == 4 ? "Mail for this address is not taken now" : "Mail for this address is not taken";
  return out;
}

std::string Local::Shard::with_domain(const Recipient& to, const std::string& name) const {
  bool atom =
      name.find_first_of(" \"(),:;<>@[\\]") == name.npos && !name.starts_with('.') && !name.ends_with('.') && name.find("..") == name.npos;
  std::string quoted = "\"";
  for (char c : name) quoted += (c == '"' || c == '\\' ? std::string("\\") : std::string()) + c;
  return (atom ? name : quoted + "\"") + "@" + (plugin.options.is_local(to.domain) ? to.domain : plugin.options.home_domain);
}

Step Local::Shard::mailbox_step(const Recipient& to, const Item& item) const {
  Step out = step_of(Step::Kind::mailbox, "");
  out.user = item.text;
  out.extension = item.extension;
  if (plugin.options.transport.empty() || item.text == "root") return out;
  out.kind = Step::Kind::queue;
  out.to_transport = true;
  out.addresses.push_back(with_domain(to, item.text + (item.extension.empty() ? "" : plugin.options.separator + item.extension)));
  return out;
}

// A user's own mailbox, or what the .forward says. The user's own name there means: also keep it.
vrd::Task<std::vector<Step>> Local::Shard::steps_of_user(std::shared_ptr<const Recipient> to, Item item) {
  Step own = mailbox_step(*to, item);
  std::vector<Step> out;
  if (item.exact) {
    out.push_back(std::move(own));
    co_return out;
  }
  Fields request = request_of(*to, "forward");
  request.add("user", item.text);
  request.add("extension", item.extension);
  vrd::HelperResult said = co_await host.ask(plugin.options.helper, request.text(), kForwardPatience);
  auto answer = said.ok() ? Fields::parse(said.octets) : std::nullopt;
  Report report = answer ? Report::take(*answer) : Report::of(451, 3, 0, "the helper gives no answer");
  if (!report.done()) {
    out.push_back(reply_step(std::move(report)));
    co_return out;
  }
  for (const std::string& problem : answer->all("problem")) host.warning("forward_problem", {{"user", item.text}, {"problem", problem}});
  for (const std::string& text : answer->all("target")) {
    auto target = target_from(text);
    if (target) add_forward_target(*to, own, *target, out);
  }
  if (out.empty()) out.push_back(std::move(own));
  co_return out;
}

void Local::Shard::add_forward_target(const Recipient& to, const Step& own, const Target& target, std::vector<Step>& out) const {
  using Kind = Target::Kind;
  std::string name = target.text;
  size_t at = target.kind == Kind::address ? name.rfind('@') : name.npos;
  bool here = target.kind == Kind::name || (at != name.npos && plugin.options.is_local(lowered(name.substr(at + 1))));
  if (here) name = lowered(unquoted(name.substr(0, at)));
  if (here && (name == lowered(own.user) || split_extension(name, plugin.options.separator).first == lowered(own.user)))
    return out.push_back(own);
  if (here) return add_to_queue(out, "", with_domain(to, name));
  if (target.kind == Kind::address) return add_to_queue(out, "", target.text);
  if (target.kind == Kind::blackhole) return out.push_back(reply_step(Report::of(250, 1, 5, "Discarded as the recipient wishes")));
  if (target.kind == Kind::refuse || target.kind == Kind::defer) return out.push_back(reply_step(reply_of(target.code, target.text)));
  if (target.kind == Kind::include) return out.push_back(reply_step(Report::of(451, 3, 5, "an :include: is not taken from a .forward")));
  Step step;
  step.user = own.user;
  step.extension = own.extension;
  step.kind = target.kind == Kind::pipe ? Step::Kind::pipe : Step::Kind::file;
  step.text = target.text;
  out.push_back(std::move(step));
}

// A single user is delivered to at once; one of several goes back to the queue, where it has a state of its own.
vrd::Task<std::vector<Step>> Local::Shard::steps_of(std::shared_ptr<const Recipient> to, Plan plan) {
  std::vector<Step> out;
  bool single = plan.expansion.items.size() == 1 && plan.mailbox.empty();
  for (Item& item : plan.expansion.items) {
    if (item.kind == Item::Kind::user && (single || item.itself)) {
      std::vector<Step> steps = co_await steps_of_user(to, std::move(item));
      for (Step& step : steps) out.push_back(std::move(step));
      continue;
    }
    add_item(*to, std::move(item), out);
  }
  if (!plan.mailbox.empty()) out.push_back(step_of(Step::Kind::virtual_box, plan.mailbox));
  co_return out;
}

void Local::Shard::add_item(const Recipient& to, Item item, std::vector<Step>& out) const {
  using Kind = Item::Kind;
  bool bare = item.kind == Kind::user || item.kind == Kind::name;
  if (bare && !item.extension.empty()) item.text += plugin.options.separator + item.extension;
  if (bare || item.kind == Kind::address)
    return add_to_queue(out, item.owner, bare ? with_domain(to, item.text) : item.text);
  if (item.kind == Kind::blackhole) return out.push_back(reply_step(Report::of(250, 1, 5, "Discarded by an alias")));
  if (item.kind == Kind::refuse || item.kind == Kind::defer) return out.push_back(reply_step(reply_of(item.code, item.text)));
  Step step = step_of(item.kind == Kind::pipe ? Step::Kind::pipe : Step::Kind::file, item.text);
  step.source = item.source;
  out.push_back(std::move(step));
}

}  // namespace local
