// Header blocks: one pass over the lines, then everything by position.
#include "mail/headers.h"

#include <algorithm>

#include "base/text.h"

namespace veredus {

namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t';
}
bool is_name_octet(char c) {
  return c > 0x20 && c < 0x7F && c != ':';
}

// Behind the line end of the line at `from`.
size_t line_end(std::string_view text, size_t from) {
  size_t feed = text.find('\n', from);
  return feed == std::string_view::npos ? text.size() : feed + 1;
}

bool is_empty_line(std::string_view line) {
  return line == "\r\n" || line == "\n";
}

size_t without_line_end(std::string_view text, size_t begin, size_t end) {
  if (end > begin && text[end - 1] == '\n') --end;
  if (end > begin && text[end - 1] == '\r') --end;
  return end;
}

HeaderField field_at(std::string_view text, size_t begin, size_t first_line_end) {
  HeaderField field;
  field.begin = field.value_begin = begin;
  size_t at = begin;
  while (at < first_line_end && is_name_octet(text[at])) ++at;
  size_t name_end = at;
  while (at < first_line_end && is_space(text[at])) ++at;  // obsolete: "Subject : x"
  if (name_end == begin || at == first_line_end || text[at] != ':') return field;
  field.name_size = name_end - begin;
  field.value_begin = at + 1;
  return field;
}

size_t with_folds(std::string_view text, size_t end) {
  while (end < text.size() && is_space(text[end])) end = line_end(text, end);
  return end;
}

}  // namespace

Result<HeaderBlock> HeaderBlock::parse(std::string_view octets, HeaderLimits limits) {
  HeaderBlock out;
  size_t at = 0;
  while (at < octets.size()) {
    size_t end = line_end(octets, at);
    if (end > limits.octets) return fail(Errc::limit, "the header block is too large");
    if (is_empty_line(octets.substr(at, end - at))) break;
    if (out.fields_.size() == limits.fields) return fail(Errc::limit, "the header block has too many fields");
    HeaderField field = field_at(octets, at, end);
    field.end = at = with_folds(octets, end);
    if (at > limits.octets) return fail(Errc::limit, "the header block is too large");
    out.fields_.push_back(field);
  }
  out.fields_end_ = at;
  out.text_ = octets.substr(0, at < octets.size() ? line_end(octets, at) : at);
  return out;
}

std::string_view HeaderBlock::value(const HeaderField& field) const {
  size_t end = without_line_end(text_, field.value_begin, field.end);
  return text_.substr(field.value_begin, end - field.value_begin);
}

const HeaderField* HeaderBlock::find(std::string_view wanted, size_t occurrence) const {
  for (const HeaderField& field : fields_)
    if (iequals(name(field), wanted) && field.name_size != 0 && --occurrence == 0) return &field;
  return nullptr;
}

size_t HeaderBlock::count(std::string_view wanted) const {
  auto same = [&](const HeaderField& field) { return field.name_size != 0 && iequals(name(field), wanted); };
  return static_cast<size_t>(std::count_if(fields_.begin(), fields_.end(), same));
}

std::string unfolded(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (char c : value)
    if (c != '\r' && c != '\n') out.push_back(c);
  return std::string(trimmed(out));
}

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 200 && std::all_of(name.begin(), name.end(), is_name_octet);
}

Result<std::string> make_field(std::string_view name, std::string_view value) {
  if (!is_field_name(name)) return fail(Errc::invalid, "not a header field's name");
  while (value.ends_with('\n') || value.ends_with('\r')) value.remove_suffix(1);
  std::string out(name);
  out += value.empty() || is_space(value.front()) ? ":" : ": ";
  for (size_t i = 0; i < value.size(); ++i) {
    char c = value[i];
    if (c == '\r' && i + 1 < value.size() && value[i + 1] == '\n') continue;
    bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
    if (c != '\n') {
      out.push_back(control ? '?' : c);
      continue;
    }
    size_t text = value.find_first_not_of(" \t\r\n", i);
    if (text == std::string_view::npos) break;
    i = value.rfind('\n', text);  // lines of nothing but space would end the header for some readers
    out += is_space(value[i + 1]) ? "\r\n" : "\r\n\t";
  }
  return out + "\r\n";
}

std::string folded_field(std::string_view field, size_t width) {
  std::string out;
  size_t line = 0;   // where the current line begins in `out`
  size_t space = 0;  // last place in it where it may be broken
  for (char c : field) {
    if (c == '\n') {
      out.push_back(c);
      line = space = out.size();
      continue;
    }
    if (c == ' ' && out.size() > line && !is_space(out.back())) space = out.size();
    out.push_back(c);
    if (out.size() - line <= width || space <= line || c == '\r') continue;
    out.insert(space, "\r\n");
    line = space += 2;
  }
  return out;
}

HeaderEditor::HeaderEditor(const HeaderBlock& block) : end_line_(block.end_line()) {
  pieces_.reserve(block.fields().size() + 4);
  for (const HeaderField& field : block.fields())
    pieces_.push_back({field.name_size, block.whole(field), {}});
}

bool HeaderEditor::Piece::is(std::string_view name) const {
  return name_size != 0 && iequals(octets().substr(0, name_size), name);
}

size_t HeaderEditor::find(std::string_view name, size_t occurrence) const {
  size_t at = 0;
  for (; at < pieces_.size(); ++at)
    if (pieces_[at].is(name) && --occurrence == 0) break;
  return at;
}

Status HeaderEditor::insert(size_t index, std::string_view name, std::string_view value) {
  auto field = make_field(name, value);
  if (!field) return field.error();
  index = std::min(index, pieces_.size());
  pieces_.insert(pieces_.begin() + static_cast<ptrdiff_t>(index), Piece{name.size(), {}, std::move(*field)});
  return {};
}

Status HeaderEditor::replace(std::string_view name, size_t occurrence, std::string_view value) {
  size_t at = find(name, occurrence);
  if (at == pieces_.size()) return fail(Errc::not_found, "no such header field");
  auto field = make_field(name, value);
  if (!field) return field.error();
  pieces_[at] = Piece{name.size(), {}, std::move(*field)};
  return {};
}

Status HeaderEditor::remove(std::string_view name, size_t occurrence) {
  size_t at = find(name, occurrence);
  if (at == pieces_.size()) return fail(Errc::not_found, "no such header field");
  pieces_.erase(pieces_.begin() + static_cast<ptrdiff_t>(at));
  return {};
}

size_t HeaderEditor::count(std::string_view name) const {
  auto same = [&](const Piece& piece) { return piece.is(name); };
  return static_cast<size_t>(std::count_if(pieces_.begin(), pieces_.end(), same));
}

std::string HeaderEditor::text() const {
  size_t size = 2;
  for (const Piece& piece : pieces_) size += piece.octets().size() + 2;
  std::string out;
  out.reserve(size);
  for (const Piece& piece : pieces_) {
    if (!out.empty() && out.back() != '\n') out += "\r\n";  // the block ended without a line end
    out += piece.octets();
  }
  if (!out.empty() && out.back() != '\n') out += "\r\n";
  out += end_line_.empty() ? std::string_view("\r\n") : end_line_;
  return out;
}

}  // namespace veredus
