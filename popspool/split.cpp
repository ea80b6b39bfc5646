// Parts are built by a process of the mail's owner, put where they belong by whoever called
// popspool, and only then, with --move, their messages leave the maildrop, which is locked all the
// while.

#include <unistd.h>

#include <map>
#include <optional>

#include "base/disk.h"
#include "base/text.h"
#include "conf/expiry_policy.h"
#include "popspool/export_destination.h"
#include "popspool/export_writer.h"
#include "popspool/message_reading.h"
#include "popspool/moving_session.h"
#include "popspool/popspool.h"
#include "tool/counted.h"
#include "tool/moment.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

/// By what messages fall into parts.
struct Division {
  enum class By : std::uint8_t { year, month, count, size };
  By by = By::year;
  std::uint64_t most = 0;  // messages or octets of a part
  std::optional<std::chrono::seconds> older_than;
  ExportFormat format = ExportFormat::mbox;
  bool moves = false;
};

Result<Division> division_of(const SplitArguments& arguments) {
  Division division{.moves = arguments.moves};
  const Result<ExportFormat> format = export_format_of(arguments.format);
  if (!format) return std::unexpected(format.error());
  division.format = *format;
  if (arguments.older_than) {
    const Judged<std::chrono::seconds> age = parse_age(*arguments.older_than);
    if (!age) return fail(Errc::usage, "--older-than wants " + age.error());
    division.older_than = *age;
  }
  const std::string by = arguments.by.value_or("");
  const std::size_t colon = by.find(':');
  const std::string_view kind = std::string_view{by}.substr(0, colon);
  const std::string_view most = colon == by.npos ? "" : std::string_view{by}.substr(colon + 1);
  if (by == "year" || by == "month") {
    division.by = by == "year" ? Division::By::year : Division::By::month;
    return division;
  }
  std::optional<std::uint64_t> number;
  if (kind == "count") {
    division.by = Division::By::count;
    number = decimal(most);
  } else if (kind == "size") {
    division.by = Division::By::size;
    if (const Judged<std::uint64_t> octets = parse_octets(most)) number = *octets;
  }
  if (!number || *number == 0) {
    return fail(Errc::usage, "--by wants year, month, count:NUMBER or size:SIZE");
  }
  division.most = *number;
  return division;
}

/// Names the part of each message, one after the other.
class Divider {
 public:
  explicit Divider(const Division& division) : division_{division} {}

  std::string part_of(const ViewedMessage& message, std::optional<std::int64_t> delivered) {
    switch (division_.by) {
      case Division::By::year:
        return delivered ? moment_text(*delivered).substr(0, 4) : "undated";
      case Division::By::month:
        return delivered ? moment_text(*delivered).substr(0, 7) : "undated";
      case Division::By::count:
        return numbered(1);
      case Division::By::size:
        break;
    }
    return numbered(message.size.count);
  }

 private:
  /// A message that is larger than a part may be has one of its own.
  std::string numbered(std::uint64_t weight) {
    if (number_ == 0 || filled_ + weight > division_.most) {
      ++number_;
      filled_ = 0;
    }
    filled_ += weight;
    const std::string digits = std::to_string(number_);
    return std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits;
  }

  const Division& division_;
  std::uint64_t number_ = 0, filled_ = 0;
};

struct Part {
  std::size_t messages = 0;  // that it shall have
  std::uint64_t octets = 0;  // as clients count them
  std::size_t written = 0;
};

/// In the process of the mail's owner; standard output is the directory to build in.
class Splitter {
 public:
  Splitter(const TargetRun& run, const Division& division) : run_{run}, division_{division} {}

  Result<ExitStatus> work() {
    const bool is_dry = run_.flags.mode == RunMode::dry_run;
    std::optional<MovingSession> session;
    if (division_.moves && !is_dry) {
      Result<MovingSession> opened = MovingSession::open(run_.context, run_.user);
      if (!opened) return std::unexpected(std::move(opened).error());
      session.emplace(std::move(*opened));
    }
    Result<void> done = divide();
    if (done && !is_dry && !parts_.empty()) done = build();
    if (!done) return std::unexpected(std::move(done).error());
    if (is_dry || parts_.empty()) return tell({}, 0);
    const Result<Json::Object> placed = run_.output.hand_over();
    if (!placed) return std::unexpected(placed.error());
    std::size_t taken_out = 0;
    if (session) {
      const Result<std::size_t> gone = session->remove(written_);
      if (!gone) {
        return std::unexpected(
            Error{gone.error()}.in("the parts are there, and the mail still is"));
      }
      taken_out = *gone;
      for (const std::string& remark : session->remarks()) run_.output.complain(remark);
    }
    return tell(*placed, taken_out);
  }

 private:
  Result<void> divide() {
    using std::chrono::duration_cast, std::chrono::seconds;
    const std::int64_t now =
        duration_cast<seconds>(run_.context.clock.wall().time_since_epoch()).count();
    const Result<std::unique_ptr<SpoolView>> view = view_maildrop(run_.context, run_.user);
    if (!view) return std::unexpected(view.error());
    Divider divider{division_};
    for (std::uint32_t number = 1; number <= (*view)->messages().size(); ++number) {
      const std::optional<std::int64_t> delivered = (*view)->delivered({number});
      const std::optional<std::chrono::seconds> age = division_.older_than;
      if (age && (!delivered || *delivered > now || now - *delivered <= age->count())) continue;
      const ViewedMessage& message = (*view)->messages()[number - 1];
      const std::string name = divider.part_of(message, delivered);
      Part& part = parts_[name];
      ++part.messages;
      part.octets += message.size.count;
      part_of_[std::string{message.unique_id}] = name;
    }
    return {};
  }

  struct Building {
    Fd directory;
    std::unique_ptr<ExportWriter> writer;
  };

  Result<void> build() {
    const Result<Fd> directory = open_directory(STDOUT_FILENO, ".");
    if (!directory) return std::unexpected(directory.error());
    Result<void> done =
        read_messages(run_, {}, Extent::whole, [&](const ReadWhole& message) -> Result<void> {
          const auto name = part_of_.find(message.unique_id);
          if (name == part_of_.end()) return {};
          Part& part = parts_[name->second];
          Result<Building*> building = building_of(*directory, name->second);
          if (!building) return std::unexpected(std::move(building).error());
          Result<void> added = (*building)->writer->add(message);
          if (added) written_.insert(message.unique_id);
          if (added && ++part.written == part.messages) added = finish(name->second);
          return added;
        });
    while (done && !buildings_.empty()) done = finish(buildings_.begin()->first);
    return done;
  }

  Result<Building*> building_of(const Fd& directory, const std::string& name) {
    const auto known = buildings_.find(name);
    if (known != buildings_.end()) return known->second.get();
    Disk& disk = system_disk();
    Result<void> made = disk.make_directory(directory.get(), name, 0700);
    if (!made) return std::unexpected(std::move(made).error());
    Result<Fd> below = disk.open(directory.get(), name, O_RDONLY | O_DIRECTORY);
    if (!below) return std::unexpected(std::move(below).error());
    auto building = std::make_unique<Building>(Building{std::move(*below), nullptr});
    Result<std::unique_ptr<ExportWriter>> writer = ExportWriter::begin(
        disk, building->directory, division_.format, run_.user.name + "-" + name);
    if (!writer) return std::unexpected(std::move(writer).error());
    building->writer = std::move(*writer);
    return (buildings_[name] = std::move(building)).get();
  }

  Result<void> finish(const std::string& name) {
    const Result<ExportManifest> manifest = buildings_[name]->writer->finish();
    buildings_.erase(name);
    return manifest ? Result<void>{} : std::unexpected(manifest.error());
  }

  ExitStatus tell(const Json::Object& placed, std::size_t taken_out) const {
    std::map<std::string_view, std::string_view> paths;
    for (const auto& [name, path] : placed) {
      if (const auto* text = std::get_if<std::string>(&path.value)) paths[name] = *text;
    }
    const bool is_dry = run_.flags.mode == RunMode::dry_run;
    const bool lists = is_dry || run_.flags.verbosity == Verbosity::verbose;
    const std::string name = shown_text(run_.target.name, Layout::one_line) + ": ";
    Json::Array parts;
    std::uint64_t messages = 0;
    for (const auto& [key, part] : parts_) {
      const std::size_t count = is_dry ? part.messages : part.written;
      const auto path = paths.find(key);
      messages += count;
      parts.push_back(
          {Json::Object{{"part", {key}},
                        {"messages", {std::uint64_t{count}}},
                        {"octets", {part.octets}},
                        {"path", path == paths.end() ? Json{} : Json{std::string{path->second}}}}});
      if (!lists) continue;
      run_.output.print(
          name + key + ": " + counted(count, "message") + ", " + counted(part.octets, "octet") +
          (path == paths.end() ? "" : ", in " + shown_text(path->second, Layout::one_line)) + "\n");
    }
    run_.output.add("parts", {std::move(parts)});
    run_.output.add("taken_out", {std::uint64_t{taken_out}});
    if (run_.flags.verbosity == Verbosity::quiet || (parts_.empty() && !lists)) {
      return ExitStatus::ok;
    }
    run_.output.print(
        name + (is_dry ? "would copy " : "copied ") + counted(messages, "message") + " to " +
        counted(parts_.size(), "part") +
        (division_.moves && !is_dry ? ", and took " + std::to_string(taken_out) + " out" : "") +
        "\n");
    return ExitStatus::ok;
  }

  const TargetRun& run_;
  const Division& division_;
  std::map<std::string, Part> parts_;
  std::map<std::string, std::string> part_of_;  // by unique-id
  std::map<std::string, std::unique_ptr<Building>> buildings_;
  std::set<std::string> written_;
};

Result<Json::Object> place(ExportDestination& destination, const MailTarget& target) {
  const Result<std::map<std::string, std::string>> paths = destination.place_parts(target);
  if (!paths) return std::unexpected(paths.error());
  Json::Object members;
  for (const auto& [part, path] : *paths) members.emplace_back(part, Json{path});
  return members;
}

}  // namespace

ExitStatus run_split(const SplitArguments& arguments, const Settings& settings,
                     const ToolRun& run) {
  const Result<Division> division = division_of(arguments);
  if (!division) return give_up(run.terminal, Error{division.error()}.in("split"));
  if (!arguments.to) return give_up(run.terminal, {Errc::usage, "split: --to is missing"});
  Result<ExportDestination> destination =
      ExportDestination::open(system_disk(), *arguments.to, division->format, false);
  if (!destination) return give_up(run.terminal, Error{destination.error()}.in("split"));
  const bool is_dry = run.flags.mode == RunMode::dry_run;
  return run_on_targets(
      {.name = "split",
       .task = "split " + *arguments.by + " " + *arguments.to + " " +
               arguments.older_than.value_or("-") + " " + arguments.format.value_or("mbox") +
               (division->moves ? " --move" : "") + (is_dry ? " -n" : ""),
       .work =
           [&](const TargetRun& target) {
             return Splitter{target, *division}.work();
           },
       .access =
           division->moves && !is_dry ? TargetVerb::Access::changing : TargetVerb::Access::reading,
       .open_output =
           [&](const MailTarget& target) {
             return destination->begin_parts(target, run.flags.mode);
           },
       .conclude = [&](const std::string& target,
                       ExitStatus) { return destination->conclude(target, false); },
       .take_over = [&](const MailTarget& target,
                        const Json::Object&) { return place(*destination, target); }},
      arguments.selection, settings, run);
}

}  // namespace pop
