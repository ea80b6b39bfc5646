#include "store/retention.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "store/retrieval_record.h"

namespace pop {
namespace {

using Entry = RetrievalRecord::Entry;
using State = RetrievalRecord::State;
using Seconds = RetrievalRecord::Seconds;

// The beginning of 2025. A clock that says less has lost its battery: what was noted by it would
// look old as soon as the clock is right.
constexpr Seconds earliest_time = 1'735'689'600;

Seconds seconds_now(const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count();
}

/// One session's end.
class Settlement {
 public:
  Settlement(const RetrievalRecord& known, const Retention& retention, Seconds now)
      : known_{known}, retention_{retention}, now_{now} {}

  /// Whether the message, which the session has not deleted, goes; if not it is noted.
  bool lets_go(const MessageInfo& message, bool retrieved_now) {
    const std::string mark = RetrievalRecord::content_mark(message.fingerprint);
    std::optional<Entry> entry = entry_of(message, mark, retrieved_now);
    if (!entry) return false;
    if (!mark.empty()) entry->content = mark;
    if (!retrieved_now && is_overdue(*entry)) return true;
    next_.set(message.unique_id, *entry);
    return false;
  }
  [[nodiscard]] const RetrievalRecord& next() const { return next_; }

 private:
  [[nodiscard]] std::optional<Entry> entry_of(const MessageInfo& message, std::string_view mark,
                                              bool retrieved_now) const {
    std::optional<Entry> known = known_.entry(message.unique_id, mark);
    if (known) known->since = std::min(known->since, now_);  // by a clock that was put right since
    if (known && known->state == State::retrieved) return known;
    if (retrieved_now || message.retrieved) return Entry{State::retrieved, now_, {}};
    if (known) return known;
    if (retention_.limit.count() > 0) return Entry{State::listed, now_, {}};
    return std::nullopt;
  }
  [[nodiscard]] bool is_overdue(const Entry& entry) const {
    const Seconds limit = std::chrono::seconds{retention_.limit}.count();
    return limit > 0 && retention_.at_end == Retention::AtEnd::remove && now_ - entry.since > limit;
  }

  const RetrievalRecord& known_;
  const Retention& retention_;
  Seconds now_;
  RetrievalRecord next_;
};

}  // namespace

Result<MessageSet> settle_retention(const MaildropContext& context, uid_t owner,
                                    const Maildrop& maildrop, const SessionOutcome& outcome,
                                    const Retention& retention) {
  const std::span<const MessageInfo> messages = maildrop.messages();
  MessageSet overdue{messages.size()};
  const FilePlace* const place = maildrop.retrievals();
  const bool has_limit = retention.limit.count() > 0;
  const bool does_something = outcome.deleted.count() > 0 || outcome.retrieved.count() > 0;
  const Seconds now = seconds_now(context.clock);
  if (place == nullptr || now < earliest_time || (!has_limit && !does_something)) return overdue;
  const std::optional<RetrievalRecord> found = RetrievalRecord::find(context.disk, *place, owner);
  if (!has_limit && !found) return overdue;
  const RetrievalRecord known = found.value_or(RetrievalRecord{});
  Settlement settlement{known, retention, now};
  for (std::uint32_t value = 1; value <= messages.size(); ++value) {
    const MessageNumber number{value};
    if (outcome.deleted.contains(number)) continue;
    if (settlement.lets_go(messages[number.index()], outcome.retrieved.contains(number))) {
      overdue.insert(number);
    }
  }
  if (settlement.next() == known) return overdue;
  if (Result<void> saved = settlement.next().save(context.disk, *place); !saved) {
    return std::unexpected(std::move(saved).error().in("note what is retrieved"));
  }
  return overdue;
}

}  // namespace pop
