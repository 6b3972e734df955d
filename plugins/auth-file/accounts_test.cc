// Tests of account files and of password hashes.
#include "accounts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>

#include <doctest/doctest.h>

using namespace auth_file;

namespace {

struct File {
  explicit File(const std::string& text) {
    char name[] = "/tmp/veredus-accounts-XXXXXX";
    close(mkstemp(name));
    options.file = name;
    std::ofstream(name, std::ios::binary) << text;
  }
  ~File() { std::remove(options.file.c_str()); }
  std::shared_ptr<const Accounts> accounts() {
    error.clear();
    return load(options, error);
  }
  std::string trouble() {
    CHECK_FALSE(accounts());
    return error.substr(std::min(error.size(), options.file.size()));
  }
  Options options;
  std::string error;
};

// What RFC 7677 makes of the password "pencil"; the others are by doveadm and openssl.
constexpr char kScram[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
constexpr char kPrint[] = "SHA256:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99";

bool right(const std::string& hash, const std::string& password) {
  Hash read;
  CHECK(read_hash(hash, read) == "");
  return fits(read, password);
}

}  // namespace

TEST_CASE("hashes that are made fit their password and no other") {
  for (const char* scheme : {"argon2id", "yescrypt", "scram-sha-256"}) {
    CAPTURE(scheme);
    std::string problem, made = make_hash(scheme, "pencil", problem);
    CHECK(problem == "");
    CHECK(right(made, "pencil"));
    CHECK_FALSE(right(made, "Pencil"));
    CHECK_FALSE(right(made, ""));
    CHECK(made != make_hash(scheme, "pencil", problem));
    CHECK(make_hash(scheme, "", problem) == "");
    CHECK(problem == "the password is empty");
  }
  std::string problem;
  CHECK(make_hash("md5", "pencil", problem) == "");
  CHECK(problem == "there is no scheme 'md5'; one of argon2id, yescrypt, scram-sha-256");
}

TEST_CASE("hashes of other programs") {
  CHECK(right(kScram, "pencil"));
  CHECK(right("{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", "pencil"));
  CHECK_FALSE(right(kScram, "pencils"));
  CHECK(right("{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1", "Hello world!"));
  CHECK(right("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"));
  CHECK(right("{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"));
  CHECK(right("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$oTT42hWazIk84U2S/mFgTg$W5Rr21x76u2Sgl8wPgmEd8+lGeAhA/2r0Nr2klSmBfA", "pencil"));
  CHECK(right("{SCRAM-SHA-256}4096,e5DCgs+bxh0xm6Go1fKuow==,8vISTXUVNCxSyyiFlejW+xP0ZPpr36gVEvqa45PRdz0=,N8fyGS2qq0yWmw4X0Q/buHKV2AqgztD0D50H2AjUbxo=", "pencil"));
  CHECK_FALSE(right("!", ""));
  CHECK_FALSE(right("*", "*"));
}

TEST_CASE("hashes that are not taken") {
  auto problem = [](const std::string& text) {
    Hash out;
    return read_hash(text, out);
  };
  for (const char* text : {"", "pencil", "{PLAIN}pencil", "$1$abcdefgh$G//4keteveJp0qb8z2DxG/", "ab01FAX.bQRSU", "{MD5}x", "{", "{}"}) {
    CAPTURE(text);
    CHECK(problem(text) == "no hash that is known or safe; make one with 'veredus auth-file hash'");
  }
  CHECK(problem("$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$aGFzaA") == "the argon2 hash wants more than 1 GiB of memory");
  CHECK(problem("$argon2id$v=19$m=64,t=99999,p=1$c2FsdHNhbHQ$aGFzaA") == "the argon2 hash wants more than 64 passes");
  CHECK(problem("$argon2id$x").starts_with("an argon2 hash has five parts"));
  CHECK(problem("SCRAM-SHA-256$100:c2FsdA==$AAAA:AAAA") == "a SCRAM-SHA-256 secret has 4096 to 1000000 iterations");
  CHECK(problem("SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA").starts_with("salt, stored key or server key"));
  CHECK(problem("SCRAM-SHA-256$4096").starts_with("a SCRAM-SHA-256 secret has four parts"));
  CHECK(problem("$6$" + std::string(2000, 'x')) == "a hash of more than 1024 octets");
}

TEST_CASE("lines: tenants, attributes, comments, SCRAM secrets with their colons") {
  File file("# accounts\n\nAnn@a.test:" + std::string(kScram) + ":acme certificate=" + kPrint + " acts_as=info@a.test,sales@a.test\r\n  bob:!\ncarl:" + kScram +
            "\ndora:*:other\neve:{SCRAM-SHA-256}4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=:t acts_as=*\n");
  auto accounts = file.accounts();
  REQUIRE_MESSAGE(accounts, file.error);
  CHECK(accounts->size() == 5);
  CHECK(accounts->passwords() == 3);
  CHECK(accounts->scram_secrets() == 3);
  const Account* ann = accounts->find("ANN@A.TEST");
  REQUIRE(ann);
  CHECK(ann->name == "Ann@a.test");
  CHECK(ann->tenant == "acme");
  CHECK(ann->hash.text == kScram);
  CHECK(accounts->may_act(*ann, ""));
  CHECK(accounts->may_act(*ann, "ann@a.test"));
  CHECK(accounts->may_act(*ann, "Info@a.test"));
  CHECK_FALSE(accounts->may_act(*ann, "bob"));
  CHECK(accounts->may_act(*accounts->find("eve"), "bob"));
  CHECK(accounts->find("eve")->tenant == "t");
  CHECK(accounts->find("dora")->tenant == "other");
  CHECK(accounts->find("bob")->hash.scheme == Scheme::none);
  CHECK(accounts->owner("aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899") == ann);
  CHECK(accounts->owner(kPrint) == ann);
  CHECK_FALSE(accounts->owner("SHA256:00"));
  CHECK_FALSE(accounts->owner(""));
  CHECK_FALSE(accounts->find(""));
  file.options.fold = false;
  CHECK_FALSE(file.accounts()->find("ann@a.test"));
}

TEST_CASE("an account that does not exist is tried with a hash of the file, always the same") {
  File file("a:" + std::string(kScram) + "\nb:!\n");
  auto accounts = file.accounts();
  REQUIRE(accounts);
  CHECK(accounts->decoy("nobody") == &accounts->find("a")->hash);
  CHECK(accounts->decoy("nobody") == accounts->decoy("NOBODY"));
  File empty("");
  CHECK_FALSE(empty.accounts()->decoy("nobody"));
}

TEST_CASE("errors name file and line") {
  const std::string hash = kScram;
  CHECK(File("a:!\nb\n").trouble() == ":2: no hash that is known or safe; make one with 'veredus auth-file hash'");
  CHECK(File(":!\n").trouble().starts_with(":1: a line begins with a name"));
  CHECK(File("a b:!\n").trouble().starts_with(":1: a line begins with a name"));
  CHECK(File(std::string(256, 'a') + ":!\n").trouble().starts_with(":1: a line begins with a name"));
  CHECK(File("a:!\n\nA:!\n").trouble() == ":3: the account 'a' stands in line 1 too");
  CHECK(File("a:plain\n").trouble() == ":1: no hash that is known or safe; make one with 'veredus auth-file hash'");
  CHECK(File("a:!:t:x\n").trouble().starts_with(":1: behind the hash stands a tenant"));
  CHECK(File("a:! color=red\n").trouble().starts_with(":1: unknown attribute 'color=red'"));
  CHECK(File("a:! certificate=SHA256:00\n").trouble().starts_with(":1: certificate= wants the SHA-256 fingerprint"));
  CHECK(File("a:! acts_as=b,,c\n").trouble() == ":1: acts_as has an empty or overlong name");
  CHECK(File("a:! certificate=" + std::string(kPrint) + "\nb:! certificate=" + kPrint + "\n").trouble() == ":2: the certificate is also that of 'a' in line 1");
  CHECK(File(std::string("a:!\0\n", 5)).trouble() == ":1: a NUL octet");
  CHECK(File("a:! " + std::string(5000, ' ') + "x\n").trouble() == ":1: a line of more than 4096 octets");
}

TEST_CASE("files that everybody can read, that are missing, or are none") {
  File file("a:!\n");
  chmod(file.options.file.c_str(), 0644);
  CHECK(file.trouble().starts_with(": everybody on this host can read or change it (mode 0644); chmod 0640 it"));
  chmod(file.options.file.c_str(), 0640);
  CHECK(file.accounts());
  std::remove(file.options.file.c_str());
  CHECK(file.trouble() == ": No such file or directory");
  file.options.file = "/tmp";
  CHECK(file.trouble() == ": not a file");
}
