// Implementation of the counts. Duplicates are counted per X-Load-Id and recipient.
#include "sink/counts.h"

#include <sys/resource.h>

#include <functional>
#include <utility>

namespace veredus::tools {
namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto micros = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(micros) / 1e6;
}

}  // namespace

void Counts::arrived(const Arrival& arrival, std::string_view id, double time) {
  ++messages;
  octets += arrival.size;
  recipients += arrival.rcpts.size();
  if (first == 0) first = time;
  last = time;
  if (id == "-") return;
  const std::hash<std::string_view> hash;
  const auto id_hash = hash(id) * 0x9e3779b97f4a7c15ULL;
  for (const auto& rcpt : arrival.rcpts) {
    if (!seen_.insert(id_hash ^ hash(rcpt)).second) ++duplicates_;
  }
}

void Counts::forget() {
  Counts fresh;
  fresh.open = fresh.most_open = open;
  *this = std::move(fresh);
}

std::string Counts::json() const {
  JsonObject all;
  all.add("messages", messages).add("recipients", recipients).add("duplicates", duplicates_);
  all.add("distinct", static_cast<std::uint64_t>(seen_.size())).add("octets", octets);
  all.add("transactions", transactions).add("refused", refused).add("rejected", rejected);
  all.add("faults", faults).add("broken_off", broken_off).add("connections", connections);
  all.add("open", open).add("most_open", most_open).add("turned_away", turned_away);
  all.add("first", first).add("last", last);
  all.add("rate", last > first ? static_cast<double>(messages - 1) / (last - first) : 0.0);
  all.add("cpu_seconds", cpu_seconds());
  return all.text();
}

}  // namespace veredus::tools
