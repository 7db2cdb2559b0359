// isolated_verifier_test.cpp: verifiers in processes of their own: the same numbers, deaths that
// are survived and attributed, a fence.
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>

#include "host/isolation/channel.hpp"
#include "tests/isolation/attempts.hpp"
#include "tests/support/judge.hpp"

using namespace winnow;
using namespace winnow::test;

Registry winnow::test::plugins_to_judge() { return scan({DEADLY, TEST_PLUGINS, PLUGINS}); }

namespace {

// What item 3 says when its sample kills in that way; all others must be right.
std::string last_will(const std::string& how, Isolation isolation = isolated()) {
  Judge judge("test.deadly", deadly(how), isolation);
  judge.poison(3);
  const ItemFailures failures = judge.score();
  for (std::size_t i = 0; i < failures.size(); ++i) {
    INFO(how << ", item " << i << ": " << failures[i].text);
    CHECK((failures[i].status != WN_OK) == (i == 3));
    if (i != 3) CHECK(judge.scores[i] == static_cast<float>(i) / 10);
  }
  judge.samples.item(3)[0] = 0.3f;  // it is as good as new
  CHECK(judge.score()[3].status == WN_OK);
  return failures[3].text;
}

// Where plugins keep their files, for a test of its own.
struct Cache {
  Cache() { ::setenv("XDG_CACHE_HOME", folder.path().c_str(), 1); }
  ~Cache() { ::unsetenv("XDG_CACHE_HOME"); }
  std::filesystem::path marks() const { return folder / "winnow/plugins/test.deadly/marks"; }
  TemporaryFolder folder;
};

// The package with another [isolation] table.
Registry deadly_with(const TemporaryFolder& folder, const std::string& isolation) {
  std::filesystem::copy(std::filesystem::path(DEADLY) / "test.deadly", folder / "p");
  std::string manifest = read_bytes(folder / "p/winnow-plugin.toml");
  const std::string before = "[isolation]\nwrites = [\"marks\"]\n";
  manifest.replace(manifest.find(before), before.size(), "[isolation]\n" + isolation);
  write_bytes(folder / "p/winnow-plugin.toml", manifest);
  return scan({folder.path()});
}

// The cores on which this process may run.
int cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof set, &set);
  return CPU_COUNT(&set);
}

VerifierBatch one_item(const Judge& judge, const Tensor& sample) {
  VerifierBatch one = judge.batch();
  one.samples = &sample;
  one.conditions.resize(1);
  one.candidates.resize(1);
  return one;
}

}  // namespace

TEST_CASE("scores, gradients and features are the same in a process of its own", "[isolation]") {
  using Options = std::vector<OptionValue>;
  const Options no_previews{{"time", WN_OPT_F64, OptionData(-1.0)}};
  for (const auto& [id, options] : {std::pair{"winnow.toy.first_pixel", Options()},
                                    {"winnow.toy.sometimes_nan", no_previews}}) {
    Judge here(id, options, in_process()), there(id, options, isolated());
    const ItemFailures failures = here.score(), other = there.score();
    CHECK(here.verifier.memory() == nullptr);
    REQUIRE(there.verifier.memory() != nullptr);
    for (std::size_t i = 0; i < failures.size(); ++i) {
      CHECK(failures[i].text == other[i].text);
      if (failures[i].status == WN_OK) CHECK(here.scores[i] == there.scores[i]);
    }
  }
  const std::vector<OptionValue> target{{"time", WN_OPT_F64, OptionData(-1.0)},
                                        {"value", WN_OPT_F64, OptionData(0.25)}};
  Judge here("winnow.toy.target", target, in_process()),
      there("winnow.toy.target", target, isolated());
  Tensor g(5, std::array<std::int64_t, 3>{1, 2, 2}), h(5, std::array<std::int64_t, 3>{1, 2, 2});
  here.verifier.grad(here.batch(), g);
  there.verifier.grad(there.batch(), h);
  CHECK(std::ranges::equal(g.values(), h.values()));

  const std::vector<OptionValue> network{text("network", "n")};
  Judge near("winnow.toy.features", network, in_process()),
      far("winnow.toy.features", network, isolated());
  CHECK(far.verifier.features_info().network == "n");
  std::vector<float> a(15), b(15), p(10), q(10);
  const ItemFailures first = near.verifier.features(near.batch(), a, p),
                     second = far.verifier.features(far.batch(), b, q);
  CHECK(first[0].text == "winnow.toy.features: the picture is black (invalid argument)");
  CHECK(second[0].text == first[0].text);
  CHECK(std::ranges::equal(a, b));
  CHECK(std::ranges::equal(p, q));
}

TEST_CASE("a sample that kills its verifier fails alone, with the reason", "[isolation]") {
  CHECK_THAT(last_will("segv"), Contains("killed by SIGSEGV in score, item 3 alone; 2 of 3 "
                                         "restarts left"));
  CHECK_THAT(last_will("abort"), Contains("killed by SIGABRT in score"));
  CHECK_THAT(last_will("exit"), Contains("exited with status 0 in score"));
  CHECK_THAT(last_will("_exit"), Contains("exited with status 7 in score"));
  CHECK_THAT(last_will("kill"), Contains("killed by SIGKILL in score"));
  CHECK_THAT(last_will("stack"), Contains("killed by SIGSEGV in score"));
  CHECK_THAT(last_will("terminate"), Contains("killed by SIGABRT (last words: terminate called"));
  CHECK_THAT(last_will("words"), Contains("(last words: out of cheese) in score"));
  CHECK_THAT(last_will("inputs"), Contains("killed by SIGSEGV in score"));
  CHECK_THAT(last_will("garbage"), Contains("sent a malformed message in score"));
  CHECK_THAT(last_will("close"), Contains(" in score, item 3 alone"));
}

TEST_CASE("a sample that hangs its verifier fails alone", "[isolation]") {
  for (const char* how : {"hang", "deadlock"}) {
    Judge judge("test.deadly", deadly(how), isolated(0.1), 2);
    judge.poison(1);
    const ItemFailures failures = judge.score();
    CHECK(failures[0].text == "");
    CHECK_THAT(failures[1].text,
               Contains("did not come back from score within 0.1 s, item 1 alone"));
  }
}

TEST_CASE("a leak ends at the limit, a flood is cut off", "[isolation]") {
#if !defined(__SANITIZE_ADDRESS__)  // no limit then
  Isolation isolation = isolated();
  isolation.memory = 192 << 20;
  CHECK_THAT(last_will("leak", isolation), Contains("killed by SIGABRT in score"));
  CHECK_THAT(last_will("share", isolation), Contains("shared more memory than [execution] "
                                                     "plugin_memory in score"));
#endif
  CHECK_THAT(last_will("holes"), Contains("read far behind the tensors that it was lent in score"));
  const std::string log = logged([] { CHECK_THAT(last_will("flood"), Contains("SIGABRT")); });
  CHECK_THAT(log, Contains("the rest is not shown"));
  CHECK(log.size() < 1'000'000);
}

TEST_CASE("a plugin that never falls silent is stopped like any other, and cut off",
          "[isolation]") {
  const std::string log = logged([] {
    Judge judge("test.deadly", deadly("chatter"), isolated(0.1), 1);
    judge.poison(0);
    CHECK_THAT(judge.score()[0].text,
               Contains("did not come back from score within 0.1 s, item 0 alone"));
  });
  CHECK_THAT(log, Contains("test.deadly: ?[31mno end?error: forged\n"));
  CHECK(log.find("\nerror") == std::string::npos);
  CHECK(log.size() < 3'000'000);
}

TEST_CASE("what dies once is done again, and no item fails", "[isolation]") {
  const Cache cache;
  const auto mark = cache.marks() / "once";
  for (const char* where : {"score", "create", "info"}) {
    std::filesystem::remove(mark);
    const std::string log = logged([&] {
      Judge judge("test.deadly", deadly("segv", where, mark.string()), isolated());
      judge.poison(2);
      for (const ItemFailure& failure : judge.score()) CHECK(failure.text == "");
    });
    CHECK_THAT(log,
               Contains(std::string("killed by SIGSEGV in ") + where + "; 2 of 3 restarts left"));
  }
}

TEST_CASE("a plugin that dies while it is loaded, or answers nonsense, gets a second chance",
          "[isolation]") {
  static_assert(static_cast<int>(Message::kReply) == kReplyNumber);
  const Cache cache;
  const auto mark = cache.marks() / "once";
  std::string log = logged([&] {
    ::setenv("OMP_WINNOW_TEST_MARK", mark.c_str(), 1);
    CHECK_NOTHROW(Judge("test.deadly", deadly("status"), isolated()));
    ::unsetenv("OMP_WINNOW_TEST_MARK");
  });
  CHECK_THAT(log, Contains("test.deadly: killed by SIGABRT in load of /") &&
                      Contains("libtest_deadly.so; 2 of 3 restarts left"));
  std::filesystem::remove(mark);
  log = logged(
      [&] { CHECK_NOTHROW(Judge("test.deadly", deadly("short", "info", mark), isolated())); });
  CHECK_THAT(log, Contains("sent a malformed message in info; 2 of 3 restarts left"));
}

TEST_CASE("a plugin that dies in create or info is an error that says so", "[isolation]") {
  for (const char* where : {"create", "info"})
    CHECK_THROWS_WITH(Judge("test.deadly", deadly("abort", where), isolated()),
                      Contains("test.deadly") &&
                          Contains(std::string("killed by SIGABRT in ") + where + ", and again"));
  // Its end is no one's loss any more.
  CHECK_NOTHROW(Judge("test.deadly", deadly("segv", "destroy"), isolated()));
}

TEST_CASE("when all restarts are used up, the plugin is given up", "[isolation]") {
  Isolation isolation = isolated();
  isolation.restarts = 2;
  Judge judge("test.deadly", deadly("segv"), isolation);
  judge.poison(1);
  judge.poison(4);
  const ItemFailures failures = judge.score();
  CHECK_THAT(failures[1].text, Contains("item 1 alone; 1 of 2 restarts left"));
  CHECK_THAT(failures[4].text, Contains("item 4 alone; 1 of 2 restarts left"));
  CHECK(failures[0].status == WN_OK);
  CHECK_THAT(judge.score()[4].text, Contains("item 4 alone; 0 of 2 restarts left"));
  CHECK_THROWS_WITH(judge.score(), Contains("test.deadly: killed by SIGSEGV in score; its process "
                                            "was started again 2 times before"));
}

TEST_CASE("a batch costs one restart, however many of its items kill", "[isolation]") {
  using Items = std::vector<std::size_t>;
  for (const Items& deadly_items : {Items{0, 1, 2, 3}, Items{0, 2, 4, 6}, Items{4, 5, 6, 7}}) {
    Isolation isolation = isolated();
    isolation.restarts = 1;
    Judge judge("test.deadly", deadly("segv"), isolation, 8);
    for (const std::size_t i : deadly_items) judge.poison(i);
    const ItemFailures failures = judge.score();
    for (std::size_t i = 0; i < failures.size(); ++i) {
      INFO("item " << i << ": " << failures[i].text);
      CHECK((failures[i].status != WN_OK) == (std::ranges::count(deadly_items, i) > 0));
      if (failures[i].status == WN_OK) CHECK(judge.scores[i] == static_cast<float>(i) / 10);
    }
    CHECK_THAT(failures[deadly_items.back()].text, Contains(" alone; 0 of 1 restarts left"));
  }
}

TEST_CASE("a plugin that gets through nothing is given up after as many items as restarts",
          "[isolation]") {
  Judge judge("test.deadly", deadly("segv"), isolated(), 5);
  for (std::size_t i = 0; i < 5; ++i) judge.poison(i);
  CHECK_THROWS_WITH(judge.score(), Contains("test.deadly: killed by SIGSEGV in score; its process "
                                            "was started again 3 times before"));
}

TEST_CASE("what a set verifier had accepted survives its process", "[isolation]") {
  Judge judge("test.deadly_set", {text("mark", "")}, isolated());
  judge.verifier.reset();
  Tensor sample(1, std::array<std::int64_t, 3>{1, 2, 2});
  sample.fill(0.5f);
  const VerifierBatch one = one_item(judge, sample);
  judge.verifier.accept(one);
  judge.poison(0);
  const ItemFailures failures = judge.score();
  CHECK_THAT(failures[0].text, Contains("killed by SIGSEGV"));
  CHECK(failures[1].status == WN_OK);
  CHECK(judge.scores[1] == 5.1f);
  judge.verifier.accept(one);
  judge.samples.item(0)[0] = 0;
  judge.score();
  CHECK(judge.scores[0] == 10.0f);
}

TEST_CASE("an accept that came back too late counts once", "[isolation]") {
  const Cache cache;
  Judge judge("test.deadly_set", {text("mark", (cache.marks() / "once").string())}, isolated(0.5));
  judge.verifier.reset();
  Tensor sample(1, std::array<std::int64_t, 3>{1, 2, 2});
  sample.fill(0.5f);
  const std::string log = logged([&] { judge.verifier.accept(one_item(judge, sample)); });
  CHECK_THAT(log, Contains("did not come back from accept within 0.5 s; 2 of 3 restarts left"));
  judge.score();
  CHECK(judge.scores[0] == 5.0f);
}

TEST_CASE("a plugin's process can reach nothing but what it was given", "[isolation]") {
  const Cache cache;
  ::setenv("WINNOW_TEST_SECRET", "1", 1);
  const auto marks = cache.marks();
  const int cores_before = cores();
  std::string log;
  std::vector<float> errors;
  log = logged([&] {
    Judge judge("test.fenced", {text("marks", marks.string())}, isolated(), 1);
    CHECK(judge.score()[0].text == "");
    errors = judge.scores;
  });
  ::unsetenv("WINNOW_TEST_SECRET");
  CHECK(errors[kReadOwnStatus] == 0);
  CHECK(errors[kWriteMark] == 0);  // in the folder that its manifest names
  CHECK(errors[kReadVariable] == ENOENT);
  CHECK(errors[kCapability] == EPERM);  // whoever runs this
  CHECK(std::filesystem::exists(marks / "mark"));
  if (log.find("Landlock") == std::string::npos) {
    CHECK(errors[kReadPasswords] == EACCES);  // though its library asks for all of /
    CHECK(errors[kWriteTemporary] == EACCES);
  }
  if (log.find("seccomp") != std::string::npos) return;
  for (int head = 0; head < kAttempts; ++head) {
    INFO("attempt " << head);
    if (head != kReadPasswords && head != kWriteTemporary && head != kReadOwnStatus &&
        head != kWriteMark && head != kReadVariable && head != kPinHost)
      CHECK(errors[head] == EPERM);
  }
  CHECK(errors[kPinHost] == 0);  // it thinks so
  CHECK(cores() == cores_before);
}

TEST_CASE("a manifest that says so gets the network, and nothing else", "[isolation]") {
  const TemporaryFolder folder;
  Judge judge(deadly_with(folder, "network = true\n"), "test.fenced", {text("marks", "")},
              isolated(), 1);
  CHECK(judge.score()[0].text == "");
  CHECK(judge.scores[kSocket] == 0);
  for (int head : {kReadPasswords, kExecute, kUnixSocket, kSocketPair, kKernelSocket})
    CHECK(judge.scores[head] != 0);
}

TEST_CASE("folders in which a plugin may write lead nowhere else", "[isolation]") {
  const auto sentence = [](const std::string& writes) -> std::string {
    const TemporaryFolder folder;
    try {
      Judge(deadly_with(folder, "writes = " + writes + "\n"), "test.fenced", {text("marks", "")},
            isolated(), 1);
    } catch (const Error& error) {
      return error.what();
    }
    return "runs";
  };
  const Cache cache;
  CHECK_THAT(sentence("['marks', 'marks/deeper']"),
             Contains("'marks/deeper' lies in 'marks'; the outer one is enough"));
  CHECK_THAT(sentence("['../elsewhere']"), Contains("leaves the plugin's own folder"));
  CHECK(sentence("['marks/deeper', 'others']") == "runs");
  const TemporaryFolder home;
  std::filesystem::remove(cache.marks() / "deeper");
  std::filesystem::create_directory_symlink(home.path(), cache.marks() / "deeper");
  CHECK_THAT(sentence("['marks/deeper']"), Contains("marks/deeper is a link"));
}

TEST_CASE("packages of this build are trusted, others are isolated, whatever they say",
          "[isolation]") {
  const Registry registry = scan({DEADLY, PLUGINS});
  CHECK(came_with_this_host(*registry.find(PluginKind::kVerifier, "winnow.brightness").package));
  CHECK_FALSE(came_with_this_host(*registry.find(PluginKind::kVerifier, "test.deadly").package));
  CHECK(Judge("test.deadly", deadly("status"), Isolation{}).verifier.memory() != nullptr);
}

TEST_CASE("a package that brings its own LibTorch is never in the host's process", "[isolation]") {
  const TemporaryFolder folder;
  write_package(folder / "p", {.variant_keys = "libtorch = { link = \"own\" }\n"});
  const Registry registry = scan({folder.path()});
  const FoundPlugin& found = registry.find(PluginKind::kVerifier, "test.plugin");
  PluginProvider provider(in_process());
  CHECK_THROWS_WITH(provider.code(found, {"test.plugin", {}}),
                    Contains("brings a LibTorch of its own"));
}

TEST_CASE("a library that does not load says the same in a process of its own", "[isolation]") {
  const TemporaryFolder folder;
  write_package(folder / "p", {.library = "no ELF file at all"});
  const Registry registry = scan({folder.path()});
  const FoundPlugin& found = registry.find(PluginKind::kVerifier, "test.plugin");
  const PluginUse use{"test.plugin", {}};
  HostServices services(nullptr);
  const auto sentence = [&](const Isolation& isolation) {
    PluginProvider provider(isolation);
    try {
      PluginInstance(provider.code(found, use), use, "1.0.0", services);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("loaded");
  };
  CHECK(sentence(in_process()) == sentence(isolated()));
  CHECK_THAT(sentence(isolated()), Contains("is no ELF shared library"));
}
