// What people hand over as a report: XML, gzip, zip, or the mail that carried it. Bounded in size, ratio, depth and number. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/reports/gzip.h"

namespace mailauth {

struct UnpackLimits {
  size_t all = 64 << 20;    // octets of all XML found, and of what is unpacked on the way
  size_t ratio = 500;
  size_t documents = 100;   // XML documents
  size_t depth = 8;         // containers in one another: parts of a message, messages in messages, archives
  size_t parts = 1'000;     // parts of messages, entries of archives
};

struct Unpacked {
  struct Document {
    std::string name;  // of the file, as far as it has one
    std::string xml;
  };
  std::vector<Document> documents;
  std::vector<std::string> problems;  // sentences; with documents: about the others
};

Unpacked unpack_reports(std::string_view octets, const UnpackLimits& limits);

// Files of a zip archive, read by its directory. False: it is none, or one that is not read; `problem` says why.
struct ZipEntry {
  std::string name;
  std::string_view packed;
  bool deflated = false;
  size_t size = 0;
  uint32_t crc = 0;
};
bool zip_entries(std::string_view octets, size_t most, std::vector<ZipEntry>& out, std::string& problem);

// A part of a message.
struct MimePart {
  std::string type;      // "application/gzip", in lower case; "text/plain" when it says nothing
  std::string name;      // of the file
  std::string boundary;  // of a multipart
  std::string encoding;  // in lower case
  std::string_view body;
};
MimePart mime_part(std::string_view octets);  // header block and body
std::vector<std::string_view> mime_children(const MimePart& part, size_t most);
std::string mime_decoded(const MimePart& part);

}  // namespace mailauth
