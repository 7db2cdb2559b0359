// evolution: generations of elites and mutants, of first noises and then of latents on the way.
//   first generation   2 K fresh noises, all run to samples; latents at the later places are kept
//   at each place t    K individuals: the elites as they are, and mutants of parents that are the
//                      best of b drawn at random; the mutants are run to samples
//   mutant, t = 1      sqrt(1 - m^2) x + m e, norm kept
//   mutant, t < 1      x_t + jitter sigma_t e,  sigma_t = sqrt((t - t') / t) noise_scale(t), the
//                      spread of one step from t to t' of a flow's SDE with g^2 = t
// so T steps cost 2 K T + (K - elites) sum over places of the steps from there. The fully finished
// sample is judged, never a preview. With b = all, every mutant is one of the best: keep b small.
// Longer than other searches: individuals of many stops, and the price of a mutant at each of them.
// Source: EvoSearch, He et al., 2025, arXiv:2505.17618.
//
// [search]
// plugin = "winnow.evolution"
// population = 0               # as many as the budget allows
// at = [0.0, 0.2, 0.4, 0.6]    # shares of the steps; 0 is pure noise
// mutation = 0.3
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

class Evolution : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.evolution";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_EVOLUTION;

  Evolution(const wn::Host&, const wn::Options& options)
      : population_(static_cast<std::size_t>(options.i64("population"))),
        elites_(static_cast<std::size_t>(options.i64("elites"))),
        tournament_(static_cast<std::size_t>(options.i64("tournament"))),
        mutation_(options.f64("mutation")),
        jitter_(options.f64("jitter")),
        at_(options.f64_list("at")) {
    for (std::size_t j = 0; j < at_.size(); ++j)
      if (!(at_[j] >= 0 && at_[j] < 1 && (j == 0 || at_[j] > at_[j - 1])))
        refuse("at: found " + std::to_string(at_[j]) + " at place " + std::to_string(j + 1) +
               ", expected rising shares of the steps from 0 to below 1");
  }

  void prepare() override {
    if (population_ == 0) need_budget("population");
    if (!at_.empty() && at_.back() > 0 && !problem().noise_scale[WN_PROFILE_SEARCH])
      throw wn::Error(WN_E_FAILED_PRECONDITION,
                      "the sampler has no noise scale to mutate latents by; take at = [0.0]");
  }

  wn::Task run() override {
    for (const double share : at_) {
      const std::size_t place = share == 0 ? 0 : stop_at(share);
      if (place < steps() && (places_.empty() || place > places_.back())) places_.push_back(place);
    }
    const auto mutants = [&](std::size_t k) { return std::max<std::size_t>(1, k - elites(k)); };
    const wn::Noise any = values({});  // never pushed
    Individual probe;
    grow(probe, start(any, to_next(0)), 0);
    const double way = cost(probe.way);
    std::vector<double> price;  // of a mutant at each place
    for (const std::size_t place : places_) {
      Candidates all = probe.way;
      Individual mutant;
      if (place > 0) grow(mutant, jitter(probe.at(place), any, 1, to_next(place)), place);
      all.insert(all.end(), mutant.way.begin(), mutant.way.end());
      price.push_back(place > 0 ? cost(all) - way : way);
    }
    const auto total = [&](std::size_t k) {
      double sum = static_cast<double>(2 * k) * way;
      for (const double p : price) sum += static_cast<double>(mutants(k)) * p;
      return sum;
    };
    for (;;) {
      std::size_t k = largest(total, left());
      if (population_ > 0) k = std::min(k, population_);
      // The rest of a budget: best of few.
      const std::size_t n =
          k > 0 ? 2 * k : static_cast<std::size_t>(std::floor(left() / way + 1e-9));
      if (n == 0) co_return;
      std::vector<Individual> alive(n);
      for (Individual& one : alive) grow(one, start(one.noise = fresh(), to_next(0)), 0);
      co_await evaluate(samples(alive));
      for (std::size_t g = 0; k > 0 && g < places_.size(); ++g) {
        sort(alive);
        if (alive.empty()) break;
        std::vector<Individual> next(
            alive.begin(),
            alive.begin() + static_cast<std::ptrdiff_t>(std::min(elites(k), alive.size())));
        for (std::size_t i = 0; i < mutants(k); ++i) next.push_back(mutant(alive, places_[g]));
        alive = std::move(next);
        co_await evaluate(samples(alive));  // elites cost nothing
      }
    }
  }

 private:
  struct Individual {
    wn::Noise noise;
    Candidates way;                   // the last one is the sample
    std::vector<std::size_t> places;  // of those before it
    const wn::Candidate& sample() const { return way.back(); }
    const wn::Candidate& at(std::size_t place) const {
      return way[static_cast<std::size_t>(std::find(places.begin(), places.end(), place) -
                                          places.begin())];
    }
  };

  std::size_t elites(std::size_t k) const {
    return std::min(elites_, std::max<std::size_t>(1, k / 2));
  }
  std::size_t next_place(std::size_t place) const {
    const auto after = std::upper_bound(places_.begin(), places_.end(), place);
    return after == places_.end() ? steps() : *after;
  }
  wn::Until to_next(std::size_t place) const {
    const std::size_t next = next_place(place);
    return until(next, next == steps());
  }
  // From its first candidate, which leaves `place`, to the sample, with a stop at every place.
  void grow(Individual& one, const wn::Candidate& first, std::size_t place) {
    one.way = {first};
    one.places.clear();
    for (std::size_t stop = next_place(place); stop < steps(); stop = next_place(stop)) {
      one.places.push_back(stop);
      one.way.push_back(continue_(one.way.back(), to_next(stop)));
    }
  }
  Individual mutant(const std::vector<Individual>& sorted, std::size_t place) {
    std::size_t parent = sorted.size() - 1;
    for (std::size_t b = 0; b < tournament_; ++b)
      parent = std::min(parent,
                        static_cast<std::size_t>(uniform() * static_cast<double>(sorted.size())));
    Individual out;
    if (place == 0) {
      out.noise = rotate(sorted[parent].noise, std::sqrt(1 - mutation_ * mutation_));
      grow(out, start(out.noise, to_next(0)), 0);
    } else {
      const double t = times()[place], s = jitter_ * std::sqrt((t - times()[place + 1]) / t);
      grow(out, jitter(sorted[parent].at(place), fresh(), s, to_next(place)), place);
    }
    return out;
  }
  static Candidates samples(const std::vector<Individual>& all) {
    Candidates out;
    for (const Individual& one : all) out.push_back(one.sample());
    return out;
  }
  static void sort(std::vector<Individual>& all) {
    std::erase_if(all, [](const Individual& one) { return one.sample().failed(); });
    std::stable_sort(all.begin(), all.end(), [](const Individual& a, const Individual& b) {
      return a.sample().score() > b.sample().score();
    });
  }

  std::size_t population_, elites_, tournament_;
  double mutation_, jitter_;
  std::vector<double> at_;
  std::vector<std::size_t> places_;
};

}  // namespace

WN_EXPORT_PLUGINS(Evolution)
