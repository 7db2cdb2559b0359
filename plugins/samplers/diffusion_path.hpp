// The way of a diffusion or flow model from noise to data on winnow's clock, whatever its levels
// are and however its solver picks them. Needs no LibTorch.
//
// Time is that of the linear interpolant with the same ratio of noise to data, t = sigma / (alpha +
// sigma), so times mean the same for every model, and for a flow t is sigma. Time 1 stands for the
// level where the schedule begins and time 0 for the one where it ends, as a scheduler may neither
// begin at pure noise nor end at the data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "diffusion_solvers.hpp"

namespace winnow::diffusion {

enum class Solver { kEuler, kHeun, kDdim, kDdpm, kMultistep, kAncestral, kEdm, kPlms };

// Throws std::invalid_argument naming those that there are.
Solver parse_solver(const std::string& name);

// Which levels there are for n steps, beside the solver.
struct Schedule {
  bool flow = false;
  DiscreteSchedule discrete;                 // not of flows
  bool to_data = true;                       // DDIM's last step ends at the data
  bool karras = false;                       // of DPM-Solver++
  double shift = 1, last = 0, terminal = 0;  // of flows; last 0: 1 / n
};

class Path {
 public:
  // Throws std::invalid_argument for a number of steps that the schedule does not have.
  Path(const Schedule& schedule, Solver solver, uint32_t n);

  const std::vector<double>& times() const { return times_; }         // n + 1, 1 to 0, falling
  const std::vector<double>& noise_scale() const { return sigmas_; }  // n, sigma at times()[k]
  double initial_scale() const { return initial_scale_; }  // standard deviation of the first latent

  // At a time of the schedule where its next step begins; between them by the ratio.
  Level level(double time) const;
  // As the scheduler has it where from and to are neighbours in times(). from > to.
  Step step(double from, double to) const;
  // The level at this ratio of noise to data, which must not be infinite.
  Level at_ratio(double ratio) const;
  // In steps of the schedule: k at times()[k], a fraction between.
  double place(double time) const;
  // Times from `from` down to `to`: those of the schedule between, or, with steps > 0, as many
  // steps spread evenly along it.
  std::vector<double> leg(double from, double to, uint32_t steps) const;

 private:
  double time_at(double place) const;

  bool flow_;
  std::vector<double> alphas_;  // of a discrete schedule
  std::vector<Step> steps_;
  std::vector<double> times_, sigmas_;
  double initial_scale_ = 1;
};

}  // namespace winnow::diffusion
