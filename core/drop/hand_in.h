// HandIn: the dialogue in which a submission is handed to the daemon, without I/O: what to say next, how many replies to wait for, and
// what they mean. Driven by sendmail over the submission socket and by the daemon itself for files of the drop directory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "drop/submission.h"
#include "smtp/reply.h"

namespace veredus {

class HandIn {
 public:
  struct Turn {
    std::string head;        // to be sent,
    std::string_view body;   // then this
    size_t replies = 0;      // then so many replies are awaited
    bool commits = false;    // once this is sent the message may be durable
    bool over = false;       // nothing more is said
  };
  enum class End : uint8_t { accepted, temporary, permanent, broken };  // broken: the connection ended
  struct Refused {
    std::string recipient;
    Reply reply;
  };

  // `mail_errors`: refused recipients are reported by a message, and count as accepted here. The submission must outlive this.
  HandIn(const Submission& submission, bool mail_errors) : submission_(submission), mail_errors_(mail_errors) {}

  Turn turn();
  // XLOCAL alone, answered by one reply: for those who go on by themselves.
  static std::string introduction(const Submission& submission);
  void take(const Reply& reply);  // one of those awaited
  void lost() { finish(End::broken, {}); }

  End end() const { return end_; }
  const Reply& reply() const { return reply_; }        // the last word: of the message, or of what stood in its way
  const std::string& id() const { return id_; }        // said at MAIL; empty before
  const std::vector<Refused>& refused() const { return refused_; }
  size_t accepted_recipients() const { return accepted_; }

 private:
  enum class Step : uint8_t { greeting, envelope, recipients, content, finished };
  std::string opening() const;
  std::string mail() const;
  Turn recipients();
  Turn content();
  void take_recipient(const Reply& reply);
  void finish(End end, const Reply& reply);

  const Submission& submission_;
  bool mail_errors_;
  Step step_ = Step::greeting;
  size_t said_ = 0, heard_ = 0;  // recipients
  size_t accepted_ = 0;
  size_t envelope_replies_ = 0;
  bool quit_ = false;
  End end_ = End::broken;
  Reply reply_;
  std::string id_;
  std::vector<Refused> refused_;
};

}  // namespace veredus
