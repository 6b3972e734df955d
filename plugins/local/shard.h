// The plugin on one loop: who is a recipient here, and deliveries. Coroutines; what blocks is done on the pool, what needs a user's rights
// by the helper.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <veredus/plugin_co.hpp>

#include "common/tasks.hpp"
#include "expand.h"
#include "settings.h"
#include "wire.h"

namespace local {

class Local : public vrd::Plugin<> {
 public:
  explicit Local(vrd::Setup& setup);
  class Shard;

  const Options options;
  const vrd::Metric mailboxes, commands, forwarded, deferred, refused;
};

// What an address leads to.
struct Plan {
  Expansion expansion;
  std::string mailbox;  // a virtual one, below the helper's root
  bool stays = false;   // to that one as well
};

// One thing to be done for a recipient.
struct Step {
  enum class Kind : uint8_t { mailbox, pipe, file, queue, reply, virtual_box } kind = Kind::reply;
  std::string user, extension, text, source, owner;
  std::vector<std::string> addresses;  // of queue
  bool to_transport = false;           // of queue: to the user's mailbox, whatever aliases and .forward say
  Report report;                       // of reply
  std::string key() const;             // two steps of a recipient differ in it
};

// One message with the recipients that are asked for.
struct Batch {
  Batch(const vrd::View& shown, std::span<const uint32_t> wanted, vrd::DeliverAnswer to);
  ~Batch();
  vrd::KeptView view;
  std::vector<uint32_t> recipients;
  vrd::DeliverAnswer answer;
  std::vector<vrd::Delivered> rows;
  size_t next = 0, running = 0;
  int64_t begin_until = 0;  // none is begun later, so that all have ended before the host gives up
  int message = -1;         // the octets, for the helper
};
using SharedBatch = std::shared_ptr<Batch>;

// One recipient of a batch. Texts are copies: they outlive what the view shows.
struct Recipient {
  SharedBatch batch;
  uint32_t index = 0;
  std::string address, local, domain, original, sender;
};

class Local::Shard : public vrd::ShardOf<Local>, public vrd::DeliverProvider {
 public:
  explicit Shard(const vrd::ShardSetup<Local>& setup) : ShardOf(setup), tasks_(host) {}

  vrd::Task<vrd::Verdict> on_rcpt(vrd::CoCall call);
  vrd::Verdict on_route(vrd::Call& call);
  void deliver(const vrd::View& message, std::span<const uint32_t> recipients, std::string_view argument,
               vrd::DeliverAnswer answer) override;

 private:
  // plan.cc
  vrd::Task<Plan> plan(std::string local_part, std::string domain);
  vrd::Task<bool> plan_virtual(std::string local_part, std::string domain, std::shared_ptr<Plan> out);
  vrd::Task<void> plan_mailbox(std::string local_part, std::string domain, std::shared_ptr<Plan> out);
  // deliver.cc
  vrd::Task<void> run(SharedBatch batch);
  void settle(const SharedBatch& batch, uint32_t recipient, const Report& report);
  vrd::Task<Report> deliver_one(std::shared_ptr<const Recipient> to);
  vrd::Task<Report> take_steps(std::shared_ptr<const Recipient> to, std::vector<Step> steps);
  vrd::Task<Report> take_once(std::shared_ptr<const Recipient> to, Step step);
  vrd::Task<Report> take(std::shared_ptr<const Recipient> to, Step step);
  vrd::Task<Report> queue(std::shared_ptr<const Recipient> to, Step step);
  vrd::Task<Report> inject(std::shared_ptr<const Recipient> to, std::string sender, std::vector<std::string> addresses, std::string octets,
                           std::string stream);
  vrd::Task<Report> by_helper(std::shared_ptr<const Recipient> to, Step step, std::string op);
  // steps.cc
  vrd::Task<std::vector<Step>> steps_of(std::shared_ptr<const Recipient> to, Plan plan);
  vrd::Task<std::vector<Step>> steps_of_user(std::shared_ptr<const Recipient> to, Item item);
  void add_forward_target(const Recipient& to, const Step& own, const Target& target, std::vector<Step>& out) const;
  void add_item(const Recipient& to, Item item, std::vector<Step>& out) const;
  vrd::Task<void> choose_route(std::string local_part, std::string domain, uint32_t index, vrd::Pending pending);
  vrd::Task<bool> goes_to_mailbox(std::string local_part, std::string domain);
  Step mailbox_step(const Recipient& to, const Item& item) const;
  std::string with_domain(const Recipient& to, const std::string& name) const;

  common::Tasks tasks_;
};

// The stream of messages that go to the mailbox_transport, so that they are not expanded again.
constexpr std::string_view kTransportStream = "local.mailbox";

// Fields that every request to the helper has.
Fields request_of(const Recipient& to, std::string_view op);
// The answer that a target of kind refuse or defer stands for.
Report reply_of(uint16_t code, const std::string& text);
Report unknown_user();

}  // namespace local
