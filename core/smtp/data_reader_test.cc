// The end of the data, dot-stuffing, smuggling variants, chunk borders, facts; every input in one piece,
// octet by octet, and at random.
#include "smtp/data_reader.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace veredus;
using namespace std::string_literals;

namespace {

struct Outcome {
  std::string content;
  std::string rest;  // what was not consumed
  bool ended = false;
  bool told_headers = false;
  size_t header = 0;
  DataProblem problem = DataProblem::none;
  bool header_8bit = false, body_8bit = false;
  uint64_t lines = 0;
  bool operator==(const Outcome&) const = default;
};

void take(DataReader& reader, std::string_view input, size_t& at, Outcome& out) {
  while (!out.ended) {
    DataPiece piece = reader.next(input.substr(at));
    at += piece.consumed;
    if (piece.kind == DataPiece::Kind::content) out.content += piece.octets;
    if (piece.kind == DataPiece::Kind::headers_done) {
      out.told_headers = true;
      CHECK(out.content.size() == reader.header_size());
    }
    out.ended = piece.kind == DataPiece::Kind::end;
    if (piece.kind == DataPiece::Kind::need_input) return;
  }
}

Outcome facts(const DataReader& reader, Outcome out) {
  out.problem = reader.problem();
  out.header = reader.header_size();
  out.header_8bit = reader.header_8bit();
  out.body_8bit = reader.body_8bit();
  out.lines = reader.lines();
  if (out.problem != DataProblem::none) {
    out.content.clear();
    out.header = 0;
  }
  return out;
}

Outcome by_dot(std::string_view input, size_t most, DataLimits limits = {}) {
  DataReader reader(limits);
  reader.begin_dot();
  Outcome out;
  std::string buffer;
  size_t given = 0;
  while (!out.ended && given < input.size()) {
    size_t size = std::min(most, input.size() - given);
    buffer.append(input.substr(given, size));
    given += size;
    size_t at = 0;
    take(reader, buffer, at, out);
    buffer.erase(0, at);
  }
  out.rest = buffer + std::string(input.substr(given));
  return facts(reader, out);
}

// The same answer however the input is cut.
Outcome by_data(std::string_view input, DataLimits limits = {}) {
  Outcome whole = by_dot(input, input.size(), limits);
  for (size_t most : {1, 2, 3, 5, 7}) CHECK(by_dot(input, most, limits) == whole);
  return whole;
}

Outcome by_chunks(const std::vector<std::string>& parts, DataLimits limits = {}) {
  DataReader reader(limits);
  reader.begin_chunks();
  Outcome out;
  for (size_t i = 0; i < parts.size(); ++i) {
    reader.begin_chunk(parts[i].size(), i + 1 == parts.size());
    size_t at = 0;
    out.ended = false;
    take(reader, parts[i], at, out);
    CHECK(out.ended);
    CHECK(at == parts[i].size());
  }
  CHECK(reader.message_complete());
  return facts(reader, out);
}

DataLimits normalising() {
  DataLimits limits;
  limits.normalise = true;
  return limits;
}

}  // namespace

TEST_CASE("ordinary messages come out octet for octet") {
  Outcome out = by_data("A: b\r\n\r\nbody\r\n.\r\nQUIT\r\n");
  CHECK(out.ended);
  CHECK(out.content == "A: b\r\n\r\nbody\r\n");
  CHECK(out.rest == "QUIT\r\n");
  CHECK(out.header == 8);
  CHECK(out.lines == 3);
  CHECK(out.problem == DataProblem::none);
  CHECK(by_data(".\r\n").content.empty());
  CHECK(by_data(".\r\n").told_headers);
  CHECK(by_data("\r\n.\r\n").content == "\r\n");
  CHECK(by_data("only: header\r\n.\r\n").header == 14);
}

TEST_CASE("dot-stuffing is undone") {
  CHECK(by_data("..\r\n...\r\n.x\r\na.b\r\n.\r\n").content == ".\r\n..\r\nx\r\na.b\r\n");
  CHECK(by_data("..\r\n.\r\n").ended);
  CHECK(!by_data("x\r\n.").ended);
  CHECK(!by_data("x\r\n.\r").ended);
}

TEST_CASE("only CRLF.CRLF ends the data; everything like it is refused at the true end") {
  for (const std::string& fake :
       {"\n.\n"s, "\n.\r\n"s, "\r\n.\n"s, "\r.\r"s, "\r\n.\r"s, "\r.\r\n"s, "\r\r\n.\r"s, "\n.\r"s,
        "\r\n\0.\r\n"s, "\r\n.\0\r\n"s, "\0.\r\n"s, "\r\n.\r\r\n"s, "\r\0\n.\r\n"s, "\n\r\n.\r\r\n"s}) {
    std::string input = "H: x\r\n\r\nabc" + fake + "MAIL FROM:<evil@a.test>\r\nrest\r\n.\r\nQUIT\r\n";
    Outcome out = by_data(input);
    INFO(fake);
    CHECK(out.ended);
    CHECK(out.problem != DataProblem::none);
    CHECK(out.rest == "QUIT\r\n");
  }
  // CR CR LF . CR LF holds a real CRLF.CRLF: the end is there, and the bare CR is refused.
  Outcome out = by_data("x\r\r\n.\r\nQUIT\r\n");
  CHECK(out.rest == "QUIT\r\n");
  CHECK(out.problem == DataProblem::bare_newline);
}

TEST_CASE("normalising: a bare LF becomes CRLF and never ends the data") {
  CHECK(by_data("a: b\n\nc\r\n.\r\n", normalising()).content == "a: b\r\n\r\nc\r\n");
  CHECK(by_data("a: b\n\nc\r\n.\r\n", normalising()).header == 8);
  CHECK(!by_data("x\n.\n", normalising()).ended);
  CHECK(!by_data("x\n.\r\n", normalising()).ended);
  CHECK(!by_data("x\r\n.\n", normalising()).ended);
  CHECK(by_data("x\n..y\n.\r\n\r\n.\r\n", normalising()).content == "x\r\n.y\r\n\r\n\r\n");
  CHECK(by_data("x\ry\r\n.\r\n", normalising()).problem == DataProblem::bare_newline);
  CHECK(by_data("x\n\r\n.\r\n", normalising()).content == "x\r\n\r\n");
}

TEST_CASE("a dialogue on a pipe may use LF everywhere") {
  DataLimits limits;
  limits.local_lines = true;
  CHECK(by_data("a: b\n\n..c\n.\nQUIT\n", limits).content == "a: b\r\n\r\n.c\r\n");
  CHECK(by_data("a: b\n\n..c\n.\nQUIT\n", limits).rest == "QUIT\n");
  CHECK(by_data("a\r\n.\r\nX", limits).rest == "X");
}

TEST_CASE("facts: size, header, NUL, octets above 127") {
  DataLimits small;
  small.message_size = 20;
  CHECK(by_data("12345678\r\n12345678\r\n.\r\n", small).problem == DataProblem::none);
  CHECK(by_data("12345678\r\n123456789\r\n.\r\n", small).problem == DataProblem::too_big);
  small.message_size = 1000;
  small.header_size = 8;
  CHECK(by_data("A: 3\r\n\r\nlong body here\r\n.\r\n", small).problem == DataProblem::none);
  CHECK(by_data("A: 34\r\n\r\nlong body here\r\n.\r\n", small).problem == DataProblem::header_too_big);
  CHECK(by_data("no empty line at all\r\n.\r\n", small).problem == DataProblem::header_too_big);
  CHECK(by_data("A: \0\r\n.\r\n"s).problem == DataProblem::nul);
  CHECK(by_data("A: \xC3\xA4\r\n\r\nb\r\n.\r\n").header_8bit);
  CHECK(!by_data("A: \xC3\xA4\r\n\r\nb\r\n.\r\n").body_8bit);
  CHECK(by_data("A: a\r\n\r\n\xE4\r\n.\r\n").body_8bit);
  CHECK(!by_data("A: a\r\n\r\n\xE4\r\n.\r\n").header_8bit);
}

TEST_CASE("a message that was refused already is not read for ever") {
  DataLimits small;
  small.message_size = 100;
  DataReader reader(small);
  reader.begin_dot();
  std::string line(998, 'x');
  line += "\r\n";
  bool gave_up = false;
  for (int i = 0; i < 5000 && !gave_up; ++i) {
    for (size_t at = 0; at < line.size() && !gave_up;) {
      DataPiece piece = reader.next(std::string_view(line).substr(at));
      at += piece.consumed;
      gave_up = piece.kind == DataPiece::Kind::too_much;
    }
  }
  CHECK(gave_up);
}

TEST_CASE("chunks obey the same rules across their borders") {
  CHECK(by_chunks({"A: b\r", "\n\r", "\nbody"}).content == "A: b\r\n\r\nbody");
  CHECK(by_chunks({"A: b\r", "\n\r", "\nbody"}).header == 8);
  CHECK(by_chunks({"a\r\n.\r\nb\r\n", "", ".\r\n"}).content == "a\r\n.\r\nb\r\n.\r\n");
  CHECK(by_chunks({"a\r", "b\r\n"}).problem == DataProblem::bare_newline);
  CHECK(by_chunks({"a", "\nb\r\n"}).problem == DataProblem::bare_newline);
  CHECK(by_chunks({"a\r\n", "b\r"}).problem == DataProblem::bare_newline);
  CHECK(by_chunks({"a\r", ""}).problem == DataProblem::bare_newline);
  CHECK(by_chunks({"a\r", "", "\n"}).problem == DataProblem::none);
  CHECK(by_chunks({"a", "\0\r\n"s}).problem == DataProblem::nul);
  CHECK(by_chunks({""}).content.empty());
  CHECK(by_chunks({""}).told_headers);
  CHECK(by_chunks({"a\n", "\nb"}, normalising()).content == "a\r\n\r\nb");
}

TEST_CASE("random streams of the dangerous octets: every cut gives the same answer") {
  std::mt19937 random(7);
  const std::string alphabet = "\r\r\r\n\n\n...a\0:"s;
  for (int round = 0; round < 4000; ++round) {
    std::string input;
    for (size_t i = 0; i < 4 + random() % 24; ++i) input += alphabet[random() % alphabet.size()];
    input += "\r\n.\r\n";
    for (const DataLimits& limits : {DataLimits(), normalising()}) {
      Outcome whole = by_dot(input, input.size(), limits);
      CHECK(whole.ended);
      CHECK(input.substr(0, input.size() - whole.rest.size()).ends_with(".\r\n"));
      CHECK(by_dot(input, 1, limits) == whole);
      CHECK(by_dot(input, 2 + random() % 5, limits) == whole);
    }
  }
}
