#include <array>
#include <set>

#include "popcheck/probe_run.h"

namespace pop {
namespace {

/// Numbers for questions about one message: the first, one in the middle, the last.
std::set<std::uint64_t> some_of(const Sizes& sizes) {
  if (sizes.empty()) return {};
  auto middle = sizes.begin();
  std::advance(middle, static_cast<std::ptrdiff_t>(sizes.size() / 2));
  return {sizes.begin()->first, middle->first, sizes.rbegin()->first};
}

Result<void> ask_single(ProbeRun& run, ProbeSession& session, CheckId check,
                        const std::string& verb, std::uint64_t number, const std::string& listed) {
  session.look_at(check);
  const Result<Reply> reply = session.ask(verb + " " + std::to_string(number));
  if (!reply) return std::unexpected(reply.error());
  run.report.judge(check, single_fault(reply->line, number, listed));
  return {};
}

Result<Sizes> list_sizes(ProbeRun& run, ProbeSession& session) {
  session.look_at("list");
  const Result<ReplyLines> listed = session.ask_lines("LIST");
  if (!listed) return std::unexpected(listed.error());
  Sizes sizes;
  Fault fault =
      listed->reply.ok ? take_sizes(listed->lines, sizes) : Fault{said("LIST", listed->reply)};
  if (!fault && !sizes.empty() && sizes.rbegin()->first != sizes.size()) {
    fault = "the last of " + std::to_string(sizes.size()) + " messages has number " +
            std::to_string(sizes.rbegin()->first);
  }
  run.report.judge("list", std::move(fault));
  return sizes;
}

Result<Ids> list_ids(ProbeRun& run, ProbeSession& session) {
  session.look_at("uidl");
  const Result<ReplyLines> listed = session.ask_lines("UIDL");
  if (!listed) return std::unexpected(listed.error());
  Ids ids;
  if (!listed->reply.ok) {
    run.report.judge("uidl", said("UIDL", listed->reply), CheckVerdict::note);  // it is optional
    return ids;
  }
  run.report.judge("uidl", take_ids(listed->lines, ids));
  run.report.judge("uidl-unique", unique_fault(ids));
  return ids;
}

/// Each must be refused.
Result<void> try_bad_numbers(ProbeRun& run, ProbeSession& session, std::size_t messages) {
  const std::string beyond = std::to_string(messages + 1);
  const std::array<std::string, 5> commands{"LIST " + beyond, "RETR " + beyond, "LIST 0",
                                            "UIDL " + beyond, "TOP " + beyond + " 0"};
  for (const std::string& command : commands) {
    session.look_at("bad-number");
    const Result<Reply> reply = session.ask(command);
    if (!reply) return std::unexpected(reply.error());
    run.report.judge("bad-number", reply->ok ? Fault{said(command, *reply)} : std::nullopt);
    if (reply->ok && !command.starts_with("LIST") && !command.starts_with("UIDL")) {
      return fail(Errc::corrupt, command + ": a message that is not there is sent");
    }
  }
  return {};
}

/// Several commands in one piece, where the server says that it can do that.
Result<void> try_pipelining(ProbeRun& run, ProbeSession& session, std::size_t messages) {
  if (!session.capabilities().has("PIPELINING")) return {};
  session.look_at("pipelining");
  const std::string beyond = "LIST " + std::to_string(messages + 1);
  if (Result<void> sent = session.write("NOOP\r\nLIST\r\n" + beyond + "\r\nSTAT\r\n"); !sent) {
    return sent;
  }
  const Result<Reply> noop = session.answer("NOOP");
  if (!noop) return std::unexpected(noop.error());
  const Result<ReplyLines> list = session.answer_lines("LIST");
  if (!list) return std::unexpected(list.error());
  const Result<Reply> none = session.answer(beyond);
  if (!none) return std::unexpected(none.error());
  const Result<Reply> stat = session.answer("STAT");
  if (!stat) return std::unexpected(stat.error());
  const bool in_order =
      noop->ok && list->reply.ok && list->lines.size() == messages && !none->ok && stat->ok;
  run.report.judge("pipelining",
                   in_order ? std::nullopt : Fault{"the answers are not those to the commands"});
  return {};
}

Result<void> look_at_count(ProbeRun& run, ProbeSession& session, const Sizes& sizes,
                           const Reply& stat) {
  const std::optional<MaildropCount> counted = count_of(stat.line);
  session.look_at("stat-list");
  run.report.judge("stat", counted ? std::nullopt : Fault{said("STAT", stat)});
  if (!counted) return {};
  run.report.judge("stat-list", count_fault(*counted, sizes));
  run.report.facts.messages = counted->messages;
  run.report.facts.octets = counted->octets;
  return {};
}

}  // namespace

Result<void> probe_listing(ProbeRun& run, ProbeSession& session) {
  session.look_at("stat");
  const Result<Reply> stat = session.ask("STAT");
  if (!stat) return std::unexpected(stat.error());
  const Result<Sizes> sizes = list_sizes(run, session);
  if (!sizes) return std::unexpected(sizes.error());
  if (Result<void> good = look_at_count(run, session, *sizes, *stat); !good) return good;
  const Result<Ids> ids = list_ids(run, session);
  if (!ids) return std::unexpected(ids.error());
  run.ids = *ids;
  run.has_listed_ids = true;
  for (const std::uint64_t number : some_of(*sizes)) {
    Result<void> asked =
        ask_single(run, session, "list-single", "LIST", number, std::to_string(sizes->at(number)));
    const auto id = ids->find(number);
    if (asked && id != ids->end()) {
      asked = ask_single(run, session, "uidl-single", "UIDL", number, id->second);
    }
    if (!asked) return asked;
  }
  if (Result<void> tried = try_bad_numbers(run, session, sizes->size()); !tried) return tried;
  session.look_at("noop");
  const Result<Reply> noop = session.ask("NOOP");
  if (!noop) return std::unexpected(noop.error());
  run.report.judge("noop", noop->ok ? std::nullopt : Fault{said("NOOP", *noop)});
  if (noop->ok) {
    if (Result<void> tried = try_pipelining(run, session, sizes->size()); !tried) return tried;
  }
  if (sizes->empty()) {
    run.report.skip("list-single", "the maildrop is empty");
    run.report.skip("uidl-single", "the maildrop is empty");
  }
  return {};
}

Result<void> compare_ids(ProbeRun& run, ProbeSession& session) {
  if (!run.has_listed_ids) return {};
  const Result<Ids> ids = list_ids(run, session);
  if (!ids) return std::unexpected(ids.error());
  run.report.judge("uidl-stable", stable_fault(run.ids, *ids));
  return {};
}

}  // namespace pop
