// The header block of a message, wherever its octets are.
#include "plugin/header_index.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace veredus {

namespace {

constexpr size_t kPiece = 64 * 1024;

HeaderLimits boundless() {
  HeaderLimits out;
  out.octets = SIZE_MAX;
  out.fields = SIZE_MAX;
  return out;
}

size_t end_of_block(std::string_view text) {
  if (text.starts_with("\r\n")) return 2;
  size_t found = text.find("\r\n\r\n");
  return found == std::string_view::npos ? std::string_view::npos : found + 4;
}

std::string block_in_file(LargeBody& file, uint64_t from) {
  std::string out;
  while (from < file.size() && end_of_block(out) == std::string_view::npos) {
    Result<std::string> piece = file.read(from, kPiece);
    if (!piece || piece->empty()) break;
    from += piece->size();
    out += *piece;
  }
  return out.substr(0, std::min(out.size(), end_of_block(out)));
}

std::string header_text(const Subject& subject) {
  if (!subject.content) return std::string(subject.header);
  const Content& content = *subject.content;
  std::string out = content.head;
  if (end_of_block(out) != std::string_view::npos) return out;
  if (content.memory) {
    std::string_view rest = std::string_view(*content.memory).substr(std::min<uint64_t>(content.skip, content.memory->size()));
    return out.append(rest.substr(0, std::min(rest.size(), end_of_block(rest))));
  }
  if (subject.header.size() > content.skip) return out.append(subject.header.substr(content.skip));
  return content.file ? out + block_in_file(*content.file, content.skip) : out;
}

}  // namespace

HeaderIndex::HeaderIndex(const Subject& subject) : text_(header_text(subject)), cut_(text_) {
  if (text_.empty()) return;
  auto block = HeaderBlock::parse(text_, boundless());
  if (!block) return;
  block_.emplace(std::move(*block));
  for (const HeaderField& field : block_->fields()) {
    size_t value_end = field.value_begin + block_->value(field).size();
    if (value_end < cut_.size()) cut_[value_end] = '\0';
    if (field.name_size > 0) cut_[field.begin + field.name_size] = '\0';
  }
}

vrd_str HeaderIndex::value_of(const HeaderField& field) const {
  return {cut_.c_str() + field.value_begin, block_->value(field).size()};
}

bool HeaderIndex::at(uint32_t index, vrd_str& name, vrd_str& value) const {
  if (index >= count()) return false;
  const HeaderField& field = block_->fields()[index];
  name = field.name_size > 0 ? vrd_str{cut_.c_str() + field.begin, field.name_size} : vrd_str{"", 0};
  value = value_of(field);
  return true;
}

bool HeaderIndex::find(std::string_view name, uint32_t occurrence, vrd_str& value, uint32_t& index) const {
  if (occurrence == 0) return false;
  for (uint32_t i = 0; i < count(); ++i) {
    const HeaderField& field = block_->fields()[i];
    if (!iequals(block_->name(field), name) || --occurrence > 0) continue;
    value = value_of(field);
    index = i;
    return true;
  }
  return false;
}

Result<size_t> read_content(const Content& content, uint64_t offset, char* buffer, size_t capacity) {
  size_t got = 0;
  if (offset < content.head.size()) {
    got = std::min<size_t>(capacity, content.head.size() - offset);
    std::memcpy(buffer, content.head.data() + offset, got);
    offset += got;
  }
  uint64_t rest = content.size() - offset, at = offset - content.head.size() + content.skip;
  size_t want = static_cast<size_t>(std::min<uint64_t>(capacity - got, rest));
  if (want == 0) return got;
  if (content.memory) {
    std::memcpy(buffer + got, content.memory->data() + at, want);
    return got + want;
  }
  while (want > 0) {
    Result<std::string> piece = content.file->read(at, std::min(want, kPiece));
    if (!piece) return piece.error();
    if (piece->empty()) break;
    std::memcpy(buffer + got, piece->data(), piece->size());
    got += piece->size();
    at += piece->size();
    want -= piece->size();
  }
  return got;
}

}  // namespace veredus
