/* openmp.c: stands for an OpenMP runtime. */
__attribute__((visibility("default"))) int NAME(void);
int NAME(void) { return 1; }
