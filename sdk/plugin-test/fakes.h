// The tables of the host's interfaces, each answered by a fake that the script fills. See bench.h for time and requests.
#pragma once

#include <veredus/veredus.h>
#include <yaml-cpp/yaml.h>

#include <functional>
#include <optional>
#include <string>

#include "bench.h"

namespace veredus::ptest {

const vrd_core_log_1* log_table();
const vrd_core_metric_1* metric_table();
const vrd_core_clock_1* clock_table();
const vrd_core_timer_1* timer_table();
const vrd_core_work_1* work_table();
const vrd_core_control_1* control_table();
const vrd_core_dns_1* dns_table();
const vrd_core_http_1* http_table();
const vrd_core_stream_1* stream_table();
const vrd_core_helper_1* helper_table();
const vrd_core_kv_1* kv_table();
const vrd_core_table_1* table_table();
const vrd_core_service_1* service_table();
const vrd_core_queue_1* queue_table();

// Parts of fakes that all have: `delay:` and `status:`.
int64_t delay_of(const YAML::Node& fake);
vrd_status status_of(const YAML::Node& fake, vrd_status otherwise = VRD_OK);
std::string text_of(const YAML::Node& map, const char* key, const std::string& otherwise = {});
std::optional<int64_t> duration_of(const std::string& text);

void cancel_jobs(Instance& instance);  // before shard_stop: those that have not begun
bool has_jobs(Instance& instance);
void cancel_request(const vrd_host* host, vrd_op op, const char* function);
bool good_timeout(uint64_t timeout_ms, uint64_t most);

}  // namespace veredus::ptest
