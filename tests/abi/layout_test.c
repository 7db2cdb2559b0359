/* layout_test.c: every field of every struct of winnow.h stands where the released layout says.
 *
 * layout_test FILE compares; without FILE it prints the layout. A GROWABLE struct may have more
 * fields at its end than the file, nothing else may differ. There is no hidden padding, so a field
 * that is missing in the tables below is noticed: sizes must add up. */
#include <stdio.h>
#include <string.h>

#include "winnow/winnow.h"

typedef struct field {
  const char* owner;
  const char* name;
  size_t offset, size, whole;
} field;

#define F(T, f) {#T, #f, offsetof(T, f), sizeof(((T*)0)->f), sizeof(T)},
/* clang-format off */
static const field kFields[] = {
    F(wn_str, data) F(wn_str, size)
    F(wn_dtype, code) F(wn_dtype, bits) F(wn_dtype, lanes)
    F(wn_device, type) F(wn_device, id)
    F(wn_tensor, data) F(wn_tensor, device) F(wn_tensor, ndim) F(wn_tensor, dtype)
    F(wn_tensor, shape) F(wn_tensor, strides) F(wn_tensor, byte_offset)
    F(wn_errors, struct_size) F(wn_errors, reserved0) F(wn_errors, ctx) F(wn_errors, set)
    F(wn_errors, set_item)
    F(wn_host, struct_size) F(wn_host, minor) F(wn_host, ctx) F(wn_host, get_interface)
    F(wn_call, struct_size) F(wn_call, flags) F(wn_call, ctx) F(wn_call, errors) F(wn_call, device)
    F(wn_call, stream) F(wn_call, request_id) F(wn_call, should_stop) F(wn_call, progress)
    F(wn_call, memory_budget)
    F(wn_host_log_1, enabled) F(wn_host_log_1, log)
    F(wn_host_alloc_1, tensor) F(wn_host_alloc_1, release) F(wn_host_alloc_1, scratch)
    F(wn_noise_addr, seed) F(wn_noise_addr, stream) F(wn_noise_addr, domain)
    F(wn_noise_addr, reserved0)
    F(wn_noise_recipe, struct_size) F(wn_noise_recipe, op) F(wn_noise_recipe, id)
    F(wn_noise_recipe, parent) F(wn_noise_recipe, candidate) F(wn_noise_recipe, addr)
    F(wn_noise_recipe, s) F(wn_noise_recipe, parents) F(wn_noise_recipe, weights)
    F(wn_noise_recipe, n_parents) F(wn_noise_recipe, tensor) F(wn_noise_recipe, position)
    F(wn_noise_recipe, reserved0)
    F(wn_host_noise_1, normal) F(wn_host_noise_1, uniform_u32)
    F(wn_host_parallel_1, for_range)
    F(wn_option, struct_size) F(wn_option, type) F(wn_option, key) F(wn_option, i) F(wn_option, f)
    F(wn_option, s) F(wn_option, list) F(wn_option, list_len)
    F(wn_plugin_1, id) F(wn_plugin_1, kind) F(wn_plugin_1, version) F(wn_plugin_1, options_toml)
    F(wn_plugin_1, create) F(wn_plugin_1, destroy) F(wn_plugin_1, get_interface)
    F(wn_sink, ctx) F(wn_sink, write)
    F(wn_source, ctx) F(wn_source, read)
    F(wn_state_1, save) F(wn_state_1, load)
    F(wn_named_tensor, name) F(wn_named_tensor, tensor)
    F(wn_condition, struct_size) F(wn_condition, n_tensors) F(wn_condition, task)
    F(wn_condition, prompt) F(wn_condition, class_id) F(wn_condition, tensors)
    F(wn_verifier_info, struct_size) F(wn_verifier_info, flags) F(wn_verifier_info, n_heads)
    F(wn_verifier_info, preferred_batch) F(wn_verifier_info, max_batch)
    F(wn_verifier_info, reserved0) F(wn_verifier_info, preview_time)
    F(wn_verifier_batch, struct_size) F(wn_verifier_batch, reserved0) F(wn_verifier_batch, n)
    F(wn_verifier_batch, samples) F(wn_verifier_batch, conditions)
    F(wn_verifier_batch, candidate_ids) F(wn_verifier_batch, previews)
    F(wn_verifier_1, info) F(wn_verifier_1, score)
    F(wn_verifier_grad_1, grad)
    F(wn_verifier_set_1, reset) F(wn_verifier_set_1, accept)
    F(wn_features_info, struct_size) F(wn_features_info, n_features)
    F(wn_features_info, n_classes) F(wn_features_info, reserved0) F(wn_features_info, network)
    F(wn_verifier_features_1, info) F(wn_verifier_features_1, features)
    F(wn_candidate, struct_size) F(wn_candidate, op) F(wn_candidate, id) F(wn_candidate, parent)
    F(wn_candidate, noise) F(wn_candidate, s) F(wn_candidate, from_time) F(wn_candidate, stop_time)
    F(wn_candidate, stochasticity) F(wn_candidate, leg_steps) F(wn_candidate, profile)
    F(wn_candidate, score) F(wn_candidate, reserved0) F(wn_candidate, pool)
    F(wn_proposals, struct_size) F(wn_proposals, reserved0) F(wn_proposals, ctx)
    F(wn_proposals, noise) F(wn_proposals, candidate) F(wn_proposals, cost) F(wn_proposals, left)
    F(wn_proposals, forget)
    F(wn_result, struct_size) F(wn_result, status) F(wn_result, candidate) F(wn_result, n_scores)
    F(wn_result, reserved0) F(wn_result, scores) F(wn_result, nfe) F(wn_result, seconds)
    F(wn_problem, struct_size) F(wn_problem, n_scores) F(wn_problem, seed) F(wn_problem, budget_nfe)
    F(wn_problem, final_nfe) F(wn_problem, latent_shape) F(wn_problem, latent_ndim)
    F(wn_problem, sampler_flags) F(wn_problem, verifier_flags) F(wn_problem, selection_flags)
    F(wn_problem, n_steps) F(wn_problem, max_n) F(wn_problem, times) F(wn_problem, nfe)
    F(wn_problem, noise_scale) F(wn_problem, preview_nfe) F(wn_problem, preview_credit)
    F(wn_problem, backward_nfe) F(wn_problem, condition)
    F(wn_search_1, begin) F(wn_search_1, ask) F(wn_search_1, tell) F(wn_search_1, best)
    F(wn_sampler_info, struct_size) F(wn_sampler_info, flags) F(wn_sampler_info, n_steps)
    F(wn_sampler_info, preferred_batch) F(wn_sampler_info, max_batch)
    F(wn_sampler_info, latent_dtype) F(wn_sampler_info, latent_shape)
    F(wn_sampler_info, sample_shape) F(wn_sampler_info, latent_ndim) F(wn_sampler_info, sample_ndim)
    F(wn_sampler_info, carry_elems) F(wn_sampler_info, times) F(wn_sampler_info, noise_scale)
    F(wn_sampler_info, preview_nfe) F(wn_sampler_info, preview_credit)
    F(wn_sampler_info, backward_nfe) F(wn_sampler_info, network_passes)
    F(wn_sampler_info, vjp_forward_nfe) F(wn_sampler_info, flops)
    F(wn_sampler_batch, struct_size) F(wn_sampler_batch, profile) F(wn_sampler_batch, n)
    F(wn_sampler_batch, conditions) F(wn_sampler_batch, latents) F(wn_sampler_batch, carry)
    F(wn_sampler_batch, has_eval) F(wn_sampler_batch, from_time) F(wn_sampler_batch, to_time)
    F(wn_sampler_batch, stochasticity) F(wn_sampler_batch, noise) F(wn_sampler_batch, position)
    F(wn_sampler_1, info) F(wn_sampler_1, leg) F(wn_sampler_1, init) F(wn_sampler_1, step)
    F(wn_sampler_1, preview) F(wn_sampler_1, decode)
    F(wn_sampler_renoise_1, renoise)
    F(wn_sampler_vjp_1, vjp)
    F(wn_loader, struct_size) F(wn_loader, magic) F(wn_loader, min_minor) F(wn_loader, max_minor)
    F(wn_loader, errors) F(wn_loader, host_name) F(wn_loader, host_version)
    F(wn_loader, library_dir)
    F(wn_library, struct_size) F(wn_library, magic) F(wn_library, min_minor)
    F(wn_library, max_minor) F(wn_library, minor) F(wn_library, pointer_bits)
    F(wn_library, sdk_version) F(wn_library, n_plugins) F(wn_library, reserved0)
    F(wn_library, plugins) F(wn_library, shutdown)
};
/* clang-format on */
enum { kCount = sizeof kFields / sizeof kFields[0] };

/* Fields follow each other without a gap and fill their struct. */
static int is_complete(void) {
  size_t end = 0;
  for (int i = 0; i < kCount; ++i) {
    const field* f = &kFields[i];
    const int first = i == 0 || strcmp(f->owner, kFields[i - 1].owner) != 0;
    const int last = i + 1 == kCount || strcmp(f->owner, kFields[i + 1].owner) != 0;
    if (f->offset != (first ? 0 : end)) {
      fprintf(stderr, "before %s.%s a field is missing in this test\n", f->owner, f->name);
      return 0;
    }
    end = f->offset + f->size;
    if (last && end != f->whole) {
      fprintf(stderr, "after %s.%s a field is missing in this test\n", f->owner, f->name);
      return 0;
    }
  }
  return 1;
}

static void print_line(char* out, size_t room, const field* f) {
  snprintf(out, room, "%s.%s %zu %zu", f->owner, f->name, f->offset, f->size);
}

static char golden[1024][128];
static int n_golden = 0;

static int read_golden(const char* path) {
  FILE* file = fopen(path, "r");
  if (!file) {
    perror(path);
    return 0;
  }
  while (n_golden < 1024 && fgets(golden[n_golden], sizeof golden[0], file)) {
    golden[n_golden][strcspn(golden[n_golden], "\n")] = 0;
    if (golden[n_golden][0] != '#') ++n_golden;
  }
  fclose(file);
  return n_golden > 0;
}

/* Every released field is in the header, and every field of a FROZEN struct was released. */
static int is_as_released(void) {
  int wrong = 0, growable = 0;
  char have[128];
  for (int g = 0; g < n_golden; ++g) {
    int found = 0;
    for (int i = 0; i < kCount && !found; ++i) {
      print_line(have, sizeof have, &kFields[i]);
      found = strcmp(golden[g], have) == 0;
    }
    if (!found) fprintf(stderr, "released: %s; this header differs\n", golden[g]), ++wrong;
  }
  for (int i = 0; i < kCount; ++i) {
    if (kFields[i].offset == 0) growable = strcmp(kFields[i].name, "struct_size") == 0;
    int found = growable;
    print_line(have, sizeof have, &kFields[i]);
    for (int g = 0; g < n_golden && !found; ++g) found = strcmp(golden[g], have) == 0;
    if (!found) fprintf(stderr, "a frozen struct has grown by %s\n", have), ++wrong;
  }
  printf("%d released fields, %d in this header\n", n_golden, kCount);
  return wrong == 0;
}

int main(int argc, char** argv) {
  if (!is_complete()) return 1;
  if (argc < 2) {
    char line[256];
    for (int i = 0; i < kCount; ++i) {
      print_line(line, sizeof line, &kFields[i]);
      puts(line);
    }
    return 0;
  }
  return read_golden(argv[1]) && is_as_released() ? 0 : 1;
}
