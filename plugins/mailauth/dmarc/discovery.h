// Discovery: records and organisational domains by the walk up the tree of RFC 9989 4.10, or with a list of public suffixes as in RFC 7489.
// Remembers answers for one message. One loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mailauth/base/dns.h"
#include "mailauth/dmarc/record.h"

struct psl_ctx_st;

namespace mailauth {

// A list of public suffixes. Any thread, once made.
class PublicSuffixes {
 public:
  // A file in the form of publicsuffix.org, or the compact one of Debian's publicsuffix. Null: it cannot be read.
  static std::shared_ptr<const PublicSuffixes> load(const std::string& path);
  explicit PublicSuffixes(psl_ctx_st* list) : list_(list) {}
  ~PublicSuffixes();
  PublicSuffixes(const PublicSuffixes&) = delete;
  // The name itself if it is a public suffix.
  std::string org_domain(const std::string& domain) const;

 private:
  psl_ctx_st* list_;
};

// What is at _dmarc.DOMAIN.
struct RecordAt {
  std::string domain;
  std::optional<DmarcRecord> record;
  std::string text;     // of the record
  std::string problem;  // why there is none although something is there; or why it is not known
  bool failed = false;  // DNS does not tell
};

struct OrgDomain {
  std::string domain;
  std::string_view method;    // "treewalk", "psl"
  std::vector<RecordAt> walk;  // in the order they were asked for
  bool failed = false;        // DNS does not tell; `domain` is then the domain itself
};

class Discovery {
 public:
  explicit Discovery(Dns& dns, std::shared_ptr<const PublicSuffixes> list = nullptr) : dns_(dns), list_(std::move(list)) {}

  vrd::Task<RecordAt> record_at(std::string domain);
  vrd::Task<OrgDomain> org_domain(std::string domain);
  // The record that applies to an author domain; none: its `record` is empty.
  vrd::Task<RecordAt> policy_for(std::string author);
  // No: the name does not exist at all (RFC 9989 3.2.13).
  enum class Exists { yes, no, unknown };
  vrd::Task<Exists> exists(std::string domain);
  std::string_view method() const { return list_ ? "psl" : "treewalk"; }

 private:
  vrd::Task<OrgDomain> walk(std::string domain);
  Dns& dns_;
  std::shared_ptr<const PublicSuffixes> list_;
  std::map<std::string, RecordAt> known_;
  std::map<std::string, OrgDomain> orgs_;
};

// The names that a walk asks about, at most 8: the name itself, then its parents with at most 7 labels.
std::vector<std::string> walk_of(std::string_view domain);

}  // namespace mailauth
