// tree: a tree of latents between noise and data; finished samples inform all latents above them.
//   select     from the root down, while the node has as many children as it may have:
//                search (DTS*)  argmax of v_c + exploration std sqrt(log n / n_c)
//                sample (DTS)   c drawn with weights exp(lambda v_c)
//   widen      a node visited n times has at most max(1, widening n^power) children
//   expand     a new child, run on to a sample; every level on its way is a node
//   back up    v = log(mean over children of exp(lambda v_c)) / lambda, v of a sample its score
// An expansion at time t costs the steps from t. Nothing but samples is judged.
// Longer than other searches: it is two, which select in different ways.
// Source: Jain et al., "Diffusion tree sampling", 2025, arXiv:2506.20701.
//
// [search]
// plugin = "winnow.tree"
// rule = "search"       # DTS*; "sample": DTS
// levels = 5
// lambda = 10.0
// stochasticity = 1.0   # 0: as the sampler is configured
#include <deque>

#include "stepwise.hpp"

namespace {

using namespace winnow::searches;
namespace smc = winnow::particles;

class Tree : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.tree";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_TREE;

  Tree(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        draws_(options.str("rule") == "sample"),
        levels_(static_cast<std::size_t>(options.i64("levels"))),
        lambda_(options.f64("lambda")),
        exploration_(options.f64("exploration")),
        widening_(options.f64("widening")),
        power_(options.f64("power")) {}

  void prepare() override {
    need_noise();
    need_magnitudes("a value backed up from samples of many rounds");
  }

  wn::Task run() override {
    std::vector<std::size_t> stops;
    for (std::size_t l = 1; l < levels_; ++l) {
      const std::size_t stop = stop_at(static_cast<double>(l) / static_cast<double>(levels_));
      if (stop < steps() && (stops.empty() || stop > stops.back())) stops.push_back(stop);
    }
    stops.push_back(steps());
    nodes_.emplace_back();  // the root: pure noise, without a latent
    for (;;) {
      std::vector<std::size_t> path = select(stops);
      const std::size_t parent = path.back(), before = nodes_.size();
      wn::Candidate last = nodes_[path.back()].at;
      for (std::size_t level = path.size() - 1; level < stops.size(); ++level) {
        const wn::Until to = until(stops[level], stops[level] == steps());
        const std::size_t k = nodes_[path.back()].children.size();
        last = !last ? start(fresh(), to) : branch(last, k, to);
        nodes_[path.back()].children.push_back(nodes_.size());
        path.push_back(nodes_.size());
        nodes_.push_back({last, {}, 0, 0});
      }
      const double score = co_await evaluate(last);
      if (!last.failed()) {
        back_up(path, score);
      } else {  // as if it had not been tried
        nodes_[parent].children.pop_back();
        nodes_.resize(before);
      }
    }
  }

 private:
  struct Node {
    wn::Candidate at;
    std::vector<std::size_t> children;
    double value = 0;
    double visits = 0;
  };

  // From the root to the node that gets a new child.
  std::vector<std::size_t> select(const std::vector<std::size_t>& stops) {
    constexpr int kMostWalks = 100;  // that end in a sample that is there; each is a visit
    for (int walk = 0; walk < kMostWalks; ++walk) {
      std::vector<std::size_t> path{0};
      while (path.size() <= stops.size()) {
        const Node& node = nodes_[path.back()];
        const double room = std::max(1.0, std::floor(widening_ * std::pow(node.visits, power_)));
        const std::size_t most =
            path.size() == 1 ? static_cast<std::size_t>(room)
                             : distinct(stops[path.size() - 2], static_cast<std::size_t>(room));
        if (node.children.size() < most) return path;
        path.push_back(node.children[draws_ ? drawn(node) : promising(node)]);
      }
      for (const std::size_t i : path) nodes_[i].visits += 1;
    }
    return {0};
  }
  std::size_t drawn(const Node& node) {
    std::vector<double> log_weights;
    for (const std::size_t c : node.children) log_weights.push_back(lambda_ * nodes_[c].value);
    return smc::draw(smc::normalised(log_weights), uniform());
  }
  std::size_t promising(const Node& node) const {
    const double n = static_cast<double>(scores_);
    const double spread = n > 1 ? std::sqrt(squares_ / n) : 0;
    std::vector<std::pair<double, double>> bounds;  // of equal ones the least visited
    for (const std::size_t c : node.children)
      bounds.emplace_back(nodes_[c].value + exploration_ * spread *
                                                std::sqrt(std::log(node.visits) / nodes_[c].visits),
                          -nodes_[c].visits);
    return static_cast<std::size_t>(std::ranges::max_element(bounds) - bounds.begin());
  }
  void back_up(const std::vector<std::size_t>& path, double score) {
    const double before = score - mean_;  // mean and squared deviations of all scores so far
    mean_ += before / static_cast<double>(++scores_);
    squares_ += before * (score - mean_);
    nodes_[path.back()].value = score;
    for (auto i = path.rbegin(); i != path.rend(); ++i) {
      Node& node = nodes_[*i];
      node.visits += 1;
      if (node.children.empty()) continue;
      std::vector<double> values;
      for (const std::size_t c : node.children) values.push_back(lambda_ * nodes_[c].value);
      const double n = static_cast<double>(values.size());
      node.value = (smc::log_sum_exp(values) - std::log(n)) / lambda_;
    }
  }

  bool draws_;
  std::size_t levels_;
  double lambda_, exploration_, widening_, power_;
  std::deque<Node> nodes_;
  std::size_t scores_ = 0;
  double mean_ = 0, squares_ = 0;
};

}  // namespace

WN_EXPORT_PLUGINS(Tree)
