// ContentEncoder: dots, stray CR and LF, and the same octets however the content is cut.
#include <doctest/doctest.h>

#include <random>
#include <string>

#include "smtp/content_encoder.h"

namespace veredus {

namespace {

std::string encoded(std::string_view content, bool dotted, size_t piece = SIZE_MAX, size_t most = 500) {
  ContentEncoder encoder(dotted);
  std::string out;
  std::vector<std::string_view> views;
  auto drain = [&] {
    for (std::string_view view : views) out += view;
    views.clear();
  };
  while (!content.empty()) {
    std::string_view rest = content.substr(0, piece);
    content.remove_prefix(rest.size());
    while (!rest.empty()) {
      rest.remove_prefix(encoder.encode(rest, views, most));
      drain();
    }
  }
  encoder.finish(views);
  drain();
  return out;
}

// What a receiver makes of dotted content again.
std::string plain_form(std::string_view content) {
  std::string out;
  for (size_t i = 0; i < content.size(); ++i) {
    bool line_end = content[i] == '\r' && i + 1 < content.size() && content[i + 1] == '\n';
    if (line_end) out += "\r\n", ++i;
    else out += content[i] == '\r' || content[i] == '\n' ? ' ' : content[i];
  }
  return out;
}

std::string dotted_form(std::string_view content) {
  std::string plain = plain_form(content), out;
  bool start = true;
  for (size_t i = 0; i < plain.size(); ++i) {
    if (start && plain[i] == '.') out += '.';
    out += plain[i];
    start = plain[i] == '\n';
  }
  return out + (start ? ".\r\n" : "\r\n.\r\n");
}

}  // namespace

TEST_CASE("content is dotted at line starts only and ends with the dot") {
  CHECK(encoded("", true) == ".\r\n");
  CHECK(encoded("a\r\n", true) == "a\r\n.\r\n");
  CHECK(encoded(".\r\n..a\r\nb.c\r\n", true) == "..\r\n...a\r\nb.c\r\n.\r\n");
  CHECK(encoded("no end", true) == "no end\r\n.\r\n");
  CHECK(encoded(".\r\n", false) == ".\r\n");
}

TEST_CASE("a CR or LF that stands alone becomes a space and never ends a line") {
  CHECK(encoded("a\r.\r\n", true) == "a .\r\n.\r\n");
  CHECK(encoded("a\n.\n", true) == "a . \r\n.\r\n");
  CHECK(encoded("\n.\r\n", true) == " .\r\n.\r\n");
  CHECK(encoded("a\r\r\n.\r", false) == "a \r\n. ");
  CHECK(encoded("\r", true) == " \r\n.\r\n");
}

TEST_CASE("plain content keeps its size and every cut gives the same octets") {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string content;
    for (size_t i = random() % 40; i > 0; --i) content += ".a\r\n"[random() % 4];
    for (size_t i = random() % 4; i > 0; --i) content += "\r\n";
    size_t piece = 1 + random() % 7, most = 1 + random() % 5;
    INFO(content);
    CHECK(encoded(content, false, piece, most) == plain_form(content));
    CHECK(encoded(content, true, piece, most) == dotted_form(content));
    CHECK(encoded(content, true) == dotted_form(content));
    CHECK(encoded(content, false).size() == content.size());
  }
}

}  // namespace veredus
