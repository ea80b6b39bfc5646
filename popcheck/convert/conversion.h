#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/configuration.h"

namespace pop {

/// What another server's configuration becomes here, and what of it does not.
class ForeignConfiguration {
 public:
  /// A value as our classic grammar has it; one that the option does not take becomes a note.
  void set(std::string_view option, std::string_view value, const Place& place);
  void listen(const ListenAddress& listener, const Place& place);
  /// What could not be carried over, or not wholly: one line, without a final period.
  void note(const Place& place, std::string what);
  /// Takes over what our own parsers have read.
  void take(const Configuration& configuration);

  [[nodiscard]] bool has(std::string_view option) const;
  [[nodiscard]] const Configuration& configuration() const { return configuration_; }
  [[nodiscard]] const Complaints& notes() const { return notes_; }

  /// The whole as our TOML, notes as comments.
  [[nodiscard]] std::string to_toml() const;

 private:
  Configuration configuration_;
  Complaints notes_;
};

/// A text and what notes call it.
struct ForeignText {
  std::string_view text;
  std::string name;
};

/// Words of popper's old command line, without the program's name. Files that they name are read.
void convert_flags(ForeignConfiguration& conversion, const std::vector<std::string>& words,
                   const Place& place);
/// A configuration file of Qpopper.
void convert_qpopper(ForeignConfiguration& conversion, const ForeignText& file);
/// popserv.conf.
void convert_popserv(ForeignConfiguration& conversion, const ForeignText& file);
/// The lines of inetd.conf that are about POP3.
void convert_inetd(ForeignConfiguration& conversion, const ForeignText& file);
/// The services of an xinetd file that are about POP3.
void convert_xinetd(ForeignConfiguration& conversion, const ForeignText& file);
/// The POP3 part of dovecot.conf, 2.3 or 2.4, best as doveconf -n prints it.
void convert_dovecot(ForeignConfiguration& conversion, const ForeignText& file);
/// Courier's pop3d or pop3d-ssl.
void convert_courier(ForeignConfiguration& conversion, const ForeignText& file);

/// Blank-separated words; quotes of either kind hold blanks.
[[nodiscard]] std::vector<std::string> words_of(std::string_view text);
/// The lines with their numbers from 1; a backslash at the end joins the next line.
struct ForeignLine {
  std::string text;  // trimmed
  std::size_t number;
};
[[nodiscard]] std::vector<ForeignLine> lines_of(std::string_view text);
/// The text between quotes, if there are any around it.
[[nodiscard]] std::string_view unquoted(std::string_view text);

}  // namespace pop
