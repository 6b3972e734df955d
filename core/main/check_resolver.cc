// One connection a question.
#include "main/check_resolver.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "control/protocol.h"
#include "net/dane.h"
#include "net/dns_text.h"
#include "net/stream.h"

namespace veredus {

namespace {

using Json = nlohmann::json;
constexpr size_t kLargest = 1 << 20;

std::shared_ptr<const DnsAnswer> failed(const std::string& name, std::string problem) {
  DnsAnswer out;
  out.canonical = name;
  out.problem = std::move(problem);
  return std::make_shared<const DnsAnswer>(std::move(out));
}

DnsStatus status_of(const std::string& text) {
  for (DnsStatus one : {DnsStatus::ok, DnsStatus::no_data, DnsStatus::no_name, DnsStatus::timeout, DnsStatus::refused, DnsStatus::malformed})
    if (text_of(one) == text) return one;
  return DnsStatus::server_failure;
}

DnsRecord record_of(const Json& given, DnsType type, const std::string& owner) {
  DnsRecord out;
  out.type = type;
  out.name = owner;
  out.ttl = given.value("ttl", 0u);
  out.preference = given.value("preference", uint16_t{0});
  out.text = given.value("target", given.value("text", std::string()));
  out.address = IpAddress::parse(given.value("address", std::string())).value_or(IpAddress());
  if (type != DnsType::tlsa) return out;
  // A record that is too short to be one stays without octets, and cannot be used either way.
  if (auto tlsa = parse_tlsa_text(given.value("data", std::string())))
    out.octets = std::string{static_cast<char>(tlsa->usage), static_cast<char>(tlsa->selector), static_cast<char>(tlsa->matching)} + tlsa->data;
  return out;
}

DnsAnswer answer_of(const Json& given, DnsType type) {
  DnsAnswer out;
  out.status = status_of(given.value("status", std::string()));
  out.authentic = given.value("authentic", false);
  out.bogus = given.value("bogus", false);
  out.canonical = given.value("canonical", std::string());
  out.ttl = given.value("ttl", 0u);
  out.server = given.value("server", std::string());
  out.problem = given.value("problem", std::string());
  for (const Json& record : given.value("records", Json::array())) out.records.push_back(record_of(record, type, out.canonical));
  return out;
}

// Takes whole frames off the octets; true: that was the last one.
Result<bool> take_frames(Stream& stream, std::string& out) {
  for (;;) {
    size_t end = stream.buffered().find('\n');
    if (end == std::string_view::npos) return false;
    auto frame = decode_frame(stream.buffered().substr(0, end));
    stream.consume(end + 1);
    if (!frame) return frame.error();
    out += frame->out;
    if (frame->exit) return true;
  }
}

}  // namespace

Result<DnsAnswer> read_dns_json(const std::string& text, DnsType type) {
  Json given = Json::parse(text, nullptr, false);
  if (!given.is_object()) return fail(Errc::invalid, "the daemon gave no answer about DNS");
  try {
    return answer_of(given, type);
  } catch (const Json::exception&) {
    return fail(Errc::invalid, "the daemon's answer about DNS is of another form");
  }
}

bool DaemonResolver::reachable(const std::string& control) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (control.empty() || control.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, control.data(), control.size());
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool good = fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  if (fd >= 0) close(fd);
  return good;
}

Task<Result<std::string>> DaemonResolver::ask(std::string name, DnsType type, Deadline deadline) {
  ConnectOptions options;
  options.unix_path = control_;
  auto stream = co_await connect_stream(loop_, std::move(options), deadline);
  if (!stream) co_return stream.error();
  ControlRequest request{{"dns", std::move(name), std::string(text_of(type))}, true};
  Status sent = co_await (*stream)->write(encode_request(request), deadline);
  if (!sent) co_return sent.error();
  std::string out;
  for (;;) {
    auto ended = take_frames(**stream, out);
    if (!ended) co_return ended.error();
    if (*ended) co_return out;
    auto more = co_await (*stream)->fill(deadline);
    if (!more) co_return more.error();
    if (*more == 0 || out.size() + (*stream)->buffered().size() > kLargest) co_return fail(Errc::closed, "the daemon did not finish its answer");
  }
}

Task<std::shared_ptr<const DnsAnswer>> DaemonResolver::query(std::string name, DnsType type, Deadline deadline) {
  auto text = co_await ask(name, type, deadline);
  if (!text) co_return failed(name, "the daemon was asked, and: " + text.error().text);
  auto answer = read_dns_json(*text, type);
  if (!answer) co_return failed(name, answer.error().text);
  co_return std::make_shared<const DnsAnswer>(std::move(*answer));
}

}  // namespace veredus
