#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "conf/complaint.h"
#include "conf/option_value.h"
#include "conf/settings.h"

namespace pop {

/// by_support: as tls-support says.
enum class ListenTls : std::uint8_t { by_support, none, stls, implicit };
/// Whether clients must show a Kerberos ticket before they are greeted (KPOP). by_option: as the
/// option kerberos says.
enum class ListenKerberos : std::uint8_t { by_option, no, yes };

/// Of a listener that serves TLS 1.0 and 1.1, too: for whom, and until when.
struct OldDevices {
  std::chrono::sys_days until;     // the last day, in UTC
  std::string networks;            // as NetworkList reads it, not empty
  std::vector<std::string> users;  // not empty; as LoginNames treats names
  bool operator==(const OldDevices&) const = default;
};

/// Where connections are accepted. `address` is a numeric IPv4 or IPv6 address without brackets;
/// empty: every address of this host.
struct ListenAddress {
  std::string address;
  std::uint16_t port = 110;
  ListenTls tls = ListenTls::by_support;
  ListenKerberos kerberos = ListenKerberos::by_option;
  std::optional<OldDevices> old_devices{};  // only where TLS is spoken
  bool operator==(const ListenAddress&) const = default;
};

/// Whether both are the same socket, whatever is spoken there.
[[nodiscard]] bool is_same_place(const ListenAddress& one, const ListenAddress& other);
/// What is spoken there: none, stls or implicit.
[[nodiscard]] ListenTls resolved(ListenTls tls, TlsSupport support);
/// What a client meets at a listener: nothing is left to an option.
struct Entrance {
  ListenTls tls = ListenTls::none;
  ListenKerberos kerberos = ListenKerberos::no;
  bool operator==(const Entrance&) const = default;
};
/// Where a ticket comes first, STLS is not offered: nothing would tie it to the ticket.
[[nodiscard]] Entrance resolved(ListenTls tls, ListenKerberos kerberos, const Settings& settings);
/// "none", "stls" or "implicit", as a [[listen]] table says it; "" for by_support.
[[nodiscard]] std::string_view word_of(ListenTls tls);

/// Reads "[address][:port]": 110, :110, 127.0.0.1, 127.0.0.1:110, [::1], [::1]:110.
[[nodiscard]] Judged<ListenAddress> parse_listen_address(std::string_view text);
/// "127.0.0.1:110", "[::1]:110", ":110".
[[nodiscard]] std::string to_string(const ListenAddress& listener);

/// Reads "2027-12-31"; a day that there is.
[[nodiscard]] std::optional<std::chrono::sys_days> parse_day(std::string_view text);
[[nodiscard]] std::string to_string(std::chrono::sys_days day);

enum class Grammar : std::uint8_t { toml, classic, popserv };

/// One setting read from a file.
struct Assignment {
  const Option* option;
  Value value;
  Place place;
  Grammar grammar = Grammar::toml;
};

/// What the files and the command line say, and who said it.
struct Configuration {
  Settings settings;
  std::vector<ListenAddress> listeners;
  /// One for each option, at its index_of(); an empty source is the built-in default.
  std::vector<Place> origins = std::vector<Place>(all_options().size());
  /// What is right but may surprise, to be told at the start: of popserv.conf only.
  Complaints remarks;
  /// All that files set, in order, and where they name listeners: for those who judge them.
  std::vector<Assignment> written;
  std::vector<Place> listener_places;
};

/// All that one text says. When there are complaints the rest is what could be understood.
struct ParsedText {
  std::vector<Assignment> assignments;  // in the order written
  std::vector<ListenAddress> listeners;
  std::vector<Place> listener_places;  // one for each listener
  Complaints complaints;
  Complaints remarks;  // nothing wrong, but worth telling
};

/// Parses either grammar, told apart by content: a text is TOML unless the first word of its first
/// line that is neither empty nor a comment is followed by another word, as in "set timeout", or by
/// nothing. `name` is what complaints call the text.
[[nodiscard]] ParsedText parse_configuration_text(std::string_view text, const std::string& name);

/// Content of a file that a configuration names. Errors become complaints at the naming place.
using FileReader = std::function<Result<std::string>(const std::string& path)>;

/// Reads the administrator's files: links are followed, only regular files, at most 64 MiB;
/// Errc::denied for a file that everybody may write. Blocks.
[[nodiscard]] FileReader start_up_file_reader();

/// Which rules of the table apply to a file.
enum class FileScope : std::uint8_t { start_up, spool_file, home_file };

/// config-file may nest this deep, the first file counted.
inline constexpr std::size_t deepest_config_file = 20;

/// A file to read, and who asked for it: complaints that it cannot be read point there.
struct NamedFile {
  std::string path;
  Place named_at;
};

/// Reads a file and those it names with config-file, each at its place, and applies them in that
/// order. A relative name is taken from the directory of the file that names it. On failure
/// nothing was applied and every complaint about every file is returned.
[[nodiscard]] Checked<void> apply_file(Configuration& configuration, const NamedFile& file,
                                       FileScope scope, const FileReader& read);

/// Applies what is right of them and returns what is wrong: for those who judge a configuration,
/// not for those who serve with it.
[[nodiscard]] Complaints apply_file_in_part(Configuration& configuration, const NamedFile& file,
                                            FileScope scope, const FileReader& read);

/// Same as apply_file() for a text already in hand.
[[nodiscard]] Checked<void> apply_text(Configuration& configuration, std::string_view text,
                                       const std::string& name, FileScope scope,
                                       const FileReader& read);

}  // namespace pop
