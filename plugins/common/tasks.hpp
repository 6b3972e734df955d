// Tasks: coroutines that belong to an object of a plugin and end with it at the latest. One loop. What a coroutine throws is logged as
// `exception`, as in hooks.
#pragma once

#include <list>
#include <optional>

#include <veredus/plugin_co.hpp>

namespace common {

class Tasks {
 public:
  explicit Tasks(const vrd::Host& host) : host_(host) {}
  Tasks(const Tasks&) = delete;

  // Runs until its first wait at once.
  void spawn(vrd::Task<void> task) {
    nodes_.emplace_front();
    Node& node = nodes_.front();
    node.owner = this;
    node.place = nodes_.begin();
    node.task.emplace(std::move(task));
    if (node.task->start({&ended, &node})) end(node);
  }
  size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    Tasks* owner = nullptr;
    std::list<Node>::iterator place;
    std::optional<vrd::Task<void>> task;
  };
  static void ended(void* context) {
    auto* node = static_cast<Node*>(context);
    node->owner->end(*node);
  }
  void end(Node& node) {
    try {
      node.task->take();
    } catch (const std::exception& error) {
      host_.error("exception", {{"reason", error.what()}});
    }
    nodes_.erase(node.place);
  }

  const vrd::Host& host_;
  std::list<Node> nodes_;
};

}  // namespace common
