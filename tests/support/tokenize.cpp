// tokenize FILE: a JSON string per line of standard input becomes the ids that the tokenizer.json
// gives, or one line that says why not. For comparisons with other implementations; see
// tests/golden/tokenizer_reference.py.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "plugins/samplers/tokenizer/tokenizer.hpp"

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: tokenize FILE < TEXTS");
  const auto tokenizer = winnow::Tokenizer::load(argv[1]);
  for (std::string line; std::getline(std::cin, line);) {
    try {
      const std::string text = nlohmann::json::parse(line).get<std::string>();
      std::cout << nlohmann::json(tokenizer.encode(text).ids).dump() << '\n';
    } catch (const std::exception& error) {
      std::cout << "error: " << error.what() << '\n';
    }
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
