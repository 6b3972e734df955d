// The text form: "control,submit,status,life,board,helpers,listener,listener,..."; helpers may be "-".
#include "main/descriptors.h"

#include "base/text.h"

namespace veredus {

std::string encode_descriptors(const HandedDescriptors& d) {
  std::string out = std::to_string(d.control) + "," + std::to_string(d.submit) + "," + std::to_string(d.status) + "," + std::to_string(d.life) + "," + std::to_string(d.board) + "," +
                    (d.helpers < 0 ? "-" : std::to_string(d.helpers));
  for (int fd : d.listeners) out += "," + std::to_string(fd);
  return out;
}

Result<HandedDescriptors> decode_descriptors(const char* text) {
  if (!text) return fail(Errc::invalid, "a worker is started by veredusd, not by hand");
  std::vector<int> numbers;
  for (std::string_view part : split(text, ',')) {
    if (part == "-") {
      numbers.push_back(-1);
      continue;
    }
    auto number = parse_uint(part, 1'000'000);
    if (!number) return fail(Errc::invalid, "bad list of descriptors");
    numbers.push_back(static_cast<int>(*number));
  }
  if (numbers.size() < 6) return fail(Errc::invalid, "list of descriptors is too short");
  HandedDescriptors out;
  out.control = numbers[0];
  out.submit = numbers[1];
  out.status = numbers[2];
  out.life = numbers[3];
  out.board = numbers[4];
  out.helpers = numbers[5];
  out.listeners.assign(numbers.begin() + 6, numbers.end());
  return out;
}

}  // namespace veredus
