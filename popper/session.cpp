#include "popper/session.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "auth/login_policy.h"
#include "base/clock.h"
#include "base/disk.h"
#include "bull/bulletin_delivery.h"
#include "bull/seen_numbers.h"
#include "conf/configuration.h"
#include "conf/scope.h"
#include "conf/takeover_rule.h"
#include "daemon/scoreboard.h"
#include "mail/wire_text.h"
#include "pop3/line_reader.h"
#include "pop3/reply.h"
#include "pop3/session_dialogue.h"
#include "popper/client_stream.h"
#include "popper/header_fields_reply.h"
#include "popper/mail_intake.h"
#include "popper/mail_submission.h"
#include "popper/mail_user.h"
#include "popper/maildrop_claim.h"
#include "popper/message_text.h"
#include "popper/retention.h"
#include "popper/role_log.h"
#include "popper/session_groups.h"
#include "popper/session_log.h"
#include "popper/session_process.h"
#include "store/login_delay.h"
#include "store/maildrop.h"
#include "store/retention.h"

namespace pop {
namespace {

// Replies wait for one write until a batch is answered or this much has gathered.
constexpr std::size_t gathered_at_most = std::size_t{32} * 1024;
constexpr std::size_t small_write = 512;  // without chunky-writes; as large as Qpopper's
constexpr std::size_t largest_piece = std::size_t{256} * 1024;
constexpr std::size_t smallest_piece = std::size_t{4} * 1024;

/// server-mode, then the groups, then the user's own files.
Settings user_settings(const SessionStart& start, Settings settings,
                       const std::vector<std::string>& groups, Log& log) {
  const Account& account = start.account;
  settings.server_mode = server_mode_by_group(settings, groups);
  UserSettings found =
      settings_of_user(settings, system_disk(),
                       {.name = account.name, .uid = account.uid, .home = account.home.native()});
  for (const Error& failure : found.failures) {
    log.failure("read the user's options", failure, {{"id", start.connection}});
  }
  for (const Complaint& complaint : found.complaints) {
    log.sentence(Severity::notice, to_string(complaint), {{"id", start.connection}},
                 SentenceEnd::open);
  }
  return std::move(found.settings);
}

CapabilityFacts facts_of(const Settings& settings, const std::string& host,
                         const SessionStart& start) {
  CapabilityFacts facts;
  facts.host = host;
  facts.languages = settings.hide_utf8 ? nullptr : start.languages;
  facts.shy = settings.shy;
  facts.user_pass =
      clear_text_offered(settings.clear_text_password, {start.address, start.over_tls});
  facts.sasl = sasl_names_in(start.mechanisms);
  facts.expire_days = expire_days(settings);
  facts.login_delay = settings.announce_login_delay;
  return facts;
}

const Language* language_of(const SessionStart& start) {
  return start.languages == nullptr ? nullptr : start.languages->find(start.speech.language);
}

// Memory for one message on its way; given back before the session waits for the client.
struct PieceBuffers {
  std::vector<char> stored, wire;

  void make_room(std::size_t piece) {
    if (stored.size() >= piece) return;
    stored.resize(piece);
    wire.resize(WireText::room_for(piece));
  }
  void release() { *this = {}; }
};

// Adds the time from here to the end of the block.
class Stopwatch {
 public:
  explicit Stopwatch(std::chrono::milliseconds& total)
      : total_{total}, begun_{system_clock().steady()} {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    total_ += std::chrono::round<std::chrono::milliseconds>(system_clock().steady() - begun_);
  }

 private:
  std::chrono::milliseconds& total_;
  std::chrono::steady_clock::time_point begun_;
};

ClientForm client_form(const Settings& settings, const Speech& speech) {
  return {.is_downgraded = !speech.utf8,
          .has_no_nul = settings.replace_nul,
          .ends_header = settings.end_of_header};
}

bool gathers(ChunkyWrites when, bool over_tls) {
  return when != ChunkyWrites::never && (when != ChunkyWrites::tls || over_tls);
}

TakeoverRule takeover_rule_of(const Settings& settings) {
  return parse_takeover_rule(settings.session_takeover).value_or(TakeoverRule{});
}

SessionLog::Claim outcome_of(const MaildropClaim& claim, bool has_maildrop) {
  std::string_view outcome = claim.was_refused() ? "client-is-there" : "no-answer";
  if (has_maildrop) outcome = "taken-over";
  return {outcome, claim.asked(), claim.waited()};
}

class Session {
 public:
  Session(SessionStart start, Settings settings, const std::string& host, BulletinAccess& bulletins,
          Log& log)
      : account_{std::move(start.account)},
        settings_{std::move(settings)},
        host_{host},
        bulletins_{bulletins},
        language_{language_of(start)},
        form_{client_form(settings_, start.speech)},
        facts_{facts_of(settings_, host, start)},
        log_{log,
             settings_,
             {account_.name, std::move(start.address), std::move(start.client_name),
              std::move(start.connection), account_.login, std::move(start.mechanism),
              start.layer_bits}},
        activity_{start.activity == nullptr ? Activity{} : *start.activity},
        client_{std::move(start.client), std::move(start.client_output), settings_.timeout},
        claim_{takeover_rule_of(settings_), client_.takeover(), system_clock()},
        submissions_{std::move(start.submissions)},
        gathers_{gathers(settings_.chunky_writes, start.over_tls)} {
    activity_.begin_session(start.serial);
    client_.ends_when([this] { return activity_.end_is_wanted(); });
    if (start.socket.is_open()) client_.watch(std::move(start.socket));
    times_.authentication = start.authentication;
    layer_ = std::move(start.layer);
    if (layer_) {
      wrapped_ = std::move(start.pipelined);
    } else {
      lines_.feed(start.pipelined);
    }
  }

  /// False: unfit for another client after this one.
  [[nodiscard]] bool run();

 private:
  enum class State : std::uint8_t {
    open,
    broken,  // the client has gone; what becomes of its deletions is decided after the command
    over,    // what was gathered is still to be sent
    lost     // nobody is there to read
  };

  [[nodiscard]] bool comes_too_early(const MaildropContext& context);
  [[nodiscard]] bool open();
  [[nodiscard]] Result<void> take_bulletins();
  void serve();
  void answer_lines();
  void perform(const SendReply& reply) { answer(reply.text); }
  void perform(const SendMessage& message);
  void perform(const SendSizes& sizes);
  void perform(const SendFields& fields);
  void perform(const TakeMail& mail);
  void read_mail(MailIntake& intake);
  void send_mail(const MailIntake& intake);
  void perform(const CommitAndQuit& quit);
  void perform(const UseUtf8& use);
  void take_sizes();
  [[nodiscard]] MessageForm form_of(const SendMessage& message) const;
  [[nodiscard]] Result<WireOctets> size_of(MessageNumber number, const MangleRequest& mangle);
  [[nodiscard]] Result<std::string> header_of(MessageNumber number);
  [[nodiscard]] Result<std::string> fields_of(MessageNumber number, const SendFields& fields);
  [[nodiscard]] Result<void> send_message(const SendMessage& message, MessageReader& reader);
  void answer(std::string_view reply);
  void say_reply(std::string_view reply);
  void say(std::string_view text);
  void say_in_pieces(std::string_view text);
  void flush();
  [[nodiscard]] bool is_wanted();
  void end_early(Arrival why);
  void lose_client(const Error& why);
  void refuse_message(MessageNumber number, const Error& why);
  void give_message_up(MessageNumber number, const Error& why);
  void refuse(std::string_view reply, const Error& why);
  void end_without_quit(Arrival why);
  [[nodiscard]] Result<void> commit(SessionOutcome outcome, Retention::AtEnd at_end);
  void note_retrievals();
  [[nodiscard]] MessageSet overdue(SessionOutcome outcome, Retention::AtEnd at_end);
  [[nodiscard]] SessionTally tally(const SessionOutcome& outcome) const;
  [[nodiscard]] SessionOutcome outcome() const;
  [[nodiscard]] SessionOutcome confirmed_outcome() const;
  [[nodiscard]] bool deletes_unheard() const;
  void log_end(std::string_view how);
  void count_line(const LineReader::Line& line);
  void count_meter();

  Account account_;
  Settings settings_;
  const std::string& host_;
  BulletinAccess& bulletins_;
  const Language* language_;  // of replies; null: none was chosen
  ClientForm form_;           // of messages
  CapabilityFacts facts_;
  SessionLog log_;
  SessionTimes times_;
  Activity activity_;
  std::size_t command_ = counted_command("");  // that is being answered
  MaildropMeter meter_;
  ClientStream client_;
  MaildropClaim claim_;
  std::unique_ptr<SaslLayer> layer_;  // until it carries the session
  std::string wrapped_;               // what came of it before
  LineReader lines_;
  Fd submissions_;  // where mail goes
  bool gathers_;    // small texts into large writes
  State state_ = State::open;
  std::unique_ptr<Maildrop> maildrop_;
  std::vector<ListedMessage> listing_;
  std::optional<SessionDialogue> dialogue_;
  std::vector<SessionAction> actions_;
  std::optional<Arrival> ended_;            // while something was converted
  std::optional<MangleRequest> sized_for_;  // that mangled_sizes_ are of
  std::vector<std::optional<WireOctets>> mangled_sizes_;
  std::string gathered_;
  PieceBuffers buffers_;
  std::vector<MessageNumber> unheard_;  // sent, and perhaps not arrived
  std::uint64_t retrieved_octets_ = 0;
  bool was_told_to_end_ = false;
  bool has_lost_database_ = false;
};

bool Session::run() {
  if (!open()) return false;
  if (layer_) {  // RFC 5034 section 4: our reply is the last that goes in clear
    flush();
    client_.carry_by(std::move(layer_), wrapped_);
  }
  client_.when_quiet(give_free_memory_back);
  serve();
  return !was_told_to_end_;
}

/// Mail is served also where nobody can tell when the user was here.
bool Session::comes_too_early(const MaildropContext& context) {
  if (settings_.announce_login_delay <= 0) return false;
  const Result<std::chrono::seconds> left = take_login(context, mail_user(account_));
  if (!left) {
    log_.failure("enforce announce-login-delay for", left.error());
    return false;
  }
  if (*left == std::chrono::seconds{0}) return false;
  refuse(reply::too_early(left->count()),
         {Errc::busy,
          "announce-login-delay leaves " + std::to_string(left->count()) + " seconds to wait"});
  return true;
}

bool Session::open() {
  const auto begun = system_clock().steady();
  const Stopwatch watch{times_.opening};
  if (comes_too_early({settings_, system_disk(), system_clock()})) return false;
  Result<std::unique_ptr<Maildrop>> opened = open_maildrop(
      {settings_, system_disk(), system_clock(), &meter_, &claim_}, mail_user(account_));
  if (claim_.asked() != 0) log_.claimed(outcome_of(claim_, opened.has_value()));
  observe(activity_.counters().opening_time, system_clock().steady() - begun);
  count_meter();
  if (!opened) {
    refuse(reply::failure(opened.error()), opened.error());
    return false;
  }
  maildrop_ = std::move(*opened);
  if (const Result<void> taken = take_bulletins(); !taken) {
    maildrop_.reset();
    refuse(has_lost_database_ ? reply::bulletin_database_failed() : reply::failure(taken.error()),
           taken.error());
    return false;
  }
  for (const std::string& remark : maildrop_->remarks()) log_.warning(remark);
  const std::span<const MessageInfo> messages = maildrop_->messages();
  listing_.reserve(messages.size());
  for (const MessageInfo& message : messages) {
    listing_.push_back({message.size, message.unique_id, message.retrieved});
  }
  take_sizes();
  dialogue_.emplace(
      facts_, listing_,
      account_.is_read_only ? SessionDialogue::Rights::read_only : SessionDialogue::Rights::full);
  if (account_.as_text) dialogue_->mangle_all({});
  log_.login();
  activity_.page().messages.store(listing_.size(), std::memory_order_relaxed);
  say_reply(reply::welcome(account_.name, {dialogue_->messages_left(), dialogue_->octets_left()},
                           maildrop_->hidden()));
  return true;
}

// An error only where the client must not be served: where the bulletin database cannot be read
// unless bulldb-nonfatal allows it, or when the maildrop cannot be listed any more.
Result<void> Session::take_bulletins() {
  if (settings_.bulldir.empty() || !account_.folder.empty()) return {};
  const MailUser user = mail_user(account_);
  Disk& disk = system_disk();
  PopbullNumbers in_file{disk, settings_, user};
  DatabaseNumbers in_database{bulletins_, disk, settings_, user};
  const bool has_database = bulletins_.teller || bulletins_.no_teller;
  CurrentNumbers numbers{bulletins_,
                         has_database ? static_cast<SeenNumbers&>(in_database) : in_file};
  const Recipient recipient{account_.name, bulletins_.groups,
                            settings_.group_bulletins ? ByGroup::yes : ByGroup::no};
  const Result<BulletinsDelivered> delivered = deliver_bulletins(
      {settings_, disk, system_clock(), &meter_}, recipient, host_, numbers, *maildrop_);
  if (!bulletins_.serves_many) bulletins_.teller.reset();  // no process the longer for it
  if (!delivered) {
    has_lost_database_ = in_database.has_failed() && !bulletins_.is_outdated();
    if (has_lost_database_ && !settings_.bulldb_nonfatal) {
      return std::unexpected(delivered.error());
    }
    log_.failure("deliver bulletins to", delivered.error());
    return {};
  }
  for (const std::string& remark : delivered->remarks) log_.warning(remark);
  if (delivered->files.empty()) return {};
  log_.bulletins(delivered->files);
  meter_.bulletins += delivered->files.size();
  count_meter();
  return maildrop_->list_again();
}

void Session::serve() {
  std::array<char, 4096> input;
  while (true) {
    answer_lines();
    flush();
    if (state_ == State::broken) return end_without_quit(Arrival::closed);
    if (state_ != State::open) return;
    buffers_.release();
    activity_.set_state(SessionState::waiting);
    const ClientStream::Input arrived = client_.read(input);
    activity_.set_state(SessionState::answering);
    activity_.note_life();
    count_up(activity_.page().octets_received, arrived.size);
    count_up(activity_.counters().octets_received, arrived.size);
    if (arrived.arrival != Arrival::bytes) return end_without_quit(arrived.arrival);
    if (!unheard_.empty() && client_.has_arrived()) unheard_.clear();
    lines_.feed({input.data(), arrived.size});
  }
}

// Each line is answered before the next is looked at: what a command does may matter to the next.
void Session::answer_lines() {
  while (state_ == State::open) {
    const std::optional<LineReader::Line> line = lines_.next();
    if (!line) return;
    actions_.clear();
    count_line(*line);
    if (line->too_long) {
      dialogue_->on_too_long_line(actions_);
    } else {
      log_.command(line->text);
      dialogue_->on_line(line->text, actions_);
    }
    for (const SessionAction& action : actions_) {
      if (state_ != State::open) return;
      std::visit([this](const auto& what) { perform(what); }, action);
    }
    activity_.page().deleted.store(dialogue_->deleted_count(), std::memory_order_relaxed);
  }
}

void Session::count_line(const LineReader::Line& line) {
  command_ = counted_command(line.too_long ? "" : line.text);
  count_up(activity_.counters().commands[command_]);
}

MessageForm Session::form_of(const SendMessage& message) const {
  using enum MimeFlattener::Extent;
  return {message.mangle, message.top == LineCount{0} ? header : whole, form_};
}

// What cannot be read now will not be sent either.
void Session::take_sizes() {
  const std::span<const MessageInfo> messages = maildrop_->messages();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    listing_[i].size = messages[i].size;
    if (!changes_header(form_, messages[i].header)) continue;
    const MessageNumber number{static_cast<std::uint32_t>(i + 1)};
    const Result<WireOctets> size = size_for_client(*maildrop_, number, form_);
    if (size) listing_[i].size = *size;
  }
}

// Messages go as they are stored from now on, and that may be another size.
void Session::perform(const UseUtf8& use) {
  form_.is_downgraded = false;
  take_sizes();
  dialogue_->take_new_sizes();
  answer(use.reply);
}

void Session::perform(const SendMessage& message) {
  Result<std::unique_ptr<MessageReader>> reader =
      open_in_form(*maildrop_, message.number, form_of(message), [this] { return is_wanted(); });
  if (ended_) return end_early(*ended_);
  if (!reader) return refuse_message(message.number, reader.error());
  if (const Result<void> sent = send_message(message, **reader); !sent) {
    return give_message_up(message.number, sent.error());
  }
  if (state_ != State::open) return;
  unheard_.push_back(message.number);
  if (message.top) return;
  dialogue_->on_retrieved(message.number);
  count_up(activity_.page().retrieved);
  count_up(activity_.counters().messages_retrieved);
}

// A client that has sent more waits for that, even if it sends nothing after it.
bool Session::is_wanted() {
  if (!ended_) ended_ = client_.ended();
  if (ended_ == Arrival::closed && !lines_.rest().empty()) ended_.reset();
  return !ended_;
}

// For where nothing reads from the maildrop.
void Session::end_early(Arrival why) {
  was_told_to_end_ = ended_ == Arrival::told_to_end;
  end_without_quit(why);
}

void Session::refuse_message(MessageNumber number, const Error& why) {
  log_.failure("read message " + std::to_string(number.value) + " of", why);
  answer(reply::failure(why));
}

// The client has a part of the message and must not take it for the whole: only a connection that
// breaks off tells it. Nothing is deleted, since something is wrong with the maildrop.
void Session::give_message_up(MessageNumber number, const Error& why) {
  log_.failure("send message " + std::to_string(number.value) + " of", why);
  state_ = State::lost;
  note_retrievals();
  log_end("message-unreadable");
}

// An error means that the client got the beginning and no more.
Result<void> Session::send_message(const SendMessage& message, MessageReader& reader) {
  const std::uint64_t size = listing_[message.number.index()].size.count;
  buffers_.make_room(
      std::clamp<std::size_t>(message.top ? 0 : size, smallest_piece, largest_piece));
  WireText wire{message.top};
  Result<std::size_t> read = reader.read(buffers_.stored);
  if (!read) {
    refuse_message(message.number, read.error());
    return {};
  }
  say_reply(message.reply);
  while (*read > 0 && !wire.satisfied() && state_ == State::open) {
    const std::size_t size_out = wire.convert({buffers_.stored.data(), *read}, buffers_.wire);
    say({buffers_.wire.data(), size_out});
    log_.body({buffers_.wire.data(), size_out});
    read = reader.read(buffers_.stored);
    if (!read) return std::unexpected(read.error());
  }
  say({buffers_.wire.data(), wire.finish(buffers_.wire)});
  say(".\r\n");
  log_.body_end();
  retrieved_octets_ += wire.octets().count;
  return {};
}

// Clients ask for sizes before each message, and each costs as much as the message.
Result<WireOctets> Session::size_of(MessageNumber number, const MangleRequest& mangle) {
  if (sized_for_ != mangle) {
    sized_for_ = mangle;
    mangled_sizes_.assign(listing_.size(), std::nullopt);
  }
  std::optional<WireOctets>& known = mangled_sizes_[number.index()];
  if (known) return *known;
  Result<WireOctets> size = size_in_form(*maildrop_, number, {.mangle = mangle, .client = form_},
                                         [this] { return is_wanted(); });
  if (size) known = *size;
  return size;
}

// All sizes are known before the first is told: the reply begins with their sum. One message that
// cannot be read keeps nobody from the others, and has the size that is stored.
void Session::perform(const SendSizes& sizes) {
  reply::Maildrop sum{sizes.messages.size(), {}};
  std::string rows;
  for (const MessageNumber number : sizes.messages) {
    Result<WireOctets> size = size_of(number, sizes.mangle);
    if (ended_) return end_early(*ended_);
    if (!size && (sizes.form == SendSizes::Form::reply || size.error().code == Errc::usage)) {
      return refuse_message(number, size.error());
    }
    if (!size) {
      log_.failure("read message " + std::to_string(number.value) + " of", size.error());
      size = listing_[number.index()].size;
    }
    sum.octets += *size;
    if (sizes.form == SendSizes::Form::reply) return answer(reply::size_of(number, *size));
    rows += std::to_string(number.value) + " " + std::to_string(size->count) + "\r\n";
  }
  if (sizes.form == SendSizes::Form::total) return answer(reply::stat(sum));
  say_reply(reply::listing(sum));
  say(rows);
  say(".\r\n");
}

// A message that cannot be read is left out of a listing that has begun.
void Session::perform(const SendFields& fields) {
  const bool is_listing = fields.form != SendFields::Form::sender_reply;
  if (is_listing) say_reply(fields.reply);
  for (const MessageNumber number : fields.messages) {
    if (state_ != State::open) return;
    const Result<std::string> row = fields_of(number, fields);
    // In a listing that has begun only a connection that breaks off can tell it.
    if (ended_) return end_early(is_listing ? Arrival::closed : *ended_);
    if (row) {
      say(*row);
    } else if (is_listing) {
      log_.failure("read message " + std::to_string(number.value) + " of", row.error());
    } else {
      refuse_message(number, row.error());
    }
  }
  if (is_listing) say(".\r\n");
}

Result<std::string> Session::fields_of(MessageNumber number, const SendFields& fields) {
  const Result<std::string> header = header_of(number);
  if (!header) return header;
  if (fields.form == SendFields::Form::field_lines) {
    const std::string_view field = field_beginning_with(*header, fields.prefix);
    return field.empty() ? "" : std::to_string(number.value) + " " + std::string{field};
  }
  const ListedMessage& message = listing_[number.index()];
  const Result<WireOctets> size = account_.as_text ? size_of(number, {}) : message.size;
  if (!size) return std::unexpected(size.error());
  std::string row =
      reply::unique_id_and_sender(number, message.unique_id, *size, sender_for_listing(*header));
  constexpr std::string_view sign = "+OK ";
  return fields.form == SendFields::Form::sender_reply ? row : row.substr(sign.size());
}

Result<std::string> Session::header_of(MessageNumber number) {
  Result<std::unique_ptr<MessageReader>> reader = open_for_client(*maildrop_, number, form_);
  if (!reader) return std::unexpected(std::move(reader).error());
  return read_wire_header(**reader);
}

// XTND XMIT
void Session::perform(const TakeMail&) {
  if (!submissions_.is_open()) return answer(reply::no_mail_taken());
  constexpr std::uint64_t megabyte = 1'000'000;
  const std::array<std::filesystem::path, 3> directories{settings_.temp_dir, settings_.spool_dir,
                                                         account_.home};
  Result<MailIntake> intake =
      MailIntake::open(system_disk(), directories,
                       {static_cast<std::uint64_t>(settings_.mail_command_size) * megabyte});
  if (!intake) {
    log_.failure("take mail from", intake.error());
    return answer(reply::mail_not_sent());
  }
  answer(reply::begin_mail());
  flush();
  read_mail(*intake);
  if (state_ == State::open) send_mail(*intake);
}

// A client that breaks off in the middle has sent nothing.
void Session::read_mail(MailIntake& intake) {
  const std::string ahead = lines_.take_rest();
  lines_.feed(std::string_view{ahead}.substr(intake.feed(ahead)));
  std::array<char, 16384> input;
  while (state_ == State::open && !intake.has_ended()) {
    activity_.set_state(SessionState::waiting);
    const ClientStream::Input arrived = client_.read(input);
    activity_.set_state(SessionState::answering);
    activity_.note_life();
    count_up(activity_.page().octets_received, arrived.size);
    count_up(activity_.counters().octets_received, arrived.size);
    if (arrived.arrival != Arrival::bytes) return end_without_quit(arrived.arrival);
    const std::string_view piece{input.data(), arrived.size};
    lines_.feed(piece.substr(intake.feed(piece)));
  }
}

void Session::send_mail(const MailIntake& intake) {
  if (intake.is_too_large()) return answer(reply::mail_too_large(settings_.mail_command_size));
  const Result<void> sent = intake.failure()
                                ? std::unexpected(*intake.failure())
                                : submit_mail(submissions_, account_.name, intake.file());
  if (sent) {
    log_.mail_sent(intake.size().count);
  } else {
    log_.failure("send mail of", sent.error());
  }
  answer(sent ? reply::mail_sent() : reply::mail_not_sent());
}

// A client may ask for messages, delete them and quit in one go: then they must reach it first.
void Session::perform(const CommitAndQuit&) {
  flush();
  if (expire_days(settings_) == 0) dialogue_->delete_retrieved();
  if (state_ == State::open && deletes_unheard() && !client_.wait_for_arrival()) {
    lose_client({Errc::io, "it quit and did not take the messages that it deleted"});
  }
  if (state_ != State::open) return;
  const Result<void> done = commit(outcome(), Retention::AtEnd::remove);
  if (!done) log_.failure("update the maildrop of", done.error());
  state_ = State::over;  // also if the client has gone: nothing is left to be settled
  answer(done ? dialogue_->quit_reply() : reply::not_updated(done.error()));
  log_end(done ? "quit" : "update-failed");
}

void Session::answer(std::string_view reply) {
  if (reply.starts_with("-ERR")) log_.error_reply(reply);
  say_reply(reply);
}

// What is made in English, as it is logged.
void Session::say_reply(std::string_view reply) {
  if (dialogue_ && dialogue_->language() != nullptr) language_ = dialogue_->language();
  if (language_ == nullptr) return say(reply);
  say(language_->translated(reply));
}

// Small texts gather, large ones take what has gathered along in one call.
void Session::say(std::string_view text) {
  if (state_ == State::lost || state_ == State::broken) return;
  count_up(activity_.page().octets_sent, text.size());
  count_up(activity_.counters().reply_octets[command_], text.size());
  if (!gathers_) return say_in_pieces(text);
  if (gathered_.size() + text.size() <= gathered_at_most) {
    gathered_ += text;
    return;
  }
  const Result<void> written = client_.write(gathered_, text);
  gathered_.clear();
  if (!written) lose_client(written.error());
}

// chunky-writes = never: each reply by itself, and a message in pieces that fit into small packets.
void Session::say_in_pieces(std::string_view text) {
  while (!text.empty() && state_ != State::lost && state_ != State::broken) {
    const Result<void> written = client_.write(text.substr(0, small_write));
    if (!written) return lose_client(written.error());
    text.remove_prefix(std::min(small_write, text.size()));
  }
}

void Session::flush() {
  if (gathered_.empty() || state_ == State::lost) return;
  const Result<void> written = client_.write(gathered_);
  gathered_.clear();
  if (gathered_.capacity() > smallest_piece) gathered_.shrink_to_fit();
  if (!written) lose_client(written.error());
}

// Only noted here: a message may be on its way, and its reader needs the maildrop.
void Session::lose_client(const Error& why) {
  if (state_ != State::open) return;
  log_.output_failed(why);
  state_ = State::broken;
}

void Session::refuse(std::string_view reply, const Error& why) {
  log_.failure("open the maildrop of", why);
  count_up(activity_.counters().ends[session_end("not-opened")]);
  state_ = State::over;  // there is nothing to update, even if the client has gone
  answer(reply);
  flush();
}

// update-on-abort: the client that lost its connection meant what it deleted.
void Session::end_without_quit(Arrival why) {
  state_ = why == Arrival::closed ? State::lost : State::over;
  std::string_view how = "connection-lost";
  if (client_.takeover().ending()) {
    log_.taken_over(client_.takeover().reason(), client_.takeover().asked_by());
  }
  if (why == Arrival::taken_over && client_.takeover().ending() != TakeoverWatch::Ending::gone) {
    how = "ended-by-server";
    answer(reply::taken_over(facts_));
  } else if (why == Arrival::timed_out) {
    how = "timeout";
    log_.timed_out(settings_.timeout);
    answer(reply::timed_out(facts_));
  } else if (why == Arrival::told_to_end) {
    how = "ended-by-server";
    was_told_to_end_ = true;
    answer(reply::shutting_down(facts_));
  }
  client_.set_patience(std::chrono::seconds{1});  // nobody may be there to read it
  flush();
  if (!settings_.update_on_abort) {
    log_.statistics(tally({MessageSet{listing_.size()}, MessageSet{listing_.size()}}));
    note_retrievals();
  } else {
    const Result<void> done = commit(confirmed_outcome(), Retention::AtEnd::keep);
    if (!done) log_.failure("update the maildrop of", done.error());
  }
  log_end(how);
}

// The maildrop is let go at once: a client that has read our answer may come again before this
// process has ended.
Result<void> Session::commit(SessionOutcome outcome, Retention::AtEnd at_end) {
  const MessageSet expired = overdue(outcome, at_end);
  outcome.deleted.insert_all(expired);
  log_.statistics(tally(outcome));
  activity_.set_state(SessionState::updating);
  const auto begun = system_clock().steady();
  const Stopwatch watch{times_.update};
  const std::size_t known = maildrop_->remarks().size();
  const Result<void> done = maildrop_->commit(outcome);
  observe(activity_.counters().update_time, system_clock().steady() - begun);
  count_meter();
  if (done) count_up(activity_.counters().messages_deleted, outcome.deleted.count());
  if (done && expired.count() > 0) log_.expired(expired.count(), settings_.announce_expire);
  for (const std::string& remark : maildrop_->remarks().subspan(known)) log_.warning(remark);
  maildrop_.reset();
  return done;
}

// At an end without an update: nothing goes, but time counts from the first retrieval.
void Session::note_retrievals() {
  SessionOutcome kept = confirmed_outcome();
  kept.deleted.clear();
  (void)overdue(std::move(kept), Retention::AtEnd::keep);
}

// What has been here for longer than announce-expire goes with what the client deletes. What was
// sent last has been retrieved as well if it arrived before the client went.
MessageSet Session::overdue(SessionOutcome outcome, Retention::AtEnd at_end) {
  if (account_.is_read_only) return MessageSet{listing_.size()};
  if (client_.has_arrived()) outcome.retrieved = this->outcome().retrieved;
  const Retention retention{std::chrono::days{std::max<std::int64_t>(expire_days(settings_), 0)},
                            at_end};
  Result<MessageSet> messages =
      settle_retention({settings_, system_disk(), system_clock(), &meter_}, account_.uid,
                       *maildrop_, outcome, retention);
  if (messages) return *std::move(messages);
  log_.failure("enforce announce-expire for", messages.error());
  return MessageSet{listing_.size()};
}

SessionTally Session::tally(const SessionOutcome& outcome) const {
  SessionTally tally;
  for (std::uint32_t value = 1; value <= listing_.size(); ++value) {
    const MessageNumber number{value};
    const bool is_deleted = outcome.deleted.contains(number);
    ++(is_deleted ? tally.deleted : tally.left);
    (is_deleted ? tally.deleted_octets : tally.left_octets) += listing_[number.index()].size.count;
  }
  return tally;
}

bool Session::deletes_unheard() const {
  return std::ranges::any_of(
      unheard_, [this](MessageNumber number) { return dialogue_->is_deleted(number); });
}

SessionOutcome Session::outcome() const {
  const std::size_t count = listing_.size();
  SessionOutcome result{MessageSet{count}, MessageSet{count}};
  if (account_.is_read_only) return result;  // not even that something was read
  for (std::uint32_t value = 1; value <= count; ++value) {
    const MessageNumber number{value};
    if (dialogue_->is_retrieved(number)) result.retrieved.insert(number);
    if (dialogue_->is_deleted(number)) result.deleted.insert(number);
  }
  return result;
}

// A client that sent RETR and DELE in one go and then was lost may not have got the message.
SessionOutcome Session::confirmed_outcome() const {
  SessionOutcome result = outcome();
  for (const MessageNumber number : unheard_) {
    result.deleted.erase(number);
    result.retrieved.erase(number);
  }
  return result;
}

void Session::count_meter() {
  SharedCounters& counters = activity_.counters();
  for (const std::chrono::nanoseconds wait : meter_.lock_waits) observe(counters.lock_wait, wait);
  count_up(counters.changed_ids, meter_.changed_ids);
  count_up(counters.bulletins, meter_.bulletins);
  meter_ = {};
}

void Session::log_end(std::string_view how) {
  count_up(activity_.counters().ends[session_end(how)]);
  SessionLog::End end{.how = how,
                      .messages = listing_.size(),
                      .deleted = dialogue_->deleted_count(),
                      .octets_sent = retrieved_octets_,
                      .times = times_};
  for (std::uint32_t value = 1; value <= listing_.size(); ++value) {
    if (!dialogue_->is_retrieved({value})) continue;
    ++end.retrieved;
    if (listing_[value - 1].retrieved) ++end.again;
  }
  log_.end(end);
}

}  // namespace

bool serve_session(SessionStart start, const Handover& handover, BulletinAccess& bulletins,
                   std::optional<Log>& log) {
  Settings settings = user_settings(start, handover.settings, bulletins.groups, *log);
  const bool own_log = settings.debug != handover.settings.debug ||
                       settings.tracefile != handover.settings.tracefile;
  if (own_log) follow_user_settings(*log, handover.settings, settings);
  const bool well =
      Session{std::move(start), std::move(settings), handover.host, bulletins, *log}.run();
  return well && !own_log;
}

void refuse_session(const Fd& client, const Error& error) {
  const std::string text = reply::failure(error);
  (void)!::write(client.get(), text.data(), text.size());
}

}  // namespace pop
