// @NAME@: adds a header field to every message. Replace this by what the plugin is, owns, and on which thread it runs.
#include <veredus/plugin.hpp>

namespace {

class Plugin : public vrd::Plugin<> {
 public:
  explicit Plugin(vrd::Setup& setup)
      : vrd::Plugin<>(setup),
        value_(setup.conf.text("value")),
        marked_(setup.counter("marked_total", "Messages that got the header field")) {}

  // All loops call this at once, so it is const. What changes lives in a class Shard; see the guide, "Threads".
  vrd::Verdict on_message(vrd::Call& call) const {
    call.edits().append_header("X-@NAME@", value_);
    marked_.add();
    return vrd::next();
  }

 private:
  std::string value_;
  vrd::Metric marked_;
};

constexpr vrd::About kAbout{"@NAME@", "0.1", "Apache-2.0", "Adds a header field to every message"};

constexpr vrd_setting kSettings[] = {
    vrd::setting("value", VRD_SETTING_TEXT, "seen", "1..200", "Value of the header field."),
};

constexpr vrd::Hook kHooks[] = {
    vrd::hook<&Plugin::on_message>(VRD_STAGE_MESSAGE, {.may = VRD_MAY_HEADERS}),
};

}  // namespace

VEREDUS_PLUGIN(Plugin, kAbout, kSettings, kHooks)
