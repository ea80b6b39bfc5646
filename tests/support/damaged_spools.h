#pragma once

// Sound spools and what can become of them: each damage has a name and an expected outcome.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/defect.h"

namespace pop::test {

inline std::string sound_message(int number, std::string_view fields, std::string_view body) {
  const std::string n = std::to_string(number);
  return "From ann@example.org Thu Jan  1 00:0" + n + ":00 1970\nReturn-Path: <ann@example.org>\n" +
         "Received: from mx by host; Thu, 1 Jan 1970 00:0" + n +
         ":00 +0000\nDate: Thu, 1 Jan 1970 00:0" + n +
         ":00 +0000\nFrom: ann@example.org\nSubject: number " + n + "\nMessage-Id: <" + n +
         "@example.org>\n" + std::string{fields} + "\n" + std::string{body} + "\n";
}

/// Four messages of different kinds; the tokens t1 to t4 stand in them once each.
inline std::vector<std::string> sound_messages() {
  return {sound_message(1,
                        "X-IMAPbase: 1234567890 4 $Junk\nX-UID: 1\nStatus: RO\n"
                        "X-UIDL: stored-id-000000001\n",
                        "t1 first\n\nanother paragraph\n"),
          sound_message(2, "Content-Length: 20\nX-UID: 2\n", "t2 second\n>From him\n"),
          sound_message(3, "X-UIDL: stored-id-000000003\nX-Folded: one\n\ttwo\n",
                        "t3 third\n\nFrom time to time\n\nlast\n"),
          sound_message(4, "Status: O\n", "t4 fourth\n")};
}

inline std::string joined(const std::vector<std::string>& messages) {
  std::string all;
  for (const std::string& one : messages) all += one;
  return all;
}

inline std::string sound_spool() {
  return joined(sound_messages());
}

inline std::string sound_mmdf() {
  std::string all;
  for (const std::string& one : sound_messages()) {
    all += "\1\1\1\1\n" + one.substr(one.find('\n') + 1) + "\1\1\1\1\n";
  }
  return all;
}

inline std::string with_crlf(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\n') result += '\r';
    result += c;
  }
  return result;
}

inline std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  return at == text.npos ? "DAMAGE DOES NOT FIT" : text.replace(at, what.size(), by);
}

enum class Outcome : std::uint8_t {
  restored_alone,  // repair gives the sound spool back without any decision
  restored,        // the same if doubtful cases are decided for repair; without, nothing changes
  mended_alone,    // as many messages as `messages`, without any decision
  mended,          // the same with decisions; without, nothing changes
  left,            // nobody can mend it
};

struct Damage {
  std::string_view name;
  std::string spool;
  std::vector<DefectKind> kinds;  // all that a check finds, by offset
  Outcome outcome;
  std::size_t messages = 4;  // after the repair
  std::string sound{};       // what `restored` gives; empty: sound_spool()
};

[[nodiscard]] std::vector<Damage> damaged_spools();

}  // namespace pop::test
