// Read without the whole configuration: fragments of plugins may be secret, and sendmail must work whatever is being edited.
#include "sendmail/places.h"

#include "config/find_setting.h"
#include "config/settings.h"

namespace veredus {

Places find_places(const std::string& conf) {
  Places out;
  WrittenCore core(conf);
  out.conf = conf;
  out.submit = core.text("submit");
  out.drop = core.text("drop");
  out.subtract_arguments = core.text("submission", "subtract_arguments") == "true";
  if (out.submit.empty()) {
    std::string control = core.text("control");
    if (control.empty()) control = default_settings().control;
    out.submit = control.substr(0, control.rfind('/')) + "/submit";
  }
  std::string spool = core.text("spool");
  if (out.drop.empty() && !spool.empty()) out.drop = spool + "/drop";
  if (out.drop == VEREDUS_DROP_DIRECTORY) out.drop.clear();
  return out;
}

}  // namespace veredus
