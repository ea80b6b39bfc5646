#include "store/spool_repair.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/file_replacement.h"
#include "mail/header_survey.h"
#include "store/append_buffer.h"
#include "store/checksum.h"
#include "store/file_pieces.h"
#include "store/imported_ids_file.h"
#include "store/locked_spool.h"
#include "store/patched_file.h"
#include "store/repair_proof.h"
#include "store/spool_listing.h"

// The order of a repair: backup, quarantine and record are durable before the journal is; the
// journal decides. A record whose spool still is the old one belongs to a repair that a crash ended
// before that, and means nothing.

namespace pop {
namespace {

/// A new spool in a file without a name.
Result<Fd> build_spool(Disk& disk, const FilePlace& beside, PatchedFile& text) {
  Result<Fd> file = disk.open_unnamed(beside.directory(), 0600);
  if (!file) return file;
  AppendBuffer out{disk, *file, {0}};
  Result<void> put = text.read_from({0}, [&](std::string_view piece) { return out.append(piece); });
  if (put) put = out.flush();
  if (!put) return std::unexpected(std::move(put).error());
  return file;
}

class Repair {
 public:
  Repair(const MaildropContext& context, const MaildropLocation& location, uid_t owner,
         LockedSpool& spool, const RepairRequest& request)
      : context_{context},
        disk_{context.disk},
        location_{location},
        owner_{owner},
        spool_{spool},
        request_{request},
        options_{request.options} {}

  Result<MendedSpool> run() {
    Result<RepairPlan> plan =
        plan_spool_repair(disk_, spool_.file(), spool_.size(), request_, spool_.refreshing());
    if (!plan) return std::unexpected(std::move(plan).error());
    mended_.plan = std::move(*plan);
    if (request_.drop_index) {
      (void)disk_.remove(location_.index.directory(), location_.index.name);
    }
    if (mended_.plan.text.changes().empty()) return std::move(mended_);
    Result<void> done = build();
    if (done) done = keep_unique_ids();
    if (done) done = prepare();
    if (done) done = commit();
    if (!done) return std::unexpected(std::move(done).error());
    return std::move(mended_);
  }

 private:
  Result<void> build() {
    PatchedFile text{disk_, spool_.file(), mended_.plan.text, spool_.refreshing()};
    Result<Fd> built = build_spool(disk_, location_.spool, text);
    if (!built) return std::unexpected(std::move(built).error());
    built_ = std::move(*built);
    return {};
  }

  // Unique-ids

  /// Empty for what is no spool: there clients have seen no ids, or will see none.
  Result<SpoolListing> listing_of(const Fd& file, FileBytes size) {
    SpoolListing listing;
    Result<void> scanned = scan_spool(disk_, file, size, options_, listing, spool_.refreshing());
    if (!scanned && scanned.error().code != Errc::corrupt) {
      return std::unexpected(std::move(scanned).error());
    }
    return scanned ? std::move(listing) : SpoolListing{};
  }

  /// A message that is as it was must have the id that it had, whatever became of the others.
  Result<void> keep_unique_ids() {
    Result<std::shared_ptr<const ImportedIds>> imported =
        load_imported_ids(disk_, location_.uidl, owner_);
    if (!imported) return std::unexpected(std::move(imported).error());
    options_.imported = std::move(*imported);
    const Result<SpoolListing> old = listing_of(spool_.file(), spool_.size());
    if (!old) return std::unexpected(old.error());
    constexpr int most_rounds = 4;
    for (int round = 0; round < most_rounds; ++round) {
      const Result<SpoolListing> now = listing_of(built_, mended_.plan.text.size());
      if (!now) return std::unexpected(now.error());
      Result<std::vector<SpoolEdit>> edits = id_edits(*old, *now);
      if (!edits) return std::unexpected(std::move(edits).error());
      if (edits->empty()) return {};
      mended_.kept_ids += edits->size();
      mended_.plan.text.apply(*edits);
      if (Result<void> built = build(); !built) return built;
    }
    return fail(Errc::corrupt, "the unique-ids of sound messages cannot be kept");
  }

  Result<std::vector<SpoolEdit>> id_edits(const SpoolListing& old, const SpoolListing& now) {
    const std::vector<std::size_t> where = relocated(old, now);
    std::vector<std::string> wanted(now.messages.size());
    std::set<std::string, std::less<>> taken;
    for (std::size_t i = 0; i < where.size(); ++i) {
      if (where[i] == npos) continue;
      wanted[where[i]] = old.id_of(old.messages[i]);
      taken.insert(wanted[where[i]]);
    }
    std::vector<SpoolEdit> edits;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const std::string id{now.id_of(now.messages[i])};
      std::string& store = wanted[i];
      if (store.empty()) {  // a new message must not stand in the way of another one's id
        if (!taken.contains(id)) continue;
        std::uint32_t occurrence = 1;
        do {
          store = distinct_unique_id(id, ++occurrence);
        } while (taken.contains(store));
        taken.insert(store);
      }
      if (store == id) continue;
      Result<SpoolEdit> edit = id_edit(now.messages[i], store);
      if (!edit) return std::unexpected(std::move(edit).error());
      edits.push_back(std::move(*edit));
    }
    return edits;
  }

  Result<SpoolEdit> id_edit(const SpoolMessage& message, const std::string& id) {
    std::string header((message.body - message.header).count, '\0');
    const Result<std::size_t> got = disk_.read(built_, header, message.header);
    if (!got) return std::unexpected(got.error());
    const HeaderSurvey survey = survey_header(header);
    if (!survey.stored_ids.empty()) {
      const SurveyedField& field = survey.stored_ids.front();
      return SpoolEdit{message.header + FileBytes{field.value}, {field.value_size}, id};
    }
    const bool crlf = header.find("\r\n") < header.find('\n');
    return SpoolEdit{message.header, {}, "X-UIDL: " + id + (crlf ? "\r\n" : "\n")};
  }

  // Backup, quarantine and record

  Result<void> prepare() {
    Result<std::uint32_t> number = next_number();
    if (!number) return std::unexpected(std::move(number).error());
    files_ = RepairFiles::of(location_, *number);
    Result<void> done = remove_repair(disk_, files_);  // without a record they mean nothing
    if (done) done = write_files();
    if (!done) {
      (void)remove_repair(disk_, files_);
      return std::unexpected(std::move(done).error().in("prepare the repair"));
    }
    mended_.record = *number;
    return {};
  }

  /// A record whose repair never happened is removed and its number used again.
  Result<std::uint32_t> next_number() {
    const Result<std::vector<std::uint32_t>> numbers = recorded_repairs(disk_, location_);
    if (!numbers) return std::unexpected(numbers.error());
    if (numbers->empty()) return 1;
    const std::uint32_t last = numbers->back();
    const RepairFiles files = RepairFiles::of(location_, last);
    const Result<RepairRecord> record = load_record(disk_, files.record, owner_);
    if (!record) return last + 1;
    const Result<RepairState> state =
        state_of_repair(disk_, spool_.file(), *record, spool_.refreshing());
    if (!state) return std::unexpected(state.error());
    if (*state != RepairState::not_happened) return last + 1;
    if (Result<void> removed = remove_repair(disk_, files); !removed) {
      return std::unexpected(std::move(removed).error());
    }
    return last;
  }

  Result<void> write_files() {
    RepairRecord record;
    record.time = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(context_.clock.wall().time_since_epoch())
            .count());
    record.edits = mended_.plan.text.changes();
    Result<void> done = write_backup(record);
    if (done) done = write_quarantine(record);
    if (!done) return done;
    const Result<ByteSum> renewed =
        sum_of(disk_, built_, mended_.plan.text.size(), spool_.refreshing());
    if (!renewed) return std::unexpected(renewed.error());
    record.new_spool = *renewed;
    const RepairedFiles files{spool_.file(), built_,
                              quarantine_.is_open() ? &quarantine_ : nullptr};
    done = prove_repair(disk_, files, record, spool_.refreshing());
    if (!done) return done;
    return replace_file(disk_, {.directory = files_.record.directory(), .name = files_.record.name},
                        record.serialised());
  }

  Result<Fd> create(const FilePlace& place) {
    return disk_.open(place.directory(), place.name, O_RDWR | O_CREAT | O_EXCL, 0600);
  }

  Result<void> write_backup(RepairRecord& record) {
    Result<Fd> backup = create(files_.backup);
    if (!backup) return std::unexpected(std::move(backup).error());
    const FileBytes size = spool_.size();
    Result<void> done = disk_.reserve(*backup, size);
    if (done) {
      done = copy_and_sync(disk_, spool_.file(), *backup, {.from = {0}, .to = {0}, .count = size},
                           spool_.refreshing());
    }
    if (done) done = disk_.sync(*backup);
    if (!done) return done;
    const Result<ByteSum> old = sum_of(disk_, spool_.file(), size, spool_.refreshing());
    if (!old) return std::unexpected(old.error());
    record.old_spool = *old;
    const Result<bool> same = begins_with(disk_, *backup, *old, spool_.refreshing());
    if (!same) return std::unexpected(same.error());
    return *same ? Result<void>{} : fail(Errc::io, "the backup is not what was written");
  }

  Result<void> write_quarantine(RepairRecord& record) {
    const std::vector<PatchedText::Range> ranges = mended_.plan.text.left_out();
    record.quarantine = {{0}, Checksum{}.value()};
    if (ranges.empty()) return {};
    Result<Fd> file = create(files_.quarantine);
    if (!file) return std::unexpected(std::move(file).error());
    quarantine_ = std::move(*file);
    AppendBuffer out{disk_, quarantine_, {0}};
    PieceReader reader{disk_};
    for (const PatchedText::Range& range : ranges) {
      Result<void> put = reader.read(spool_.file(), range.from, range.from + range.count,
                                     [&](std::string_view piece) { return out.append(piece); });
      if (!put) return put;
    }
    Result<void> done = out.flush();
    if (done) done = disk_.sync(quarantine_);
    if (!done) return done;
    const Result<ByteSum> sum = sum_of(disk_, quarantine_, out.end(), spool_.refreshing());
    if (!sum) return std::unexpected(sum.error());
    record.quarantine = *sum;
    return {};
  }

  // The change itself

  /// Where the first changed message begins: what stands before need not be written.
  [[nodiscard]] FileBytes base() const {
    const FileBytes first = mended_.plan.text.changes().front().at;
    FileBytes found;
    for (const ScannedMessage& message : mended_.plan.before.messages) {
      if (message.separator <= first) found = message.separator;
    }
    return found;
  }

  Result<void> commit() {
    bool decided = false;
    Result<void> done = spool_.replace_tail(built_, base(), mended_.plan.text.size(), decided);
    if (!done && !decided) (void)remove_repair(disk_, files_);
    return done;
  }

  const MaildropContext& context_;
  Disk& disk_;
  const MaildropLocation& location_;
  uid_t owner_;
  LockedSpool& spool_;
  const RepairRequest& request_;
  ScanOptions options_;
  MendedSpool mended_;
  Fd built_, quarantine_;
  RepairFiles files_;
};

}  // namespace

Result<RepairPlan> plan_spool_repair(Disk& disk, const Fd& spool, FileBytes size,
                                     const RepairRequest& request, const BetweenPieces& between) {
  std::optional<Error> failure;
  // A reader's failure is seen when it is done with, before the plan is believed.
  class Watched final : public TextReader {
   public:
    Watched(std::unique_ptr<PatchedFile> file, std::optional<Error>& failed)
        : file_{std::move(file)}, failed_{failed} {}
    ~Watched() override {
      if (Result<void> fine = file_->failure(); !fine && !failed_) failed_ = fine.error();
    }
    [[nodiscard]] FileBytes size() const override { return file_->size(); }
    [[nodiscard]] std::string_view bytes(FileBytes offset, std::size_t count) override {
      return file_->bytes(offset, count);
    }
    void read_all(const std::function<void(std::string_view)>& take) override {
      file_->read_all(take);
    }

   private:
    std::unique_ptr<PatchedFile> file_;
    std::optional<Error>& failed_;
  };
  const auto open = [&](const PatchedText& text) -> std::unique_ptr<TextReader> {
    return std::make_unique<Watched>(std::make_unique<PatchedFile>(disk, spool, text, between),
                                     failure);
  };
  RepairPlan plan = plan_repair(size, request.options, open, request.decide);
  if (failure) return std::unexpected(std::move(*failure));
  return plan;
}

Result<MendedSpool> repair_spool(const MaildropContext& context, const MailUser& user,
                                 const MaildropLocation& location, const RepairRequest& request) {
  Result<LockedSpool> spool = LockedSpool::open(context, user, location);
  Result<MendedSpool> done = MendedSpool{};
  if (!spool) {
    done = std::unexpected(std::move(spool).error());
  } else if (spool->has_file()) {
    done = Repair{context, location, user.uid, *spool, request}.run();
  }
  if (!done) return std::unexpected(std::move(done).error().in("repair " + location.spool.path()));
  return done;
}

}  // namespace pop
