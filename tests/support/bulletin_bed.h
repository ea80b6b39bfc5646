#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "bull/bulletin_delivery.h"
#include "fault/struck_host.h"
#include "support/catch.h"
#include "support/impatient_clock.h"
#include "support/temporary_directory.h"

namespace pop::test {

inline const std::string old_mail =
    "From ann@example.org Thu Jan  1 00:00:00 1970\nFrom: ann@example.org\nSubject: old\n\nold\n\n";

inline std::string bulletin_text(int number) {
  return "From qpop Wed Nov  9 13:31:08 1994\nSubject: bulletin " + std::to_string(number) +
         "\nTo: all\n\nnews " + std::to_string(number) + "\n";
}

enum class Form : std::uint8_t { mbox, mmdf, maildir };

/// A user's home and spool in one directory, and bulletins 1 to 3, of which he has had the first,
/// in another one.
struct Bed {
  TemporaryDirectory bulletins{TemporaryDirectory::Place::memory};
  TemporaryDirectory world{TemporaryDirectory::Place::memory};
  Form form;

  explicit Bed(Form wanted) : form{wanted} {
    if (form == Form::mbox) put_file(world / "jo", old_mail);
    if (form == Form::mmdf) {
      const std::string marks = "\1\1\1\1\n";
      put_file(world / "jo", marks + "Subject: old\n\nold\n" + marks);
    }
    if (form != Form::maildir) ::chmod((world / "jo").c_str(), 0600);
    put_file(world / ".popbull", "1\n");
    for (int number = 1; number <= 3; ++number) put(number);
  }
  void put(int number) const {
    put_file(bulletins / (std::to_string(number) + ".x"), bulletin_text(number));
  }
};

struct Login {
  Bed& bed;
  Disk& disk;
  std::filesystem::path root;
  ImpatientClock clock{};
  Settings settings{};
  MailUser user{};

  Login(Bed& in, Disk& on, std::filesystem::path where)
      : bed{in}, disk{on}, root{std::move(where)} {
    settings = settings_after_strike(root);
    settings.bulldir = bed.bulletins.path();
    settings.server_mode = true;
    if (bed.form == Form::maildir) settings.mail_format = MailFormat::maildir;
    user = {"jo", ::geteuid(), ::getegid(), root, {}, {}};
  }
  [[nodiscard]] MaildropContext context() { return {settings, disk, clock}; }

  // The subjects that the session lists.
  struct Session {
    std::unique_ptr<Maildrop> maildrop;
    Result<BulletinsDelivered> delivered;
  };
  [[nodiscard]] Session open() {
    Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(context(), user);
    INFO((maildrop ? std::string{} : maildrop.error().text));
    REQUIRE(maildrop);
    PopbullNumbers numbers{disk, settings, user};
    Result<BulletinsDelivered> delivered =
        deliver_bulletins(context(), Recipient{"jo"}, "host", numbers, **maildrop);
    if (delivered && !delivered->files.empty()) REQUIRE((*maildrop)->list_again());
    return {std::move(*maildrop), std::move(delivered)};
  }
};

inline std::map<std::string, int> subjects(Maildrop& maildrop) {
  std::map<std::string, int> all;
  for (std::uint32_t number = 1; number <= maildrop.messages().size(); ++number) {
    auto reader = maildrop.open({number});
    REQUIRE(reader);
    std::string text(4096, '\0');
    const Result<std::size_t> got = (*reader)->read(text);
    REQUIRE(got);
    const std::size_t at = text.find("Subject: ") + 9;
    ++all[text.substr(at, text.find('\n', at) - at)];
  }
  return all;
}

using Counts = std::map<std::string, int>;

inline Counts expected(Form form, std::initializer_list<int> bulletins) {
  Counts counts;
  if (form != Form::maildir) counts["old"] = 1;
  for (const int number : bulletins) counts["bulletin " + std::to_string(number)] = 1;
  return counts;
}

}  // namespace pop::test
