// Questions about one subject to all lists of one kind, asked at once, and what came of them. Lives on one loop, owned by the session's
// record and by its callbacks.
#ifndef VEREDUS_PLUGINS_DNSBL_SCAN_HPP
#define VEREDUS_PLUGINS_DNSBL_SCAN_HPP

#include <veredus/plugin.hpp>

#include <functional>
#include <memory>

#include "lists.hpp"

namespace dnsbl {

struct Hit {
  const List* list;
  std::string text;  // what the list says of it
};

/** What scans need of their owner. */
struct Asking {
  virtual void answered(size_t list, Answer answer, const std::string& problem) = 0;

 protected:
  ~Asking() = default;
};

class Scan : public std::enable_shared_from_this<Scan> {
 public:
  Scan(const vrd::Host& host, Asking& owner, const std::vector<List>& lists, vrd::milliseconds timeout, Kind kind, std::string subject)
      : subject(std::move(subject)), kind(kind), host_(host), owner_(owner), lists_(lists), timeout_(timeout) {}

  const std::string subject;
  const Kind kind;
  std::vector<Hit> hits;

  bool done() const { return open_ == 0; }
  void when_done(std::function<void()> call) { waiting_.push_back(std::move(call)); }

  void start() {
    for (size_t i = 0; i < lists_.size(); i++) {
      std::string name = lists_[i].kind == kind ? question(lists_[i], subject) : std::string();
      if (!name.empty()) ask(name, VRD_DNS_A, [i, name](Scan& self, const vrd::DnsResult& result) { self.answered(i, name, result); });
    }
  }

 private:
  /** A question that is open until `use` has seen the answer, whatever `use` throws. */
  template <class Use>
  void ask(const std::string& name, uint32_t type, Use use) {
    open_++;
    try {
      host_.dns(name, type, timeout_).then([self = shared_from_this(), use](vrd::DnsResult result) { self->close([&] { use(*self, result); }); });
    } catch (...) {
      open_--;
      throw;
    }
  }
  template <class Body>
  void close(Body body) {
    try {
      body();
    } catch (...) {
      settle();
      throw;
    }
    settle();
  }

  void answered(size_t list, const std::string& name, const vrd::DnsResult& result) {
    Answer answer = Answer::clear;
    std::string problem = result.ok() ? "" : result.status == VRD_E_TIMEOUT ? "no answer in time" : "no definite answer";
    for (const vrd::DnsRecord& record : result.records) {
      const Answer one = meaning(lists_[list], record.text);
      if (one == Answer::wrong) problem = "the answer " + printable(record.text, 64) + " is no code of a list";
      if (one == Answer::listed) answer = one;
    }
    if (answer == Answer::clear && !problem.empty()) answer = Answer::wrong;
    if (answer == Answer::listed) hits.push_back({&lists_[list], {}});
    owner_.answered(list, answer, problem);
    const bool wants_text = answer == Answer::listed && lists_[list].weight > 0 && lists_[list].text.empty();
    if (wants_text) ask(name, VRD_DNS_TXT, [list](Scan& self, const vrd::DnsResult& text) { self.told(list, text); });
  }

  void told(size_t list, const vrd::DnsResult& result) {
    constexpr size_t kMostText = 200;
    for (Hit& hit : hits)
      if (hit.list == &lists_[list] && !result.records.empty()) hit.text = printable(result.records.front().text, kMostText);
  }

  void settle() {
    if (--open_ > 0) return;
    for (const auto& call : std::exchange(waiting_, {})) call();
  }

  const vrd::Host& host_;
  Asking& owner_;
  const std::vector<List>& lists_;
  const vrd::milliseconds timeout_;
  std::vector<std::function<void()>> waiting_;
  size_t open_ = 0;
};

}  // namespace dnsbl
#endif
