// Tables of plugins as the core asks them: TablePort asks svc.table/1 of the generation in force. [any loop]
#pragma once

#include "loop/table_port.h"
#include "plugin/plugin_host.h"

namespace veredus {

class PluginTablePort final : public TablePort {
 public:
  explicit PluginTablePort(PluginHost& host) : host_(host) {}
  bool offers(std::string_view table) const override;
  Task<TableAnswer> look_up(Loop& here, std::string table, std::string key, Deadline deadline) override;

 private:
  PluginHost& host_;
};

}  // namespace veredus
