#include "bundle_table.hpp"

#include <sstream>
#include <stdexcept>

namespace winnow {
namespace {

std::string shown(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

}  // namespace

void Table::fail(const std::string& key, const std::string& what) const {
  throw std::runtime_error(file_ + ": " + (name_.empty() ? "" : name_ + ".") + key + " " + what);
}

std::string Table::text(const std::string& key) {
  const toml::node& found = node(key, "a text");
  if (!found.is_string()) fail(key, "is no text");
  return found.as_string()->get();
}

double Table::number(const std::string& key, double low, double high) {
  const toml::node& found = node(key, "a number");
  if (!found.is_number()) fail(key, "is no number");
  const double value = *found.value<double>();
  if (!(value >= low && value <= high))
    fail(key, "is " + shown(value) + ", expected " + shown(low) + " to " + shown(high));
  return value;
}

int64_t Table::integer(const std::string& key, int64_t low, int64_t high) {
  const toml::node& found = node(key, "an integer");
  if (!found.is_integer()) fail(key, "is no integer");
  const int64_t value = found.as_integer()->get();
  if (value < low || value > high)
    fail(key, "is " + std::to_string(value) + ", expected " + std::to_string(low) + " to " +
                  std::to_string(high));
  return value;
}

bool Table::boolean(const std::string& key) {
  const toml::node& found = node(key, "true or false");
  if (!found.is_boolean()) fail(key, "is neither true nor false");
  return found.as_boolean()->get();
}

std::vector<int64_t> Table::shape(const std::string& key, size_t least, size_t most) {
  std::vector<int64_t> out;
  for (const toml::node& one : list(key)) {
    const int64_t size = one.value<int64_t>().value_or(0);
    if (size < 1 || size > kLargest) fail(key, "holds something else than sizes from 1");
    out.push_back(size);
  }
  if (out.size() < least || out.size() > most)
    fail(key, "has " + std::to_string(out.size()) + " dimensions, expected " +
                  std::to_string(least) + " to " + std::to_string(most));
  return out;
}

std::vector<std::string> Table::texts(const std::string& key) {
  std::vector<std::string> out;
  for (const toml::node& one : list(key)) {
    if (!one.is_string()) fail(key, "holds something else than texts");
    out.push_back(one.as_string()->get());
  }
  return out;
}

std::vector<std::vector<int64_t>> Table::lists(const std::string& key) {
  std::vector<std::vector<int64_t>> out;
  for (const toml::node& one : list(key)) {
    if (!one.is_array()) fail(key, "holds something else than lists");
    out.emplace_back();
    for (const toml::node& number : *one.as_array()) {
      if (!number.is_integer()) fail(key, "holds lists of something else than integers");
      out.back().push_back(number.as_integer()->get());
    }
  }
  return out;
}

Table Table::table(const std::string& key) {
  const toml::node& found = node(key, "a table");
  if (!found.is_table()) fail(key, "is no table");
  return Table(file_, (name_.empty() ? "" : name_ + ".") + key, found.as_table());
}

std::vector<Table> Table::tables(const std::string& key) {
  std::vector<Table> out;
  for (const toml::node& one : list(key)) {
    if (!one.is_table()) fail(key, "holds something else than tables");
    out.emplace_back(file_, (name_.empty() ? "" : name_ + ".") + key, one.as_table());
  }
  return out;
}

void Table::finish() const {
  for (const auto& [key, value] : *table_)
    if (!asked_.count(std::string(key.str())))
      fail(std::string(key.str()), "is not known; was the bundle written by a newer exporter?");
}

const toml::node& Table::node(const std::string& key, const char* expected) {
  asked_.insert(key);
  const toml::node* found = table_->get(key);
  if (!found) fail(key, std::string("is missing, expected ") + expected);
  return *found;
}

const toml::array& Table::list(const std::string& key) {
  const toml::node& found = node(key, "a list");
  if (!found.is_array()) fail(key, "is no list");
  return *found.as_array();
}

}  // namespace winnow
