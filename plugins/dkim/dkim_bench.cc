// What verifying a signature takes, by key, beside what PublicKey::cost() says, by which is decided what a loop does itself. Then what signing
// a message of 4 KiB with RSA-2048 and ed25519 side by side costs, against the bare operations of OpenSSL on the same octets: hashing, one RSA
// signature, one ed25519 signature. Processor time of one thread; then how many cores two threads keep busy. Argument: messages of one
// measurement (1,500). The exit status is 1 when signing costs more than 1.25 times the bare operations. Figures mean something in a release
// build only.
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "dkim/engine.h"

namespace {

constexpr int kRepeats = 5;
constexpr double kMost = 1.25;

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "dkim_bench: %s\n", what);
  std::_Exit(2);
}

std::string message_of_4_kib() {
  std::string out =
      "Received: from client.test (client.test [192.0.2.1])\r\n\tby mx.example.test with ESMTPSA id 0123456789\r\n\tfor <bob@b.test>; Sat, 28 Nov 2026 10:00:00 +0000\r\n"
      "From: Ann Example <ann@a.test>\r\nTo: Bob Example <bob@b.test>\r\nSubject: The figures of November\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\n"
      "Message-ID: <20261128100000.1234@a.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
  while (out.size() < 4'096) out += "The quick brown fox jumps over the lazy dog, and the dog sleeps on.  42\r\n";
  return out;
}

struct Keys {
  std::vector<mailauth::SigningKey> both{{"a.test", "r", mailauth::PrivateKey::generate(mailauth::KeyKind::rsa, 2'048)},
                                         {"a.test", "e", mailauth::PrivateKey::generate(mailauth::KeyKind::ed25519, 0)}};
};

void sign(const std::string& message, const Keys& keys, int count) {
  mailauth::SignOptions options;
  options.names = mailauth::usually_signed();
  options.oversigned = mailauth::usually_oversigned();
  options.now = 1'800'000'000;
  const mail_dkim::NativeEngine engine;
  const size_t body = message.find("\r\n\r\n") + 4;
  const std::string_view all = message;
  for (int i = 0; i < count; ++i) {
    auto fields = engine.sign({all.substr(0, body), [&](const mail_dkim::Take& take) { take(all.substr(body)); }}, options, keys.both);
    require(fields.size() == 2 && !fields[0].value.empty() && !fields[1].value.empty(), "a signature failed");
  }
}

// The same octets and operations, with nothing around them.
class Bare {
 public:
  Bare(const std::string& message, const Keys& keys) : message_(message) {
    for (const mailauth::SigningKey& key : keys.both) {
      const std::string pem = key.key->pem();
      BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
      keys_.push_back(PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr));
      BIO_free(bio);
      require(keys_.back() != nullptr, "a key cannot be read");
    }
  }
  ~Bare() {
    for (EVP_PKEY* key : keys_) EVP_PKEY_free(key);
  }
  Bare(const Bare&) = delete;

  void run(int count) {
    for (int i = 0; i < count; ++i) {
      unsigned char digest[32], signature[512];
      hash(message_.data(), message_.size(), digest);  // body and header
      hash(message_.data(), 700, digest);              // header with the second signature's own field
      size_t size = sizeof signature;
      EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(keys_[0], nullptr);
      bool good = EVP_PKEY_sign_init(context) > 0 && EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) > 0 && EVP_PKEY_sign(context, signature, &size, digest, sizeof digest) > 0;
      EVP_PKEY_CTX_free(context);
      EVP_MD_CTX* edwards = EVP_MD_CTX_new();
      size = sizeof signature;
      good = good && EVP_DigestSignInit(edwards, nullptr, nullptr, nullptr, keys_[1]) > 0 && EVP_DigestSign(edwards, signature, &size, digest, sizeof digest) > 0;
      EVP_MD_CTX_free(edwards);
      require(good, "a bare signature failed");
    }
  }

 private:
  static void hash(const char* octets, size_t size, unsigned char* out) { require(EVP_Digest(octets, size, out, nullptr, EVP_sha256(), nullptr) > 0, "no hash"); }

  const std::string& message_;
  std::vector<EVP_PKEY*> keys_;
};

template <class Work>
double cost_of(Work work) {
  const double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  work();
  return seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin;
}

void both_cores(const std::string& message, const Keys& keys, int count) {
  const double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  std::thread other([&] { sign(message, keys, count); });
  sign(message, keys, count);
  other.join();
  const double took = seconds_of(CLOCK_MONOTONIC) - wall;
  std::printf("two threads: %.0f messages/s, %.2f cores busy\n", 2 * count / took, (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu) / took);
}

void verifying(mailauth::KeyKind kind, uint32_t bits, int count) {
  const auto key = mailauth::PrivateKey::generate(kind, bits);
  require(key != nullptr, "no key");
  const auto reader = mailauth::PublicKey::read(kind, key->public_octets());
  const mailauth::Digest digest = mailauth::sha256("a message");
  const std::string signature = key->sign(digest);
  const double took = cost_of([&] {
    for (int i = 0; i < count; ++i) require(reader->verify(digest, signature), "a signature does not hold");
  });
  std::printf("verifying %s %u: %.1f us, cost() says %u\n", std::string(mailauth::algorithm_of(kind)).c_str(), reader->bits(), took * 1e6 / count, reader->cost());
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1'500;
  for (uint32_t bits : {1'024u, 2'048u, 3'072u, 4'096u}) verifying(mailauth::KeyKind::rsa, bits, count);
  verifying(mailauth::KeyKind::ed25519, 0, count);
  const std::string message = message_of_4_kib();
  const Keys keys;
  Bare bare(message, keys);
  double ours = 1e9, theirs = 1e9;
  for (int i = 0; i < kRepeats; ++i) {  // in turn, the best of each: a busy machine slows both
    theirs = std::min(theirs, cost_of([&] { bare.run(count); }));
    ours = std::min(ours, cost_of([&] { sign(message, keys, count); }));
  }
  std::printf("bare operations: %.1f us a message\nsigning: %.1f us a message\nratio: %.3f (at most %.2f)\n", theirs * 1e6 / count, ours * 1e6 / count, ours / theirs, kMost);
  both_cores(message, keys, count);
  return ours / theirs > kMost ? 1 : 0;
}
