// spf_suite FILE: runs every case of a test suite in the form of rfc7208-tests.yml through check_spf(), with the zones of the file for DNS.
// Prints a line for each case that does not come out as the file says, then "N of M cases passed". Exit 0: all, and at least one.
// spf_suite --json FILE prints cases and zones, an object a document, for who asks in another way.
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "mailauth/base/fake_dns.h"
#include "mailauth/spf/spf.h"

namespace {

using mailauth::SpfAnswer;

std::string lowered(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (text.ends_with('.')) text.pop_back();
  return text;
}

const std::map<std::string, uint32_t> kTypes = {{"A", VRD_DNS_A}, {"AAAA", VRD_DNS_AAAA}, {"MX", VRD_DNS_MX}, {"PTR", VRD_DNS_PTR}, {"TXT", VRD_DNS_TXT}};

// The zones of one document. TIMEOUT: types without a record are not answered. A record of type SPF stands for TXT where a name has no TXT.
class Zone : public mailauth::Dns {
 public:
  explicit Zone(const YAML::Node& data) {
    for (const auto& name : data) read_name(lowered(name.first.as<std::string>()), name.second);
  }

  nlohmann::json json() const {
    nlohmann::json out = nlohmann::json::object();
    for (const auto& [name, found] : names_) {
      nlohmann::json& entry = out[name] = nlohmann::json::object();
      if (!found.alias.empty()) entry["CNAME"] = {found.alias};
      for (const auto& [word, type] : kTypes) {
        auto place = found.records.find(type);
        if (place == found.records.end() && found.times_out) entry[word] = "SERVFAIL";
        for (const vrd::DnsRecord& record : place == found.records.end() ? std::vector<vrd::DnsRecord>() : place->second) {
          if (type == VRD_DNS_MX) entry[word].push_back({record.preference, record.text});
          else entry[word].push_back(record.text);
        }
      }
    }
    return out;
  }

  vrd::Task<vrd::DnsResult> ask(std::string name, uint32_t type) override {
    std::string at = lowered(std::move(name));
    for (int hops = 0; hops < 8; ++hops) {
      auto place = names_.find(at);
      if (place == names_.end()) co_return nothing(true);
      const Name& found = place->second;
      if (auto records = found.records.find(type); records != found.records.end()) co_return answer(records->second);
      if (found.times_out) co_return vrd::DnsResult(VRD_E_TIMEOUT);
      if (found.alias.empty()) co_return nothing(false);
      at = found.alias;
    }
    co_return vrd::DnsResult(VRD_E_TEMPORARY);
  }

 private:
  struct Name {
    std::map<uint32_t, std::vector<vrd::DnsRecord>> records;
    std::string alias;
    bool times_out = false;
  };

  static vrd::DnsResult nothing(bool nxdomain) {
    vrd::DnsResult out(VRD_OK);
    out.nxdomain = nxdomain;
    return out;
  }
  static vrd::DnsResult answer(const std::vector<vrd::DnsRecord>& records) {
    vrd::DnsResult out(VRD_OK);
    out.records = records;
    return out;
  }

  static vrd::DnsRecord record_of(uint32_t type, const YAML::Node& value) {
    vrd::DnsRecord out;
    out.type = type;
    if (type == VRD_DNS_MX) {
      out.preference = value[0].as<uint32_t>();
      out.text = lowered(value[1].as<std::string>());
    } else if (value.IsSequence()) {
      for (const auto& part : value) out.text += part.as<std::string>();
    } else {
      out.text = type == VRD_DNS_PTR ? lowered(value.as<std::string>()) : value.as<std::string>();
    }
    return out;
  }

  void read_name(const std::string& name, const YAML::Node& entries) {
    Name& out = names_[name];
    std::vector<vrd::DnsRecord> spf;
    bool has_txt = false;
    for (const auto& entry : entries) {
      if (entry.IsScalar()) out.times_out = out.times_out || entry.as<std::string>() == "TIMEOUT";
      else for (const auto& pair : entry) {
        std::string type = pair.first.as<std::string>();
        bool none = pair.second.IsScalar() && pair.second.as<std::string>() == "NONE";
        has_txt = has_txt || type == "TXT";
        if (type == "CNAME") out.alias = lowered(pair.second.as<std::string>());
        else if (type == "SPF") spf.push_back(record_of(VRD_DNS_TXT, pair.second));
        else if (!none) out.records[kTypes.at(type)].push_back(record_of(kTypes.at(type), pair.second));
      }
    }
    if (!has_txt && !spf.empty()) out.records[VRD_DNS_TXT] = std::move(spf);
  }

  std::map<std::string, Name> names_;
};

std::set<std::string> words_of(const YAML::Node& node) {
  std::set<std::string> out;
  if (node.IsScalar()) out.insert(node.as<std::string>());
  else for (const auto& one : node) out.insert(one.as<std::string>());
  return out;
}

SpfAnswer check(Zone& zone, const YAML::Node& test) {
  mailauth::SpfQuery query;
  query.ip = test["host"].as<std::string>();
  query.helo = test["helo"].as<std::string>();
  query.sender = test["mailfrom"].as<std::string>("");
  query.now = 1'400'000'000;
  return mailauth::run(mailauth::check_spf(zone, std::move(query), mailauth::SpfLimits()));
}

// Empty: as the file says. "DEFAULT" stands for the receiver's own words: the domain gives none.
std::string difference(const SpfAnswer& answer, const YAML::Node& test) {
  std::string result(mailauth::spf_word(answer.result)), wanted;
  std::set<std::string> words = words_of(test["result"]);
  for (const std::string& word : words) wanted += (wanted.empty() ? "" : " or ") + word;
  if (!words.contains(result)) return "wanted " + wanted + ", came " + result + " (" + answer.problem + answer.mechanism + ")";
  if (!test["explanation"]) return {};
  std::string text = test["explanation"].as<std::string>(), came = answer.explanation.empty() ? "DEFAULT" : answer.explanation;
  return text == came ? std::string() : "wanted the explanation '" + text + "', came '" + came + "'";
}

int print_file(const char* path) {
  for (const YAML::Node& document : YAML::LoadAllFromFile(path)) {
    nlohmann::json out{{"zone", Zone(document["zonedata"]).json()}, {"tests", nlohmann::json::array()}};
    for (const auto& test : document["tests"]) {
      nlohmann::json one{{"id", test.first.as<std::string>()}, {"ip", test.second["host"].as<std::string>()}, {"helo", test.second["helo"].as<std::string>()},
                         {"sender", test.second["mailfrom"].as<std::string>("")}, {"results", words_of(test.second["result"])}};
      if (test.second["explanation"]) one["explanation"] = test.second["explanation"].as<std::string>();
      out["tests"].push_back(std::move(one));
    }
    std::printf("%s\n", out.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace).c_str());
  }
  return 0;
}

int run_file(const char* path) {
  size_t passed = 0, cases = 0, explained = 0;
  for (const YAML::Node& document : YAML::LoadAllFromFile(path)) {
    Zone zone(document["zonedata"]);
    for (const auto& test : document["tests"]) {
      std::string problem = difference(check(zone, test.second), test.second);
      ++cases;
      explained += test.second["explanation"] ? 1 : 0;
      if (problem.empty()) ++passed;
      else std::printf("FAIL %s: %s: %s\n", document["description"].as<std::string>("").c_str(), test.first.as<std::string>().c_str(), problem.c_str());
    }
  }
  std::printf("%zu of %zu cases passed, %zu with their explanation\n", passed, cases, explained);
  return passed == cases && cases > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  bool json = argc == 3 && std::string(argv[1]) == "--json";
  if (argc != 2 && !json) {
    std::fprintf(stderr, "usage: spf_suite [--json] FILE\n");
    return 64;
  }
  const char* path = argv[argc - 1];
  try {
    return json ? print_file(path) : run_file(path);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "spf_suite: %s: %s\n", path, error.what());
    return 65;
  }
}
