#include <algorithm>
#include <array>

#include "popcheck/probe_run.h"

namespace pop {
namespace {

constexpr std::size_t most_messages_read = 20;
constexpr std::uint64_t largest_message_read = std::uint64_t{32} << 20;

struct Listed {
  std::uint64_t number, octets;
};

Result<Sizes> sizes_now(ProbeSession& session) {
  const Result<ReplyLines> listed = session.ask_lines("LIST");
  if (!listed) return std::unexpected(listed.error());
  Sizes sizes;
  (void)take_sizes(listed->lines, sizes);
  return sizes;
}

std::string of(const Listed& message) {
  return "message " + std::to_string(message.number) + ": ";
}

/// The first, the last, and some between them.
std::vector<Listed> some_to_read(const Sizes& sizes) {
  const std::size_t step = sizes.size() / most_messages_read + 1;
  std::vector<Listed> some;
  std::size_t at = 0;
  for (const auto& [number, octets] : sizes) {
    const bool is_picked = at % step == 0 || at + 1 == sizes.size();
    if (is_picked && octets <= largest_message_read) some.push_back({number, octets});
    ++at;
  }
  return some;
}

Result<void> read_one(ProbeRun& run, ProbeSession& session, const Listed& message) {
  const std::string number = std::to_string(message.number);
  session.look_at("retr-size");
  // A little more than it may have, so that a wrong size is told as such.
  const std::uint64_t most = message.octets * 2 + (std::uint64_t{1} << 20);
  const Result<ReplyLines> whole = session.ask_lines("RETR " + number, most);
  if (!whole) return std::unexpected(whole.error());
  if (!whole->reply.ok) {
    run.report.judge("retr-size", said("RETR " + number, whole->reply));
    return {};
  }
  run.report.judge("dot-stuffing", stuffing_fault(whole->lines));
  run.report.judge("retr-size",
                   whole->octets == message.octets
                       ? std::nullopt
                       : Fault{of(message) + "LIST says " + std::to_string(message.octets) +
                               " octets, RETR sends " + std::to_string(whole->octets)});
  const std::vector<std::string> plain = whole->plain();
  for (const std::size_t lines : {std::size_t{0}, std::size_t{2}, plain.size()}) {
    session.look_at("top");
    const Result<ReplyLines> top =
        session.ask_lines("TOP " + number + " " + std::to_string(lines), most);
    if (!top) return std::unexpected(top.error());
    if (!top->reply.ok) {
      run.report.judge("top", said("TOP", top->reply), CheckVerdict::note);  // it is optional
      break;
    }
    Fault fault = top_fault(plain, top->plain(), lines);
    run.report.judge("top", fault ? Fault{of(message) + *fault} : std::nullopt);
  }
  session.look_at("retr-again");
  const Result<ReplyLines> again = session.ask_lines("RETR " + number, most);
  if (!again) return std::unexpected(again.error());
  run.report.judge("retr-again", again->lines == whole->lines
                                     ? std::nullopt
                                     : Fault{of(message) + "RETR sent something else before"});
  return {};
}

/// Deletes the first message, looks, and takes it back.
Result<void> delete_and_take_back(ProbeRun& run, ProbeSession& session, const Sizes& before) {
  const std::uint64_t first = before.begin()->first;
  const std::string number = std::to_string(first);
  session.look_at("dele");
  const Result<Reply> deleted = session.ask("DELE " + number);
  if (!deleted) return std::unexpected(deleted.error());
  run.report.judge("dele", deleted->ok ? std::nullopt : Fault{said("DELE " + number, *deleted)});
  if (!deleted->ok) return {};
  for (const std::string& command : {"LIST " + number, "DELE " + number}) {
    const Result<Reply> reply = session.ask(command);
    if (!reply) return std::unexpected(reply.error());
    run.report.judge("dele", reply->ok ? Fault{"of the deleted message " + said(command, *reply)}
                                       : std::nullopt);
  }
  const Result<Sizes> left = sizes_now(session);
  if (!left) return std::unexpected(left.error());
  Sizes expected = before;
  expected.erase(first);
  run.report.judge("dele", *left == expected
                               ? std::nullopt
                               : Fault{"after DELE " + number +
                                       " LIST does not give the other messages as before"});
  const Result<Reply> stat = session.ask("STAT");
  if (!stat) return std::unexpected(stat.error());
  const std::optional<MaildropCount> counted = count_of(stat->line);
  run.report.judge("dele", counted && count_fault(*counted, expected)
                               ? Fault{"STAT still counts a deleted message"}
                               : std::nullopt);
  session.look_at("rset");
  const Result<Reply> reset = session.ask("RSET");
  if (!reset) return std::unexpected(reset.error());
  const Result<Sizes> after = sizes_now(session);
  if (!after) return std::unexpected(after.error());
  const bool is_whole = reset->ok && *after == before;
  run.report.judge("rset", is_whole
                               ? std::nullopt
                               : Fault{said("RSET", *reset) + ", and LIST is not what it was"});
  // Never to QUIT with a deletion that could not be taken back.
  if (!is_whole) return fail(Errc::corrupt, "the session is left without QUIT");
  return {};
}

}  // namespace

Result<void> probe_messages(ProbeRun& run, ProbeSession& session) {
  session.look_at("list");
  const Result<Sizes> sizes = sizes_now(session);
  if (!sizes) return std::unexpected(sizes.error());
  if (sizes->empty()) {
    for (const CheckId check :
         {CheckId{"retr-size"}, CheckId{"dot-stuffing"}, CheckId{"retr-again"}, CheckId{"top"},
          CheckId{"dele"}, CheckId{"rset"}}) {
      run.report.skip(check, "the maildrop is empty");
    }
    return {};
  }
  for (const Listed& message : some_to_read(*sizes)) {
    if (Result<void> read = read_one(run, session, message); !read) return read;
  }
  return delete_and_take_back(run, session, *sizes);
}

}  // namespace pop
