// Regular expressions of rules: PCRE2 on octets, with bounds, so that neither an expression nor a message can hold a loop up. Every run
// pays from a budget that a hook call has once: one step for each item of the expression that is tried, and one for every 16 octets that
// an item runs over. An object is immutable: any thread.
#ifndef VEREDUS_PLUGINS_COMMON_REGEX_HPP
#define VEREDUS_PLUGINS_COMMON_REGEX_HPP

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace common {

/** What the regular expressions of one hook call may cost together: about two milliseconds. */
struct Budget {
  int64_t steps = 100'000;
};

enum class Match { no, yes, limit };

class Regex {
 public:
  static constexpr size_t kLongestPattern = 1024;
  /** Octets of a text that are looked at; the rest is as if it were not there. */
  static constexpr size_t kLongestText = 8192;
  static constexpr size_t kLongestResult = 65'536;
  using Groups = std::vector<std::string_view>;

  /** Throws std::invalid_argument with what is wrong and where. */
  explicit Regex(std::string_view pattern) {
    if (pattern.size() > kLongestPattern) throw std::invalid_argument("the regular expression is longer than 1024 octets");
    int error = 0;
    size_t at = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), kOptions, &error, &at, nullptr));
    if (code_ == nullptr) throw std::invalid_argument("in the regular expression, at octet " + std::to_string(at + 1) + ": " + text_of(error));
  }

  Match match(std::string_view text, Budget& budget) const {
    Run run(*this, text, budget);
    return run.from(0, 0);
  }

  /** A match anywhere, with its groups; group 0 is the whole. */
  Match match(std::string_view text, Budget& budget, Groups& groups) const {
    Run run(*this, text, budget);
    const Match found = run.from(0, 0);
    if (found == Match::yes) groups = run.groups();
    return found;
  }

  /** `text` with every match replaced by `with`; nothing when a bound was reached. No match: the same text. */
  std::optional<std::string> replace(std::string_view text, std::string_view with, Budget& budget) const {
    Run run(*this, text, budget);
    std::string out;
    size_t done = 0, at = 0;
    uint32_t options = 0;
    while (at <= run.text.size()) {
      const Match found = run.from(at, options);
      if (found == Match::limit) return std::nullopt;
      if (found == Match::no && options == 0) break;
      if (found == Match::no) {  // only an empty match was left at the end of the last one
        at++, options = 0;
        continue;
      }
      const auto [start, end] = run.whole();
      const size_t begin = std::max(start, done);
      out += run.text.substr(done, begin - done);
      out += expand(with, run.groups());
      if (out.size() > kLongestResult) return std::nullopt;
      done = at = end;
      options = begin == end ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0;
    }
    return out += text.substr(done);
  }

  /** `\0` to `\9` are groups, `\\` is a backslash. */
  static std::string expand(std::string_view with, const Groups& groups) {
    std::string out;
    for (size_t i = 0; i < with.size(); i++) {
      const char following = i + 1 < with.size() ? with[i + 1] : '\0';
      if (with[i] != '\\' || (following != '\\' && (following < '0' || following > '9'))) {
        out += with[i];
        continue;
      }
      i++;
      const auto group = static_cast<size_t>(following - '0');
      if (following == '\\') out += '\\';
      else if (group < groups.size()) out += groups[group];
    }
    return out;
  }

  /** The highest group that a replacement may name. */
  uint32_t groups() const {
    uint32_t count = 0;
    pcre2_pattern_info(code_.get(), PCRE2_INFO_CAPTURECOUNT, &count);
    return count;
  }

 private:
  static constexpr uint32_t kOptions = PCRE2_AUTO_CALLOUT | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;
  struct FreeCode {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  };
  struct FreeData {
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };
  struct FreeContext {
    void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  };

  static std::string text_of(int error) {
    unsigned char text[128] = {};
    pcre2_get_error_message(error, text, sizeof text);
    return reinterpret_cast<const char*>(text);
  }

  /** One text that is searched, once or several times. */
  struct Run {
    Run(const Regex& regex, std::string_view whole_text, Budget& with)
        : text(whole_text.substr(0, kLongestText)), budget(with), code(regex.code_.get()),
          data(pcre2_match_data_create_from_pattern(code, nullptr)), context(pcre2_match_context_create(nullptr)) {
      if (data == nullptr || context == nullptr) throw std::bad_alloc();
      pcre2_set_match_limit(context.get(), 100'000);
      pcre2_set_depth_limit(context.get(), 10'000);
      pcre2_set_heap_limit(context.get(), 1024);
      pcre2_set_callout(context.get(), pay, this);
    }
    Match from(size_t at, uint32_t options) {
      position = at;
      const int rc = budget.steps <= 0 ? PCRE2_ERROR_CALLOUT
                                       : pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, options, data.get(), context.get());
      count = rc > 0 ? static_cast<uint32_t>(rc) : 0;
      if (rc > 0) return Match::yes;
      return rc == PCRE2_ERROR_NOMATCH ? Match::no : Match::limit;
    }
    /** Begin and end of the match. `\K` in a look-ahead may put the begin behind the end. */
    std::pair<size_t, size_t> whole() const {
      const size_t* ends = pcre2_get_ovector_pointer(data.get());
      return {std::min(ends[0], ends[1]), ends[1]};
    }
    Groups groups() const {
      Groups out;
      const size_t* ends = pcre2_get_ovector_pointer(data.get());
      for (uint32_t i = 0; i < count; i++) {
        const bool set = ends[2 * i] != PCRE2_UNSET && ends[2 * i] <= ends[2 * i + 1];
        out.push_back(set ? text.substr(ends[2 * i], ends[2 * i + 1] - ends[2 * i]) : std::string_view());
      }
      return out;
    }
    static int pay(pcre2_callout_block* block, void* context) {
      auto& run = *static_cast<Run*>(context);
      const size_t now = block->current_position;
      const size_t ran = now > run.position ? now - run.position : 0;
      run.position = now;
      run.budget.steps -= 1 + static_cast<int64_t>(ran / 16);
      return run.budget.steps > 0 ? 0 : PCRE2_ERROR_CALLOUT;
    }

    std::string_view text;
    Budget& budget;
    const pcre2_code* code;
    std::unique_ptr<pcre2_match_data, FreeData> data;
    std::unique_ptr<pcre2_match_context, FreeContext> context;
    size_t position = 0;
    uint32_t count = 0;
  };

  std::unique_ptr<pcre2_code, FreeCode> code_;
};

}  // namespace common
#endif
