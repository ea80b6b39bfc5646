#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>

#include "conf/option_table.h"

namespace pop {

/// A value on its way into Settings; a mnemonic travels as its word.
using Value = std::variant<bool, std::int64_t, std::string>;

/// The value or what is wrong with it, fit for Complaint::what.
template <class T>
using Judged = std::expected<T, std::string>;

/// Whether text came in quotes: then it is no boolean and no integer.
enum class Quoting : std::uint8_t { bare, quoted };

/// Reads what the classic grammar and the command line write: true/false/1/0, integers in C
/// notation, mnemonics in any case, anything else as it is. The result has passed check_value().
[[nodiscard]] Judged<Value> read_value(const Option& option, std::string_view text,
                                       Quoting quoting = Quoting::bare);

/// Type, range, form, known mnemonic, and that this version can do it.
[[nodiscard]] Judged<void> check_value(const Option& option, const Value& value);

/// Puts a checked value in its field; tls-options is added to what is there. config-file has no
/// field. A value of a wrong type is a bug of the caller.
void store_value(Settings& settings, const Option& option, const Value& value);
/// The field's present value.
[[nodiscard]] Value load_value(const Settings& settings, const Option& option);
/// Back to the default.
void reset_value(Settings& settings, const Option& option);

/// "set NAME = VALUE" of the classic grammar; read back it gives the same value.
[[nodiscard]] std::string to_classic(const Option& option, const Value& value);
/// The value alone, as the classic grammar or TOML writes it.
[[nodiscard]] std::string classic_text(const Value& value);
[[nodiscard]] std::string toml_text(const Value& value);

}  // namespace pop
