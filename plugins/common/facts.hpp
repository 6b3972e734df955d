// What a rule looks at while it is decided: the view, which recipient it is about, answers of tables, the budget of regular expressions.
// Lives for one decision on one loop.
#ifndef VEREDUS_PLUGINS_COMMON_FACTS_HPP
#define VEREDUS_PLUGINS_COMMON_FACTS_HPP

#include <veredus/plugin.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/answers.hpp"
#include "common/patterns.hpp"
#include "common/regex.hpp"

namespace common {

/** What a condition or a rule says. `unknown`: a table must be asked first. `failed`: it cannot be decided now. */
enum class Holds { no, yes, unknown, failed };

class Facts {
 public:
  Facts(const vrd::View& shown, uint32_t number, Answers& tables, Budget& steps) : view(shown), stage(number), answers(tables), budget(steps) {}

  const vrd::View& view;
  const uint32_t stage;
  Answers& answers;
  Budget& budget;
  /** The recipient that the rule is about; none: any recipient of the message. At `rcpt` the view itself is about one. */
  std::optional<uint32_t> recipient;
  /** Why something failed, for the log. */
  std::string why;
  /** What costly conditions said, where they do not depend on the recipient. */
  std::map<const void*, Holds> known;

  /** Whether `test` holds for the recipient, or for any. `test(address, domain)` gives a Holds. */
  template <class Test>
  Holds any_recipient(Test test) const {
    if (stage == VRD_STAGE_RCPT && !recipient) return test(view.text(VRD_ATTR_RECIPIENT), view.text(VRD_ATTR_RECIPIENT_DOMAIN));
    Holds all = Holds::no;
    const uint32_t first = recipient.value_or(0), end = recipient ? first + 1 : view.recipients();
    for (uint32_t i = first; i < end && all != Holds::yes; i++) {
      const Holds one = test(view.text(VRD_ATTR_RECIPIENT, i), view.text(VRD_ATTR_RECIPIENT_DOMAIN, i));
      if (one == Holds::yes || one == Holds::failed || all == Holds::no) all = one;
    }
    return all;
  }

  /** Whether an expression matches; `failed` when the budget is used up. */
  Holds matches(const Regex& regex, std::string_view text) {
    const Match found = regex.match(text, budget);
    if (found == Match::limit) why = "a regular expression needs too many steps";
    return found == Match::limit ? Holds::failed : found == Match::yes ? Holds::yes : Holds::no;
  }
};

/** A header value on one line: line ends away, blanks at both ends too. */
inline std::string unfolded(std::string_view value) {
  std::string out;
  for (char c : value)
    if (c != '\r' && c != '\n') out += c;
  const size_t begin = out.find_first_not_of(" \t");
  if (begin == out.npos) return {};
  return out.substr(begin, out.find_last_not_of(" \t") - begin + 1);
}

inline std::string address_key(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == address.npos) return std::string(address);
  return std::string(address.substr(0, at)) + lowered(address.substr(at));
}

}  // namespace common
#endif
