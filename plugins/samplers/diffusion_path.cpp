#include "diffusion_path.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "flow_solvers.hpp"

namespace winnow::diffusion {
namespace {

std::vector<Step> steps_of(const Schedule& s, Solver solver, uint32_t n) {
  if (s.flow) return flow_steps(n, s.shift, s.last > 0 || n == 0 ? s.last : 1.0 / n, s.terminal);
  switch (solver) {
    case Solver::kDdim:
    case Solver::kPlms:
      return ddim_steps(s.discrete, n, s.to_data);
    case Solver::kDdpm:
      return ddim_steps(s.discrete, n, true);
    case Solver::kMultistep:
      return multistep_steps(s.discrete, n, s.karras);
    default:
      return euler_steps(s.discrete, n);
  }
}

// Times are stops of journalled candidates, so no last digit of a machine's libm may be in them.
double time_of(const Level& level) {
  return std::round(level.sigma / (level.alpha + level.sigma) * 0x1p36) * 0x1p-36;
}

}  // namespace

Solver parse_solver(const std::string& name) {
  static constexpr std::pair<const char*, Solver> kSolvers[] = {
      {"euler", Solver::kEuler},
      {"heun", Solver::kHeun},
      {"ddim", Solver::kDdim},
      {"ddpm", Solver::kDdpm},
      {"dpmpp_2m", Solver::kMultistep},
      {"euler_ancestral", Solver::kAncestral},
      {"edm", Solver::kEdm},
      {"pndm", Solver::kPlms}};
  std::string known;
  for (const auto& [text, solver] : kSolvers) {
    if (name == text) return solver;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  throw std::invalid_argument("solver is \"" + name + "\", expected one of " + known);
}

Path::Path(const Schedule& schedule, Solver solver, uint32_t n)
    : flow_(schedule.flow), steps_(steps_of(schedule, solver, n)) {
  if (!flow_) alphas_ = alphas_cumprod(schedule.discrete);
  // Schedulers of the ratio whose levels are not whole training times from the first one start with
  // noise alone, without the data's share of the variance.
  const bool of_ratio = !flow_ && (solver == Solver::kEuler || solver == Solver::kHeun ||
                                   solver == Solver::kAncestral || solver == Solver::kEdm);
  if (of_ratio && schedule.discrete.spacing != Spacing::kLeading)
    initial_scale_ = steps_.front().from.sigma;
  for (const Step& step : steps_) {
    times_.push_back(times_.empty() ? 1 : time_of(step.from));
    sigmas_.push_back(step.from.sigma);
  }
  times_.push_back(0);
  for (size_t k = 0; k < steps_.size(); ++k)
    if (!(times_[k + 1] < times_[k]))
      throw std::invalid_argument(std::to_string(n) + " steps, but then step " +
                                  std::to_string(k + 1) + " of the schedule leads nowhere");
}

Level Path::at_ratio(double ratio) const {
  if (!flow_) return level_of_ratio(alphas_, ratio);
  const double sigma = ratio / (1 + ratio);
  return {1 - sigma, sigma, 1000 * sigma};
}

Level Path::level(double time) const {
  const auto found = std::find(times_.begin(), times_.end(), time);
  const auto k = static_cast<size_t>(found - times_.begin());
  if (k < steps_.size()) return steps_[k].from;
  const Level &first = steps_.front().from, &last = steps_.back().to;
  if (time <= time_of(last)) return last;
  return time >= time_of(first) ? first : at_ratio(time / (1 - time));
}

Step Path::step(double from, double to) const {
  const auto found = std::find(times_.begin(), times_.end(), from);
  const auto k = static_cast<size_t>(found - times_.begin());
  if (k < steps_.size() && times_[k + 1] == to) return steps_[k];
  return {level(from), level(to)};
}

double Path::place(double time) const {
  const auto below = std::find_if(times_.begin() + 1, times_.end() - 1,
                                  [&](double other) { return other <= time; });
  const double low = *below, high = *(below - 1);
  return static_cast<double>(below - times_.begin()) - (time - low) / (high - low);
}

double Path::time_at(double place) const {
  const auto k = std::min(static_cast<size_t>(place), steps_.size() - 1);
  return times_[k] + (place - static_cast<double>(k)) * (times_[k + 1] - times_[k]);
}

std::vector<double> Path::leg(double from, double to, uint32_t steps) const {
  if (steps == 0) return flow::times_between(times_, from, to);
  const double first = place(from), last = place(to);
  std::vector<double> out;
  for (uint32_t k = 0; k <= steps; ++k) out.push_back(time_at(first + (last - first) * k / steps));
  out.front() = from;
  out.back() = to;
  return out;
}

}  // namespace winnow::diffusion
