// Spools that were damaged, torn, full, or written by another version; and the offline tools on them.
#include <doctest/doctest.h>

#include "base/checksum.h"
#include "spool/segment_reader.h"
#include "spool/spool_tools.h"
#include "spool/test_world.h"

namespace veredus {
namespace {

using namespace spool_detail;

const std::string kFirst = "segments/00000001.log";

// Three messages in a sealed segment; the octets of the second are in `at`.
struct Filled : SpoolWorld {
  Filled() {
    REQUIRE(open());
    for (MessageId& id : ids) id = stored(2000);
    close();
    octets = storage.content(kFirst);
    at = octets.find(ids[1].text());
    REQUIRE(at != std::string::npos);
  }
  void drop_footer() { octets.resize(octets.size() - kTrailerSize), octets += std::string(4096, '\0'); }
  std::vector<std::string> verify() {
    std::vector<std::string> lines;
    auto report = verify_spool(storage, [&lines](std::string_view line) { lines.emplace_back(line); });
    REQUIRE(report);
    CHECK(report->problems == lines.size());
    return lines;
  }
  MessageId ids[3];
  std::string octets;
  size_t at = 0;
};

std::string with_record(std::string octets, const SpoolWorld& world, RecordType type, std::string_view payload) {
  auto mark = decode_format(world.storage.content("format"));
  auto header = encode_header({type, 0, static_cast<uint32_t>(payload.size()), crc32(payload), {}, 1}, mark->salt);
  octets.append(header.begin(), header.end());
  octets.append(payload);
  octets.resize(padded(octets.size()), '\0');
  return octets;
}

}  // namespace

TEST_CASE("damage in one record costs that record only, is set aside and told") {
  Filled world;
  world.drop_footer();
  world.octets[world.at + 500] ^= 1;
  world.storage.replace(kFirst, world.octets);
  CHECK(world.verify().size() >= 1);
  REQUIRE(world.open());
  CHECK(world.observer.count(SpoolEvent::damaged) == 1);
  CHECK(world.spool->status().set_aside == 1);
  CHECK((*world.storage.list("set-aside")).size() == 1);
  CHECK(world.all().size() == 2);
  CHECK(world.text(world.ids[0]));
  CHECK(world.text(world.ids[2]));
  MessageId later = world.stored(10);
  REQUIRE(world.reopen());
  CHECK(world.all().size() == 3);
  CHECK(world.text(later));
  CHECK(world.observer.count(SpoolEvent::damaged) == 1);
}

TEST_CASE("damage behind a footer is found when the message is read, and by verify") {
  Filled world;
  world.octets[world.at + 500] ^= 1;
  world.storage.replace(kFirst, world.octets);
  CHECK(world.verify().size() == 2);  // the octets, and the message
  REQUIRE(world.open());
  CHECK(world.all().size() == 3);
  auto loaded = world.wait(world.spool->load(world.loop, world.ids[1]));
  REQUIRE(!loaded);
  CHECK(loaded.error().code == Errc::corrupt);
  CHECK(world.observer.count(SpoolEvent::damaged) == 1);
  CHECK((*world.storage.list("set-aside")).size() == 1);
  CHECK(world.text(world.ids[2]));
  REQUIRE(world.finish(world.ids[1]));
}

TEST_CASE("a damaged header does not hide what follows") {
  Filled world;
  world.drop_footer();
  for (size_t i = 40; i < 60; ++i) world.octets[i] = 'x';
  world.storage.replace(kFirst, world.octets);
  REQUIRE(world.open());
  CHECK(world.all().size() == 2);
  CHECK(world.text(world.ids[2]));
}

TEST_CASE("a damaged start record is not believed") {
  Filled world;
  world.octets[kHeaderSize] = 10;  // a major version, if it were
  world.storage.replace(kFirst, world.octets);
  REQUIRE(world.open());
  CHECK(world.all().size() == 3);
  CHECK(world.text(world.ids[0]));
}

TEST_CASE("a torn tail is cut and told; it is not damage") {
  Filled world;
  auto mark = decode_format(world.storage.content("format"));
  auto footer = decode_trailer(world.octets.substr(world.octets.size() - kTrailerSize), 1, mark->salt);
  REQUIRE(footer);
  std::string torn = world.octets.substr(0, *footer);
  torn += with_record({}, world, RecordType::message, std::string(3000, 'm')).substr(0, 900);
  torn.resize(torn.size() + 5000, '\0');
  world.storage.replace(kFirst, torn);
  REQUIRE(world.open());
  CHECK(world.observer.count(SpoolEvent::torn_tail) == 1);
  CHECK(world.observer.count(SpoolEvent::damaged) == 0);
  CHECK(world.all().size() == 3);
  REQUIRE(world.reopen());
  CHECK(world.observer.count(SpoolEvent::torn_tail) == 1);
  CHECK(world.verify().empty());
}

TEST_CASE("records of a newer minor version are skipped, a newer major version is refused") {
  Filled world;
  auto mark = *decode_format(world.storage.content("format"));
  auto footer = decode_trailer(world.octets.substr(world.octets.size() - kTrailerSize), 1, mark.salt);
  std::string newer = with_record(world.octets.substr(0, *footer), world, static_cast<RecordType>(900), "from the future");
  world.storage.replace(kFirst, newer + std::string(512, '\0'));
  ++mark.minor;
  world.storage.replace("format", encode_format(mark));
  REQUIRE(world.open());
  CHECK(world.observer.count(SpoolEvent::unknown_record) == 1);
  CHECK(world.all().size() == 3);
  world.close();
  ++mark.major;
  world.storage.replace("format", encode_format(mark));
  Status refused = world.open();
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::unsupported);
  CHECK(refused.error().text.find("2.1") != std::string::npos);
}

TEST_CASE("a spool without its format file, or with nonsense in it, is refused, not emptied") {
  Filled world;
  std::string before = world.storage.content("format");
  world.storage.replace("format", "what is this");
  CHECK(world.open().error().code == Errc::corrupt);
  REQUIRE(world.storage.remove("format"));
  CHECK(world.open().error().code == Errc::corrupt);
  world.storage.replace("format", before);
  REQUIRE(world.open());
  CHECK(world.all().size() == 3);
}

TEST_CASE("a failed write or sync: nothing acknowledged, nothing lost, and it goes on by itself") {
  for (std::string_view operation : {"write", "sync"}) {
    for (Errc code : {Errc::no_space, Errc::io}) {
      CAPTURE(operation);
      SpoolWorld world;
      REQUIRE(world.open());
      MessageId first = world.stored(500, 2);
      MessageId second = world.stored(500);
      world.storage.set_fault([=](std::string_view now, const std::string& name) -> std::optional<Error> {
        if (now != operation || name.find("segments/") != 0) return std::nullopt;
        return fail(code, "told to fail");
      });
      CHECK(world.store(world.make(100)).error().code == code);
      CHECK(world.spool->accepting().error().code == code);
      CHECK(!world.spool->status().writable);
      world.spool->record(SpoolWorld::change(first, 0, RecipientState::delivered, "250 while failing"));
      CHECK(!world.finish(second));
      CHECK(world.observer.count(SpoolEvent::write_failed) > 0);
      world.storage.set_fault({});
      REQUIRE(world.observer.wait_for(SpoolEvent::space_again));
      MessageId third = world.stored(100);
      CHECK(third);
      for (int i = 0; i < 2; ++i) {
        CHECK(world.spool->accepting());
        CHECK(world.all().size() == 2);
        auto found = world.wait(world.spool->find(world.loop, first));
        REQUIRE(found);
        CHECK(found->recipients[0].reply == "250 while failing");
        CHECK(world.text(third));
        REQUIRE(world.reopen());
      }
    }
  }
}

TEST_CASE("with little space left, mail is refused but results are still written") {
  SpoolWorld world;
  world.options.reserve = 1 << 20;
  world.storage.set_space({100 << 10, 1000});
  REQUIRE(world.open());
  REQUIRE(world.observer.wait_for(SpoolEvent::full));
  CHECK(world.spool->accepting().error().code == Errc::no_space);
  CHECK(world.store(world.make(100)).error().code == Errc::no_space);
  world.storage.set_space({1 << 30, 1000});
  REQUIRE(world.observer.wait_for(SpoolEvent::space_again));
  MessageId id = world.stored(100);
  REQUIRE(id);
  world.storage.set_space({1 << 30, 3});
  REQUIRE(world.observer.wait_for(SpoolEvent::full, 2));
  CHECK(world.finish(id));
}

TEST_CASE("export and import carry everything unfinished, ids included") {
  SpoolWorld from, to;
  REQUIRE(from.open());
  MessageId one = from.stored(1000, 2), two = from.stored(300'000), gone = from.stored(10);
  REQUIRE(from.finish(one, 1));
  REQUIRE(from.finish(gone));
  auto text = from.text(one), large = from.text(two);
  std::string stream;
  auto write = [&stream](std::string_view octets) { return stream.append(octets), Status(); };
  auto nothing = [](std::string_view) {};
  auto exported = export_spool(from.storage, write, nothing);  // beside the running spool
  REQUIRE(exported);
  CHECK(exported->messages == 2);
  for (int round = 0; round < 2; ++round) {
    size_t at = 0;
    auto read = [&](size_t most) -> Result<std::string> {
      std::string piece = stream.substr(at, std::min<size_t>(most, 777));
      at += piece.size();
      return piece;
    };
    auto imported = import_spool(to.storage, to.clock, to.options, read, nothing);
    REQUIRE(imported);
    CHECK(imported->messages == (round == 0 ? 2 : 0));
    CHECK(imported->skipped == (round == 0 ? 0 : 2));
  }
  std::vector<MessageId> listed;
  REQUIRE(list_spool(to.storage, [&](const StoredMessage& message) { return listed.push_back(message.envelope->id), true; }));
  CHECK(listed == std::vector<MessageId>{one, two});
  REQUIRE(to.open());
  CHECK(to.text(one) == text);
  CHECK(to.text(two) == large);
  auto found = to.wait(to.spool->find(to.loop, one));
  REQUIRE(found);
  CHECK(found->recipients[1].state == RecipientState::delivered);
  to.close();
  size_t cut = 0;
  auto half = [&](size_t most) -> Result<std::string> {
    std::string piece = stream.substr(cut, std::min(most, stream.size() / 2 - cut));
    cut += piece.size();
    return piece;
  };
  SpoolWorld third;
  CHECK(import_spool(third.storage, third.clock, third.options, half, nothing).error().code == Errc::corrupt);
}

}  // namespace veredus
