// Implementation of message making. The pool is filled once from --body-seed; a message is a prefix of it.
#include "load/message.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <iterator>

#include "common/text.h"

namespace veredus::tools {
namespace {

constexpr std::size_t kLine = 78;  // octets of a body line with its CRLF
constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,";

std::string make_pool(std::uint64_t seed, std::size_t size) {
  std::mt19937_64 random(seed);
  std::string pool;
  pool.reserve(size + kLine);
  while (pool.size() < size) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < kLine - 2; ++i) {
      if (i % 10 == 0) bits = random();
      pool += kAlphabet[bits & 63];
      bits >>= 6;
    }
    pool += "\r\n";
  }
  return pool;
}

void append_date(std::string& out) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[48];
  const auto length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &parts);
  out.append(text, length);
}

}  // namespace

bool SizeSource::configure(const LoadOptions& options) {
  random_.seed(options.body_seed);
  const std::string_view text = options.sizes;
  if (text.empty()) {
    sizes_ = {options.size};
    weights_ = std::discrete_distribution<std::size_t>({1.0});
    largest_ = options.size;
    return true;
  }
  if (text == "production") return configure_lognormal("40KiB:5MiB:20MiB");
  if (text.starts_with("lognormal:")) return configure_lognormal(text.substr(10));
  return configure_weights(text);
}

bool SizeSource::configure_lognormal(std::string_view parameters) {
  const auto parts = split(parameters, ':');
  if (parts.size() < 2 || parts.size() > 3) return false;
  const auto median = parse_size(parts[0]);
  const auto p99 = parse_size(parts[1]);
  const auto most = parts.size() == 3 ? parse_size(parts[2]) : parse_size("40MiB");
  if (!median || !p99 || !most || *median == 0 || *p99 < *median || *most < *p99) return false;
  const double middle = std::log(static_cast<double>(*median));
  constexpr double kNormalP99 = 2.3263;
  const double sigma = (std::log(static_cast<double>(*p99)) - middle) / kNormalP99;
  lognormal_ = std::lognormal_distribution<double>(middle, sigma);
  use_lognormal_ = true;
  largest_ = *most;
  return true;
}

bool SizeSource::configure_weights(std::string_view list) {
  std::vector<double> weights;
  for (const auto item : split(list, ',')) {
    const auto colon = item.find(':');
    const auto size = parse_size(item.substr(0, colon));
    const auto weight = colon == std::string_view::npos ? 1.0 : parse_decimal(item.substr(colon + 1));
    if (!size || !weight) return false;
    sizes_.push_back(*size);
    weights.push_back(*weight);
    largest_ = std::max<std::size_t>(largest_, *size);
  }
  weights_ = std::discrete_distribution<std::size_t>(weights.begin(), weights.end());
  return true;
}

std::size_t SizeSource::next() {
  if (!use_lognormal_) return sizes_.size() == 1 ? sizes_[0] : sizes_[weights_(random_)];
  return std::min(largest_, static_cast<std::size_t>(lognormal_(random_)));
}

bool MessageMaker::read_content() {
  if (options_.content_file.empty()) return true;
  std::ifstream file(options_.content_file, std::ios::binary);
  content_.assign(std::istreambuf_iterator<char>(file), {});
  return content_.ends_with("\r\n") && content_.front() != '.' && content_.find("\n.") == std::string::npos;
}

bool MessageMaker::configure() {
  if (!read_content()) return false;
  if (!sizes_.configure(options_)) return false;
  pool_ = make_pool(options_.body_seed, sizes_.largest());
  return true;
}

void MessageMaker::append_pattern(std::string& out, std::string_view pattern, std::uint64_t number,
                                  std::uint64_t index) const {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char next = pattern[i] == '%' && i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (next == 'd') {
      append_number(out, number);
    } else if (next == 'r') {
      append_number(out, index);
    } else if (next == 'n') {
      append_number(out, (number * options_.rcpts + index) % std::max<std::uint64_t>(options_.to_domains, 1));
    } else {
      out += pattern[i];
      continue;
    }
    ++i;
  }
}

void MessageMaker::append_recipient(std::string& out, std::uint64_t number, std::uint64_t index) const {
  append_pattern(out, options_.rcpt, number, index);
}

void MessageMaker::make_header(Message& message) const {
  auto& header = message.header;
  header.assign("From: <").append(message.from).append(">\r\nTo: <");
  append_recipient(header, message.number, 0);
  header.append(">\r\nSubject: load ").append(message.tag).append("\r\nDate: ");
  append_date(header);
  header.append("\r\nMessage-ID: <").append(message.tag).append("@load.test>\r\nX-Load-Id: ");
  header.append(message.tag).append("\r\n\r\n");
}

void MessageMaker::make(std::uint64_t number, Message& message) {
  message.number = number;
  message.tag.assign(options_.tag).append("-");
  append_number(message.tag, number);
  message.from.clear();
  append_pattern(message.from, options_.from, number, 0);
  if (!content_.empty()) {
    message.header.assign("X-Load-Id: ").append(message.tag).append("\r\n");
    message.body = content_;
    message.tail.clear();
    return;
  }
  make_header(message);
  const std::size_t wanted = sizes_.next();
  const std::size_t body = wanted > message.header.size() + 2 ? wanted - message.header.size() : 2;
  std::size_t lines = body / kLine;
  std::size_t rest = body % kLine;
  if (rest == 1 && lines > 0) {
    rest += kLine;
    --lines;
  }
  message.body = std::string_view(pool_).substr(0, lines * kLine);
  message.tail.clear();
  if (rest >= 2) message.tail.append(rest - 2, '=').append("\r\n");
}

}  // namespace veredus::tools
