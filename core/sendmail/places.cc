// Read without the whole configuration: fragments of plugins may be secret, and sendmail must work whatever is being edited.
#include "sendmail/places.h"

#include "config/find_setting.h"
#include "config/settings.h"

namespace veredus {

Places find_places(const std::string& conf) {
  Places out;
  out.conf = conf;
  out.submit = find_core_setting_text(conf, "submit");
  out.drop = find_core_setting_text(conf, "drop");
  out.subtract_arguments = find_core_setting_text(conf, "submission", "subtract_arguments") == "true";
  if (out.submit.empty()) {
    std::string control = find_core_setting_text(conf, "control");
    if (control.empty()) control = default_settings().control;
    out.submit = control.substr(0, control.rfind('/')) + "/submit";
  }
  std::string spool = find_core_setting_text(conf, "spool");
  if (out.drop.empty() && !spool.empty()) out.drop = spool + "/drop";
  if (out.drop == VEREDUS_DROP_DIRECTORY) out.drop.clear();
  return out;
}

}  // namespace veredus
