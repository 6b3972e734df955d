// Dkim: the plugin: what is shared by all loops. A Shard is one loop's part.
#pragma once

#include "common/tasks.hpp"
#include "engine.h"
#include "keys.h"
#include "settings.h"

namespace mail_dkim {

class Dkim : public vrd::Plugin<> {
 public:
  explicit Dkim(vrd::Setup& setup);

  class Shard : public vrd::ShardOf<Dkim> {
   public:
    explicit Shard(const vrd::ShardSetup<Dkim>& setup) : ShardOf(setup), ring_(host, plugin.options) {}
    vrd::Task<vrd::Verdict> on_message(vrd::CoCall call);
    vrd::Task<vrd::Verdict> on_seal(vrd::CoCall call);

   private:
    vrd::Task<std::vector<mailauth::DkimResult>> check(vrd::KeptView view, std::string header);
    vrd::Task<std::vector<mailauth::NewField>> sign(vrd::KeptView view, std::string header, Keys keys);
    vrd::Verdict not_signed(const vrd::View& call, const std::string& domain, const std::string& problem) const;
    void tell(vrd::CoCall& call, const std::vector<mailauth::DkimResult>& results) const;
    vrd::Verdict judge(const std::vector<mailauth::DkimResult>& results) const;

    KeyRing ring_;
  };

  void check(vrd::CommandCall call);
  void sign(vrd::CommandCall call);
  void keygen(vrd::CommandCall call);
  void record(vrd::CommandCall call);
  void test(vrd::CommandCall call);
  void rotate(vrd::CommandCall call);

  const Options options;
  std::unique_ptr<const Engine> engine;
  const vrd::Metric verified, sealed;

 private:
  common::Tasks tasks_;
};

}  // namespace mail_dkim
