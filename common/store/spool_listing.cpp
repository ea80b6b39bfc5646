#include "store/spool_listing.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "mail/imported_ids.h"
#include "store/checksum.h"

namespace pop {
namespace {

constexpr std::size_t scan_piece = 512 * 1024;

/// The ids in use. The first few look-ups, all that a delivery or two needs, go through the arena;
/// then an open-addressed table of message indices is made.
class IdsInUse {
 public:
  explicit IdsInUse(const SpoolListing& listing) : listing_{listing}, hash_{new_id_hash()} {}

  [[nodiscard]] bool contains(std::string_view id) {
    if (slots_.empty() && lookups_++ < cheap_lookups) return stands_in_listing(id);
    if (slots_.empty() || slots_.size() < listing_.messages.size() * 2) grow();
    while (placed_ < listing_.messages.size()) place(placed_++);
    for (std::size_t slot = first_slot(id);; slot = (slot + 1) & mask()) {
      if (slots_[slot] == 0) return false;
      if (listing_.id_of(listing_.messages[slots_[slot] - 1]) == id) return true;
    }
  }

 private:
  static constexpr int cheap_lookups = 8;

  [[nodiscard]] bool stands_in_listing(std::string_view id) const {
    return std::ranges::any_of(listing_.messages, [&](const SpoolMessage& message) {
      return listing_.id_of(message) == id;
    });
  }
  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  [[nodiscard]] std::size_t first_slot(std::string_view id) const { return hash_(id) & mask(); }
  void grow() {
    std::size_t size = 64;
    while (size < listing_.messages.size() * 4) size *= 2;
    slots_.assign(size, 0);
    placed_ = 0;
  }
  void place(std::size_t index) {
    std::size_t slot = first_slot(listing_.id_of(listing_.messages[index]));
    while (slots_[slot] != 0) slot = (slot + 1) & mask();
    slots_[slot] = static_cast<std::uint32_t>(index + 1);
  }

  const SpoolListing& listing_;
  SeededIdHash hash_;
  int lookups_ = 0;
  std::vector<std::uint32_t> slots_;  // 0: free, else message index + 1
  std::size_t placed_ = 0;            // messages of the listing that are in the table
};

/// Feeds [from, to) of the file to the scanner. `taken` gets each message as it is found.
Result<void> feed_range(Disk& disk, const Fd& spool, FileBytes from, FileBytes to,
                        MboxScanner& scanner, const BetweenPieces& between_pieces,
                        const std::function<void(const ScannedMessage&)>& taken) {
  PieceReader reader{disk, scan_piece};
  Result<void> read = reader.read(spool, from, to, [&](std::string_view piece) -> Result<void> {
    scanner.feed(piece);
    while (const auto message = scanner.next()) taken(*message);
    return between_pieces ? between_pieces() : Result<void>{};
  });
  if (!read) return read;
  if (Result<void> whole = scanner.finish(); !whole) return whole;
  while (const auto message = scanner.next()) taken(*message);
  return {};
}

/// Adds scanned messages to a listing and settles their ids.
class ListingBuilder {
 public:
  ListingBuilder(SpoolListing& listing, const ImportedIds* imported)
      : listing_{listing}, imported_{imported}, in_use_{listing} {}

  void add(const ScannedMessage& scanned) {
    SpoolMessage message{.separator = scanned.separator,
                         .header = scanned.header,
                         .body = scanned.body,
                         .content_end = scanned.content_end,
                         .end = scanned.end,
                         .wire = scanned.wire,
                         .body_lines = scanned.body_lines,
                         .fingerprint = scanned.fingerprint};
    if (scanned.retrieved) message.flags |= retrieved_flag;
    if (scanned.folder_internal) message.flags |= internal_flag;
    if (scanned.has_status) message.flags |= has_status_flag;
    if (scanned.kind.may_have_utf8) message.flags |= may_have_utf8_flag;
    if (scanned.kind.is_unended) message.flags |= unended_header_flag;
    listing_.append(message, settle_id(scanned, message.flags));
  }

 private:
  std::string settle_id(const ScannedMessage& scanned, std::uint16_t& flags) {
    const std::string& natural =
        scanned.stored_id.empty() ? scanned.computed_id : scanned.stored_id;
    if (const std::string* imported = imported_id(scanned, natural)) {
      flags |= settled_id_flag;
      if (*imported == scanned.stored_id) flags |= stored_id_flag;
      return *imported;
    }
    if (!in_use_.contains(natural)) {
      flags |= settled_id_flag;
      if (!scanned.stored_id.empty()) flags |= stored_id_flag;
      return natural;
    }
    // Remembered for each id: a thousand copies of one message must not cost a million look-ups.
    std::uint32_t& occurrence = occurrences_.try_emplace(natural, 1).first->second;
    std::string distinct;
    do {
      distinct = distinct_unique_id(natural, ++occurrence);
    } while (in_use_.contains(distinct));
    return distinct;
  }

  const std::string* imported_id(const ScannedMessage& scanned, const std::string& natural) {
    if (imported_ == nullptr || scanned.folder_internal) return nullptr;
    return imported_->find(scanned.fingerprint, natural,
                           [this](std::string_view id) { return !in_use_.contains(id); });
  }

  SpoolListing& listing_;
  const ImportedIds* imported_;
  IdsInUse in_use_;
  std::map<std::string, std::uint32_t> occurrences_;  // ids met more than once: last number given
};

class SpoolLookAhead final : public LookAhead {
 public:
  SpoolLookAhead(Disk& disk, const Fd& spool, FileBytes size)
      : disk_{disk}, spool_{spool}, size_{size} {}

  FileBytes size() const override { return size_; }
  std::string_view bytes(FileBytes offset, std::size_t count) override {
    if (offset >= size_) return {};
    buffer_.resize(std::min<std::uint64_t>(count, (size_ - offset).count));
    Result<std::size_t> got = disk_.read(spool_, buffer_, offset);
    if (got) return std::string_view{buffer_}.substr(0, *got);
    if (!failure_) failure_ = std::move(got).error();
    return {};
  }

  /// The scanner takes what it could not see for nothing, so after an error its messages are
  /// guesses.
  [[nodiscard]] Result<void> all_seen() const {
    return failure_ ? std::unexpected(*failure_) : Result<void>{};
  }

 private:
  Disk& disk_;
  const Fd& spool_;
  FileBytes size_;
  std::string buffer_;
  std::optional<Error> failure_;
};

}  // namespace

void SpoolListing::append(SpoolMessage message, std::string_view id) {
  message.id_offset = static_cast<std::uint32_t>(ids.size());
  message.id_length = static_cast<std::uint16_t>(id.size());
  ids += id;
  messages.push_back(message);
}

void SpoolListing::drop_last() {
  ids.resize(messages.back().id_offset);
  messages.pop_back();
}

Result<void> scan_spool(Disk& disk, const Fd& spool, FileBytes size, const ScanOptions& options,
                        SpoolListing& listing, const BetweenPieces& between_pieces) {
  FileBytes at{0};
  if (!listing.messages.empty()) {
    at = listing.messages.back().separator;
    listing.drop_last();
  }
  SpoolLookAhead look_ahead{disk, spool, size};
  MboxScanner scanner{options, &look_ahead, at, listing.format};
  ListingBuilder builder{listing, options.imported.get()};
  Result<void> fed = feed_range(disk, spool, at, size, scanner, between_pieces,
                                [&](const ScannedMessage& message) { builder.add(message); });
  if (fed) fed = look_ahead.all_seen();
  if (!fed && fed.error().code == Errc::corrupt) {
    return fail(Errc::corrupt, fed.error().text +
                                   "; the mail is untouched: popspool check tells more, "
                                   "and popspool repair mends it, if need be with --decide");
  }
  if (!fed) return fed;
  listing.format = scanner.format();
  listing.size = size;
  return {};
}

Result<bool> still_stands(Disk& disk, const Fd& spool, const SpoolMessage& message,
                          SpoolFormat format, const ScanOptions& options,
                          const BetweenPieces& between_pieces) {
  SpoolLookAhead look_ahead{disk, spool, message.end};
  MboxScanner scanner{options, &look_ahead, message.separator, format};
  std::size_t found = 0;
  bool same = true;
  const Result<void> fed = feed_range(disk, spool, message.separator, message.end, scanner,
                                      between_pieces, [&](const ScannedMessage& now) {
                                        ++found;
                                        same = same && now.fingerprint == message.fingerprint &&
                                               now.header == message.header &&
                                               now.content_end == message.content_end;
                                      });
  if (!fed && fed.error().code == Errc::io) return std::unexpected(fed.error());
  if (between_pieces) {
    if (Result<void> held = between_pieces(); !held)
      return std::unexpected(std::move(held).error());
  }
  if (const Result<void> seen = look_ahead.all_seen(); !seen) return std::unexpected(seen.error());
  return fed && same && found == 1;
}

Result<bool> sample_stands(Disk& disk, const Fd& spool, const SpoolListing& listing,
                           const ScanOptions& options) {
  constexpr std::size_t parts = 4;
  constexpr std::uint64_t small = std::uint64_t{64} * 1024;
  const std::size_t count = listing.messages.size();
  for (std::size_t part = 1; part <= parts && count > 0; ++part) {
    const SpoolMessage& message = listing.messages[(count - 1) * part / parts];
    if (part < parts && (message.end - message.separator).count > small) continue;
    const Result<bool> stands = still_stands(disk, spool, message, listing.format, options);
    if (!stands || !*stands) return stands;
  }
  return true;
}

Result<SpoolListing> completed_listing(Disk& disk, const Fd& spool, FileBytes size,
                                       const ScanOptions& options, SpoolListing known,
                                       const BetweenPieces& between_pieces) {
  if (!known.messages.empty()) {
    const Result<bool> stands = sample_stands(disk, spool, known, options);
    if (!stands) return std::unexpected(stands.error());
    if (*stands) {
      const Result<void> grown = scan_spool(disk, spool, size, options, known, between_pieces);
      if (grown) return known;
      if (grown.error().code != Errc::corrupt) return std::unexpected(grown.error());
    }
  }
  SpoolListing listing;
  Result<void> scanned = scan_spool(disk, spool, size, options, listing, between_pieces);
  if (!scanned) return std::unexpected(std::move(scanned).error());
  return listing;
}

std::vector<std::size_t> relocated(const SpoolListing& old, const SpoolListing& now) {
  const auto by_fingerprint = [](const SpoolListing& listing) {
    std::vector<std::size_t> order(listing.messages.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::stable_sort(order, {},
                             [&](std::size_t i) { return listing.messages[i].fingerprint; });
    return order;
  };
  std::vector<std::size_t> where(old.messages.size(), npos);
  const std::vector<std::size_t> old_order = by_fingerprint(old), now_order = by_fingerprint(now);
  for (std::size_t i = 0, j = 0; i < old_order.size() && j < now_order.size();) {
    const auto comparison =
        old.messages[old_order[i]].fingerprint <=> now.messages[now_order[j]].fingerprint;
    if (comparison == 0) where[old_order[i]] = now_order[j];
    if (comparison <= 0) ++i;
    if (comparison >= 0) ++j;
  }
  return where;
}

std::size_t changed_ids(const SpoolListing& old, const SpoolListing& now) {
  const std::vector<std::size_t> where = relocated(old, now);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < where.size(); ++i) {
    if (where[i] == npos) continue;
    if (old.id_of(old.messages[i]) != now.id_of(now.messages[where[i]])) ++changed;
  }
  return changed;
}

}  // namespace pop
