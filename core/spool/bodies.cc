// A body's file: its octets, then a trailer with size and checksum.
#include "spool/bodies.h"

#include <algorithm>

#include "base/checksum.h"

namespace veredus::spool_detail {

namespace {

constexpr size_t kPiece = 1 << 20;
constexpr int kTries = 8;

// Shared by the writer and its blocking work, which may outlive it.
struct OpenBody {
  std::shared_ptr<BodyStore> store;
  uint64_t id = 0;
  std::shared_ptr<File> file;
  uint64_t size = 0;
  uint32_t crc = 0;
  bool finished = false;

  ~OpenBody() {
    if (!finished) store->remove_later(id);
  }
};

Result<bool> append_to(OpenBody& body, const std::string& octets) {
  if (Status written = write_all(*body.file, body.size, octets); !written) return written.error();
  body.size += octets.size();
  body.crc = crc32(octets, body.crc);
  return true;
}

Result<bool> finish_body(OpenBody& body) {
  std::string trailer = encode_body_trailer({body.size, body.crc}, body.store->salt());
  Status done = write_all(*body.file, body.size, trailer);
  if (done) done = body.file->sync();
  if (done) done = body.store->storage().sync_directory("bodies");
  if (!done) return done.error();
  return true;
}

class FileBodyWriter final : public BodyWriter {
 public:
  FileBodyWriter(Loop& loop, std::shared_ptr<OpenBody> body) : loop_(loop), body_(std::move(body)) {}

  Task<Status> append(std::string octets) override {
    if (failed_ || !body_) co_return fail(Errc::closed, "the body failed before or is finished");
    std::function<Result<bool>()> work = [body = body_, octets = std::move(octets)] { return append_to(*body, octets); };
    Result<bool> written = co_await run_on<bool>(loop_, body_->store->pool(), std::move(work));
    failed_ = !written;
    if (!written) co_return written.error();
    co_return Status{};
  }

  Task<Result<std::shared_ptr<LargeBody>>> finish() override {
    if (failed_ || !body_) co_return fail(Errc::closed, "the body failed before or is finished");
    std::function<Result<bool>()> work = [body = body_] { return finish_body(*body); };
    Result<bool> done = co_await run_on<bool>(loop_, body_->store->pool(), std::move(work));
    failed_ = !done;
    if (!done) co_return done.error();
    body_->finished = true;
    auto made = std::make_shared<SpoolBody>(body_->store, body_->id, body_->size, false);
    body_.reset();
    co_return std::shared_ptr<LargeBody>(std::move(made));
  }

 private:
  Loop& loop_;
  std::shared_ptr<OpenBody> body_;
  bool failed_ = false;
};

Result<std::shared_ptr<OpenBody>> create_file(std::shared_ptr<BodyStore> store) {
  Error last;
  for (int i = 0; i < kTries; ++i) {
    uint64_t id = store->new_id();
    Result<std::shared_ptr<File>> file = store->storage().open(body_name(id), OpenMode::create);
    if (!file) {
      last = file.error();
      if (last.code == Errc::exists) continue;
      break;
    }
    auto out = std::make_shared<OpenBody>();
    out->store = store;
    out->id = id;
    out->file = *file;
    return out;
  }
  return last;
}

// Where the trailer says what the message's record says.
Result<BodyTrailer> read_trailer(File& file, uint64_t size, uint32_t salt) {
  Result<std::string> octets = read_exactly(file, size, kBodyTrailerSize);
  if (!octets) return octets.error();
  auto trailer = decode_body_trailer(*octets, salt);
  if (!trailer || trailer->size != size) return fail(Errc::corrupt, "the end of the body's file is damaged");
  return *trailer;
}

}  // namespace

SpoolBody::~SpoolBody() {
  if (!stored_.load()) store_->remove_later(id_);
}

Result<std::string> SpoolBody::read(uint64_t offset, size_t count) {
  if (offset > size_) return fail(Errc::invalid, "offset beyond the end of the body");
  std::shared_ptr<File> file;
  {
    std::lock_guard lock(mutex_);
    if (!file_) {
      Result<std::shared_ptr<File>> opened = store_->storage().open(body_name(id_), OpenMode::read);
      if (!opened) return opened.error();
      file_ = *opened;
    }
    file = file_;
  }
  return read_exactly(*file, offset, static_cast<size_t>(std::min<uint64_t>(count, size_ - offset)));
}

uint64_t BodyStore::new_id() {
  uint64_t now = static_cast<uint64_t>(clock_.wall().time_since_epoch().count()) << 16;
  std::lock_guard lock(mutex_);
  newest_ = std::max(newest_ + 1, now);
  return newest_;
}

Task<Result<std::unique_ptr<BodyWriter>>> BodyStore::create(Loop& loop) {
  std::function<Result<std::shared_ptr<OpenBody>>()> work = [self = shared_from_this()] { return create_file(self); };
  Result<std::shared_ptr<OpenBody>> made = co_await run_on<std::shared_ptr<OpenBody>>(loop, *pool_, std::move(work));
  if (!made) co_return made.error();
  co_return std::unique_ptr<BodyWriter>(std::make_unique<FileBodyWriter>(loop, *made));
}

Result<std::shared_ptr<LargeBody>> BodyStore::open(uint64_t id, uint64_t size) {
  Result<std::shared_ptr<File>> file = storage_.open(body_name(id), OpenMode::read);
  if (!file && file.error().code == Errc::not_found) return fail(Errc::corrupt, "the body's file " + body_name(id) + " is missing");
  if (!file) return file.error();
  Result<BodyTrailer> trailer = read_trailer(**file, size, salt_);
  if (!trailer) return trailer.error();
  return std::shared_ptr<LargeBody>(std::make_shared<SpoolBody>(shared_from_this(), id, size, true));
}

void BodyStore::remove_later(uint64_t id) {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  pool_->submit([&storage = storage_, id] { (void)storage.remove(body_name(id)); });
}

void BodyStore::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  pool_.reset();
}

Status verify_body(Storage& storage, uint64_t id, uint64_t size, uint32_t salt) {
  Result<std::shared_ptr<File>> file = storage.open(body_name(id), OpenMode::read);
  if (!file) return file.error();
  Result<BodyTrailer> trailer = read_trailer(**file, size, salt);
  if (!trailer) return trailer.error();
  uint32_t crc = 0;
  for (uint64_t at = 0; at < size; at += kPiece) {
    Result<std::string> piece = read_exactly(**file, at, static_cast<size_t>(std::min<uint64_t>(kPiece, size - at)));
    if (!piece) return piece.error();
    crc = crc32(*piece, crc);
  }
  if (crc != trailer->crc) return fail(Errc::corrupt, "the checksum of the body is wrong");
  return {};
}

}  // namespace veredus::spool_detail
