// dnsbl: asks lists in the DNS about clients, HELO names and domains of senders, adds up weights and refuses, defers, holds or marks. All
// lists are asked at connect without delaying the banner; the answers are waited for at mail, those about names at rcpt. Loop threads, one
// Shard a loop; settings are only read.
#include <veredus/plugin.hpp>

#include <unordered_map>
#include <unordered_set>

#include "scan.hpp"

namespace {

using namespace dnsbl;

constexpr const char* kResults[] = {"clear", "listed", "failed", nullptr};  // as Answer
constexpr const char* kActions[] = {"reject", "defer", "hold", "mark", nullptr};
enum Action : uint32_t { reject, defer, hold, mark, kActionCount };

constexpr const char* kScoreNote = "dnsbl.score";
constexpr const char* kListsNote = "dnsbl.lists";
constexpr const char* kHeader = "X-DNSBL";
constexpr uint32_t kMostForged = 1'000;
constexpr size_t kMostSessions = 100'000, kMostLists = 100;
constexpr const char* kNotPublic[] = {"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "::1", "fc00::/7", "fe80::/10"};

std::vector<List> lists_of(const vrd::Conf& conf) {
  std::vector<List> out;
  const auto read = [&](const char* key, int64_t sign) {
    for (const vrd::Conf& one : conf.list(key)) {
      List list;
      list.zone = common::lowered(one.text("zone"));
      if (!list.zone.empty() && list.zone.back() == '.') list.zone.pop_back();
      if (!is_domain(list.zone) && !is_domain(list.zone + ".test")) one["zone"].refuse("'" + list.zone + "' is not a domain");
      list.name = one["name"] ? std::string(one.text("name")) : list.zone;
      list.text = one.text("text");
      if (printable(list.name + list.text, 1000) != list.name + list.text) one.refuse("name and text are printable ASCII");
      list.weight = sign * one.number("weight");
      list.kind = static_cast<Kind>(one.choice("kind"));
      if (sign < 0 && list.kind != client) one["kind"].refuse("a client chooses its names by itself: what speaks for it must be about its address");
      list.codes = common::patterns_of<common::NetworkPattern>(one, "codes");
      out.push_back(std::move(list));
    }
  };
  read("lists", 1);
  read("allow", -1);
  if (out.size() > kMostLists) conf["lists"].refuse("too many lists");
  return out;
}

/** Scores from which something happens; 0: never. */
struct Bounds {
  explicit Bounds(const vrd::Conf& conf) {
    constexpr const char* kKeys[] = {"reject_at", "defer_at", "hold_at", "mark_at"};
    for (size_t i = 0; i < kActionCount; i++) at[i] = conf.number(kKeys[i]);
  }
  bool reached(Action action, int64_t score) const { return at[action] > 0 && score >= at[action]; }
  std::array<int64_t, kActionCount> at{};
};

struct Session {
  std::array<std::shared_ptr<Scan>, kKinds> scans;
};

class Dnsbl : public vrd::Plugin<> {
 public:
  explicit Dnsbl(vrd::Setup& setup)
      : Plugin(setup),
        lists(lists_of(setup.conf)),
        bounds(setup.conf),
        timeout(setup.conf.duration("query_timeout")),
        exempt(common::patterns_of<common::NetworkPattern>(setup.conf, "exempt")),
        reply(setup.conf.text("reply")),
        answers(setup.metric(VRD_METRIC_COUNTER, "answers_total", "Answers of lists", "result", kResults)),
        decided(setup.metric(VRD_METRIC_COUNTER, "decided_total", "What the score has led to", "action", kActions)) {
    if (!setup.conf.flag("private"))
      for (const char* network : kNotPublic) not_asked.emplace_back(network);
    for (const List& list : lists) kinds[list.kind] = true;
    if (printable(reply, 1000) != reply) setup.conf["reply"].refuse("a reply is printable ASCII");
  }

  const std::vector<List> lists;
  const Bounds bounds;
  const vrd::milliseconds timeout;
  const std::vector<common::NetworkPattern> exempt;
  const std::string reply;
  const vrd::Metric answers, decided;
  std::vector<common::NetworkPattern> not_asked;
  std::array<bool, kKinds> kinds{};

  struct Shard : vrd::ShardOf<Dnsbl>, Asking {
    explicit Shard(const vrd::ShardSetup<Dnsbl>& setup) : ShardOf(setup), failures(plugin.lists.size()) {}

    vrd::Verdict on_connect(vrd::Call& call) {
      if (!is_exempt(call)) ask(*session_of(call), client, call.text(VRD_ATTR_CLIENT_ADDRESS));
      return vrd::next();
    }
    vrd::Verdict on_helo(vrd::Call& call) {
      if (!is_exempt(call)) ask(*session_of(call), helo, call.text(VRD_ATTR_HELO));
      return vrd::next();
    }
    vrd::Verdict on_mail(vrd::Call& call) {
      if (is_exempt(call)) return vrd::next();
      const auto session = session_of(call);
      ask(*session, client, call.text(VRD_ATTR_CLIENT_ADDRESS));
      ask(*session, sender_domain, call.text(VRD_ATTR_SENDER_DOMAIN));
      return decide(call, {session->scans[client]});
    }
    vrd::Verdict on_rcpt(vrd::Call& call) {
      const bool by_name = plugin.kinds[helo] || plugin.kinds[sender_domain];
      if (!by_name || is_exempt(call)) return vrd::next();
      const auto session = session_of(call);
      ask(*session, client, call.text(VRD_ATTR_CLIENT_ADDRESS));
      ask(*session, helo, call.text(VRD_ATTR_HELO));
      ask(*session, sender_domain, call.text(VRD_ATTR_SENDER_DOMAIN));
      return decide(call, {session->scans.begin(), session->scans.end()});
    }
    vrd::Verdict on_message(vrd::Call& call);
    void on_disconnect(vrd::Call& call) { sessions.erase(call.number(VRD_ATTR_SESSION)); }

   private:
    using Scans = std::vector<std::shared_ptr<Scan>>;
    struct Waiting {
      vrd::KeptView view;
      vrd::Pending pending;
      Scans scans;
    };
    struct Score {
      int64_t sum = 0;
      std::string names;
      const Hit* heaviest = nullptr;
      const Scan* of = nullptr;
    };

    bool is_exempt(const vrd::View& view) const {
      if (!view.text(VRD_ATTR_AUTH_ACCOUNT).empty()) return true;
      const auto address = common::address_octets(view.text(VRD_ATTR_CLIENT_ADDRESS));
      return !address || common::any_matches(plugin.exempt, *address) || common::any_matches(plugin.not_asked, *address);
    }
    /** The record of a session; with too many of them one that is not kept, so that each stage asks again. */
    std::shared_ptr<Session> session_of(const vrd::View& view) {
      const int64_t number = view.number(VRD_ATTR_SESSION);
      const auto found = sessions.find(number);
      if (found != sessions.end()) return found->second;
      auto made = std::make_shared<Session>();
      if (sessions.size() < kMostSessions) sessions.emplace(number, made);
      return made;
    }
    void ask(Session& session, Kind kind, std::string_view subject) {
      auto& scan = session.scans[kind];
      if (!plugin.kinds[kind] || (scan && scan->subject == subject)) return;
      scan = std::make_shared<Scan>(host, *this, plugin.lists, plugin.timeout, kind, std::string(subject));
      scan->start();
    }
    void answered(size_t list, Answer answer, const std::string& problem) override {
      plugin.answers.add(1, static_cast<uint32_t>(answer));
      if (!problem.empty() && failures[list].now(host.mono_ms())) host.warning("list_failed", {{"list", plugin.lists[list].name}, {"reason", problem}});
    }

    static std::shared_ptr<Scan> unfinished(const Scans& scans) {
      for (const auto& scan : scans)
        if (scan && !scan->done()) return scan;
      return nullptr;
    }
    vrd::Verdict decide(vrd::Call& call, Scans scans) {
      if (!unfinished(scans)) {
        const Score score = score_of(scans);
        if (score.heaviest != nullptr) leave_notes(call.edits(), score);
        return verdict(score, call);
      }
      const auto waiting = std::make_shared<Waiting>(Waiting{call.keep(), call.defer(plugin.timeout * 2 + vrd::milliseconds(1'000)), std::move(scans)});
      waitings.insert(waiting);
      go_on(waiting);
      return vrd::later();
    }
    void go_on(const std::shared_ptr<Waiting>& waiting) {
      if (const auto scan = unfinished(waiting->scans)) {
        return scan->when_done([this, weak = std::weak_ptr(waiting)] {
          if (const auto again = weak.lock()) go_on(again);
        });
      }
      waitings.erase(waiting);
      const Score score = score_of(waiting->scans);
      vrd::OwnEdits edits;
      if (score.heaviest != nullptr) {
        edits = waiting->pending.edits();
        leave_notes(edits, score);
      }
      waiting->pending.answer(verdict(score, waiting->view), std::move(edits));
    }
    static Score score_of(const Scans& scans) {
      Score out;
      for (const auto& scan : scans) {
        if (!scan) continue;
        for (const Hit& hit : scan->hits) {
          out.sum += hit.list->weight;
          out.names += (out.names.empty() ? "" : ",") + hit.list->name;
          if (out.heaviest == nullptr || hit.list->weight > out.heaviest->list->weight) out.heaviest = &hit, out.of = scan.get();
        }
      }
      return out;
    }
    static void leave_notes(vrd::Edits edits, const Score& score) { edits.note(kScoreNote, std::to_string(score.sum)).note(kListsNote, score.names.substr(0, 1024)); }
    vrd::Verdict verdict(const Score& score, const vrd::View& view);

    std::unordered_map<int64_t, std::shared_ptr<Session>> sessions;
    std::unordered_set<std::shared_ptr<Waiting>> waitings;  // scans know them weakly: else each would keep the other
    std::vector<common::Seldom> failures;
  };
};

vrd::Verdict Dnsbl::Shard::verdict(const Score& score, const vrd::View& view) {
  const bool refused = plugin.bounds.reached(reject, score.sum);
  if (score.heaviest == nullptr || (!refused && !plugin.bounds.reached(defer, score.sum))) return vrd::next();
  const List& list = *score.heaviest->list;
  constexpr std::string_view kOfName[] = {"", "the name {name} is listed by {zone}", "the domain {name} is listed by {zone}"};
  const std::string_view pattern = !list.text.empty() ? std::string_view(list.text) : list.kind == client ? std::string_view(plugin.reply) : kOfName[list.kind];
  const Words words{std::string(view.text(VRD_ATTR_CLIENT_ADDRESS)), score.of->subject, list.name, score.heaviest->text};
  plugin.decided.add(1, refused ? reject : defer);
  const std::string text = list.text.empty() ? dnsbl::reply(pattern, words) : filled(pattern, words);
  const std::string rule = list.name.substr(0, 100);
  return refused ? vrd::reject("5.7.1", text).rule(rule) : vrd::tempfail("4.7.1", text).rule(rule);
}

vrd::Verdict Dnsbl::Shard::on_message(vrd::Call& call) {
  if (is_exempt(call)) return vrd::next();
  const auto note = call.note(kScoreNote);
  int64_t score = 0;
  if (note) std::from_chars(note->data(), note->data() + note->size(), score);
  uint32_t forged = 0;  // who sends the field himself must not speak for us
  while (plugin.bounds.at[mark] > 0 && forged < kMostForged && call.header(kHeader, forged + 1)) forged++;
  for (; forged > 0; forged--) call.edits().remove_header(kHeader, forged);
  if (note && plugin.bounds.reached(mark, score)) {
    call.edits().prepend_header(kHeader, "score=" + std::to_string(score) + " lists=" + std::string(call.note(kListsNote).value_or("").substr(0, 500)));
    plugin.decided.add(1, mark);
  }
  if (!note || !plugin.bounds.reached(hold, score)) return vrd::next();
  plugin.decided.add(1, hold);
  return vrd::hold().rule("score");
}

constexpr vrd::About kAbout{"dnsbl", "1.0", "Apache-2.0", "Asks lists in the DNS about clients and domains"};

#define DNSBL_LIST_SETTINGS(P, WEIGHT)                                                                                                                      \
  vrd::setting(P ".zone", VRD_SETTING_TEXT, nullptr, "1..200", "Zone of the list: bl.example.test.", VRD_SETTING_REQUIRED),                                  \
      vrd::setting(P ".name", VRD_SETTING_TEXT, nullptr, "1..100", "Its name in replies and notes, for zones that hold a secret. Default: the zone."),       \
      vrd::setting(P ".weight", VRD_SETTING_INT, "1", "1..1000", WEIGHT),                                                                                   \
      vrd::setting(P ".codes", VRD_SETTING_NETWORK, nullptr, nullptr, "Answers that count. Default: all of 127.0.0.0/8.", VRD_SETTING_LIST),                 \
      vrd::setting(P ".kind", VRD_SETTING_CHOICE, "client", "client|helo|sender_domain", "What the list is asked about."),                                  \
      vrd::setting(P ".text", VRD_SETTING_TEXT, nullptr, "1..300", "Reply for this list, in place of its own text; {client} {name} {zone} are filled in.")

constexpr vrd_setting kSettings[] = {
    vrd::setting("lists", VRD_SETTING_RECORD, "[]", nullptr, "Lists that speak against their entries.", VRD_SETTING_LIST),
    DNSBL_LIST_SETTINGS("lists[]", "What an entry adds to the score."),
    vrd::setting("allow", VRD_SETTING_RECORD, "[]", nullptr, "Lists that speak for their entries, of clients only.", VRD_SETTING_LIST),
    DNSBL_LIST_SETTINGS("allow[]", "What an entry takes off the score."),
    vrd::setting("reject_at", VRD_SETTING_INT, "1", "0..100000", "Refuse from this score on. 0: never."),
    vrd::setting("defer_at", VRD_SETTING_INT, "0", "0..100000", "Refuse for now from this score on. 0: never."),
    vrd::setting("hold_at", VRD_SETTING_INT, "0", "0..100000", "Accept, and hold in the queue, from this score on. 0: never."),
    vrd::setting("mark_at", VRD_SETTING_INT, "0", "0..100000", "Add a field X-DNSBL from this score on. 0: never."),
    vrd::setting("query_timeout", VRD_SETTING_DURATION, "5s", "100ms..30s", "How long an answer is waited for; a list that does not answer counts 0."),
    vrd::setting("exempt", VRD_SETTING_NETWORK, "[127.0.0.0/8, \"::1\"]", nullptr, "Clients that no list is asked about.", VRD_SETTING_LIST),
    vrd::setting("private", VRD_SETTING_BOOL, "false", nullptr, "Ask about loopback, private and link-local addresses too."),
    vrd::setting("reply", VRD_SETTING_TEXT, "client {client} is listed by {zone}", "1..300", "Reply to a listed client; the list's own text comes behind it, or at {text}."),
};

using S = Dnsbl::Shard;
constexpr vrd::Hook kHooks[] = {
    vrd::hook<&S::on_connect>(VRD_STAGE_CONNECT, {.on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_helo>(VRD_STAGE_HELO, {.on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_mail>(VRD_STAGE_MAIL, {.may = VRD_MAY_NOTES, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_rcpt>(VRD_STAGE_RCPT, {.may = VRD_MAY_NOTES, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_message>(VRD_STAGE_MESSAGE, {.may = VRD_MAY_HEADERS, .needs = VRD_NEED_CONTENT, .on_fault = VRD_ON_FAULT_NEXT}),
    vrd::hook<&S::on_disconnect>(VRD_STAGE_DISCONNECT),
};

}  // namespace

VEREDUS_PLUGIN(Dnsbl, kAbout, kSettings, kHooks)
