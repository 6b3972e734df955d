// A plugin that looks at something every second and, when it is told that the look was cancelled because its shard ends, waits for the next
// one all the same. REARM_LOOKS: one that looks at the status first, as it should.
#include <veredus/plugin.hpp>

namespace {

class Rearm : public vrd::Plugin<> {
 public:
  using Plugin::Plugin;

  struct Shard : vrd::ShardOf<Rearm> {
    explicit Shard(const vrd::ShardSetup<Rearm>& setup) : ShardOf(setup) { wait(); }
    vrd::Verdict on_helo(vrd::Call&) const { return vrd::next(); }

   private:
    void wait() {
      host.after(vrd::milliseconds(1000)).then([this](vrd::TimerResult rang) {
        if (may_go_on(rang.ok())) look();
      });
    }
    void look() {
      host.work([] { return 0; }).then([this](vrd::WorkResult<int> result) {
        if (may_go_on(result.ok())) wait();
      });
    }
    static bool may_go_on(bool ok) {
#ifdef REARM_LOOKS
      return ok;
#else
      return ok || true;
#endif
    }
  };
};

constexpr vrd::About kAbout{"rearm", "1.0", "Apache-2.0", "Looks at something every second"};
constexpr vrd::Hook kHooks[] = {vrd::hook<&Rearm::Shard::on_helo>(VRD_STAGE_HELO)};

}  // namespace

VEREDUS_PLUGIN(Rearm, kAbout, kHooks)
