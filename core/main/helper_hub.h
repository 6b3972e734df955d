// HelperHub: the worker's ends of the helpers' sockets. Ends come from the supervisor over a channel, a new one each time a helper is
// started; requests of all loops go out here and answers go back. Lives on loop 0; call() is for any loop.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "log/log.h"
#include "loop/loop.h"
#include "loop/remote.h"
#include "plugin/helper_port.h"

namespace veredus {

class HelperHub final : public HelperPort {
 public:
  static constexpr size_t kMostCalls = 1000;  // of one helper that wait or are under way

  // `channel`: where the supervisor sends a name with a descriptor; -1 in tests, which call connect().
  HelperHub(Loop& loop, Log& log, std::vector<std::string> names, int channel);
  ~HelperHub() override;

  bool known(std::string_view name) const override;
  Task<Result<HelperReply>> call(Loop& here, std::string name, std::string octets, UniqueFd fd, Deadline deadline) override;
  void connect(const std::string& name, UniqueFd socket);  // [loop] in place of an earlier one

 private:
  using Promise = Remote<HelperReply>::Promise;
  struct Call {
    uint64_t key;
    std::string octets;
    UniqueFd fd;
    Promise promise;
  };
  struct Poll;
  struct Link {
    std::string name;
    UniqueFd socket;
    Poll* poll = nullptr;
    std::deque<Call> waiting;            // not yet begun to be sent
    std::map<uint32_t, Call> under_way;  // by the frame's number
    std::string out;                     // the rest of the frame that is being sent
    UniqueFd out_fd;
    std::string in;  // of the frame that is being received, its head included
    size_t in_size = 0;
    UniqueFd in_fd;
    uint32_t next_number = 1;
    size_t calls() const { return waiting.size() + under_way.size(); }
  };
  struct Forget;

  Link* find(std::string_view name);
  void submit(const std::string& name, Call call);
  void forget(const std::string& name, uint64_t key);
  void watch(Link& link);
  void unwatch(Link& link);
  void ready(Link& link, int events);
  void send(Link& link);
  bool next_frame(Link& link);
  void receive(Link& link);
  Result<bool> receive_piece(Link& link);
  void answered(Link& link);
  void broken(Link& link, const Error& why);
  void channel_ready();
  static void on_poll(uv_poll_t* handle, int status, int events);

  Loop& loop_;
  Log& log_;
  std::vector<std::unique_ptr<Link>> links_;  // as many as there are helpers, for good
  UniqueFd channel_;
  Poll* channel_poll_ = nullptr;
  std::atomic<uint64_t> next_key_{1};
};

}  // namespace veredus
