// Implementation of the option table: look-up, value splitting, help text and the typed row builders.
#include "common/args.h"

#include <cstdio>

#include "common/text.h"

namespace veredus::tools {
namespace {

void print_help(std::string_view summary, const std::vector<Option>& options) {
  std::printf("%.*s\n\n", static_cast<int>(summary.size()), summary.data());
  for (const auto& option : options) {
    const auto left = option.value.empty() ? option.name : option.name + " " + option.value;
    std::printf("  %-28s %s\n", left.c_str(), option.help.c_str());
  }
}

const Option* find_option(const std::vector<Option>& options, std::string_view name) {
  for (const auto& option : options) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

ArgsOutcome fail(std::string_view name, const char* why) {
  std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(name.size()), name.data(), why);
  return ArgsOutcome::kError;
}

template <class Parsed, class Target>
std::function<bool(std::string_view)> store(Parsed (*parse)(std::string_view), Target& target) {
  return [parse, &target](std::string_view value) {
    const auto parsed = parse(value);
    if (parsed) target = *parsed;
    return parsed.has_value();
  };
}

}  // namespace

ArgsOutcome parse_args(int argc, char** argv, std::string_view summary, const std::vector<Option>& options) {
  for (int i = 1; i < argc; ++i) {
    std::string_view name = argv[i];
    if (name == "--help") {
      print_help(summary, options);
      return ArgsOutcome::kHelp;
    }
    const auto equals = name.find('=');
    const bool inline_value = equals != std::string_view::npos;
    std::string_view value = inline_value ? name.substr(equals + 1) : std::string_view{};
    name = name.substr(0, equals);
    const Option* option = find_option(options, name);
    if (option == nullptr) return fail(name, "unknown option (see --help)");
    const bool wants_value = !option->value.empty();
    if (!wants_value && inline_value) return fail(name, "takes no value");
    if (wants_value && !inline_value) {
      if (++i == argc) return fail(name, "needs a value");
      value = argv[i];
    }
    if (!option->apply(value)) return fail(name, "bad value (see --help)");
  }
  return ArgsOutcome::kRun;
}

Option flag(std::string name, std::string help, bool& target, bool value) {
  return {std::move(name), "", std::move(help), [&target, value](std::string_view) {
            target = value;
            return true;
          }};
}

Option number(std::string name, std::string help, std::uint64_t& target) {
  return {std::move(name), "N", std::move(help), store(parse_number, target)};
}

Option size_option(std::string name, std::string help, std::uint64_t& target) {
  return {std::move(name), "BYTES", std::move(help), store(parse_size, target)};
}

Option seconds(std::string name, std::string help, double& target) {
  return {std::move(name), "SECONDS", std::move(help), store(parse_seconds, target)};
}

Option decimal(std::string name, std::string value, std::string help, double& target) {
  return {std::move(name), std::move(value), std::move(help), store(parse_decimal, target)};
}

Option text(std::string name, std::string value, std::string help, std::string& target) {
  return {std::move(name), std::move(value), std::move(help), [&target](std::string_view given) {
            target = given;
            return !given.empty();
          }};
}

}  // namespace veredus::tools
