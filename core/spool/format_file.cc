// The file `format`: made once, complete or not at all, before the first segment.
#include <random>

#include "spool/recovery.h"

namespace veredus::spool_detail {

namespace {

constexpr size_t kMostFormat = 4096;

Result<FormatMark> read_format(const std::string& text) {
  auto mark = decode_format(text);
  if (!mark) return fail(Errc::corrupt, "the file format of the spool makes no sense");
  if (mark->major > kFormatMajor)
    return fail(Errc::unsupported, "the spool has format " + std::to_string(mark->major) + "." + std::to_string(mark->minor) +
                                       "; this version reads up to " + std::to_string(kFormatMajor));
  return *mark;
}

Status make_directories(Storage& storage) {
  for (const char* name : {"segments", "bodies", "set-aside"})
    if (Status made = storage.make_directory(name); !made) return made;
  return {};
}

Result<FormatMark> create_format(Storage& storage) {
  Result<std::vector<std::string>> segments = storage.list("segments");
  if (!segments) return segments.error();
  if (!segments->empty()) return fail(Errc::corrupt, "the spool has segments but no file format");
  std::random_device device;
  FormatMark mark;
  mark.salt = static_cast<uint32_t>(device());
  if (Status old = storage.remove("format.new"); !old && old.error().code != Errc::not_found) return old.error();
  Result<std::shared_ptr<File>> file = storage.open("format.new", OpenMode::create);
  if (!file) return file.error();
  if (Status written = write_all(**file, 0, encode_format(mark)); !written) return written.error();
  if (Status synced = (*file)->sync(); !synced) return synced.error();
  if (Status named = storage.rename("format.new", "format"); !named) return named.error();
  if (Status synced = storage.sync_directory(""); !synced) return synced.error();
  return mark;
}

}  // namespace

Result<FormatMark> open_format(Storage& storage, Access access, SpoolObserver& observer) {
  Result<std::string> text = read_whole(storage, "format", kMostFormat);
  if (!text && text.error().code != Errc::not_found) return text.error();
  if (access == Access::read_only) return text ? read_format(*text) : fail(Errc::not_found, "there is no spool here");
  if (text) {
    Result<FormatMark> mark = read_format(*text);
    if (!mark) return mark;
    if (Status made = make_directories(storage); !made) return made.error();
    return mark;
  }
  if (Status made = make_directories(storage); !made) return made.error();
  Result<FormatMark> mark = create_format(storage);
  if (mark) observer.spool_event(SpoolEvent::created, "format", "a new spool");
  return mark;
}

}  // namespace veredus::spool_detail
