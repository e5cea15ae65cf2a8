/* pour MB_A_SECOND: waits for a line, then writes text to its terminal at that rate, as far as it is taken; 0: without end. */
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int count, char** words) {
  static char text[16384];
  const double rate = count > 1 ? atof(words[1]) * 1e6 : 0;
  struct termios terminal;
  char line[64];
  memset(text, 'x', sizeof text);
  for (size_t i = 79; i < sizeof text; i += 80) text[i] = '\n';
  if (read(0, line, sizeof line) <= 0 || tcgetattr(1, &terminal) < 0) return 1;
  cfmakeraw(&terminal);
  tcsetattr(1, TCSANOW, &terminal);
  double owed = 0, last = now();
  for (;;) {
    const double time = now();
    owed += (time - last) * rate;
    last = time;
    if (owed > rate / 4) owed = rate / 4;   /* what the terminal did not take in time is not made up for */
    if (rate > 0 && owed < sizeof text) {
      const struct timespec rest = {0, 500000};
      nanosleep(&rest, NULL);
      continue;
    }
    const ssize_t size = write(1, text, sizeof text);
    if (size <= 0) return 1;
    owed -= (double)size;
  }
}
