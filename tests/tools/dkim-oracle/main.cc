// dkim_oracle: signs and verifies many messages in one process, with the engines of the plugin dkim. A request is a line of JSON on standard
// input, its answer a line on standard output; octets are in base64. One thread.
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "dkim/engine.h"
#include "mailauth/base/fake_dns.h"

namespace {

using nlohmann::json;
using Engines = std::map<std::string, std::unique_ptr<mail_dkim::Engine>>;

std::string octets(const json& request, const char* key) {
  const std::string text = request.at(key);
  return text.empty() ? std::string() : mailauth::decode_base64(text).value();
}

std::shared_ptr<const mailauth::PrivateKey> key_of(const std::string& path) {
  static std::map<std::string, std::shared_ptr<const mailauth::PrivateKey>> known;
  auto& key = known[path];
  if (key) return key;
  std::ifstream file(path);
  std::string problem;
  key = mailauth::PrivateKey::from_pem(std::string(std::istreambuf_iterator<char>(file), {}), &problem);
  if (!key) throw std::runtime_error(path + " " + problem);
  return key;
}

mailauth::Canonical form_of(const std::string& word) { return word == "simple" ? mailauth::Canonical::simple : mailauth::Canonical::relaxed; }

json sign(const mail_dkim::Engine& engine, const json& request) {
  const std::string message = octets(request, "message");
  const size_t body = mailauth::read_header(message).body;
  mailauth::SignOptions options;
  options.header_form = form_of(request.at("header_form"));
  options.body_form = form_of(request.at("body_form"));
  options.names = request.at("names").get<std::vector<std::string>>();
  options.oversigned = request.at("oversigned").get<std::vector<std::string>>();
  options.now = request.at("time");
  const mailauth::SigningKey key{request.at("domain"), request.at("selector"), key_of(request.at("key"))};
  // In pieces of an odd size, as they may come.
  auto pieces = [&](const mail_dkim::Take& take) {
    for (size_t at = body; at < message.size(); at += 997) take(std::string_view(message).substr(at, 997));
  };
  auto fields = engine.sign({std::string_view(message).substr(0, body), pieces}, options, {&key, 1});
  return {{"field", fields.front().value.empty() ? "" : mailauth::encode_base64(fields.front().name + ": " + fields.front().value + "\r\n")}};
}

json verify(const mail_dkim::Engine& engine, const json& request) {
  const std::string message = octets(request, "message");
  const size_t body = mailauth::read_header(message).body;
  mailauth::FakeDns dns;
  for (const auto& [name, record] : request.at("records").items()) dns.add(name, VRD_DNS_TXT, record);
  mailauth::DkimPolicy policy;
  policy.partial_counts = true;
  policy.most_signatures = 20;
  auto verifier = engine.verifier(std::string_view(message).substr(0, body), policy, request.at("time"));
  mailauth::run(verifier->fetch_keys(dns));
  for (size_t at = body; at < message.size(); at += 1'013) verifier->body(std::string_view(message).substr(at, 1'013));
  json out{{"results", json::array()}, {"reasons", json::array()}};
  for (const mailauth::DkimResult& each : verifier->finish()) {
    out["results"].push_back(each.result);
    out["reasons"].push_back(each.reason);
  }
  return out;
}

json answer(const Engines& engines, const json& request) {
  const mail_dkim::Engine& engine = *engines.at(request.at("engine"));
  try {
    return request.at("do") == "sign" ? sign(engine, request) : verify(engine, request);
  } catch (const std::exception& error) {
    return {{"error", error.what()}};
  }
}

}  // namespace

int main() {
  Engines engines;
  engines["native"] = std::make_unique<mail_dkim::NativeEngine>();
  if (auto engine = mail_dkim::opendkim_engine(mail_dkim::Ed25519::by_library)) engines["opendkim"] = std::move(engine);
  json names = json::array();
  for (const auto& [name, engine] : engines) names.push_back(name);
  std::cout << names.dump() << std::endl;
  for (std::string line; std::getline(std::cin, line);) std::cout << answer(engines, json::parse(line)).dump(-1, ' ', true, json::error_handler_t::replace) << std::endl;
}
