// The list of interfaces.
#include "plugin/interfaces.h"

#include <veredus/veredus.h>

#include <array>

namespace veredus {

namespace {

struct Row {
  std::string_view id;
  const void* (*table)();
};

template <auto& (*Get)()>
const void* table() {
  return &Get();
}

constexpr std::array kRows{
    Row{VRD_CORE_AUTHRES_1, table<core_authres>},
    Row{VRD_CORE_BODY_1, table<core_body>},
    Row{VRD_CORE_CLOCK_1, table<core_clock>},
    Row{VRD_CORE_CONF_1, table<core_conf>},
    Row{VRD_CORE_CONTROL_1, table<core_control>},
    Row{VRD_CORE_DNS_1, table<core_dns>},
    Row{VRD_CORE_EDIT_1, table<core_edit>},
    Row{VRD_CORE_HELPER_1, table<core_helper>},
    Row{VRD_CORE_HOOK_1, table<core_hook>},
    Row{VRD_CORE_HTTP_1, table<core_http>},
    Row{VRD_CORE_KV_1, table<core_kv>},
    Row{VRD_CORE_LOG_1, table<core_log>},
    Row{VRD_CORE_MESSAGE_1, table<core_message>},
    Row{VRD_CORE_METRIC_1, table<core_metric>},
    Row{VRD_CORE_QUEUE_1, table<core_queue>},
    Row{VRD_CORE_SERVICE_1, table<core_service>},
    Row{VRD_CORE_STREAM_1, table<core_stream>},
    Row{VRD_CORE_TABLE_1, table<core_table>},
    Row{VRD_CORE_TIMER_1, table<core_timer>},
    Row{VRD_CORE_WORK_1, table<core_work>},
};

constexpr auto kIds = [] {
  std::array<std::string_view, kRows.size()> out{};
  for (size_t i = 0; i < kRows.size(); ++i) out[i] = kRows[i].id;
  return out;
}();

}  // namespace

const void* find_interface(std::string_view id) {
  for (const Row& row : kRows)
    if (row.id == id) return row.table();
  return nullptr;
}

std::span<const std::string_view> interface_ids() { return kIds; }

}  // namespace veredus
