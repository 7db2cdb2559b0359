// cli_parser.cpp: the verbs and flags, declared for CLI11, which knows no "did you mean": what it
// leaves over is looked at here.
#include "host/cli_parser.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "host/error.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

constexpr const char* kDescription =
    "winnow spends inference-time compute to get better samples out of a generative model.";
constexpr const char* kFooter =
    "Exit codes: 0 done, 2 command line or config, 3 plugin, 4 every candidate of a task failed,\n"
    "5 journal damaged or in use, 6 disk or memory, 70 internal error,\n"
    "75 stopped by SIGTERM, 130 stopped by Ctrl-C. After 6, 75 and 130 the same command goes on.";
constexpr const char* kRunFooter =
    "The run directory is --out, else [output] dir of the config, else runs/<run.name>. The same\n"
    "command goes on where it was stopped; `winnow run RUNDIR` does too.";

constexpr const char* kStudyFooter =
    "Runs go to DIR/runs, each under a name of its own, so that studies share what they have in\n"
    "common; tables and figures to DIR/<study.name>. The same command goes on where it was "
    "stopped.";

// A value out of a few words.
CLI::Validator one_of(std::vector<std::string> words) {
  const std::string list = fmt::format("{}", fmt::join(words, "|"));
  return CLI::Validator(
      [words = std::move(words)](std::string& value) -> std::string {
        if (std::find(words.begin(), words.end(), value) != words.end()) return "";
        const std::string near = did_you_mean(value, words);
        return fmt::format("'{}' is none of {}{}{}", value, list_of(words),
                           near.empty() ? "" : "; ", near);
      },
      list);
}

class Parser {
 public:
  Parser() {
    app_.footer(kFooter);
    app_.require_subcommand(1);
    app_.add_flag("--version", version_, "Print the versions of winnow and of its plugin ABI.");
    common(app_);
    add_run();
    add_study();
    add_recommend();
    add_export();
    add_plan();
    add_check();
    add_show();
    add_verify();
    add_status();
    add_stats();
    add_metrics();
    add_rescore();
    add_plugins();
    add_docs();
  }

  CommandLine parse(const std::vector<std::string>& arguments) {
    try {
      // CLI11 wants them in reverse.
      app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::CallForHelp&) {
      line_.help = app_.help();
      return finish(Verb::kHelp);
    } catch (const CLI::ParseError& error) {
      if (version_) return finish(Verb::kVersion);
      refuse_leftovers();
      throw Error(Exit::kUsage, message_of(error));
    }
    if (version_) return finish(Verb::kVersion);
    refuse_leftovers();
    return finish(line_.verb);
  }

 private:
  CLI::App* verb(CLI::App& parent, const char* name, Verb verb, const char* help) {
    CLI::App* sub = parent.add_subcommand(name, help);
    sub->parse_complete_callback([this, verb] { line_.verb = verb; });
    common(*sub);
    return sub;
  }

  void common(CLI::App& app) {
    app.allow_extras();
    app.add_flag("--json", line_.json, "Print one JSON object, errors included.");
    app.add_flag("-q,--quiet", line_.quiet, "No progress and no messages but errors.");
    app.add_flag("-v,--verbose", line_.verbose, "More messages.");
  }

  void plugin_flag(CLI::App* app) {
    // Each occurrence takes one value, so that CONFIG may stand behind it.
    app->add_option("--plugin", plugins_,
                    "A plugin package, or a folder of them; searched first. May be repeated.")
        ->type_name("PATH")
        ->allow_extra_args(false);
  }

  void config_arguments(CLI::App* app, const char* help) {
    app->add_option("CONFIG", config_, help)->required();
    app->add_option("KEY=VALUE", line_.overrides,
                    "Overrides, the right side as in TOML: search.candidates=64");
    plugin_flag(app);
  }

  void add_run() {
    CLI::App* run = verb(app_, "run", Verb::kRun, "Search, and write the best samples.");
    config_arguments(run, "A TOML file, or the folder of a run that is to go on.");
    run->add_option("--out", out_, "The run directory.")->type_name("DIR");
    run->add_flag("--attach", line_.attach,
                  "Let each plugin with a process of its own wait for a debugger.");
    run->add_option("--progress", line_.progress, "How to show progress on stderr.")
        ->check(one_of({"auto", "line", "plain", "none"}));
    run->footer(fmt::format("{}\n\n{}", kRunFooter, kFooter));
  }

  void add_study() {
    CLI::App* study = verb(app_, "study", Verb::kStudy,
                           "Run a config at many settings, and write tables and figures.");
    study->add_option("STUDY", studies_, "TOML files, see docs/study.md.")->required();
    plugin_flag(study);
    study->add_option("--out", out_, "Where runs, tables and figures go (default: studies).")
        ->type_name("DIR");
    study->add_flag("--quick", line_.quick,
                    "A small version of the same, as [quick] of the study says.");
    study->add_option("--only", line_.only, "Make only this sweep and the pools it names.")
        ->type_name("SWEEP");
    study
        ->add_option("--jobs", line_.jobs,
                     "Runs to make at once, each in a process with its share of the cores.")
        ->check(CLI::Range(std::size_t{1}, std::size_t{256}))
        ->type_name("N");
    study->add_flag("--worker", line_.worker)->group("");  // what --jobs starts
    study->add_flag("--plan", line_.plan, "Say what it would cost, and make nothing.");
    study->add_flag("--table", line_.table,
                    "Make nothing: write tables and figures of the runs that are finished.");
    study->add_option("--progress", line_.progress, "How to show progress on stderr.")
        ->check(one_of({"auto", "line", "plain", "none"}));
    study->footer(fmt::format("{}\n\n{}", kStudyFooter, kFooter));
  }

  void add_recommend() {
    CLI::App* recommend =
        verb(app_, "recommend", Verb::kRecommend, "What a study says a budget should be spent on.");
    recommend->add_option("STUDY", directory_, "The folder of a study's tables: DIR/<study.name>.")
        ->required();
    recommend->add_option("--budget", line_.budget, "NFE per sample that may be spent.")
        ->type_name("NFE")
        ->required()
        ->check(CLI::Range(1e-6, 1e12));
    recommend
        ->add_option("--metric", line_.metric,
                     "The column to go by, of a verifier that never selected (default judge_mean).")
        ->type_name("COLUMN");
    recommend
        ->add_option("--over", line_.over, "The column whose labels are compared (default search).")
        ->type_name("COLUMN");
    recommend
        ->add_option("--where", line_.where,
                     "Only rows with this label, or one of several of the same column.")
        ->type_name("COLUMN=LABEL")
        ->allow_extra_args(false);
  }

  void add_export() {
    CLI::App* exported =
        verb(app_, "export", Verb::kExport, "Write what a run recorded for other tools.");
    exported
        ->add_option("--replay", directory_,
                     "Of this run directory, the scores by task, seed and time (docs/replay.md).")
        ->type_name("RUNDIR")
        ->required();
    exported->add_option("--out", out_, "The file to write (default: replay.safetensors).")
        ->type_name("FILE");
    exported->add_flag("--survivors", line_.survivors,
                       "Also of a run that gave paths up: those that its search chose.");
    plugin_flag(exported);
  }

  void add_plan() {
    CLI::App* plan =
        verb(app_, "plan", Verb::kPlan, "Say what a run will cost: NFE, memory, disk, time.");
    config_arguments(plan, "A TOML file, or a run directory.");
    plan->add_flag("--measure,!--no-measure", line_.measure,
                   "Time one batch to estimate the run's time (default).");
  }

  void add_check() {
    CLI::App* check = verb(app_, "check", Verb::kCheck, "Check a config and the plugins it names.");
    config_arguments(check, "A TOML file, or a run directory.");
    check->add_flag("--load", line_.load, "Also load the plugins and create them as `run` would.");
    check->add_flag("--print", line_.print,
                    "Print the resolved config, every default written out.");
  }

  void add_show() {
    CLI::App* show =
        verb(app_, "show", Verb::kShow, "Make one candidate again and compare its hash.");
    show->add_option("RUNDIR", directory_, "A run directory.")->required();
    show->add_option("CANDIDATE", line_.candidate,
                     "A number, `best` (default), or both with the task: 3/17, 3/best.");
    show->add_option("--task", line_.task, "The task, counted from 0.")
        ->type_name("T")
        ->check(CLI::NonNegativeNumber);
    show->add_option("--out", out_, "Write the sample to this PNG.")->type_name("FILE");
    plugin_flag(show);
  }

  void add_verify() {
    CLI::App* verify =
        verb(app_, "verify", Verb::kVerify,
             "Make a random share of the candidates again, and try the plugins' claims.");
    verify->add_option("RUNDIR", directory_, "A run directory.")->required();
    verify->add_option("--share", line_.share, "Of the candidates (default 0.01); one at least.")
        ->type_name("PART")
        ->check(CLI::Range(0.0, 1.0));
    verify->add_option("--seed", line_.seed, "Of the choice (default 0).")
        ->type_name("S")
        ->check(CLI::NonNegativeNumber);
    verify
        ->add_option("--tolerance", line_.tolerance,
                     "Of the median score difference, relative to |score| or to the spread of the "
                     "run's scores, whichever is larger (default 0.01).")
        ->type_name("X")
        ->check(CLI::Range(0.0, 1e9));
    plugin_flag(verify);
  }

  void add_status() {
    CLI::App* status =
        verb(app_, "status", Verb::kStatus, "What a live or dead run has done so far.");
    status->add_option("RUNDIR", directory_, "A run directory.")->required();
  }

  void set_arguments(CLI::App* app, bool need_features) {
    app->add_option("SET", set_, "A folder of PNGs, a run directory, or IDX images.")->required();
    app->add_option("OPTION=VALUE", line_.overrides, "Options of the plugin: weights=FILE");
    app->add_option("--features", line_.features, "The verifier whose features are taken.")
        ->type_name("PLUGIN")
        ->required(need_features);
    app->add_flag("--first", line_.first, "Of a run directory the first candidates.");
    app->add_option("--count", line_.count, "At most so many pictures, a seeded choice.")
        ->type_name("N")
        ->check(CLI::PositiveNumber);
    app->add_option("--seed", line_.seed, "Of every choice and resampling (default 0).")
        ->type_name("S")
        ->check(CLI::NonNegativeNumber);
    plugin_flag(app);
  }

  void add_stats() {
    CLI::App* stats = verb(app_, "stats", Verb::kStats,
                           "Write the statistics of a set of pictures, to compare others with.");
    set_arguments(stats, /*need_features=*/true);
    stats->add_option("--out", out_, "The file to write.")->type_name("FILE")->required();
    stats->add_option("--rows", line_.rows, "Pictures whose features are kept (default 2000).")
        ->type_name("N")
        ->check(CLI::NonNegativeNumber);
    stats->add_flag("--half", line_.half, "Keep them as float16: half the size, three digits.");
  }

  void add_metrics() {
    CLI::App* metrics =
        verb(app_, "metrics", Verb::kMetrics,
             "Inception Score, Frechet distance, precision, recall; scores of a run.");
    set_arguments(metrics, /*need_features=*/false);
    metrics->add_option("--reference", reference_, "Statistics to compare with, by stats.")
        ->type_name("FILE");
    metrics->add_option("--resamples", line_.resamples, "Of the intervals (default 200; 0: none).")
        ->type_name("N")
        ->check(CLI::Range(0, 100000));
    metrics->add_option("--neighbours", line_.neighbours, "For precision and recall (default 3).")
        ->type_name("K")
        ->check(CLI::Range(1, 1000));
  }

  void add_rescore() {
    CLI::App* rescore =
        verb(app_, "rescore", Verb::kRescore,
             "Score the samples of a finished run with another verifier, and compare the choice.");
    rescore->add_option("RUNDIR", directory_, "The directory of a finished run.")->required();
    rescore->add_option("OPTION=VALUE", line_.overrides, "Options of the verifier: target=0.5");
    rescore->add_option("--verifier", line_.id, "The verifier.")->type_name("PLUGIN")->required();
    rescore->add_option("--out", out_, "Write a row for each sample to this .csv or .json.")
        ->type_name("FILE");
    plugin_flag(rescore);
  }

  void add_plugins() {
    CLI::App* plugins =
        app_.add_subcommand("plugins", "The plugins that can be named in a config.");
    plugins->require_subcommand(1)->allow_extras();
    CLI::App* list = verb(*plugins, "list", Verb::kPluginsList, "List them; nothing is loaded.");
    list->add_flag("--why", line_.why, "Also what cannot be used, with the reason.");
    list->add_option("--kind", line_.kind, "Of one kind only.")
        ->check(one_of({"sampler", "verifier", "search"}));
    plugin_flag(list);
    CLI::App* info = verb(*plugins, "info", Verb::kPluginsInfo, "One plugin and its options.");
    info->add_option("ID", line_.id, "The plugin's id: winnow.random")->required();
    plugin_flag(info);
    add_plugins_new(*plugins);
    CLI::App* docs =
        verb(*plugins, "docs", Verb::kPluginsDocs, "A page of Markdown about one plugin.");
    docs->add_option("ID", line_.id, "The plugin's id.")->required();
    plugin_flag(docs);
    add_packages(plugins);
    add_plugins_check(*plugins);
  }

  void add_plugins_new(CLI::App& plugins) {
    CLI::App* made =
        verb(plugins, "new", Verb::kPluginsNew, "Write a project for a plugin of your own.");
    made->add_option("KIND", line_.kind, "sampler, verifier or search.")
        ->required()
        ->check(one_of({"sampler", "verifier", "search"}));
    made->add_option("NAME", line_.id, "my-judge, or with your domain: org.example.my-judge.")
        ->required();
    made->add_option("--lang", line_.language, "The language (default cpp).")
        ->check(one_of({"c", "cpp", "rust", "python"}));
    made->add_option("--out", out_, "The folder to write (default: the name).")->type_name("DIR");
  }

  void add_packages(CLI::App* plugins) {
    CLI::App* inspect = verb(*plugins, "inspect", Verb::kPluginsInspect,
                             "What a package and its libraries are; none of it is run.");
    inspect->add_option("PATH|ID", line_.id, "A package's folder or .tar.gz, or a plugin's id.")
        ->required();
    plugin_flag(inspect);
    CLI::App* pack =
        verb(*plugins, "pack", Verb::kPluginsPack, "Fill in a package's hashes, and pack it.");
    pack->add_option("PATH", package_, "The package's folder.")->required();
    pack->add_option("--out", out_, "The file to write (default: ID-VERSION.tar.gz).")
        ->type_name("FILE");
    CLI::App* install = verb(*plugins, "install", Verb::kPluginsInstall,
                             "Put a package into your own folder of plugins.");
    install->add_option("FILE", package_, "A .tar.gz by pack, or a package's folder.")->required();
    install->add_flag("--force", line_.force, "Also instead of a newer or a changed package.");
    CLI::App* remove =
        verb(*plugins, "remove", Verb::kPluginsRemove, "Take a package out of that folder.");
    remove->add_option("ID", line_.id, "Of the package, or of a plugin in it.")->required();
    CLI::App* verify = verb(*plugins, "verify", Verb::kPluginsVerify,
                            "Compare what is in that folder with its manifests.");
    verify->add_option("ID", line_.id, "Of one package, or of a plugin in it.");
    CLI::App* lock = verb(*plugins, "lock", Verb::kPluginsLock,
                          "Write down which builds of which plugins a project may use.");
    lock->add_option("CONFIG [KEY=VALUE]|STUDY|ID", line_.locked,
                     "Configs, with overrides as for run, and studies, whose plugins and programs "
                     "are locked, and ids.")
        ->required();
    lock->add_option("--file", lock_file_,
                     "The lock (default: winnow-plugins.lock beside the first config).")
        ->type_name("FILE");
    plugin_flag(lock);
  }

  void add_plugins_check(CLI::App& plugins) {
    CLI::App* check = verb(plugins, "check", Verb::kPluginsCheck,
                           "Test a package of plugins, each test in a process of its own.");
    PluginCheck& wanted = line_.plugin_check;
    check->add_option("PATH|ID", line_.id, "The package's folder, or an installed plugin.");
    check->add_option("OPTION=VALUE", line_.overrides, "Options of the plugin: weights=FILE");
    check->add_option("--level", wanted.level, "Strictness, 1 to 10 (default 5).")
        ->type_name("N")
        ->check(CLI::Range(1, 10));
    check->add_option("--only", line_.only, "One test, whatever its level.")
        ->type_name("[ID:]TEST");
    check->add_flag("--list", wanted.list, "Show all tests, and run none.");
    check->add_option("--reproduce", wanted.seed, "The seed that a run has printed.")
        ->type_name("SEED");
    check->add_option("--timeout", wanted.seconds, "Seconds that a test may take (default 120).")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.1, 1e6));
    check->add_option("--shape", wanted.shape, "Of the pictures that a verifier is given.")
        ->type_name("CxHxW");
    check->add_option("--prompt", wanted.prompt, "What verifiers and samplers are asked for.")
        ->type_name("TEXT");
    check->add_option("--junit", wanted.junit, "Write the results to this file, for CI.")
        ->type_name("FILE");
    check->add_flag("--in-process", wanted.in_process,
                    "Run all in winnow's own process, for a debugger: without --timeout.");
    plugin_flag(check);
  }

  void add_docs() {
    CLI::App* docs =
        app_.add_subcommand("docs", "Pages made from the tables that winnow checks by.");
    docs->require_subcommand(1)->allow_extras();
    plugin_flag(verb(*docs, "configuration", Verb::kDocsConfiguration,
                     "Every key of a config and every option of the plugins, as Markdown."));
    verb(*docs, "check", Verb::kDocsCheck, "Every test of `plugins check`, as Markdown.");
  }

  // The verbs that were understood, outermost first.
  std::vector<const CLI::App*> chain() const {
    std::vector<const CLI::App*> chain = {&app_};
    while (!chain.back()->get_subcommands().empty())
      chain.push_back(chain.back()->get_subcommands().front());
    return chain;
  }

  void refuse_leftovers() const {
    const auto apps = chain();
    const CLI::App& last = *apps.back();
    const bool lacks_verb = !last.get_subcommands([](const CLI::App*) { return true; }).empty();
    if (lacks_verb) refuse_unknown_verb(last);
    for (const CLI::App* app : apps)
      for (const std::string& argument : app->remaining()) refuse(argument, last);
    if (lacks_verb) throw Error(Exit::kUsage, "which? " + verbs_of(last) + see_help(last));
  }

  static std::vector<std::string> verb_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(sub->get_name());
    return names;
  }

  static std::string verbs_of(const CLI::App& app) {
    return fmt::format("there are {}", list_of(verb_names(app)));
  }

  static std::string full_name(const CLI::App& app) {
    const CLI::App* parent = app.get_parent();
    return (parent ? full_name(*parent) + " " : "") + app.get_name();
  }

  static std::string see_help(const CLI::App& app) {
    return fmt::format("; see {} --help", full_name(app));
  }

  static void refuse_unknown_verb(const CLI::App& app) {
    for (const std::string& word : app.remaining()) {
      if (word.starts_with("-")) continue;
      const std::string near = did_you_mean(word, verb_names(app));
      throw Error(Exit::kUsage, fmt::format("unknown verb '{}'; {}", word,
                                            near.empty() ? verbs_of(app) + see_help(app) : near));
    }
  }

  [[noreturn]] static void refuse(const std::string& argument, const CLI::App& verb) {
    const std::string flag = argument.substr(0, argument.find('='));
    if (!flag.starts_with("-"))
      throw Error(Exit::kUsage, fmt::format("{}: unexpected argument '{}'{}", full_name(verb),
                                            argument, see_help(verb)));
    std::vector<std::string> flags;
    for (const CLI::Option* option : verb.get_options()) {
      for (const auto& name : option->get_lnames()) flags.push_back("--" + name);
      for (const auto& name : option->get_snames()) flags.push_back("-" + name);
    }
    const std::string near = did_you_mean(flag, flags);
    throw Error(Exit::kUsage, fmt::format("{}: unknown flag '{}'{}", full_name(verb), flag,
                                          near.empty() ? see_help(verb) : "; " + near));
  }

  std::string message_of(const CLI::ParseError& error) const {
    return fmt::format("{}: {}{}", full_name(*chain().back()), error.what(),
                       see_help(*chain().back()));
  }

  CommandLine finish(Verb verb) {
    line_.verb = verb;
    line_.config = config_;
    line_.out = out_;
    line_.set = set_;
    line_.reference = reference_;
    line_.directory = directory_;
    line_.package = package_;
    line_.lock_file = lock_file_;
    line_.plugins.assign(plugins_.begin(), plugins_.end());
    line_.studies.assign(studies_.begin(), studies_.end());
    return line_;
  }

  CommandLine line_;
  bool version_ = false;
  // As text: CLI11 takes a path for a list of paths.
  std::string config_, out_, directory_, set_, reference_, package_, lock_file_;
  std::vector<std::string> plugins_, studies_;
  CLI::App app_{kDescription, "winnow"};
};

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  return Parser().parse(arguments);
}

bool asks_for_json(const std::vector<std::string>& arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::find(arguments.begin(), end, "--json") != end;
}

}  // namespace winnow
