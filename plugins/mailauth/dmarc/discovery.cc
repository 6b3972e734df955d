// The walk of RFC 9989 4.10: at most eight questions a name, each asked once a message.
#include "mailauth/dmarc/discovery.h"

#include <libpsl.h>

#include <algorithm>
#include <cstdio>

namespace mailauth {

namespace {

constexpr size_t kMostQuestions = 8, kLongestName = 253;
constexpr std::string_view kPrefix = "_dmarc.";

std::string_view parent(std::string_view name) {
  size_t dot = name.find('.');
  return dot == name.npos ? std::string_view() : name.substr(dot + 1);
}

void read_answer(const vrd::DnsResult& found, RecordAt& out) {
  size_t count = 0;
  for (const vrd::DnsRecord& record : found.records) {
    if (record.type != VRD_DNS_TXT || !is_dmarc_record(record.text)) continue;
    if (++count == 1) out.text = record.text;
  }
  if (count == 1) out.record = read_dmarc_record(out.text);
  if (count > 1) out.problem = "there are " + std::to_string(count) + " DMARC records at _dmarc." + out.domain + ", which count as none";
}

// RFC 9989 4.10.2, for the names with a record, from the longest to the shortest.
std::string choose(const std::string& start, const std::vector<RecordAt>& walk) {
  const RecordAt* shortest = nullptr;
  for (size_t i = 0; i < walk.size(); ++i) {
    if (!walk[i].record) continue;
    if (walk[i].record->psd == 'n') return walk[i].domain;
    if (walk[i].record->psd == 'y' && i > 0) {
      const std::string& top = walk[i].domain;  // of `start` one label more is left
      size_t cut = start.rfind('.', start.size() - top.size() - 2);
      return cut == start.npos ? start : start.substr(cut + 1);
    }
    shortest = &walk[i];
  }
  return shortest ? shortest->domain : start;
}

}  // namespace

std::vector<std::string> walk_of(std::string_view domain) {
  std::vector<std::string> out;
  if (domain.empty()) return out;
  out.emplace_back(domain);
  size_t labels = 1 + static_cast<size_t>(std::count(domain.begin(), domain.end(), '.'));
  for (domain = parent(domain), --labels; labels > 0; domain = parent(domain), --labels)
    if (labels < kMostQuestions) out.emplace_back(domain);
  return out;
}

std::shared_ptr<const PublicSuffixes> PublicSuffixes::load(const std::string& path) {
  psl_ctx_t* list = psl_load_file(path.c_str());
  return list && psl_suffix_count(list) != 0 ? std::make_shared<const PublicSuffixes>(list) : (psl_free(list), nullptr);
}

PublicSuffixes::~PublicSuffixes() { psl_free(list_); }

std::string PublicSuffixes::org_domain(const std::string& domain) const {
  const char* found = psl_registrable_domain(list_, domain.c_str());
  return found ? found : domain;
}

vrd::Task<RecordAt> Discovery::record_at(std::string domain) {
  if (auto known = known_.find(domain); known != known_.end()) co_return known->second;
  RecordAt out;
  out.domain = domain;
  std::string name = std::string(kPrefix) + domain;
  if (name.size() <= kLongestName) {  // else there can be none
    vrd::DnsResult found = co_await dns_.ask(name, VRD_DNS_TXT);
    out.failed = !found.ok();
    if (out.failed) out.problem = "DNS does not tell what is at " + name;
    else read_answer(found, out);
  }
  known_[domain] = out;
  co_return out;
}

vrd::Task<OrgDomain> Discovery::walk(std::string domain) {
  OrgDomain out;
  out.domain = domain;
  out.method = "treewalk";
  std::vector<std::string> names = walk_of(domain);
  for (size_t i = 0; i < names.size() && !out.failed; ++i) {
    RecordAt at = co_await record_at(names[i]);
    bool stop = at.record && at.record->psd != 'u';
    out.failed = at.failed;
    out.walk.push_back(std::move(at));
    if (stop) break;
  }
  if (!out.failed) out.domain = choose(domain, out.walk);
  co_return out;
}

vrd::Task<OrgDomain> Discovery::org_domain(std::string domain) {
  if (auto known = orgs_.find(domain); known != orgs_.end()) co_return known->second;
  OrgDomain out;
  if (list_) {
    out.domain = list_->org_domain(domain);
    out.method = "psl";
  } else {
    out = co_await walk(domain);
  }
  orgs_[domain] = out;
  co_return out;
}

vrd::Task<RecordAt> Discovery::policy_for(std::string author) {
  RecordAt own = co_await record_at(author);
  if (own.record || own.failed) co_return own;
  OrgDomain org = co_await org_domain(author);
  if (list_) {
    RecordAt at = co_await record_at(org.domain);
    if (!at.record && !own.problem.empty()) at.problem = own.problem;
    co_return at;
  }
  RecordAt out;  // of the organisational domain, else of the public suffix that ended the walk
  for (const RecordAt& at : org.walk) {
    if (at.failed) co_return at;
    bool suffix = at.record && at.record->psd == 'y';
    if (at.record && (at.domain == org.domain || (suffix && !out.record))) out = at;
  }
  if (!out.record) out.problem = own.problem;
  co_return out;
}

vrd::Task<Discovery::Exists> Discovery::exists(std::string domain) {
  vrd::DnsResult found = co_await dns_.ask(domain, VRD_DNS_A);
  if (!found.ok()) co_return Exists::unknown;
  co_return found.nxdomain ? Exists::no : Exists::yes;
}

}  // namespace mailauth
