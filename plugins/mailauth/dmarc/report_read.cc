// A stream of nodes → the report. Elements are known by their path; what is not known is an extension, and is passed over.
#include "mailauth/dmarc/report_read.h"

#include <libxml/xmlreader.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "common/text.hpp"

namespace mailauth {

namespace {

using common::trimmed;
constexpr size_t kMostProblems = 50, kMostErrors = 50, kMostSignatures = 100, kMostReasons = 20;

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    auto lead = static_cast<unsigned char>(text[i]);
    size_t more = lead < 0x80 ? 0 : lead >= 0xC2 && lead < 0xE0 ? 1 : lead >= 0xE0 && lead < 0xF0 ? 2 : lead >= 0xF0 && lead < 0xF5 ? 3 : 9;
    if (more == 9 || text.size() - i <= more) return false;
    for (size_t k = 1; k <= more; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    i += more + 1;
  }
  return true;
}

// The encoding that the document names does not count: UTF-8, or else Latin-1. So markup looks to us as it does to the parser.
std::string in_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string out;
  for (char c : text) {
    auto u = static_cast<unsigned char>(c);
    if (u < 0x80) out += c;
    else (out += static_cast<char>(0xC0 | u >> 6)) += static_cast<char>(0x80 | (u & 0x3F));
  }
  return out;
}

std::string_view text_of(const xmlChar* text) { return text ? reinterpret_cast<const char*>(text) : std::string_view(); }

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

class Reader {
 public:
  Reader(const std::string& xml, const ReadLimits& limits) : limits_(limits) {
    reader_.reset(xmlReaderForMemory(xml.data(), static_cast<int>(xml.size()), nullptr, "UTF-8",
                                     XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA));
  }

  ReadReport run() {
    int state = reader_ ? xmlTextReaderRead(reader_.get()) : -1;
    while (state == 1 && !stopped_) state = node() ? xmlTextReaderNext(reader_.get()) : xmlTextReaderRead(reader_.get());
    if (state < 0 && !stopped_) fail("line " + std::to_string(line()) + ": this is no XML that can be read to its end");
    else if (!root_ && !stopped_) fail("there is no element 'feedback'");
    if (out_.readable) check_whole();
    return std::move(out_);
  }

 private:
  struct Free {
    void operator()(xmlTextReader* reader) const { xmlFreeTextReader(reader); }
  };
  int line() const { return reader_ ? xmlTextReaderGetParserLineNumber(reader_.get()) : 0; }
  void problem(const std::string& text) {
    ++out_.problem_count;
    if (out_.problems.size() < kMostProblems) out_.problems.push_back("line " + std::to_string(line()) + ": " + text);
  }
  void fail(std::string text) {
    out_.readable = false;
    out_.problems.insert(out_.problems.begin(), std::move(text));
    ++out_.problem_count;
    stopped_ = true;
  }

  // True: the node is to be passed over with all that is in it.
  bool node() {
    switch (xmlTextReaderNodeType(reader_.get())) {
      case XML_READER_TYPE_ELEMENT: return element();
      case XML_READER_TYPE_END_ELEMENT: end(); break;
      case XML_READER_TYPE_TEXT:
      case XML_READER_TYPE_CDATA:
      case XML_READER_TYPE_SIGNIFICANT_WHITESPACE: add_text(); break;
      case XML_READER_TYPE_DOCUMENT_TYPE: fail("it has a document type, which may define entities: such reports are not read"); break;
      case XML_READER_TYPE_ENTITY_REFERENCE: problem("it refers to an entity"); break;
      default: break;
    }
    return false;
  }
  bool element() {
    if (xmlTextReaderDepth(reader_.get()) >= limits_.depth)
      return fail("elements are more than " + std::to_string(limits_.depth) + " deep in one another"), false;
    std::string_view name = text_of(xmlTextReaderConstLocalName(reader_.get())),
                     space = text_of(xmlTextReaderConstNamespaceUri(reader_.get()));
    if (!root_) return begin(name, space), false;
    if (space != out_.space) return true;
    bool empty = xmlTextReaderIsEmptyElement(reader_.get()) == 1;
    marks_.push_back(path_.size());
    (path_ += '/') += name.substr(0, 100);
    text_.clear();
    if (path_ == "/record") start_record();
    else if (path_ == "/record/auth_results/dkim") signature_ = {};
    else if (path_ == "/record/row/policy_evaluated/reason") reason_ = {};
    if (empty) end();
    return false;
  }
  void begin(std::string_view name, std::string_view space) {
    root_ = true;
    if (name != "feedback") return fail("the root element is '" + std::string(name.substr(0, 100)) + "', and not 'feedback'");
    out_.readable = true;
    out_.space = space.substr(0, 200);
    if (!one_of(space, {"", kReportNamespace, "http://dmarc.org/dmarc-xml/0.1"})) problem("the namespace is none of DMARC");
  }
  void add_text() {
    std::string_view text = text_of(xmlTextReaderConstValue(reader_.get()));
    if (text_.size() < limits_.text) text_ += text.substr(0, limits_.text - text_.size());
  }
  void end() {
    if (marks_.empty()) return;  // of the root
    std::string value(trimmed(text_));
    text_.clear();
    if (path_.starts_with("/record")) record_value(std::string_view(path_).substr(7), value);
    else if (path_.starts_with("/report_metadata/")) metadata(std::string_view(path_).substr(17), value);
    else if (path_.starts_with("/policy_published/")) policy(std::string_view(path_).substr(18), value);
    else if (path_ == "/version") out_.version = value;
    path_.resize(marks_.back());
    marks_.pop_back();
  }

  int64_t time(std::string_view name, const std::string& value) {
    int64_t out = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    bool good = error == std::errc() && end == value.data() + value.size() && out >= 0 && out < 253'402'300'800;
    if (!good) problem("'" + std::string(name) + "' is no time in seconds: '" + value.substr(0, 60) + "'");
    return good ? out : 0;
  }
  void metadata(std::string_view name, const std::string& value) {
    AggregateReport& report = out_.report;
    if (name == "org_name") report.org = value;
    else if (name == "email") report.email = value;
    else if (name == "extra_contact_info") report.contact = value;
    else if (name == "report_id") report.id = value;
    else if (name == "generator") report.generator = value;
    else if (name == "error" && report.errors.size() < kMostErrors) report.errors.push_back(value);
    else if (name == "date_range/begin") report.begin = time(name, value);
    else if (name == "date_range/end") report.end = time(name, value);
  }
  void policy(std::string_view name, const std::string& value) {
    ReportPolicy& policy = out_.report.policy;
    std::pair<std::string_view, std::string*> known[] = {{"domain", &policy.domain},
                                                         {"p", &policy.p},
                                                         {"sp", &policy.sp},
                                                         {"np", &policy.np},
                                                         {"adkim", &policy.adkim},
                                                         {"aspf", &policy.aspf},
                                                         {"fo", &policy.fo},
                                                         {"testing", &policy.testing},
                                                         {"discovery_method", &policy.method}};
    for (auto& [key, place] : known)
      if (key == name) *place = value;
    if (one_of(name, {"p", "sp", "np"}) && !value.empty() && !one_of(value, {"none", "quarantine", "reject"}))
      problem("'" + std::string(name) + "' is no policy: '" + value.substr(0, 60) + "'");
  }

  void start_record() {
    row_ = {};
    count_ = 0;
    counted_ = false;
  }
  void record_value(std::string_view name, const std::string& value) {
    if (name.empty()) return finish_record();
    name.remove_prefix(1);
    if (name == "row/source_ip") row_.source = value;
    else if (name == "row/count") count(value);
    else if (name.starts_with("row/policy_evaluated/")) evaluated(name.substr(21), value);
    else if (name == "identifiers/header_from") row_.header_from = value;
    else if (name == "identifiers/envelope_from") row_.envelope_from = value;
    else if (name == "identifiers/envelope_to") row_.envelope_to = value;
    else if (name.starts_with("auth_results/")) results(name.substr(13), value);
  }
  void count(const std::string& value) {
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count_);
    counted_ = error == std::errc() && end == value.data() + value.size() && !value.empty() && count_ < 1'000'000'000'000;
    if (!counted_) problem("'count' is no number of messages: '" + value.substr(0, 60) + "'");
  }
  void evaluated(std::string_view name, const std::string& value) {
    if (name == "disposition") {
      row_.disposition = value;
      if (!one_of(value, {"none", "pass", "quarantine", "reject"}))
        problem("'disposition' is none of none, pass, quarantine, reject: '" + value.substr(0, 60) + "'");
    } else if (name == "dkim" || name == "spf") {
      (name == "dkim" ? row_.dkim : row_.spf) = value == "pass";
      if (!one_of(value, {"pass", "fail"}))
        problem("policy_evaluated: '" + std::string(name) + "' is neither pass nor fail: '" + value.substr(0, 60) + "'");
    } else if (name == "reason/type") reason_.type = value;
    else if (name == "reason/comment") reason_.comment = value;
    else if (name == "reason" && row_.reasons.size() < kMostReasons) row_.reasons.push_back(std::move(reason_));
  }
  void results(std::string_view name, const std::string& value) {
    if (name == "dkim/domain") signature_.domain = value;
    else if (name == "dkim/selector") signature_.selector = value;
    else if (name == "dkim/result") signature_.result = value;
    else if (name == "dkim" && row_.signatures.size() < kMostSignatures) row_.signatures.push_back(std::move(signature_));
    else if (name == "spf/domain") row_.spf_domain = value;
    else if (name == "spf/result") row_.spf_result = value;
  }
  void finish_record() {
    auto& rows = out_.report.rows;
    if (rows.size() >= limits_.records) {
      problem("it has more than " + std::to_string(limits_.records) + " records; the others are not read");
      stopped_ = true;
      return;
    }
    bool address =
        !row_.source.empty() && row_.source.size() <= 45 && row_.source.find_first_not_of("0123456789abcdefABCDEF:.") == std::string::npos;
    if (!address) problem("'source_ip' is no address: '" + row_.source.substr(0, 60) + "'");
    rows.emplace_back(std::move(row_), counted_ ? count_ : 0);
  }
  void check_whole() {
    const AggregateReport& report = out_.report;
    if (report.policy.domain.empty()) problem("policy_published has no 'domain'");
    if (report.org.empty()) problem("report_metadata has no 'org_name'");
    if (report.id.empty()) problem("report_metadata has no 'report_id'");
    if (report.end < report.begin) problem("the time of the report ends before it begins");
    if (report.rows.empty()) problem("there is no 'record'");
  }

  const ReadLimits& limits_;
  std::unique_ptr<xmlTextReader, Free> reader_;
  ReadReport out_;
  std::string path_, text_;
  std::vector<size_t> marks_;
  ReportRow row_;
  ReportDkim signature_;
  ReportReason reason_;
  uint64_t count_ = 0;
  bool root_ = false, counted_ = false, stopped_ = false;
};

ReadReport unread(std::string why) {
  ReadReport out;
  out.problems.push_back(std::move(why));
  out.problem_count = 1;
  return out;
}

}  // namespace

ReadReport read_report(std::string_view xml, const ReadLimits& limits) {
  if (xml.find('\0') != xml.npos) return unread("it has octets of value 0: it is neither UTF-8 nor ASCII");
  if (xml.size() > (size_t{1} << 30)) return unread("it is too large");
  // Before the parser sees it: what a document type defines need not be read to be refused.
  if (xml.find("<!DOCTYPE") != xml.npos || xml.find("<!ENTITY") != xml.npos)
    return unread("it has a document type, which may define entities: such reports are not read");
  std::string text = in_utf8(xml);
  return Reader(text, limits).run();
}

}  // namespace mailauth
