// The text form: "control,submit,status,life,board,helpers,keys,listener,listener,..."; "-": there is none.
#include "main/descriptors.h"

#include "base/text.h"

namespace veredus {

std::string encode_descriptors(const HandedDescriptors& d) {
  std::string out;
  for (int fd : {d.control, d.submit, d.status, d.life, d.board, d.helpers, d.keys}) out += (out.empty() ? "" : ",") + (fd < 0 ? std::string("-") : std::to_string(fd));
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
  if (numbers.size() < 7) return fail(Errc::invalid, "list of descriptors is too short");
  HandedDescriptors out;
  out.control = numbers[0];
  out.submit = numbers[1];
  out.status = numbers[2];
  out.life = numbers[3];
  out.board = numbers[4];
  out.helpers = numbers[5];
  out.keys = numbers[6];
  out.listeners.assign(numbers.begin() + 7, numbers.end());
  return out;
}

}  // namespace veredus
