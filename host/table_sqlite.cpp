// table_sqlite.cpp: tables as a SQLite database (write_sqlite of table.hpp).
#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include "host/disk.hpp"
#include "host/table.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

std::string quoted(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + '"';
}

const char* type_of(const Table& table, std::size_t column) {
  bool text = false, real = false;
  for (const auto& row : table.rows) {
    text |= std::holds_alternative<std::string>(row[column]);
    real |= std::holds_alternative<double>(row[column]);
  }
  return text ? "TEXT" : real ? "REAL" : "INTEGER";
}

void bind(SQLite::Statement& statement, int index, const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) {
    statement.bind(index, *text);
  } else if (const auto* integer = std::get_if<std::int64_t>(&cell)) {
    statement.bind(index, *integer);
  } else if (const auto* real = std::get_if<double>(&cell)) {
    statement.bind(index, *real);
  } else {
    statement.bind(index);  // NULL
  }
}

void insert_table(SQLite::Database& database, const std::string& name, const Table& table) {
  std::string columns, marks;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    columns += fmt::format("{}{} {}", i ? ", " : "", quoted(table.columns[i]), type_of(table, i));
    marks += i ? ", ?" : "?";
  }
  database.exec(fmt::format("CREATE TABLE {} ({})", quoted(name), columns));
  SQLite::Statement statement(database,
                              fmt::format("INSERT INTO {} VALUES ({})", quoted(name), marks));
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) bind(statement, static_cast<int>(i) + 1, row[i]);
    statement.exec();
    statement.reset();
  }
}

}  // namespace

void write_sqlite(const fs::path& file, const std::map<std::string, Table>& tables) {
  const fs::path temporary =
      file.parent_path() / (disk::kTemporary.data() + file.filename().string());
  std::error_code ignored;
  fs::remove(temporary, ignored);
  try {
    {
      SQLite::Database database(temporary.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
      // Nobody reads it before it has its name, and it can be made again at any time.
      database.exec("PRAGMA journal_mode = OFF");
      database.exec("PRAGMA synchronous = OFF");
      SQLite::Transaction transaction(database);
      for (const auto& [name, table] : tables) insert_table(database, name, table);
      transaction.commit();
    }
    fs::rename(temporary, file);
  } catch (const SQLite::Exception& error) {
    fs::remove(temporary, ignored);
    throw Error(Exit::kResources,
                fmt::format("cannot write '{}': {}", file.string(), error.what()));
  }
}

}  // namespace winnow
