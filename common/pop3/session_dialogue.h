#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/units.h"
#include "pop3/capabilities.h"
#include "pop3/command.h"
#include "pop3/language.h"
#include "pop3/macros.h"
#include "pop3/mangle_request.h"

namespace pop {

/// One row of the scan listing as the dialogue needs it. The unique-id lives with the maildrop.
struct ListedMessage {
  WireOctets size;
  std::string_view unique_id;
  bool retrieved = false;  // in an earlier session
};

/// What the session must do next, in order.
struct SendReply {
  std::string text;  // whole lines with CRLF; may be long (LIST, UIDL)
};
struct SendMessage {
  std::string reply;  // the +OK line with CRLF, to be sent once the message could be opened
  MessageNumber number;
  std::optional<LineCount> top;         // nullopt: RETR
  std::optional<MangleRequest> mangle;  // nullopt: as stored
};
/// How long messages are in the form that the request gives them, which the session finds out.
struct SendSizes {
  enum class Form : std::uint8_t {
    listing,  // LIST: "n size" of each
    reply,    // LIST n: of one, in the reply itself
    total,    // STAT
  };
  Form form;
  std::vector<MessageNumber> messages;
  MangleRequest mangle;
};
/// What the headers of messages say, which the session reads.
struct SendFields {
  enum class Form : std::uint8_t {
    field_lines,   // XTND XLIST: "n field", its continuation lines, of each message that has it
    sender_rows,   // EUIDL: "n id size sender" of each message
    sender_reply,  // EUIDL n: the same as the reply itself, no listing
  };
  Form form;
  std::string reply;   // before a listing
  std::string prefix;  // of a field, for field_lines
  std::vector<MessageNumber> messages;
};
struct UseUtf8 {
  std::string reply;  // once messages go as they are stored, and take_new_sizes() was called
};
struct TakeMail {};       // XTND XMIT: what follows is a message; see reply::begin_mail()
struct CommitAndQuit {};  // UPDATE; then send quit_reply(), or reply::not_updated()
using SessionAction =
    std::variant<SendReply, SendMessage, SendSizes, SendFields, UseUtf8, TakeMail, CommitAndQuit>;

/// TRANSACTION state (RFC 1939 section 5) without I/O.
class SessionDialogue {
 public:
  /// read_only: DELE is refused.
  enum class Rights : std::uint8_t { full, read_only };

  /// `messages` must outlive the dialogue.
  SessionDialogue(CapabilityFacts facts, std::span<const ListedMessage> messages,
                  Rights rights = Rights::full);

  /// From now on every message is sent in this form unless the client asks for another one, and
  /// sizes are those of the form.
  void mangle_all(MangleRequest request) { mangle_all_ = std::move(request); }

  /// Appends to `actions`, so that a pipelined batch is answered with one write. Stop giving lines
  /// after CommitAndQuit, and do a SendMessage before the next line that follows it, else RSET
  /// cannot undo its on_retrieved().
  void on_line(std::string_view line, std::vector<SessionAction>& actions);
  void on_too_long_line(std::vector<SessionAction>& actions);
  /// Those of the listing are others than before.
  void take_new_sizes();
  /// The session tells that a RETR's message was sent whole.
  void on_retrieved(MessageNumber number);
  /// An implicit DELE of each message that is_retrieved() (RFC 2449 section 6.7, EXPIRE 0). A
  /// read-only session deletes nothing.
  void delete_retrieved();

  /// What LANG has chosen; nullptr: nothing. Replies are to be put into it where they are sent,
  /// from the answer to LANG on.
  [[nodiscard]] const Language* language() const { return language_; }
  [[nodiscard]] std::string quit_reply() const;
  [[nodiscard]] bool is_deleted(MessageNumber number) const;
  [[nodiscard]] bool is_retrieved(MessageNumber number) const;  // by RETR in this session
  [[nodiscard]] std::size_t deleted_count() const;
  /// Octets and messages not marked deleted, for statistics.
  [[nodiscard]] WireOctets octets_left() const;
  [[nodiscard]] std::size_t messages_left() const;

 private:
  /// A message that may be named in a command, or the reply why it may not.
  using Selection = std::expected<MessageNumber, std::string>;
  using Mangling = std::expected<std::optional<MangleRequest>, std::string>;

  [[nodiscard]] Selection select(Verb verb, std::string_view argument) const;
  [[nodiscard]] SessionAction answer(const Command& command);
  [[nodiscard]] std::string lang(const Command& command);
  [[nodiscard]] bool is_hidden(Verb verb) const;
  [[nodiscard]] Mangling take_mangling(Command& command) const;
  [[nodiscard]] SessionAction answer_in_form(Command command);
  [[nodiscard]] SessionAction stat() const;
  [[nodiscard]] SessionAction list(const Command& command,
                                   std::optional<MangleRequest> mangle) const;
  [[nodiscard]] std::string uidl(const Command& command) const;
  [[nodiscard]] SessionAction euidl(const Command& command) const;
  [[nodiscard]] SessionAction xtnd(const Command& command) const;
  [[nodiscard]] std::vector<MessageNumber> numbers_left() const;
  [[nodiscard]] SessionAction retr(const Command& command, std::optional<MangleRequest> mangle);
  [[nodiscard]] SessionAction top(const Command& command,
                                  std::optional<MangleRequest> mangle) const;
  [[nodiscard]] std::string mdef(std::string_view definition);
  [[nodiscard]] std::string dele(const Command& command);
  void mark_deleted(MessageNumber number);
  [[nodiscard]] std::string rset();
  [[nodiscard]] std::string full_listing() const;
  [[nodiscard]] std::string all_unique_ids() const;

  CapabilityFacts facts_;
  std::span<const ListedMessage> messages_;
  Rights rights_;
  std::optional<MangleRequest> mangle_all_;
  Macros macros_;
  std::vector<bool> deleted_, retrieved_;
  WireOctets octets_, octets_left_;
  std::size_t deleted_count_ = 0;
  // LAST (RFC 1460): the highest number that RETR or DELE was given, here or in an earlier session.
  std::uint32_t last_ = 0, last_at_start_ = 0;
  const Language* language_ = nullptr;
};

}  // namespace pop
