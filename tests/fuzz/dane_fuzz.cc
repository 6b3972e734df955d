// Fuzz target: TLSA records and chains may hold anything. Whatever comes must be read without harm and in bounded time, every record must be
// accounted for, and a match must be one that the octets bear out.
#include <cstdint>
#include <cstdlib>

#include "net/certificate_der.h"
#include "net/certificate_maker.h"
#include "net/dane.h"

namespace {

using namespace veredus;
using namespace veredus::test;

void require(bool condition) {
  if (!condition) std::abort();
}

struct World {
  static MadeCertificate::Wish wish(const std::string& name, bool ca) {
    MadeCertificate::Wish out;
    out.subject = name;
    out.names = {name};
    out.ca = ca;
    return out;
  }
  MadeCertificate root{wish("root.test", true)}, leaf{wish("mx.test", false), &root};
};

const World& world() {
  static const World* made = new World;
  return *made;
}

std::string_view piece(std::string_view& input) {
  if (input.size() < 2) return std::exchange(input, {});
  size_t size = (static_cast<unsigned char>(input[0]) << 8 | static_cast<unsigned char>(input[1])) & 0x7FF;
  input.remove_prefix(2);
  std::string_view out = input.substr(0, size);
  input.remove_prefix(out.size());
  return out;
}

// Certificates: given whole, or one of ours with one octet changed.
std::string certificate_from(std::string_view octets) {
  if (octets.size() != 4) return std::string(octets);
  std::string der = octets[0] & 1 ? world().leaf.der : world().root.der;
  size_t at = static_cast<unsigned char>(octets[1]) << 8 | static_cast<unsigned char>(octets[2]);
  der[at % der.size()] ^= octets[3];
  return der;
}

std::string record_from(std::string_view octets) {
  if (octets.size() != 3) return std::string(octets);
  const MadeCertificate& of = octets[0] & 64 ? world().root : world().leaf;
  return tlsa_octets(octets[0] & 3, octets[1] & 1, static_cast<unsigned char>(octets[2]) % 3, of);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  size_t records = static_cast<unsigned char>(input[0]) % 8;
  input.remove_prefix(1);
  DnsAnswer answer;
  for (size_t i = 0; i < records; ++i) {
    DnsRecord record;
    record.type = DnsType::tlsa;
    record.octets = record_from(piece(input));
    answer.records.push_back(record);
  }
  TlsaSet set = read_tlsa(answer);
  require(set.usable.size() + set.unusable.size() == records);
  for (const TlsaRecord& one : set.usable) require(parse_tlsa_text(one.text()).value().data == one.data);
  std::vector<std::string> chain, names{"mx.test"};
  while (!input.empty() && chain.size() < 20) chain.push_back(certificate_from(piece(input)));
  DaneVerdict verdict = match_dane(set, chain, names, RealClock().wall());
  require(!verdict.text.empty());
  require(!verdict.matched || (verdict.by && !chain.empty()));
  if (verdict.matched && verdict.by->usage == 3 && verdict.by->matching == 0) {
    auto parts = certificate_parts(chain[0]);
    require(verdict.by->selector == 0 ? verdict.by->data == chain[0] : parts && verdict.by->data == parts->public_key);
  }
  (void)parse_tlsa_text(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
