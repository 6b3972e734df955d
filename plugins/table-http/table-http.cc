// table-http: svc.table over a JSON API. Each loop has its cache and its breaker; equal keys under way are asked for once.
#include <memory>
#include <vector>

#include <veredus/plugin.hpp>

#include "answers.h"
#include "cache.h"

namespace {

using table_http::Cache;

struct Api {
  std::string url, method, body, ca_file, unix_path;
  std::vector<std::pair<std::string, std::string>> headers;
  table_http::Reading reading;
  vrd::milliseconds timeout{}, cache{}, cache_negative{}, stale{}, pause{};
  size_t cache_size = 0;
  int64_t failures = 0;
};

std::vector<uint32_t> codes_of(const vrd::Conf& conf, const char* key) {
  std::vector<uint32_t> out;
  for (const vrd::Conf& one : conf.list(key)) out.push_back(static_cast<uint32_t>(one.number()));
  return out;
}

void check(const vrd::Conf& conf, const Api& api) {
  bool http = api.url.starts_with("http://") || api.url.starts_with("https://");
  if (!http) conf["url"].refuse("url '" + api.url + "' must begin with http:// or https://");
  if (api.url.find("{key}") == api.url.npos && api.body.find("{key}") == api.body.npos)
    conf["url"].refuse("neither url nor body has {key}: every question would be the same");
  if (!api.reading.pointer.empty() && api.reading.pointer.front() != '/')
    conf["value"].refuse("value '" + api.reading.pointer + "' is no JSON pointer: it begins with /");
  for (size_t at = api.reading.pointer.find('~'); at != std::string::npos; at = api.reading.pointer.find('~', at + 1))
    if (at + 1 == api.reading.pointer.size() || (api.reading.pointer[at + 1] != '0' && api.reading.pointer[at + 1] != '1'))
      conf["value"].refuse("value '" + api.reading.pointer + "': behind ~ stands 0 or 1");
}

Api api_of(const vrd::Conf& conf) {
  Api out;
  out.url = conf.text("url");
  out.method = conf.choice("method") == 0 ? "GET" : "POST";
  out.body = conf.text("body");
  out.ca_file = conf.text("ca_file");
  out.unix_path = conf.text("unix_path");
  for (const vrd::Conf& one : conf.list("headers")) out.headers.emplace_back(one.text("name"), one.text("value"));
  out.reading = {codes_of(conf, "found"), codes_of(conf, "absent"), std::string(conf.text("value"))};
  out.timeout = conf.duration("query_timeout");
  out.cache = conf.duration("cache");
  out.cache_negative = conf.duration("cache_negative");
  out.stale = conf.duration("stale");
  out.cache_size = static_cast<size_t>(conf.number("cache_size"));
  out.failures = conf["breaker"].number("failures");
  out.pause = conf["breaker"].duration("pause");
  check(conf, out);
  return out;
}

// The answer to one lookup, which may wait for several keys.
struct Question {
  Question(size_t keys, vrd::TableAnswer to) : rows(keys), open(keys), answer(std::move(to)) {}
  void fill(size_t row, std::optional<std::string> value) {
    rows[row] = std::move(value);
    if (--open == 0) answer.rows(rows);
  }
  // One key without an answer spoils the lookup: "not there" would be a lie.
  void fail() {
    if (answer) answer.fail(VRD_E_TEMPORARY);
  }
  std::vector<std::optional<std::string>> rows;
  size_t open;
  vrd::TableAnswer answer;
};

struct Waiting {
  std::shared_ptr<Question> question;
  size_t row;
};

class TableHttp : public vrd::Plugin<> {
 public:
  explicit TableHttp(vrd::Setup& setup)
      : Plugin(setup),
        api(api_of(setup.conf)),
        requests(setup.counter("requests_total", "Requests sent to the API")),
        failures(setup.counter("failures_total", "Requests without a usable answer")),
        cached(setup.counter("cached_total", "Keys answered from memory")),
        stale(setup.counter("stale_total", "Keys answered with what the API said before, because it does not answer now")) {}

  struct Shard : vrd::ShardOf<TableHttp>, vrd::TableProvider {
    explicit Shard(const vrd::ShardSetup<TableHttp>& setup) : ShardOf(setup), cache_(plugin.api.cache_size) {}

    void lookup(std::span<const std::string_view> keys, vrd::TableAnswer answer) override {
      auto question = std::make_shared<Question>(keys.size(), std::move(answer));
      for (size_t row = 0; row < keys.size(); ++row) find(std::string(keys[row]), {question, row});
    }

   private:
    void find(const std::string& key, Waiting who) {
      const Cache::Entry* entry = cache_.find(key);
      if (entry && entry->fresh_until > host.mono_ms()) {
        plugin.cached.add();
        who.question->fill(who.row, entry->value);
        return;
      }
      if (host.mono_ms() < closed_until_) return make_do(key, {who});
      auto [waiting, first] = waiting_.try_emplace(key);
      waiting->second.push_back(std::move(who));
      if (first) ask(key);
    }
    void ask(const std::string& key) {
      const Api& api = plugin.api;
      auto request = host.http(api.method, table_http::filled(api.url, key, table_http::url_encoded));
      for (const auto& [name, value] : api.headers) request.header(name, value);
      request.body(table_http::filled(api.body, key, table_http::json_escaped)).timeout(api.timeout).ca_file(api.ca_file).unix_path(api.unix_path);
      plugin.requests.add();
      request.then([this, key](vrd::HttpResult result) { answered(key, result); });
    }
    void answered(const std::string& key, const vrd::HttpResult& result) {
      auto node = waiting_.extract(key);
      std::vector<Waiting> waiting = std::move(node.mapped());
      table_http::Outcome outcome;
      if (result.ok()) outcome = table_http::read_response(plugin.api.reading, result.code, result.body);
      else outcome.problem = result.error.empty() ? "the request failed" : result.error;
      if (!outcome.problem.empty()) {
        note_failure(outcome.problem);
        return make_do(key, waiting);
      }
      failures_ = 0;
      keep(key, outcome.value);
      for (Waiting& one : waiting) one.question->fill(one.row, outcome.value);
    }
    void keep(const std::string& key, const std::optional<std::string>& value) {
      int64_t now = host.mono_ms();
      int64_t life = (value ? plugin.api.cache : plugin.api.cache_negative).count();
      cache_.put(key, {value, now + life, now + life + plugin.api.stale.count()});
    }
    // Without the API: what it said before, if that is not too old.
    void make_do(const std::string& key, const std::vector<Waiting>& waiting) {
      const Cache::Entry* entry = cache_.find(key);
      bool usable = entry && entry->stale_until > host.mono_ms();
      for (const Waiting& one : waiting) {
        if (!usable) {
          one.question->fail();
          continue;
        }
        plugin.stale.add();
        one.question->fill(one.row, entry->value);
      }
    }
    void note_failure(const std::string& problem) {
      plugin.failures.add();
      if (++failures_ < plugin.api.failures) {
        host.warning("failed", {{"table", host.instance()}, {"reason", problem}});
        return;
      }
      failures_ = 0;
      closed_until_ = host.mono_ms() + plugin.api.pause.count();
      host.error("paused", {{"table", host.instance()}, {"reason", problem}, {"pause_ms", plugin.api.pause.count()}, {"remedy", "look at the API; lookups fail for now or use what it said before"}});
    }

    Cache cache_;
    std::map<std::string, std::vector<Waiting>> waiting_;  // keys asked for
    int64_t failures_ = 0, closed_until_ = 0;
  };

  const Api api;
  const vrd::Metric requests, failures, cached, stale;
};

constexpr vrd::About kAbout{"table-http", "0.1", "Apache-2.0", "Tables behind an HTTP API that answers with JSON"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("url", VRD_SETTING_TEXT, nullptr, "1..2048", "Where to ask. {key} is replaced by the key, percent-encoded.", VRD_SETTING_REQUIRED),
    vrd::setting("method", VRD_SETTING_CHOICE, "GET", "GET|POST", "Method of the request."),
    vrd::setting("body", VRD_SETTING_TEXT, "\"\"", "0..65536", "Body of the request. {key} is replaced by the key, escaped for a JSON string."),
    vrd::setting("headers", VRD_SETTING_RECORD, nullptr, nullptr, "Header fields of the request, for instance Authorization.", VRD_SETTING_LIST),
    vrd::setting("headers[].name", VRD_SETTING_TEXT, nullptr, "1..100", "Name of the field.", VRD_SETTING_REQUIRED),
    vrd::setting("headers[].value", VRD_SETTING_TEXT, nullptr, "0..8192", "Value of the field.", VRD_SETTING_REQUIRED | VRD_SETTING_SECRET),
    vrd::setting("query_timeout", VRD_SETTING_DURATION, "2s", "10ms..1m", "How long one request may take."),
    vrd::setting("found", VRD_SETTING_INT, "[200]", "100..599", "Status codes that say that the key is there.", VRD_SETTING_LIST),
    vrd::setting("absent", VRD_SETTING_INT, "[404]", "100..599", "Status codes that say that it is not. Any other is no answer.", VRD_SETTING_LIST),
    vrd::setting("value", VRD_SETTING_TEXT, "\"\"", "0..256", "JSON pointer to the value: /destination. A list is joined with commas; null, or nothing there: the key is not there. Empty: the whole body."),
    vrd::setting("cache", VRD_SETTING_DURATION, "1m", "0s..1d", "How long a value is kept."),
    vrd::setting("cache_negative", VRD_SETTING_DURATION, "10s", "0s..1d", "How long it is kept that a key is not there."),
    vrd::setting("cache_size", VRD_SETTING_INT, "10000", "0..1000000", "Keys kept, on each loop."),
    vrd::setting("stale", VRD_SETTING_DURATION, "1h", "0s..7d", "How much longer a kept answer is used while the API does not answer."),
    vrd::setting("breaker", VRD_SETTING_RECORD, "{}", nullptr, "When the API is left in peace."),
    vrd::setting("breaker.failures", VRD_SETTING_INT, "5", "1..1000", "Failures in a row, on one loop, after which nothing is asked for a while."),
    vrd::setting("breaker.pause", VRD_SETTING_DURATION, "10s", "100ms..1h", "How long."),
    vrd::setting("ca_file", VRD_SETTING_PATH, nullptr, nullptr, "Certificates of the authorities to trust for https; unset: those of the system."),
    vrd::setting("unix_path", VRD_SETTING_PATH, nullptr, nullptr, "Connect to this Unix socket instead of the host in the url."),
};

}  // namespace

VEREDUS_PLUGIN(TableHttp, kAbout, kSettings)
