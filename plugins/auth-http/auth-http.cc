// auth-http: svc.auth over an HTTP API. Each question is a POST with a JSON document. Each loop has its cache and its breaker.
#include <string.h>

#include <vector>

#include <veredus/plugin.hpp>

#include "cache.h"
#include "exchange.h"

namespace {

struct Api {
  std::string url, ca_file, unix_path;
  std::vector<std::pair<std::string, std::string>> headers;
  uint32_t kinds = 0;
  vrd::milliseconds timeout{}, cache{}, pause{};
  size_t cache_size = 0;
  int64_t failures = 0;
};

Api api_of(const vrd::Conf& conf) {
  Api out;
  out.url = conf.text("url");
  out.ca_file = conf.text("ca_file");
  out.unix_path = conf.text("unix_path");
  for (const vrd::Conf& one : conf.list("headers")) out.headers.emplace_back(one.text("name"), one.text("value"));
  for (const vrd::Conf& one : conf.list("kinds")) out.kinds |= 1u << (one.number() + 1);  // the choices are in the order of svc_auth.h
  out.timeout = conf.duration("query_timeout");
  out.cache = conf.duration("cache");
  out.cache_size = out.cache.count() > 0 ? static_cast<size_t>(conf.number("cache_size")) : 0;
  out.failures = conf["breaker"].number("failures");
  out.pause = conf["breaker"].duration("pause");
  std::string problem = auth_http::url_problem(out.url, conf.flag("clear_text"), !out.unix_path.empty());
  if (!problem.empty()) conf["url"].refuse("url '" + out.url + "' " + problem);
  if (out.kinds == 0) conf["kinds"].refuse("kinds: at least one of password, secret, token, external");
  return out;
}

class AuthHttp : public vrd::Plugin<> {
 public:
  explicit AuthHttp(vrd::Setup& setup)
      : Plugin(setup),
        api(api_of(setup.conf)),
        requests(setup.counter("requests_total", "Requests sent to the API")),
        failures(setup.counter("failures_total", "Requests without a usable answer")),
        cached(setup.counter("cached_total", "Questions answered from memory")),
        proven(setup.counter("proven_total", "Questions that were answered with yes")),
        denied(setup.counter("denied_total", "Questions that were answered with no")) {}

  uint32_t auth_kinds() const { return api.kinds; }

  struct Shard : vrd::ShardOf<AuthHttp>, vrd::AuthProvider {
    explicit Shard(const vrd::ShardSetup<AuthHttp>& setup) : ShardOf(setup), cache_(plugin.api.cache_size) {}

    void check(const vrd_auth_request& request, vrd::AuthAnswer answer) override {
      const auth_http::Question question{request.kind,
                                         vrd::view(request.mechanism),
                                         vrd::view(request.account),
                                         vrd::view(request.acting_as),
                                         vrd::view(request.secret),
                                         vrd::view(request.client)};
      std::string body = (plugin.api.kinds >> request.kind & 1) != 0 ? auth_http::request_body(question) : std::string();
      if (body.empty()) return deny(answer);
      const auth_http::Digest digest = cache_.digest(question);
      if (const auth_http::Known* known = cache_.find(digest, host.mono_ms())) {
        plugin.cached.add();
        prove(answer, *known, question.account);
      } else if (host.mono_ms() < closed_until_) {
        answer.fail(VRD_E_TEMPORARY);
      } else {
        ask(std::move(body), {request.kind, digest, vrd::copy(request.account)}, std::move(answer));
      }
      explicit_bzero(body.data(), body.size());
    }

   private:
    struct Asked {
      uint32_t kind;
      auth_http::Digest digest;
      std::string account;
    };

    void deny(vrd::AuthAnswer& answer) const {
      plugin.denied.add();
      answer.denied();
    }
    void prove(vrd::AuthAnswer& answer, const auth_http::Known& known, std::string_view asked) const {
      plugin.proven.add();
      answer.proven(known.account.empty() ? asked : known.account, known.tenant, known.secret);
    }
    void ask(std::string body, Asked asked, vrd::AuthAnswer answer) {
      const Api& api = plugin.api;
      auto request = host.http("POST", api.url);
      request.header("Content-Type", "application/json");
      for (const auto& [name, value] : api.headers) request.header(name, value);
      request.body(std::move(body)).timeout(api.timeout).ca_file(api.ca_file).unix_path(api.unix_path);
      plugin.requests.add();
      request.then([this, asked = std::move(asked), answer = std::move(answer)](vrd::HttpResult result) mutable { answered(asked, answer, result); });
    }
    void answered(const Asked& asked, vrd::AuthAnswer& answer, const vrd::HttpResult& result) {
      auth_http::Outcome outcome;
      if (result.ok()) outcome = auth_http::read_response(asked.kind, result.code, result.body);
      else outcome.problem = result.error.empty() ? "the request failed" : result.error;
      if (!outcome.problem.empty()) {
        note_failure(outcome.problem);
        answer.fail(VRD_E_TEMPORARY);
        return;
      }
      failures_ = 0;
      if (!outcome.known) return deny(answer);
      prove(answer, *outcome.known, asked.account);
      cache_.put(asked.digest, std::move(*outcome.known), host.mono_ms() + plugin.api.cache.count());
    }
    void note_failure(const std::string& problem) {
      plugin.failures.add();
      if (++failures_ < plugin.api.failures) {
        host.warning("failed", {{"reason", problem}});
        return;
      }
      failures_ = 0;
      closed_until_ = host.mono_ms() + plugin.api.pause.count();
      host.error("paused", {{"reason", problem}, {"pause_ms", plugin.api.pause.count()}, {"remedy", "look at the API; clients are told to come again"}});
    }

    auth_http::Cache cache_;
    int64_t failures_ = 0, closed_until_ = 0;
  };

  const Api api;
  const vrd::Metric requests, failures, cached, proven, denied;
};

constexpr vrd::About kAbout{"auth-http", "0.1", "Apache-2.0", "Accounts behind an HTTP API that answers with JSON"};
constexpr vrd_setting kSettings[] = {
    vrd::setting("url", VRD_SETTING_TEXT, nullptr, "1..2048", "Where questions are posted to.", VRD_SETTING_REQUIRED),
    vrd::setting("kinds", VRD_SETTING_CHOICE, "[password]", "password|secret|token|external", "Questions that the API answers: passwords, stored SCRAM secrets, bearer tokens, certificates. They decide which mechanisms are offered.", VRD_SETTING_LIST),
    vrd::setting("clear_text", VRD_SETTING_BOOL, "false", nullptr, "Allows http:// to other hosts: passwords then travel in clear."),
    vrd::setting("headers", VRD_SETTING_RECORD, nullptr, nullptr, "Header fields of the request, for instance Authorization.", VRD_SETTING_LIST),
    vrd::setting("headers[].name", VRD_SETTING_TEXT, nullptr, "1..100", "Name of the field.", VRD_SETTING_REQUIRED),
    vrd::setting("headers[].value", VRD_SETTING_TEXT, nullptr, "0..8192", "Value of the field.", VRD_SETTING_REQUIRED | VRD_SETTING_SECRET),
    vrd::setting("query_timeout", VRD_SETTING_DURATION, "5s", "10ms..1m", "How long one request may take."),
    vrd::setting("cache", VRD_SETTING_DURATION, "0s", "0s..1h", "How long a yes is kept, by a digest of the question. 0s: not at all."),
    vrd::setting("cache_size", VRD_SETTING_INT, "10000", "1..1000000", "Answers kept, on each loop."),
    vrd::setting("breaker", VRD_SETTING_RECORD, "{}", nullptr, "When the API is left in peace."),
    vrd::setting("breaker.failures", VRD_SETTING_INT, "5", "1..1000", "Failures in a row, on one loop, after which nothing is asked for a while."),
    vrd::setting("breaker.pause", VRD_SETTING_DURATION, "10s", "100ms..1h", "How long."),
    vrd::setting("ca_file", VRD_SETTING_PATH, nullptr, nullptr, "Certificates of the authorities to trust for https; unset: those of the system."),
    vrd::setting("unix_path", VRD_SETTING_PATH, nullptr, nullptr, "Connect to this Unix socket instead of the host in the url."),
};

}  // namespace

VEREDUS_PLUGIN(AuthHttp, kAbout, kSettings)
