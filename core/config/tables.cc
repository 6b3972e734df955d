// Joins the parts of the table.
#include "config/tables.h"

#include <vector>

namespace veredus {

std::span<const Setting> core_settings() {
  static const std::vector<Setting> kAll = [] {
    std::vector<Setting> all;
    for (auto part : {general_rows(), access_rows(), limit_rows(), routing_rows(), queue_rows(), tls_rows(), auth_rows()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return kAll;
}

}  // namespace veredus
