// Back through a path of solver steps, with one checkpoint a step.
//
// The forward pass builds no graph and keeps the state before each step; the backward pass makes
// each step again, with the graph of that step alone (gradient checkpointing: Chen et al., 2016,
// arXiv:1604.06174). So memory grows by one state a step instead of by all that the network keeps
// for its backward pass, and the path is evaluated twice.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <vector>

namespace winnow {

// d end / d start: `step(x, k)` makes the state after step k of the one before it, twice for each k
// with the same result; `d_end(x)` is the gradient at the last state, shaped as it. What the steps
// read besides x must not require gradients. Not inside c10::InferenceMode.
template <class Step, class EndGradient>
at::Tensor path_gradient(const at::Tensor& start, size_t steps, const Step& step,
                         const EndGradient& d_end) {
  std::vector<at::Tensor> states{start};
  at::Tensor gradient;
  {
    const at::NoGradGuard no_graph;
    for (size_t k = 0; k < steps; ++k) states.push_back(step(states.back(), k));
    gradient = d_end(states.back());
  }
  for (size_t k = steps; k-- > 0;) {
    states.pop_back();
    const at::AutoGradMode graph(true);
    const at::Tensor x = states.back().detach().requires_grad_();
    step(x, k).backward(gradient);
    gradient = x.grad();
  }
  return gradient;
}

}  // namespace winnow
