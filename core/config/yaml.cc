// YAML to ConfigNode by yaml-cpp's events, so that duplicate keys and aliases are seen and nothing is
// expanded.
#include "config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "base/text.h"

namespace veredus {

namespace {

using YAML::Mark;

// A container that is not closed yet.
struct Open {
  ConfigNode node;
  bool has_key = false;
  ConfigEntry entry;                            // the entry whose value comes next
  std::unordered_map<std::string, Place> keys;  // of a map
};

class Builder final : public YAML::EventHandler {
 public:
  Builder(const std::string& file, Problems& problems) : file_(file), problems_(problems) {}

  void OnDocumentStart(const Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const Mark& mark, YAML::anchor_t anchor) override {
    leaf(ConfigNode::Kind::null, mark, anchor, "");
  }
  void OnAlias(const Mark& mark, YAML::anchor_t) override { refuse_anchor(mark); }
  void OnAnchor(const Mark& mark, const std::string&) override { refuse_anchor(mark); }
  void OnScalar(const Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    leaf(ConfigNode::Kind::scalar, mark, anchor, value);
  }
  void OnSequenceStart(const Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(ConfigNode::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(ConfigNode::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

  ConfigNode root;
  Place last;  // of the newest part that was understood

 private:
  Place place_of(const Mark& mark) const {
    return {file_, static_cast<unsigned>(mark.line) + 1, static_cast<unsigned>(mark.column) + 1};
  }

  // Ends the parse: what follows could not be understood any more.
  [[noreturn]] void give_up(const Mark& mark, const std::string& text) {
    throw YAML::ParserException(mark, text);
  }

  void refuse_anchor(const Mark& mark) {
    give_up(mark, "anchors and aliases are not used here: write the value out");
  }

  void check_tag(const Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") give_up(mark, "tags are not used here: " + in_quotes(tag));
  }

  void leaf(ConfigNode::Kind kind, const Mark& mark, YAML::anchor_t anchor, const std::string& value) {
    if (anchor != 0) refuse_anchor(mark);
    ConfigNode node;
    node.kind = kind;
    node.place = place_of(mark);
    last = node.place;
    node.text = value;
    add(std::move(node), mark);
  }

  void open(ConfigNode::Kind kind, const Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) refuse_anchor(mark);
    check_tag(mark, tag);
    if (stack_.size() >= kMaxConfigDepth) give_up(mark, "nested too deeply");
    if (wants_key()) give_up(mark, "a key must be a single word");
    stack_.emplace_back();
    stack_.back().node.kind = kind;
    stack_.back().node.place = place_of(mark);
  }

  void close() {
    ConfigNode node = std::move(stack_.back().node);
    stack_.pop_back();
    add(std::move(node), Mark());
  }

  bool wants_key() const {
    return !stack_.empty() && stack_.back().node.kind == ConfigNode::Kind::map && !stack_.back().has_key;
  }

  void add(ConfigNode node, const Mark& mark) {
    if (stack_.empty()) {
      root = std::move(node);
      return;
    }
    Open& top = stack_.back();
    if (top.node.kind == ConfigNode::Kind::list)
      top.node.items.push_back(std::move(node));
    else if (!top.has_key)
      begin_entry(top, std::move(node), mark);
    else
      end_entry(top, std::move(node));
  }

  void begin_entry(Open& top, ConfigNode key, const Mark& mark) {
    if (key.kind != ConfigNode::Kind::scalar) give_up(mark, "a key must be a single word");
    top.has_key = true;
    top.entry = {std::move(key.text), std::move(key.place), {}};
  }

  void end_entry(Open& top, ConfigNode value) {
    top.has_key = false;
    if (value.kind == ConfigNode::Kind::null)
      value.place = top.entry.place;  // yaml-cpp points at what follows
    auto [known, fresh] = top.keys.try_emplace(top.entry.key, top.entry.place);
    if (!fresh) {
      problems_.error(top.entry.place,
                      in_quotes(top.entry.key) + " is given twice; the first is at " + known->second.text());
      return;
    }
    top.entry.value = std::move(value);
    top.node.entries.push_back(std::move(top.entry));
  }

  const std::string& file_;
  Problems& problems_;
  std::vector<Open> stack_;
};

bool check_octets(std::string_view text, const std::string& file, Problems& problems) {
  if (text.size() > kMaxConfigFile) {
    problems.error({file}, "is larger than 4 MiB");
    return false;
  }
  unsigned line = 0;
  for (std::string_view one : split(text, '\n')) {
    ++line;
    if (is_utf8(one) && one.find('\0') == std::string_view::npos) continue;
    problems.error({file, line, 1}, "this line is not UTF-8 text");
    return false;
  }
  return true;
}

// Without this yaml-cpp takes the end of the file for the end of a quoted text.
constexpr std::string_view kDocumentEnd = "\n...\n";

Place place_of_failure(const YAML::Exception& e, const std::string& file) {
  if (e.mark.is_null()) return {file};
  return {file, static_cast<unsigned>(e.mark.line) + 1, static_cast<unsigned>(e.mark.column) + 1};
}

// What yaml-cpp says, and what a person who wrote the file can do about it.
struct Advice {
  std::string_view message;
  std::string_view text;
};

const Advice kAdvice[] = {
    {YAML::ErrorMsg::ALIAS_NOT_FOUND, "a '*' stands in quotes: \"*\""},
    {YAML::ErrorMsg::END_OF_SEQ_FLOW, "a '[' before this is not closed"},
    {YAML::ErrorMsg::END_OF_MAP_FLOW, "a '{' before this is not closed"},
    {YAML::ErrorMsg::END_OF_MAP, "the indentation does not fit the lines above"},
    {YAML::ErrorMsg::END_OF_SEQ, "the indentation does not fit the lines above"},
    {YAML::ErrorMsg::MAP_VALUE,
     "a ':' that does not belong here; check the indentation, or write the text in quotes"},
};

std::string advice_for(const std::string& message) {
  for (const Advice& advice : kAdvice)
    if (message.starts_with(advice.message)) return std::string(advice.text);
  return printable(message, 200);
}

// Tabs are no indentation in YAML, and what the parser says of them leads astray.
std::optional<Place> indenting_tab(std::string_view text, const std::string& file, const Place& failure) {
  unsigned line = 0;
  for (std::string_view one : split(text, '\n')) {
    ++line;
    size_t tab = one.find('\t');
    if (line + 1 < failure.line || tab == std::string_view::npos || one.find_first_not_of(" \t") < tab)
      continue;
    if (line <= failure.line) return Place{file, line, static_cast<unsigned>(tab) + 1};
  }
  return std::nullopt;
}

void report_failure(const YAML::Exception& e, const Builder& builder, std::string_view text,
                    const std::string& file, Problems& problems) {
  if (auto tab = indenting_tab(text, file, place_of_failure(e, file)))
    return problems.error(*tab, "not readable: a tab in the indentation; use spaces");
  bool open_quote = e.msg == YAML::ErrorMsg::DOC_IN_SCALAR || e.msg == YAML::ErrorMsg::EOF_IN_SCALAR;
  if (open_quote)
    problems.error(builder.last.line ? builder.last : Place{file}, "a quote after this is not closed");
  else
    problems.error(place_of_failure(e, file), "not readable: " + advice_for(e.msg));
}

}  // namespace

std::optional<ConfigNode> read_yaml(std::string_view text, const std::string& file, Problems& problems) {
  if (!check_octets(text, file, problems)) return std::nullopt;
  std::istringstream in{std::string(text).append(kDocumentEnd)};
  Builder builder(file, problems);
  try {
    YAML::Parser parser(in);
    parser.HandleNextDocument(builder);
    ConfigNode root = std::move(builder.root);
    builder.root = {};
    if (!parser.HandleNextDocument(builder)) return root;
    Place at = builder.root.place.line ? builder.root.place : Place{file};
    problems.error(at, "a second document begins here: one mapping a file");
  } catch (const YAML::Exception& e) {
    report_failure(e, builder, text, file, problems);
  }
  return std::nullopt;
}

}  // namespace veredus
