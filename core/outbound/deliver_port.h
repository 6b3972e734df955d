// DeliverPort: plugins that deliver. The plugin host implements it; outbound calls it for destinations whose next hop is "plugin:NAME".
// Called on the loop that is given, from the first delivery to the last.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loop/task.h"
#include "loop/wait.h"
#include "queue/queue.h"

namespace veredus {

struct DeliverRequest {
  std::string name;      // plugin or instance
  std::string argument;  // of the next hop; may be empty
  std::shared_ptr<const Message> message;  // with its envelope; lives as long as somebody holds it
  std::vector<uint32_t> recipients;        // indices in the envelope
  uint16_t attempts_before = 0;
  Deadline deadline;  // on the loop given; outbound drops the task soon after it
};

class DeliverPort {
 public:
  virtual ~DeliverPort() = default;
  virtual bool offers(std::string_view name) const = 0;  // does a plugin of this name deliver now?
  // Outcomes delivered, temporary and permanent with the plugin's reply; not_tried for all of them, with the reason as their reply:
  // nothing was attempted, and the next entry of the route may be. A recipient without an outcome is put off. Destroying the task
  // means that nobody waits any more.
  virtual Task<std::vector<RecipientOutcome>> deliver(Loop& here, DeliverRequest request) = 0;
};

}  // namespace veredus
