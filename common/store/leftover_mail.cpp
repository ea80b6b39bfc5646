#include "store/leftover_mail.h"

#include <algorithm>
#include <string>
#include <vector>

#include "mail/header_scanner.h"
#include "store/file_pieces.h"
#include "store/spool_journal.h"
#include "store/spool_listing.h"

namespace pop {
namespace {

/// Larger torn messages are kept beside their whole twin: a double rather than the memory.
constexpr std::uint64_t largest_compared = 512 * 1024 * 1024;

/// One side of the merge.
struct Side {
  const Fd& file;
  SpoolListing listing;
  std::vector<bool> keep;
  FileBytes size;            // of the file
  std::string cut_off_line;  // how the file ends, if that may be the beginning of a From_ line
};

class Merge {
 public:
  Merge(const MaildropContext& context, const MaildropLocation& location, uid_t owner,
        SpoolLock& lock, const Fd& leftover, LeftoverState state, std::string consumed)
      : disk_{context.disk},
        location_{location},
        owner_{owner},
        lock_{lock},
        state_{state},
        consumed_{std::move(consumed)},
        leftover_{leftover, {}, {}, {}, {}},
        spool_{lock.file(), {}, {}, {}, {}} {}

  Result<void> run() {
    if (Result<void> scanned = scan_both(); !scanned) return scanned;
    const bool mixed = leftover_.listing.format != SpoolFormat::empty &&
                       spool_.listing.format != SpoolFormat::empty &&
                       leftover_.listing.format != spool_.listing.format;
    if (mixed) return fail(Errc::corrupt, "one of the two is an mbox, the other MMDF");
    drop_what_both_have();
    if (state_ == LeftoverState::may_be_torn) {
      if (Result<void> matched = drop_torn(leftover_, spool_); !matched) return matched;
      if (Result<void> matched = drop_torn(spool_, leftover_); !matched) return matched;
    }
    const bool nothing_new = std::ranges::find(leftover_.keep, true) == leftover_.keep.end();
    const bool ends_whole = spool_.listing.size == spool_.size;
    return nothing_new && ends_whole ? make_spool_durable() : write();
  }

 private:
  /// A crash may have cut a copy off inside a From_ line. If the other side has that line, its
  /// beginning is not the last line of the message before, which would then be another one.
  Result<void> scan_both() {
    for (Side* side : {&leftover_, &spool_}) {
      if (Result<void> looked = look_at_end(*side); !looked) return looked;
    }
    Side& cut_off = leftover_.cut_off_line.empty() ? spool_ : leftover_;
    Side& whole = &cut_off == &spool_ ? leftover_ : spool_;
    if (Result<void> scanned = scan(whole, whole.size); !scanned) return scanned;
    const Result<bool> known = has_separator_beginning(whole, cut_off.cut_off_line);
    if (!known) return std::unexpected(known.error());
    const FileBytes beyond{*known ? cut_off.cut_off_line.size() : 0};
    return scan(cut_off, cut_off.size - beyond);
  }

  Result<void> look_at_end(Side& side) {
    const Result<FileStatus> status = disk_.status(side.file);
    if (!status) return std::unexpected(status.error());
    side.size = status->size;
    constexpr std::uint64_t longest = 1024;
    const FileBytes from{side.size.count - std::min(side.size.count, longest)};
    Result<std::string> end = read(side, from, side.size);
    if (!end) return std::unexpected(std::move(end).error());
    const std::size_t lf = end->rfind('\n');
    if (lf == end->npos && from.count > 0) return {};
    const std::string_view before = std::string_view{*end}.substr(0, lf == end->npos ? 0 : lf + 1);
    const std::string_view line = std::string_view{*end}.substr(before.size());
    constexpr std::string_view keyword = "From ";
    const std::size_t known = std::min(line.size(), keyword.size());
    const bool apart = before.empty() || before.ends_with("\n\n") || before.ends_with("\n\r\n");
    const bool may_be_torn = state_ == LeftoverState::may_be_torn;
    if (may_be_torn && apart && line.substr(0, known) == keyword.substr(0, known))
      side.cut_off_line = line;
    return {};
  }

  Result<bool> has_separator_beginning(const Side& side, std::string_view beginning) {
    if (beginning.empty()) return false;
    for (std::size_t i = 0; i < side.listing.messages.size(); ++i) {
      const Result<std::string> line = separator_line(side, i);
      if (!line) return std::unexpected(line.error());
      if (line->starts_with(beginning)) return true;
    }
    return false;
  }

  Result<void> scan(Side& side, FileBytes size) {
    Result<void> scanned =
        scan_spool(disk_, side.file, size, {}, side.listing, [this] { return lock_.refresh(); });
    side.listing.size = size;
    side.keep.assign(side.listing.messages.size(), true);
    return scanned;
  }

  /// The leftover is about to go, and whoever put its mail into the spool may not have fsync'ed.
  Result<void> make_spool_durable() {
    Result<void> done = disk_.sync(lock_.file());
    if (done) done = disk_.sync_directory(lock_.place().directory());
    return done;
  }

  void drop_what_both_have() {
    const std::vector<std::size_t> where = relocated(leftover_.listing, spool_.listing);
    twin_of_spool_.assign(spool_.listing.messages.size(), false);
    for (std::size_t i = 0; i < where.size(); ++i) {
      if (where[i] == npos) continue;
      leftover_.keep[i] = false;
      twin_of_spool_[where[i]] = true;
    }
  }

  [[nodiscard]] bool has_twin(const Side& side, std::size_t i) const {
    return &side == &spool_ ? twin_of_spool_[i] : !leftover_.keep[i];
  }

  [[nodiscard]] bool is_unmatched(const Side& side, std::size_t i) const {
    return side.keep[i] && !has_twin(side, i);
  }

  /// Where a copy that a crash cut off stands, if there is one; elsewhere a message that another
  /// one only goes on from is a message. The drop was copied to and nobody delivers into it: at its
  /// end. The spool was copied back to from its beginning and took deliveries after that: behind
  /// the last of what both have.
  [[nodiscard]] std::size_t torn_place(const Side& side) const {
    if (&side == &leftover_) return side.keep.size() - 1;
    const auto last_twin = std::find(twin_of_spool_.rbegin(), twin_of_spool_.rend(), true);
    return static_cast<std::size_t>(twin_of_spool_.rend() - last_twin);
  }

  Result<std::string> separator_line(const Side& side, std::size_t i) {
    const SpoolMessage& message = side.listing.messages[i];
    const FileBytes line_end = std::min(message.header, message.separator + FileBytes{1024});
    return read(side, message.separator, line_end);
  }

  /// Drops the message of `torn` of which `whole` has more: the crash cut it off while copying.
  Result<void> drop_torn(Side& torn, const Side& whole) {
    const std::size_t i = torn_place(torn);
    if (i >= torn.keep.size() || !is_unmatched(torn, i)) return {};
    const Result<std::string> from_line = separator_line(torn, i);
    if (!from_line) return std::unexpected(from_line.error());
    for (std::size_t j = 0; j < whole.keep.size() && torn.keep[i]; ++j) {
      if (!is_unmatched(whole, j)) continue;
      const Result<std::string> other = separator_line(whole, j);
      if (!other) return std::unexpected(other.error());
      if (*other != *from_line) continue;
      const Result<bool> begins = is_beginning(torn, i, whole, j);
      if (!begins) return std::unexpected(begins.error());
      torn.keep[i] = !*begins;
    }
    return {};
  }

  Result<bool> is_beginning(const Side& torn, std::size_t i, const Side& whole, std::size_t j) {
    const SpoolMessage& part = torn.listing.messages[i];
    const SpoolMessage& all = whole.listing.messages[j];
    if ((all.content_end - all.header).count > largest_compared) return false;
    const Result<std::string> part_text = without_bookkeeping(torn, part);
    if (!part_text) return std::unexpected(part_text.error());
    const Result<std::string> all_text = without_bookkeeping(whole, all);
    if (!all_text) return std::unexpected(all_text.error());
    return all_text->starts_with(std::string_view{*part_text}.substr(0, sure_length(*part_text)));
  }

  /// Without the line ends that a delivery may have put behind the torn place.
  static std::size_t sure_length(std::string_view text) {
    return text.find_last_not_of("\r\n") + 1;
  }

  Result<std::string> read(const Side& side, FileBytes from, FileBytes to) {
    std::string bytes;
    bytes.resize((to - from).count);
    const Result<std::size_t> got = disk_.read(side.file, bytes, from);
    if (!got) return std::unexpected(got.error());
    bytes.resize(*got);
    return bytes;
  }

  Result<std::string> without_bookkeeping(const Side& side, const SpoolMessage& message) {
    Result<std::string> header = read(side, message.header, message.body);
    if (!header) return header;
    std::string text;
    const bool torn_in_header = message.body == message.content_end;
    for (const HeaderField& field : header_fields(*header)) {
      // Its name may be cut off, so nobody can tell whether it is bookkeeping.
      const bool torn = torn_in_header && field.end == header->size() && !header->ends_with('\n');
      if (torn || field.bookkeeping != Bookkeeping::none) continue;
      text += std::string_view{*header}.substr(field.begin, field.end - field.begin);
    }
    if (torn_in_header) return text;
    const Result<std::string> body = read(side, message.body, message.content_end);
    if (!body) return std::unexpected(body.error());
    return text + "\n" + *body;
  }

  Result<void> write() {
    const auto size_of = [](const Side& side) { return side.listing.size; };
    const FileBytes expected = size_of(leftover_) + size_of(spool_);
    Result<JournalWriter> writer = JournalWriter::create(disk_, location_.journal, expected);
    if (!writer) return std::unexpected(std::move(writer).error());
    for (const Side* side : {&leftover_, &spool_}) {
      if (Result<void> put = copy_kept(*side, *writer); !put) return put;
    }
    if (Result<void> fresh = lock_.refresh(); !fresh) return fresh;
    if (!consumed_.empty()) writer->consume(consumed_);
    if (Result<void> done = writer->finish(lock_.file(), {0}, spool_.size); !done) return done;
    return apply_journal(disk_, location_.journal, lock_, owner_);
  }

  Result<void> copy_kept(const Side& side, JournalWriter& writer) {
    for (std::size_t i = 0; i < side.keep.size(); ++i) {
      if (!side.keep[i]) continue;
      const SpoolMessage& message = side.listing.messages[i];
      Result<void> put = copy(side, message.separator, message.end, writer);
      if (put && side.listing.format == SpoolFormat::mbox) put = end_with_empty_line(writer);
      if (!put) return put;
    }
    return {};
  }

  Result<void> copy(const Side& side, FileBytes from, FileBytes to, JournalWriter& writer) {
    return reader_.read(side.file, from, to, [&](std::string_view piece) -> Result<void> {
      if (Result<void> put = writer.append(piece); !put) return put;
      last_ += piece.substr(piece.size() - std::min<std::size_t>(piece.size(), 4));
      last_.erase(0, last_.size() - std::min<std::size_t>(last_.size(), 4));
      return lock_.refresh();
    });
  }

  /// Without an empty line behind it, the next From_ line would not count as one.
  Result<void> end_with_empty_line(JournalWriter& writer) {
    const std::string_view last{last_};
    if (last.ends_with("\n\n") || last.ends_with("\r\n\r\n")) return {};
    return writer.append(last.ends_with('\n') ? "\n" : "\n\n");
  }

  Disk& disk_;
  const MaildropLocation& location_;
  uid_t owner_;
  SpoolLock& lock_;
  LeftoverState state_;
  std::string consumed_;
  Side leftover_, spool_;
  PieceReader reader_{disk_};
  std::vector<bool> twin_of_spool_;
  std::string last_;  // up to four bytes, the last ones put out
};

}  // namespace

Result<void> merge_leftover(const MaildropContext& context, const MaildropLocation& location,
                            uid_t owner, SpoolLock& lock, const Fd& leftover, LeftoverState state,
                            const std::string& consumed) {
  return Merge{context, location, owner, lock, leftover, state, consumed}.run();
}

}  // namespace pop
