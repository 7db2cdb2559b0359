// messages_test.cpp: what a plugin's process sends is read, or refused, whatever its bytes are.
#include "host/isolation/messages.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "host/isolation/channel.hpp"
#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

std::uint64_t elements_of(const wn_tensor& tensor) {
  std::uint64_t n = 1;
  for (std::int32_t d = 0; d < tensor.ndim; ++d) n *= static_cast<std::uint64_t>(tensor.shape[d]);
  return n;
}

std::string tensor_of(const std::vector<std::int64_t>& shape, std::uint64_t bytes) {
  Writer writer;
  writer.put(wn_dtype{2, 32, 1});
  writer.array(shape);
  writer.text(std::string(bytes, 'x'));
  return writer.bytes();
}

std::string recipe_bytes() {
  float values[] = {1, 2, 3, 4};
  std::int64_t shape[] = {2, 2};
  const wn_tensor tensor{values, {1, 0}, 2, {2, 32, 1}, shape, nullptr, 0};
  const std::uint64_t parents[] = {5, 6};
  const double weights[] = {0.5, 2};
  wn_noise_recipe recipe{};
  recipe.struct_size = WN_SIZE(wn_noise_recipe, position);
  recipe.op = WN_NOISE_TENSOR;
  recipe.id = 7;
  recipe.parents = parents;
  recipe.weights = weights;
  recipe.n_parents = 2;
  recipe.tensor = &tensor;
  Writer writer;
  write_recipe(writer, recipe);
  return writer.bytes();
}

void read_recipe(std::string_view bytes) {
  Reader reader(bytes);
  const OwnedRecipe recipe(reader);
  if (recipe.table.parents) CHECK(recipe.parents.size() == recipe.table.n_parents);
  if (recipe.table.tensor)
    CHECK(elements_of(*recipe.table.tensor) * (recipe.table.tensor->dtype.bits / 8u) <=
          recipe.tensor->storage.size() * sizeof(double));
}

std::string reply_bytes() {
  return bytes_of(Reply{WN_E_INTERNAL, "all of it", {{1, "one"}, {3, "three"}}, "body"});
}

std::string sampler_info_bytes() {
  const double times[] = {1, 0.5, 0}, scale[] = {1, 2};
  wn_sampler_info info{};
  info.n_steps = 2;
  info.times = times;
  info.noise_scale = scale;
  Writer writer;
  write_sampler_info(writer, info);
  return writer.bytes();
}

void read_sampler_info(std::string_view bytes) {
  Reader reader(bytes);
  const OwnedSamplerInfo owned(reader);
  const wn_sampler_info info = owned.lent();
  if (info.times) CHECK(owned.times.size() == info.n_steps + 1ull);
  if (info.noise_scale) CHECK(owned.noise_scale.size() == info.n_steps);
}

}  // namespace

TEST_CASE("recipes, replies and descriptions arrive as they were sent", "[isolation]") {
  const std::string bytes = recipe_bytes();
  Reader reader(bytes);
  const OwnedRecipe recipe(reader);
  CHECK(recipe.table.id == 7);
  CHECK(recipe.parents == std::vector<std::uint64_t>{5, 6});
  CHECK(recipe.weights == std::vector<double>{0.5, 2});
  REQUIRE(recipe.table.tensor);
  CHECK(static_cast<const float*>(recipe.table.tensor->data)[3] == 4);
  CHECK(reader.rest().empty());

  const Reply reply = read_reply(reply_bytes());
  CHECK(reply.status == WN_E_INTERNAL);
  CHECK(reply.text == "all of it");
  CHECK(reply.items[1] == std::pair<std::uint64_t, std::string>{3, "three"});
  CHECK(reply.body == "body");
  CHECK_NOTHROW(read_sampler_info(sampler_info_bytes()));
}

TEST_CASE("shapes that lie about their size are refused", "[isolation]") {
  const auto read = [](const std::string& bytes) {
    Reader reader(bytes);
    const OwnedTensor tensor(reader);
  };
  CHECK_NOTHROW(read(tensor_of({2, 2}, 16)));
  CHECK_THROWS_AS(read(tensor_of({2, 2}, 12)), Malformed);
  CHECK_THROWS_AS(read(tensor_of({-2, -2}, 0)), Malformed);
  CHECK_THROWS_AS(read(tensor_of({-2, -2}, 16)), Malformed);
  CHECK_THROWS_AS(read(tensor_of({1ll << 62, 8}, 0)), Malformed);  // 2^67 bytes are 8 modulo 2^64
  CHECK_THROWS_AS(read(tensor_of({1ll << 33, 1ll << 33}, 0)), Malformed);
  CHECK_THROWS_AS(read(tensor_of(std::vector<std::int64_t>(1000, 1), 4)), Malformed);
}

TEST_CASE("bytes that were altered are read within their bounds, or refused", "[isolation]") {
  struct Kind {
    std::string bytes;
    void (*read)(std::string_view);
  };
  const Kind kinds[] = {{recipe_bytes(), read_recipe},
                        {reply_bytes(), [](std::string_view bytes) { read_reply(bytes); }},
                        {sampler_info_bytes(), read_sampler_info}};
  std::mt19937 random(5);
  std::size_t read = 0, refused = 0;
  for (const Kind& kind : kinds)
    for (int i = 0; i < 20'000; ++i) {
      std::string bytes =
          kind.bytes.substr(0, i % 3 ? kind.bytes.size() : random() % kind.bytes.size());
      for (int k = i % 4; k > 0 && !bytes.empty(); --k)
        bytes[random() % bytes.size()] = static_cast<char>(random() % 2 ? random() : 0xff);
      try {
        kind.read(bytes);
        ++read;
      } catch (const Malformed&) {
        ++refused;
      }
    }
  CHECK(read > 1000);
  CHECK(refused > 1000);
}

TEST_CASE("problems and results are the same bytes wherever they lie", "[isolation]") {
  const auto bytes = [](const std::vector<double>& times, const std::vector<double>& scores) {
    wn_problem problem{};
    problem.n_steps[0] = 2;
    problem.times[0] = times.data();
    wn_result result{};
    result.scores = scores.data();
    result.n_scores = scores.size();
    const wn_result* results[] = {&result, &result};
    Writer writer;
    write_problem(writer, problem);
    write_results(writer, results, 2);
    return writer.bytes();
  };
  const std::vector<double> times{1, 0.5, 0}, scores{0.25};
  const std::string first = bytes(times, scores);
  CHECK(first == bytes(std::vector<double>(times), std::vector<double>(scores)));
  Reader reader(first);
  const OwnedProblem problem(reader);
  const OwnedResults results(reader);
  CHECK(problem.table.times[0][1] == 0.5);
  CHECK(problem.table.times[1] == nullptr);
  CHECK(problem.table.nfe[0] == nullptr);
  CHECK(results.pointers[1]->scores[0] == 0.25);
}

TEST_CASE("sending to a process that does not read can be given up", "[isolation]") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  Channel channel(ends[0], 1);
  int turns = 0;
  CHECK_FALSE(channel.send(Message::kTell, std::string(8 << 20, 'x'), [&] { return ++turns < 3; }));
  CHECK(turns == 3);
  ::close(ends[1]);
}
