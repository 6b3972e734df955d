// Reads a report back: enough of MIME for the form that RFC 3464 prescribes. For tests, and for commands that
// show reports.
#include "base/text.h"
#include "mail/dsn.h"
#include "mail/dsn_text.h"
#include "mail/headers.h"

namespace veredus {

namespace {

struct Entity {
  std::string type;  // lower case, without parameters
  std::string encoding;
  std::string boundary;
  std::string_view body;
};

std::string field_value(const HeaderBlock& block, std::string_view name) {
  const HeaderField* field = block.find(name);
  return field ? unfolded(block.value(*field)) : std::string();
}

std::string parameter(std::string_view value, std::string_view name) {
  for (std::string_view piece : split(value, ';')) {
    piece = trimmed(piece);
    size_t equals = piece.find('=');
    if (equals == std::string_view::npos || !iequals(trimmed(piece.substr(0, equals)), name)) continue;
    piece = trimmed(piece.substr(equals + 1));
    if (piece.size() >= 2 && piece.front() == '"' && piece.back() == '"')
      piece = piece.substr(1, piece.size() - 2);
    return std::string(piece);
  }
  return {};
}

Result<Entity> read_entity(std::string_view octets) {
  auto block = HeaderBlock::parse(octets);
  if (!block) return block.error();
  Entity out;
  std::string type = field_value(*block, "Content-Type");
  out.type = lowered(trimmed(std::string_view(type).substr(0, type.find(';'))));
  out.boundary = parameter(type, "boundary");
  out.encoding = lowered(field_value(*block, "Content-Transfer-Encoding"));
  out.body = octets.substr(block->size());
  return out;
}

std::vector<std::string_view> parts_of(std::string_view body, const std::string& boundary) {
  std::vector<std::string_view> out;
  std::string line = "--" + boundary;
  size_t begin = std::string_view::npos;
  for (size_t at = 0; at < body.size();) {
    size_t feed = body.find('\n', at);
    size_t next = feed == std::string_view::npos ? body.size() : feed + 1;
    if (body.substr(at).starts_with(line)) {
      if (begin != std::string_view::npos)
        out.push_back(body.substr(begin, at < begin + 2 ? 0 : at - begin - 2));
      if (body.substr(at + line.size()).starts_with("--")) return out;
      begin = next;
    }
    at = next;
  }
  return out;
}

std::string decoded(const Entity& entity) {
  return entity.encoding == "quoted-printable" ? from_quoted_printable(entity.body)
                                               : std::string(entity.body);
}

DsnFields fields_of(const HeaderBlock& block) {
  DsnFields out;
  for (const HeaderField& field : block.fields())
    out.emplace_back(lowered(block.name(field)), unfolded(block.value(field)));
  return out;
}

Status read_status(std::string_view octets, ParsedDsn& out) {
  for (bool first = true; !octets.empty();) {
    auto block = HeaderBlock::parse(octets);
    if (!block) return block.error();
    octets.remove_prefix(block->size());
    if (block->fields().empty()) continue;
    if (first)
      out.message = fields_of(*block);
    else
      out.recipients.push_back(fields_of(*block));
    first = false;
  }
  return {};
}

}  // namespace

Result<ParsedDsn> parse_dsn(std::string_view message) {
  auto whole = read_entity(message);
  if (!whole) return whole.error();
  if (whole->type != "multipart/report" || whole->boundary.empty())
    return fail(Errc::invalid, "not a delivery report");
  auto parts = parts_of(whole->body, whole->boundary);
  if (parts.size() < 2) return fail(Errc::invalid, "a delivery report has two or three parts");
  ParsedDsn out;
  auto text = read_entity(parts[0]);
  auto status = read_entity(parts[1]);
  if (!text || !status) return fail(Errc::invalid, "a malformed part");
  if (status->type != "message/delivery-status" && status->type != "message/global-delivery-status")
    return fail(Errc::invalid, "the second part is no delivery status");
  out.text = decoded(*text);
  if (Status read = read_status(decoded(*status), out); !read) return read.error();
  if (parts.size() == 2) return out;
  auto returned = read_entity(parts[2]);
  if (!returned) return returned.error();
  out.returned_type = returned->type;
  out.returned = decoded(*returned);
  return out;
}

std::string_view dsn_field(const DsnFields& fields, std::string_view name) {
  for (const auto& [key, value] : fields)
    if (key == name) return value;
  return {};
}

}  // namespace veredus
