// A certificate with its key as files hold it: read, checked, and ready for GnuTLS. Any thread; reading blocks.
#pragma once

#include <gnutls/gnutls.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/tls.h"

namespace veredus {

// What a file was when it was read; another value means that it has changed.
struct FileStamp {
  int64_t seconds = 0, nanoseconds = 0;
  uint64_t inode = 0, size = 0;
  bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const std::string& path);

struct TlsPair {
  std::string cert_path, key_path;
  FileStamp cert_stamp, key_stamp;
  std::string cert_pem, key_pem;
  TlsServer::CertificateInfo info;
  bool elliptic = false;  // the cheaper key, to be offered first
  std::string warning;    // what an administrator should know although it works
  ~TlsPair();
};

// The error names the file, what is wrong with it, and what to do.
Result<std::shared_ptr<const TlsPair>> read_pair(const std::string& cert_path, const std::string& key_path, WallTime now);

// Credentials with these pairs, and whom of the clients they trust.
using TlsCredentials = std::shared_ptr<gnutls_certificate_credentials_st>;
Result<TlsCredentials> make_credentials(std::vector<std::shared_ptr<const TlsPair>> pairs, const std::string& client_ca);

}  // namespace veredus
