// What popspool uidl does: unique-ids of another server are told, put on record, compared and
// explained. Where they come from is OldIds' business, and how they are kept UniqueIdImport's.

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/text.h"
#include "mail/unique_id.h"
#include "popspool/maildrop_facts.h"
#include "popspool/old_ids.h"
#include "popspool/popspool.h"
#include "store/unique_id_import.h"
#include "tool/counted.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

std::string name_of(const TargetRun& run) {
  return run.is_alone ? "" : shown_text(run.target.name, Layout::one_line) + ": ";
}

IdListing listing_of(const std::vector<OldMessage>& old) {
  IdListing listing;
  for (const OldMessage& message : old) listing.push_back(message.listed);
  return listing;
}

/// The message of the maildrop that each of the old ones is.
std::vector<std::optional<std::size_t>> messages_of(const std::vector<OldMessage>& old,
                                                    const MaildropIdFacts& facts) {
  const bool all_known = std::ranges::all_of(
      old, [](const OldMessage& message) { return message.message.has_value(); });
  if (!all_known) return paired(listing_of(old), facts.listing());
  std::vector<std::optional<std::size_t>> messages;
  for (const OldMessage& message : old) messages.push_back(message.message);
  return messages;
}

Json listed_json(std::size_t number, const ListedId& message) {
  return {Json::Object{{"number", {std::uint64_t{number}}},
                       {"uid", {message.id}},
                       {"octets", {message.octets}},
                       {"fingerprint", {message.fingerprint}}}};
}

// export

Result<ExitStatus> export_ids(const TargetRun& run, OldIds* source) {
  IdListing listing;
  std::optional<MaildropIdFacts> facts;
  if (source == nullptr || !source->is_told()) {
    Result<ViewedFacts> viewed = view_facts(run.context, run.user);
    if (!viewed) return std::unexpected(std::move(viewed).error());
    for (const std::string& remark : viewed->view->remarks()) run.output.complain(remark);
    listing = viewed->facts.listing();
    facts = std::move(viewed->facts);
  }
  if (source != nullptr) {
    const Result<std::vector<OldMessage>> old = source->of(run, facts.value_or(MaildropIdFacts{}));
    if (!old) return std::unexpected(old.error());
    listing = listing_of(*old);
  }
  run.output.print(export_lines(run.target.name, listing));
  if (run.flags.form != OutputForm::json) return ExitStatus::ok;
  Json::Array messages;
  for (std::size_t i = 0; i < listing.size(); ++i) {
    messages.push_back(listed_json(i + 1, listing[i]));
  }
  run.output.add("messages", {std::move(messages)});
  return ExitStatus::ok;
}

// import

/// What an import would do to one maildrop.
struct ImportPlan {
  std::vector<WantedId> wanted;
  std::vector<std::size_t> kept;                             // messages without an old id
  std::vector<std::string> unplaced;                         // ids without a message
  std::vector<std::pair<std::string, std::string>> refused;  // ids, and why
  bool keeps_order = true;

  [[nodiscard]] std::size_t imported() const { return wanted.size() - kept.size(); }
  [[nodiscard]] bool needs_person() const {
    return !kept.empty() || !unplaced.empty() || !refused.empty() || !keeps_order;
  }
};

class ImportPlanner {
 public:
  explicit ImportPlanner(const MaildropIdFacts& facts) : facts_{facts} {
    for (const IdFacts& message : facts.messages) {
      plan_.wanted.push_back({.content_id = message.content_id, .id = {}, .order = 0});
    }
  }

  ImportPlan plan(const std::vector<OldMessage>& old) && {
    const std::vector<std::optional<std::size_t>> messages = messages_of(old, facts_);
    for (std::size_t i = 0; i < old.size(); ++i) {
      give(old[i].listed.id, messages[i], static_cast<std::uint32_t>(i + 1));
    }
    for (std::size_t i = 0; i < plan_.wanted.size(); ++i) keep_own(i);
    plan_.keeps_order = facts_.format == MailFormat::maildir || is_in_order();
    return std::move(plan_);
  }

 private:
  void give(const std::string& id, std::optional<std::size_t> message, std::uint32_t order) {
    if (!is_valid_unique_id(id)) {
      plan_.refused.emplace_back(id, "1 to 70 characters from 0x21 to 0x7E are allowed");
    } else if (given_.contains(id)) {
      plan_.refused.emplace_back(id, "another message has it");
    } else if (!message) {
      plan_.unplaced.push_back(id);
    } else {
      given_.insert(id);
      plan_.wanted[*message].id = id;
      plan_.wanted[*message].order = order;
    }
  }

  /// Its own id, unless that has become another message's.
  void keep_own(std::size_t index) {
    WantedId& wanted = plan_.wanted[index];
    if (wanted.order != 0) return;
    plan_.kept.push_back(index);
    wanted.id = facts_.messages[index].listed.id;
    for (std::uint32_t occurrence = 2;
         given_.contains(wanted.id) || is_own_of_another(wanted.id, index); ++occurrence) {
      wanted.id = distinct_unique_id(facts_.messages[index].listed.id, occurrence);
    }
    given_.insert(wanted.id);
  }
  bool is_own_of_another(const std::string& id, std::size_t index) {
    if (own_.empty()) {
      for (std::size_t i = 0; i < facts_.messages.size(); ++i) {
        if (plan_.wanted[i].order == 0) own_.emplace(facts_.messages[i].listed.id, i);
      }
    }
    const auto found = own_.find(id);
    return found != own_.end() && found->second != index;
  }

  bool is_in_order() const {
    std::uint32_t before = 0;
    for (const WantedId& wanted : plan_.wanted) {
      if (wanted.order == 0) continue;
      if (wanted.order < before) return false;
      before = wanted.order;
    }
    return true;
  }

  const MaildropIdFacts& facts_;
  ImportPlan plan_;
  std::set<std::string, std::less<>> given_;
  std::map<std::string, std::size_t, std::less<>> own_;  // ids of messages that keep theirs
};

/// What is listed when the plan has been carried out.
std::vector<std::string> expected_ids(const ImportPlan& plan, MailFormat format) {
  std::vector<std::size_t> order(plan.wanted.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (format == MailFormat::maildir) {
    std::ranges::stable_sort(order, {}, [&](std::size_t index) {
      return plan.wanted[index].order - 1;  // 0 is behind all others
    });
  }
  std::vector<std::string> ids;
  for (const std::size_t index : order) ids.push_back(plan.wanted[index].id);
  return ids;
}

Result<void> prove_listed(const TargetRun& run, const ImportPlan& plan, MailFormat format) {
  const Result<std::unique_ptr<SpoolView>> view = view_maildrop(run.context, run.user);
  if (!view) return std::unexpected(view.error());
  const std::vector<std::string> expected = expected_ids(plan, format);
  const std::span<const ViewedMessage> now = (*view)->messages();
  const bool as_expected =
      now.size() >= expected.size() &&
      std::ranges::equal(expected, now.first(expected.size()), {}, {}, &ViewedMessage::unique_id);
  if (as_expected) return {};
  return fail(Errc::changed,
              "the mail was changed while its unique-ids were recorded: import them again");
}

void tell(const TargetRun& run, const ImportPlan& plan, const MaildropIdFacts& facts) {
  const std::string name = name_of(run);
  const bool dry = run.flags.mode == RunMode::dry_run;
  if (run.flags.verbosity == Verbosity::verbose) {
    for (std::size_t i = 0; i < plan.wanted.size(); ++i) {
      const std::string& own = facts.messages[i].listed.id;
      run.output.print(name + "message " + std::to_string(i + 1) + ": " + plan.wanted[i].id +
                       (plan.wanted[i].order == 0 ? " (its own)\n" : " (was " + own + ")\n"));
    }
  }
  for (const auto& [id, why] : plan.refused) {
    run.output.complain("\"" + escaped(id) + "\" is not taken over: " + why);
  }
  if (!plan.keeps_order) {
    run.output.complain(
        "the other server lists the messages in another order; those of a spool file stand in the "
        "order of the file");
  }
  if (run.flags.verbosity == Verbosity::quiet) return;
  std::string text = name + std::to_string(plan.imported()) + " of " +
                     counted(plan.wanted.size(), "message") +
                     (dry                       ? " would get"
                      : plan.wanted.size() == 1 ? " has got"
                                                : " have got") +
                     " the other server's unique-id";
  if (!plan.kept.empty())
    text += "; " + std::to_string(plan.kept.size()) +
            (plan.kept.size() == 1 ? " keeps its own" : " keep their own");
  if (!plan.unplaced.empty()) {
    text += "; of " + counted(plan.unplaced.size(), "id") + " there is no message";
  }
  run.output.print(text + "\n");
}

void add_json(const TargetRun& run, const ImportPlan& plan) {
  Json::Array kept, unplaced, refused;
  for (const std::size_t index : plan.kept) {
    kept.push_back(
        {Json::Object{{"number", {std::uint64_t{index + 1}}}, {"uid", {plan.wanted[index].id}}}});
  }
  for (const std::string& id : plan.unplaced) unplaced.push_back({id});
  for (const auto& [id, why] : plan.refused) {
    refused.push_back({Json::Object{{"uid", {id}}, {"reason", {why}}}});
  }
  run.output.add("imported", {std::uint64_t{plan.imported()}});
  run.output.add("kept", {std::move(kept)});
  run.output.add("unplaced", {std::move(unplaced)});
  run.output.add("refused", {std::move(refused)});
  run.output.add("keeps_order", {plan.keeps_order});
}

Result<ExitStatus> import_ids(const TargetRun& run, OldIds& source) {
  std::optional<std::vector<OldMessage>> old;
  if (source.asks_server()) {  // before anybody is kept out
    Result<std::vector<OldMessage>> told = source.of(run, {});
    if (!told) return std::unexpected(std::move(told).error());
    old = std::move(*told);
  }
  const bool dry = run.flags.mode == RunMode::dry_run;
  std::optional<UniqueIdImport> import;
  if (!dry) {
    Result<UniqueIdImport> begun = UniqueIdImport::begin(run.context, run.user);
    if (!begun) return std::unexpected(std::move(begun).error());
    import.emplace(std::move(*begun));
  }
  const Result<ViewedFacts> viewed = view_facts(run.context, run.user);
  if (!viewed) return std::unexpected(viewed.error());
  for (const std::string& remark : viewed->view->remarks()) run.output.complain(remark);
  const MaildropIdFacts& facts = viewed->facts;
  if (!old) {
    Result<std::vector<OldMessage>> found = source.of(run, facts);
    if (!found) return std::unexpected(std::move(found).error());
    old = std::move(*found);
  }
  const ImportPlan plan = ImportPlanner{facts}.plan(*old);
  if (import && plan.imported() > 0) {
    Result<void> done = import->record(*viewed->view, plan.wanted);
    if (done) done = prove_listed(run, plan, facts.format);
    if (!done) return std::unexpected(std::move(done).error());
  }
  add_json(run, plan);
  tell(run, plan, facts);
  return plan.needs_person() ? ExitStatus::found : ExitStatus::ok;
}

// verify

struct Difference {
  std::size_t number;          // in the old listing
  std::string old_id, new_id;  // "": there is none
  std::size_t now_at = 0;      // where the old id is now; 0: nowhere
};

std::vector<Difference> differences(const IdListing& old, const SpoolView& view) {
  const std::span<const ViewedMessage> now = view.messages();
  std::map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < now.size(); ++i) places.emplace(now[i].unique_id, i + 1);
  std::vector<Difference> found;
  for (std::size_t i = 0; i < old.size(); ++i) {
    const std::string_view here = i < now.size() ? now[i].unique_id : std::string_view{};
    if (here == old[i].id) continue;
    const auto place = places.find(old[i].id);
    found.push_back(
        {i + 1, old[i].id, std::string{here}, place == places.end() ? 0 : place->second});
  }
  return found;
}

std::string line_of(const Difference& difference) {
  std::string text =
      "message " + std::to_string(difference.number) + ": was " + escaped(difference.old_id);
  if (difference.now_at != 0) {
    text += ", which is message " + std::to_string(difference.now_at) + " now";
  } else {
    text += ", which no message has now";
  }
  return text + (difference.new_id.empty() ? "; there is no such message"
                                           : "; now it is " + difference.new_id);
}

Result<ExitStatus> verify_ids(const TargetRun& run, OldIds& source) {
  std::unique_ptr<SpoolView> view;
  MaildropIdFacts facts;
  if (source.is_told()) {
    Result<std::unique_ptr<SpoolView>> viewed = view_maildrop(run.context, run.user);
    if (!viewed) return std::unexpected(std::move(viewed).error());
    view = std::move(*viewed);
  } else {
    Result<ViewedFacts> viewed = view_facts(run.context, run.user);
    if (!viewed) return std::unexpected(std::move(viewed).error());
    view = std::move(viewed->view);
    facts = std::move(viewed->facts);
  }
  for (const std::string& remark : view->remarks()) run.output.complain(remark);
  const Result<std::vector<OldMessage>> old = source.of(run, facts);
  if (!old) return std::unexpected(old.error());
  const std::vector<Difference> found = differences(listing_of(*old), *view);
  const std::size_t now = view->messages().size();
  const std::size_t arrived = now > old->size() ? now - old->size() : 0;
  Json::Array different;
  for (const Difference& each : found) {
    run.output.print(name_of(run) + line_of(each) + "\n");
    different.push_back(
        {Json::Object{{"number", {std::uint64_t{each.number}}},
                      {"old", {each.old_id}},
                      {"new", each.new_id.empty() ? Json{} : Json{each.new_id}},
                      {"now_at", each.now_at == 0 ? Json{} : Json{std::uint64_t{each.now_at}}}}});
  }
  if (source.untold() > 0) {
    run.output.print(name_of(run) + "of " + counted(source.untold(), "message") +
                     " the other server's unique-id cannot be told\n");
  }
  run.output.add("messages", {std::uint64_t{old->size()}});
  run.output.add("untold", {std::uint64_t{source.untold()}});
  run.output.add("arrived", {std::uint64_t{arrived}});
  run.output.add("differences", {std::move(different)});
  const bool is_as_before = found.empty() && source.untold() == 0;
  if (run.flags.verbosity == Verbosity::verbose || !is_as_before) {
    run.output.print(name_of(run) + std::to_string(old->size() - found.size()) + " of " +
                     counted(old->size(), "message") + (old->size() == 1 ? " has" : " have") +
                     " number and unique-id as before" +
                     (arrived > 0 ? "; " + std::to_string(arrived) +
                                        (arrived == 1 ? " more has arrived" : " more have arrived")
                                  : "") +
                     "\n");
  }
  return is_as_before ? ExitStatus::ok : ExitStatus::found;
}

// guess

struct Guess {
  std::string form;
  std::size_t explained = 0;
};

/// Tries each form on the messages that the old ids belong to.
class Guesser {
 public:
  Guesser(const TargetRun& run, const MaildropIdFacts& facts, const std::vector<OldMessage>& old)
      : run_{run}, facts_{facts}, explained_(old.size()) {
    const std::vector<std::optional<std::size_t>> messages = messages_of(old, facts);
    for (std::size_t i = 0; i < old.size(); ++i) {
      if (messages[i]) ids_[*messages[i]] = {old[i].listed.id, i};
    }
  }

  std::vector<Guess> guess() {
    try_id("popper's own", [](const IdFacts& message) { return message.listed.id; });
    for (const ServerForm& form : server_forms()) {
      const Result<std::optional<FileList>> list =
          list_of_form(run_, form, run_.user, facts_.format, std::nullopt);
      if (!list) continue;
      if (form.name != "dovecot") {
        try_form(form, *list, "",
                 std::string{form.name} + " (" + std::string{form.explained} + ")");
        continue;
      }
      for (const std::string& format : usual_dovecot_formats()) {
        try_form(form, *list, format, "dovecot --uidl-format " + format);
      }
    }
    std::ranges::stable_sort(guesses_, std::ranges::greater{}, &Guess::explained);
    return std::move(guesses_);
  }
  [[nodiscard]] std::size_t matched() const { return ids_.size(); }
  [[nodiscard]] std::size_t explained() const {
    return static_cast<std::size_t>(std::ranges::count(explained_, true));
  }

 private:
  struct Wanted {
    std::string id;
    std::size_t old;
  };

  template <class IdOf>
  void try_id(const std::string& name, const IdOf& id_of) {
    std::vector<GivenId> given;
    for (std::size_t i = 0; i < facts_.messages.size(); ++i) {
      given.push_back({i, id_of(facts_.messages[i])});
    }
    count(name, given);
  }
  void try_form(const ServerForm& form, const std::optional<FileList>& list,
                const std::string& format, const std::string& name) {
    const Result<std::vector<GivenId>> given =
        form.ids({.facts = facts_, .list = list ? &*list : nullptr, .uidl_format = format});
    if (given) count(name, *given);
  }
  void count(const std::string& name, const std::vector<GivenId>& given) {
    Guess guess{name, 0};
    for (const GivenId& each : given) {
      const auto wanted = ids_.find(each.message);
      if (wanted == ids_.end() || each.id.empty() || wanted->second.id != each.id) continue;
      ++guess.explained;
      explained_[wanted->second.old] = true;
    }
    if (guess.explained > 0) guesses_.push_back(std::move(guess));
  }

  const TargetRun& run_;
  const MaildropIdFacts& facts_;
  std::map<std::size_t, Wanted> ids_;  // by message
  std::vector<bool> explained_;
  std::vector<Guess> guesses_;
};

std::string percent(std::size_t part, std::size_t whole) {
  const std::size_t tenths = whole == 0 ? 0 : part * 1000 / whole;
  std::string text = std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
  text.insert(0, 7 - std::min<std::size_t>(7, text.size()), ' ');
  return text;
}

Result<ExitStatus> guess_ids(const TargetRun& run, OldIds& source) {
  const Result<ViewedFacts> viewed = view_facts(run.context, run.user);
  if (!viewed) return std::unexpected(viewed.error());
  for (const std::string& remark : viewed->view->remarks()) run.output.complain(remark);
  const Result<std::vector<OldMessage>> old = source.of(run, viewed->facts);
  if (!old) return std::unexpected(old.error());
  Guesser guesser{run, viewed->facts, *old};
  const std::vector<Guess> guesses = guesser.guess();
  Json::Array forms;
  for (const Guess& guess : guesses) {
    run.output.print(name_of(run) + percent(guess.explained, old->size()) + "  " +
                     std::to_string(guess.explained) + " of " + counted(old->size(), "id") + "  " +
                     guess.form + "\n");
    forms.push_back(
        {Json::Object{{"form", {guess.form}}, {"explained", {std::uint64_t{guess.explained}}}}});
  }
  const std::size_t rest = old->size() - guesser.explained();
  if (rest > 0) {
    run.output.print(name_of(run) + percent(rest, old->size()) + "  " + std::to_string(rest) +
                     " of " + counted(old->size(), "id") + "  not explained, " +
                     std::to_string(old->size() - guesser.matched()) +
                     " of them of messages that are not there\n");
  }
  run.output.add("ids", {std::uint64_t{old->size()}});
  run.output.add("forms", {std::move(forms)});
  run.output.add("unexplained", {std::uint64_t{rest}});
  return rest > 0 ? ExitStatus::found : ExitStatus::ok;
}

using Work = Result<ExitStatus> (*)(const TargetRun& run, OldIds& source);

ExitStatus run_with_source(TargetVerb verb, Work work, const UidlArguments& arguments,
                           const Settings& settings, const ToolRun& run) {
  Result<OldIds> source =
      OldIds::prepare(arguments.old, arguments.selection.from_stdin, run.terminal);
  if (!source) return give_up(run.terminal, source.error());
  verb.work = [&](const TargetRun& target) {
    source->keep_password_of(target);
    return work(target, *source);
  };
  return run_on_targets(verb, arguments.selection, settings, run);
}

/// For --resume: another run with the same words does the same.
std::string task_of(const std::string& verb, const OldIdsArguments& old) {
  std::string task = verb;
  for (const auto* word :
       {&old.format, &old.from, &old.uidl_format, &old.uidvalidity, &old.server, &old.login}) {
    task += " " + word->value_or("-");
  }
  return task;
}

}  // namespace

ExitStatus run_uidl_export(const UidlArguments& arguments, const Settings& settings,
                           const ToolRun& run) {
  std::optional<OldIds> source;
  if (!arguments.old.names_none()) {
    Result<OldIds> prepared =
        OldIds::prepare(arguments.old, arguments.selection.from_stdin, run.terminal);
    if (!prepared) return give_up(run.terminal, prepared.error());
    source = std::move(*prepared);
  }
  if (run.flags.form != OutputForm::json) run.terminal.print(export_first_line);
  return run_on_targets({.name = "uidl export",
                         .task = task_of("uidl export", arguments.old),
                         .work =
                             [&](const TargetRun& target) {
                               if (source) source->keep_password_of(target);
                               return export_ids(target, source ? &*source : nullptr);
                             }},
                        arguments.selection, settings, run);
}

ExitStatus run_uidl_import(const UidlArguments& arguments, const Settings& settings,
                           const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  TargetVerb verb{.name = "uidl import",
                  .task = task_of(dry ? "uidl import -n" : "uidl import", arguments.old),
                  .work = {},
                  .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing};
  return run_with_source(std::move(verb), import_ids, arguments, settings, run);
}

ExitStatus run_uidl_verify(const UidlArguments& arguments, const Settings& settings,
                           const ToolRun& run) {
  TargetVerb verb{.name = "uidl verify", .task = task_of("uidl verify", arguments.old), .work = {}};
  return run_with_source(std::move(verb), verify_ids, arguments, settings, run);
}

ExitStatus run_uidl_guess(const UidlArguments& arguments, const Settings& settings,
                          const ToolRun& run) {
  TargetVerb verb{.name = "uidl guess", .task = task_of("uidl guess", arguments.old), .work = {}};
  return run_with_source(std::move(verb), guess_ids, arguments, settings, run);
}

void declare_uidl(Arguments& arguments, UidlArguments& uidl) {
  declare_old_ids(arguments, uidl.old);
  declare_targets(arguments, uidl.selection);
}

}  // namespace pop
