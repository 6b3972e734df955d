// From an address to what it leads to: virtual tables, aliases, users.
#include <time.h>

#include "shard.h"

namespace local {

namespace {

using namespace std::chrono_literals;
constexpr auto kTablePatience = 10s, kForwardPatience = 60s, kRoutePatience = 90s;

int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

void log_files(const vrd::Host& host, const std::vector<std::shared_ptr<const AliasFiles::Snapshot::File>>& files) {
  for (const auto& file : files) {
    if (!file->problem.empty())
      host.warning("aliases_failed", {{"file", file->path}, {"reason", file->problem}});
    else
      host.info("aliases_read", {{"file", file->path}, {"names", file->aliases.size()}});
    for (const std::string& problem : file->aliases.problems())
      host.warning("aliases_problem", {{"file", file->path}, {"problem", problem}});
  }
}

constexpr size_t kMostList = 16u << 20;

World world_of(const Options& options, const AliasFiles::Snapshot& aliases) {
  World out;
  out.alias = [&aliases](const std::string& name, std::string* source) { return aliases.find(name, source); };
  out.user = [&options](const std::string& name) {
    UserAnswer answer = options.users.find(name, now_ms());
    bool root = answer.kind == UserAnswer::Kind::found && answer.user.uid == 0;
    return root && !options.root_to.empty() ? options.users.find(options.root_to, now_ms()) : answer;
  };
  out.include = [](const std::string& path, std::string& text, std::string& problem) {
    return read_file(path, kMostList, false, text, problem);
  };
  out.is_local = [&options](std::string_view domain) { return options.is_local(domain); };
  out.separator = options.separator;
  out.most_items = options.most_targets;
  return out;
}

// Reads files, asks for users. [worker]
struct ExpandJob {
  const Local* plugin;
  std::string local_part;
  std::optional<TargetList> list;  // instead of the local part

  Expansion operator()() const {
    std::vector<std::shared_ptr<const AliasFiles::Snapshot::File>> fresh;
    auto aliases = plugin->options.aliases.now(&fresh);
    log_files(plugin->host, fresh);
    World world = world_of(plugin->options, *aliases);
    Expansion out = list ? expand_targets(*list, world) : expand(local_part, world);
    if (!out.known && out.later.empty()) out.later = aliases->problem();  // who is not found may be in what cannot be read
    for (const std::string& problem : out.problems) plugin->host.warning("expansion_problem", {{"name", local_part}, {"problem", problem}});
    return out;
  }
};

Expansion failed_later(std::string why) {
  Expansion out;
  out.later = std::move(why);
  return out;
}

// What is looked up for an address: itself, without its extension, all of its domain.
std::vector<std::string> keys_for(const std::string& local_part, const std::string& domain, const std::string& separator) {
  std::string whole = lowered(local_part);
  std::vector<std::string> out{whole + "@" + domain};
  auto [base, extension] = split_extension(whole, separator);
  if (!extension.empty()) out.push_back(base + "@" + domain);
  out.push_back("@" + domain);
  return out;
}

std::optional<std::string> first_of(const vrd::TableResult& found) {
  for (const auto& row : found.rows)
    if (row) return row;
  return std::nullopt;
}

}  // namespace

// True: the table says where mail goes.
vrd::Task<bool> Local::Shard::plan_virtual(std::string local_part, std::string domain, std::shared_ptr<Plan> out) {
  const Options& options = plugin.options;
  std::vector<std::string> keys = keys_for(local_part, domain, options.separator);
  const std::string itself = keys.front();
  vrd::TableResult found = co_await host.lookup(*options.virtual_table, std::move(keys), kTablePatience);
  if (!found.ok()) {
    out->expansion = failed_later("the table of virtual addresses gave no answer");
    co_return true;
  }
  std::optional<std::string> value = first_of(found);
  if (!value) co_return false;
  ExpandJob job{&plugin, itself, parse_targets(*value)};
  auto stays =
      std::erase_if(job.list->targets, [&](const Target& one) { return one.kind == Target::Kind::address && lowered(one.text) == itself; });
  out->stays = stays > 0;
  if (job.list->targets.empty() && out->stays) co_return false;
  auto done = co_await host.work(std::move(job));
  if (done.ok() && done.value)
    out->expansion = std::move(*done.value);
  else
    out->expansion = failed_later("the pool is busy");
  co_return true;
}

vrd::Task<void> Local::Shard::plan_mailbox(std::string local_part, std::string domain, std::shared_ptr<Plan> out) {
  out->expansion.known = out->stays && !out->expansion.items.empty();
  if (!plugin.options.mailboxes) co_return;
  vrd::TableResult found =
      co_await host.lookup(*plugin.options.mailboxes, keys_for(local_part, domain, plugin.options.separator), kTablePatience);
  std::optional<std::string> value = first_of(found);
  if (!found.ok())
    out->expansion = failed_later("the table of mailboxes gave no answer");
  else if (value && !trimmed(*value).empty())
    out->mailbox = trimmed(*value), out->expansion.known = true;
}

vrd::Task<Plan> Local::Shard::plan(std::string local_part, std::string domain) {
  auto out = std::make_shared<Plan>();
  bool by_table = false;
  if (plugin.options.virtual_table) by_table = co_await plan_virtual(local_part, domain, out);
  if (by_table && !out->stays) co_return std::move(*out);
  if (plugin.options.is_virtual(domain)) {
    co_await plan_mailbox(local_part, domain, out);
    co_return std::move(*out);
  }
  Expansion before = std::move(out->expansion);
  ExpandJob job{&plugin, local_part, std::nullopt};
  auto done = co_await host.work(std::move(job));
  if (done.ok() && done.value)
    out->expansion = std::move(*done.value);
  else
    out->expansion = failed_later("the pool is busy");
  for (Item& item : before.items) out->expansion.items.push_back(std::move(item));
  co_return std::move(*out);
}

vrd::Task<vrd::Verdict> Local::Shard::on_rcpt(vrd::CoCall call) {
  std::string domain(call.text(VRD_ATTR_RECIPIENT_DOMAIN)), local_part(call.text(VRD_ATTR_RECIPIENT_LOCAL));
  if (!plugin.options.is_local(domain) && !plugin.options.is_virtual(domain)) co_return vrd::next();
  Plan found = co_await plan(local_part, domain);
  const Expansion& expansion = found.expansion;
  if (!expansion.later.empty()) {
    host.warning("recipient_deferred", {{"recipient", call.text(VRD_ATTR_RECIPIENT)}, {"reason", expansion.later}}, call);
    co_return vrd::tempfail("4.3.0", "The recipient cannot be looked up now", 451);
  }
  if (!expansion.known) co_return vrd::reject("5.1.1", "User unknown", 550).rule("local");
  bool only_reply = expansion.items.size() == 1 && found.mailbox.empty();
  const Item* reply = only_reply ? &expansion.items.front() : nullptr;
  if (!reply || (reply->kind != Item::Kind::refuse && reply->kind != Item::Kind::defer)) co_return vrd::next();
  Report says = reply_of(reply->code, reply->text);
  std::string enhanced = std::to_string(says.enhanced[0]) + "." + std::to_string(says.enhanced[1]) + "." + std::to_string(says.enhanced[2]);
  if (says.later()) co_return vrd::tempfail(enhanced, says.text, says.smtp).rule("alias");
  co_return vrd::reject(enhanced, says.text, says.smtp).rule("alias");
}

// A user who has neither alias nor .forward.
vrd::Task<bool> Local::Shard::goes_to_mailbox(std::string local_part, std::string domain) {
  Plan found = co_await plan(local_part, domain);
  const std::vector<Item>& items = found.expansion.items;
  if (!found.expansion.later.empty() || items.size() != 1 || !found.mailbox.empty()) co_return false;
  Item item = items.front();
  if (item.kind != Item::Kind::user || !item.itself || item.text == "root") co_return false;
  Fields request;
  request.add("op", "forward");
  request.add("user", item.text);
  request.add("extension", item.extension);
  vrd::HelperResult said = co_await host.ask(plugin.options.helper, request.text(), kForwardPatience);
  auto answer = said.ok() ? Fields::parse(said.octets) : std::nullopt;
  co_return answer&& Report::take(*answer).done() && answer->all("target").empty();
}

// With a mailbox_transport whoever has a mailbox only goes there at once; what cannot be told now is found out at the delivery.
vrd::Verdict Local::Shard::on_route(vrd::Call& call) {
  bool chosen = plugin.options.transport.empty() || !call.text(VRD_ATTR_RECIPIENT_NEXT_HOP).empty();
  if (chosen || !plugin.options.is_local(call.text(VRD_ATTR_RECIPIENT_DOMAIN))) return vrd::next();
  auto index = static_cast<uint32_t>(call.number(VRD_ATTR_RECIPIENT_INDEX));
  if (call.text(VRD_ATTR_STREAM) == kTransportStream) {
    call.edits().set_route(index, plugin.options.transport);
    return vrd::next();
  }
  std::string domain(call.text(VRD_ATTR_RECIPIENT_DOMAIN)), local_part(call.text(VRD_ATTR_RECIPIENT_LOCAL));
  tasks_.spawn(choose_route(std::move(local_part), std::move(domain), index, call.defer(kRoutePatience)));
  return vrd::later();
}

vrd::Task<void> Local::Shard::choose_route(std::string local_part, std::string domain, uint32_t index, vrd::Pending pending) {
  bool direct = co_await goes_to_mailbox(std::move(local_part), std::move(domain));
  vrd::OwnEdits edits = pending.edits();
  if (direct) edits.set_route(index, plugin.options.transport);
  pending.answer(vrd::next(), std::move(edits));
}

}  // namespace local
