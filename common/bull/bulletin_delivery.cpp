#include "bull/bulletin_delivery.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "bull/believable_numbers.h"
#include "bull/bulletin_plan.h"

namespace pop {
namespace {

class Delivery {
 public:
  Delivery(const MaildropContext& context, const BulletinDirectory& directory,
           const Recipient& recipient, const std::string& host, SeenNumbers& numbers)
      : context_{context},
        directory_{directory},
        recipient_{recipient},
        host_{host},
        numbers_{numbers} {}

  Result<BulletinsDelivered> into(Maildrop& maildrop) {
    const Result<std::size_t> added =
        maildrop.add({[this] { return find(); }, [this] { return confirm(); }});
    if (!added) return std::unexpected(added.error());
    BulletinsDelivered result{{}, std::move(remarks_)};
    result.remarks.insert(result.remarks.begin(), plan_.broken.begin(), plan_.broken.end());
    if (*added == 0) return result;
    for (const DueBulletin& due : plan_.due) result.files.push_back(due.name.file);
    return result;
  }

 private:
  Result<std::vector<OwnMessage>> find() {
    Result<KnownNumbers> known = numbers_.read();
    if (!known) return std::unexpected(std::move(known).error());
    known_ = std::move(*known);
    const Result<BulletinFiles> files = directory_.files();
    if (!files) return std::unexpected(files.error());
    if (known_.is_taken_over) {
      const Result<BelievableNumbers> believable = believable_numbers(directory_, *files);
      if (!believable) return std::unexpected(believable.error());
      known_.seen.record = believable->bounded(std::move(known_.seen.record));
    }
    using std::chrono::duration_cast, std::chrono::seconds;
    const auto now = duration_cast<seconds>(context_.clock.wall().time_since_epoch());
    const auto most =
        static_cast<std::uint64_t>(std::max<std::int64_t>(context_.settings.max_bulletins, 0));
    plan_ = plan_bulletins(directory_, *files, recipient_, known_.seen, most, now.count());
    std::vector<OwnMessage> messages;
    for (DueBulletin& due : plan_.due) {
      messages.push_back({due.bulletin.from_line,
                          message_for(due.bulletin, due.name, recipient_.user, host_),
                          bulletin_id(due.bulletin, due.name)});
      due.bulletin.body = std::string{};  // bulletins may be large, and the names are enough now
    }
    return messages;
  }

  Result<void> confirm() {
    if (plan_.due.empty() && !plan_.is_new_user && !known_.is_taken_over) return {};
    Result<void> written = numbers_.write(plan_.record);
    if (written) return written;
    const Result<KnownNumbers> now = numbers_.read();
    const bool stands = now && now->seen.kind == SeenFile::Kind::number && !now->is_taken_over &&
                        now->seen.record == plan_.record;
    if (!stands) return written;
    remarks_.push_back("the number of the last bulletin may be lost in a power cut: " +
                       written.error().text);
    return {};
  }

  const MaildropContext& context_;
  const BulletinDirectory& directory_;
  const Recipient& recipient_;
  const std::string& host_;
  SeenNumbers& numbers_;
  KnownNumbers known_;
  BulletinPlan plan_;
  std::vector<std::string> remarks_;
};

}  // namespace

Result<BulletinsDelivered> deliver_bulletins(const MaildropContext& context,
                                             const Recipient& recipient, const std::string& host,
                                             SeenNumbers& numbers, Maildrop& maildrop) {
  const Result<BulletinDirectory> directory =
      BulletinDirectory::open(context.disk, context.settings.bulldir);
  if (!directory) return std::unexpected(directory.error());
  return Delivery{context, *directory, recipient, host, numbers}.into(maildrop);
}

}  // namespace pop
