// C++ wrapper: the plugin's checked settings, and Setup, which a plugin's constructor gets. Settings live as long as the instance.
#ifndef VEREDUS_DETAIL_CONF_HPP
#define VEREDUS_DETAIL_CONF_HPP

#include <veredus/detail/host.hpp>

namespace vrd {

/** A node of the settings: the fragment, a record, a list or a scalar. False when unset. Keys are those of the schema. */
class Conf {
 public:
  Conf() = default;
  Conf(const vrd_core_conf_1& api, const vrd_conf* raw) : api_(&api), raw_(raw) {}
  explicit operator bool() const { return raw_ != nullptr; }
  const vrd_conf* raw() const { return raw_; }

  Conf operator[](const char* key) const { return raw_ == nullptr ? Conf() : Conf(*api_, api_->get(raw_, key)); }
  std::string_view text() const { return raw_ == nullptr ? std::string_view() : vrd::view(api_->text(raw_)); }
  int64_t number() const { return raw_ == nullptr ? 0 : api_->number(raw_); }
  size_t size() const { return raw_ == nullptr ? 0 : api_->count(raw_); }
  Conf at(size_t index) const { return raw_ == nullptr ? Conf() : Conf(*api_, api_->at(raw_, index)); }

  std::string_view text(const char* key) const { return (*this)[key].text(); }
  int64_t number(const char* key) const { return (*this)[key].number(); }
  bool flag(const char* key) const { return (*this)[key].number() != 0; }
  milliseconds duration(const char* key) const { return milliseconds((*this)[key].number()); }
  uint64_t octets(const char* key) const { return static_cast<uint64_t>((*this)[key].number()); }
  /** The position of a choice's word in its bounds. */
  size_t choice(const char* key) const { return static_cast<size_t>((*this)[key].number()); }

  /** Entries of a list, or a single one: records, or scalars to ask for text(). */
  std::vector<Conf> list(const char* key) const {
    const Conf node = (*this)[key];
    std::vector<Conf> out;
    for (size_t i = 0; i < node.size(); i++) out.push_back(node.at(i));
    return out;
  }
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> out;
    for (const Conf& one : list(key)) out.emplace_back(one.text());
    return out;
  }
  /** A mapping of free keys to scalars, in the order of the file. */
  std::vector<std::pair<std::string, std::string>> map(const char* key) const {
    const Conf node = (*this)[key];
    std::vector<std::pair<std::string, std::string>> out;
    for (size_t i = 0; i < node.size(); i++) out.emplace_back(copy(api_->key_at(node.raw_, i)), std::string(node.at(i).text()));
    return out;
  }
  /** "conf.d/30-greylist.yaml:7:3" */
  std::string_view where() const { return raw_ == nullptr ? std::string_view() : vrd::view(api_->where(raw_)); }
  /** Refuses the configuration, with the place of this node. Only in constructors. */
  [[noreturn]] void refuse(const std::string& why) const { throw Refused(raw_, why); }

 private:
  const vrd_core_conf_1* api_ = nullptr;
  const vrd_conf* raw_ = nullptr;
};

/** What a plugin's constructor gets. Metrics, tables and helpers can be had here only. [main] */
class Setup {
 public:
  Setup(const Host& with, const vrd_conf* raw, const void* previous) : host(with), conf(Interfaces::need(api().conf), raw), previous_(previous) {}

  const Host& host;
  const Conf conf;

  /** Names and texts: literals, they must live forever. A counter's name ends in _total. */
  Metric counter(const char* name, const char* doc) const { return metric(VRD_METRIC_COUNTER, name, doc, nullptr, nullptr); }
  Metric gauge(const char* name, const char* doc) const { return metric(VRD_METRIC_GAUGE, name, doc, nullptr, nullptr); }
  /** With one label; `values` is a static array that ends in nullptr. */
  Metric metric(uint32_t kind, const char* name, const char* doc, const char* label, const char* const* values) const {
    const vrd_metric_def def{VRD_SIZED(vrd_metric_def), kind, name, doc, label, values};
    uint32_t id = 0;
    check(Interfaces::need(api().metric).define(api().raw, &def, &id), name);
    return Metric(api(), id);
  }
  Table table(std::string_view name) const {
    Table out;
    check(Interfaces::need(api().table).open(api().raw, str(name), &out.id), "opening a table");
    return out;
  }
  Helper helper(std::string_view name) const {
    Helper out;
    check(Interfaces::need(api().helper).open(api().raw, str(name), &out.id), "opening a helper");
    return out;
  }
  /** The instance that this one replaces, still running: read only, under its locks. Null at the first start. */
  template <class P>
  const P* previous() const {
    return static_cast<const P*>(previous_);
  }

 private:
  const Interfaces& api() const { return host.interfaces(); }
  const void* previous_;
};

}  // namespace vrd
#endif
