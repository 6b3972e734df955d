// The tables that plugins get from vrd_host.iface, by id: "core.dns/1". Each is made where its functions are; this is the list. Static; any
// thread.
#pragma once

#include <span>
#include <string_view>

struct vrd_core_authres_1;
struct vrd_core_body_1;
struct vrd_core_clock_1;
struct vrd_core_conf_1;
struct vrd_core_control_1;
struct vrd_core_dns_1;
struct vrd_core_edit_1;
struct vrd_core_helper_1;
struct vrd_core_hook_1;
struct vrd_core_http_1;
struct vrd_core_kv_1;
struct vrd_core_log_1;
struct vrd_core_message_1;
struct vrd_core_metric_1;
struct vrd_core_queue_1;
struct vrd_core_service_1;
struct vrd_core_stream_1;
struct vrd_core_table_1;
struct vrd_core_timer_1;
struct vrd_core_work_1;

namespace veredus {

const vrd_core_authres_1& core_authres();
const vrd_core_body_1& core_body();
const vrd_core_clock_1& core_clock();
const vrd_core_conf_1& core_conf();
const vrd_core_control_1& core_control();
const vrd_core_dns_1& core_dns();
const vrd_core_edit_1& core_edit();
const vrd_core_helper_1& core_helper();
const vrd_core_hook_1& core_hook();
const vrd_core_http_1& core_http();
const vrd_core_kv_1& core_kv();
const vrd_core_log_1& core_log();
const vrd_core_message_1& core_message();
const vrd_core_metric_1& core_metric();
const vrd_core_queue_1& core_queue();
const vrd_core_service_1& core_service();
const vrd_core_stream_1& core_stream();
const vrd_core_table_1& core_table();
const vrd_core_timer_1& core_timer();
const vrd_core_work_1& core_work();

const void* find_interface(std::string_view id);  // null: not offered
std::span<const std::string_view> interface_ids();

}  // namespace veredus
