// Codec<T>: how a member of type T is read from a ConfigNode and shown as JSON. Used by bind.h only. Any
// thread.
#pragma once

#include <nlohmann/json.hpp>
#include <type_traits>

#include "base/units.h"
#include "config/scalars.h"

namespace veredus::bind {

// Appends to a path while it lives.
class Step {
 public:
  Step(ReadContext& context, const std::string& more) : path_(context.path), length_(context.path.size()) {
    path_ += more;
  }
  ~Step() { path_.resize(length_); }
  Step(const Step&) = delete;

 private:
  std::string& path_;
  size_t length_;
};

bool expect(ConfigNode::Kind kind, const Setting& setting, const ConfigNode& node, ReadContext& context);
bool enough(size_t count, const Setting& setting, const ConfigNode& node, ReadContext& context);
bool good_key(const Setting& setting, const ConfigEntry& entry, ReadContext& context);
std::string key_text(const Setting& setting, const std::string& key);

inline Json show_scalar(const Setting&, const std::string& v) {
  return v;
}
inline Json show_scalar(const Setting& s, bool v) {
  if (s.type == Type::choice) return s.choices[v ? 1 : 0];  // a choice of two
  return v;
}
template <std::unsigned_integral T>
  requires(!std::is_same_v<T, bool>)
Json show_scalar(const Setting& s, T v) {
  if (s.type == Type::size) return show_number(s, v);
  return v;
}
inline Json show_scalar(const Setting&, Millis v) {
  return format_duration(v);
}
inline Json show_scalar(const Setting&, const IpAddress& v) {
  return v.text();
}
inline Json show_scalar(const Setting&, const Endpoint& v) {
  return v.port ? v.text() : "";
}
inline Json show_scalar(const Setting&, const Network& v) {
  return v.text();
}
inline Json show_scalar(const Setting&, const NextHop& v) {
  return v.text();
}

template <typename T>
concept Scalar =
    std::is_enum_v<T> || requires(const Setting& s, T& out) { read_scalar(s, std::string_view(), out); };

// A record: everything that is neither a scalar nor one of the containers below.
template <typename T>
struct Codec {
  static bool read(const Setting& s, const ConfigNode& node, ReadContext& c, T& out) {
    return store_record(s.fields, node, c, &out);
  }
  static Json show(const Setting& s, const T& value) { return show_record(s.fields, &value); }
};

template <Scalar T>
struct Codec<T> {
  static bool read(const Setting& s, const ConfigNode& node, ReadContext& c, T& out) {
    if (!expect(ConfigNode::Kind::scalar, s, node, c)) return false;
    Status status = parse(s, node.text, out);
    if (!status) c.error(node.place, status.error().text);
    return status.ok();
  }
  static Json show(const Setting& s, const T& value) {
    if constexpr (std::is_enum_v<T>)
      return s.choices[static_cast<size_t>(value)];
    else
      return show_scalar(s, value);
  }

 private:
  static Status parse(const Setting& s, const std::string& text, T& out) {
    if constexpr (std::is_enum_v<T>) {
      size_t index = 0;
      Status status = read_choice(s, text, index);
      if (status) out = static_cast<T>(index);
      return status;
    } else {
      return read_scalar(s, text, out);
    }
  }
};

template <typename T>
struct Codec<std::vector<T>> {
  static bool read(const Setting& s, const ConfigNode& node, ReadContext& c, std::vector<T>& out) {
    if (s.shape == Shape::table) return read_table(s, node, c, out);
    out.clear();
    if constexpr (std::is_same_v<T, NextHop>)  // one next hop in place of a list of balanced ones
      if (node.kind == ConfigNode::Kind::scalar) return append(s, node, c, out) && unweighted(node, c, out[0]);
    if (!expect(ConfigNode::Kind::list, s, node, c) || !enough(node.items.size(), s, node, c)) return false;
    bool good = true;
    for (const ConfigNode& item : node.items) {
      Step step(c, "[" + std::to_string(out.size()) + "]");
      good &= append(s, item, c, out);
    }
    return good;
  }
  static Json show(const Setting& s, const std::vector<T>& values) {
    if (s.shape == Shape::table) return show_table(s, values);
    if constexpr (std::is_same_v<T, NextHop>)
      if (values.size() == 1) return Codec<T>::show(s, values.front());
    Json out = Json::array();
    for (const T& value : values) out.push_back(Codec<T>::show(s, value));
    return out;
  }

 private:
  // A share of one next hop means nothing.
  static bool unweighted(const ConfigNode& node, ReadContext& c, const NextHop& hop) {
    if (hop.weight == 1) return true;
    c.error(node.place, in_quotes(node.text) + " has a weight, but is not in an inner list");
    return false;
  }
  static bool append(const Setting& s, const ConfigNode& node, ReadContext& c, std::vector<T>& out) {
    if (c.places) c.places->insert_or_assign(c.path, node.place);
    if constexpr (std::is_same_v<T, Network>)
      if (node.text == "loopback" && node.kind == ConfigNode::Kind::scalar) {
        for (const char* text : {"127.0.0.0/8", "::1"}) out.push_back(*Network::parse(text));
        return true;
      }
    T value{};
    if (!Codec<T>::read(s, node, c, value)) return false;
    out.push_back(std::move(value));
    return true;
  }
  static bool read_table(const Setting& s, const ConfigNode& node, ReadContext& c, std::vector<T>& out) {
    if (!expect(ConfigNode::Kind::map, s, node, c)) return false;
    bool good = true;
    for (const ConfigEntry& entry : node.entries) {
      if (!good_key(s, entry, c)) return false;
      Step step(c, "." + entry.key);
      if (c.places) c.places->insert_or_assign(c.path, entry.place);
      T value{};
      good &= Codec<T>::read(s, entry.value, c, value);
      if constexpr (requires { value.name; }) value.name = entry.key;
      out.push_back(std::move(value));
    }
    return good;
  }
  static Json show_table(const Setting& s, const std::vector<T>& values) {
    Json out = Json::object();
    if constexpr (requires(const T& value) { value.name; })
      for (const T& value : values) out[value.name] = Codec<T>::show(s, value);
    return out;
  }
};

template <>
struct Codec<PoolSettings> {
  static bool read(const Setting& s, const ConfigNode& node, ReadContext& c, PoolSettings& out) {
    return Codec<std::vector<std::string>>::read(s, node, c, out.sources);
  }
  static Json show(const Setting& s, const PoolSettings& value) {
    return Codec<std::vector<std::string>>::show(s, value.sources);
  }
};

template <typename T>
struct Codec<std::map<std::string, T>> {
  static bool read(const Setting& s, const ConfigNode& node, ReadContext& c, std::map<std::string, T>& out) {
    if (!expect(ConfigNode::Kind::map, s, node, c)) return false;
    bool good = true;
    for (const ConfigEntry& entry : node.entries) {
      if (!good_key(s, entry, c)) {
        good = false;
        continue;
      }
      Step step(c, "." + entry.key);
      bool single = entry.value.kind == ConfigNode::Kind::scalar;
      if (c.places) c.places->insert_or_assign(c.path, single ? entry.value.place : entry.place);
      good &= read_value(s, entry, c, out[key_text(s, entry.key)]);
    }
    return good;
  }
  static Json show(const Setting& s, const std::map<std::string, T>& values) {
    Json out = Json::object();
    for (const auto& [key, value] : values) out[key] = show_value(s, value);
    return out;
  }

 private:
  static bool read_value(const Setting& s, const ConfigEntry& entry, ReadContext& c, T& out) {
    if constexpr (requires { out.name; }) out.name = entry.key;
    Setting inner = s;
    inner.shape = Shape::list;
    return Codec<T>::read(inner, entry.value, c, out);
  }
  static Json show_value(const Setting& s, const T& value) {
    Setting inner = s;
    inner.shape = Shape::list;
    return Codec<T>::show(inner, value);
  }
};

}  // namespace veredus::bind
