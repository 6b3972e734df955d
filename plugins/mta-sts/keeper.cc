// Questions, the way of one domain from a record to a kept policy, and the rounds that renew what will be needed.
#include "keeper.hpp"

#include <algorithm>

namespace mta_sts {

namespace {

constexpr milliseconds kKvPatience{5'000};
constexpr int64_t kAbsent = 60'000;             // a domain without a record is asked again after this
constexpr int64_t kUnknown = 5'000;             // DNS could not tell
constexpr int64_t kRecordAge = 60'000;          // the record of a kept policy is looked at again after this
constexpr int64_t kLongestPause = 3'600'000;
constexpr int64_t kUnused = 30ll * 86'400'000;  // policies nobody asked for so long are not renewed
constexpr uint32_t kPage = 200;
constexpr size_t kMostRenewals = 20;            // at the same time
const std::string kPrefix = "p/";

}  // namespace

Keeper::Keeper(const vrd::Host& host, const Options& options, const Counters& counters) : host_(host), options_(options), counters_(counters), tasks_(host) {
  if (host.interfaces().kv) wait_for_round();
}

void Keeper::find(std::string name, vrd::TlsPolicyAnswer answer) {
  counters_.answers.add();
  if (!is_domain(name) || name.size() > 240) {
    answer.none();
    return;
  }
  Domain& domain = domain_of(name);
  int64_t now = host_.wall_ms();
  domain.touched = host_.mono_ms();
  if (domain.entry) domain.entry->used = now;
  bool holds = domain.entry && domain.entry->holds(now);
  if (holds || domain.absent_until > host_.mono_ms()) give(domain, answer);
  else {
    uint64_t number = next_number_++;
    domain.waiting.emplace(number, std::move(answer));
    host_.after(options_.patience).then([this, name, number](vrd::TimerResult rang) {
      if (rang.ok()) impatient(name, number);
    });
  }
  bool look = holds ? host_.mono_ms() >= domain.checked + kRecordAge : !domain.waiting.empty();
  if (look && !domain.busy) tasks_.spawn(learn(name));
}

Keeper::Domain& Keeper::domain_of(const std::string& name) {
  auto found = domains_.find(name);
  if (found != domains_.end()) return found->second;
  if (domains_.size() >= options_.cache) make_room();
  return domains_[name];
}

// Some that nobody asked about for longest go; core.kv still has their policies.
void Keeper::make_room() {
  std::vector<std::pair<int64_t, Place>> idle;
  for (auto at = domains_.begin(); at != domains_.end(); ++at)
    if (!at->second.busy && at->second.waiting.empty()) idle.emplace_back(at->second.touched, at);
  size_t count = std::min(idle.size(), options_.cache / 10 + 1);
  auto older = [](const auto& a, const auto& b) { return a.first < b.first; };
  std::partial_sort(idle.begin(), idle.begin() + static_cast<long>(count), idle.end(), older);
  for (size_t i = 0; i < count; ++i) domains_.erase(idle[i].second);
}

void Keeper::give(Domain& domain, vrd::TlsPolicyAnswer& answer) const {
  if (domain.entry && domain.entry->holds(host_.wall_ms())) {
    const Policy& policy = domain.entry->policy;
    if (policy.mode == Mode::none) {
      answer.none();
      return;
    }
    std::string mx;
    for (const std::string& one : policy.mx) mx += one + "\n";
    bool enforce = policy.mode == Mode::enforce || options_.testing_as_enforce;
    answer.policy(enforce ? VRD_TLS_POLICY_ENFORCE : VRD_TLS_POLICY_TESTING, mx, policy.text());
    return;
  }
  answer.none(domain.result, domain.problem);
}

void Keeper::give_all(Domain& domain) {
  for (auto& [number, answer] : domain.waiting) give(domain, answer);
  domain.waiting.clear();
}

// RFC 8461 5.1: mail does not wait for a policy that was never there; the next one may find it.
void Keeper::impatient(const std::string& name, uint64_t number) {
  auto found = domains_.find(name);
  if (found == domains_.end()) return;
  auto waiting = found->second.waiting.extract(number);
  if (!waiting) return;
  host_.warning("slow", {{"domain", name}, {"reason", "the policy did not come in time; this mail goes without"}});
  waiting.mapped().none("sts-policy-fetch-error", "mta-sts." + name + " did not answer in time");
}

vrd::Task<void> Keeper::learn(std::string name) {
  domain_of(name).busy = true;
  if (!domain_of(name).loaded) co_await load(name);
  Domain& domain = domain_of(name);
  int64_t now = host_.wall_ms();
  if (domain.entry && domain.entry->holds(now)) {
    domain.entry->used = now;
    give_all(domain);
  }
  co_await update(name, false);
  Domain& after = domain_of(name);
  after.busy = false;
  give_all(after);
}

vrd::Task<void> Keeper::load(std::string name) {
  vrd::KvResult kept = co_await host_.kv(kKvPatience).get(kPrefix + name);
  Domain& domain = domain_of(name);
  domain.loaded = kept.ok();
  if (domain.entry || !kept.ok() || !kept.first().found()) co_return;
  domain.entry = decoded(kept.first().value);
}

// `renew`: fetched also when the record says that nothing changed. A record that is gone, or cannot be looked up, ends no policy (8.3).
vrd::Task<void> Keeper::update(std::string name, bool renew) {
  Announced announced = co_await look_up(host_, name, options_.source.dns_timeout);
  Domain* domain = &domain_of(name);
  int64_t now = host_.wall_ms();
  domain->checked = host_.mono_ms();
  bool holds = domain->entry && domain->entry->holds(now);
  if (!announced.announces()) {
    domain->absent_until = host_.mono_ms() + (announced.state == Announced::State::failed ? kUnknown : kAbsent);
    bool wrong = announced.state == Announced::State::several || announced.state == Announced::State::malformed;
    domain->result = wrong ? "sts-policy-invalid" : "";
    domain->problem = wrong ? announced.problem : "";
    co_return;
  }
  bool same = holds && domain->entry->id == announced.id;
  if (same && !renew) co_return;
  if (holds && now < domain->entry->retry) co_return;
  counters_.fetches.add();
  Fetched fetched = co_await fetch(host_, name, options_.source);
  domain = &domain_of(name);
  if (fetched.done()) keep(name, *domain, announced.id, std::move(fetched.policy));
  else note_failure(name, *domain, fetched);
}

void Keeper::keep(const std::string& name, Domain& domain, const std::string& id, Policy policy) {
  int64_t now = host_.wall_ms();
  Entry entry;
  entry.id = id;
  entry.used = domain.entry ? domain.entry->used : now;
  entry.fetched = now;
  entry.expires = now + policy.max_age * 1000;
  entry.policy = std::move(policy);
  bool news = !domain.entry || domain.entry->policy.text() != entry.policy.text();
  if (news) host_.info("policy", {{"domain", name}, {"mode", mode_name(entry.policy.mode)}, {"id", id}, {"max_age", entry.policy.max_age}});
  domain.entry = std::move(entry);
  domain.absent_until = host_.mono_ms() + kUnknown;  // of a policy that ends at once
  domain.pause = 0;
  domain.result.clear();
  domain.problem.clear();
  store(name, *domain.entry);
}

void Keeper::note_failure(const std::string& name, Domain& domain, const Fetched& fetched) {
  counters_.failures.add();
  domain.pause = std::min(kLongestPause, std::max(domain.pause * 2, options_.failure.count()));
  domain.absent_until = host_.mono_ms() + domain.pause;
  domain.result = fetched.result;
  domain.problem = fetched.problem;
  bool holds = domain.entry && domain.entry->holds(host_.wall_ms());
  host_.warning("failed", {{"domain", name}, {"result", fetched.result}, {"reason", fetched.problem}, {"remedy", holds ? "the policy of before holds until it expires" : "mail goes as if there were no policy; 'veredus check mta-sts' tells more"}});
  if (!holds) return;
  domain.entry->retry = host_.wall_ms() + domain.pause;
  store(name, *domain.entry);
}

// An entry that could not be written is fetched again after a restart.
void Keeper::store(const std::string& name, const Entry& entry) const {
  int64_t life = entry.expires - host_.wall_ms();
  if (life <= 0 || !host_.interfaces().kv) return;
  host_.kv(kKvPatience).put(kPrefix + name, encoded(entry), milliseconds(life)).then([this, name](vrd::KvResult result) {
    if (!result.ok() || !result.first().found()) host_.warning("not_kept", {{"domain", name}, {"reason", "core.kv refused it"}});
  });
}

void Keeper::wait_for_round() {
  milliseconds period = std::clamp(options_.refresh / 10, milliseconds(200), milliseconds(60'000));
  host_.after(period).then([this](vrd::TimerResult rang) {
    if (rang.ok()) tasks_.spawn(round());
  });
}

// All kept policies, page by page; those that are due are fetched, a bounded number at the same time.
vrd::Task<void> Keeper::round() {
  std::string after;
  for (bool more = true; more;) {
    vrd::KvListResult page = co_await host_.kv_list(kPrefix, after, kPage, kKvPatience);
    more = page.ok() && !page.entries.empty();  // a page may be shorter than asked for
    for (const auto& [key, value] : page.entries) {
      after = key;
      std::string name = key.substr(kPrefix.size());
      auto known = domains_.find(name);
      std::optional<Entry> entry = known != domains_.end() && known->second.entry ? known->second.entry : decoded(value);
      int64_t now = host_.wall_ms();
      if (!entry || !entry->holds(now) || !entry->due(now, options_.refresh.count()) || now - entry->used > kUnused) continue;
      if (tasks_.size() > kMostRenewals) break;
      Domain& domain = domain_of(name);
      if (domain.busy) continue;
      domain.entry = std::move(entry);
      domain.loaded = domain.busy = true;
      tasks_.spawn(renewal(name));
    }
    more = more && tasks_.size() <= kMostRenewals;
  }
  wait_for_round();
}

vrd::Task<void> Keeper::renewal(std::string name) {
  co_await update(name, true);
  Domain& domain = domain_of(name);
  domain.busy = false;
  give_all(domain);
}

}  // namespace mta_sts
