// The conversation: open, turn after turn, close.
#include "inbound/session.h"

#include <algorithm>

#include "inbound/proxy_header.h"
#include "log/events.h"
#include "net/dns_name.h"

namespace veredus {

namespace {

constexpr Millis kProxyTimeout{30'000};
constexpr Millis kRateWindow{60'000};
constexpr uint32_t kErrorsUnderStress = 2;
constexpr Millis kLinger{1'000};
constexpr size_t kLingerOctets = 1 << 20;
constexpr Millis kNameTimeout{5'000};

Reply timed_out() {
  return {421, {4, 4, 2}, {"Timeout, closing"}};
}
Reply shutting_down() {
  return {421, {4, 3, 2}, {"Service is shutting down"}};
}

}  // namespace

Task<void> serve(SessionContext& context, std::unique_ptr<Stream> stream, ListenerSettings listener,
                 ConnectionTicket ticket) {
  Session session(context, std::move(stream), std::move(listener), std::move(ticket));
  co_await session.run();
}

Session::Session(SessionContext& context, std::unique_ptr<Stream> stream, ListenerSettings listener,
                 ConnectionTicket ticket)
    : context_(context),
      settings_(context.settings),
      stream_(std::move(stream)),
      listener_(std::move(listener)),
      ticket_(std::move(ticket)),
      hooks_(context.runner.begin()) {
  context_.enlist(*this);
  origin_.session = context_.next_session();
  origin_.client = stream_->peer();
  origin_.listener = listener_.address.text();
  local_ = stream_->local().ip;
}

// Also when the session is cancelled: told stages are told, counters stay right.
Session::~Session() {
  close();
  context_.strike(*this);
}

Task<void> Session::run() {
  bool opened = co_await open();
  if (opened) co_await converse();
  if (!stream_) co_return close();  // lost in a handshake
  co_await flush();
  stream_->shutdown();
  close();
  if (opened && !machine_->quit()) co_await linger();
}

// A socket closed with input unread is reset, and the reset may overtake our last reply: what still comes is read for a moment.
Task<void> Session::linger() {
  Deadline deadline = Deadline::in(context_.loop, kLinger);
  for (size_t dropped = 0; dropped < kLingerOctets;) {
    dropped += stream_->buffered().size();
    stream_->consume(stream_->buffered().size());
    Result<size_t> octets = co_await stream_->fill(deadline);
    if (!octets || *octets == 0) co_return;
  }
}

Task<bool> Session::open() {
  if (listener_.proxy) {
    bool known = co_await read_proxy_header();
    if (!known) co_return false;
    co_await find_admission();
  }
  if (listener_.tls == ListenerTls::implicit) {
    bool admitted = admission_ == Admission::ok && context_.tls;
    if (!admitted) co_return note_refused(context_.tls ? admission_name(admission_) : "no certificate", {}), false;
    bool secured = co_await secure();
    if (!secured) co_return false;
    tell(Stage::tls_done, nullptr);
  }
  find_rights();
  machine_.emplace(machine_options());
  if (!origin_.tls.empty()) machine_->tls_started();
  tighten_under_stress();
  co_await greet();
  co_return true;
}

// The client behind a balancer. Nobody but a trusted balancer may say whose connection this is.
Task<bool> Session::read_proxy_header() {
  std::string problem = "not from proxy_networks";
  if (contains(settings_->proxy_networks, stream_->peer().ip)) {
    Deadline deadline = Deadline::in(context_.loop, kProxyTimeout);
    for (;;) {
      Result<std::optional<ProxyHeader>> header = parse_proxy_header(stream_->buffered());
      if (header && *header) co_return take_proxy_header(**header), true;
      if (!header) problem = header.error().text;
      if (!header) break;
      Result<size_t> octets = co_await stream_->fill(deadline);
      if (octets && *octets > 0) continue;
      problem = "no PROXY header";
      break;
    }
  }
  context_.log.write(events::kSessionProxyFailed, {{"peer", stream_->peer().text()}, {"reason", problem}});
  ++context_.counters.connections_refused;
  co_return false;
}

void Session::take_proxy_header(const ProxyHeader& header) {
  stream_->consume(header.size);
  if (!header.known) return;
  origin_.client = header.source;
  local_ = header.destination.ip;
}

// Whether the client behind a balancer may have a connection: before it gets the work of a handshake.
Task<void> Session::find_admission() {
  if (!context_.table) co_return;
  Admitted admitted = co_await admit_on(context_.loop, *context_.table, origin_.client.ip);
  ticket_ = std::move(admitted.ticket);
  admission_ = admitted.admission;
}

// Until the banner, every refusal is a reply to the connection itself.
Task<void> Session::greet() {
  greeted_ = true;
  context_.log.write(events::kSessionConnected,
                     {{"client", client_text()}, {"listener", origin_.listener}});
  if (admission_ != Admission::ok) co_return refuse_connection(admission_reply(admission_), admission_name(admission_));
  if (context_.stopping()) co_return refuse_connection(shutting_down(), "shutdown");
  if (settings_->ptr_lookup && context_.resolver) co_await find_client_name();
  hooks_know_ = true;
  if (Asked asked = ask_hooks(Stage::connect)) {
    Ruling ruling = co_await consult(std::move(asked));
    if (ruling.refusal.code != 0) co_return refuse_connection(ruling.refusal, ruling.rule);
    keep_lasting(ruling);
    connect_edits_ = lasting_edits_.size();
  }
  machine_->greet(stream_->input_pending());
}

// A name counts only if it leads back to the address.
Task<void> Session::find_client_name() {
  Deadline deadline = Deadline::in(context_.loop, kNameTimeout);
  const IpAddress& ip = origin_.client.ip;
  auto names = co_await context_.resolver->query(reverse_name(ip), DnsType::ptr, deadline);
  if (names->records.empty()) co_return;
  std::string name = names->records.front().text;
  DnsType type = ip.family == 4 ? DnsType::a : DnsType::aaaa;
  auto back = co_await context_.resolver->query(name, type, deadline);
  for (const DnsRecord& record : back->records)
    if (record.address == ip) origin_.client_name = name;
}

void Session::note_refused(std::string_view reason, std::string_view reply) {
  context_.log.write(events::kSessionRefused, {{"client", client_text()}, {"reason", reason}, {"reply", reply}});
  ++context_.counters.connections_refused;
}

void Session::refuse_connection(Reply reply, std::string_view reason) {
  note_refused(reason, reply.joined());
  end_reason_ = "refused";
  machine_->refuse_connection(std::move(reply));
}

ServerOptions Session::machine_options() const {
  const LimitsSettings& limits = settings_->limits;
  ServerOptions options;
  options.hostname = settings_->hostname;
  options.lmtp = listener_.role == Role::lmtp;
  options.auth_required = listener_.role == Role::submission;
  options.starttls = listener_.tls == ListenerTls::starttls && context_.tls && context_.tls->offers_tls();
  options.auth_mechanisms = auth_mechanisms(!origin_.tls.empty());
  if (options.starttls) options.auth_inside_tls = auth_mechanisms(true);
  options.xclient = contains(settings_->xclient_networks, origin_.client.ip);
  options.normalise_newlines = settings_->bare_newlines == BareNewlines::normalise &&
                               contains(settings_->normalise_networks, origin_.client.ip);
  options.message_size = limits.message_size;
  options.header_size = limits.header_size;
  options.command_line = limits.command_line;
  options.auth_line = limits.auth_line;
  options.recipients = limits.recipients;
  options.errors = limits.errors;
  options.junk_commands = limits.junk_commands;
  if (submitter_) make_local(options);
  return options;
}

void Session::tighten_under_stress() {
  if (tightened_ || !ticket_.stressed()) return;
  tightened_ = true;
  machine_->limit_errors(std::min(settings_->limits.errors, kErrorsUnderStress));
}

Task<void> Session::converse() {
  while (!over_) {
    if (flush_) {
      co_await flush();
      bool go = std::exchange(starting_tls_, false) && !over_ && !machine_->closing();
      if (go) co_await start_tls();
      if (over_) break;
    }
    ServerMachine::Advance advance = machine_->advance(stream_->buffered(), early());
    if (!take_now(advance)) co_await perform(advance);
  }
}

// The steps that need no waiting; false: nothing was done.
bool Session::take_now(ServerMachine::Advance& advance) {
  if (auto* content = std::get_if<Content8>(&advance.step)) {
    bool taken = transaction_->streams ? transaction_->gather(content->octets) : transaction_->append_now(content->octets);
    if (!taken) return false;
  } else if (auto* send = std::get_if<Send>(&advance.step)) {
    gather(*send);
  } else if (auto* done = std::get_if<HeadersDone>(&advance.step)) {
    if (!headers_now(*done)) return false;
  } else if (std::holds_alternative<TransactionReset>(advance.step)) {
    abort_transaction("reset");
  } else if (std::holds_alternative<Close>(advance.step)) {
    over_ = true;
  } else if (!std::holds_alternative<Again>(advance.step)) {
    return false;
  }
  stream_->consume(advance.consumed);
  progress_ = true;
  return true;
}

// The steps that may wait. Octets that a step points to are copied before they are given up.
Task<void> Session::perform(ServerMachine::Advance& advance) {
  std::string content;
  if (auto* piece = std::get_if<Content8>(&advance.step)) content = piece->octets;
  stream_->consume(advance.consumed);
  if (std::holds_alternative<NeedInput>(advance.step)) return need_input();
  progress_ = true;
  if (auto* mail = std::get_if<AskMail>(&advance.step)) return on_mail(*mail);
  if (std::holds_alternative<AskRcpt>(advance.step)) return on_rcpt();
  if (auto* data = std::get_if<AskData>(&advance.step)) return on_data(data->bdat);
  if (std::holds_alternative<Content8>(advance.step)) return on_content(std::move(content));
  if (std::holds_alternative<HeadersDone>(advance.step)) return on_headers();
  if (auto* end = std::get_if<AskEnd>(&advance.step)) return on_end(std::move(*end));
  if (auto* helo = std::get_if<AskHelo>(&advance.step)) return on_helo(std::move(*helo));
  if (auto* xclient = std::get_if<AskXclient>(&advance.step)) return on_xclient(std::move(*xclient));
  if (std::holds_alternative<AskStartTls>(advance.step)) return on_starttls();
  if (auto* auth = std::get_if<AskAuth>(&advance.step)) return on_auth(std::move(*auth));
  if (auto* line = std::get_if<AskAuthLine>(&advance.step)) return on_auth_line(std::move(*line));
  if (auto* local = std::get_if<AskLocal>(&advance.step)) return on_local(std::move(*local));
  return on_other();
}

void Session::gather(const Send& send) {
  if (send.octets[0] == '5' && !std::exchange(refusal_logged_, false))
    context_.log.write(events::kCommandRefused, {{"client", client_text()},
                                                 {"reply", send.octets.substr(0, send.octets.find('\r'))}});
  out_.append(send.octets);
  flush_ = flush_ || send.flush;
}

Task<void> Session::flush() {
  flush_ = false;
  if (out_.empty()) co_return;
  Status written = co_await stream_->write(std::exchange(out_, {}),
                                           Deadline::in(context_.loop, settings_->limits.command_timeout));
  if (written) co_return;
  if (!over_) end_reason_ = written.error().code == Errc::timeout ? "timeout" : "lost";
  over_ = true;
}

Task<void> Session::need_input() {
  co_await flush();
  if (over_) co_return;
  if (context_.stopping() && machine_->idle_before_mail()) co_return machine_->end(shutting_down());
  waiting_ = true;
  Result<size_t> octets = co_await stream_->fill(input_deadline());
  waiting_ = false;
  tighten_under_stress();
  note_input(octets);
}

// A command has its time as a whole, so that a client cannot drip it in; data has it for every read.
Deadline Session::input_deadline() {
  const LimitsSettings& limits = settings_->limits;
  bool data = machine_->receiving_data();
  bool stressed = ticket_.stressed();
  if (data) {
    Deadline deadline = Deadline::in(context_.loop, limits.data_timeout);
    if (!stressed || limits.minimum_data_rate == 0) return deadline;
    return deadline.sooner(Deadline::in(context_.loop, kRateWindow));
  }
  if (std::exchange(progress_, false))
    command_deadline_ =
        Deadline::in(context_.loop, stressed ? limits.stress_timeout : limits.command_timeout);
  return command_deadline_;
}

void Session::note_input(const Result<size_t>& octets) {
  if (over_ || machine_->closing()) return;
  if (octets && *octets > 0) {
    octets_ += *octets;
    if (too_slow_or_too_much(*octets)) end_reason_ = "limit";
    return;
  }
  if (!octets && octets.error().code == Errc::timeout) {
    ++context_.counters.timeouts;
    end_reason_ = "timeout";
    context_.log.write(events::kSessionTimeout,
                       {{"client", client_text()}, {"data", machine_->receiving_data()}});
    return machine_->end(timed_out());
  }
  end_reason_ = "lost";
  over_ = true;
  abort_transaction("lost");
}

bool Session::too_slow_or_too_much(size_t octets) {
  const LimitsSettings& limits = settings_->limits;
  if (limits.bytes_per_connection > 0 && octets_ > limits.bytes_per_connection) {
    machine_->end({421, {4, 7, 0}, {"Too many octets in one connection"}});
    return true;
  }
  if (limits.minimum_data_rate == 0 || !ticket_.stressed() || !machine_->receiving_data()) {
    rate_window_ = MonoTime{};
    return false;
  }
  MonoTime now = context_.loop.now();
  if (rate_window_ == MonoTime{}) {
    rate_window_ = now;
    rate_octets_ = 0;
  }
  rate_octets_ += octets;
  if (now - rate_window_ < kRateWindow) return false;
  bool slow = rate_octets_ < uint64_t{limits.minimum_data_rate} * 60;
  rate_window_ = MonoTime{};
  if (slow) machine_->end({421, {4, 7, 0}, {"Data comes too slowly"}});
  return slow;
}

void Session::say_goodbye_if_idle() {
  if (!waiting_ || over_ || !machine_ || !machine_->idle_before_mail()) return;
  std::string goodbye = shutting_down().wire();
  std::string_view view = goodbye;
  (void)stream_->try_write({&view, 1});
  stream_->close();  // nothing unread is left there, so the client gets the 421
  end_reason_ = "shutdown";
  over_ = true;
}

void Session::close() {
  if (!std::exchange(greeted_, false)) return;
  InboundCounters& counters = context_.counters;
  abort_transaction("closed");
  if (machine_->broke_early_rule()) {
    ++counters.early_talkers;
    end_reason_ = "early talker";
    context_.log.write(events::kSessionEarlyTalker,
                       {{"client", client_text()}, {"helo", origin_.helo}});
  } else if (machine_->too_many_errors()) {
    ++counters.too_many_errors;
    end_reason_ = "too many errors";
    ticket_.ban_client();
    context_.log.write(events::kSessionTooManyErrors,
                       {{"client", client_text()}, {"errors", machine_->error_count()}});
    if (settings_->limits.ban > Millis(0))
      context_.log.write(events::kSessionBanned, {{"client", client_text()}});
  }
  if (end_reason_ == "quit" && !machine_->quit()) end_reason_ = "refused";
  if (hooks_know_) tell(Stage::disconnect, nullptr);
  if (end_reason_ == "quit" && !context_.log.wants(Severity::debug)) return;
  context_.log.write(events::kSessionEnded, {{"client", client_text()},
                                             {"reason", end_reason_},
                                             {"messages", messages_},
                                             {"octets", octets_},
                                             {"errors", machine_->error_count()}});
}

void SessionContext::enlist(Session& session) {
  ++counters.connections;
  ++counters.sessions;
  session.next_ = first_;
  if (first_) first_->previous_ = &session;
  first_ = &session;
}

void SessionContext::strike(Session& session) {
  --counters.sessions;
  (session.previous_ ? session.previous_->next_ : first_) = session.next_;
  if (session.next_) session.next_->previous_ = session.previous_;
}

void SessionContext::stop() {
  stopping_ = true;
  for (Session* session = first_; session; session = session->next_) session->say_goodbye_if_idle();
}

}  // namespace veredus
