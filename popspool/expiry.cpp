// Rules are applied to a view twice: without a lock, and under the session lock. Both times they
// see one moment, taken at the beginning.

#include "popspool/expiry.h"

#include <fnmatch.h>
#include <grp.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <numeric>

#include "base/text.h"
#include "conf/configuration.h"
#include "mail/bookkeeping.h"
#include "popspool/message_reading.h"
#include "popspool/mime_text.h"
#include "store/maildir_location.h"
#include "store/maildir_name.h"
#include "store/retrieval_record.h"

namespace pop {
namespace {

bool is_longer_ago(std::optional<std::int64_t> moment, std::optional<std::chrono::seconds> age,
                   std::int64_t now) {
  return !age || (moment && *moment <= now && now - *moment > age->count());
}

bool fulfils(const AgingMessage& message, const ExpiryRule& rule, std::int64_t now) {
  if (rule.retrieved && *rule.retrieved != message.retrieved_since.has_value()) return false;
  const std::uint8_t flags = message.flags.bits;
  if (rule.with && (flags & rule.with->bits) != rule.with->bits) return false;
  if (rule.without && (flags & rule.without->bits) != 0) return false;
  if (rule.larger_than && message.octets <= *rule.larger_than) return false;
  return is_longer_ago(message.delivered, rule.older_than, now) &&
         is_longer_ago(message.retrieved_since, rule.retrieved_for, now);
}

/// What is still there, and how much of it.
class Remainder {
 public:
  explicit Remainder(std::span<const AgingMessage> messages)
      : messages_{messages}, is_gone_(messages.size()), count_{messages.size()} {
    for (const AgingMessage& message : messages) octets_ += message.octets;
  }
  [[nodiscard]] bool keeps_to(const ExpiryRule& rule) const {
    if (!rule.has_limit()) return false;
    return count_ <= rule.max_messages.value_or(count_) &&
           octets_ <= rule.max_octets.value_or(octets_);
  }
  [[nodiscard]] bool holds(std::size_t message) const { return !is_gone_[message]; }
  void remove(std::size_t message) {
    is_gone_[message] = true;
    --count_;
    octets_ -= messages_[message].octets;
  }

 private:
  std::span<const AgingMessage> messages_;
  std::vector<bool> is_gone_;
  std::uint64_t count_, octets_ = 0;
};

std::vector<std::size_t> oldest_first(std::span<const AgingMessage> messages) {
  std::vector<std::size_t> order(messages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) {
    return messages[i].delivered.value_or(std::numeric_limits<std::int64_t>::max());
  });
  return order;
}

bool asks_for_record(std::span<const ExpiryRule> rules) {
  return std::ranges::any_of(rules,
                             [](const ExpiryRule& rule) { return rule.retrieved_for.has_value(); });
}

bool asks_for_flags(std::span<const ExpiryRule> rules) {
  return std::ranges::any_of(rules,
                             [](const ExpiryRule& rule) { return rule.with || rule.without; });
}

struct Letter {
  char letter;
  MailFlags::Flag flag;
};
constexpr std::array<Letter, 3> status_letters{
    {{'R', MailFlags::seen}, {'O', MailFlags::old}, {'D', MailFlags::deleted}}};
constexpr std::array<Letter, 4> x_status_letters{{{'A', MailFlags::answered},
                                                  {'F', MailFlags::flagged},
                                                  {'D', MailFlags::deleted},
                                                  {'T', MailFlags::draft}}};
constexpr std::array<Letter, 6> maildir_letters{{{'S', MailFlags::seen},
                                                 {'R', MailFlags::answered},
                                                 {'F', MailFlags::flagged},
                                                 {'T', MailFlags::deleted},
                                                 {'D', MailFlags::draft},
                                                 {'P', MailFlags::passed}}};

struct RecordPlaces {
  FilePlace retrievals, warnings;
};

/// nullopt: there is no maildrop.
Result<std::optional<RecordPlaces>> record_places(const MaildropContext& context,
                                                  const MailUser& user) {
  const Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(location.error());
  const Result<MailFormat> format = format_of_maildrop(context, user, *location);
  if (!format) return std::unexpected(format.error());
  if (*format == MailFormat::mbox) return RecordPlaces{location->retrievals, location->warnings};
  const Result<std::optional<MaildirLocation>> maildir =
      locate_maildir(context.disk, context.settings, user, *location);
  if (!maildir) return std::unexpected(maildir.error());
  if (!*maildir) return std::nullopt;
  return RecordPlaces{(*maildir)->retrievals, (*maildir)->warnings};
}

/// One run over one maildrop.
class Expirer {
 public:
  Expirer(const MaildropContext& context, const MailUser& user, std::span<const ExpiryRule> rules,
          const HeaderConditions& headers, const ExpiryNotice& notice)
      : context_{context},
        user_{user},
        rules_{rules},
        headers_{headers},
        notice_{notice},
        now_{std::chrono::duration_cast<std::chrono::seconds>(
                 context.clock.wall().time_since_epoch())
                 .count()} {}

  Result<ExpiredMail> run(const RemovalTerms& terms) {
    std::optional<RecordPlaces> places;
    if (asks_for_record(rules_) || warns()) {
      const Result<std::optional<RecordPlaces>> located = record_places(context_, user_);
      if (!located) return std::unexpected(located.error());
      places = *located;
    }
    const std::optional<RetrievalRecord> found =
        places ? RetrievalRecord::find(context_.disk, places->retrievals, user_.uid) : std::nullopt;
    known_ = found.value_or(RetrievalRecord{});
    if (places && warns()) {
      told_ = WarningRecord::load(context_.disk, places->warnings, user_.uid);
      Result<void> warned = warn(places->warnings, terms.mode);
      // Who has no room to be told may get some by what goes; what he was not told of stays.
      if (!warned) done_.not_warned = std::move(warned).error();
    }
    Result<RemovedMail> mail =
        remove_messages(context_, user_, terms, [this](SpoolView& view) { return choose(view); });
    if (!mail) return std::unexpected(std::move(mail).error());
    const bool notes = places && asks_for_record(rules_) && terms.mode == RunMode::real;
    // Where there is a record, sessions note in it when they retrieve.
    if (notes && (!found || !(now_known_ == known_))) {
      if (Result<void> saved = now_known_.save(context_.disk, places->retrievals); !saved) {
        return std::unexpected(std::move(saved).error().in("note what is retrieved"));
      }
    }
    done_.mail = std::move(*mail);
    return std::move(done_);
  }

 private:
  Result<std::vector<ChosenMessage>> choose(SpoolView& view) {
    const Result<std::vector<AgingMessage>> looked = look_at(view);
    if (!looked) return std::unexpected(looked.error());
    const std::vector<AgingMessage>& messages = *looked;
    const Result<std::vector<Expiry>> expired = expired_messages(
        messages, rules_, now_,
        [&](std::size_t message, std::size_t rule) { return fits_header(view, message, rule); });
    if (!expired) return std::unexpected(expired.error());
    std::vector<ChosenMessage> chosen;
    done_.held = 0;
    for (const Expiry& expiry : *expired) {
      if (is_held(view.messages()[expiry.message].unique_id, rules_[expiry.rule])) {
        ++done_.held;
        continue;
      }
      chosen.push_back({.number = {static_cast<std::uint32_t>(expiry.message + 1)},
                        .reason = std::to_string(expiry.rule + 1)});
    }
    note_retrievals(view, messages, *expired);
    count_undated(messages);
    return chosen;
  }

  [[nodiscard]] bool warns() const { return notice_.days.count() > 0; }
  [[nodiscard]] std::int64_t notice_seconds() const {
    return std::chrono::seconds{notice_.days}.count();
  }

  /// A moment that lies in the future was written down by another clock.
  [[nodiscard]] bool is_held(std::string_view unique_id, const ExpiryRule& rule) const {
    if (!warns() || !rule.can_warn() || is_expiry_warning(unique_id)) return false;
    const std::int64_t told = told_.told_at(unique_id);
    return told == 0 || told > now_ || now_ - told < notice_seconds();
  }

  /// The user gets one message, durably, and then that is noted. After a crash between the two the
  /// next run makes the same message of the same mail, and adds it only if it is not there.
  Result<void> warn(const FilePlace& record, RunMode mode) {
    Result<std::vector<DoomedMessage>> doomed = look_for_doomed();
    if (!doomed) return std::unexpected(std::move(doomed).error());
    done_.warned = std::move(*doomed);
    if (done_.warned.empty() || mode == RunMode::dry_run) return {};
    Settings settings = context_.settings;
    settings.server_mode = true;  // no copy: nothing is read from this session
    const MaildropContext serving{settings, context_.disk, context_.clock};
    const Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(serving, user_);
    Result<void> done = maildrop ? Result<void>{} : std::unexpected(maildrop.error());
    if (done) doomed = look_for_doomed();
    if (done && !doomed) done = std::unexpected(doomed.error());
    if (done) done_.warned = std::move(*doomed);
    if (done && !done_.warned.empty()) done = tell(**maildrop, record);
    if (!done) done_.warned.clear();
    return done;
  }

  Result<void> tell(Maildrop& maildrop, const FilePlace& record) {
    const OwnMessage message = notice_.text.message(
        {.user = user_.name, .host = notice_.host, .days = notice_.days.count(), .now = now_},
        done_.warned);
    WarningRecord now_told;
    for (const MessageInfo& listed : maildrop.messages()) {
      const std::int64_t told = told_.told_at(listed.unique_id);
      if (told != 0) now_told.set(listed.unique_id, told);
    }
    for (const DoomedMessage& each : done_.warned) now_told.set(each.unique_id, now_);
    const auto find = [&] { return Result<std::vector<OwnMessage>>{std::vector{message}}; };
    const auto confirm = [&] { return now_told.save(context_.disk, record); };
    const Result<std::size_t> added = maildrop.add({.find = find, .confirm = confirm});
    if (!added) return std::unexpected(added.error());
    told_ = std::move(now_told);
    return {};
  }

  Result<std::vector<DoomedMessage>> look_for_doomed() {
    const Result<std::unique_ptr<SpoolView>> view = view_maildrop(context_, user_);
    if (!view) return std::unexpected(view.error());
    return doomed_in(**view);
  }

  /// None, unless one of them would go within the notice.
  Result<std::vector<DoomedMessage>> doomed_in(SpoolView& view) {
    const Result<std::map<std::size_t, std::int64_t>> due = due_times(view);
    if (!due) return std::unexpected(due.error());
    const std::int64_t soonest = now_ + notice_seconds();
    std::vector<DoomedMessage> doomed;
    bool is_any_near = false;
    for (const auto& [index, time] : *due) {
      const std::string_view id = view.messages()[index].unique_id;
      if (is_expiry_warning(id) || told_.told_at(id) != 0) continue;
      is_any_near = is_any_near || time <= soonest;
      const Result<std::string> header = header_of(view, {static_cast<std::uint32_t>(index + 1)});
      if (!header) return std::unexpected(header.error());
      doomed.push_back({.unique_id = std::string{id},
                        .subject = "",
                        .sender = "",
                        .goes = std::max(time, soonest)});
      for (const DecodedField& field : decode_fields(*header)) {
        if (equal_ignoring_case(field.name, "Subject")) doomed.back().subject = field.value;
        if (equal_ignoring_case(field.name, "From")) doomed.back().sender = field.value;
      }
    }
    if (!is_any_near) doomed.clear();
    return doomed;
  }

  /// When messages go by time alone, of those that do within twice the notice.
  Result<std::map<std::size_t, std::int64_t>> due_times(SpoolView& view) const {
    const Result<std::vector<AgingMessage>> messages = look_at(view);
    if (!messages) return std::unexpected(messages.error());
    std::map<std::size_t, std::int64_t> due;
    for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
      if (!rules_[rule].can_warn()) continue;
      const Result<std::vector<Expiry>> going = expired_messages(
          *messages, rules_.subspan(rule, 1), now_ + 2 * notice_seconds(),
          [&](std::size_t message, std::size_t) { return fits_header(view, message, rule); });
      if (!going) return std::unexpected(going.error());
      for (const Expiry& each : *going) {
        const std::int64_t time = due_time((*messages)[each.message], rules_[rule]);
        const auto known = due.try_emplace(each.message, time).first;
        known->second = std::min(known->second, time);
      }
    }
    return due;
  }

  static std::int64_t due_time(const AgingMessage& message, const ExpiryRule& rule) {
    std::int64_t due = 0;
    if (rule.older_than) due = message.delivered.value_or(0) + rule.older_than->count();
    if (rule.retrieved_for) {
      due = std::max(due, message.retrieved_since.value_or(0) + rule.retrieved_for->count());
    }
    return due;
  }

  Result<std::vector<AgingMessage>> look_at(SpoolView& view) const {
    const bool needs_flags = asks_for_flags(rules_);
    std::vector<AgingMessage> messages;
    messages.reserve(view.messages().size());
    for (const ViewedMessage& viewed : view.messages()) {
      const MessageNumber number{static_cast<std::uint32_t>(messages.size() + 1)};
      AgingMessage message{.octets = viewed.size.count,
                           .delivered = view.delivered(number),
                           .retrieved_since = std::nullopt,
                           .flags = {}};
      if (viewed.retrieved) {
        message.retrieved_since =
            known_.since(viewed.unique_id, RetrievalRecord::content_mark(viewed.fingerprint), now_);
      }
      if (needs_flags) {
        const Result<MailFlags> flags = flags_of(view, viewed, number);
        if (!flags) return std::unexpected(flags.error());
        message.flags = *flags;
      }
      messages.push_back(message);
    }
    return messages;
  }

  static Result<std::string> header_of(SpoolView& view, MessageNumber number) {
    const Result<std::unique_ptr<MessageReader>> reader = view.open(number);
    if (!reader) return std::unexpected(reader.error());
    return read_all(**reader, Extent::header);
  }

  static Result<MailFlags> flags_of(SpoolView& view, const ViewedMessage& viewed,
                                    MessageNumber number) {
    if (!viewed.file.empty()) return flags_of_file(viewed.file);
    const Result<std::string> header = header_of(view, number);
    if (!header) return std::unexpected(header.error());
    return flags_in_header(*header);
  }

  Result<bool> fits_header(SpoolView& view, std::size_t message, std::size_t rule) const {
    const Result<std::string> header = header_of(view, {static_cast<std::uint32_t>(message + 1)});
    if (!header) return std::unexpected(header.error());
    return headers_.fit(rule, *header);
  }

  void note_retrievals(const SpoolView& view, std::span<const AgingMessage> messages,
                       std::span<const Expiry> expired) {
    now_known_ = {};
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const std::string_view id = view.messages()[i].unique_id;
      const auto expiry = std::ranges::lower_bound(expired, i, {}, &Expiry::message);
      const bool is_doomed = expiry != expired.end() && expiry->message == i;
      if (is_doomed && !is_held(id, rules_[expiry->rule])) continue;
      std::string mark = RetrievalRecord::content_mark(view.messages()[i].fingerprint);
      const std::optional<RetrievalRecord::Entry> known = known_.entry(id, mark);
      if (messages[i].retrieved_since) {
        if (mark.empty() && known) mark = known->content;
        now_known_.set(
            id, {RetrievalRecord::State::retrieved, *messages[i].retrieved_since, std::move(mark)});
      } else if (known) {
        now_known_.set(id, *known);
      }
    }
  }

  void count_undated(std::span<const AgingMessage> messages) {
    const bool matters = std::ranges::any_of(
        rules_, [](const ExpiryRule& rule) { return rule.older_than.has_value(); });
    if (!matters) return;
    done_.undated = static_cast<std::uint64_t>(std::ranges::count_if(
        messages, [](const AgingMessage& message) { return !message.delivered; }));
  }

  const MaildropContext& context_;
  const MailUser& user_;
  std::span<const ExpiryRule> rules_;
  const HeaderConditions& headers_;
  const ExpiryNotice& notice_;
  std::int64_t now_;
  RetrievalRecord known_, now_known_;
  WarningRecord told_;
  ExpiredMail done_;
};

bool is_known_or_unknown(const Result<Account>& account) {
  return account || account.error().code == Errc::not_found;
}

Result<std::vector<gid_t>> groups_of(const MailUser& user) {
  Result<Account> account = find_system_account(user.name);
  if (is_known_or_unknown(account) && (!account || account->uid != user.uid)) {
    account = find_system_account(user.uid);
  }
  if (!is_known_or_unknown(account)) return std::unexpected(std::move(account).error());
  if (!account) return std::vector<gid_t>{user.gid};
  int count = 32;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (::getgrouplist(account->name.c_str(), account->gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<std::size_t>(count));
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

}  // namespace

Result<std::vector<Expiry>> expired_messages(std::span<const AgingMessage> messages,
                                             std::span<const ExpiryRule> rules, std::int64_t now,
                                             const FitsHeader& fits_header) {
  const std::vector<std::size_t> order = oldest_first(messages);
  Remainder left{messages};
  std::vector<Expiry> expired;
  for (std::size_t rule = 0; rule < rules.size(); ++rule) {
    for (const std::size_t message : order) {
      if (left.keeps_to(rules[rule])) break;
      if (!left.holds(message) || !fulfils(messages[message], rules[rule], now)) continue;
      if (!rules[rule].headers.empty()) {
        const Result<bool> fits = fits_header(message, rule);
        if (!fits) return std::unexpected(fits.error());
        if (!*fits) continue;
      }
      left.remove(message);
      expired.push_back({message, rule});
    }
  }
  std::ranges::sort(expired, {}, &Expiry::message);
  return expired;
}

MailFlags flags_in_header(std::string_view header) {
  MailFlags flags;
  const auto add = [&](const auto& letters, std::string_view value) {
    for (const Letter& each : letters) {
      if (value.find(each.letter) != value.npos) flags.bits |= each.flag;
    }
  };
  while (!header.empty() && !header.starts_with('\n') && !header.starts_with("\r\n")) {
    const std::size_t end = std::min(header.find('\n'), header.size() - 1) + 1;
    const std::string_view line = header.substr(0, end);
    const std::string_view name = bookkeeping_name(line);
    const std::string_view value = line.substr(std::min(line.find(':'), line.size()));
    if (equal_ignoring_case(name, "Status")) add(status_letters, value);
    if (equal_ignoring_case(name, "X-Status")) add(x_status_letters, value);
    header.remove_prefix(end);
  }
  return flags;
}

MailFlags flags_of_file(std::string_view file) {
  MailFlags flags;
  if (file.starts_with("cur/")) flags.bits |= MailFlags::old;
  const MaildirName name = parse_maildir_name(file.substr(file.find('/') + 1));
  for (const Letter& each : maildir_letters) {
    if (name.has_flag(each.letter)) flags.bits |= each.flag;
  }
  return flags;
}

Result<HeaderConditions> HeaderConditions::compile(std::span<const ExpiryRule> rules) {
  HeaderConditions compiled;
  for (const ExpiryRule& rule : rules) {
    std::vector<Condition>& conditions = compiled.of_rules_.emplace_back();
    for (const std::string& text : rule.headers) {
      const std::size_t colon = text.find(':');
      Result<TextSearch> value =
          TextSearch::make(std::string{trimmed(std::string_view{text}.substr(colon + 1))},
                           TextSearch::Kind::expression, TextSearch::Case::ignored);
      if (!value) return std::unexpected(std::move(value).error().in("\"" + escaped(text) + "\""));
      conditions.push_back({text.substr(0, colon), std::move(*value)});
    }
  }
  return compiled;
}

Result<bool> HeaderConditions::fit(std::size_t rule, std::string_view header) const {
  const std::vector<DecodedField> fields = decode_fields(header);
  for (const Condition& condition : of_rules_[rule]) {
    bool fits = false;
    for (const DecodedField& field : fields) {
      if (!equal_ignoring_case(field.name, condition.name)) continue;
      const Result<bool> found = condition.value.matches(field.value);
      if (!found) return std::unexpected(found.error());
      fits = fits || *found;
    }
    if (!fits) return false;
  }
  return true;
}

Result<ExpiredMail> expire_mail(const MaildropContext& context, const MailUser& user,
                                const RemovalTerms& terms, std::span<const ExpiryRule> rules,
                                const HeaderConditions& headers, const ExpiryNotice& notice) {
  return Expirer{context, user, rules, headers, notice}.run(terms);
}

Result<ExpiryPolicy> load_expiry_policy(const std::string& path) {
  const Result<std::string> text = start_up_file_reader()(path);
  if (!text) return std::unexpected(text.error());
  Checked<ExpiryPolicy> policy = parse_expiry_policy(*text, path);
  if (!policy) {
    std::string all;
    for (const Complaint& complaint : policy.error()) {
      all += (all.empty() ? "" : "; ") + to_string(complaint);
    }
    return fail(Errc::usage, all);
  }
  for (const ExpiryPart& part : policy->parts) {
    for (const std::string& group : part.groups) {
      if (::getgrnam(group.c_str()) != nullptr) continue;
      return fail(Errc::usage, path + ": there is no group \"" + escaped(group) + "\"");
    }
  }
  return std::move(*policy);
}

Result<bool> fits_user(const ExpiryPart& part, const MailUser& user) {
  if (part.users.empty() && part.groups.empty()) return true;
  const bool is_named = std::ranges::any_of(part.users, [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), user.name.c_str(), FNM_NOESCAPE) == 0;
  });
  if (is_named || part.groups.empty()) return is_named;
  const Result<std::vector<gid_t>> groups = groups_of(user);
  if (!groups) return std::unexpected(groups.error());
  for (const std::string& name : part.groups) {
    const struct group* found = ::getgrnam(name.c_str());
    if (found == nullptr) {  // it was there when the policy was read
      return fail(Errc::io, "look up the group \"" + escaped(name) + "\": no answer");
    }
    if (std::ranges::find(*groups, found->gr_gid) != groups->end()) return true;
  }
  return false;
}

Result<const ExpiryPart*> part_of(const ExpiryPolicy& policy, const MailUser& user) {
  for (const ExpiryPart& part : policy.parts) {
    const Result<bool> fits = fits_user(part, user);
    if (!fits) return std::unexpected(fits.error());
    if (*fits) return &part;
  }
  return nullptr;
}

}  // namespace pop
