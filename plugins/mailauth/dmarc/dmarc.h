// DMARC (RFC 9989): author domain, results of SPF and DKIM → pass or fail, and what the domain asks to be done. Story of one message:
// read_author() → check_dmarc() → the answer, of which a plugin makes a decision and a row of a report. One loop.
#pragma once

#include "mailauth/dmarc/author.h"
#include "mailauth/dmarc/discovery.h"

namespace mailauth {

struct DmarcSpf {
  std::string domain;  // of MAIL FROM; with a null sender the HELO name
  std::string result;  // word of RFC 8601
};
struct DmarcDkim {
  std::string domain, selector, result;
};

struct DmarcInput {
  std::vector<std::string> authors;  // domains, as read_author() has them
  std::vector<DmarcSpf> spf;
  std::vector<DmarcDkim> dkim;
};

// Of one author domain.
struct DmarcAnswer {
  std::string result = "none";  // pass, fail, none, temperror, permerror
  std::string problem;          // a sentence: why it is none, temperror, permerror or fail
  std::string author;           // the author domain
  std::string org;              // its organisational domain, once it was asked for
  RecordAt policy_at;           // where the record is, and what it is
  std::string_view tag = "p";   // which tag applies: p, sp, np
  DmarcPolicy policy = DmarcPolicy::none;       // as published for this author domain
  DmarcPolicy effective = DmarcPolicy::none;    // the same after t=y
  DmarcPolicy disposition = DmarcPolicy::none;  // what the domain asks to be done with this message: effective, and none unless it fails
  bool testing = false;                         // t=y made the disposition milder
  bool spf_aligned = false, dkim_aligned = false;  // with a pass: what makes the message pass
  std::vector<size_t> aligned_dkim;             // positions in the input
  std::string_view method = "treewalk";
};

struct DmarcOptions {
  std::shared_ptr<const PublicSuffixes> list;  // null: tree walk
  size_t most_authors = 4;                     // of more only the first are looked at, and the result is never pass
};

// Several author domains: each is checked, and the answer is that of the one that fails with the strictest wish (RFC 9989 11.5).
vrd::Task<DmarcAnswer> check_dmarc(Dns& dns, DmarcInput input, DmarcOptions options);

}  // namespace mailauth
