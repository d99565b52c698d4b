/* How fast one core reads: sums of arrays of a few sizes, read again and again. Prints a JSON object from KiB to GB/s (the best of a second of readings).
   gcc -O3 -march=native -ffast-math bandwidth.c -o bandwidth && ./bandwidth 24 512 4096 262144 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }

/* Many sums side by side, so that no reading waits for a sum; the compiler may not know that two calls give the same. */
static __attribute__((noipa)) float sum(const float *a, size_t n) {
  enum { SUMS = 128 };
  float s[SUMS] = {0};
  for (size_t i = 0; i + SUMS <= n; i += SUMS)
    for (int k = 0; k < SUMS; k++) s[k] += a[i + k];
  float all = 0;
  for (int k = 0; k < SUMS; k++) all += s[k];
  return all;
}

int main(int argc, char **argv) {
  volatile float sink = 0;
  printf("{");
  for (int k = 1; k < argc; k++) {
    long kib = atol(argv[k]);
    size_t n = kib * 1024 / sizeof(float);
    float *a = aligned_alloc(1 << 21, (kib * 1024 + (1 << 21) - 1) / (1 << 21) * (1 << 21));
    if (!a || !n) return 1;
    for (size_t i = 0; i < n; i++) a[i] = i % 7;
    long rounds = 1 + (16 << 20) / (kib * 1024);
    double best = 0, began = now();
    while (now() - began < 1) {
      double t = now();
      for (long r = 0; r < rounds; r++) sink += sum(a, n);
      double rate = rounds * (double)n * sizeof(float) / (now() - t) * 1e-9;
      if (rate > best) best = rate;
    }
    printf("%s\"%ld\": %.1f", k > 1 ? ", " : "", kib, best);
    free(a);
  }
  printf("}\n");
  return 0;
}
