// C++ wrapper: what can be asked of the host, and the results, which own their data. A failed request has `status` below 0 and no data.
#ifndef VEREDUS_DETAIL_REQUESTS_HPP
#define VEREDUS_DETAIL_REQUESTS_HPP

#include <veredus/detail/op.hpp>

namespace vrd {

/** Base of all results: VRD_OK or the error of the request as a whole. */
struct Outcome {
  explicit Outcome(vrd_status with) : status(with) {}
  bool ok() const { return status >= 0; }
  vrd_status status;
};

struct DnsRecord {
  uint32_t type = 0, ttl = 0, preference = 0;
  std::string owner, text, data;
};
struct DnsResult : Outcome {
  using Outcome::Outcome;
  bool secure = false, nxdomain = false;
  bool bogus = false;  // with VRD_E_TEMPORARY: the signatures are wrong
  std::vector<DnsRecord> records;
};

struct KvAnswer {
  vrd_status status = VRD_OK;
  bool taken = false;
  int64_t number = 0;
  std::string value;
  bool found() const { return status >= 0; }
};
struct KvResult : Outcome {
  using Outcome::Outcome;
  std::vector<KvAnswer> answers;
  /** The answer to the only or first operation; of a failed request one with its status. */
  KvAnswer first() const {
    KvAnswer none;
    none.status = status;
    return answers.empty() ? none : answers.front();
  }
};
struct KvListResult : Outcome {
  using Outcome::Outcome;
  std::vector<std::pair<std::string, std::string>> entries;
};
struct TableResult : Outcome {
  using Outcome::Outcome;
  std::vector<std::optional<std::string>> rows;
  std::optional<std::string> first() const { return rows.empty() ? std::nullopt : rows.front(); }
};
struct HttpResult : Outcome {
  using Outcome::Outcome;
  uint32_t code = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body, error;
};
struct TimerResult : Outcome {
  using Outcome::Outcome;
};
struct HelperResult : Outcome {
  using Outcome::Outcome;
  std::string octets;
  int32_t fd = -1;  // belongs to the plugin
};
struct QueueResult : Outcome {
  using Outcome::Outcome;
  std::string id;
  uint64_t touched = 0;
};
struct CallResult : Outcome {
  using Outcome::Outcome;
  std::string octets;
};
/** Of work: the value of the job, none when it threw or did not run. */
template <class T>
struct WorkResult : Outcome {
  using Outcome::Outcome;
  std::optional<T> value;
};
template <>
struct WorkResult<void> : Outcome {
  using Outcome::Outcome;
};

class DnsRequest : public Request<DnsRequest, DnsResult> {
 public:
  DnsRequest(const Interfaces& host, detail::Keeper& keeper, std::string name, uint32_t type, milliseconds timeout)
      : Request(host, keeper), name_(std::move(name)), type_(type), timeout_(timeout) {}
  detail::OpBase::Cancel canceller() const { return Interfaces::need(host_->dns).cancel; }
  vrd_status start(detail::OpState<DnsResult>& state) const {
    const vrd_dns_request request{VRD_SIZED(vrd_dns_request), type_, str(name_), wait_ms(timeout_), 0};
    return host_->dns->query(host_->raw, &request, &state, answered, &state.id);
  }
  /** Copies an answer of the interface. */
  static DnsResult result_of(vrd_status status, const vrd_dns_answer* answer) {
    DnsResult out(status);
    if (answer == nullptr) return out;
    out.secure = answer->secure != 0;
    out.nxdomain = answer->nxdomain != 0;
    out.bogus = VRD_HAS(vrd_dns_answer, answer, zero) && answer->bogus != 0;
    for (uint32_t i = 0; i < answer->count; i++) {
      const vrd_dns_record& one = *answer->records[i];
      out.records.push_back({one.type, one.ttl, one.preference, copy(one.owner), copy(one.text), copy(one.data)});
    }
    return out;
  }

 private:
  static void answered(void* context, vrd_status status, const vrd_dns_answer* answer) {
    detail::OpState<DnsResult>::of(context)->answer(result_of(status, answer));
  }
  std::string name_;
  uint32_t type_;
  milliseconds timeout_;
};

/** Operations of core.kv, chained: `host.kv(2s).add(key, 1, 1h).get(other).then(...)`. Up to 64, in order, each atomic by itself. */
class KvRequest : public Request<KvRequest, KvResult> {
 public:
  KvRequest(const Interfaces& host, detail::Keeper& keeper, milliseconds timeout) : Request(host, keeper), timeout_(timeout) {}

  KvRequest& get(std::string key) { return op(VRD_KV_GET, std::move(key)); }
  KvRequest& put(std::string key, std::string value, milliseconds ttl = {}) {
    op(VRD_KV_PUT, std::move(key), std::move(value));
    return with_ttl(ttl);
  }
  KvRequest& put_if_absent(std::string key, std::string value, milliseconds ttl = {}) {
    op(VRD_KV_PUT, std::move(key), std::move(value)).ops_.back().flags = VRD_KV_IF_ABSENT;
    return with_ttl(ttl);
  }
  KvRequest& remove(std::string key) { return op(VRD_KV_REMOVE, std::move(key)); }
  KvRequest& add(std::string key, int64_t amount, milliseconds ttl = {}) {
    op(VRD_KV_ADD, std::move(key)).ops_.back().number = amount;
    return with_ttl(ttl);
  }
  /** As add(), and the counter's life begins anew. */
  KvRequest& add_extend(std::string key, int64_t amount, milliseconds ttl) {
    add(std::move(key), amount, ttl).ops_.back().flags = VRD_KV_EXTEND;
    return *this;
  }
  /** Tokens of a bucket that refills with `rate` thousandths of a token a second. */
  KvRequest& take(std::string key, int64_t tokens, int64_t capacity, int64_t rate) {
    vrd_kv_op& one = op(VRD_KV_TAKE, std::move(key)).ops_.back();
    one.number = tokens, one.capacity = capacity, one.rate = rate;
    return *this;
  }

  detail::OpBase::Cancel canceller() const { return Interfaces::need(host_->kv).cancel; }
  vrd_status start(detail::OpState<KvResult>& state) {
    std::vector<const vrd_kv_op*> list;
    for (size_t i = 0; i < ops_.size(); i++) {
      ops_[i].key = str(texts_[i].first);
      ops_[i].value = str(texts_[i].second);
      list.push_back(&ops_[i]);
    }
    return host_->kv->run(host_->raw, list.data(), list.size(), wait_ms(timeout_), &state, answered, &state.id);
  }

 private:
  KvRequest& op(uint32_t kind, std::string key, std::string value = {}) {
    texts_.emplace_back(std::move(key), std::move(value));
    ops_.push_back({VRD_SIZED(vrd_kv_op), kind, 0, 0, {}, {}, 0, 0, 0, 0});
    return *this;
  }
  KvRequest& with_ttl(milliseconds ttl) {
    ops_.back().ttl_ms = static_cast<uint64_t>(ttl.count());
    return *this;
  }
  static void answered(void* context, vrd_status status, const vrd_kv_answer* answers, size_t count) {
    KvResult out(status);
    for (size_t i = 0; answers != nullptr && i < count; i++)
      out.answers.push_back({answers[i].status, answers[i].taken != 0, answers[i].number, copy(answers[i].value)});
    detail::OpState<KvResult>::of(context)->answer(std::move(out));
  }
  std::vector<vrd_kv_op> ops_;
  std::vector<std::pair<std::string, std::string>> texts_;
  milliseconds timeout_;
};

class KvListRequest : public Request<KvListRequest, KvListResult> {
 public:
  KvListRequest(const Interfaces& host, detail::Keeper& keeper, std::string prefix, std::string after, uint32_t limit, milliseconds timeout)
      : Request(host, keeper), prefix_(std::move(prefix)), after_(std::move(after)), limit_(limit), timeout_(timeout) {}
  detail::OpBase::Cancel canceller() const { return Interfaces::need(host_->kv).cancel; }
  vrd_status start(detail::OpState<KvListResult>& state) const {
    return host_->kv->list(host_->raw, str(prefix_), str(after_), limit_, wait_ms(timeout_), &state, answered, &state.id);
  }

 private:
  static void answered(void* context, vrd_status status, const vrd_kv_answer* answers, size_t count) {
    KvListResult out(status);
    for (size_t i = 0; answers != nullptr && i < count; i++) {
      const std::string_view both = view(answers[i].value);
      const size_t nul = both.find('\0');
      out.entries.emplace_back(both.substr(0, nul), nul == both.npos ? std::string_view() : both.substr(nul + 1));
    }
    detail::OpState<KvListResult>::of(context)->answer(std::move(out));
  }
  std::string prefix_, after_;
  uint32_t limit_;
  milliseconds timeout_;
};

/** A table that setup.table() opened. */
struct Table {
  uint32_t id = 0;
};

class TableRequest : public Request<TableRequest, TableResult> {
 public:
  TableRequest(const Interfaces& host, detail::Keeper& keeper, Table table, std::vector<std::string> keys, milliseconds timeout)
      : Request(host, keeper), table_(table), keys_(std::move(keys)), timeout_(timeout) {}
  detail::OpBase::Cancel canceller() const { return Interfaces::need(host_->table).cancel; }
  vrd_status start(detail::OpState<TableResult>& state) const {
    std::vector<vrd_str> keys;
    for (const std::string& key : keys_) keys.push_back(str(key));
    return host_->table->lookup(host_->raw, table_.id, keys.data(), keys.size(), wait_ms(timeout_), &state, answered, &state.id);
  }

 private:
  static void answered(void* context, vrd_status status, const vrd_table_row* rows, size_t count) {
    TableResult out(status);
    for (size_t i = 0; rows != nullptr && i < count; i++)
      out.rows.push_back(rows[i].found != 0 ? std::optional(copy(rows[i].value)) : std::nullopt);
    detail::OpState<TableResult>::of(context)->answer(std::move(out));
  }
  Table table_;
  std::vector<std::string> keys_;
  milliseconds timeout_;
};

class HttpRequest : public Request<HttpRequest, HttpResult> {
 public:
  HttpRequest(const Interfaces& host, detail::Keeper& keeper, std::string method, std::string url)
      : Request(host, keeper), method_(std::move(method)), url_(std::move(url)) {}
  HttpRequest& header(std::string name, std::string value) { return headers_.emplace_back(std::move(name), std::move(value)), *this; }
  HttpRequest& body(std::string octets) { return body_ = std::move(octets), *this; }
  HttpRequest& timeout(milliseconds time) { return timeout_ = time, *this; }
  HttpRequest& max_response(uint64_t octets) { return max_response_ = octets, *this; }
  HttpRequest& ca_file(std::string path) { return ca_file_ = std::move(path), *this; }
  HttpRequest& unix_path(std::string path) { return unix_path_ = std::move(path), *this; }

  detail::OpBase::Cancel canceller() const { return Interfaces::need(host_->http).cancel; }
  vrd_status start(detail::OpState<HttpResult>& state) const {
    std::vector<vrd_pair> headers;
    for (const auto& [name, value] : headers_) headers.push_back({str(name), str(value)});
    const vrd_http_request request{VRD_SIZED(vrd_http_request), wait_ms(timeout_), str(method_), str(url_), headers.data(), headers.size(),
                                   str(body_), max_response_, str(ca_file_), str(unix_path_)};
    return host_->http->request(host_->raw, &request, &state, answered, &state.id);
  }

 private:
  static void answered(void* context, vrd_status status, const vrd_http_answer* answer, vrd_str error) {
    HttpResult out(status);
    out.error = copy(error);
    if (answer != nullptr) {
      out.code = answer->code;
      out.body = copy(answer->body);
      for (uint64_t i = 0; i < answer->header_count; i++) out.headers.emplace_back(copy(answer->headers[i].name), copy(answer->headers[i].value));
    }
    detail::OpState<HttpResult>::of(context)->answer(std::move(out));
  }
  std::string method_, url_, body_, ca_file_, unix_path_;
  std::vector<std::pair<std::string, std::string>> headers_;
  milliseconds timeout_{10'000};
  uint64_t max_response_ = 0;
};

}  // namespace vrd
#endif
