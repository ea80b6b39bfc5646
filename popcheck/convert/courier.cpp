#include <algorithm>
#include <array>

#include "base/text.h"
#include "popcheck/convert/conversion.h"

namespace pop {
namespace {

bool is_yes(std::string_view value) {
  return equal_ignoring_case(value, "yes") || value == "1";
}

/// PORT=110,192.0.2.1.110 and ADDRESS=192.0.2.1; 0 is every address.
void listen(ForeignConfiguration& conversion, std::string_view ports, std::string_view address,
            ListenTls tls, const Place& place) {
  while (!ports.empty()) {
    const std::size_t end = std::min(ports.find(','), ports.size());
    std::string_view port = ports.substr(0, end);
    ports.remove_prefix(std::min(end + 1, ports.size()));
    std::string_view host = address;
    if (const std::size_t dot = port.rfind('.'); dot != std::string_view::npos) {
      host = port.substr(0, dot);
      port.remove_prefix(dot + 1);
    }
    if (host == "0") host = "";
    const bool is_ipv6 = host.find(':') != std::string_view::npos;
    const std::string text =
        (is_ipv6 ? "[" + std::string{host} + "]" : std::string{host}) + ":" + std::string{port};
    Judged<ListenAddress> listener = parse_listen_address(text);
    if (!listener) {
      conversion.note(place, listener.error());
      continue;
    }
    listener->tls = tls;
    conversion.listen(*listener, place);
  }
}

/// The variables of one file, as its shell reads them.
class CourierFile {
 public:
  CourierFile(ForeignConfiguration& conversion, const ForeignText& file)
      : conversion_{conversion}, name_{file.name} {
    for (const ForeignLine& line : lines_of(file.text)) read(line);
  }

  void convert() {
    for (const Variable& one : variables_) convert(one);
    const std::string_view ssl_port = value_of("SSLPORT");
    const bool speaks_stls = !has("POP3_STARTTLS") || is_yes(value_of("POP3_STARTTLS"));
    if (!ssl_port.empty()) {
      const bool is_on = !has("POP3DSSLSTART") || is_yes(value_of("POP3DSSLSTART"));
      if (is_on) {
        listen(conversion_, ssl_port, value_of("SSLADDRESS"), ListenTls::implicit,
               place_of("SSLPORT"));
      }
      if (speaks_stls) conversion_.set("tls-support", "stls", place_of("SSLPORT"));
    }
    if (has("PORT")) {
      listen(conversion_, value_of("PORT"), value_of("ADDRESS"), ListenTls::by_support,
             place_of("PORT"));
    }
  }

 private:
  struct Variable {
    std::string name, value;
    Place place;
  };

  void read(const ForeignLine& line) {
    const std::size_t equals = line.text.find('=');
    if (line.text.empty() || line.text.starts_with('#')) return;
    if (equals == std::string::npos) {
      return conversion_.note({name_, line.number, 1}, "not understood: " + escaped(line.text, 80));
    }
    variables_.push_back({std::string{trimmed(std::string_view{line.text}.substr(0, equals))},
                          std::string{unquoted(std::string_view{line.text}.substr(equals + 1))},
                          {name_, line.number, 1}});
  }

  [[nodiscard]] const Variable* find(std::string_view name) const {
    const auto found = std::ranges::find(variables_, name, &Variable::name);
    return found == variables_.end() ? nullptr : &*found;
  }
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  [[nodiscard]] std::string_view value_of(std::string_view name) const {
    const Variable* const found = find(name);
    return found ? std::string_view{found->value} : std::string_view{};
  }
  [[nodiscard]] Place place_of(std::string_view name) const {
    const Variable* const found = find(name);
    return found ? found->place : Place{name_};
  }

  void convert(const Variable& one) {
    struct Direct {
      std::string_view variable, option;
    };
    constexpr std::array direct{
        Direct{"MAXDAEMONS", "max-connections"},
        Direct{"MAXPERIP", "max-connections-per-address"},
        Direct{"TLS_CERTFILE", "tls-server-cert-file"},
        Direct{"TLS_PRIVATE_KEYFILE", "tls-private-key-file"},
        Direct{"TLS_TRUSTCERTS", "tls-client-ca-file"},
        Direct{"TLS_CIPHER_LIST", "tls-cipher-list"},
    };
    if (one.value.empty()) return;
    const auto found = std::ranges::find(direct, one.name, &Direct::variable);
    if (found != direct.end()) return conversion_.set(found->option, one.value, one.place);
    convert_special(one);
  }

  void convert_special(const Variable& one) {
    constexpr std::array known{"PORT",       "ADDRESS",       "SSLPORT",       "SSLADDRESS",
                               "PIDFILE",    "SSLPIDFILE",    "POP3_STARTTLS", "POP3DSSLSTART",
                               "LOGGEROPTS", "SSLLOGGEROPTS", "COURIERTLS"};
    if (std::ranges::find(known, std::string_view{one.name}) != known.end()) return;
    if (one.name == "MAILDIRPATH" || one.name == "MAILDIR") {
      if (has("MAILDIRPATH") && one.name == "MAILDIR") return;
      conversion_.set("home-dir-mail", one.value, one.place);
      return conversion_.set("mail-format", "maildir", one.place);
    }
    if (one.name == "POP3_TLS_REQUIRED") {
      if (is_yes(one.value)) conversion_.set("clear-text-password", "tls", one.place);
      return;
    }
    if (one.name == "POP3_PROXY" && !is_yes(one.value)) return;
    if (one.name == "POP3DSTART") {
      if (!is_yes(one.value)) {
        conversion_.note(one.place, "the service is disabled; it is converted as if it were not");
      }
      return;
    }
    if (one.name == "TCPDOPTS") {
      if (one.value.find("-nodnslookup") != std::string::npos) {
        conversion_.set("reverse-lookup", "false", one.place);
      }
      return;
    }
    if (one.name == "TLS_VERIFYPEER") return convert_verification(one);
    if (one.name == "TLS_PROTOCOL") return convert_protocol(one);
    if (one.name == "POP3AUTH" || one.name == "POP3AUTH_TLS") {
      return conversion_.note(one.place, one.name + "=" + escaped(one.value, 200) +
                                             ": all good mechanisms are offered; sasl-mechanisms "
                                             "would choose among them");
    }
    conversion_.note(one.place,
                     escaped(one.name, 80) + "=" + escaped(one.value, 80) + " has no counterpart");
  }

  void convert_verification(const Variable& one) {
    if (one.value == "NONE") return;
    const std::string_view whether = one.value == "REQUIREPEER" ? "required" : "optional";
    if (one.value == "PEER" || one.value == "REQUIREPEER") {
      return conversion_.set("tls-client-certificates", whether, one.place);
    }
    conversion_.note(one.place, "TLS_VERIFYPEER=" + escaped(one.value, 40) + " is not known");
  }

  void convert_protocol(const Variable& one) {
    if (one.value.find("1_3") != std::string::npos || one.value.find("1.3") != std::string::npos) {
      return conversion_.set("tls-version", "1.3", one.place);
    }
    conversion_.note(one.place,
                     "TLS_PROTOCOL=" + escaped(one.value, 40) + ": TLS 1.2 and 1.3 are spoken");
  }

  ForeignConfiguration& conversion_;
  std::string name_;
  std::vector<Variable> variables_;
};

}  // namespace

void convert_courier(ForeignConfiguration& conversion, const ForeignText& file) {
  CourierFile{conversion, file}.convert();
}

}  // namespace pop
