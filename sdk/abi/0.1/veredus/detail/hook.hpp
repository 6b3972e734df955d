// C++ wrapper: verdicts, tokens, the call of a hook, and the row that registers a hook. A Call ends with the hook; a Pending may be
// answered on any thread, and answers "fault" by itself when it is destroyed unanswered.
#ifndef VEREDUS_DETAIL_HOOK_HPP
#define VEREDUS_DETAIL_HOOK_HPP

#include <veredus/detail/conf.hpp>

namespace vrd {

/** An answer. Made by the functions below; `rule` and `scope` are added behind: `return vrd::reject("5.7.1", "no").rule("list-3")`. */
class [[nodiscard]] Verdict {
 public:
  Verdict() = default;
  explicit Verdict(int32_t action) { raw_.action = action; }
  /** `enhanced` is "5.7.1" or empty; `code` 0 is the default of the stage. */
  Verdict(int32_t action, std::string_view enhanced, std::string text, uint32_t code) : text_(std::move(text)) {
    raw_.action = action;
    raw_.smtp = code;
    const char* at = enhanced.data();
    const char* const end = at + enhanced.size();
    for (size_t part = 0; part < 3 && at < end; part++) {
      const auto [next, error] = std::from_chars(at, end, raw_.enhanced[part]);
      if (error != std::errc() || (part < 2 && (next == end || *next != '.'))) throw Error(VRD_E_INVALID, "malformed enhanced status " + std::string(enhanced));
      at = part < 2 ? next + 1 : next;
    }
    if (at != end) throw Error(VRD_E_INVALID, "malformed enhanced status " + std::string(enhanced));
  }
  Verdict&& rule(std::string name) && { return rule_ = std::move(name), std::move(*this); }
  Verdict&& scope(int32_t scope) && { return raw_.scope = scope, std::move(*this); }

  const vrd_verdict& raw() const { return raw_; }
  int32_t action() const { return raw_.action; }
  bool has_words() const { return !text_.empty() || !rule_.empty(); }
  void put_words(Edits edits) const {
    if (!text_.empty()) edits.reply(raw_.smtp, raw_.enhanced, text_);
    if (!rule_.empty()) edits.rule(rule_);
  }

 private:
  vrd_verdict raw_{};
  std::string text_, rule_;
};

inline Verdict next() { return Verdict(VRD_NEXT); }
inline Verdict accept(int32_t scope = VRD_SCOPE_STEP) { return Verdict(VRD_ACCEPT).scope(scope); }
inline Verdict reject(std::string_view enhanced = {}, std::string text = {}, uint32_t code = 0) {
  return Verdict(VRD_REJECT, enhanced, std::move(text), code);
}
inline Verdict tempfail(std::string_view enhanced = {}, std::string text = {}, uint32_t code = 0) {
  return Verdict(VRD_TEMPFAIL, enhanced, std::move(text), code);
}
inline Verdict discard() { return Verdict(VRD_DISCARD); }
inline Verdict hold() { return Verdict(VRD_HOLD); }
inline Verdict disconnect(std::string_view enhanced = {}, std::string text = {}, uint32_t code = 0) {
  return Verdict(VRD_DISCONNECT, enhanced, std::move(text), code);
}
/** The answer comes through the Pending that call.defer() gave. */
inline Verdict later() { return Verdict(VRD_PENDING); }
inline Verdict fault() { return Verdict(VRD_FAULT); }

/** The promise to answer a hook call later. Move-only. answer() on any thread; only the first answer, time-out or abort counts. */
class Pending {
 public:
  Pending() = default;
  Pending(const Interfaces& host, vrd_pending token) : host_(&host), token_(token) {}
  Pending(Pending&& other) noexcept : host_(other.host_), token_(std::exchange(other.token_, 0)) {}
  Pending& operator=(Pending&& other) noexcept {
    std::swap(host_, other.host_);
    std::swap(token_, other.token_);
    return *this;
  }
  ~Pending() {
    if (token_ != 0) complete(fault().raw(), nullptr);
  }
  vrd_pending token() const { return token_; }
  explicit operator bool() const { return token_ != 0; }
  /** A list of edits for answer(). */
  OwnEdits edits() const { return OwnEdits(*host_); }
  /** True when this answer won. */
  bool answer(const Verdict& verdict, OwnEdits edits = {}) {
    if (token_ == 0) return false;
    if (verdict.has_words() && !edits) edits = OwnEdits(*host_);
    if (verdict.has_words()) verdict.put_words(edits);
    return complete(verdict.raw(), edits.release()) == VRD_OK;
  }

 private:
  vrd_status complete(const vrd_verdict& verdict, vrd_edits* edits) {
    return host_->hook->complete(std::exchange(token_, 0), &verdict, edits);
  }
  const Interfaces* host_ = nullptr;
  vrd_pending token_ = 0;
};

/** One call of a hook: a View of what the stage shows, and what can be done about it. */
class Call : public View {
 public:
  Call(const Host& with, vrd_stage* stage)
      : View(with.interfaces(), Interfaces::need(with.interfaces().hook).view(stage)), host(with), stage_(stage) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const Host& host;
  uint32_t stage() const { return host_->hook->number(stage_); }
  Edits edits() { return Edits(*host_, host_->hook->edits(stage_)); }
  /** Takes the token; the hook then returns later(). */
  Pending defer(milliseconds timeout) {
    const vrd_pending token = host_->hook->defer(stage_, wait_ms(timeout));
    if (token == 0) throw Error(VRD_E_STATE, "no token: a told stage, a second one, or too many");
    return Pending(*host_, token);
  }
  /** Stage `body`: see veredus/body.h. */
  std::string_view chunk() const { return vrd::view(Interfaces::need(host_->body).chunk(stage_)); }
  bool last() const { return Interfaces::need(host_->body).last(stage_) != 0; }
  void emit(std::string_view octets) { check(Interfaces::need(host_->body).emit(stage_, str(octets)), "emitting body octets"); }
  vrd_stage* raw_stage() const { return stage_; }

 private:
  vrd_stage* stage_;
};

/** What a hook declares beside its stage and its function. */
struct HookOptions {
  uint32_t may = 0;
  uint32_t needs = 0;
  int32_t order = 0;
  uint32_t on_fault = VRD_ON_FAULT_TEMPFAIL;
  uint32_t flags = 0;
};

namespace detail {

/** What the host gets as shard or instance: the object with its Host. The description tells whose it is. */
template <class C>
struct Cell {
  template <class Make>
  Cell(const vrd_plugin* of, const vrd_host* raw, Make make) : description(of), host(raw), object(make(host)) {}
  Cell(const Cell&) = delete;
  Cell& operator=(const Cell&) = delete;
  ~Cell() { host.keeper().sweep(); }
  const vrd_plugin* description;
  Host host;
  C object;
};

template <class F>
struct Method;
template <class C_, class R_, class... A>
struct Method<R_ (C_::*)(A...)> {
  using C = C_;
  using R = R_;
  static constexpr bool is_const = false;
};
template <class C_, class R_, class... A>
struct Method<R_ (C_::*)(A...) const> : Method<R_ (C_::*)(A...)> {
  static constexpr bool is_const = true;
};

/** One address a class: how a row remembers whose hook it is. */
template <class C>
inline constexpr char kTag = 0;

template <auto F>
vrd_status call_hook(void* shard, vrd_stage* stage, vrd_verdict* out) noexcept {
  using M = Method<decltype(F)>;
  auto& cell = *static_cast<Cell<typename M::C>*>(shard);
  return guarded(cell.host.interfaces(), "hook", [&] {
    Call call(cell.host, stage);
    if constexpr (std::is_void_v<typename M::R>) {
      (cell.object.*F)(call);
    } else {
      const Verdict verdict = (cell.object.*F)(call);
      if (verdict.has_words()) verdict.put_words(call.edits());
      *out = verdict.raw();
    }
  });
}

template <auto F>
void call_cancel(void* shard, vrd_pending token) noexcept {
  auto& cell = *static_cast<Cell<typename Method<decltype(F)>::C>*>(shard);
  (void)guarded(cell.host.interfaces(), "cancel", [&] { (cell.object.*F)(token); });
}

}  // namespace detail

/** A row of the table of hooks. */
struct Hook {
  vrd_hook raw;
  const char* of;
  bool is_const;
};

/** Registers `Verdict C::method(Call&)`, or `void` at told stages: `vrd::hook<&Guard::on_mail>(VRD_STAGE_MAIL)`. With a second method,
 *  `void C::gone(vrd_pending)`, that one is told when the waiting session is gone. */
template <auto F, auto Cancel = nullptr>
constexpr Hook hook(uint32_t stage, HookOptions with = {}) {
  using M = detail::Method<decltype(F)>;
  Hook row{{VRD_SIZED(vrd_hook), stage, with.order, with.needs, with.may, with.on_fault, with.flags, 0, &detail::call_hook<F>, nullptr},
           &detail::kTag<typename M::C>, M::is_const};
  if constexpr (!std::is_null_pointer_v<decltype(Cancel)>) row.raw.cancel = &detail::call_cancel<Cancel>;
  return row;
}

}  // namespace vrd
#endif
