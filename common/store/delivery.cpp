#include "store/delivery.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "mail/from_line.h"
#include "mail/incoming_text.h"
#include "store/append_buffer.h"
#include "store/file_pieces.h"
#include "store/maildir_delivery.h"
#include "store/maildir_location.h"
#include "store/maildrop_location.h"
#include "store/spool_file.h"
#include "store/spool_journal.h"
#include "store/spool_lock.h"

namespace pop {
namespace {

constexpr std::size_t piece_size = std::size_t{64} * 1024;
constexpr std::string_view mmdf_line = "\1\1\1\1\n";

/// The message as it will be stored, piece after piece.
class Incoming {
 public:
  Incoming(const DeliveryRequest& request, const ReadOn& read_on)
      : request_{request},
        read_on_{read_on},
        buffer_{std::make_unique_for_overwrite<char[]>(piece_size)} {}

  using Take = std::function<Result<void>(std::string_view)>;
  /// All of it.
  Result<void> read(const Take& take) {
    for (bool more = true; more;) {
      std::string piece;
      const Result<std::size_t> got = read_on_({buffer_.get(), piece_size});
      if (!got) return std::unexpected(got.error());
      seen_ += *got;
      if (request_.largest && seen_ > request_.largest->count) {
        return fail(Errc::limit, "the message is larger than " +
                                     std::to_string(request_.largest->count) + " octets");
      }
      more = *got > 0;
      if (more) {
        text_.feed({buffer_.get(), *got}, piece);
      } else {
        text_.finish(piece);
      }
      if (piece.empty()) continue;
      if (Result<void> taken = take(piece); !taken) return taken;
    }
    if (seen_ == 0) return fail(Errc::limit, "there is no message on standard input");
    return {};
  }

  /// With its LF; after read().
  [[nodiscard]] std::string from_line(std::chrono::system_clock::time_point now) const {
    const std::string& envelope = text_.envelope();
    if (request_.sender.empty() && is_from_line(envelope)) return envelope + "\n";
    std::string_view sender = request_.sender;
    if (sender.empty() && !envelope.empty()) {
      sender = std::string_view{envelope}.substr(5);  // a date that nobody can read goes
      sender = sender.substr(0, sender.find_first_of(" \t\r"));
    }
    return make_from_line(sender, now);
  }

  [[nodiscard]] Result<void> last_check() const {
    return request_.last_check ? request_.last_check() : Result<void>{};
  }

 private:
  const DeliveryRequest& request_;
  const ReadOn& read_on_;
  std::unique_ptr<char[]> buffer_;
  std::uint64_t seen_ = 0;
  IncomingText text_;
};

/// Where a message waits until all of it is there: nobody may keep the lock while a sender sleeps.
class WaitingText {
 public:
  WaitingText(Disk& disk, const FilePlace& beside) : disk_{disk}, beside_{beside} {}

  Result<void> append(std::string_view bytes) {
    size_ += {bytes.size()};
    if (!buffer_ && kept_.size() + bytes.size() <= kept_at_most) {
      kept_ += bytes;
      return {};
    }
    if (!buffer_) {
      Result<Fd> file = disk_.open_unnamed(beside_.directory(), 0600);
      if (!file) return std::unexpected(std::move(file).error().in(beside_.in->path.native()));
      file_ = std::move(*file);
      buffer_.emplace(disk_, file_, FileBytes{0});
      if (Result<void> put = buffer_->append(kept_); !put) return put;
    }
    return buffer_->append(bytes);
  }
  [[nodiscard]] FileBytes size() const { return size_; }
  Result<void> read(const PieceReader::Take& take) {
    if (!buffer_) return take(kept_);
    if (Result<void> flushed = buffer_->flush(); !flushed) return flushed;
    return PieceReader{disk_}.read(file_, {0}, size_, take);
  }

 private:
  static constexpr std::size_t kept_at_most = std::size_t{1024} * 1024;

  Disk& disk_;
  const FilePlace& beside_;
  std::string kept_;
  Fd file_;
  std::optional<AppendBuffer> buffer_;
  FileBytes size_;
};

/// One message into a spool.
class SpoolDelivery {
 public:
  SpoolDelivery(const MaildropContext& context, const MailUser& user,
                const MaildropLocation& location)
      : context_{context}, disk_{context.disk}, user_{user}, location_{location} {}

  Result<DeliveredMail> run(Incoming& incoming) {
    WaitingText text{disk_, location_.drop};
    Result<void> done = incoming.read([&](std::string_view piece) { return text.append(piece); });
    if (!done) return std::unexpected(std::move(done).error());
    Result<SpoolLock> lock =
        SpoolLock::acquire(context_, location_.spool, user_.uid, SpoolLock::Missing::create);
    if (!lock) return std::unexpected(std::move(lock).error());
    done = finish_update(*lock);
    if (done) done = look_at_end(*lock);
    if (done) done = append(*lock, incoming, text);
    if (!done) return std::unexpected(std::move(done).error());
    return DeliveredMail{location_.spool.path(), tail_, std::move(remark_)};
  }

  Result<void> run(const PreparedMail& mail) {
    Result<SpoolLock> lock =
        SpoolLock::acquire(context_, location_.spool, user_.uid, SpoolLock::Missing::create);
    if (!lock) return std::unexpected(std::move(lock).error());
    Result<void> done = finish_update(*lock);
    if (done) done = look_at_end(*lock);
    if (!done) return done;
    if (size_.count > 0 && mail.format != format_) {
      return fail(Errc::changed, location_.spool.path() + " has another format by now");
    }
    return append(*lock, mail);
  }

  Result<void> run(std::span<const OwnMessage> messages, const ConfirmOwn& confirm) {
    Result<SpoolLock> lock =
        SpoolLock::acquire(context_, location_.spool, user_.uid, SpoolLock::Missing::create);
    if (!lock) return std::unexpected(std::move(lock).error());
    Result<void> done = finish_update(*lock);
    if (done) done = look_at_end(*lock);
    if (done) done = append(*lock, messages);
    if (!done) return done;
    done = confirm();
    return done ? done : take_back(*lock, std::move(done).error());
  }

 private:
  /// What a crash left: the journal is about to be ours.
  Result<void> finish_update(SpoolLock& lock) {
    const Result<Recovery> recovery = recover_journal(disk_, location_.journal, lock, user_.uid);
    if (!recovery) return std::unexpected(recovery.error());
    if (*recovery != Recovery::foreign) return {};
    return fail(Errc::changed, location_.journal.path() +
                                   " belongs to another state of the spool; the next session, or "
                                   "popspool recover, merges its mail");
  }

  /// Which form the spool has, and what its end lacks for a separator to count.
  Result<void> look_at_end(SpoolLock& lock) {
    const Result<FileStatus> status = disk_.status(lock.file());
    if (!status) return std::unexpected(status.error());
    size_ = status->size;
    Result<std::string> first = bytes(lock.file(), {0}, mmdf_line.size());
    if (!first) return std::unexpected(std::move(first).error());
    if (*first == mmdf_line) format_ = SpoolFormat::mmdf;
    const FileBytes from = size_ - FileBytes{std::min<std::uint64_t>(size_.count, 4)};
    Result<std::string> last = bytes(lock.file(), from, 4);
    if (!last) return std::unexpected(std::move(last).error());
    if (last->empty() || last->ends_with("\n\n") || last->ends_with("\r\n\r\n")) return {};
    gap_ = last->ends_with('\n') ? "\n" : "\n\n";
    if (format_ == SpoolFormat::mmdf) gap_.pop_back();
    return {};
  }

  Result<std::string> bytes(const Fd& file, FileBytes from, std::size_t count) {
    std::string text(count, '\0');
    const Result<std::size_t> got = disk_.read(file, text, from);
    if (!got) return std::unexpected(got.error());
    text.resize(*got);
    return text;
  }

  Result<void> append(SpoolLock& lock, const Incoming& incoming, WaitingText& text) {
    const std::string from_line = incoming.from_line(context_.clock.wall());
    Result<JournalWriter> writer = JournalWriter::create(
        disk_, location_.journal, text.size() + FileBytes{from_line.size() + 2 * mmdf_line.size()});
    if (!writer) return std::unexpected(std::move(writer).error());
    const bool is_mmdf = format_ == SpoolFormat::mmdf;
    SeparatorQuoting quoting{format_};
    Result<void> done = writer->append(gap_ + std::string{is_mmdf ? mmdf_line : ""} + from_line);
    if (done) {
      done = text.read([&](std::string_view piece) {
        std::string quoted;
        quoting.feed(piece, quoted);
        Result<void> put = writer->append(quoted);
        return put ? lock.refresh() : put;
      });
    }
    std::string end;
    quoting.finish(end);
    end += is_mmdf ? mmdf_line : "\n";
    if (done) done = writer->append(end);
    tail_ = writer->tail_size();
    if (done) done = incoming.last_check();
    if (done) done = writer->finish(lock.file(), size_, size_);
    return done ? carry_out(lock) : done;
  }

  /// The journal is durable, and whoever opens the spool next carries it out: "try again" now would
  /// double the message.
  Result<void> carry_out(SpoolLock& lock) {
    Result<void> done = apply_journal(disk_, location_.journal, lock, user_.uid);
    if (done || done.error().code == Errc::corrupt) return done;
    remark_ =
        "the message is in the journal, and the next session or delivery moves it into the "
        "spool: " +
        done.error().text;
    return {};
  }

  Result<void> append(SpoolLock& lock, const PreparedMail& mail) {
    Result<JournalWriter> writer =
        JournalWriter::create(disk_, location_.journal, mail.size + FileBytes{gap_.size()});
    if (!writer) return std::unexpected(std::move(writer).error());
    Result<void> done = writer->append(gap_);
    PieceReader reader{disk_};
    if (done) {
      done = reader.read(mail.file, {0}, mail.size, [&](std::string_view piece) {
        Result<void> put = writer->append(piece);
        return put ? lock.refresh() : put;
      });
    }
    if (done) done = writer->finish(lock.file(), size_, size_);
    if (done) done = apply_journal(disk_, location_.journal, lock, user_.uid);
    return done;
  }

  Result<void> append(SpoolLock& lock, std::span<const OwnMessage> messages) {
    const bool is_mmdf = format_ == SpoolFormat::mmdf;
    const std::string begin{is_mmdf ? mmdf_line : ""}, end{is_mmdf ? mmdf_line : "\n"};
    std::vector<std::string> pieces{gap_};
    for (const OwnMessage& message : messages) {
      pieces.push_back(begin + message.from_line + "\n");
      pieces.push_back(message.content + end);
    }
    for (const std::string& piece : pieces) tail_ += {piece.size()};
    Result<JournalWriter> writer = JournalWriter::create(disk_, location_.journal, tail_);
    if (!writer) return std::unexpected(std::move(writer).error());
    Result<void> done;
    for (const std::string& piece : pieces) {
      if (done) done = writer->append(piece);
      if (done) done = lock.refresh();
    }
    if (done) done = writer->finish(lock.file(), size_, size_);
    if (done) done = apply_journal(disk_, location_.journal, lock, user_.uid);
    return done;
  }

  /// Still under the lock, so that nothing stands behind what has just been appended.
  Result<void> take_back(SpoolLock& lock, Error why) {
    const Result<FileStatus> now = disk_.status(lock.file());
    Result<void> done =
        now ? check_nothing_arrived(*now, size_ + tail_) : std::unexpected(now.error());
    if (done) done = disk_.truncate(lock.file(), size_);
    if (done) done = disk_.sync(lock.file());
    if (!done) why.text += "; and they could not be taken back: " + done.error().text;
    return std::unexpected(std::move(why));
  }

  const MaildropContext& context_;
  Disk& disk_;
  const MailUser& user_;
  const MaildropLocation& location_;
  SpoolFormat format_ = SpoolFormat::mbox;
  FileBytes size_, tail_;
  std::string gap_, remark_;
};

Result<MaildirLocation> made_or_found_maildir(const MaildropContext& context, const MailUser& user,
                                              const MaildropLocation& location) {
  for (int tries = 0; tries < 5; ++tries) {
    Result<std::optional<MaildirLocation>> maildir =
        locate_maildir(context.disk, context.settings, user, location);
    if (!maildir) return std::unexpected(std::move(maildir).error());
    if (*maildir) return *std::move(*maildir);
    Result<void> made = make_maildir(context.disk, location.spool);
    if (!made && made.error().code != Errc::busy) return std::unexpected(std::move(made).error());
  }
  return fail(Errc::changed, location.spool.path() + " is made and removed again and again");
}

/// Subdirectories may be missing where another program made the Maildir.
Result<Fd> open_or_make(Disk& disk, const OpenDirectory& root, const std::string& name) {
  Result<Fd> directory = disk.open(root.fd.get(), name, O_RDONLY | O_DIRECTORY);
  if (directory || directory.error().code != Errc::not_found) return directory;
  Result<void> made = disk.make_directory(root.fd.get(), name, 0700);
  if (made) made = disk.sync_directory(root.fd.get());
  if (!made && made.error().code != Errc::busy) return std::unexpected(std::move(made).error());
  return disk.open(root.fd.get(), name, O_RDONLY | O_DIRECTORY);
}

/// One delivery's way into a Maildir that may become a spool meanwhile. Who converts it takes in
/// what was on its way when the two changed places, which ends when `tmp` is gone: so a delivery
/// goes through a `tmp` that was there before, or not at all.
class MaildirEntry {
 public:
  MaildirEntry(const MaildropContext& context, const MailUser& user,
               const MaildropLocation& location, const OpenDirectory& root)
      : context_{context}, user_{user}, location_{location}, root_{root} {}

  Result<Fd> open_tmp() {
    Result<Fd> tmp = context_.disk.open(root_.fd.get(), "tmp", O_RDONLY | O_DIRECTORY);
    if (!tmp && tmp.error().code == Errc::not_found) {
      if (Result<void> fine = check_place(); !fine) return std::unexpected(std::move(fine).error());
      tmp = open_or_make(context_.disk, root_, "tmp");
    }
    if (!tmp) return tmp;
    if (Result<void> fine = check_place(); !fine) return std::unexpected(std::move(fine).error());
    return tmp;
  }

 private:
  /// Whether the Maildir still stands where it was found.
  Result<void> check_place() {
    const Result<FileStatus> opened = context_.disk.status(root_.fd);
    if (!opened) return std::unexpected(opened.error());
    const Result<std::optional<MaildirLocation>> found =
        locate_maildir(context_.disk, context_.settings, user_, location_);
    if (found && *found) {
      const Result<FileStatus> now = context_.disk.status((*found)->root->fd);
      if (!now) return std::unexpected(now.error());
      if (now->same_file(*opened)) return {};
    }
    return fail(Errc::busy, root_.path.native() + " is being replaced" +
                                (found ? "" : " (" + found.error().text + ")") + "; try again");
  }

  const MaildropContext& context_;
  const MailUser& user_;
  const MaildropLocation& location_;
  const OpenDirectory& root_;
};

Result<DeliveredMail> deliver_to_maildir(const MaildropContext& context, const MailUser& user,
                                         const MaildropLocation& location, Incoming& incoming) {
  using std::chrono::duration_cast, std::chrono::microseconds, std::chrono::seconds;
  Disk& disk = context.disk;
  const Result<MaildirLocation> maildir = made_or_found_maildir(context, user, location);
  if (!maildir) return std::unexpected(maildir.error());
  const Result<Fd> tmp = MaildirEntry{context, user, location, *maildir->root}.open_tmp();
  if (!tmp) return std::unexpected(tmp.error());
  const Result<Fd> fresh = open_or_make(disk, *maildir->root, "new");
  if (!fresh) return std::unexpected(fresh.error());
  const auto now = duration_cast<microseconds>(context.clock.wall().time_since_epoch());
  const auto whole = duration_cast<seconds>(now);
  Result<MaildirDelivery> delivery = MaildirDelivery::begin(
      disk, *tmp,
      new_maildir_base(whole.count(), static_cast<std::uint64_t>((now - whole).count())));
  if (!delivery) return std::unexpected(std::move(delivery).error());
  Result<void> done =
      incoming.read([&](std::string_view piece) { return delivery->append(piece); });
  if (done) done = incoming.last_check();
  if (!done) return std::unexpected(std::move(done).error());
  const Result<std::string> name = delivery->finish(fresh->get(), "");
  if (!name) return std::unexpected(name.error());
  if (done = disk.sync_directory(fresh->get()); !done) {
    return std::unexpected(std::move(done).error());
  }
  return DeliveredMail{(maildir->root->path / "new" / *name).native(), delivery->size(), {}};
}

/// Messages on their way into a Maildir.
class MaildirArrivals {
 public:
  MaildirArrivals(const MaildropContext& context, const MaildirLocation& maildir)
      : context_{context}, disk_{context.disk}, maildir_{maildir} {}

  Result<void> open() {
    for (const auto& [name, place] :
         {std::pair<const char*, Fd*>{"tmp", &tmp_}, {"new", &fresh_}, {"cur", &seen_}}) {
      Result<Fd> directory = open_or_make(disk_, *maildir_.root, name);
      if (!directory) return std::unexpected(std::move(directory).error());
      *place = std::move(*directory);
    }
    return {};
  }

  Result<void> write(const PreparedMessage& message) {
    using std::chrono::duration_cast, std::chrono::seconds;
    const std::int64_t now =
        duration_cast<seconds>(context_.clock.wall().time_since_epoch()).count();
    Result<MaildirDelivery> delivery = MaildirDelivery::begin(
        disk_, tmp_, new_maildir_base(message.delivered.value_or(now), arrivals_.size()));
    if (!delivery) return std::unexpected(std::move(delivery).error());
    Result<void> done = delivery->append(message.content);
    if (done) done = delivery->complete();
    if (!done) return done;
    arrivals_.push_back({std::move(*delivery), info_of(message)});
    return {};
  }

  /// From here on they arrive.
  Result<void> finish() {
    for (Arrival& arrival : arrivals_) {
      const bool is_fresh = arrival.info.empty();
      Result<std::string> name =
          arrival.delivery.finish((is_fresh ? fresh_ : seen_).get(), arrival.info);
      if (!name) return std::unexpected(std::move(name).error());
      if (is_fresh) fresh_names_.push_back(std::move(*name));
    }
    Result<void> done = disk_.sync_directory(seen_.get());
    return done ? disk_.sync_directory(fresh_.get()) : done;
  }

  /// What went to `new` goes again, durably.
  Result<void> take_back() {
    Result<void> done;
    for (const std::string& name : fresh_names_) {
      Result<void> removed = disk_.remove(fresh_.get(), name);
      if (!removed && done) done = std::move(removed);
    }
    const Result<void> synced = disk_.sync_directory(fresh_.get());
    return done ? synced : done;
  }

 private:
  static std::string info_of(const PreparedMessage& message) {
    std::string letters = message.marks;
    if (message.retrieved) letters.insert(std::min(letters.find('T'), letters.size()), "S");
    return letters.empty() ? "" : ":2," + letters;
  }

  struct Arrival {
    MaildirDelivery delivery;
    std::string info;  // empty: it goes to `new`
  };
  const MaildropContext& context_;
  Disk& disk_;
  const MaildirLocation& maildir_;
  Fd tmp_, fresh_, seen_;
  std::vector<Arrival> arrivals_;
  std::vector<std::string> fresh_names_;
};

}  // namespace

Result<void> append_to_spool(const MaildropContext& context, const MailUser& user,
                             const MaildropLocation& location, const PreparedMail& mail) {
  return SpoolDelivery{context, user, location}.run(mail);
}

Result<void> add_to_maildir(const MaildropContext& context, const MailUser& user,
                            const MaildropLocation& location,
                            const std::function<Result<void>(const AddPrepared& add)>& fill) {
  const Result<MaildirLocation> maildir = made_or_found_maildir(context, user, location);
  if (!maildir) return std::unexpected(maildir.error());
  MaildirArrivals arrivals{context, *maildir};
  Result<void> done = arrivals.open();
  if (done) done = fill([&](const PreparedMessage& message) { return arrivals.write(message); });
  return done ? arrivals.finish() : done;
}

Result<void> append_own_to_spool(const MaildropContext& context, const MailUser& user,
                                 const MaildropLocation& location,
                                 std::span<const OwnMessage> messages, const ConfirmOwn& confirm) {
  return SpoolDelivery{context, user, location}.run(messages, confirm);
}

Result<void> add_own_to_maildir(const MaildropContext& context, const MaildirLocation& maildir,
                                std::span<const OwnMessage> messages, const ConfirmOwn& confirm) {
  MaildirArrivals arrivals{context, maildir};
  Result<void> done = arrivals.open();
  for (const OwnMessage& message : messages) {
    if (done) done = arrivals.write({.content = message.content, .delivered = {}});
  }
  if (!done) return done;  // nothing has arrived
  done = arrivals.finish();
  if (done) done = confirm();
  if (done) return done;
  Error why = std::move(done).error();
  if (const Result<void> taken_back = arrivals.take_back(); !taken_back) {
    why.text += "; and they could not be taken back: " + taken_back.error().text;
  }
  return std::unexpected(std::move(why));
}

Result<DeliveredMail> deliver(const MaildropContext& context, const MailUser& user,
                              const DeliveryRequest& request, const ReadOn& read_on) {
  const Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(location.error());
  const Result<MailFormat> format = format_of_maildrop(context, user, *location);
  if (!format) return std::unexpected(format.error());
  Incoming incoming{request, read_on};
  if (*format == MailFormat::maildir) {
    return deliver_to_maildir(context, user, *location, incoming);
  }
  return SpoolDelivery{context, user, *location}.run(incoming);
}

}  // namespace pop
