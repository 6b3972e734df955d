// One case at work: its instances, its session, and its steps one after another. Runs in a child process, on one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench.h"
#include "expect.h"
#include "script.h"
#include "session.h"
#include "stage.h"

namespace veredus::ptest {

class Exec {
 public:
  Exec(const Case& script, const vrd_plugin* plugin, const Plan& plan, std::string directory);

  void start();                 // instances
  void step(size_t index);
  void finish();                // ends everything, and looks for what was left
  bool stopped() const { return stopped_; }  // refused settings, or no way to go on

  const std::vector<std::string>& failures() const { return failures_; }
  Bench& bench() { return bench_; }

 private:
  void write_files(const YAML::Node& files);
  Instance* make_instance(const std::string& label, const YAML::Node& settings, void* prev, std::string* error);
  bool create(Instance& instance, void* prev, std::string* error);
  void check_provided(Instance& instance);
  bool start_shard(Instance& instance, std::string* error);
  void start_instance(const std::string& label, const YAML::Node& settings);
  void retire(Instance& instance);
  Instance* find_instance(const std::string& label);

  void dispatch(const Step& step);
  void stage_step(const Step& step, const StageRule& rule);
  bool enter_stage(const StageRule& rule);
  void set_attributes(const Step& step);
  void set_reply(const std::string& text);
  void run_stage(const StageRule& rule);
  void body_step(const Step& step);
  void next_chunk();
  void tell(uint32_t stage);
  void end_session();
  void collect();  // takes the outcome of a stage that is done
  void apply(const Outcome& outcome);

  void command_step(const Step& step);
  void service_step(const Step& step);
  void reload_step(const Step& step);
  void fail_step(const Step& step);
  void results_step(const Step& step);
  void notes_step(const Step& step);
  void wait_real(int64_t ms);
  bool busy() const { return (run_ && !collected_) || token_ != 0; }
  void judge(const Step& step);
  void fail(const std::string& place, const std::string& text);

  const Case& script_;
  const vrd_plugin* plugin_;
  Bench bench_;
  Session session_;
  std::vector<Instance*> current_, of_session_;
  std::shared_ptr<StageRun> run_;
  bool collected_ = true;
  Outcome outcome_;
  bool has_outcome_ = false;
  std::vector<std::string> chunks_;  // of a body that is being shown
  size_t chunk_ = 0;
  std::string new_body_;
  std::vector<Edit> body_edits_;
  vrd_pending token_ = 0;  // of a service or command under way
  Seen seen_;
  YAML::Node answer_;
  bool stopped_ = false, gone_ = false;
  std::string description_;
  std::vector<std::string> failures_;
};

}  // namespace veredus::ptest
