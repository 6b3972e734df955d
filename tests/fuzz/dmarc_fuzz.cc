// Fuzz target: From fields, records, and reports as XML, in archives and in mails. The first octet chooses the reader. What is read must be
// bounded, names must be names, and what was read must be the same when it is written and read again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <nlohmann/json.hpp>

#include "mailauth/dmarc/author.h"
#include "mailauth/dmarc/discovery.h"
#include "mailauth/dmarc/report_summary.h"
#include "mailauth/dmarc/unpack.h"

namespace {

using namespace mailauth;

void require(bool condition) {
  if (!condition) std::abort();
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 253 && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == name.npos &&
         name.find("..") == name.npos && name.front() != '.' && name.back() != '.';
}

void author(std::string_view text) {
  for (const Author& one : {read_author({text}), author_of_message(text)}) {
    bool readable = one.state == AuthorState::one || one.state == AuthorState::several;
    require(readable == !one.domains.empty());
    require((one.state == AuthorState::one) == one.problem.empty());
    for (const std::string& name : one.domains) {
      require(is_plain_name(name) && domain_of(name) == name);
      require(walk_of(name).size() <= 8);
    }
  }
}

void record(std::string_view text) {
  for (const ReportUri& uri : read_report_uris(text)) require(uri.address.find_first_of("\r\n <>") == std::string::npos);
  if (!is_dmarc_record(text)) return;
  DmarcRecord one = read_dmarc_record(text);
  require(one.rua.size() <= 20 && one.problems.size() <= 20);
  require(one.psd == 'y' || one.psd == 'n' || one.psd == 'u');
  require(one.usable || one.rua.empty());
}

void report(std::string_view xml) {
  ReadLimits limits;
  limits.records = 1'000;
  ReadReport read = read_report(xml, limits);
  require(read.problems.size() <= 51 && read.report.rows.size() <= limits.records);
  require(read.readable || !read.problems.empty());
  summary_text(read, "x");
  summary_json(read, "x").dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  for (const auto& [row, count] : read.report.rows) {
    std::string text = encoded(row);
    require(text.size() < 32 * 1024);
    auto back = decoded_row(text);
    require(back && encoded(*back) == text);
  }
  std::string again = report_xml(read.report);
  ReadReport second = read_report(again, limits);
  require(second.readable && second.report.rows.size() == read.report.rows.size());
}

void archive(std::string_view octets) {
  UnpackLimits limits;
  limits.all = 1 << 20;
  Unpacked found = unpack_reports(octets, limits);
  size_t all = 0;
  for (const auto& one : found.documents) all += one.xml.size();
  require(found.documents.size() <= limits.documents && all <= limits.all);
  require(!found.documents.empty() || !found.problems.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: author(text); break;
    case 1: record(text); break;
    case 2: report(text); break;
    default: archive(text);
  }
  return 0;
}
