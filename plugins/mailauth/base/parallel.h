// ask_all(): several questions at once. Loop thread. When the coroutine that waits is destroyed, the questions are withdrawn.
#pragma once

#include <coroutine>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mailauth/base/dns.h"

namespace mailauth {

class AskAll {
 public:
  AskAll(Dns& dns, std::vector<std::string> names, uint32_t type) : dns_(dns), names_(std::move(names)), type_(type) {}
  AskAll(const AskAll&) = delete;

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    for (std::string& name : names_) {
      tasks_.push_back(dns_.ask(std::move(name), type_));
      if (!tasks_.back().start({&ended, this})) ++open_;
    }
    waiting_ = open_ != 0;
    return waiting_;
  }
  // In the order of the names.
  std::vector<vrd::DnsResult> await_resume() {
    std::vector<vrd::DnsResult> out;
    for (auto& task : tasks_) out.push_back(task.take());
    return out;
  }

 private:
  static void ended(void* context) {
    auto* self = static_cast<AskAll*>(context);
    --self->open_;
    if (self->open_ == 0 && self->waiting_) self->caller_.resume();
  }

  Dns& dns_;
  std::vector<std::string> names_;
  uint32_t type_;
  std::list<vrd::Task<vrd::DnsResult>> tasks_;
  std::coroutine_handle<> caller_;
  size_t open_ = 0;
  bool waiting_ = false;
};

}  // namespace mailauth
