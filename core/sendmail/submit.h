// Handing in one message: to the daemon, or to the drop directory when it is not there. One thread; blocks.
#pragma once

#include "drop/submission.h"
#include "sendmail/flags.h"
#include "sendmail/places.h"
#include "smtp/reply.h"

namespace veredus {

// The message of standard input as a submission, or the exit code and what to say.
struct Prepared {
  int code = 0;
  std::string complaint;
  Submission submission;
};
Prepared prepare_submission(const SendmailCall& call, const Places& places);

// 0 once the message is durable, and only then.
int hand_in(Submission submission, const SendmailCall& call, const Places& places);

int exit_code_of(const Reply& refusal);  // of a message that the daemon will not take

}  // namespace veredus
