#include "store/maildir_scan.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "store/checksum.h"
#include "store/maildir_name.h"
#include "store/recorded_ids.h"

// Other programs deliver, rename and remove while we list, without any lock. So:
// - `new` is listed before `cur`: a message on its way from one to the other is in one of them;
// - a directory that changed while it was listed is listed again, and the names found before count
//   until a later listing has another one for the same message: a rename cannot hide a message;
// - a name that has gone when its file is to be opened is looked for in a whole new round.
// What is listed is matched with what the index knows by base name and inode; only the rest is
// read.

namespace pop {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t piece_size = std::size_t{64} * 1024;
constexpr int listings_at_most = 5;
constexpr int rounds_at_most = 5;

/// Times of files come in steps of some milliseconds; after that a change shows.
constexpr nanoseconds time_step = std::chrono::milliseconds{20};
/// The same where file times come from another machine or an old file system.
constexpr nanoseconds safe_age = std::chrono::seconds{2};

nanoseconds since_1970(const timespec& time) {
  return std::chrono::seconds{time.tv_sec} + nanoseconds{time.tv_nsec};
}

nanoseconds age(const FileStatus& status, nanoseconds now) {
  return now - std::max(since_1970(status.modified), since_1970(status.changed));
}

/// One name that was listed.
struct Entry {
  std::uint64_t delivered = 0;
  std::string_view name, base;
  std::uint64_t inode = 0;
  MaildirPlace place = MaildirPlace::fresh;
  int listing = 0;                        // which listing of its directory found it
  const MaildirMessage* known = nullptr;  // in the old listing
  std::optional<std::uint32_t> read;      // else which of the messages read anew
  std::uint32_t order = 0;                // imported place
  bool shared_id = false;
  bool has_two_names = false;
  std::string_view id;
};

/// Where names stay while entries look at them.
class NameArena {
 public:
  std::string_view keep(std::string_view name) {
    if (blocks_.empty() || blocks_.back().size() + name.size() > block_size) {
      blocks_.emplace_back().reserve(block_size);
    }
    std::string& block = blocks_.back();
    const std::size_t at = block.size();
    block += name;
    return std::string_view{block}.substr(at);
  }

 private:
  static constexpr std::size_t block_size = std::size_t{256} * 1024;
  std::vector<std::string> blocks_;  // none grows beyond what it has reserved
};

bool is_before(const Entry& a, const Entry& b) {
  if (a.delivered != b.delivered) return a.delivered < b.delivered;
  if (const int order = a.base.compare(b.base); order != 0) return order < 0;
  if (a.inode != b.inode) return a.inode < b.inode;
  if (a.place != b.place) return a.place == MaildirPlace::seen;
  return a.listing > b.listing;
}

/// The same file under the same base name: in both directories, or renamed while it was listed.
bool is_same_message(const Entry& a, const Entry& b) {
  return a.delivered == b.delivered && a.inode == b.inode && a.base == b.base;
}

/// Of two names of one message, whether the second is only what an earlier listing found.
bool was_renamed(const Entry& now, const Entry& before) {
  return now.place == before.place && now.listing != before.listing;
}

/// Which entry has which id. The first few look-ups, all that a delivery or two needs, go through
/// the entries; then a table is made.
class IdsInUse {
 public:
  explicit IdsInUse(std::vector<Entry>& entries) : entries_{entries}, table_{0, new_id_hash()} {}

  void give(Entry& entry, std::string_view id) {
    entry.id = id;
    if (!table_.empty()) table_.emplace(id, &entry);
  }
  /// nullptr if the id is free.
  [[nodiscard]] Entry* holder(std::string_view id) {
    if (table_.empty() && lookups_++ < cheap_lookups) {
      const auto found = std::ranges::find(entries_, id, &Entry::id);
      return found == entries_.end() ? nullptr : &*found;
    }
    if (table_.empty()) fill();
    const auto found = table_.find(id);
    return found == table_.end() ? nullptr : found->second;
  }

 private:
  static constexpr int cheap_lookups = 8;
  void fill() {
    table_.reserve(entries_.size() + 1);
    for (Entry& entry : entries_) {
      if (!entry.id.empty()) table_.emplace(entry.id, &entry);
    }
  }

  std::vector<Entry>& entries_;
  int lookups_ = 0;
  std::unordered_map<std::string_view, Entry*, SeededIdHash> table_;
};

/// One round of listing, matching and reading.
class Round {
 public:
  Round(const MaildirSource& source, const MaildirIndex& index)
      : source_{source}, old_{index}, scanner_{index.recipe} {}

  /// False: a name had gone before its file could be opened, so that another round is needed, with
  /// what this one found.
  Result<bool> run();
  [[nodiscard]] MaildirIndex take() { return std::move(now_); }

 private:
  Result<void> list(MaildirPlace place);
  Result<void> list_once(MaildirPlace place, int listing);
  void take_over(MaildirPlace place);
  void add(Entry entry, std::string_view name);
  void unify();
  void match();
  [[nodiscard]] const MaildirMessage* known_as(const Entry& entry, std::size_t first) const;
  [[nodiscard]] bool is_before_entry(const MaildirMessage& message, const Entry& entry) const;
  [[nodiscard]] bool has_name_of(const MaildirMessage& message, const Entry& entry) const;
  Result<bool> read_new();
  enum class Fate : std::uint8_t { read, gone, no_mail };
  Result<Fate> read(Entry& entry);
  Result<Fate> why_not_opened(const Entry& entry, Error error);
  Result<void> settle_ids();
  std::string_view settle_id(Entry& entry, IdsInUse& in_use);
  void build();

  const MaildirSource& source_;
  const MaildirIndex& old_;
  MaildirIndex now_;
  NameArena names_;
  std::vector<Entry> entries_;
  bool has_two_names_ = false;  // some message
  std::vector<ReadMessage> read_;
  MessageScanner scanner_;
  std::map<std::string, std::uint32_t, std::less<>> occurrences_;  // ids met more than once: last
                                                                   // number given
  NameArena ids_;
};

Result<bool> Round::run() {
  now_.recipe = old_.recipe;
  for (const MaildirPlace place : maildir_places) {
    if (Result<void> listed = list(place); !listed) return std::unexpected(listed.error());
  }
  unify();
  match();
  const Result<bool> complete = read_new();
  if (!complete) return complete;
  if (Result<void> settled = settle_ids(); !settled) {
    return std::unexpected(std::move(settled).error());
  }
  build();
  return complete;
}

Result<void> Round::list(MaildirPlace place) {
  const Fd& directory = source_.location.places[place];
  if (!directory.is_open()) return {};
  DirectoryProof& proof = now_.proof[place];
  for (int listing = 0; listing < listings_at_most; ++listing) {
    const nanoseconds began = source_.clock.wall().time_since_epoch();
    const Result<FileStatus> before = source_.disk.status(directory);
    if (!before) return std::unexpected(before.error());
    if (listing == 0 && old_.proof[place].holds(*before)) {
      take_over(place);
      return {};
    }
    if (Result<void> done = list_once(place, listing); !done) return done;
    const Result<FileStatus> after = source_.disk.status(directory);
    if (!after) return std::unexpected(after.error());
    const bool unchanged = before->same_times(*after);
    proof = {*before, unchanged && age(*before, began) > safe_age};
    if (unchanged && age(*before, began) > time_step) return {};
  }
  return {};
}

Result<void> Round::list_once(MaildirPlace place, int listing) {
  now_.listing.hidden[place] = 0;
  return source_.disk.list(source_.location.places[place].get(), [&](const ListedName& listed) {
    if (listed.name.starts_with('.')) return;
    if (!listed.may_be_regular) {
      ++now_.listing.hidden[place];
      return;
    }
    add({.inode = listed.inode, .place = place, .listing = listing}, names_.keep(listed.name));
  });
}

void Round::take_over(MaildirPlace place) {
  now_.proof[place] = old_.proof[place];
  now_.listing.hidden[place] = old_.listing.hidden[place];
  for (const MaildirMessage& message : old_.listing.messages) {
    if (message.place() != place) continue;
    add({.inode = message.inode, .place = place, .known = &message}, old_.listing.name_of(message));
  }
}

void Round::add(Entry entry, std::string_view name) {
  const MaildirName parsed = parse_maildir_name(name);
  entry.delivered = parsed.delivered;
  entry.name = name;
  entry.base = parsed.base;
  entries_.push_back(entry);
}

void Round::unify() {
  std::ranges::sort(entries_, is_before);
  std::size_t kept = 0;
  for (std::size_t i = 1; i < entries_.size(); ++i) {
    if (!is_same_message(entries_[kept], entries_[i])) {
      entries_[++kept] = entries_[i];
    } else if (!was_renamed(entries_[kept], entries_[i])) {
      entries_[kept].has_two_names = has_two_names_ = true;
    }
  }
  if (!entries_.empty()) entries_.resize(kept + 1);
}

bool Round::is_before_entry(const MaildirMessage& message, const Entry& entry) const {
  if (message.delivered != entry.delivered) return message.delivered < entry.delivered;
  return old_.listing.base_of(message) < entry.base;
}

bool Round::has_name_of(const MaildirMessage& message, const Entry& entry) const {
  return message.delivered == entry.delivered && old_.listing.base_of(message) == entry.base;
}

void Round::match() {
  const std::vector<MaildirMessage>& old = old_.listing.messages;
  std::size_t first = 0;
  for (Entry& entry : entries_) {
    while (first < old.size() && is_before_entry(old[first], entry)) ++first;
    if (entry.known == nullptr) entry.known = known_as(entry, first);
  }
}

const MaildirMessage* Round::known_as(const Entry& entry, std::size_t first) const {
  const std::vector<MaildirMessage>& old = old_.listing.messages;
  std::size_t end = first;
  for (; end < old.size() && has_name_of(old[end], entry); ++end) {
    if (old[end].inode == entry.inode) return &old[end];
  }
  if (end == first) return nullptr;
  // Some file systems list other inode numbers than they tell.
  const Result<FileStatus> now =
      source_.disk.status(source_.location.places[entry.place].get(), std::string{entry.name});
  for (std::size_t i = first; now && i < end; ++i) {
    if (is_untouched(old[i], *now)) return &old[i];
  }
  return nullptr;
}

Result<bool> Round::read_new() {
  bool complete = true;
  for (Entry& entry : entries_) {
    if (entry.known != nullptr) continue;
    const Result<Fate> fate = read(entry);
    if (!fate) return std::unexpected(fate.error());
    if (*fate == Fate::no_mail) ++now_.listing.hidden[entry.place];
    if (*fate == Fate::gone) complete = false;
  }
  std::erase_if(entries_, [](const Entry& entry) { return !entry.known && !entry.read; });
  return complete;
}

Result<Round::Fate> Round::read(Entry& entry) {
  Disk& disk = source_.disk;
  const std::string name{entry.name};
  const Result<Fd> file = disk.open(source_.location.places[entry.place].get(), name, O_RDONLY);
  if (!file) return why_not_opened(entry, file.error());
  const Result<FileStatus> status = disk.status(*file);
  if (!status) return std::unexpected(status.error());
  if (!status->is_regular() || status->owner != source_.owner) return Fate::no_mail;
  Result<ReadMessage> message =
      read_maildir_message(disk, *file, *status, name, scanner_, Believe::names);
  if (!message) return std::unexpected(std::move(message).error().in(name));
  entry.read = static_cast<std::uint32_t>(read_.size());
  read_.push_back(std::move(*message));
  return Fate::read;
}

Result<Round::Fate> Round::why_not_opened(const Entry& entry, Error error) {
  if (error.code == Errc::not_found) return Fate::gone;
  const Result<FileStatus> status =
      source_.disk.status(source_.location.places[entry.place].get(), std::string{entry.name});
  if (!status && status.error().code == Errc::not_found) return Fate::gone;
  if (!status) return std::unexpected(status.error());
  if (!status->is_regular() || status->owner != source_.owner) return Fate::no_mail;
  return std::unexpected(std::move(error));
}

Result<void> Round::settle_ids() {
  for (Entry& entry : entries_) {
    if (entry.known == nullptr) continue;
    entry.id = old_.listing.id_of(*entry.known);
    entry.shared_id = (entry.known->flags & shared_id_flag) != 0;
    entry.order = entry.known->order;
  }
  if (read_.empty()) return {};
  Result<RecordedIds> recorded =
      RecordedIds::load(source_.disk, source_.location.ids, source_.owner, old_.recipe);
  if (!recorded) return std::unexpected(std::move(recorded).error());
  IdsInUse in_use{entries_};
  for (Entry& entry : entries_) {
    if (!entry.read) continue;
    const RecordedIds::Recorded* known = recorded->find(entry.base);
    if (known == nullptr || in_use.holder(known->id) != nullptr) continue;
    in_use.give(entry, ids_.keep(known->id));
    entry.order = known->order;
    entry.shared_id = true;
  }
  for (Entry& entry : entries_) {
    if (entry.id.empty()) in_use.give(entry, settle_id(entry, in_use));
  }
  return {};
}

std::string_view Round::settle_id(Entry& entry, IdsInUse& in_use) {
  const ReadMessage& message = read_[*entry.read];
  const std::string& natural = message.stored_id.empty() ? message.computed_id : message.stored_id;
  Entry* holder = in_use.holder(natural);
  if (holder == nullptr) return natural;
  holder->shared_id = entry.shared_id = true;
  // Remembered for each id: a thousand copies of one message must not cost a million look-ups.
  std::uint32_t& occurrence = occurrences_.try_emplace(natural, 1).first->second;
  std::string distinct;
  do {
    distinct = distinct_unique_id(natural, ++occurrence);
  } while (in_use.holder(distinct) != nullptr);
  return ids_.keep(distinct);
}

void Round::build() {
  MaildirListing& listing = now_.listing;
  listing.messages.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    MaildirMessage message = entry.known != nullptr ? *entry.known : read_[*entry.read].message;
    message.flags &= content_maildir_flags;
    message.order = entry.order;
    if (entry.place == MaildirPlace::seen) message.flags |= in_cur_flag;
    if (entry.shared_id) message.flags |= shared_id_flag;
    if (entry.has_two_names) message.flags |= two_names_flag;
    listing.append(message, entry.name, entry.id);
  }
  if (!has_two_names_) return;
  // The index does not know the second name, so that both directories have to be listed again.
  for (const MaildirPlace place : maildir_places) now_.proof[place].settled = false;
}

bool is_proven(const MaildirSource& source, const MaildirIndex& index) {
  return std::ranges::all_of(maildir_places, [&](MaildirPlace place) {
    const Fd& directory = source.location.places[place];
    if (!directory.is_open()) return index.proof[place].status.inode == 0;
    const Result<FileStatus> now = source.disk.status(directory);
    return now && index.proof[place].holds(*now);
  });
}

/// What the name says, unless something that was read speaks against it.
std::optional<WireOctets> believed_size(Disk& disk, const Fd& file, const FileStatus& status,
                                        std::string_view name, const MessageScanner& scanner,
                                        std::uint64_t read) {
  const MaildirName parsed = parse_maildir_name(name);
  const std::uint64_t size = status.size.count;
  if (!scanner.knows_header() || parsed.stored_size != size || !parsed.wire_size) {
    return std::nullopt;
  }
  const std::uint64_t least = size + scanner.bare_line_feeds();
  const bool possible = *parsed.wire_size >= least && *parsed.wire_size - least <= size - read;
  char last = 0;
  const Result<std::size_t> got = disk.read(file, {&last, 1}, {size - 1});
  if (!possible || !got || *got != 1 || last != '\n') return std::nullopt;
  return WireOctets{*parsed.wire_size - scanner.hidden().count};
}

}  // namespace

Result<ReadMessage> read_maildir_message(Disk& disk, const Fd& file, const FileStatus& status,
                                         std::string_view name, MessageScanner& scanner,
                                         Believe believe) {
  const std::uint64_t size = status.size.count;
  const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, size));
  const auto buffer = std::make_unique_for_overwrite<char[]>(room);
  std::optional<WireOctets> believed;
  scanner.begin();
  for (std::uint64_t at = 0; at < size && !believed;) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(room, size - at));
    const Result<std::size_t> got = disk.read(file, {buffer.get(), want}, {at});
    if (!got) return std::unexpected(got.error());
    if (*got < want) return fail(Errc::changed, "the file became shorter while it was read");
    scanner.feed({buffer.get(), want});
    at += want;
    const bool may_stop = believe == Believe::names && at == want && at < size;
    if (may_stop) believed = believed_size(disk, file, status, name, scanner, at);
  }
  MessageFacts facts = scanner.finish();
  MaildirMessage message{
      .inode = status.inode,
      .size = status.size,
      .modified_seconds = status.modified.tv_sec,
      .wire = believed.value_or(facts.wire),
      .modified_nanoseconds = static_cast<std::uint32_t>(status.modified.tv_nsec)};
  if (!believed) {
    message.fingerprint = facts.fingerprint;
    message.flags = proven_flag;
  }
  if (facts.header.may_have_utf8) message.flags |= header_utf8_flag;
  if (facts.header.is_unended) message.flags |= header_unended_flag;
  return ReadMessage{message, std::move(facts.stored_id), std::move(facts.computed_id)};
}

void record_shared_ids(const MaildirSource& source, const MaildirIndex& index) {
  const MaildirListing& listing = index.listing;
  RecordedIds wanted;
  for (const MaildirMessage& message : listing.messages) {
    if ((message.flags & shared_id_flag) == 0) continue;
    wanted.record(listing.base_of(message),
                  {.id = std::string{listing.id_of(message)}, .order = message.order});
  }
  if (wanted.is_empty()) return;
  const Result<RecordedIds> recorded =
      RecordedIds::load(source.disk, source.location.ids, source.owner, index.recipe);
  if (!recorded || recorded->contains(wanted)) return;
  wanted.keep_imported(*recorded);
  (void)wanted.save(source.disk, source.location.ids, index.recipe);
}

Result<MaildirChange> refresh(const MaildirSource& source, MaildirIndex& index) {
  if (is_proven(source, index)) return MaildirChange::none;
  for (int rounds = 0; rounds < rounds_at_most; ++rounds) {
    Round round{source, index};
    const Result<bool> complete = round.run();
    if (!complete) return std::unexpected(complete.error());
    MaildirIndex now = round.take();
    index = std::move(now);
    record_shared_ids(source, index);
    if (*complete) break;
    // The names that had gone are listed anew; all else is known by now.
    for (const MaildirPlace place : maildir_places) index.proof[place].settled = false;
  }
  return MaildirChange::something;
}

}  // namespace pop
