// Submission: one message as a program of this host hands it in: what sendmail made of its arguments and standard input. Travels as
// commands over the submission socket, or as records of a file of the drop directory. Value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace veredus {

struct Submission {
  std::string sender;                   // empty: the null sender
  std::vector<std::string> recipients;  // a domain may be missing, of these and of the sender
  std::string name;                     // full name of the user
  std::string body;                     // "7BIT", "8BITMIME" or nothing
  std::string envid;                    // as xtext
  std::string dsn_return;               // "FULL", "HDRS" or nothing
  std::string notify;                   // "NEVER", "SUCCESS,FAILURE" ... or nothing
  bool gateway = false;
  bool queue_only = false;  // the first attempt waits
  std::string cwd, script;
  std::string id;       // the daemon may have stored the message already, under this id
  std::string content;  // lines end with CRLF
};

std::string encode_records(const Submission& submission);
// What a file of the drop directory says, looked at record by record; the error says what is wrong with it.
Result<Submission> decode_records(std::string_view octets);
std::string said_id(std::string_view octets);  // Submission::id of records that may be cut off behind the envelope

}  // namespace veredus
