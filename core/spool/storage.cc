// Small helpers on files, the same for every storage.
#include "spool/storage.h"

#include <algorithm>

namespace veredus {

Status write_all(File& file, uint64_t offset, std::string_view octets) {
  iovec piece{const_cast<char*>(octets.data()), octets.size()};
  return file.write(offset, std::span(&piece, 1));
}

Result<std::string> read_exactly(File& file, uint64_t offset, size_t count) {
  std::string out(count, '\0');
  Result<size_t> got = file.read(offset, out.data(), count);
  if (!got) return got.error();
  if (*got != count) return fail(Errc::corrupt, "the file ends too early");
  return out;
}

Result<std::string> read_whole(Storage& storage, const std::string& name, size_t most) {
  Result<std::shared_ptr<File>> file = storage.open(name, OpenMode::read);
  if (!file) return file.error();
  Result<uint64_t> size = (*file)->size();
  if (!size) return size.error();
  return read_exactly(**file, 0, static_cast<size_t>(std::min<uint64_t>(*size, most)));
}

}  // namespace veredus
