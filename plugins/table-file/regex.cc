// Tables of regular expressions: the first of the file that matches wins; \1 to \9 in its value are what the groups matched. PCRE2 with
// bounds on what one match may cost.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <vector>

#include "kinds.h"
#include "lines.h"

namespace table {

namespace {

constexpr uint32_t kMatchLimit = 50'000, kDepthLimit = 250, kHeapLimit = 1'024;  // KiB
constexpr size_t kMaxExpressions = 10'000;

struct Free {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

struct Row {
  std::unique_ptr<pcre2_code, Free> code;
  std::string value;
};

std::string message_of(int error) {
  unsigned char text[256];
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

class RegexTable final : public Table {
 public:
  explicit RegexTable(bool fold) : flags_(PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | (fold ? PCRE2_CASELESS : 0)), limits_(pcre2_match_context_create(nullptr)) {
    pcre2_set_match_limit(limits_.get(), kMatchLimit);
    pcre2_set_depth_limit(limits_.get(), kDepthLimit);
    pcre2_set_heap_limit(limits_.get(), kHeapLimit);
  }
  std::string add(const Line& line) {
    if (rows_.size() == kMaxExpressions) return "more than " + std::to_string(kMaxExpressions) + " expressions";
    int error = 0;
    size_t at = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(line.key.data()), line.key.size(), flags_, &error, &at, nullptr);
    if (!code) return "'" + line.key + "', character " + std::to_string(at + 1) + ": " + message_of(error);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it, matching is slower and nothing else
    rows_.push_back({std::unique_ptr<pcre2_code, Free>(code), line.value});
    return {};
  }
  std::optional<std::string> find(std::string_view key) const override {
    std::unique_ptr<pcre2_match_data, Free> data(pcre2_match_data_create(10, nullptr));
    for (const Row& row : rows_) {
      int groups = pcre2_match(row.code.get(), reinterpret_cast<PCRE2_SPTR>(key.data()), key.size(), 0, 0, data.get(), limits_.get());
      if (groups >= 0) return filled(row.value, key, *data);
    }
    return std::nullopt;
  }
  size_t size() const override { return rows_.size(); }

 private:
  static std::string filled(std::string_view value, std::string_view key, pcre2_match_data& data) {
    const size_t* ends = pcre2_get_ovector_pointer(&data);
    std::string out;
    for (size_t i = 0; i < value.size(); ++i) {
      bool group = value[i] == '\\' && i + 1 < value.size() && value[i + 1] >= '0' && value[i + 1] <= '9';
      if (!group) {
        out += value[i];
        continue;
      }
      auto number = static_cast<uint32_t>(value[++i] - '0');
      bool set = number < pcre2_get_ovector_count(&data) && ends[2 * number] != PCRE2_UNSET;
      if (set) out += key.substr(ends[2 * number], ends[2 * number + 1] - ends[2 * number]);
    }
    return out;
  }
  uint32_t flags_;
  std::unique_ptr<pcre2_match_context, Free> limits_;
  std::vector<Row> rows_;
};

}  // namespace

std::shared_ptr<Table> make_regex(const Options& options, std::string_view text, std::string& error) {
  auto out = std::make_shared<RegexTable>(options.fold);
  error = each_line(text, [&](Line& line) { return out->add(line); });
  return out;
}

}  // namespace table
