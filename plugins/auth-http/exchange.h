// From a question to a JSON document, and from a response to an answer. Values without I/O; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace auth_http {

struct Question {
  uint32_t kind = 0;  // VRD_AUTH_PASSWORD ...
  std::string_view mechanism, account, acting_as, secret, client;
};
// Empty when a text is not UTF-8, which JSON cannot carry.
std::string request_body(const Question& question);

struct Known {
  std::string account, tenant, secret;
};
struct Outcome {
  std::optional<Known> known;  // none and no problem: denied
  std::string problem;         // not empty: no answer at all
};
Outcome read_response(uint32_t kind, uint32_t code, std::string_view body);

// What is wrong with an address to which passwords are to be sent; empty: nothing.
std::string url_problem(std::string_view url, bool clear_text, bool unix_socket);

}  // namespace auth_http
