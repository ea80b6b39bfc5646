#include "store/maildir_to_spool.h"

#include <algorithm>

#include "base/text.h"
#include "mail/from_line.h"
#include "mail/header_scanner.h"
#include "mail/wire_text.h"
#include "store/maildir_name.h"
#include "store/message_watch.h"
#include "store/old_maildir.h"
#include "store/scan_options.h"
#include "store/spool_file.h"
#include "store/spool_listing.h"

namespace pop {
namespace {

constexpr std::size_t piece_size = std::size_t{256} * 1024;
/// A header beyond this cannot get the fields that it may need.
constexpr std::size_t largest_header = std::size_t{4} * 1024 * 1024;

using Take = std::function<Result<void>(std::string_view)>;

Result<void> read_message(SpoolView& view, MessageNumber number, const Take& take) {
  const Result<std::unique_ptr<MessageReader>> reader = view.open(number);
  if (!reader) return std::unexpected(reader.error());
  const auto buffer = std::make_unique_for_overwrite<char[]>(piece_size);
  for (;;) {
    const Result<std::size_t> got = (*reader)->read({buffer.get(), piece_size});
    if (!got) return std::unexpected(got.error());
    if (*got == 0) return {};
    if (Result<void> taken = take({buffer.get(), *got}); !taken) return taken;
  }
}

std::string without_lengths(std::string_view header) {
  std::string kept;
  std::size_t end = 0;
  for (const HeaderField& field : header_fields(header)) {
    const bool is_length = equal_ignoring_case(field.name, "Content-Length");
    if (!is_length) kept += header.substr(field.begin, field.end - field.begin);
    end = field.end;
  }
  return kept + std::string{header.substr(end)};
}

/// The field goes last, before the empty line.
std::string with_length(std::string_view header, std::uint64_t length) {
  const std::vector<HeaderField> fields = header_fields(header);
  const std::size_t end = fields.empty() ? 0 : fields.back().end;
  const bool has_crlf = header.substr(0, header.find('\n') + 1).ends_with("\r\n");
  std::string text{header.substr(0, end)};
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  text += "Content-Length: " + std::to_string(length) + (has_crlf ? "\r\n" : "\n");
  return text + std::string{header.substr(end)};
}

/// Of the envelope, as far as the message tells.
std::string sender_of(std::string_view header) {
  for (const HeaderField& field : header_fields(header)) {
    if (!equal_ignoring_case(field.name, "Return-Path")) continue;
    std::string_view address = trimmed(field.value);
    if (address.starts_with('<') && address.ends_with('>')) {
      address = address.substr(1, address.size() - 2);
    }
    return std::string{address};
  }
  return {};
}

WireOctets wire_of(std::string_view stored) {
  std::vector<char> out(WireText::room_for(stored.size()) + 64);
  WireText text;
  const std::size_t used = text.convert(stored, out);
  (void)text.finish(std::span{out}.subspan(used));
  return text.octets();
}

}  // namespace

Result<Conversion> MaildirToSpool::run() {
  const Result<std::optional<MaildirLocation>> maildir =
      locate_maildir(disk_, context_.settings, user_, location_);
  if (!maildir) return std::unexpected(maildir.error());
  if (!*maildir) return Conversion{};
  Conversion result{.was_needed = true};
  const Result<SessionLock> session = SessionLock::acquire(context_, (*maildir)->drop, user_);
  if (!session) return std::unexpected(session.error());
  Result<void> done = check_in_place(**maildir);
  if (done) done = check_no_leftovers(**maildir);
  if (!done) return std::unexpected(std::move(done).error());
  {
    const Result<std::unique_ptr<SpoolView>> view = MaildirView::open(context_, user_, location_);
    if (!view) return std::unexpected(view.error());
    if (*view == nullptr) return Conversion{};
    if ((*view)->hidden() > 0) {
      return fail(Errc::changed, (*maildir)->root->path.native() +
                                     " holds what is no mail of this user; popspool check tells");
    }
    result.messages = (*view)->messages().size();
    done = build(**view);
    if (done) done = note_converted(**maildir, **view);
    const FileCopies copies{disk_, user_.uid};
    if (done) done = copies.trash((*maildir)->trash, location_.trash);
    if (done) done = copies.trash((*maildir)->undo, location_.undo);
    if (done) done = copies.retrievals((*maildir)->retrievals, location_.retrievals);
    if (done) done = copies.retrievals((*maildir)->warnings, location_.warnings);
    if (done) done = exchange();
  }
  if (done) done = take_in(result);
  if (!done) return std::unexpected(std::move(done).error());
  return result;
}

Result<Conversion> MaildirToSpool::finish() {
  Conversion result;
  if (Result<void> removed = remove_build(context_, files_, location_.drop, user_); !removed) {
    return std::unexpected(std::move(removed).error());
  }
  const Result<FileStatus> left = disk_.status(files_.mbox.directory(), files_.mbox.name);
  if (!left && left.error().code == Errc::not_found) return result;
  if (!left) return std::unexpected(left.error());
  if (!left->is_directory()) return result;
  result.was_needed = true;
  Result<void> done = disk_.sync_directory(location_.spool.directory());
  if (done) done = take_in(result);
  if (!done) return std::unexpected(std::move(done).error());
  return result;
}

Result<void> MaildirToSpool::take_in(Conversion& done) {
  return OldMaildir{context_, user_, location_, files_}.take_in(done);
}

/// Another conversion may have come between the look and the lock.
Result<void> MaildirToSpool::check_in_place(const MaildirLocation& maildir) {
  const Result<bool> in_place = is_in_place(disk_, location_.spool, maildir);
  if (!in_place) return std::unexpected(in_place.error());
  if (*in_place) return {};
  return fail(Errc::busy, location_.spool.path() + " was converted in this moment");
}

Result<void> MaildirToSpool::check_no_leftovers(const MaildirLocation& maildir) {
  const Result<std::optional<ConversionFiles::Sized>> sized = files_.find_sized(disk_);
  if (!sized) return std::unexpected(sized.error());
  if (*sized && !(*sized)->is_directory) {
    return fail(Errc::changed, "an earlier conversion has left " + (*sized)->place.path() +
                                   "; convert to maildir finishes it");
  }
  const Result<FileStatus> ready = disk_.status(files_.mbox.directory(), files_.mbox.name);
  if (ready && ready->is_directory()) {
    return fail(Errc::changed, "an earlier conversion has left " + files_.mbox.path() +
                                   ", a Maildir; look what is in it");
  }
  bool has_folders = false;
  Result<void> done = disk_.list(maildir.root->fd.get(), [&](const ListedName& listed) {
    if (!listed.name.starts_with('.') || listed.may_be_regular) return;
    has_folders = true;
  });
  if (!done) return done;
  if (has_folders) {
    return fail(Errc::usage, maildir.root->path.native() +
                                 " has folders, which a spool cannot hold; move them away first");
  }
  done = remove_all_of(disk_, files_.build);
  if (done) done = remove_all_of(disk_, files_.mbox);
  // Of a spool that stood here before; a Maildir has a record of its own.
  const Result<void> removed = disk_.remove(location_.uidl.directory(), location_.uidl.name);
  if (!removed && removed.error().code != Errc::not_found) return removed;
  return done;
}

Result<MaildirToSpool::Survey> MaildirToSpool::survey(SpoolView& view, MessageNumber number) {
  Survey found;
  MessageWatch watch;
  MessageScanner scanner{scan_options(context_.settings).recipe};
  scanner.begin();
  Result<void> read = read_message(view, number, [&](std::string_view piece) -> Result<void> {
    scanner.feed(piece);
    watch.feed(piece);
    if (!watch.in_body() && watch.header.size() > largest_header) {
      return fail(Errc::limit, "message " + std::to_string(number.value) + " has a header of " +
                                   "more than 4 MiB");
    }
    return {};
  });
  if (!read) return std::unexpected(std::move(read).error());
  found.content = watch.finish();
  found.facts = scanner.finish();
  found.last = std::move(watch.last);
  found.header = std::move(watch.header);
  found.needs_length = watch.has_separator();
  found.body = watch.body;
  return found;
}

Result<void> MaildirToSpool::write_message(SpoolView& view, MessageNumber number,
                                           AppendBuffer& out) {
  Result<Survey> known = survey(view, number);
  if (!known) return std::unexpected(std::move(known).error());
  const ViewedMessage& message = view.messages()[number.index()];
  const MessageFacts& facts = known->facts;
  const bool has_own_id =
      !facts.stored_id.empty() || scan_options(context_.settings).recipe != UniqueIdRecipe::native;
  const std::string& natural = facts.stored_id.empty() ? facts.computed_id : facts.stored_id;
  HeaderUpdate update{.unique_id = {}, .mark_retrieved = message.retrieved};
  if (natural != message.unique_id || (has_own_id && facts.stored_id.empty())) {
    update.unique_id = message.unique_id;
  }
  const bool ends_line = known->last.empty() || known->last.ends_with('\n');
  const bool ends_empty = known->last == "\n" || known->last == "\r\n" ||
                          known->last.ends_with("\n\n") || known->last.ends_with("\r\n\r\n");
  std::string header = updated_header(without_lengths(known->header), update);
  if (known->needs_length) header = with_length(header, known->body + (ends_line ? 0 : 1));
  Wanted wanted{.id = std::string{message.unique_id},
                .wire = facts.wire,
                .content = known->content,
                .retrieved = message.retrieved};
  wanted.wire.count += wire_of(header).count - wire_of(known->header).count;
  if (!ends_empty) wanted.wire.count += 2;
  wanted_.push_back(std::move(wanted));

  const std::int64_t delivered = view.delivered(number).value_or(0);
  const std::chrono::system_clock::time_point when{std::chrono::seconds{delivered}};
  Result<void> done = out.append(make_from_line(sender_of(known->header), when) + header);
  std::size_t skipped = 0;
  if (done) {
    done = read_message(view, number, [&](std::string_view piece) {
      const std::size_t skip = std::min(piece.size(), known->header.size() - skipped);
      skipped += skip;
      return out.append(piece.substr(skip));
    });
  }
  if (done && !ends_line) done = out.append("\n");
  if (done && !ends_empty) done = out.append("\n");
  return done;
}

Result<void> MaildirToSpool::build(SpoolView& view) {
  Result<std::optional<Fd>> file = create_mail_file(disk_, files_.build);
  if (!file) return std::unexpected(std::move(file).error());
  if (!*file) return fail(Errc::busy, files_.build.path() + " is there already");
  AppendBuffer out{disk_, **file, FileBytes{0}};
  Result<void> done;
  for (std::uint32_t i = 1; done && i <= view.messages().size(); ++i) {
    done = write_message(view, {i}, out);
  }
  if (done) done = out.flush();
  if (done) done = disk_.sync(**file);
  if (done) done = prove(**file);
  if (done) return done;
  (void)disk_.remove(files_.build.directory(), files_.build.name);
  return std::unexpected(std::move(done).error().in("build " + files_.build.path()));
}

/// As the next session will list it, and each message's content without its bookkeeping.
Result<void> MaildirToSpool::prove(const Fd& file) {
  const Result<FileStatus> status = disk_.status(file);
  if (!status) return std::unexpected(status.error());
  const ScanOptions options = scan_options(context_.settings);
  SpoolListing made;
  if (status->size.count > 0) {
    Result<void> scanned = scan_spool(disk_, file, status->size, options, made);
    if (!scanned) return scanned;
  }
  const auto differs = [](std::size_t number) {
    return fail(Errc::corrupt,
                "the spool would not show message " + std::to_string(number + 1) + " as it is");
  };
  if (made.messages.size() != wanted_.size()) {
    return fail(Errc::corrupt, "the spool would show " + std::to_string(made.messages.size()) +
                                   " messages, not " + std::to_string(wanted_.size()));
  }
  PieceReader reader{disk_};
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    const SpoolMessage& message = made.messages[i];
    const Wanted& wanted = wanted_[i];
    const bool same = made.id_of(message) == wanted.id && message.wire == wanted.wire &&
                      (message.flags & internal_flag) == 0 &&
                      (!wanted.retrieved || (message.flags & retrieved_flag) != 0);
    if (!same) return differs(i);
    MessageWatch watch;
    Result<void> read = reader.read(file, message.header, message.content_end,
                                    [&](std::string_view piece) -> Result<void> {
                                      watch.feed(piece);
                                      return {};
                                    });
    if (!read) return read;
    if (watch.finish() != wanted.content) return differs(i);
  }
  return {};
}

/// What has a place in the spool, so that what comes after it is told apart.
Result<void> MaildirToSpool::note_converted(const MaildirLocation& maildir, const SpoolView& view) {
  std::vector<std::string> names;
  for (const ViewedMessage& message : view.messages()) {
    const std::string_view name = message.file.substr(message.file.find('/') + 1);
    names.emplace_back(parse_maildir_name(name).base);
  }
  return OldMaildir::note_converted(disk_, *maildir.root, names);
}

Result<void> MaildirToSpool::exchange() {
  const int directory = files_.build.directory();
  Result<void> done = disk_.rename(directory, files_.build.name, files_.mbox.name);
  if (done) done = disk_.sync_directory(directory);
  if (done) done = disk_.exchange(directory, location_.spool.name, files_.mbox.name);
  if (!done) {
    (void)disk_.remove(directory, files_.build.name);
    (void)disk_.remove(directory, files_.mbox.name);
    return done;
  }
  return disk_.sync_directory(directory);
}

}  // namespace pop
