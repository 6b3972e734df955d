// A look at one SMTP server: greeting, EHLO, STARTTLS, handshake, EHLO again, a second connection that resumes. Sends no mail. On the check's loop.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "loop/task.h"
#include "loop/wait.h"
#include "net/tls.h"

namespace veredus {

struct ProbeOptions {
  ProbeOptions() = default;
  Endpoint to;
  std::string helo;
  std::string sni;        // empty: none
  bool implicit = false;
};

struct SmtpProbe {
  enum class End : uint8_t {
    unreachable,       // no connection
    no_smtp,           // no greeting of 220, or EHLO refused
    no_starttls,       // not offered
    starttls_refused,  // offered, and then not
    injected,          // plain text behind the reply to STARTTLS
    handshake_failed,
    secured,
  } end = End::unreachable;
  Endpoint to;
  std::string problem;                      // one sentence, unless secured
  std::string greeting;                     // "220 mx.example.test ESMTP"
  std::vector<std::string> before, inside;  // what EHLO offered before and inside TLS
  TlsFacts tls;
  std::optional<bool> resumes;              // unset: was not tried
  std::string resumption_problem;

  bool secured() const { return end == End::secured; }
};

Task<SmtpProbe> probe_smtp(Loop& loop, ProbeOptions options, Deadline deadline);

}  // namespace veredus
