// HostsTable: names that are answered without DNS. Values; any thread, read only after building.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/resolver.h"

namespace veredus {

class HostsTable {
 public:
  HostsTable() = default;
  // Names that are no domain names are ignored.
  explicit HostsTable(const std::map<std::string, std::vector<IpAddress>>& table);

  // What the table, localhost or the reserved name "invalid" say about a name as to_ascii_domain returns it. A listed name is answered for
  // every type: addresses from the table, nothing else exists there.
  std::optional<DnsAnswer> answer(const std::string& name, DnsType type) const;

 private:
  std::map<std::string, std::vector<IpAddress>> by_name_;
  std::map<IpAddress, std::vector<std::string>> by_address_;
};

}  // namespace veredus
