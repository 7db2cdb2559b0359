// What every training program here shares: options, seeds, AdamW with a moving average, resumable
// checkpoints.
#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace winnow::training {

// "--key value" pairs, flags, and what follows them. Every key must be asked for before
// check_all_used(), which refuses the rest.
class Options {
 public:
  Options(int argc, char** argv);
  std::string text(const std::string& key, const std::string& fallback);
  int64_t integer(const std::string& key, int64_t fallback);
  double number(const std::string& key, double fallback);
  bool flag(const std::string& key);
  const std::vector<std::string>& rest();  // the arguments that belong to no key
  void check_all_used() const;

 private:
  std::map<std::string, std::string> values_;
  std::map<std::string, bool> used_;
  std::vector<std::string> rest_;
  bool rest_used_ = false;
};

// A generator whose stream depends on (seed, purpose, index) alone: no state to keep in a
// checkpoint.
at::Generator generator_for(uint64_t seed, uint64_t purpose, uint64_t index);

// The images of batch `step` of a fixed size, out of epochs that are each shuffled anew.
class Shuffler {
 public:
  Shuffler(int64_t count, int64_t batch, uint64_t seed);
  at::Tensor batch(int64_t step);  // int64 [batch]

 private:
  int64_t count_, batch_;
  uint64_t seed_;
  int64_t epoch_ = -1;
  at::Tensor order_;
};

struct Schedule {
  double peak_rate = 1e-3;
  int64_t warmup_steps = 500;
  int64_t total_steps = 0;
  double at(int64_t step) const;  // linear warm-up, then a cosine to zero
};

// AdamW and an exponential moving average over named parameters, which it holds by reference.
class Trainer {
 public:
  Trainer(std::map<std::string, at::Tensor> parameters, double weight_decay, double max_average);

  // One step from the gradients in place, which it clips to norm 1 and clears.
  void step(double rate);
  int64_t steps() const { return steps_; }
  double seconds = 0;  // of training so far, over all runs

  const std::map<std::string, at::Tensor>& average() const { return average_; }
  void save(const std::string& path, const std::map<std::string, std::string>& identity) const;
  // False when there is no such file; throws when it belongs to another configuration.
  bool load(const std::string& path, const std::map<std::string, std::string>& identity);

 private:
  std::map<std::string, at::Tensor> parameters_, average_, first_, second_;
  at::Tensor step_count_;
  double weight_decay_, max_average_;
  int64_t steps_ = 0;
};

// While it lives, what autocast knows runs in bfloat16.
class Bfloat16Guard {
 public:
  explicit Bfloat16Guard(bool on);
  ~Bfloat16Guard();
  Bfloat16Guard(const Bfloat16Guard&) = delete;
};

struct Loop {
  Schedule schedule;
  int64_t batch = 0;  // images of one step, for the report
  std::string checkpoint;
  std::map<std::string, std::string> identity;
  int64_t stop_after_steps = 0;  // 0: not
};

// Goes on from the checkpoint, where there is one, to the end of the schedule by the gradients of
// loss(step); prints the loss every 100 steps and saves every minute and at the end. False when
// stop_after_steps came first.
bool train(Trainer& trainer, const Loop& loop, const std::function<at::Tensor(int64_t step)>& loss);

// Writes what a training shipped, in float16, with the loop's identity, `metadata`, the number of
// images and the minutes it took. The dataset is Fashion-MNIST unless `metadata` names another.
void write_weights(const std::string& file, std::map<std::string, at::Tensor> weights,
                   const Trainer& trainer, const Loop& loop, int64_t images,
                   std::map<std::string, std::string> metadata);

class Stopwatch {
 public:
  double lap();  // seconds since the last call

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace winnow::training
