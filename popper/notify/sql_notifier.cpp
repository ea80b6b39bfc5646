#include "popper/notify/sql_notifier.h"

#include <errmsg.h>
#include <mysql.h>

#include <optional>
#include <utility>

#include "base/secret.h"
#include "base/shared_library.h"
#include "base/text.h"
#include "conf/service_address.h"

namespace pop {
namespace {

constexpr unsigned patience_seconds = 5;

struct Functions {
  decltype(::mysql_init)* init = nullptr;
  decltype(::mysql_optionsv)* set_option = nullptr;
  decltype(::mysql_real_connect)* connect = nullptr;
  decltype(::mysql_real_escape_string)* escape = nullptr;
  decltype(::mysql_real_query)* query = nullptr;
  decltype(::mysql_store_result)* store_result = nullptr;
  decltype(::mysql_free_result)* free_result = nullptr;
  decltype(::mysql_next_result)* next_result = nullptr;
  decltype(::mysql_errno)* error_number = nullptr;
  decltype(::mysql_error)* error_text = nullptr;
  decltype(::mysql_close)* close = nullptr;
};

bool find_all(const SharedLibrary& library, Functions& call) {
  return library.find("mysql_init", call.init) && library.find("mysql_optionsv", call.set_option) &&
         library.find("mysql_real_connect", call.connect) &&
         library.find("mysql_real_escape_string", call.escape) &&
         library.find("mysql_real_query", call.query) &&
         library.find("mysql_store_result", call.store_result) &&
         library.find("mysql_free_result", call.free_result) &&
         library.find("mysql_next_result", call.next_result) &&
         library.find("mysql_errno", call.error_number) &&
         library.find("mysql_error", call.error_text) && library.find("mysql_close", call.close);
}

struct Database {
  ServiceAddress server;
  std::string user, name;
  Secret password;
};

/// One connection to the database. Its functions come from a library that must outlive it.
class Connection {
 public:
  [[nodiscard]] static Result<Connection> open(const Functions& call, const Database& database) {
    Connection connection{call, call.init(nullptr)};
    if (!connection.handle_) return fail(Errc::io, "no memory for a connection");
    for (const mysql_option timeout :
         {MYSQL_OPT_CONNECT_TIMEOUT, MYSQL_OPT_READ_TIMEOUT, MYSQL_OPT_WRITE_TIMEOUT}) {
      call.set_option(connection.handle_.get(), timeout, &patience_seconds);
    }
    // Quoting depends on the character set, so both sides must mean the same one.
    call.set_option(connection.handle_.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
    const std::string password{database.password.octets()};
    if (call.connect(connection.handle_.get(), database.server.host.c_str(), database.user.c_str(),
                     password.c_str(), database.name.c_str(), database.server.port, nullptr,
                     0) == nullptr) {
      return std::unexpected(connection.error());
    }
    return connection;
  }

  [[nodiscard]] std::string quoted(std::string_view text) const {
    std::string room(2 * text.size() + 1, '\0');
    const unsigned long size = call_.escape(handle_.get(), room.data(), text.data(), text.size());
    room.resize(size);
    return "'" + room + "'";
  }

  /// Whatever it selects is thrown away. Errc::changed when the connection has broken.
  [[nodiscard]] Result<void> execute(std::string_view statement) {
    if (call_.query(handle_.get(), statement.data(), statement.size()) != 0) {
      return std::unexpected(error());
    }
    int more = 0;
    do {  // of a procedure
      if (MYSQL_RES* const result = call_.store_result(handle_.get())) call_.free_result(result);
      more = call_.next_result(handle_.get());
    } while (more == 0);
    if (more > 0) return std::unexpected(error());
    return {};
  }

 private:
  struct Close {
    decltype(::mysql_close)* close;
    void operator()(MYSQL* handle) const noexcept { close(handle); }
  };
  Connection(const Functions& call, MYSQL* handle) : call_{call}, handle_{handle, {call.close}} {}

  [[nodiscard]] Error error() const {
    const unsigned number = call_.error_number(handle_.get());
    const bool broken = number == CR_SERVER_GONE_ERROR || number == CR_SERVER_LOST;
    return {broken ? Errc::changed : Errc::io,
            std::to_string(number) + " " + escaped(call_.error_text(handle_.get()), 512)};
  }

  Functions call_;
  std::unique_ptr<MYSQL, Close> handle_;
};

class SqlNotifier final : public LoginNotifier {
 public:
  SqlNotifier(Database database, QueryTemplate query)
      : database_{std::move(database)}, query_{std::move(query)} {}

  [[nodiscard]] std::string_view name() const override { return "loginfo"; }

  [[nodiscard]] Result<void> tell(const LoginNotice& notice) override {
    if (notice.kind != LoginNotice::Kind::login) return {};
    if (Result<void> loaded = load(); !loaded) return loaded;
    const bool was_connected = connection_.has_value();
    Result<void> done = execute(notice);
    // The server hangs up on idle connections.
    if (!done && was_connected && done.error().code == Errc::changed) done = execute(notice);
    return done;
  }

 private:
  [[nodiscard]] Result<void> load() {
    if (library_) return {};
    Result<SharedLibrary> library = SharedLibrary::load("libmariadb.so.3");
    if (!library) return std::unexpected(std::move(library).error());
    if (!find_all(*library, call_)) return fail(Errc::not_found, "libmariadb lacks a function");
    library_ = std::move(*library);
    return {};
  }

  [[nodiscard]] Result<void> execute(const LoginNotice& notice) {
    if (!connection_) {
      Result<Connection> opened = Connection::open(call_, database_);
      if (!opened) return std::unexpected(std::move(opened).error());
      connection_ = std::move(*opened);
    }
    const std::string statement =
        fill(query_, notice, [&](std::string_view text) { return connection_->quoted(text); });
    Result<void> done = connection_->execute(statement);
    if (!done && done.error().code == Errc::changed) connection_.reset();
    return done;
  }

  Database database_;
  QueryTemplate query_;
  std::optional<SharedLibrary> library_;  // outlives the connection
  Functions call_;
  std::optional<Connection> connection_;
};

}  // namespace

std::string fill(const QueryTemplate& query, const LoginNotice& notice,
                 const std::function<std::string(std::string_view)>& quoted) {
  std::string statement;
  for (const QueryTemplate::Piece& piece : query.pieces()) {
    statement += piece.text;
    switch (piece.then) {
      case QueryTemplate::Place::none:
        break;
      case QueryTemplate::Place::user:
        statement += quoted(notice.user);
        break;
      case QueryTemplate::Place::address:
        statement += quoted(notice.address);
        break;
      case QueryTemplate::Place::host:
        statement += quoted(notice.host);
        break;
    }
  }
  return statement;
}

Result<std::unique_ptr<LoginNotifier>> make_sql_notifier(const Settings& settings) {
  Judged<ServiceAddress> server = parse_service_address(settings.loginfo_host);
  if (!server) return fail(Errc::usage, "loginfo-host " + server.error());
  Judged<QueryTemplate> query = QueryTemplate::parse(settings.loginfo_query);
  if (!query) return fail(Errc::usage, "loginfo-query " + query.error());
  return std::make_unique<SqlNotifier>(
      Database{std::move(*server), settings.loginfo_user, settings.loginfo_database,
               Secret{settings.loginfo_password}},
      std::move(*query));
}

}  // namespace pop
