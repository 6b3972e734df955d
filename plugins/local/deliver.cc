// svc.deliver: recipients of a message side by side, the steps of one recipient one after the other. A step that is done is remembered, so
// that another attempt does not repeat it.
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "shard.h"

namespace local {

namespace {

using namespace std::chrono_literals;
constexpr size_t kAtOnce = 8;              // recipients of one message
constexpr int64_t kBeginWithin = 180'000;  // ms; what is begun then ends before the host's patience of 10 minutes does
constexpr int64_t kHelperBegins = 45'000;  // ms; what the helper has not begun by then it leaves alone, so that it is not done after all
constexpr auto kHelperPatience = 330s;     // that, a lock and a command
constexpr auto kMemoryPatience = 5s;
constexpr auto kMemory = std::chrono::hours(24 * 30);
constexpr uint32_t kMostDeliveredTo = 1'000;

// The octets in a file without a name, which is given to the helper. [worker]
struct CopyJob {
  vrd::KeptView view;
  int operator()() const {
    int fd = memfd_create("message", MFD_CLOEXEC);
    if (fd < 0) return -1;
    for (uint64_t at = 0, size = view.size(); at < size;) {
      std::string piece = view.read(at, 1u << 20);
      for (size_t done = 0; done < piece.size();) {
        ssize_t count = write(fd, piece.data() + done, piece.size() - done);
        if (count < 0) return close(fd), -1;
        done += static_cast<size_t>(count);
      }
      if (piece.empty()) return close(fd), -1;
      at += piece.size();
    }
    return fd;
  }
};

// The octets with one field on top. [worker]
struct ReadJob {
  vrd::KeptView view;
  std::string head;
  std::string operator()() const { return head + view.read(0, static_cast<size_t>(view.size())); }
};

// The helper reads the same clock.
int64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

std::string clean(std::string_view text) {
  return one_line(text, 800);
}

// Was it here for this address before?
bool came_round(const vrd::View& view, const std::string& address) {
  for (uint32_t i = 1; i <= kMostDeliveredTo; ++i) {
    auto field = view.header("Delivered-To", i);
    if (!field) return false;
    if (lowered(trimmed(*field)) == lowered(address)) return true;
  }
  return true;
}

// What is later wins, as it comes again; then what failed for good.
void join(Report& all, Report one, size_t count) {
  bool worse = all.done() ? !one.done() : !all.later() && one.later();
  if (count == 0 || worse) all = std::move(one);
}

vrd::Delivered row_of(uint32_t recipient, const Report& report) {
  vrd::Delivered out;
  out.recipient = recipient;
  out.smtp = report.smtp;
  out.enhanced = {report.enhanced[0], report.enhanced[1], report.enhanced[2]};
  out.text = one_line(report.text, 400);
  return out;
}

}  // namespace

Batch::Batch(const vrd::View& shown, std::span<const uint32_t> wanted, vrd::DeliverAnswer to)
    : view(shown.keep()), recipients(wanted.begin(), wanted.end()), answer(std::move(to)) {}

Batch::~Batch() {
  if (message >= 0) close(message);
}

Fields request_of(const Recipient& to, std::string_view op) {
  Fields out;
  out.add("op", op);
  out.add("sender", to.sender);
  out.add("recipient", to.address);
  out.add("original", to.original.empty() ? to.address : to.original);
  out.add("local", to.local);
  out.add("domain", to.domain);
  std::string head = "Return-Path: <" + clean(to.sender) + ">\n";
  if (!to.original.empty()) head += "X-Original-To: " + clean(to.original) + "\n";
  out.add("head", head + "Delivered-To: " + clean(to.address) + "\n");
  return out;
}

void Local::Shard::deliver(const vrd::View& message, std::span<const uint32_t> recipients, std::string_view, vrd::DeliverAnswer answer) {
  auto batch = std::make_shared<Batch>(message, recipients, std::move(answer));
  batch->begin_until = host.mono_ms() + kBeginWithin;
  batch->running = std::min(kAtOnce, batch->recipients.size());
  for (size_t i = batch->running; i > 0; --i) tasks_.spawn(run(batch));
}

void Local::Shard::settle(const SharedBatch& batch, uint32_t recipient, const Report& report) {
  if (report.later()) plugin.deferred.add();
  if (report.smtp / 100 == 5) plugin.refused.add();
  if (report.later())
    host.warning("deferred", {{"recipient", batch->view.text(VRD_ATTR_RECIPIENT, recipient)}, {"reason", report.text}}, batch->view);
  batch->rows.push_back(row_of(recipient, report));
}

// One of several that take the next recipient until there is none; the last to end answers.
vrd::Task<void> Local::Shard::run(SharedBatch batch) {
  while (batch->next < batch->recipients.size() && host.mono_ms() < batch->begin_until) {
    auto to = std::make_shared<Recipient>();
    to->batch = batch;
    to->index = batch->recipients[batch->next++];
    to->address = batch->view.text(VRD_ATTR_RECIPIENT, to->index);
    to->local = batch->view.text(VRD_ATTR_RECIPIENT_LOCAL, to->index);
    to->domain = batch->view.text(VRD_ATTR_RECIPIENT_DOMAIN, to->index);
    to->original = batch->view.text(VRD_ATTR_RECIPIENT_ORIGINAL, to->index);
    to->sender = batch->view.text(VRD_ATTR_SENDER);
    if (to->domain.empty()) to->domain = plugin.options.home_domain;
    Report report = co_await deliver_one(to);
    settle(batch, to->index, report);
  }
  if (--batch->running == 0) batch->answer.rows(batch->rows);
}

vrd::Task<Report> Local::Shard::deliver_one(std::shared_ptr<const Recipient> to) {
  if (came_round(to->batch->view, to->address)) co_return Report::of(554, 4, 6, "Mail forwarding loop for " + to->address);
  Plan found = co_await plan(to->local, to->domain);
  const Expansion& expansion = found.expansion;
  if (!expansion.later.empty()) co_return Report::of(451, 3, 0, expansion.later);
  if (expansion.too_many)
    co_return Report::of(554, 4, 6, "Aliases lead to more than " + std::to_string(plugin.options.most_targets) + " targets, or too deep");
  if (expansion.looped) co_return Report::of(554, 4, 6, "Aliases of " + to->address + " lead to each other and nowhere else");
  if (!expansion.known) co_return unknown_user();
  std::vector<Step> steps = co_await steps_of(to, std::move(found));
  Report report = co_await take_steps(to, std::move(steps));
  co_return report;
}

vrd::Task<Report> Local::Shard::take_steps(std::shared_ptr<const Recipient> to, std::vector<Step> steps) {
  Report all = Report::of(554, 1, 0, "The address leads nowhere");
  bool several = steps.size() > 1;
  size_t count = 0;
  for (Step& step : steps) {
    if (count > 0 && host.mono_ms() >= to->batch->begin_until) {
      join(all, Report::of(451, 3, 0, "The other targets follow with the next attempt"), count);
      break;
    }
    auto one = several ? take_once(to, std::move(step)) : take(to, std::move(step));
    Report report = co_await std::move(one);
    join(all, std::move(report), count++);
  }
  if (several && all.done()) all.text = "Delivered to " + std::to_string(count) + " targets";
  co_return all;
}

// What an earlier attempt has done for this message and recipient is not done again.
vrd::Task<Report> Local::Shard::take_once(std::shared_ptr<const Recipient> to, Step step) {
  std::string key = "done/" + std::string(to->batch->view.text(VRD_ATTR_MESSAGE_ID)) + "/" + std::to_string(to->index) + "/" + step.key();
  vrd::KvRequest question = host.kv(kMemoryPatience);
  question.get(key);
  vrd::KvResult known = co_await std::move(question);
  if (known.first().found()) co_return Report::of(250, 0, 0, "Done by an earlier attempt");
  if (!known.ok()) co_return Report::of(451, 3, 0, "It cannot be told now what an earlier attempt has done");
  Report report = co_await take(to, std::move(step));
  if (!report.done()) co_return report;
  vrd::KvRequest note = host.kv(kMemoryPatience);
  note.put(key, "1", std::chrono::duration_cast<vrd::milliseconds>(kMemory));
  vrd::KvResult noted = co_await std::move(note);
  if (!noted.ok()) host.warning("memory_failed", {{"recipient", to->address}}, to->batch->view);
  co_return report;
}

vrd::Task<Report> Local::Shard::take(std::shared_ptr<const Recipient> to, Step step) {
  std::string op;
  switch (step.kind) {
    case Step::Kind::reply:
      co_return step.report;
    case Step::Kind::queue:
      break;
    case Step::Kind::mailbox:
      op = "mailbox";
      break;
    case Step::Kind::pipe:
      op = "pipe";
      break;
    case Step::Kind::file:
      op = "file";
      break;
    case Step::Kind::virtual_box:
      op = "virtual";
      break;
  }
  Report report;
  if (op.empty())
    report = co_await queue(to, std::move(step));
  else
    report = co_await by_helper(to, std::move(step), op);
  if (report.done()) (op.empty() ? plugin.forwarded : op == "pipe" ? plugin.commands : plugin.mailboxes).add();
  co_return report;
}

vrd::Task<Report> Local::Shard::by_helper(std::shared_ptr<const Recipient> to, Step step, std::string op) {
  SharedBatch batch = to->batch;
  if (batch->message < 0) {
    CopyJob job{batch->view.keep()};
    auto copied = co_await host.work(std::move(job));
    int fd = copied.ok() && copied.value ? *copied.value : -1;
    if (batch->message >= 0 && fd >= 0)
      close(fd);  // another recipient was faster
    else if (fd >= 0)
      batch->message = fd;
    if (batch->message < 0) co_return Report::of(451, 3, 0, "the message cannot be handed to the helper");
  }
  Fields request = request_of(*to, op);
  request.add("user", step.user);
  bool by_alias = !step.source.empty();
  request.add("extension", by_alias ? split_extension(to->local, plugin.options.separator).second : step.extension);
  request.add("text", step.text);
  request.add("source", step.source);
  request.add("until", std::to_string(monotonic_ms() + kHelperBegins));
  vrd::HelperResult said = co_await host.ask(plugin.options.helper, request.text(), kHelperPatience, batch->message);
  if (said.fd >= 0) close(said.fd);
  if (said.status == VRD_E_BUSY) co_return Report::of(451, 3, 2, "too many deliveries wait for the helper");
  if (said.status == VRD_E_TIMEOUT) co_return Report::of(451, 4, 2, "the helper did not answer in time");
  if (!said.ok()) co_return Report::of(451, 3, 0, "the helper ended; it is not known what it did");
  auto answer = Fields::parse(said.octets);
  co_return answer ? Report::take(*answer) : Report::take(Fields());
}

vrd::Task<Report> Local::Shard::queue(std::shared_ptr<const Recipient> to, Step step) {
  ReadJob job{to->batch->view.keep(), "Delivered-To: " + clean(to->address) + "\r\n"};
  auto read = co_await host.work(std::move(job));
  if (!read.ok() || !read.value) co_return Report::of(451, 3, 0, "the message cannot be read from the spool");
  std::string sender = to->sender;
  if (!sender.empty() && !step.owner.empty()) sender = with_domain(*to, "owner-" + step.owner);
  Report all;
  std::string stream(step.to_transport ? kTransportStream : to->batch->view.text(VRD_ATTR_STREAM));
  all = co_await inject(to, sender, step.addresses, *read.value, stream);
  bool apart = all.smtp / 100 == 5 && step.addresses.size() > 1;
  for (size_t i = 0; apart && i < step.addresses.size(); ++i) {
    std::vector<std::string> only{step.addresses[i]};
    Report one = co_await inject(to, sender, std::move(only), *read.value, stream);
    join(all, std::move(one), i);
  }
  co_return all;
}

vrd::Task<Report> Local::Shard::inject(std::shared_ptr<const Recipient> to, std::string sender, std::vector<std::string> addresses,
                                       std::string octets, std::string stream) {
  const vrd::View& view = to->batch->view;
  std::string first = addresses.front();
  vrd::NewMessage message{std::move(sender), std::move(addresses), std::move(octets), std::string(view.text(VRD_ATTR_TENANT)),
                          std::move(stream)};
  vrd::QueueResult stored = co_await host.inject(std::move(message));
  if (stored.status == VRD_E_INVALID)
    co_return Report::of(554, 1, 3, "the message cannot be sent on to " + first + ": its header or that address is malformed");
  if (!stored.ok()) co_return Report::of(451, 3, 0, "the message cannot be stored for sending on");
  co_return Report::of(250, 0, 0, stored.id.empty() ? "Sent on, and discarded by a rule" : "Sent on as " + stored.id);
}

}  // namespace local
