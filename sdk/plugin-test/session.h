// The session of a script: what a client, a message and its recipients are known to be, changed by steps and by edits. Loop only.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "edits.h"
#include "picture.h"

namespace veredus::ptest {

class Session {
 public:
  explicit Session(std::string hostname) : hostname_(std::move(hostname)) {}

  // Steps.
  void open(Attrs attrs);  // keeps the content
  void start_transaction(const std::string& sender);
  void end_transaction();
  void close() { is_open = false; }
  uint32_t add_recipient(const std::string& address);
  void drop_last_recipient() { recipients.pop_back(); }
  void set_content(const std::string& text);  // LF becomes CRLF
  void receive_body(const std::vector<std::string>& chunks);
  void set(const AttrInfo& info, const std::string& text);

  std::shared_ptr<const Picture> picture(uint32_t stage, bool content) const;
  void apply(uint32_t stage, const std::vector<Edit>& edits);
  void compose_results();  // the Authentication-Results field, after `message`
  std::string header_text(const std::string& name, size_t occurrence) const;  // trimmed
  size_t header_count(const std::string& name) const;
  std::string recipient_text(size_t index) const;
  std::string attr_text(uint32_t id) const;

  bool is_open = false, in_transaction = false;
  bool skip_transaction = false, skip_connection = false;
  Attrs attrs;                    // of session and message
  std::vector<Attrs> recipients;  // by VRD_ATTR_RECIPIENT...
  uint32_t recipient = 0;         // that the stage is about
  size_t accepted = 0;            // recipients that are no longer asked about
  std::map<std::string, std::string> notes;
  std::vector<Field> fields;
  std::string body;
  std::vector<Edit> results;
  std::set<const void*> body_done;  // hooks that want to see no more of this body

 private:
  void apply_one(const Edit& edit, std::vector<bool>& dropped);
  void apply_header(const Edit& edit);
  void set_field(const std::string& name, const std::string& value);
  std::string header_block() const;

  std::string hostname_;
  std::string received_;  // the content as it was set
  size_t received_body_start_ = 0;
  std::map<std::string, std::string> connection_notes_;
  std::set<uint32_t> session_attrs_;
};

}  // namespace veredus::ptest
