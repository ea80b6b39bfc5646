#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "auth/account.h"
#include "base/error.h"
#include "conf/expiry_policy.h"
#include "popspool/expiry_warning.h"
#include "popspool/message_removal.h"
#include "popspool/text_search.h"
#include "store/maildrop.h"

namespace pop {

/// What a rule looks at, of one message; times in seconds since 1970.
struct AgingMessage {
  std::uint64_t octets = 0;
  std::optional<std::int64_t> delivered;
  std::optional<std::int64_t> retrieved_since;  // set for a message that was retrieved
  MailFlags flags;
};

/// A message that a rule lets go: both count from 0.
struct Expiry {
  std::size_t message, rule;
  bool operator==(const Expiry&) const = default;
};

/// Whether the header of a message fulfils that of a rule; asked last, since it must be read.
using FitsHeader = std::function<Result<bool>(std::size_t message, std::size_t rule)>;

/// What the rules let go, by message. One after the other they see what those before have left. The
/// oldest message is the one delivered first, and among equal ones the first; one without a time of
/// delivery is never older than anything, and the last to go for a limit.
[[nodiscard]] Result<std::vector<Expiry>> expired_messages(std::span<const AgingMessage> messages,
                                                           std::span<const ExpiryRule> rules,
                                                           std::int64_t now,
                                                           const FitsHeader& fits_header);

/// The marks of a message of a spool, by the `Status:` and `X-Status:` of its header; and those of
/// one of a Maildir, by "new/NAME" or "cur/NAME".
[[nodiscard]] MailFlags flags_in_header(std::string_view header);
[[nodiscard]] MailFlags flags_of_file(std::string_view file);

/// The expressions of rules, compiled.
class HeaderConditions {
 public:
  /// Errc::usage: an expression that cannot be used.
  [[nodiscard]] static Result<HeaderConditions> compile(std::span<const ExpiryRule> rules);
  /// Each condition fits some field of this header (as stored; decoded for it).
  [[nodiscard]] Result<bool> fit(std::size_t rule, std::string_view header) const;

 private:
  struct Condition {
    std::string name;
    TextSearch value;
  };
  std::vector<std::vector<Condition>> of_rules_;
};

/// Whether and how users are told before rules that can_warn() let mail go.
struct ExpiryNotice {
  std::chrono::days days{0};  // 0: not at all
  WarningText text{};
  std::string host{};  // for addresses
};

struct ExpiredMail {
  RemovedMail mail;
  std::uint64_t undated = 0;          // messages that stay because their age is unknown
  std::uint64_t held = 0;             // that stay because their user has not been told long enough
  std::vector<DoomedMessage> warned;  // that he has been told of now
  std::optional<Error> not_warned;    // why he could not be
};

/// Lets the rules loose on a user's mail. A record of retrievals is read, and with RunMode::real
/// kept up to date, if a rule asks for it. With notice, a message goes only when its user has been
/// told of it so long ago: as soon as one would go within the notice that he has not been told of,
/// he gets one message about all that go within twice the notice. A record of that is kept.
[[nodiscard]] Result<ExpiredMail> expire_mail(const MaildropContext& context, const MailUser& user,
                                              const RemovalTerms& terms,
                                              std::span<const ExpiryRule> rules,
                                              const HeaderConditions& headers,
                                              const ExpiryNotice& notice = {});

/// Reads a policy file. Errc::usage: it has mistakes, all of which the text tells, or names a group
/// that does not exist.
[[nodiscard]] Result<ExpiryPolicy> load_expiry_policy(const std::string& path);

/// Whether a part of a policy is for this user. An error: NSS failed, and nobody knows.
[[nodiscard]] Result<bool> fits_user(const ExpiryPart& part, const MailUser& user);
/// The first part that is; nullptr: none.
[[nodiscard]] Result<const ExpiryPart*> part_of(const ExpiryPolicy& policy, const MailUser& user);

}  // namespace pop
