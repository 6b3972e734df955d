#include "net/dane.h"

#include <doctest/doctest.h>

#include "net/certificate_der.h"
#include "net/certificate_maker.h"

using namespace veredus;
using namespace veredus::test;

namespace {

TlsaSet set_of(const std::vector<std::string>& records) {
  DnsAnswer answer;
  answer.status = DnsStatus::ok;
  for (const std::string& octets : records) {
    DnsRecord record;
    record.type = DnsType::tlsa;
    record.octets = octets;
    answer.records.push_back(record);
  }
  return read_tlsa(answer);
}

MadeCertificate::Wish ca_named(const std::string& name) {
  MadeCertificate::Wish wish;
  wish.subject = name;
  wish.ca = true;
  return wish;
}

MadeCertificate::Wish leaf_for(const std::string& name) {
  MadeCertificate::Wish wish;
  wish.subject = "subject of " + name;
  wish.names = {name};
  return wish;
}

// root signs sub, sub signs leaf; `other` is a stranger.
struct World {
  MadeCertificate root{ca_named("root")}, sub{ca_named("sub"), &root}, leaf{leaf_for("mx.test"), &sub};
  MadeCertificate other{ca_named("other")};
  std::vector<std::string> full{leaf.der, sub.der, root.der}, without_root{leaf.der, sub.der}, alone{leaf.der};
  std::vector<std::string> names{"domain.test", "mx.test"};
  WallTime now = RealClock().wall();

  DaneVerdict match(const std::vector<std::string>& records, const std::vector<std::string>& chain) const {
    return match_dane(set_of(records), chain, names, now);
  }
};

const World& world() {
  static const World made;
  return made;
}

}  // namespace

TEST_CASE("usage 3 matches the server's own certificate or key in every form, and nothing else") {
  const World& w = world();
  for (int selector : {0, 1})
    for (int matching : {0, 1, 2}) {
      auto verdict = w.match({tlsa_octets(3, selector, matching, w.leaf)}, w.alone);
      CHECK_MESSAGE(verdict.matched, selector << " " << matching << " " << verdict.text);
      CHECK(verdict.by->selector == selector);
      CHECK(!w.match({tlsa_octets(3, selector, matching, w.sub)}, w.full).matched);
    }
}

TEST_CASE("usage 3 looks neither at dates nor at names nor at who signed") {
  MadeCertificate::Wish wish = leaf_for("elsewhere.test");
  wish.until = time(nullptr) - 1800;
  MadeCertificate expired(wish);
  std::vector<std::string> chain{expired.der};
  CHECK(world().match({tlsa_octets(3, 1, 1, expired)}, chain).matched);
  chain.push_back("no certificate");
  CHECK(world().match({tlsa_octets(3, 0, 2, expired)}, chain).matched);
}

TEST_CASE("usage 2 matches a CA of the chain that was sent") {
  const World& w = world();
  for (int selector : {0, 1})
    for (int matching : {0, 1, 2})
      for (const MadeCertificate* anchor : {&w.root, &w.sub}) {
        auto verdict = w.match({tlsa_octets(2, selector, matching, *anchor)}, w.full);
        CHECK_MESSAGE(verdict.matched, selector << " " << matching << " " << verdict.text);
      }
  CHECK(!w.match({tlsa_octets(2, 1, 1, w.other)}, w.full).matched);
  CHECK(!w.match({tlsa_octets(2, 1, 1, w.leaf)}, w.full).matched);  // the server's own certificate is no anchor
}

TEST_CASE("an anchor that was not sent must be in the record itself") {
  const World& w = world();
  CHECK(w.match({tlsa_octets(2, 0, 0, w.root)}, w.without_root).matched);
  CHECK(w.match({tlsa_octets(2, 1, 0, w.root)}, w.without_root).matched);
  CHECK(w.match({tlsa_octets(2, 0, 0, w.sub)}, w.alone).matched);
  CHECK(w.match({tlsa_octets(2, 1, 0, w.sub)}, w.alone).matched);
  CHECK(!w.match({tlsa_octets(2, 0, 1, w.root)}, w.without_root).matched);
  CHECK(!w.match({tlsa_octets(2, 1, 0, w.other)}, w.without_root).matched);
  CHECK(!w.match({tlsa_octets(2, 0, 0, w.other)}, w.alone).matched);
}

TEST_CASE("certificates may be sent in any order and with others between them") {
  const World& w = world();
  std::vector<std::string> mixed{w.leaf.der, w.other.der, w.root.der, w.sub.der};
  CHECK(w.match({tlsa_octets(2, 0, 1, w.root)}, mixed).matched);
}

TEST_CASE("an anchor beside the chain that has signed nothing does not help") {
  const World& w = world();
  MadeCertificate stranger(leaf_for("mx.test"), &w.other);
  std::vector<std::string> chain{stranger.der, w.root.der};
  CHECK(!w.match({tlsa_octets(2, 0, 1, w.root)}, chain).matched);
}

TEST_CASE("a forged certificate with the name of the right CA is refused") {
  const World& w = world();
  MadeCertificate forger(ca_named("sub"));
  MadeCertificate forged(leaf_for("mx.test"), &forger);
  for (const auto& record : {tlsa_octets(2, 0, 1, w.sub), tlsa_octets(2, 0, 0, w.sub), tlsa_octets(2, 1, 0, w.sub), tlsa_octets(2, 0, 1, w.root)}) {
    CHECK(!w.match({record}, {forged.der, w.sub.der, w.root.der}).matched);
    CHECK(!w.match({record}, {forged.der, forger.der, w.sub.der, w.root.der}).matched);
  }
}

TEST_CASE("who signs must be a CA") {
  const World& w = world();
  MadeCertificate below(leaf_for("mx.test"), &w.leaf);
  CHECK(!w.match({tlsa_octets(2, 1, 1, w.sub)}, {below.der, w.leaf.der, w.sub.der}).matched);
}

TEST_CASE("usage 2 looks at names") {
  const World& w = world();
  auto records = set_of({tlsa_octets(2, 1, 1, w.root)});
  std::vector<std::string> wrong{"other.test", "test"};
  auto verdict = match_dane(records, w.full, wrong, w.now);
  CHECK(!verdict.matched);
  CHECK(verdict.host_mismatch);
  CHECK(verdict.by.has_value());
  CHECK(!match_dane(records, w.full, {}, w.now).matched);
  MadeCertificate wild(leaf_for("*.domain.test"), &w.root);
  std::vector<std::string> chain{wild.der, w.root.der}, below{"mx.domain.test"}, deeper{"a.mx.domain.test"};
  CHECK(match_dane(records, chain, below, w.now).matched);
  CHECK(match_dane(records, chain, deeper, w.now).host_mismatch);
}

TEST_CASE("usage 2 looks at dates, of every certificate of the path") {
  const World& w = world();
  auto later = w.now + std::chrono::hours(2), earlier = w.now - std::chrono::hours(2);
  for (auto when : {later, earlier}) {
    auto verdict = match_dane(set_of({tlsa_octets(2, 1, 1, w.root)}), w.full, w.names, when);
    CHECK(!verdict.matched);
    CHECK(verdict.expired);
  }
  MadeCertificate::Wish old = ca_named("old");
  old.until = time(nullptr) - 60;
  MadeCertificate expired(old, &w.root), leaf(leaf_for("mx.test"), &expired);
  auto verdict = w.match({tlsa_octets(2, 1, 1, w.root)}, {leaf.der, expired.der, w.root.der});
  CHECK(!verdict.matched);
  CHECK(verdict.text.find("a certificate of the chain has expired") == 0);
}

TEST_CASE("one record that matches is enough, wherever it stands") {
  const World& w = world();
  std::vector<std::string> many(300, tlsa_octets(3, 1, 1, w.other));
  many.push_back(tlsa_octets(3, 1, 1, w.leaf));
  CHECK(w.match(many, w.alone).matched);
  CHECK(w.match({tlsa_octets(2, 1, 1, w.other), tlsa_octets(3, 1, 1, w.leaf)}, w.full).matched);
  CHECK(w.match({tlsa_octets(3, 1, 1, w.other), tlsa_octets(2, 1, 1, w.root)}, w.full).matched);
}

TEST_CASE("of digests of the same thing the strongest counts") {
  const World& w = world();
  CHECK(!w.match({tlsa_octets(3, 1, 1, w.leaf), tlsa_octets(3, 1, 2, w.other)}, w.alone).matched);
  CHECK(w.match({tlsa_octets(3, 1, 1, w.leaf), tlsa_octets(3, 0, 2, w.other)}, w.alone).matched);
  CHECK(w.match({tlsa_octets(3, 1, 0, w.leaf), tlsa_octets(3, 1, 2, w.other)}, w.alone).matched);
  CHECK(w.match({tlsa_octets(3, 1, 1, w.leaf), std::string("\3\1\2cut", 6)}, w.alone).matched);
}

TEST_CASE("records that cannot be used are set aside with the reason") {
  const World& w = world();
  std::vector<std::string> bad{std::string("\3\1", 2),       "",
                               std::string("\3\1\1", 3),     std::string("\3\1\1") + std::string(31, 'x'),
                               std::string("\3\1\2") + std::string(32, 'x'), std::string("\3\1\3") + std::string(32, 'x'),
                               std::string("\3\2\1") + std::string(32, 'x'), std::string("\4\1\1") + std::string(32, 'x'),
                               tlsa_octets(1, 1, 1, w.leaf), tlsa_octets(0, 0, 1, w.root),
                               std::string("\3\0\0garbage", 10), std::string("\2\1\0garbage", 10),
                               tlsa_octets(2, 0, 0, w.root) + "x"};
  TlsaSet set = set_of(bad);
  CHECK(set.usable.empty());
  CHECK(set.unusable.size() == bad.size());
  CHECK(set.exists());
  CHECK(!set_of({}).exists());
  CHECK(!match_dane(set, w.full, w.names, w.now).matched);
  bad.push_back(tlsa_octets(3, 1, 1, w.leaf));
  CHECK(w.match(bad, w.full).matched);
}

TEST_CASE("a server without a certificate, or with garbage for one, matches nothing") {
  const World& w = world();
  CHECK(!w.match({tlsa_octets(3, 1, 1, w.leaf)}, {}).matched);
  CHECK(!w.match({tlsa_octets(3, 1, 1, w.leaf), tlsa_octets(2, 1, 1, w.root)}, {"garbage", w.leaf.der}).matched);
  CHECK(!w.match({tlsa_octets(3, 1, 1, w.leaf)}, {w.leaf.der + "x"}).matched);
}

TEST_CASE("many certificates of the same name cost a bounded search") {
  const World& w = world();
  std::vector<std::string> chain{w.leaf.der};
  for (int i = 0; i < 40; ++i) chain.push_back(MadeCertificate(ca_named("sub"), nullptr).der);
  CHECK(!w.match({tlsa_octets(2, 1, 1, w.root)}, chain).matched);
}

TEST_CASE("records as text") {
  auto record = parse_tlsa_text("3 1 1 ABCDEF 01");
  REQUIRE(record);
  CHECK(record->text() == "3 1 1 abcdef01");
  for (const char* wrong : {"", "3 1 1", "3 1 1 abc", "3 1 1 xy", "3 1 256 ab", "a 1 1 ab"}) CHECK(!parse_tlsa_text(wrong));
  record->data.assign(64, 'a');
  CHECK(record->short_text() == "3 1 1 61616161616161616161616161616161...");
}

TEST_CASE("the parts of a certificate are cut out as they stand") {
  const World& w = world();
  auto parts = certificate_parts(w.leaf.der);
  REQUIRE(parts);
  CHECK(parts->public_key == w.leaf.public_key());
  for (size_t size = 0; size < w.leaf.der.size(); ++size) CHECK(!certificate_parts(w.leaf.der.substr(0, size)));
}
