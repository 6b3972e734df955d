// Where keys are, what is kept of them, keys in files and what is published.
#include "dkim/keys.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "dkim/keyring.h"
#include "mailauth/base/fake_dns.h"

using namespace mail_dkim;

namespace {

struct Directory {
  std::string path;
  Directory() {
    char name[] = "/tmp/dkim-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path); }
};

void put(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

KeyPlan files_in(const std::string& directory) {
  KeyPlan out;
  out.domain = "a.test";
  out.optional = true;
  out.pattern = directory + "/a.test/{selector}.pem";
  out.active_file = directory + "/a.test/active";
  return out;
}

}  // namespace

TEST_CASE("patterns of paths are filled in and lead nowhere else") {
  CHECK(filled("/k/{tenant}/{domain}/{selector}.pem", "blue", "a.test", "s1") == "/k/blue/a.test/s1.pem");
  CHECK(filled("{domain}{domain}{other}{", "", "a", "") == "aa{other}{");
  CHECK(filled("/k/{domain}", "../etc", "a.test", "") == "");
  CHECK(filled("/k/{domain}", "", "../a.test", "") == "");
  CHECK(filled("/k/{domain}", "", "a/b", "") == "");
  CHECK(filled("/k/{domain}", "", "{selector}", "s") == "/k/{selector}");
}

TEST_CASE("rows of tables") {
  std::string problem;
  auto places = places_of("s1=/k/one.pem, s2=base64:AAAA ,", problem);
  REQUIRE(places.size() == 2);
  CHECK(places[0].selector == "s1");
  CHECK(places[1].file == "base64:AAAA");
  CHECK(problem.empty());
  for (const char* bad : {"s1", "s1=relative.pem", "=x", "a b=/x", "s=/a,s=/a,s=/a,s=/a,s=/a,s=/a,s=/a,s=/a,s=/a"}) {
    problem.clear();
    CHECK(places_of(bad, problem).empty());
    CHECK_FALSE(problem.empty());
  }
  CHECK(places_of("", problem).empty());
}

TEST_CASE("the last used stay") {
  Lru<int> lru(2);
  lru.put("a", 1);
  lru.put("b", 2);
  CHECK(*lru.find("a") == 1);
  lru.put("c", 3);
  CHECK(lru.find("b") == nullptr);
  CHECK(*lru.find("a") == 1);
  lru.put("a", 4);
  CHECK(lru.size() == 2);
  CHECK(*lru.find("a") == 4);
}

TEST_CASE("keys are read from files, those that are listed must be there") {
  Directory directory;
  KeyPlan plan = files_in(directory.path);
  CHECK(load(plan).problem.empty());
  CHECK(load(plan).keys.empty());
  std::string problem;
  REQUIRE(make_key(key_path(directory.path, "a.test", "one"), mailauth::KeyKind::ed25519, 0, problem));
  CHECK(load(plan).keys.empty());
  put(plan.active_file, "# these sign\n one \n\n");
  KeySet set = load(plan);
  REQUIRE(set.keys.size() == 1);
  CHECK(set.keys[0].selector == "one");
  put(plan.active_file, "one\ntwo\n");
  CHECK(load(plan).problem.ends_with("two.pem cannot be read: No such file or directory"));
  plan.active_file.clear();
  plan.places = {{"one", key_path(directory.path, "a.test", "one"), mailauth::KeyKind::rsa}};
  CHECK(load(plan).problem.ends_with("holds a key of another algorithm than the settings say"));
  put(directory.path + "/weak", "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n");
  plan.places = {{"one", directory.path + "/weak", {}}};
  CHECK(load(plan).problem.ends_with("holds no private key in PEM"));
}

TEST_CASE("keys are made for their owner alone and never over others") {
  Directory directory;
  std::string problem;
  const std::string path = key_path(directory.path, "a.test", "s");
  auto key = make_key(path, mailauth::KeyKind::rsa, 1'024, problem);
  REQUIRE(key);
  struct stat found{};
  REQUIRE(stat(path.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0600);
  CHECK_FALSE(make_key(path, mailauth::KeyKind::rsa, 1'024, problem));
  CHECK(problem.find("is there already") != std::string::npos);
  CHECK(loose_mode(path).empty());
  chmod(path.c_str(), 0644);
  CHECK(loose_mode(path).find("everybody") == 0);
  problem.clear();
  REQUIRE(read_key(path, problem));
  CHECK(read_key(path, problem)->public_octets() == key->public_octets());
  CHECK_FALSE(read_key(path + "x", problem));
}

TEST_CASE("what is published is compared with the key") {
  auto key = mailauth::PrivateKey::generate(mailauth::KeyKind::rsa, 2'048), other = mailauth::PrivateKey::generate(mailauth::KeyKind::rsa, 2'048);
  auto word = [&](const std::string& record) {
    mailauth::FakeDns dns;
    if (!record.empty()) dns.add("s._domainkey.a.test", VRD_DNS_TXT, record);
    return compare(mailauth::key_of(mailauth::run(dns.ask("s._domainkey.a.test", VRD_DNS_TXT))), *key).word;
  };
  const std::string record = mailauth::key_record_text(*key);
  CHECK(word(record) == "pass");
  CHECK(word(record + "; t=y") == "pass");
  CHECK(word(mailauth::key_record_text(*other)) == "fail");
  CHECK(word("v=DKIM1; p=") == "fail");
  CHECK(word("v=DKIM1; p=%") == "permerror");
  CHECK(word("") == "none");
  mailauth::FakeDns dns;
  dns.fail("s._domainkey.a.test", VRD_DNS_TXT, VRD_E_TIMEOUT);
  CHECK(compare(mailauth::key_of(mailauth::run(dns.ask("s._domainkey.a.test", VRD_DNS_TXT))), *key).word == "temperror");
}

TEST_CASE("records are cut into the strings that a zone may hold") {
  const std::string line = zone_line("a.test", "s", std::string(300, 'x'));
  CHECK(line == "s._domainkey.a.test. 3600 IN TXT ( \"" + std::string(255, 'x') + "\" \"" + std::string(45, 'x') + "\" )");
}
