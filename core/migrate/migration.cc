// All translators in their order.
#include "migrate/migration.h"

#include <algorithm>

#include "base/text.h"
#include "migrate/translate.h"

namespace veredus::migrate {

Result<Migration> migrate_postfix(const std::string& directory, const std::string& target, const std::string& hostname, ReadFile read) {
  Postfix postfix(directory, hostname, std::move(read));
  if (Status loaded = postfix.load(); !loaded) return loaded.error();
  Draft draft;
  for (auto translate : {translate_numbers, translate_host, translate_local, translate_routes, translate_tls, translate_auth, translate_access, translate_listeners})
    translate(postfix, draft);
  list_the_rest(postfix);
  Migration out{render(draft, target), postfix.notes()};
  std::stable_sort(out.notes.begin(), out.notes.end(), [](const Note& a, const Note& b) { return a.kind < b.kind; });
  return out;
}

std::string note_line(const Note& note) {
  return printable(note.at.text(), 200) + (note.kind == Note::Kind::look ? ": look at: " : ": not translated: ") + printable(note.text, 1000);
}

}  // namespace veredus::migrate
