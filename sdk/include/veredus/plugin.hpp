// C++20 wrapper of the plugin ABI, headers only; it is no part of the ABI. A plugin is a class with hooks as methods, constexpr tables
// of settings, hooks and commands, and one line that exports them:
//
//   class Guard : public vrd::Plugin<> {
//    public:
//     explicit Guard(vrd::Setup& setup) : Plugin(setup), refused_(setup.counter("refused_total", "Senders refused")) {}
//     vrd::Verdict on_mail(vrd::Call& call) const;
//   ...
//   constexpr vrd::About kAbout{"guard", "1.0", "Apache-2.0", "Refuses senders"};
//   constexpr vrd::Hook kHooks[] = {vrd::hook<&Guard::on_mail>(VRD_STAGE_MAIL)};
//   VEREDUS_PLUGIN(Guard, kAbout, kHooks)
//
// No exception passes to the host: in constructors it refuses the configuration, elsewhere it is a fault, with an event `exception`.
// State: a plugin of one class is called by all loops at once, so its hooks are const; what changes lives in a class `Shard` within it,
// made once a loop (then hooks and services are its methods); Plugin<VRD_SHARED> locks by itself, Plugin<VRD_SERIAL> is called by one loop.
#ifndef VEREDUS_PLUGIN_HPP
#define VEREDUS_PLUGIN_HPP

#include <veredus/detail/command.hpp>
#include <veredus/detail/services.hpp>

namespace vrd {

/** Who the plugin is. Literals. */
struct About {
  const char* id;
  const char* version;
  const char* license;
  const char* summary;
};

/** A row of the table of settings; see veredus/plugin.h for types, flags and bounds. */
constexpr vrd_setting setting(const char* key, uint32_t type, const char* dflt, const char* bounds, const char* doc, uint32_t flags = 0,
                              uint32_t since = 0x0001) {
  return {VRD_SIZED(vrd_setting), type, flags, since, key, dflt, bounds, doc};
}

/** Base of the instance's class. */
template <uint32_t Mode = VRD_PER_LOOP>
class Plugin {
 public:
  static constexpr uint32_t kThreading = Mode;
  explicit Plugin(const Setup& setup) : host(setup.host) {}
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  const Host& host;
};

/** What the constructor of a class `Shard` gets. [loop] */
template <class P>
struct ShardSetup {
  const Host& host;
  P& plugin;
  uint32_t loop;
};

/** Base of a class `Shard`: `struct Shard : vrd::ShardOf<Guard> { using ShardOf::ShardOf; ... };` */
template <class P>
class ShardOf {
 public:
  explicit ShardOf(const ShardSetup<P>& setup) : host(setup.host), plugin(setup.plugin), loop(setup.loop) {}
  ShardOf(const ShardOf&) = delete;
  ShardOf& operator=(const ShardOf&) = delete;

  const Host& host;
  P& plugin;
  const uint32_t loop;
};

namespace detail {

template <class P, class = void>
struct ObjectOf {
  using type = P;
};
template <class P>
struct ObjectOf<P, std::void_t<typename P::Shard>> {
  using type = typename P::Shard;
};

/** All rows of one kind, from all tables, as the NULL-ended list of pointers that the description holds. */
template <class Row, class Raw, const auto&... T>
struct List {
  template <class Table>
  static constexpr bool fits = std::is_same_v<std::remove_cvref_t<decltype(std::declval<Table>()[0])>, Row>;
  static constexpr size_t size = (size_t{0} + ... + (fits<decltype(T)> ? std::size(T) : 0));

  template <class Table>
  static constexpr void append(std::array<const Raw*, size + 1>& out, size_t& at, const Table& table) {
    if constexpr (fits<const Table&>) {
      for (const Row& row : table) {
        if constexpr (std::is_same_v<Row, Raw>) out[at++] = &row;
        else out[at++] = &row.raw;
      }
    }
  }
  static constexpr std::array<const Raw*, size + 1> make() {
    std::array<const Raw*, size + 1> out{};
    [[maybe_unused]] size_t at = 0;
    (append(out, at, T), ...);
    return out;
  }
  template <class Test>
  static constexpr bool all([[maybe_unused]] Test test) {
    bool good = true;
    [[maybe_unused]] auto look = [&](const auto& table) {
      if constexpr (fits<decltype(table)>)
        for (const Row& row : table) good = good && test(row);
    };
    (look(T), ...);
    return good;
  }
};

template <class P, const About& A, const auto&... T>
struct Exported {
  using Object = typename ObjectOf<P>::type;
  static constexpr bool kSharded = !std::is_same_v<Object, P>;
  static constexpr bool kLocked = kSharded || P::kThreading != VRD_PER_LOOP;
  using Hooks = List<Hook, vrd_hook, T...>;
  static_assert(Hooks::all([](const Hook& row) { return row.of == &kTag<Object>; }), "hooks are methods of the class Shard if there is one, else of the plugin");
  static_assert(Hooks::all([](const Hook& row) { return kLocked || row.is_const; }),
                "all loops call a plugin of one class at once: make the hook const, or move changing state to a class Shard, or choose a threading mode");
  static_assert(kLocked || Services<Object>::count == 0, "services need a class Shard, Plugin<VRD_SHARED> or Plugin<VRD_SERIAL>");
  static_assert(List<Command, vrd_command, T...>::all([](const Command& row) { return row.of == &kTag<P>; }), "commands are methods of the plugin's class");

  /** Runs a constructor; what it throws becomes the text of the refusal. */
  template <class Make>
  static vrd_status construct(const vrd_host* raw, vrd_err* err, Make make) noexcept {
    const Interfaces host(raw);
    const auto fail = [&](const vrd_conf* node, std::string_view why) {
      if (host.conf != nullptr) host.conf->fail(err, node, str(why));
    };
    try {
      make();
      return VRD_OK;
    } catch (const Refused& refused) {
      fail(refused.node(), refused.what());
      return refused.status();
    } catch (const Error& error) {
      fail(nullptr, error.what());
      return error.status();
    } catch (const std::exception& error) {
      fail(nullptr, error.what());
    } catch (...) {
      fail(nullptr, "not a std::exception");
    }
    return VRD_E_FAULT;
  }

  static vrd_status create(const vrd_host* raw, const vrd_conf* conf, void* prev, void** self, vrd_err* err) {
    return construct(raw, err, [&] {
      const auto* before = static_cast<const Cell<P>*>(prev);
      // Another build of the plugin may lay out its instance otherwise: it is then no predecessor.
      const void* object = before != nullptr && before->description == &description ? &before->object : nullptr;
      *self = new Cell<P>(&description, raw, [&](const Host& host) {
        Setup setup(host, conf, object);
        return P(setup);
      });
    });
  }
  static vrd_status shard_start(void* self, uint32_t loop, void** shard, vrd_err* err) {
    auto& cell = *static_cast<Cell<P>*>(self);
    return construct(cell.host.raw(), err, [&] {
      if constexpr (kSharded)
        *shard = new Cell<Object>(&description, cell.host.raw(), [&](const Host& host) { return Object(ShardSetup<P>{host, cell.object, loop}); });
      else
        *shard = self;
    });
  }
  static void shard_stop(void* shard) { delete static_cast<Cell<Object>*>(shard); }
  static void quiesce(void* self) {
    auto& cell = *static_cast<Cell<P>*>(self);
    if constexpr (requires(P& p) { p.quiesce(); }) (void)guarded(cell.host.interfaces(), "quiesce", [&] { cell.object.quiesce(); });
  }
  static void destroy(void* self) { delete static_cast<Cell<P>*>(self); }
  static const void* provide([[maybe_unused]] void* self, const char* id) {
    const void* found = nullptr;
    if constexpr (requires(const P& p) { p.auth_kinds(); })
      if (std::string_view(id) == VRD_SVC_AUTH_1) return Services<Object>::auth_with(static_cast<const Cell<P>*>(self)->object.auth_kinds());
    Services<Object>::each([&](const char* name, const void* table) {
      if (std::string_view(name) == id) found = table;
    });
    return found;
  }
  static constexpr std::array<const char*, Services<Object>::count + 1> service_ids() {
    std::array<const char*, Services<Object>::count + 1> out{};
    [[maybe_unused]] size_t at = 0;
    Services<Object>::each([&](const char* name, const void*) { out[at++] = name; });
    return out;
  }

  static constexpr auto kSettings = List<vrd_setting, vrd_setting, T...>::make();
  static constexpr auto kHookList = Hooks::make();
  static constexpr auto kCommands = List<Command, vrd_command, T...>::make();
  static constexpr auto kServices = service_ids();
  static constexpr vrd_plugin description{VRD_SIZED(vrd_plugin), VRD_ABI, P::kThreading, 0, A.id, A.version, A.license, A.summary,
                                          kSettings.data(), kHookList.data(), kCommands.data(), kServices.data(), &create,
                                          kSharded ? &shard_start : nullptr, kSharded ? &shard_stop : nullptr, &quiesce, &destroy, &provide};
};

}  // namespace detail
}  // namespace vrd

/** Exports a plugin: its class, its About, and any number of constexpr tables of vrd_setting, vrd::Hook and vrd::Command. */
#define VEREDUS_PLUGIN(Class, about, ...)                                                          \
  extern "C" VRD_EXPORT const vrd_plugin* veredus_plugin_1(void) {                                 \
    return &::vrd::detail::Exported<Class, about __VA_OPT__(, ) __VA_ARGS__>::description;         \
  }

#endif
