// C++ wrapper: commands of `veredus` that a plugin offers. A CommandCall ends its command with exit code 70 when it is destroyed unfinished.
#ifndef VEREDUS_DETAIL_COMMAND_HPP
#define VEREDUS_DETAIL_COMMAND_HPP

#include <veredus/detail/hook.hpp>

namespace vrd {

/** One run of a command, to be finished now or later, on any thread. Move-only. */
class CommandCall {
 public:
  CommandCall(const Interfaces& host, vrd_pending token, const vrd_str* argv, size_t argc) : host_(&host), token_(token) {
    Interfaces::need(host.control);
    for (size_t i = 0; i < argc; i++) arguments.push_back(copy(argv[i]));
  }
  CommandCall(CommandCall&& other) noexcept
      : arguments(std::move(other.arguments)), host_(other.host_), token_(std::exchange(other.token_, 0)) {}
  CommandCall& operator=(CommandCall&& other) noexcept {
    std::swap(arguments, other.arguments);
    std::swap(host_, other.host_);
    std::swap(token_, other.token_);
    return *this;
  }
  ~CommandCall() {
    if (token_ != 0) host_->control->finish(token_, 70);
  }

  std::vector<std::string> arguments;
  CommandCall& write(std::string_view text) { return host_->control->write(token_, str(text)), *this; }
  CommandCall& error(std::string_view text) { return host_->control->error(token_, str(text)), *this; }
  void finish(int32_t exit_code = 0) { host_->control->finish(std::exchange(token_, 0), exit_code); }

 private:
  const Interfaces* host_;
  vrd_pending token_;
};

/** A row of the table of commands. */
struct Command {
  vrd_command raw;
  const char* of;
};

namespace detail {
template <auto F>
vrd_status run_command(void* self, const vrd_str* argv, size_t argc, vrd_pending token, vrd_err* err) noexcept {
  auto& cell = *static_cast<Cell<typename Method<decltype(F)>::C>*>(self);
  const vrd_status status =
      guarded(cell.host.interfaces(), "command", [&] { (cell.object.*F)(CommandCall(cell.host.interfaces(), token, argv, argc)); });
  if (status < 0 && cell.host.interfaces().conf != nullptr)
    cell.host.interfaces().conf->fail(err, nullptr, VRD_STR("the command failed; the log says why"));
  return status;
}
}  // namespace detail

/** Registers `void Plugin::method(CommandCall)`. */
template <auto F>
constexpr Command command(const char* name, const char* args, const char* doc, uint32_t flags = 0) {
  return {{VRD_SIZED(vrd_command), flags, name, args, doc, &detail::run_command<F>}, &detail::kTag<typename detail::Method<decltype(F)>::C>};
}

}  // namespace vrd
#endif
