// random: draws independent noises, runs each to a sample, keeps the best (best of N).
//   answer = argmax over i = 1..N of score(sample(noise_i)), noise_i ~ N(0, I)
// Source: Ma et al., "Inference-time scaling for diffusion models beyond scaling denoising steps",
// arXiv 2501.09732, "Random Search" (section 3); it scales with N.
//
// [search]
// plugin = "winnow.random"
// candidates = 16   # 0: until the budget ends
// preview_times = [0.8, 0.5, 0.2]   # judge each on its way too, at the schedule's nearest times
#include <algorithm>
#include <cmath>

#include "winnow/winnow.hpp"

namespace {

class Random : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.random";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_RANDOM;

  Random(const wn::Host&, const wn::Options& options)
      : candidates_(options.i64("candidates")),
        round_(options.i64("round")),
        wanted_(options.f64_list("preview_times")) {
    for (std::size_t i = 0; i < wanted_.size(); ++i)
      if (!(wanted_[i] > 0 && wanted_[i] < (i ? wanted_[i - 1] : 1)))
        throw wn::Error(WN_E_INVALID_ARGUMENT,
                        "preview_times: found " + std::to_string(wanted_[i]) + " at place " +
                            std::to_string(i + 1) + ", expected falling times between 1 and 0");
    rank_all_at_end();  // so that ranks, too, do not depend on how the candidates fell into rounds
  }

  wn::Task run() override {
    const std::vector<double> stops = preview_stops();
    const double price = price_of(stops);
    for (std::int64_t n; (n = next(price)) > 0; drawn_ += n) {
      Candidates round;
      for (const wn::Noise& noise : fresh(static_cast<std::size_t>(n))) add(noise, stops, round);
      co_await evaluate(round);
    }
  }

 private:
  // A stop between two of the schedule's times would add a step and so make another sample.
  std::vector<double> preview_stops() const {
    std::vector<double> stops;
    const std::span<const double> inner = times().subspan(1, times().size() - 2);
    for (const double wanted : wanted_) {
      const auto nearest = std::min_element(inner.begin(), inner.end(), [&](double a, double b) {
        return std::fabs(a - wanted) < std::fabs(b - wanted);
      });
      if (nearest != inner.end() && (stops.empty() || *nearest < stops.back()))
        stops.push_back(*nearest);
    }
    return stops;
  }

  // One noise: its previews, then its sample.
  void add(const wn::Noise& noise, const std::vector<double>& stops, Candidates& round) {
    if (stops.empty()) {
      round.push_back(start(noise));
      return;
    }
    wn::Candidate last = start(noise, {.time = stops.front()});
    round.push_back(last);
    for (std::size_t i = 1; i <= stops.size(); ++i) {
      last = continue_(last, {.time = i < stops.size() ? stops[i] : 0.0});
      round.push_back(last);
    }
  }

  // Of a path with previews, none of which is begun that would not become a sample; 0: the host
  // knows where samples alone have to end.
  double price_of(const std::vector<double>& stops) {
    if (stops.empty()) return 0;
    Candidates path;
    add(values({}), stops, path);  // never pushed
    return cost(path);
  }

  std::int64_t next(double price) const {
    const std::int64_t wanted = candidates_ == 0 ? round_ : std::min(round_, candidates_ - drawn_);
    if (price == 0) return wanted;
    const double fit = std::max(std::floor(left() / price + 1e-9), drawn_ == 0 ? 1.0 : 0.0);
    return static_cast<std::int64_t>(std::min(static_cast<double>(wanted), fit));
  }

  std::int64_t candidates_, round_, drawn_ = 0;
  std::vector<double> wanted_;
};

}  // namespace

WN_EXPORT_PLUGINS(Random)
