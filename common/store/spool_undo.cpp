#include <algorithm>
#include <string>
#include <utility>

#include "store/append_buffer.h"
#include "store/file_pieces.h"
#include "store/locked_spool.h"
#include "store/spool_file.h"
#include "store/spool_repair.h"

namespace pop {
namespace {

/// Sets a spool back.
class Undo {
 public:
  Undo(Disk& disk, const MaildropLocation& location, uid_t owner, LockedSpool& spool)
      : disk_{disk}, location_{location}, owner_{owner}, spool_{spool} {}

  Result<UndoneRepair> run() {
    for (;;) {
      const Result<std::vector<std::uint32_t>> numbers = recorded_repairs(disk_, location_);
      if (!numbers) return std::unexpected(numbers.error());
      if (numbers->empty()) return fail(Errc::not_found, "there is no repair to undo");
      const std::uint32_t number = numbers->back();
      files_ = RepairFiles::of(location_, number);
      const Result<RepairRecord> record = load_record(disk_, files_.record, owner_);
      if (!record) return std::unexpected(record.error());
      const Result<RepairState> state = state_of(*record);
      if (!state) return std::unexpected(state.error());
      if (*state == RepairState::happened) return undo(number, *record);
      if (*state == RepairState::overtaken) return changed_since();
      // It never happened, or has been undone already.
      if (Result<void> removed = remove_repair(disk_, files_); !removed) {
        return std::unexpected(std::move(removed).error());
      }
    }
  }

 private:
  Result<RepairState> state_of(const RepairRecord& record) {
    if (!spool_.has_file()) return RepairState::overtaken;
    return state_of_repair(disk_, spool_.file(), record, spool_.refreshing());
  }

  [[nodiscard]] Result<UndoneRepair> changed_since() const {
    return fail(Errc::changed,
                "mail was deleted or marked since the repair, and the old state would bring it "
                "back; nothing was changed. What was there before stands in " +
                    files_.backup.path());
  }

  Result<UndoneRepair> undo(std::uint32_t number, const RepairRecord& record) {
    Result<Fd> backup =
        open_mail_file(disk_, files_.backup, O_RDONLY, owner_, Exposure::not_accessible_by_others);
    if (!backup) return std::unexpected(std::move(backup).error());
    const Result<bool> whole = begins_with(disk_, *backup, record.old_spool, spool_.refreshing());
    if (!whole) return std::unexpected(whole.error());
    if (!*whole) return fail(Errc::corrupt, files_.backup.path() + ": damaged");
    Result<FileBytes> size = build(*backup, record);
    if (!size) return std::unexpected(std::move(size).error());
    bool decided = false;
    Result<void> done = spool_.replace_tail(built_, {0}, *size, decided);
    if (done) done = remove_repair(disk_, files_);
    if (!done) return std::unexpected(std::move(done).error());
    return UndoneRepair{number, record.time, spool_.size() - record.new_spool.size};
  }

  /// The backup and what has arrived since, which stays a message of its own.
  Result<FileBytes> build(const Fd& backup, const RepairRecord& record) {
    Result<Fd> file = disk_.open_unnamed(location_.spool.directory(), 0600);
    if (!file) return std::unexpected(std::move(file).error());
    built_ = std::move(*file);
    AppendBuffer out{disk_, built_, {0}};
    std::string last;
    const auto append = [&](std::string_view piece) {
      last =
          (last + std::string{piece.substr(piece.size() - std::min<std::size_t>(piece.size(), 4))});
      last.erase(0, last.size() - std::min<std::size_t>(last.size(), 4));
      return out.append(piece);
    };
    PieceReader reader{disk_};
    Result<void> put = reader.read(backup, {0}, record.old_spool.size, append);
    if (put && spool_.size() > record.new_spool.size) {
      const bool apart = last.empty() || last.ends_with("\n\n") || last.ends_with("\n\r\n");
      if (!apart) put = out.append(last.ends_with('\n') ? "\n" : "\n\n");
      if (put) {
        put = reader.read(spool_.file(), record.new_spool.size, spool_.size(), append);
      }
    }
    if (put) put = out.flush();
    if (!put) return std::unexpected(std::move(put).error());
    return out.end();
  }

  Disk& disk_;
  const MaildropLocation& location_;
  uid_t owner_;
  LockedSpool& spool_;
  RepairFiles files_;
  Fd built_;
};

}  // namespace

Result<UndoneRepair> undo_repair(const MaildropContext& context, const MailUser& user,
                                 const MaildropLocation& location) {
  Result<LockedSpool> spool = LockedSpool::open(context, user, location);
  Result<UndoneRepair> done = spool
                                  ? Undo{context.disk, location, user.uid, *spool}.run()
                                  : Result<UndoneRepair>{std::unexpected(std::move(spool).error())};
  if (!done) return std::unexpected(std::move(done).error().in("undo in " + location.spool.path()));
  return done;
}

}  // namespace pop
